//! The native half of the Python package: JSON text in, JSON text out. Everything that looks like Python is in Python.
//!
//! A blocking call gives the interpreter's lock away and looks for Ctrl-C every 50 ms. An asynchronous one is started on
//! the library's own thread, which calls `done(value, error)`. In a forked child the parent's objects are refused and
//! never torn down, since their locks may be held by threads that are not there.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use tierway_bindings::{Cancel, Failure, ForeignCheck, ForeignProvider, Host, runtime};

mod host;

use host::{Answer, Bridge};

/// How often a blocking call looks for Ctrl-C.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

/// A value of the process that made it. A fork neither uses it nor drops it.
struct Own<T> {
    value: Option<Arc<T>>,
    process: u32,
}

impl<T> Own<T> {
    fn new(value: T) -> Own<T> {
        Own { value: Some(Arc::new(value)), process: std::process::id() }
    }

    fn get(&self) -> PyResult<Arc<T>> {
        let process = std::process::id();
        match &self.value {
            Some(value) if process == self.process => Ok(value.clone()),
            _ => Err(raise(&Failure::new(
                "forked",
                format!("made in process {} and used in its fork {process}: make a new client there", self.process),
            ))),
        }
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if std::process::id() != self.process {
            std::mem::forget(self.value.take());
        }
    }
}

/// The exception for a failure: `tierway._errors` knows the classes.
fn raise(failure: &Failure) -> PyErr {
    Python::attach(|py| {
        let made = py.import("tierway._errors").and_then(|errors| errors.call_method1("make", (failure.to_json(),)));
        match made {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    })
}

/// Waits without the interpreter's lock.
fn wait<T: Send>(py: Python<'_>, work: impl Future<Output = Result<T, Failure>> + Send) -> PyResult<T> {
    let runtime = runtime::handle().map_err(|failure| raise(&failure))?;
    let mut work = pin!(work);
    loop {
        let step = async { tokio::time::timeout(SIGNALS_EVERY, work.as_mut()).await };
        match py.detach(|| runtime.block_on(step)) {
            Ok(done) => return done.map_err(|failure| raise(&failure)),
            Err(_) => py.check_signals()?,
        }
    }
}

/// Starts work whose end is told to `done(value, error)`.
fn start<T>(done: Py<PyAny>, work: impl Future<Output = Result<T, Failure>> + Send + 'static) -> PyResult<Cancelling>
where
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    let runtime = runtime::handle().map_err(|failure| raise(&failure))?;
    let cancel = Cancel::new();
    let stop = cancel.clone();
    runtime.spawn(async move {
        let ended = stop.run(work).await;
        // Nobody is there to be told where the interpreter is on its way out, or the loop is closed.
        Python::try_attach(|py| {
            let told = match ended {
                Ok(value) => done.call1(py, (value, py.None())),
                Err(failure) => done.call1(py, (py.None(), raise(&failure))),
            };
            drop(told);
            drop(done);
        });
    });
    Ok(Cancelling { cancel })
}

/// Stops an asynchronous call.
#[pyclass(frozen, name = "Cancel", module = "tierway._native")]
struct Cancelling {
    cancel: Cancel,
}

#[pymethods]
impl Cancelling {
    fn cancel(&self) {
        self.cancel.cancel();
    }
}

#[pyclass(frozen, module = "tierway._native")]
struct Handle {
    inner: Own<tierway_bindings::Handle>,
}

#[pymethods]
impl Handle {
    #[new]
    #[pyo3(signature = (settings, providers, checks))]
    fn new(settings: &str, providers: BTreeMap<String, Py<PyAny>>, checks: Vec<Py<PyAny>>) -> PyResult<Handle> {
        let provider = |(endpoint, bridge)| {
            let provider: Arc<dyn ForeignProvider> = Arc::new(Bridge::new(bridge));
            (endpoint, provider)
        };
        let check = |bridge| {
            let check: Arc<dyn ForeignCheck> = Arc::new(Bridge::new(bridge));
            check
        };
        let host = Host {
            providers: providers.into_iter().map(provider).collect(),
            checks: checks.into_iter().map(check).collect(),
            transport: None,
        };
        let made = tierway_bindings::Handle::new(settings, host);
        Ok(Handle { inner: Own::new(made.map_err(|failure| raise(&failure))?) })
    }

    fn send(&self, py: Python<'_>, request: &str) -> PyResult<String> {
        let inner = self.inner.get()?;
        wait(py, inner.send(request))
    }

    fn chat(&self, py: Python<'_>, body: &str) -> PyResult<String> {
        let inner = self.inner.get()?;
        wait(py, inner.chat(body))
    }

    fn stream(&self, py: Python<'_>, request: &str) -> PyResult<Stream> {
        let inner = self.inner.get()?;
        Ok(Stream { inner: Own::new(wait(py, inner.stream(request))?) })
    }

    fn chat_stream(&self, py: Python<'_>, body: &str) -> PyResult<Stream> {
        let inner = self.inner.get()?;
        Ok(Stream { inner: Own::new(wait(py, inner.chat_stream(body))?) })
    }

    fn start_send(&self, request: String, done: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(done, async move { inner.send(&request).await })
    }

    fn start_chat(&self, body: String, done: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(done, async move { inner.chat(&body).await })
    }

    fn start_stream(&self, request: String, done: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(done, async move { Ok(Stream { inner: Own::new(inner.stream(&request).await?) }) })
    }

    fn start_chat_stream(&self, body: String, done: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(done, async move { Ok(Stream { inner: Own::new(inner.chat_stream(&body).await?) }) })
    }

    fn route(&self, request: &str) -> PyResult<String> {
        self.inner.get()?.route(request).map_err(|failure| raise(&failure))
    }

    fn route_chat(&self, body: &str) -> PyResult<String> {
        self.inner.get()?.route_chat(body).map_err(|failure| raise(&failure))
    }

    fn models(&self) -> PyResult<String> {
        Ok(self.inner.get()?.models())
    }

    fn report(&self, py: Python<'_>, query: &str) -> PyResult<String> {
        let inner = self.inner.get()?;
        wait(py, inner.report(query))
    }

    fn attempts(&self, py: Python<'_>, query: &str) -> PyResult<String> {
        let inner = self.inner.get()?;
        wait(py, inner.attempts(query))
    }

    fn feedback(&self, py: Python<'_>, marked: &str) -> PyResult<()> {
        let inner = self.inner.get()?;
        wait(py, inner.feedback(marked))
    }

    fn start_feedback(&self, marked: String, done: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(done, async move { inner.feedback(&marked).await.map(|()| "null".to_owned()) })
    }

    fn experience(&self, py: Python<'_>) -> PyResult<String> {
        let inner = self.inner.get()?;
        wait(py, async { Ok(inner.experience().await) })
    }

    fn set_experience(&self, py: Python<'_>, experience: &str) -> PyResult<()> {
        let inner = self.inner.get()?;
        wait(py, inner.set_experience(experience))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let inner = self.inner.get()?;
        wait(py, inner.close())
    }
}

#[pyclass(frozen, module = "tierway._native")]
struct Stream {
    inner: Own<tierway_bindings::StreamHandle>,
}

#[pymethods]
impl Stream {
    fn next(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let inner = self.inner.get()?;
        wait(py, inner.next())
    }

    fn start_next(&self, done: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(done, async move { inner.next().await })
    }

    fn response(&self) -> PyResult<Option<String>> {
        Ok(self.inner.get()?.response())
    }

    fn route(&self) -> PyResult<String> {
        Ok(self.inner.get()?.route().to_owned())
    }

    fn close(&self) {
        if let Ok(inner) = self.inner.get() {
            inner.close();
        }
    }
}

/// The native half of `tierway`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Handle>()?;
    module.add_class::<Stream>()?;
    module.add_class::<Cancelling>()?;
    module.add_class::<Answer>()?;
    Ok(())
}

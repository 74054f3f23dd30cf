//! The native half of the Python package: JSON text in, JSON text out. Everything that looks like Python is in Python.
//!
//! A blocking call gives the interpreter's lock away and looks for Ctrl-C every 50 ms. An asynchronous one is started on
//! the library's own thread, and ends in the mailbox of its event loop. In a forked child the parent's objects are refused and
//! never torn down, since their locks may be held by threads that are not there.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tierway_bindings::{Cancel, Failure, ForeignCheck, ForeignProvider, Host, runtime};

mod gate;
mod host;
mod mailbox;

use host::{Answer, Bridge};
use mailbox::{Brought, Mailbox};

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
    let mut work = pin!(work);
    loop {
        let waited = py.detach(|| runtime::wait_until(work.as_mut(), Instant::now() + SIGNALS_EVERY));
        match waited.map_err(|failure| raise(&failure))? {
            Some(done) => return done.map_err(|failure| raise(&failure)),
            None => py.check_signals()?,
        }
    }
}

/// Waits for work that the library's own thread does: it is woken less often than one that goes to and fro.
fn wait_there<T, W>(py: Python<'_>, work: W) -> PyResult<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let runtime = runtime::handle().map_err(|failure| raise(&failure))?;
    let mut task = runtime::Task::of(&runtime, work);
    wait(py, async { task.ended().await })
}

/// Starts work that ends in `mailbox`, for `future`.
fn start(
    mailbox: &Mailbox,
    future: Py<PyAny>,
    work: impl Future<Output = Result<Brought, Failure>> + Send + 'static,
) -> PyResult<Cancelling> {
    let runtime = runtime::handle().map_err(|failure| raise(&failure))?;
    let cancel = Cancel::new();
    let (stop, mailbox) = (cancel.clone(), mailbox.shared());
    runtime.spawn(async move {
        let end = runtime::unbroken(stop.run(work)).await;
        mailbox.put(future, end);
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
            reads_ahead: false,
        };
        let made = tierway_bindings::Handle::new(settings, host);
        Ok(Handle { inner: Own::new(made.map_err(|failure| raise(&failure))?) })
    }

    fn send(&self, py: Python<'_>, request: String) -> PyResult<String> {
        let inner = self.inner.get()?;
        wait_there(py, async move { inner.send(&request).await })
    }

    fn chat(&self, py: Python<'_>, body: String) -> PyResult<String> {
        let inner = self.inner.get()?;
        wait_there(py, async move { inner.chat(&body).await })
    }

    fn stream(&self, py: Python<'_>, request: String) -> PyResult<Stream> {
        let inner = self.inner.get()?;
        Ok(Stream::new(wait_there(py, async move { inner.stream(&request).await })?))
    }

    fn chat_stream(&self, py: Python<'_>, body: String) -> PyResult<Stream> {
        let inner = self.inner.get()?;
        Ok(Stream::new(wait_there(py, async move { inner.chat_stream(&body).await })?))
    }

    fn start_send(&self, request: String, mailbox: &Mailbox, future: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(mailbox, future, async move { Ok(Brought::Text(Some(inner.send(&request).await?))) })
    }

    fn start_chat(&self, body: String, mailbox: &Mailbox, future: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(mailbox, future, async move { Ok(Brought::Text(Some(inner.chat(&body).await?))) })
    }

    fn start_stream(&self, request: String, mailbox: &Mailbox, future: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(mailbox, future, async move { Ok(Brought::Stream(Stream::new(inner.stream(&request).await?))) })
    }

    fn start_chat_stream(&self, body: String, mailbox: &Mailbox, future: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(mailbox, future, async move { Ok(Brought::Stream(Stream::new(inner.chat_stream(&body).await?))) })
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

    fn start_feedback(&self, marked: String, mailbox: &Mailbox, future: Py<PyAny>) -> PyResult<Cancelling> {
        let inner = self.inner.get()?;
        start(mailbox, future, async move { inner.feedback(&marked).await.map(|()| Brought::Text(None)) })
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

impl Stream {
    fn new(stream: tierway_bindings::StreamHandle) -> Stream {
        Stream { inner: Own::new(stream) }
    }
}

/// The next piece of a stream, or a call that waits for it.
#[derive(IntoPyObject)]
enum Next {
    Here(Option<String>),
    Awaited(Cancelling),
}

#[pymethods]
impl Stream {
    fn next(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let inner = self.inner.get()?;
        match inner.look() {
            Poll::Ready(piece) => piece.map_err(|failure| raise(&failure)),
            Poll::Pending => wait(py, inner.next()),
        }
    }

    fn start_next(&self, mailbox: &Mailbox, future: Py<PyAny>) -> PyResult<Next> {
        let inner = self.inner.get()?;
        match inner.look() {
            Poll::Ready(piece) => piece.map(Next::Here).map_err(|failure| raise(&failure)),
            Poll::Pending => {
                let next = async move { inner.next().await.map(Brought::Text) };
                start(mailbox, future, next).map(Next::Awaited)
            }
        }
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
    module.add_class::<Mailbox>()?;
    module.add_function(wrap_pyfunction!(gate::shut, module)?)?;
    module.add_function(wrap_pyfunction!(gate::forked, module)?)?;
    Ok(())
}

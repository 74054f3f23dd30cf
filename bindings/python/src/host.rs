//! Providers and checks that are written in Python. What Python is asked goes to `tierway._host`, which returns at once
//! and answers later by calling the `Answer` that it was given, from any thread.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pyo3::prelude::*;
use tierway_bindings::{ForeignCheck, ForeignProvider};
use tokio::sync::oneshot;

use crate::gate;

type Said = Result<Option<String>, String>;

const GONE: &str = r#"{"kind": "cancelled", "message": "the interpreter is on its way out", "retry": "never"}"#;

/// Where Python puts an answer: call it once with an error and a value, either of which is `None`.
#[pyclass(frozen, module = "tierway._native")]
pub(crate) struct Answer {
    asker: Mutex<Option<oneshot::Sender<Said>>>,
}

#[pymethods]
impl Answer {
    #[pyo3(signature = (error, value))]
    fn __call__(&self, error: Option<String>, value: Option<String>) {
        let asker = self.asker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(asker) = asker {
            // Whoever asked may have given up.
            let _ = asker.send(error.map_or(Ok(value), Err));
        }
    }
}

/// What runs in Python for a question; where the asker gives up, it is told to stop.
struct Work(Option<Py<PyAny>>);

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            gate::attach(|py| drop(work.call_method0(py, "cancel")));
        }
    }
}

/// The Python half of a provider or a check.
#[derive(Clone)]
pub(crate) struct Bridge(Arc<Py<PyAny>>);

impl Bridge {
    pub(crate) fn new(bridge: Py<PyAny>) -> Bridge {
        Bridge(Arc::new(bridge))
    }

    async fn ask(&self, method: &str, text: String) -> Said {
        let (sender, answered) = oneshot::channel();
        let answer = Answer { asker: Mutex::new(Some(sender)) };
        let begun = gate::attach(|py| {
            let answer = Py::new(py, answer)?;
            self.0.call_method1(py, method, (text, answer))
        });
        let mut work = match begun {
            Some(Ok(work)) => Work(Some(work)),
            Some(Err(_)) | None => return Err(GONE.to_owned()),
        };
        let said = answered.await.unwrap_or_else(|_| Err(GONE.to_owned()));
        // It is done: there is nothing to stop.
        if let Some(done) = work.0.take() {
            gate::attach(|_| drop(done));
        }
        said
    }
}

#[async_trait]
impl ForeignProvider for Bridge {
    async fn chat(&self, call: String) -> Result<String, String> {
        self.ask("chat", call).await?.ok_or_else(|| "the provider brought no answer".to_owned())
    }

    async fn open(&self, stream: u64, call: String) -> Result<(), String> {
        self.ask("open", format!("{stream} {call}")).await.map(drop)
    }

    async fn next(&self, stream: u64) -> Result<Option<String>, String> {
        self.ask("next", stream.to_string()).await
    }

    fn close(&self, stream: u64) {
        gate::attach(|py| drop(self.0.call_method1(py, "close", (stream,))));
    }
}

#[async_trait]
impl ForeignCheck for Bridge {
    async fn judge(&self, request: String, reply: String) -> Option<String> {
        // Both are JSON already.
        let asked = format!("{{\"request\":{request},\"reply\":{reply}}}");
        self.ask("judge", asked).await.unwrap_or_else(|_| Some("the check itself failed".to_owned()))
    }
}

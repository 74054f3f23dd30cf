//! Providers and checks that are written in JavaScript: questions with numbers, answered from JavaScript's thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use napi::bindgen_prelude::Either;
use tierway_bindings::{ForeignCheck, ForeignProvider};
use tokio::sync::oneshot;

use crate::Events;

/// What JavaScript answers: an error as JSON, a value as JSON, or no value where there is none.
type Answer = Result<Option<String>, String>;

const GONE: &str = r#"{"kind": "cancelled", "message": "the environment that answers has gone", "retry": "never"}"#;

/// Questions to JavaScript that are open.
pub(crate) struct Questions {
    events: Events,
    open: Mutex<Option<HashMap<u32, oneshot::Sender<Answer>>>>,
    next: AtomicU32,
}

/// A question that nobody waits for any more: JavaScript is told to stop.
struct Waiting<'a> {
    questions: &'a Questions,
    number: u32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.questions.take(self.number).is_some() {
            self.questions.events.tell("stop", self.number, None, None);
        }
    }
}

impl Questions {
    pub(crate) fn new(events: Events) -> Questions {
        Questions { events, open: Mutex::new(Some(HashMap::new())), next: AtomicU32::new(1) }
    }

    /// Answers a question; one that is not open any more is left alone.
    pub(crate) fn answer(&self, number: u32, error: Option<String>, value: Option<String>) {
        if let Some(asker) = self.take(number) {
            // The asker may have given up meanwhile.
            let _ = asker.send(error.map_or(Ok(value), Err));
        }
    }

    /// Fails all questions, now and later.
    pub(crate) fn give_up(&self) {
        self.lock().take();
    }

    async fn ask(&self, about: &str, text: String) -> Answer {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answered) = oneshot::channel();
        match self.lock().as_mut() {
            Some(open) => open.insert(number, sender),
            None => return Err(GONE.to_owned()),
        };
        let waiting = Waiting { questions: self, number };
        if !self.events.tell(about, number, None, Some(Either::A(text))) {
            return Err(GONE.to_owned());
        }
        let answer = answered.await.unwrap_or_else(|_| Err(GONE.to_owned()));
        drop(waiting);
        answer
    }

    fn take(&self, number: u32) -> Option<oneshot::Sender<Answer>> {
        self.lock().as_mut()?.remove(&number)
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u32, oneshot::Sender<Answer>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers for an endpoint.
pub(crate) struct JsProvider {
    endpoint: String,
    questions: Arc<Questions>,
}

impl JsProvider {
    pub(crate) fn new(endpoint: &str, questions: Arc<Questions>) -> JsProvider {
        JsProvider { endpoint: endpoint.to_owned(), questions }
    }
}

#[async_trait]
impl ForeignProvider for JsProvider {
    async fn chat(&self, call: String) -> Result<String, String> {
        let answer = self.questions.ask(&format!("chat {}", self.endpoint), call).await?;
        answer.ok_or_else(|| "the provider brought no answer".to_owned())
    }

    async fn open(&self, stream: u64, call: String) -> Result<(), String> {
        self.questions.ask(&format!("open {stream} {}", self.endpoint), call).await.map(drop)
    }

    async fn next(&self, stream: u64) -> Result<Option<String>, String> {
        self.questions.ask("next", stream.to_string()).await
    }

    fn close(&self, stream: u64) {
        self.questions.events.tell("close", 0, None, Some(Either::A(stream.to_string())));
    }
}

/// Judges answers.
pub(crate) struct JsCheck {
    number: u32,
    questions: Arc<Questions>,
}

impl JsCheck {
    pub(crate) fn new(number: u32, questions: Arc<Questions>) -> JsCheck {
        JsCheck { number, questions }
    }
}

#[async_trait]
impl ForeignCheck for JsCheck {
    async fn judge(&self, request: String, reply: String) -> Option<String> {
        // Both are JSON already.
        let asked = format!("{{\"request\":{request},\"reply\":{reply}}}");
        match self.questions.ask(&format!("judge {}", self.number), asked).await {
            Ok(reason) => reason,
            Err(_) => Some("the check itself failed".to_owned()),
        }
    }
}

//! An answer piece by piece as it crosses the border.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tierway_bindings::{Cancel, Failure, StreamHandle};

use crate::work::run;
use crate::{CoreError, Stopper};

/// What opens a stream.
type Opening = Pin<Box<dyn Future<Output = Result<StreamHandle, Failure>> + Send>>;

/// An answer piece by piece. Dropping it, or `end`, cancels the call and settles what was delivered.
///
/// The host holds it before the call begins. Were it the outcome of an async function, a host whose waiting ends just when
/// the outcome is there would never hold it, and a call that nobody reads would stay open for good.
#[derive(uniffi::Object)]
pub struct CoreStream {
    opening: Mutex<Option<Opening>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    opened: OnceLock<StreamHandle>,
    ended: Cancel,
}

impl State {
    fn end(&self) {
        self.ended.cancel();
        if let Some(stream) = self.opened.get() {
            stream.close();
        }
    }

    /// Keeps a stream that was opened; where `end` came before, it is closed.
    fn keep(&self, stream: StreamHandle) {
        let stream = self.opened.get_or_init(|| stream);
        if self.ended.is_cancelled() {
            stream.close();
        }
    }

    async fn next(&self) -> Result<Option<String>, Failure> {
        match self.opened.get() {
            Some(stream) => stream.next().await,
            None if self.ended.is_cancelled() => Ok(None),
            None => Err(Failure::new("internal", "the stream is read before it was opened: wait for `open` first")),
        }
    }
}

impl CoreStream {
    pub(crate) fn new(opening: Opening) -> Arc<CoreStream> {
        Arc::new(CoreStream { opening: Mutex::new(Some(opening)), state: Arc::default() })
    }
}

#[uniffi::export]
impl CoreStream {
    /// Begins the call and waits for the first piece that a reader would see. Once for each stream.
    pub async fn open(&self, stop: Option<Arc<Stopper>>) -> Result<(), CoreError> {
        let opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner).take();
        let state = self.state.clone();
        let work = async move {
            let twice = || Failure::new("internal", "the stream was opened before: ask for another one");
            state.keep(state.ended.run(opening.ok_or_else(twice)?).await?);
            Ok(())
        };
        run(stop, work).await
    }

    /// The next piece; nothing after the last one and after `end`.
    pub async fn next(&self) -> Result<Option<String>, CoreError> {
        let state = self.state.clone();
        run(None, async move { state.next().await }).await
    }

    /// The whole response, after the last piece.
    pub fn response(&self) -> Option<String> {
        self.state.opened.get()?.response()
    }

    /// Who answers; nothing before it was opened.
    pub fn route(&self) -> Option<String> {
        Some(self.state.opened.get()?.route().to_owned())
    }

    /// Ends the stream, opened or not: a `next` that waits brings nothing at once. It never blocks.
    pub fn end(&self) {
        self.state.end();
    }
}

impl Drop for CoreStream {
    /// A task under way may hold the state for a moment longer.
    fn drop(&mut self) {
        self.state.end();
    }
}

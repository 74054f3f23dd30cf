//! An answer piece by piece for hosts: pulled, and closed at any time from any thread.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tierway::client::ResponseStream;
use tokio::sync::{Mutex, MutexGuard};

use crate::openai::{self, Chunks};
use crate::{Cancel, Failure, json, runtime};

/// In which words a stream speaks.
pub(crate) enum Shape {
    /// Our own deltas and response.
    Native,
    /// OpenAI's chunks and completion.
    Chat {
        /// Whether a chunk with the usage comes last.
        include_usage: bool,
    },
}

/// An answer piece by piece. Dropping it, or `close`, cancels the call and settles what was delivered.
pub struct StreamHandle {
    state: Mutex<State>,
    closed: Cancel,
    route: String,
}

struct State {
    /// Taken at the end, on an error and on `close`.
    stream: Option<ResponseStream>,
    chunks: Option<Chunks>,
    ready: VecDeque<String>,
    response: Option<String>,
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamHandle").field("is_closed", &self.closed.is_cancelled()).finish_non_exhaustive()
    }
}

impl StreamHandle {
    pub(crate) fn new(stream: ResponseStream, shape: Shape) -> StreamHandle {
        let route = stream.route();
        let chunks = match shape {
            Shape::Native => None,
            Shape::Chat { include_usage } => Some(Chunks::new(&route, include_usage)),
        };
        let state = State { stream: Some(stream), chunks, ready: VecDeque::new(), response: None };
        StreamHandle { state: Mutex::new(state), closed: Cancel::new(), route: json::write(&route) }
    }

    /// The next piece as JSON; `None` after the last one and after `close`.
    ///
    /// # Errors
    /// `incomplete` with what had come where the answer broke off; nothing comes after an error.
    pub async fn next(&self) -> Result<Option<String>, Failure> {
        // Dropped last, after the lock or the place in its queue.
        let _leaving = Leaving(self);
        let Some(mut state) = self.open().await else { return Ok(None) };
        while state.is_to_be_read() {
            let stepped = tokio::select! {
                biased;
                () = self.closed.cancelled() => Ok(false),
                stepped = state.step() => stepped,
            };
            state.after(stepped)?;
        }
        Ok(state.ready.pop_front())
    }

    /// The next piece where it is there already. Nobody is woken for this look: where it is not, wait for `next`.
    ///
    /// # Errors
    /// As `next`.
    pub fn look(&self) -> Poll<Result<Option<String>, Failure>> {
        self.poll(Waker::noop())
    }

    /// As `look`; where the piece is not there, `waker` is woken when it is time to look again, unless somebody looks
    /// before, or the stream is closed. While another reader waits for `next`, nobody is woken: a host takes one way.
    ///
    /// # Errors
    /// As `next`.
    pub fn poll(&self, waker: &Waker) -> Poll<Result<Option<String>, Failure>> {
        if self.closed.is_cancelled() {
            return Poll::Ready(Ok(None));
        }
        let _leaving = Leaving(self);
        let Ok(mut state) = self.state.try_lock() else { return Poll::Pending };
        let runtime = runtime::handle()?;
        let _entered = runtime.enter();
        while state.is_to_be_read() {
            let stepped = match pin!(state.step()).poll(&mut Context::from_waker(waker)) {
                Poll::Ready(stepped) => stepped,
                Poll::Pending => return Poll::Pending,
            };
            state.after(stepped)?;
        }
        Poll::Ready(Ok(state.ready.pop_front()))
    }

    /// The whole response as JSON, after the last piece.
    pub fn response(&self) -> Option<String> {
        self.state.try_lock().ok()?.response.clone()
    }

    /// Who answers, as JSON.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Ends the stream: a `next` that waits brings `None` at once, and what was delivered is settled. It never blocks.
    pub fn close(&self) {
        self.closed.cancel();
        // Where `next` holds the lock, it is woken and lets go itself.
        if let Ok(mut state) = self.state.try_lock() {
            state.let_go();
        }
    }

    async fn open(&self) -> Option<MutexGuard<'_, State>> {
        tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            state = self.state.lock() => Some(state),
        }
    }
}

/// A reader on its way out, by return or by being dropped. `close` leaves letting go to whoever has the lock; a reader that
/// was next in its queue may have been given it just then, and leaves without having used it.
struct Leaving<'a>(&'a StreamHandle);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.0.closed.is_cancelled()
            && let Ok(mut state) = self.0.state.try_lock()
        {
            state.let_go();
        }
    }
}

impl State {
    /// Whether there is no piece in hand, and more to come.
    fn is_to_be_read(&self) -> bool {
        self.ready.is_empty() && self.stream.is_some()
    }

    /// Lets go where a step failed, or the stream was closed.
    fn after(&mut self, stepped: Result<bool, Failure>) -> Result<(), Failure> {
        if !matches!(stepped, Ok(true)) {
            self.let_go();
        }
        stepped.map(drop)
    }

    /// Reads one delta; the pieces it makes are then ready. Whether the stream is there to be read again.
    async fn step(&mut self) -> Result<bool, Failure> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        match stream.next().await {
            Some(Ok(delta)) => match &mut self.chunks {
                None => self.ready.push_back(json::write(&delta)),
                Some(chunks) => chunks.push(delta, &mut self.ready),
            },
            Some(Err(error)) => {
                let endpoint = stream.route().endpoint;
                return Err(Failure::from(error).at(endpoint.as_str()));
            }
            None => {
                if let Some(response) = stream.response() {
                    self.response = Some(match &mut self.chunks {
                        None => json::write(response),
                        Some(chunks) => {
                            chunks.finish(response, &mut self.ready);
                            openai::completion(response)
                        }
                    });
                }
                self.stream = None;
            }
        }
        Ok(true)
    }

    fn let_go(&mut self) {
        self.stream = None;
        self.ready.clear();
    }
}

//! The native half of the Node package: JSON text in, JSON text out. Everything that looks like JavaScript is in
//! JavaScript.
//!
//! All work is started with a number and runs on the library's own thread. One weak thread-safe function a client
//! brings every event back: the end of a call, or a question to a provider or a check that is written in JavaScript,
//! which is answered by its number. Weak, so that it holds no process open; the JavaScript half does that while calls
//! are under way. Where the environment goes away, in the midst of anything, what was asked of it fails and all calls
//! are cancelled. A panic is a failure like others, wherever it happens: `border` and `runtime::unbroken` see to that.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use napi::bindgen_prelude::{Either, FnArgs, Function, Status};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tierway_bindings::{Cancel, Failure, ForeignCheck, ForeignProvider, Handle, Host, StreamHandle, runtime};

mod border;
mod host;

use border::{Contained, contain, guard, raise};
use host::{JsCheck, JsProvider, Questions};

/// What JavaScript is told: what it is about, its number, an error, a value.
type Told = FnArgs<(String, u32, Option<String>, Option<Either<String, NativeStream>>)>;
type Teller = ThreadsafeFunction<Told, (), Told, Status, false, true>;

/// Tells JavaScript what happened.
#[derive(Clone)]
struct Events(Arc<Teller>);

impl Events {
    /// Whether anybody is there to be told.
    fn tell(
        &self,
        about: &str,
        number: u32,
        error: Option<String>,
        value: Option<Either<String, NativeStream>>,
    ) -> bool {
        let told = FnArgs::from((about.to_owned(), number, error, value));
        self.0.call(told, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
    }
}

/// A client.
#[napi]
pub struct NativeClient {
    handle: Contained<Handle>,
    events: Events,
    questions: Arc<Questions>,
    /// Used where the client goes away: whatever runs for it stops.
    gone: Cancel,
}

#[napi]
impl NativeClient {
    /// A client of these settings. `events` is called as `(about, number, error, value)`; `providers` are the endpoints
    /// that JavaScript answers for, and `checks` says how many checks it has.
    ///
    /// # Errors
    /// The failure as JSON, in the message.
    #[napi(constructor)]
    pub fn new(
        settings: String,
        events: Function<'_, Told, ()>,
        providers: Vec<String>,
        checks: u32,
    ) -> napi::Result<NativeClient> {
        guard(|| NativeClient::make(&settings, &events, providers, checks))
    }

    /// Starts a call; its end is told as `("end", number, error, value)`. `kind` is `send`, `chat`, `stream`,
    /// `chat_stream`, `report`, `attempts`, `feedback`, `experience`, `set_experience` or `close`.
    ///
    /// # Errors
    /// Where there is no runtime, or no such kind.
    #[napi]
    pub fn start(&self, kind: String, number: u32, text: String) -> napi::Result<NativeCancel> {
        guard(|| self.spawn(number, work(self.handle.clone(), kind, text)))
    }

    /// A stream's next piece, nothing after the last one. `false` where it is not there: then `("end", number)` is told,
    /// once, when it is time to look again, or the stream was closed.
    ///
    /// # Errors
    /// The failure as JSON.
    #[napi]
    pub fn next(&self, stream: &NativeStream, number: u32) -> napi::Result<Option<Either<String, bool>>> {
        stream.read(|inner| {
            let waiter = Arc::new(Waiter { events: self.events.clone(), number, is_told: AtomicBool::new(false) });
            let looked = inner.poll(&Waker::from(waiter.clone()));
            if looked.is_pending() {
                *lock(&stream.waiter) = Some(waiter);
            }
            looked
        })
    }

    /// Decides without a call.
    ///
    /// # Errors
    /// The failure as JSON.
    #[napi]
    pub fn route(&self, request: String) -> napi::Result<String> {
        guard(|| self.handle.route(&request).map_err(|failure| raise(&failure)))
    }

    /// Decides without a call, for a body of chat completions.
    ///
    /// # Errors
    /// The failure as JSON.
    #[napi]
    pub fn route_chat(&self, body: String) -> napi::Result<String> {
        guard(|| self.handle.route_chat(&body).map_err(|failure| raise(&failure)))
    }

    /// The models on sale, as JSON.
    ///
    /// # Errors
    /// `internal` where it broke.
    #[napi]
    pub fn models(&self) -> napi::Result<String> {
        guard(|| Ok(self.handle.models()))
    }

    /// Answers a question that was told: with an error, a value, or neither where a stream has ended.
    ///
    /// # Errors
    /// `internal` where it broke.
    #[napi]
    pub fn answer(&self, number: u32, error: Option<String>, value: Option<String>) -> napi::Result<()> {
        guard(|| {
            self.questions.answer(number, error, value);
            Ok(())
        })
    }

    fn make(
        settings: &str,
        events: &Function<'_, Told, ()>,
        providers: Vec<String>,
        checks: u32,
    ) -> napi::Result<NativeClient> {
        let teller = events
            .build_threadsafe_function::<Told>()
            .weak::<true>()
            .callee_handled::<false>()
            .build_callback(|told| Ok(told.value))?;
        let events = Events(Arc::new(teller));
        let questions = Arc::new(Questions::new(events.clone()));
        let provider = |endpoint: String| {
            let provider: Arc<dyn ForeignProvider> = Arc::new(JsProvider::new(&endpoint, questions.clone()));
            (endpoint, provider)
        };
        let check = |number| {
            let check: Arc<dyn ForeignCheck> = Arc::new(JsCheck::new(number, questions.clone()));
            check
        };
        let host = Host {
            providers: providers.into_iter().map(provider).collect::<BTreeMap<_, _>>(),
            checks: (0..checks).map(check).collect(),
            transport: None,
            reads_ahead: true,
        };
        let handle = Handle::new(settings, host).map_err(|failure| raise(&failure))?;
        Ok(NativeClient { handle: Contained::new(handle), events, questions, gone: Cancel::new() })
    }

    fn spawn(&self, number: u32, work: impl Future<Output = Ended> + Send + 'static) -> napi::Result<NativeCancel> {
        let runtime = runtime::handle().map_err(|failure| raise(&failure))?;
        let (cancel, gone, events) = (Cancel::new(), self.gone.clone(), self.events.clone());
        let stop = cancel.clone();
        runtime.spawn(async move {
            let ended = runtime::unbroken(stop.run(gone.run(work))).await;
            let (error, value) = match ended {
                Ok(value) => (None, value),
                Err(failure) => (Some(failure.to_json()), None),
            };
            events.tell("end", number, error, value);
        });
        Ok(NativeCancel { cancel })
    }
}

impl Drop for NativeClient {
    fn drop(&mut self) {
        contain(|| {
            self.gone.cancel();
            self.questions.give_up();
        });
    }
}

/// What JavaScript is told at a call's end.
type Ended = Result<Option<Either<String, NativeStream>>, Failure>;

async fn work(handle: Handle, kind: String, text: String) -> Ended {
    Ok(Some(match kind.as_str() {
        "send" => Either::A(handle.send(&text).await?),
        "chat" => Either::A(handle.chat(&text).await?),
        "stream" => Either::B(NativeStream::new(handle.stream(&text).await?)),
        "chat_stream" => Either::B(NativeStream::new(handle.chat_stream(&text).await?)),
        "report" => Either::A(handle.report(&text).await?),
        "attempts" => Either::A(handle.attempts(&text).await?),
        "experience" => Either::A(handle.experience().await),
        "feedback" => {
            handle.feedback(&text).await?;
            Either::A("null".to_owned())
        }
        "set_experience" => {
            handle.set_experience(&text).await?;
            Either::A("null".to_owned())
        }
        "close" => {
            handle.close().await?;
            Either::A("null".to_owned())
        }
        _ => return Err(Failure::new("unsupported", "no call of this kind")),
    }))
}

/// Stops a call.
#[napi]
pub struct NativeCancel {
    cancel: Cancel,
}

#[napi]
impl NativeCancel {
    /// Stops it, now or never: a call that has ended has ended.
    #[napi]
    pub fn cancel(&self) {
        contain(|| self.cancel.cancel());
    }
}

/// Tells JavaScript once that it is time to look for a stream's next piece. It is woken from whatever thread brings the
/// piece, with no task of the library's between.
struct Waiter {
    events: Events,
    number: u32,
    is_told: AtomicBool,
}

impl Wake for Waiter {
    fn wake(self: Arc<Waiter>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Waiter>) {
        if !self.is_told.swap(true, Ordering::AcqRel) {
            self.events.tell("end", self.number, None, None);
        }
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn piece(looked: Poll<Result<Option<String>, Failure>>) -> napi::Result<Option<Either<String, bool>>> {
    match looked {
        Poll::Ready(Ok(piece)) => Ok(piece.map(Either::A)),
        Poll::Ready(Err(failure)) => Err(raise(&failure)),
        Poll::Pending => Ok(Some(Either::B(false))),
    }
}

/// An answer piece by piece. Collected half-way, it is closed.
#[napi]
pub struct NativeStream {
    inner: Contained<StreamHandle>,
    /// Who waits for the next piece: a stream that is closed wakes nobody by itself.
    waiter: Mutex<Option<Arc<Waiter>>>,
}

impl NativeStream {
    fn new(stream: StreamHandle) -> NativeStream {
        NativeStream { inner: Contained::new(stream), waiter: Mutex::new(None) }
    }

    /// Looks for the next piece. A stream that broke brings no more: what was delivered is settled.
    fn read(
        &self,
        look: impl FnOnce(&StreamHandle) -> Poll<Result<Option<String>, Failure>>,
    ) -> napi::Result<Option<Either<String, bool>>> {
        let mut is_broken = true;
        let piece = guard(|| {
            let looked = look(&self.inner);
            is_broken = false;
            piece(looked)
        });
        if is_broken {
            contain(|| self.inner.close());
        }
        piece
    }
}

#[napi]
impl NativeStream {
    /// The next piece where it is there already; `false` where it is to be waited for, nothing after the last one.
    ///
    /// # Errors
    /// The failure as JSON.
    #[napi]
    pub fn look(&self) -> napi::Result<Option<Either<String, bool>>> {
        self.read(StreamHandle::look)
    }

    /// The whole response, after the last piece.
    ///
    /// # Errors
    /// `internal` where it broke.
    #[napi]
    pub fn response(&self) -> napi::Result<Option<String>> {
        guard(|| Ok(self.inner.response()))
    }

    /// Who answers.
    ///
    /// # Errors
    /// `internal` where it broke.
    #[napi]
    pub fn route(&self) -> napi::Result<String> {
        guard(|| Ok(self.inner.route().to_owned()))
    }

    /// Ends the stream; what was delivered is settled.
    #[napi]
    pub fn close(&self) {
        contain(|| self.inner.close());
        contain(|| {
            if let Some(waiter) = lock(&self.waiter).take() {
                waiter.wake();
            }
        });
    }
}

//! The process's own runtime: one thread for the network, made on first use, never taken down.
//!
//! It is found by process id: after a fork the parent's threads are gone, so a child that makes a client of its own gets
//! a runtime of its own, and the parent's is left alone. It is never dropped, since at the end of a process a
//! destructor would wait for calls in flight.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use futures_util::FutureExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::Failure;

/// Forks of forks that can each have a runtime: one slot a generation.
const GENERATIONS_MAX: usize = 64;

static RUNTIMES: [OnceLock<(u32, Runtime)>; GENERATIONS_MAX] = [const { OnceLock::new() }; GENERATIONS_MAX];

/// This process's runtime.
///
/// # Errors
/// `runtime` where the system gives no thread, or the process is the 65th generation of forks.
pub fn handle() -> Result<Handle, Failure> {
    let process = std::process::id();
    for slot in &RUNTIMES {
        if slot.get().is_none() {
            // Built outside the lock: a fork in the midst of it must not leave the lock taken.
            let (built, driver) = (build()?, Driver::new()?);
            match slot.set((process, built)) {
                Ok(()) => driver.drive(&slot.get().expect("it was set just now").1),
                Err((_, spare)) => spare.shutdown_background(),
            }
        }
        if let Some((owner, runtime)) = slot.get()
            && *owner == process
        {
            return Ok(runtime.handle().clone());
        }
    }
    Err(Failure::new("runtime", format!("more than {GENERATIONS_MAX} generations of forks: start a new process")))
}

fn build() -> Result<Runtime, Failure> {
    #[cfg(feature = "threads")]
    let mut builder = Builder::new_multi_thread();
    #[cfg(feature = "threads")]
    builder.worker_threads(1).thread_name("tierway");
    #[cfg(not(feature = "threads"))]
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().map_err(no_thread)
}

fn no_thread(error: std::io::Error) -> Failure {
    Failure::new("runtime", format!("no thread could be started: {error}"))
}

/// The thread that runs a runtime which has none of its own: it waits until it is told which, and ends where it is not.
struct Driver(Option<tokio::sync::oneshot::Sender<&'static Runtime>>);

impl Driver {
    fn new() -> Result<Driver, Failure> {
        if cfg!(feature = "threads") {
            return Ok(Driver(None));
        }
        let (sender, receiver) = tokio::sync::oneshot::channel::<&'static Runtime>();
        let work = move || {
            if let Ok(runtime) = receiver.blocking_recv() {
                runtime.block_on(std::future::pending::<()>());
            }
        };
        std::thread::Builder::new().name("tierway".to_owned()).spawn(work).map_err(no_thread)?;
        Ok(Driver(Some(sender)))
    }

    fn drive(self, runtime: &'static Runtime) {
        if let Some(sender) = self.0 {
            sender.send(runtime).expect("the thread waits for it");
        }
    }
}

/// Runs `work` on the runtime and waits, from a thread that belongs to no runtime.
///
/// # Errors
/// `runtime` where there is none.
pub fn wait<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(handle()?.block_on(work))
}

/// Runs `work` on the calling thread, which belongs to no runtime, until it is done or the time has come; then it may be
/// waited for again. No timer of the runtime's is set for that: its thread is not woken.
///
/// # Errors
/// `runtime` where there is none.
pub fn wait_until<T>(mut work: Pin<&mut impl Future<Output = T>>, until: Instant) -> Result<Option<T>, Failure> {
    let runtime = handle()?;
    let _entered = runtime.enter();
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return Ok(Some(done));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        // It may return early, and then there is one more look.
        std::thread::park_timeout(left);
    }
}

/// Does `work`; where it panics, what it held is dropped, as if it had been given up.
///
/// # Errors
/// Those of the work; `internal` where it panicked.
pub async fn unbroken<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // What is shared with others is behind locks that go on after a panic.
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(Failure::broken()))
}

/// Work that the runtime does. It ends with whoever waits for it.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<Result<T, Failure>>);

impl<T: Send + 'static> Task<T> {
    /// Starts work.
    pub fn of(runtime: &Handle, work: impl Future<Output = Result<T, Failure>> + Send + 'static) -> Task<T> {
        Task(runtime.spawn(work))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Those of the work; `internal` where it broke.
    pub async fn ended(&mut self) -> Result<T, Failure> {
        (&mut self.0).await.map_err(|_| Failure::broken())?
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A thread that waits.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Parked>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Parked>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    #[test]
    fn work_that_panics_has_failed() {
        let ended = wait(unbroken(async { panic!("on purpose") as Result<(), Failure> })).unwrap();
        assert_eq!(ended.unwrap_err().code, "internal");
        assert_eq!(wait(unbroken(async { Ok(7) })).unwrap(), Ok(7));
    }

    #[test]
    fn waiting_ends_with_the_work_or_with_the_time() {
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut done = pin!(async { tokio::time::sleep(Duration::from_millis(1)).await });
        assert_eq!(wait_until(done.as_mut(), Instant::now() + Duration::from_secs(60)).unwrap(), Some(()));
        let mut never = pin!(std::future::pending::<()>());
        assert_eq!(wait_until(never.as_mut(), soon()).unwrap(), None);
        let mut late = pin!(async { tokio::time::sleep(Duration::from_millis(600)).await });
        assert_eq!(wait_until(late.as_mut(), soon()).unwrap(), None);
        assert_eq!(wait_until(late.as_mut(), Instant::now() + Duration::from_secs(60)).unwrap(), Some(()));
    }

    #[test]
    fn one_process_has_one_runtime() {
        assert_eq!(handle().unwrap().id(), handle().unwrap().id());
        assert_eq!(wait(async { 3 }).unwrap(), 3);
    }
}

//! Where a panic ends: all that JavaScript calls goes through here, and all that is dropped for it.
//!
//! What napi puts around an exported function is `extern "C"`, through which nothing unwinds: a panic would end the process.
//! `#[napi(catch_unwind)]` would hand its text on as an error of no kind. Work on the library's own thread is held by
//! `tierway_bindings::runtime::unbroken`.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tierway_bindings::Failure;

/// The failure as JavaScript's half reads it: JSON, in the message.
pub(crate) fn raise(failure: &Failure) -> napi::Error {
    napi::Error::from_reason(failure.to_json())
}

/// Runs what JavaScript called.
///
/// # Errors
/// Those of the call; `internal` where it panicked.
pub(crate) fn guard<T>(call: impl FnOnce() -> napi::Result<T>) -> napi::Result<T> {
    caught(call).unwrap_or_else(|| Err(raise(&Failure::broken())))
}

/// Runs what nobody is told the end of.
pub(crate) fn contain(call: impl FnOnce()) {
    caught(call);
}

/// Nothing where it panicked. What was in its hands is let go of by whoever asks, or is behind a lock that goes on.
fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    let call = || {
        #[cfg(feature = "testing")]
        planted::strike();
        call()
    };
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// What is dropped with an object of JavaScript's, by its collector.
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(held: T) -> Contained<T> {
        Contained(Some(held))
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        let held = self.0.take();
        contain(|| drop(held));
    }
}

/// A panic that tests plant, to be met by whatever comes to the border next on this thread.
#[cfg(feature = "testing")]
mod planted {
    use std::cell::Cell;

    use napi_derive::napi;

    thread_local! {
        static IS_PLANTED: Cell<bool> = const { Cell::new(false) };
    }

    /// Plants a panic, or takes it back. Whether one was there that nothing had met.
    #[napi]
    #[allow(dead_code, reason = "JavaScript calls it, and Rust's own test build leaves that out")]
    pub(crate) fn plant_panic(is_planted: bool) -> bool {
        IS_PLANTED.replace(is_planted)
    }

    pub(super) fn strike() {
        assert!(!IS_PLANTED.take(), "on purpose");
    }
}

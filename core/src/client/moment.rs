//! The time by two clocks, and what tells whether it has to be asked for again.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Instant;

use crate::clock::Clock;
use crate::time::Timestamp;

/// The time, by the wall clock and by one that never steps back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) at: Instant,
}

impl Moment {
    pub(super) fn of(clock: &dyn Clock) -> Moment {
        Moment { now: clock.now(), at: Instant::now() }
    }
}

/// What comes of a future, and whether it was waited for.
pub(super) async fn timed<F: Future>(future: F) -> (F::Output, bool) {
    let mut future = pin!(future);
    let mut has_waited = false;
    let output = poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        has_waited |= polled.is_pending();
        polled
    })
    .await;
    (output, has_waited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_not_there_at_once_is_waited_for() {
        assert_eq!(timed(async { 1 }).await, (1, false));
        assert!(timed(tokio::task::yield_now()).await.1);
    }
}

//! How many calls a provider's models are answering, and how fast calls leave.
//!
//! All models of a provider share the machine, so they are counted together. Calls run side by side, so what one takes says
//! little; how many left in the time in which any were there says how long those before a new one will take.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::LATENCY_CALLS_MAX;
use crate::snapshot::Queue;
use crate::time::Span;

/// Counts calls. It is looked at in every decision: a lock that is held for some nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: u32,
    /// Since when there were any.
    since: Option<Instant>,
    /// How long there were any before that.
    busy: Duration,
    /// Calls that left.
    left: u32,
}

/// A call that is there until this is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<Tally>);

impl Tally {
    /// Counts a call until what comes back is dropped.
    pub(super) fn count(self: &Arc<Tally>) -> Counted {
        self.lock().begin(Instant::now());
        Counted(self.clone())
    }

    /// What a call that comes now would wait for.
    pub(super) fn queue(&self) -> Queue {
        self.lock().queue(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.lock().end(Instant::now());
    }
}

impl Counts {
    fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.calls += 1;
    }

    fn end(&mut self, now: Instant) {
        self.calls = self.calls.saturating_sub(1);
        self.left += 1;
        if self.calls == 0 {
            self.busy = self.busy(now);
            self.since = None;
            // What was long ago says little.
            if self.left >= u32::from(LATENCY_CALLS_MAX) {
                (self.busy, self.left) = (self.busy / 2, self.left / 2);
            }
        }
    }

    fn busy(&self, now: Instant) -> Duration {
        self.busy + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Before the first call has left, each is taken to last as long as it has so far.
    fn queue(&self, now: Instant) -> Queue {
        if self.calls == 0 {
            return Queue::default();
        }
        let wait = self.busy(now).as_micros() * u128::from(self.calls) / u128::from(self.left.max(1)) / 1_000;
        Queue { calls: self.calls, wait: Span::from_ms(u64::try_from(wait).unwrap_or(u64::MAX)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a script: `b` a call begins, `e` one ends, `+30` milliseconds pass; then names the queue.
    #[track_caller]
    fn check(script: &str, calls: u32, wait_ms: u64) {
        let mut counts = Counts::default();
        let mut now = Instant::now();
        for word in script.split_whitespace() {
            match word.strip_prefix('+') {
                Some(ms) => now += Duration::from_millis(ms.parse().unwrap()),
                None => word.chars().for_each(|letter| match letter {
                    'b' => counts.begin(now),
                    _ => counts.end(now),
                }),
            }
        }
        assert_eq!(counts.queue(now), Queue { calls, wait: Span::from_ms(wait_ms) }, "{script}");
    }

    #[test]
    fn calls_that_are_before_a_new_one_leave_as_fast_as_others_did() {
        check("", 0, 0);
        check("b", 1, 0);
        check("b +40", 1, 40);
        check("b +100 e", 0, 0);
        check("b +100 e +900 b", 1, 100);
        check("b +100 e +900 bbb", 3, 300);
        // Two side by side leave after 100 ms: 50 ms each.
        check("bb +100 ee +900 bbbb", 4, 200);
        check("bbb +100 e +100 e", 1, 100);
    }

    #[test]
    fn what_was_long_ago_fades() {
        let slow = "b +100 e ".repeat(1_000);
        check(&format!("{slow} b"), 1, 100);
        check(&format!("{slow}{} b", "b +10 e ".repeat(4_000)), 1, 10);
    }
}

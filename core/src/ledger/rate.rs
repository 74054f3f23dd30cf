//! Rate limits: requests and tokens a minute, honoured before the vendor has to say no.
//!
//! A token bucket kept as one number, the time at which it would be full again (the generic cell rate algorithm), so
//! that a store can share it in one column. It starts full and holds a minute's worth, or `burst` where that is less.

use serde::{Deserialize, Serialize};

use crate::ledger::{BudgetError, Dimension, Facts, OverRate, Purpose, Selector};
use crate::time::{Span, Timestamp};

const MINUTE_NS: i128 = 60_000_000_000;
const MS_NS: i128 = 1_000_000;

/// Requests and tokens a minute for a set of attempts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rate {
    /// Its name, unique among budgets and rates.
    pub name: String,
    /// For which attempts.
    pub only: Selector,
    /// One bucket for each value of these; one for all where it is empty.
    pub per: Vec<Dimension>,
    /// Requests a minute.
    pub requests: Option<u64>,
    /// Tokens a minute: each attempt counts with the most it can use, and gives back what it did not.
    pub tokens: Option<u64>,
    /// Seconds' worth that may come at once, 1 to 60; a minute's where nothing is said.
    pub burst_secs: Option<u64>,
}

/// The fill of a rate's two buckets: the times, in nanoseconds since 1970, at which each would be full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateState {
    /// Of the bucket of requests.
    pub requests_full_ns: i64,
    /// Of the bucket of tokens.
    pub tokens_full_ns: i64,
}

impl Rate {
    /// Whether it makes sense.
    pub(crate) fn check(&self) -> Result<(), BudgetError> {
        let refuse = |reason: &str| Err(BudgetError { name: self.name.clone(), reason: reason.to_owned() });
        match (self.requests, self.tokens, self.burst_secs) {
            (None, None, _) => refuse("it limits nothing: give requests_per_minute or tokens_per_minute"),
            (Some(0), ..) | (_, Some(0), _) => {
                refuse("a rate of zero lets nothing through: leave the model out instead")
            }
            (_, _, Some(secs)) if !(1..=60).contains(&secs) => refuse("burst_secs lies between 1 and 60"),
            _ => Ok(()),
        }
    }

    /// Takes an attempt's place, or says how long to wait.
    ///
    /// An attempt that asks for more tokens than the bucket holds waits until it is full and empties it.
    pub fn take(&self, state: RateState, tokens_max: u64, at: Timestamp) -> Result<RateState, OverRate> {
        let now = i128::from(at.ms()) * MS_NS;
        let room = self.room_ns();
        let requests = self.requests.map(|rate| step(state.requests_full_ns, 1, rate, now, room));
        let tokens = self.tokens.map(|rate| step(state.tokens_full_ns, tokens_max, rate, now, room));
        let late = requests.unwrap_or(0).max(tokens.unwrap_or(0)) - now - room;
        let late = if requests.is_none() && tokens.is_none() { 0 } else { late };
        if late > 0 {
            let wait = u64::try_from((late + MS_NS - 1) / MS_NS).unwrap_or(u64::MAX);
            return Err(OverRate { rate: self.name.clone(), wait: Span::from_ms(wait) });
        }
        Ok(RateState {
            requests_full_ns: requests.map_or(state.requests_full_ns, narrow),
            tokens_full_ns: tokens.map_or(state.tokens_full_ns, narrow),
        })
    }

    /// Gives back what an attempt took and did not use.
    pub fn give_back(&self, state: RateState, requests: u64, tokens: u64) -> RateState {
        let less = |full: i64, count: u64, rate: Option<u64>| match rate {
            Some(rate) => narrow(i128::from(full) - cost_ns(count, rate).min(self.room_ns())),
            None => full,
        };
        RateState {
            requests_full_ns: less(state.requests_full_ns, requests, self.requests),
            tokens_full_ns: less(state.tokens_full_ns, tokens, self.tokens),
        }
    }

    /// Whether the attempt counts.
    pub(crate) fn takes(&self, facts: &Facts) -> bool {
        facts.purpose != Purpose::Cached && self.only.takes(facts)
    }

    /// Which bucket the attempt draws on.
    pub(crate) fn scope(&self, facts: &Facts) -> String {
        super::budget::scope_text(self.per.iter().map(|dimension| (dimension, dimension.of(facts))))
    }

    fn room_ns(&self) -> i128 {
        i128::from(self.burst_secs.unwrap_or(60)) * 1_000 * MS_NS
    }
}

fn cost_ns(count: u64, rate: u64) -> i128 {
    (i128::from(count) * MINUTE_NS + i128::from(rate) - 1) / i128::from(rate)
}

/// When the bucket would be full after this many are taken. An empty one fills within its room: where it seems to need
/// a minute longer than that, the clock was set back since, and it is taken for full, or all would wait for the time that
/// was set back. Less is what entries that wait for each other differ by.
fn step(full_ns: i64, count: u64, rate: u64, now: i128, room: i128) -> i128 {
    let full = i128::from(full_ns).max(now);
    let full = if full > now + room + MINUTE_NS { now } else { full };
    full + cost_ns(count, rate).min(room)
}

fn narrow(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(requests: Option<u64>, tokens: Option<u64>, burst_secs: Option<u64>) -> Rate {
        Rate { name: "r".to_owned(), requests, tokens, burst_secs, ..Rate::default() }
    }

    /// Sends as fast as is allowed for `minutes` and returns the times in milliseconds.
    fn greedy(rate: &Rate, tokens: u64, minutes: i64) -> Vec<i64> {
        let (mut state, mut now, mut sent) = (RateState::default(), 1_700_000_000_000i64, Vec::new());
        let end = now + minutes * 60_000;
        while now < end {
            match rate.take(state, tokens, Timestamp::from_ms(now)) {
                Ok(next) => {
                    state = next;
                    sent.push(now);
                }
                Err(over) => now += over.wait.ms() as i64,
            }
        }
        sent
    }

    #[test]
    fn a_minute_never_sees_more_than_the_bucket_and_the_refill() {
        for (requests, burst) in [(60, 60), (60, 1), (7, 10), (500, 60), (3_000, 30)] {
            let sent = greedy(&rate(Some(requests), None, Some(burst)), 0, 3);
            let bucket = requests * burst / 60;
            let worst = sent.iter().map(|t| sent.iter().filter(|u| (*t..t + 60_000).contains(u)).count()).max();
            assert!(worst.unwrap() as u64 <= requests + bucket.max(1) + 1, "{requests} {burst}: {worst:?}");
            assert!(sent.len() as u64 >= 3 * requests, "{requests} {burst}: {}", sent.len());
        }
    }

    #[test]
    fn the_sixty_first_in_a_minute_waits_a_second() {
        let rate = rate(Some(60), None, None);
        let at = Timestamp::from_ms(1_700_000_000_000);
        let mut state = RateState::default();
        for _ in 0..60 {
            state = rate.take(state, 0, at).unwrap();
        }
        assert_eq!(rate.take(state, 0, at).unwrap_err().wait, Span::from_secs(1));
        assert!(rate.take(state, 0, at.after(Span::from_secs(1))).is_ok());
        assert!(rate.take(rate.give_back(state, 1, 0), 0, at).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_hold_up_calls_for_that_time() {
        let rate = rate(Some(60), None, Some(10));
        let at = Timestamp::from_ms(1_700_000_000_000);
        let mut state = rate.take(RateState::default(), 0, at.after(Span::from_secs(3_600))).unwrap();
        let mut sent = 0;
        while let Ok(next) = rate.take(state, 0, at) {
            (state, sent) = (next, sent + 1);
        }
        assert_eq!(
            (sent, rate.take(state, 0, at).unwrap_err().wait),
            (10, Span::from_secs(1)),
            "a bucket, and no more"
        );
    }

    #[test]
    fn tokens_that_were_not_used_come_back() {
        let rate = rate(None, Some(10_000), None);
        let at = Timestamp::from_ms(1_700_000_000_000);
        let state = rate.take(RateState::default(), 8_000, at).unwrap();
        assert!(rate.take(state, 8_000, at).is_err());
        assert!(rate.take(rate.give_back(state, 0, 7_000), 8_000, at).is_ok());
        let huge = rate.take(RateState::default(), 1_000_000, at).unwrap();
        assert_eq!(rate.take(huge, 10_000, at).unwrap_err().wait, Span::from_secs(60));
    }
}

//! How many retries an endpoint may still be sent: a fifth of its requests, so that a dead vendor gets at most 1.2 times
//! the load.

use serde::{Deserialize, Serialize};

/// Thousandths of a retry that each request earns.
const EARNED_MILLI: u32 = 200;
/// Thousandths of a retry that a fresh endpoint is lent: a program that makes one call may retry it. The first fifths
/// pay it back, so that the whole load stays within 1.2 times the requests from the fifteenth on.
const START_MILLI: u32 = 3_000;
/// Most thousandths that are saved up: a long calm does not pay for a storm.
const MILLI_MAX: u32 = 20_000;

/// A bucket of retries, filled by requests and emptied by retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryBucket {
    milli: u32,
    owed_milli: u32,
}

impl Default for RetryBucket {
    fn default() -> RetryBucket {
        RetryBucket { milli: START_MILLI, owed_milli: START_MILLI }
    }
}

impl RetryBucket {
    /// Earns a fifth of a retry for a first attempt.
    pub fn earn(&mut self) {
        let paid = self.owed_milli.min(EARNED_MILLI);
        self.owed_milli -= paid;
        self.milli = (self.milli + EARNED_MILLI - paid).min(MILLI_MAX);
    }

    /// Takes one retry, or says that there is none.
    #[must_use]
    pub fn take(&mut self) -> bool {
        let rest = self.milli.checked_sub(1_000);
        self.milli = rest.unwrap_or(self.milli);
        rest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_failing_requests_cost_a_fifth_more() {
        let mut bucket = RetryBucket::default();
        let mut load = 0;
        for _ in 0..1_000 {
            bucket.earn();
            load += 1;
            while bucket.take() {
                load += 1;
            }
        }
        assert_eq!(load, 1_200);
    }
}

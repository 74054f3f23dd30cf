//! How long an endpoint takes, as a small histogram: the percentile after which waiting longer is out of the ordinary.
//!
//! Buckets grow by a quarter of an octave at most, so a percentile is at most a quarter too high, and never too low.
//! Old calls fade: at a thousand, all counts are halved.

use serde::{Deserialize, Serialize};

use crate::limits::{LATENCY_CALLS_MAX, LATENCY_CALLS_MIN};
use crate::time::Span;

/// Rows of buckets: arrays of up to 32 can be written and read.
const ROWS: usize = 2;
const ROW: usize = 32;

/// How long the calls to an endpoint took, from 4 ms to 4 minutes; what is shorter or longer counts as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latencies {
    counts: [[u16; ROW]; ROWS],
    calls: u16,
}

impl Latencies {
    /// Counts a call.
    pub fn note(&mut self, took: Span) {
        let at = bucket(took.ms());
        self.counts[at / ROW][at % ROW] += 1;
        self.calls += 1;
        if self.calls >= LATENCY_CALLS_MAX {
            self.fade();
        }
    }

    /// Calls that still count.
    pub fn calls(&self) -> u16 {
        self.calls
    }

    /// The time within which so many in a hundred calls were done; `None` before enough of them.
    pub fn percentile(&self, percent: u8) -> Option<Span> {
        if self.calls < LATENCY_CALLS_MIN {
            return None;
        }
        let wanted = (u32::from(self.calls) * u32::from(percent.min(100))).div_ceil(100);
        let mut seen = 0;
        let reaches = |count: &u16| {
            seen += u32::from(*count);
            seen >= wanted
        };
        self.counts.as_flattened().iter().position(reaches).map(|at| Span::from_ms(upper_edge(at)))
    }

    fn fade(&mut self) {
        for count in self.counts.as_flattened_mut() {
            *count /= 2;
        }
        self.calls = self.counts.as_flattened().iter().sum();
    }
}

/// Four buckets an octave: the two bits after the leading one.
fn bucket(ms: u64) -> usize {
    let ms = ms.max(4);
    let octave = ms.ilog2() - 2;
    let quarter = (ms >> octave) & 3;
    ((u64::from(octave) * 4 + quarter) as usize).min(ROWS * ROW - 1)
}

/// The longest time that falls into a bucket.
fn upper_edge(at: usize) -> u64 {
    let (octave, quarter) = (at as u64 / 4, at as u64 % 4);
    ((quarter + 5) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges_are_where_the_next_bucket_begins() {
        for at in 0..ROWS * ROW - 1 {
            assert_eq!(bucket(upper_edge(at)), at);
            assert_eq!(bucket(upper_edge(at) + 1), at + 1);
        }
        assert_eq!(bucket(u64::MAX), ROWS * ROW - 1);
    }

    #[test]
    fn nothing_is_said_before_enough_calls_and_old_calls_fade() {
        let mut latencies = Latencies::default();
        for _ in 1..LATENCY_CALLS_MIN {
            latencies.note(Span::from_ms(100));
        }
        assert_eq!(latencies.percentile(95), None);
        latencies.note(Span::from_ms(100));
        assert_eq!(latencies.percentile(95), Some(Span::from_ms(111)));
        for _ in 0..5_000 {
            latencies.note(Span::from_ms(1_000));
        }
        assert_eq!(latencies.percentile(5), Some(Span::from_ms(1_023)));
        assert!(latencies.calls() <= LATENCY_CALLS_MAX);
    }

    proptest! {
        /// Never below the true percentile, and at most a quarter above it.
        #[test]
        fn a_percentile_is_close(mut took in proptest::collection::vec(4u64..200_000, 20..400), percent in 50u8..=99) {
            let mut latencies = Latencies::default();
            took.iter().for_each(|ms| latencies.note(Span::from_ms(*ms)));
            took.sort_unstable();
            let at = (took.len() * usize::from(percent)).div_ceil(100) - 1;
            let found = latencies.percentile(percent).unwrap().ms();
            prop_assert!(found >= took[at] && found <= took[at] + took[at] / 4 + 1, "{found} for {}", took[at]);
        }
    }
}

//! Sums over attempts by hour: what reports are made of, so that ten million attempts read like ten thousand.
//!
//! An attempt counts in the hour in which it was reserved. Sums are exact; latencies are kept in classes that are 10 %
//! wide, so a percentile is right to within 5 %.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::{Facts, Fate, Purpose, Reserve, Row, Settle};
use crate::time::{Span, Timestamp};

const HOUR_MS: i64 = 3_600_000;
/// Each class of latencies is this much wider than the one before.
const CLASS_RATIO: f64 = 1.1;
/// The last class: beyond two hours.
const CLASS_MAX: u8 = 167;

/// How an attempt ended of which nothing was sent.
pub(super) const VOIDED: &str = "voided";

/// The start of an attempt's hour, UTC.
pub(super) fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.ms().div_euclid(HOUR_MS) * HOUR_MS)
}

/// What attempts have in common that are summed together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey {
    /// The hour.
    pub hour: Timestamp,
    /// The model.
    pub model: String,
    /// Who serves it.
    pub vendor: String,
    /// Where.
    pub endpoint: String,
    /// The tier.
    pub tier: String,
    /// Why the attempts were made.
    pub purpose: String,
    /// How they ended: `answered`, `cancelled`, `cut`, an error's kind, or `voided`.
    pub ending: String,
    /// What their cost is based on; empty for `voided`.
    pub basis: String,
}

/// What attempts sum up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// How many.
    pub attempts: u64,
    /// What they cost, in pico-dollars.
    pub cost: i128,
    /// What they would have cost on the baseline model, in pico-dollars.
    pub baseline: i128,
    /// Prompt tokens.
    pub input: u64,
    /// Of them, read from vendors' caches.
    pub cached: u64,
    /// Tokens of answers.
    pub output: u64,
    /// Of them, reasoning.
    pub reasoning: u64,
    /// How many cost more than was reserved.
    pub overruns: u64,
    /// How many failed or were cut off.
    pub failed: u64,
}

impl Sums {
    /// Adds other sums.
    pub fn add(&mut self, other: &Sums) {
        let Sums { attempts, cost, baseline, input, cached, output, reasoning, overruns, failed } = *other;
        self.attempts += attempts;
        self.cost += cost;
        self.baseline += baseline;
        self.input = self.input.saturating_add(input);
        self.cached = self.cached.saturating_add(cached);
        self.output = self.output.saturating_add(output);
        self.reasoning = self.reasoning.saturating_add(reasoning);
        self.overruns += overruns;
        self.failed += failed;
    }

    pub(super) fn of(reserve: &Reserve, entry: &Settle) -> Sums {
        let tokens = |count: Option<u64>| count.unwrap_or(0).min(i64::MAX as u64 >> 20);
        Sums {
            attempts: 1,
            cost: i128::from(entry.cost.pico()),
            baseline: entry.baseline_cost.map_or(0, |cost| i128::from(cost.pico())),
            input: tokens(entry.usage.input),
            cached: tokens(entry.usage.cached_read),
            output: tokens(entry.usage.output),
            reasoning: tokens(entry.usage.reasoning),
            overruns: u64::from(reserve.is_overrun_by(entry)),
            failed: u64::from(entry.ending.is_failure()),
        }
    }
}

/// A value of a tag in an hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TagKey {
    /// The hour.
    pub hour: Timestamp,
    /// The tag's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What is measured in classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// From the request sent to the end of the answer.
    Latency,
    /// From the request sent to the first piece of the answer.
    FirstToken,
}

impl Measure {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Measure::Latency => "latency",
            Measure::FirstToken => "first_token",
        }
    }
}

/// A class of times of a model in an hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClassKey {
    /// The hour.
    pub hour: Timestamp,
    /// The model.
    pub model: String,
    /// Who serves it.
    pub vendor: String,
    /// The tier.
    pub tier: String,
    /// What was measured.
    pub measure: Measure,
    /// The class: see `class_of`.
    pub class: u8,
}

/// The class of a time.
pub fn class_of(span: Span) -> u8 {
    let class = (span.ms().max(1) as f64).ln() / CLASS_RATIO.ln();
    (class.floor() as u64).min(u64::from(CLASS_MAX)) as u8
}

/// The middle of a class.
pub fn middle_of(class: u8) -> Span {
    Span::from_ms(CLASS_RATIO.powf(f64::from(class) + 0.5).round() as u64)
}

/// Sums by hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollup {
    /// By what attempts have in common.
    pub cells: BTreeMap<CellKey, Sums>,
    /// By each of their tags.
    pub tags: BTreeMap<TagKey, Sums>,
    /// How many answered attempts took how long.
    pub classes: BTreeMap<ClassKey, u64>,
}

impl Rollup {
    /// Adds a settled attempt.
    pub fn settle(&mut self, reserve: &Reserve, entry: &Settle) {
        let sums = Sums::of(reserve, entry);
        let facts = &reserve.facts;
        let hour = hour_of(reserve.at);
        let key = cell(hour, facts, entry.ending.as_str(), entry.basis.as_str());
        self.cells.entry(key).or_default().add(&sums);
        self.beside(reserve, entry, &sums);
    }

    /// Adds to the sums by tag and to the classes of times.
    fn beside(&mut self, reserve: &Reserve, entry: &Settle, sums: &Sums) {
        let (facts, hour) = (&reserve.facts, hour_of(reserve.at));
        for (name, value) in facts.tags.iter() {
            self.tags.entry(TagKey { hour, name: name.clone(), value: value.clone() }).or_default().add(sums);
        }
        // A cache's answer was not waited for: its time says nothing about the model.
        if entry.ending == crate::ledger::Ending::Answered && facts.purpose != Purpose::Cached {
            self.time(hour, facts, Measure::Latency, entry.latency);
            if let Some(span) = entry.first_token {
                self.time(hour, facts, Measure::FirstToken, span);
            }
        }
    }

    /// Adds a voided attempt.
    pub fn void(&mut self, reserve: &Reserve) {
        let key = cell(hour_of(reserve.at), &reserve.facts, VOIDED, "");
        self.cells.entry(key).or_default().attempts += 1;
    }

    /// Adds other sums.
    pub fn add(&mut self, other: &Rollup) {
        other.cells.iter().for_each(|(key, sums)| self.cells.entry(key.clone()).or_default().add(sums));
        other.tags.iter().for_each(|(key, sums)| self.tags.entry(key.clone()).or_default().add(sums));
        other.classes.iter().for_each(|(key, count)| *self.classes.entry(key.clone()).or_default() += count);
    }

    /// Adds an attempt that has ended; one that is held does not count yet.
    pub fn row(&mut self, row: &Row) {
        match &row.fate {
            Fate::Settled(entry) => self.settle(&row.reserve, entry),
            Fate::Voided(_) => self.void(&row.reserve),
            Fate::Open | Fate::Unknown { .. } => {}
        }
    }

    fn time(&mut self, hour: Timestamp, facts: &Facts, measure: Measure, span: Span) {
        let key = ClassKey {
            hour,
            model: facts.model.as_str().to_owned(),
            vendor: facts.vendor.as_str().to_owned(),
            tier: facts.tier.as_str().to_owned(),
            measure,
            class: class_of(span),
        };
        *self.classes.entry(key).or_default() += 1;
    }
}

fn cell(hour: Timestamp, facts: &Facts, ending: &str, basis: &str) -> CellKey {
    CellKey {
        hour,
        model: facts.model.as_str().to_owned(),
        vendor: facts.vendor.as_str().to_owned(),
        endpoint: facts.endpoint.as_str().to_owned(),
        tier: facts.tier.as_str().to_owned(),
        purpose: facts.purpose.as_str().to_owned(),
        ending: ending.to_owned(),
        basis: basis.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_right_to_within_a_twentieth() {
        for ms in (20..7_000_000u64).step_by(997) {
            let middle = middle_of(class_of(Span::from_ms(ms))).ms() as f64;
            assert!((middle / ms as f64 - 1.0).abs() < 0.06, "{ms}: {middle}");
        }
        assert_eq!(class_of(Span::from_ms(u64::MAX)), CLASS_MAX);
    }
}

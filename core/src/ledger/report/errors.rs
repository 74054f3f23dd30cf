//! How often models failed, by kind, and how bad it was in the worse hours.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ledger::Rollup;
use crate::sorting::sort_by;
use crate::time::Timestamp;

/// A model's failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// The model.
    pub model: String,
    /// Attempts that were sent.
    pub attempts: u64,
    /// Of them, how many failed or were cut off.
    pub failed: u64,
    /// How many ended in which way, answers left out: an error's kind, `cut`, `cancelled`.
    pub kinds: BTreeMap<String, u64>,
    /// Hours in which it was asked.
    pub hours: u64,
    /// In half of those hours no greater share failed, in thousandths.
    pub p50_permille: u64,
    /// In nine hours of ten.
    pub p90_permille: u64,
    /// In all but one of a hundred.
    pub p99_permille: u64,
}

/// What is summed of a model: its line, and by hour its attempts and those that failed.
type Summed = (Errors, BTreeMap<Timestamp, (u64, u64)>);

/// Models by how many attempts failed, most first; those that never failed are left out.
pub(super) fn errors(rollup: &Rollup) -> Vec<Errors> {
    let mut models: BTreeMap<&str, Summed> = BTreeMap::new();
    for (key, sums) in rollup.cells.iter().filter(|(key, _)| key.ending != "voided") {
        let (line, hours) = models.entry(&key.model).or_default();
        let hour = hours.entry(key.hour).or_default();
        *hour = (hour.0 + sums.attempts, hour.1 + sums.failed);
        line.attempts += sums.attempts;
        line.failed += sums.failed;
        if key.ending != "answered" {
            *line.kinds.entry(key.ending.clone()).or_default() += sums.attempts;
        }
    }
    let finish = |(model, (line, hours)): (&str, Summed)| {
        let mut shares: Vec<u64> = hours.values().map(|(all, failed)| (failed * 1_000).div_ceil(*all)).collect();
        shares.sort_unstable();
        let at = |percent: usize| shares[(shares.len() * percent).div_ceil(100).max(1) - 1];
        let (p50_permille, p90_permille, p99_permille) = (at(50), at(90), at(99));
        let (model, hours) = (model.to_owned(), shares.len() as u64);
        Errors { model, hours, p50_permille, p90_permille, p99_permille, ..line }
    };
    let mut lines: Vec<Errors> = models.into_iter().map(finish).filter(|line| !line.kinds.is_empty()).collect();
    sort_by(&mut lines, |a, b| b.failed.cmp(&a.failed).then(a.model.cmp(&b.model)));
    lines
}

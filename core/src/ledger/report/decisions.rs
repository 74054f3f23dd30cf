//! What was decided: how many requests each tier got first, and why further attempts were made there.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Pico;
use crate::ledger::Rollup;

/// A tier, and why attempts were made in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Decisions {
    /// The tier.
    pub tier: String,
    /// Requests that were decided for it: first attempts, items of batches, and answers from the cache.
    pub decided: u64,
    /// Attempts by purpose, those of which nothing was sent included.
    pub purposes: BTreeMap<String, u64>,
    /// What the attempts that were not first ones cost: retries, hedges, escalations and the like.
    pub cost_beside: Pico,
}

/// The purposes of which each is a request decided for the tier.
const DECIDED: [&str; 3] = ["first", "batch", "cached"];

/// Tiers, cheapest name first as sums hold them.
pub(super) fn decisions(rollup: &Rollup) -> Vec<Decisions> {
    let mut tiers: BTreeMap<&str, Decisions> = BTreeMap::new();
    for (key, sums) in &rollup.cells {
        let line = tiers.entry(&key.tier).or_default();
        *line.purposes.entry(key.purpose.clone()).or_default() += sums.attempts;
        match DECIDED.contains(&key.purpose.as_str()) {
            true => line.decided += sums.attempts,
            false => line.cost_beside.0 += sums.cost,
        }
    }
    tiers.into_iter().map(|(tier, line)| Decisions { tier: tier.to_owned(), ..line }).collect()
}

//! What keeps a learnt policy from doing worse than a fixed one: it is weighed against the best mixture with its own
//! uncertainty, and it is not asked about rows that are unlike all it was learnt from.

use crate::learn::{Novelty, Table};
use crate::score::TRAITS;

use super::chain::Walk;
use super::fixed::{Mixture, Sums};
use super::rows::Rows;

/// By how many standard errors a cascade must beat the best mixture on the training rows.
const EVIDENCE: f64 = 1.0;
/// How fast the running share of unlike rows forgets.
const KEEP: f64 = 0.98;
/// From this running share on, the traffic is taken to be another one, and near rows count as unlike too.
const OTHER_TRAFFIC: f64 = 0.12;

/// Whether a cascade does better than a mixture beyond its own standard errors: in quality, with what it saves turned into
/// quality at the rate at which mixtures buy it.
pub(super) fn beats(walk: &Walk, mixture: Mixture, rows: &Rows, singles: &[Sums]) -> bool {
    let rate = rate(mixture, singles);
    let gain = |at: usize| {
        let of = |values: &[f64]| values[mixture.one] * (1.0 - mixture.share) + values[mixture.two] * mixture.share;
        walk.quality[at] - of(&rows.labels[at]) + rate * (of(&rows.costs[at]) - walk.cost[at])
    };
    let count = rows.len() as f64;
    let mean = (0..rows.len()).map(gain).sum::<f64>() / count;
    let variance = (0..rows.len()).map(|at| (gain(at) - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    mean > EVIDENCE * (variance / count).sqrt()
}

/// Quality a dollar, along the mixture; of one model for all, along the line to the frontier, and of the frontier, along
/// the line from the model that gives up least for what it saves.
fn rate(mixture: Mixture, singles: &[Sums]) -> f64 {
    let frontier = singles.len() - 1;
    let along = |one: usize, two: usize| {
        let (gain, cost) = (singles[two].quality - singles[one].quality, singles[two].cost - singles[one].cost);
        if cost > 0.0 { (gain / cost).max(0.0) } else { f64::INFINITY }
    };
    let rate = if mixture.share > 0.0 {
        along(mixture.one, mixture.two)
    } else if mixture.one != frontier {
        along(mixture.one, frontier)
    } else {
        (0..frontier).map(|one| along(one, frontier)).fold(f64::INFINITY, f64::min)
    };
    if rate.is_finite() { rate } else { 0.0 }
}

/// What the prompts that were learnt from look like.
pub(super) fn novelty(rows: &Rows) -> Novelty {
    let mut table = Table::new(TRAITS);
    rows.seen.iter().for_each(|seen| table.push(seen.traits()));
    Novelty::of(&table)
}

/// Which rows are unlike what was learnt from, each told by itself and by how many before it were; no label is looked at.
pub(super) fn unlike(rows: &Rows, novelty: &Novelty) -> Vec<bool> {
    let mut share = 0.0;
    let mut far = |traits: &[f32]| {
        let far = novelty.is_far(traits);
        share = KEEP * share + (1.0 - KEEP) * f64::from(u8::from(far));
        far || share > OTHER_TRAFFIC
    };
    rows.seen.iter().map(|seen| far(seen.traits())).collect()
}

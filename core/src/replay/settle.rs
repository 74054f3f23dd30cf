//! Settles on a policy for a target: the cheapest of all, the fixed ones among them, that keeps so much of the frontier's
//! quality, as far as the training rows can tell.
//!
//! Two things tell it, both of rows that the policy knows nothing of. Their marks are right on average, but the luck of
//! some hundred marks moves them by a point. What was predicted of the gain that was given up scatters less, but is off by a
//! share of itself. Each counts by how much it is to be trusted: marks where much is given up, predictions near nothing.

use super::chain::{Policy, Walk};
use super::fixed::{self, Mixture, Sums};
use super::guard;
use super::rows::Rows;

/// How much of a predicted gain of the frontier is believed: those near zero are too large, since a cheap answer on which
/// all agree is averaged with some on which not all do.
const BELIEVED: f64 = 0.6;
/// The same where the frontier is predicted to do worse. An answer is kept where this was predicted, so it is luck in part.
const BELIEVED_BETTER: f64 = 0.3;
/// By which share of itself a predicted loss may be off.
const OFF: f64 = 0.5;

/// What is done for a target.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) target: f64,
    pub(super) tierway: Choice,
    /// What that costs on the training rows.
    pub(super) cost: f64,
    pub(super) mixture: Mixture,
    pub(super) single: Mixture,
    pub(super) coin: Mixture,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    Fixed(Mixture),
    /// A policy of the chain, by its position.
    Cascade(usize),
}

/// The cheapest of all policies, the fixed ones among them, that is expected to clear the target by some standard errors of
/// its marks.
pub(super) fn settle(target: f64, rows: &Rows, singles: &[Sums], policies: &[(Policy, Walk)], caution: f64) -> Settled {
    let wanted = target * singles[rows.frontier()].quality;
    let mixture = fixed::best_mixture(singles, wanted);
    let mut tierway = (Choice::Fixed(mixture), mixture.sums(singles).cost);
    for (policy, (_, walk)) in policies.iter().enumerate() {
        let cost = sums_of(walk).cost;
        let error = error(&walk.quality, rows, target);
        let clears = cost < tierway.1 && quality(walk, rows, error) >= wanted + caution * error;
        if clears && guard::beats(walk, mixture, rows, singles) {
            tierway = (Choice::Cascade(policy), cost);
        }
    }
    let single = fixed::best_single(singles, wanted);
    Settled { target, tierway: tierway.0, cost: tierway.1, mixture, single, coin: fixed::coin(singles, wanted) }
}

/// The quality to expect of a policy on the training rows, from its marks and from what was predicted.
fn quality(walk: &Walk, rows: &Rows, error: f64) -> f64 {
    let frontier = rows.frontier();
    let always: f64 = rows.labels.iter().map(|labels| labels[frontier]).sum();
    let marks: f64 = walk.quality.iter().sum();
    let given_up: f64 = walk.gain.iter().map(|gain| gain.max(0.0)).sum();
    let better: f64 = walk.gain.iter().map(|gain| (-gain).max(0.0)).sum();
    let predicted = always - BELIEVED * given_up + BELIEVED_BETTER * better;
    let (off, scatter) = ((OFF * given_up).powi(2), error.powi(2));
    let share = off / (off + scatter).max(1e-12);
    share * marks + (1.0 - share) * predicted
}

/// What a walk comes to over all rows.
pub(super) fn sums_of(walk: &Walk) -> Sums {
    Sums {
        quality: walk.quality.iter().sum(),
        cost: walk.cost.iter().sum(),
        frontier: walk.frontier.iter().filter(|asked| **asked).count() as f64,
    }
}

/// The standard error of a policy's quality against a share of the frontier's, summed over the rows.
fn error(quality: &[f64], rows: &Rows, target: f64) -> f64 {
    let frontier = rows.frontier();
    let count = rows.len() as f64;
    let loss = |at: usize| quality[at] - target * rows.labels[at][frontier];
    let mean = (0..rows.len()).map(loss).sum::<f64>() / count;
    let variance = (0..rows.len()).map(|at| (loss(at) - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    (variance * count).sqrt()
}

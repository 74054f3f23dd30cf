//! A promise about quality with a proof: the cheapest policy whose loss stays below a limit with the wanted confidence,
//! whatever the distribution the calls come from.
//!
//! Learn-then-test (Angelopoulos, Bates, Candes, Jordan and Lei, arXiv:2110.01052): each policy gets a p-value for "its
//! loss is above the limit", and policies are tested in an order that was fixed before the calls were looked at, from the
//! safest on, until the first that fails. So no correction for their number is due, and the share of calibrations whose
//! choice breaks the limit is at most 1 - confidence. The p-value is that of a betting test (Waudby-Smith and Ramdas,
//! arXiv:2010.09686), which holds for losses between known bounds and is much tighter than Hoeffding's where they are rare.

use serde::Serialize;

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// The share of the frontier's quality to keep, from 0 to 1.
    pub quality: f64,
    /// How sure the promise is, above 0 and below 1.
    pub confidence: f64,
}

/// A policy's calls, one loss each: what the frontier's answer was worth more, as a share of the frontier's mean quality.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its name.
    pub name: String,
    /// By call: frontier's mark times `quality`, less its own mark; from -1 to 1.
    pub shortfalls: Vec<f64>,
    /// Its cost, summed.
    pub cost: f64,
}

/// What came of the tests.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
#[non_exhaustive]
pub enum Verdict {
    /// The promise holds for this policy.
    Kept {
        /// Its position among the trials.
        trial: usize,
        /// Its p-value.
        p_value: f64,
    },
    /// The calls do not suffice for any policy.
    TooFew {
        /// How many there are.
        calls: usize,
        /// About how many more would do if the best policy goes on as it did; `None` where its mean falls short.
        more: Option<usize>,
    },
}

/// Tests policies in the order given, the safest first, and keeps the last that holds; among those that hold before the
/// first failure, it is the cheapest that counts.
pub fn test(trials: &[Trial], promise: Promise) -> Verdict {
    let alpha = 1.0 - promise.confidence;
    let mut kept: Option<(usize, f64)> = None;
    for (at, trial) in trials.iter().enumerate() {
        let p_value = p_value(&trial.shortfalls);
        if p_value > alpha {
            break;
        }
        if kept.is_none_or(|(best, _)| trial.cost <= trials[best].cost) {
            kept = Some((at, p_value));
        }
    }
    match kept {
        Some((trial, p_value)) => Verdict::Kept { trial, p_value },
        None => too_few(trials, alpha),
    }
}

/// The chance, at most, of shortfalls like these or smaller ones where their mean is truly zero or above: a bet against
/// the claim that wins money where the claim is wrong, and 1 over the winnings.
///
/// Shortfalls lie within -1 and 1. Each bet is fixed by the calls before it, so the winnings are a martingale under the
/// claim whatever the distribution, and Ville's inequality bounds their chance. The calls are taken in the order given,
/// which must not depend on their losses.
pub fn p_value(shortfalls: &[f64]) -> f64 {
    // Capital on a log scale; the mean and variance of what was seen, with a prior of one call.
    let (mut capital, mut most) = (0.0f64, 0.0f64);
    let (mut count, mut sum, mut squares) = (1.0f64, 0.0f64, 0.05f64);
    for shortfall in shortfalls {
        let mean = sum / count;
        let spread = (squares / count).max(1e-4);
        // The growth-optimal bet to second order, held below what could be lost at once.
        let bet = (-mean / spread).clamp(0.0, 0.5);
        capital += (1.0 - bet * shortfall.clamp(-1.0, 1.0)).ln();
        most = most.max(capital);
        count += 1.0;
        sum += shortfall;
        squares += shortfall * shortfall;
    }
    (-most).exp().min(1.0)
}

/// How many more calls the likeliest policy would need, by its mean growth so far.
fn too_few(trials: &[Trial], alpha: f64) -> Verdict {
    let calls = trials.iter().map(|trial| trial.shortfalls.len()).max().unwrap_or(0);
    let needed = trials.iter().filter_map(|trial| {
        let count = trial.shortfalls.len() as f64;
        let mean = trial.shortfalls.iter().sum::<f64>() / count.max(1.0);
        let spread = trial.shortfalls.iter().map(|loss| loss * loss).sum::<f64>() / count.max(1.0);
        let bet = (-mean / spread.max(1e-4)).clamp(0.0, 0.5);
        let growth = trial.shortfalls.iter().map(|loss| (1.0 - bet * loss).ln()).sum::<f64>() / count.max(1.0);
        // A half more for what the bets cost until they are sized.
        (growth > 1e-9).then(|| ((1.0 / alpha).ln() / growth * 1.5).ceil() as usize)
    });
    let more = needed.min().map(|needed| needed.saturating_sub(calls).max(1));
    Verdict::TooFew { calls, more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Seeded;

    const PROMISE: Promise = Promise { quality: 0.98, confidence: 0.95 };

    /// Calls of a policy that is worse than the frontier in a share of calls and better in another.
    fn trial(random: &mut Seeded, calls: usize, worse: f64, better: f64) -> Trial {
        let shortfall = |draw: f64| {
            let frontier = 0.9;
            let own = if draw < worse {
                frontier - 1.0
            } else if draw < worse + better {
                frontier + 0.1
            } else {
                frontier
            };
            PROMISE.quality * frontier - own
        };
        let shortfalls = (0..calls).map(|_| shortfall(random.unit()).clamp(-1.0, 1.0)).collect();
        Trial { name: String::new(), shortfalls, cost: 1.0 - worse }
    }

    #[test]
    fn at_most_one_calibration_in_twenty_breaks_its_promise() {
        let mut random = Seeded::new(41);
        // The truth: the loss is 1 x worse; the limit is 0.02 x 0.9 = 0.018.
        let worse = [0.002, 0.006, 0.010, 0.014, 0.019, 0.024, 0.030];
        let mut broken = 0;
        let mut kept = 0;
        for _ in 0..1_000 {
            let trials: Vec<Trial> = worse.iter().map(|worse| trial(&mut random, 1_500, *worse, 0.0)).collect();
            if let Verdict::Kept { trial, .. } = test(&trials, PROMISE) {
                kept += 1;
                broken += usize::from(worse[trial] > 0.018);
            }
        }
        assert!(broken <= 50, "{broken} of 1000");
        assert!(kept > 900, "{kept} of 1000 calibrations found a policy");
    }

    #[test]
    fn too_few_calls_are_refused_with_how_many_more() {
        let mut random = Seeded::new(5);
        let few = [trial(&mut random, 40, 0.002, 0.0)];
        let Verdict::TooFew { calls: 40, more: Some(more) } = test(&few, PROMISE) else {
            panic!("{:?}", test(&few, PROMISE))
        };
        assert!((20..2_000).contains(&more), "{more}");
        let bad = [trial(&mut random, 400, 0.2, 0.0)];
        assert!(matches!(test(&bad, PROMISE), Verdict::TooFew { more: None, .. }));
        assert!(matches!(test(&[], PROMISE), Verdict::TooFew { calls: 0, more: None }));
    }

    #[test]
    fn the_cheapest_that_holds_is_taken_and_none_after_a_failure() {
        let good = |cost| Trial { name: String::new(), shortfalls: vec![-0.02; 2_000], cost };
        let bad = Trial { name: String::new(), shortfalls: vec![0.1; 2_000], cost: 0.1 };
        let verdict = test(&[good(3.0), good(2.0), bad, good(0.2)], PROMISE);
        assert!(matches!(verdict, Verdict::Kept { trial: 1, .. }), "{verdict:?}");
    }
}

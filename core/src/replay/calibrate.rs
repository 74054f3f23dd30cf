//! A promise about quality, tested on marked calls: part of them teaches the policies and fixes their order, and the rest,
//! which nothing was learnt from, tests them one by one (`learn::test` has the method and its papers).

use serde::Serialize;

use crate::learn::{Promise, Seeded, Trial, Verdict, test};
use crate::score::Scorer;

use super::bill::Prices;
use super::fixed;
use super::guard;
use super::judge::{Options, learn_rows};
use super::record::Field;
use super::rows::Rows;
use super::settle::sums_of;

/// How many mixtures stand in for cascades where none could be learnt.
const MIXTURES: usize = 12;

/// What the calls say of a promise.
#[derive(Clone, Debug)]
pub struct Calibration {
    promise: Promise,
    verdict: Verdict,
    /// The safest first, in an order that was fixed before the test.
    trials: Vec<Trial>,
    /// What always asking the frontier costs on the calls of the test.
    frontier_cost: f64,
    /// The frontier's mean mark there.
    frontier_quality: f64,
    learnt_from: usize,
}

/// A policy that keeps the promise, and what it does on the calls of the test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// In words.
    pub policy: String,
    /// The chance, at most, of calls like these if it broke the promise.
    pub p_value: f64,
    /// Its quality against always asking the frontier.
    pub quality: f64,
    /// What it does not spend, as a share of what always asking the frontier costs.
    pub saving: f64,
}

/// What comes of many calibrations on calls drawn again from those of the test, which then are the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rehearsal {
    /// How many.
    pub times: usize,
    /// How many found a policy.
    pub found: usize,
    /// The share whose policy truly breaks the limit.
    pub broken: f64,
    /// Mean saving of those that found one.
    pub saving: f64,
    /// Saving of the cheapest policy that truly keeps the promise.
    pub oracle_saving: f64,
}

/// Learns on half of the rows and tests the promise on the other half.
pub fn calibrate(field: &Field, prices: &Prices, scorer: &Scorer, options: &Options, promise: Promise) -> Calibration {
    let rows = Rows::of(field, prices, scorer);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    Seeded::new(options.seed).shuffle(&mut order);
    let (learn, rest) = order.split_at(rows.len() / 2);
    let (learn, rest) = (rows.only(learn), rows.only(rest));
    let trials = trials(&learn, &rest, &field.models, options, promise);
    let frontier = rest.frontier();
    let count = rest.len().max(1) as f64;
    Calibration {
        verdict: test(&trials, promise),
        promise,
        trials,
        frontier_cost: rest.costs.iter().map(|costs| costs[frontier]).sum(),
        frontier_quality: rest.labels.iter().map(|labels| labels[frontier]).sum::<f64>() / count,
        learnt_from: learn.len(),
    }
}

/// The policies that could pay, from the best on the rows that taught them to the cheapest.
fn trials(learn: &Rows, rest: &Rows, models: &[String], options: &Options, promise: Promise) -> Vec<Trial> {
    if learn.len() == 0 || rest.len() == 0 {
        return Vec::new();
    }
    let frontier = rest.frontier();
    let shortfall = |at: usize, own: f64| promise.quality * rest.labels[at][frontier] - own;
    let mut found: Vec<(f64, f64, Trial)> = Vec::new();
    if let Some((chain, policies)) = learn_rows(learn, options) {
        let unlike = guard::unlike(rest, &guard::novelty(learn));
        let mut names: Vec<&str> = chain.order.iter().map(|model| models[*model].as_str()).collect();
        names.push(&models[frontier]);
        let (all, crossed): (Vec<_>, Vec<_>) = policies.into_iter().unzip();
        for (at, (walk, known)) in chain.walks(rest, &all).iter().zip(&crossed).enumerate() {
            let sums = sums_of(known);
            // Calls unlike those that were learnt from go to the frontier.
            let own = |row: usize| if unlike[row] { rest.labels[row][frontier] } else { walk.quality[row] };
            let cost = |row: usize| if unlike[row] { rest.costs[row][frontier] } else { walk.cost[row] };
            let trial = Trial {
                name: format!("cascade {}, step {} of {}", names.join(" > "), at + 1, all.len()),
                shortfalls: (0..rest.len()).map(|row| shortfall(row, own(row))).collect(),
                cost: (0..rest.len()).map(cost).sum(),
            };
            found.push((sums.quality, sums.cost, trial));
        }
    } else {
        let singles = fixed::singles(&learn.labels, &learn.costs);
        for step in 0..MIXTURES {
            let wanted =
                singles[frontier].quality * (1.0 - (1.0 - promise.quality) * 2.0 * step as f64 / MIXTURES as f64);
            let mixture = fixed::best_mixture(&singles, wanted);
            let of = |values: &[f64]| values[mixture.one] * (1.0 - mixture.share) + values[mixture.two] * mixture.share;
            let trial = Trial {
                name: format!("{:.1} % {}, else {}", mixture.share * 100.0, models[mixture.two], models[mixture.one]),
                shortfalls: (0..rest.len()).map(|row| shortfall(row, of(&rest.labels[row]))).collect(),
                cost: rest.costs.iter().map(|costs| of(costs)).sum(),
            };
            let sums = mixture.sums(&singles);
            found.push((sums.quality, sums.cost, trial));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    // One that is dearer than a safer one, or than always asking the frontier, is not worth a test.
    let mut least: f64 = learn.costs.iter().map(|costs| costs[frontier]).sum();
    found.retain(|(_, cost, _)| {
        let cheaper = *cost < least;
        least = least.min(*cost);
        cheaper
    });
    found.into_iter().map(|(_, _, trial)| trial).collect()
}

impl Calibration {
    /// What came of the tests.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// How many calls taught the policies.
    pub fn learnt_from(&self) -> usize {
        self.learnt_from
    }

    /// How many calls tested them.
    pub fn tested_on(&self) -> usize {
        self.trials.first().map_or(0, |trial| trial.shortfalls.len())
    }

    /// The policy to use, where the promise holds for one.
    pub fn kept(&self) -> Option<Kept> {
        let Verdict::Kept { trial, p_value } = self.verdict else { return None };
        let found = &self.trials[trial];
        let count = found.shortfalls.len().max(1) as f64;
        let loss = found.shortfalls.iter().sum::<f64>() / count;
        let quality = self.promise.quality - loss / self.frontier_quality.max(1e-9);
        Some(Kept { policy: found.name.clone(), p_value, quality, saving: self.saving(found) })
    }

    fn saving(&self, trial: &Trial) -> f64 {
        if self.frontier_cost > 0.0 { 1.0 - trial.cost / self.frontier_cost } else { 0.0 }
    }

    /// Calibrates many times on as many calls drawn with replacement from those of the test, and counts how often the
    /// policy that was found breaks the promise on all of them.
    pub fn rehearse(&self, times: usize, seed: u64) -> Rehearsal {
        let calls = self.tested_on();
        let mut random = Seeded::new(seed);
        let broken = |trial: &Trial| trial.shortfalls.iter().sum::<f64>() > 0.0;
        let mut rehearsal = Rehearsal { times, found: 0, broken: 0.0, saving: 0.0, oracle_saving: 0.0 };
        for _ in 0..times {
            let drawn: Vec<usize> = (0..calls).map(|_| random.below(calls)).collect();
            let again = |trial: &Trial| Trial {
                name: String::new(),
                shortfalls: drawn.iter().map(|call| trial.shortfalls[*call]).collect(),
                cost: trial.cost,
            };
            let trials: Vec<Trial> = self.trials.iter().map(again).collect();
            if let Verdict::Kept { trial, .. } = test(&trials, self.promise) {
                rehearsal.found += 1;
                rehearsal.broken += f64::from(u8::from(broken(&self.trials[trial])));
                rehearsal.saving += self.saving(&self.trials[trial]);
            }
        }
        rehearsal.broken /= times.max(1) as f64;
        rehearsal.saving /= rehearsal.found.max(1) as f64;
        let good = self.trials.iter().filter(|trial| !broken(trial)).map(|trial| self.saving(trial));
        rehearsal.oracle_saving = good.fold(0.0, f64::max);
        rehearsal
    }
}

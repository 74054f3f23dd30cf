//! Learn and calibrate on some rows, freeze, judge on others.

use crate::learn::Novelty;
use crate::score::{Scorer, TaskKind};

use super::Outcome;
use super::bill::{Prices, costs};
use super::chain::{Chain, Grain, Pace, Policy, Rows, Walk};
use super::course::Course;
use super::fixed::{self, Mixture, Sums};
use super::guard;
use super::hindsight;
use super::parts::{self, AskedShare, KindOutcome};
use super::record::Field;
use super::state::Seen;

/// Shares of the frontier's quality that are aimed at.
pub const TARGETS: [f64; 5] = [0.95, 0.98, 0.99, 0.995, 1.0];

/// Least rows to learn from; below it only fixed choices are weighed.
const ROWS_MIN: usize = 60;
/// Most rows to learn from: more would take minutes and change the third digit.
const ROWS_MAX: usize = 4_000;
/// Most cheap models in a chain: the best.
const MODELS_MAX: usize = 8;
/// Another chain or pace must cost less than this share of the first one's cost, which asks all: less is luck.
const SURE: f64 = 0.97;
/// Prices for quality, as what a whole right answer is worth in frontier answers, from dear to cheap.
const WORTHS: (f64, f64, usize) = (300.0, 0.6, 64);

/// How to learn.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Shares of the frontier's quality to aim at.
    pub targets: Vec<f64>,
    /// How many standard errors of the quality measured on the training rows the target must be cleared by.
    pub caution: f64,
    /// How many times over the trees are grown: 1 is quick, 4 is the default.
    pub effort: usize,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { targets: TARGETS.to_vec(), caution: 1.75, effort: 4, seed: 7 }
    }
}

/// What was learnt and set on the training rows.
#[derive(Clone, Debug)]
pub struct Learnt {
    /// The chain that does best over all targets, with its policies by price.
    best: Option<(Chain, Vec<Policy>)>,
    /// Tells rows that are unlike those.
    novelty: Option<Novelty>,
    /// By target: what Tierway does, and the fixed choices beside it.
    settled: Vec<Settled>,
    models: usize,
    rows: usize,
}

#[derive(Clone, Debug)]
struct Settled {
    target: f64,
    tierway: Choice,
    /// What that costs on the training rows.
    cost: f64,
    mixture: Mixture,
    single: Mixture,
    coin: Mixture,
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Fixed(Mixture),
    Cascade(usize),
}

/// A policy on the rows that are judged, beside the fixed choices.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Every policy at every target.
    pub outcomes: Vec<Outcome>,
    /// How many rows it was learnt from.
    pub trained: usize,
    /// How many rows it was judged on.
    pub judged: usize,
    /// How many of these were unlike all that was learnt from, where a cascade was learnt: they get the best mixture.
    pub unlike: usize,
    /// By target: what Tierway settled on, in words.
    pub settled: Vec<(f64, String)>,
    /// Tierway and the static mixture at every target, by kind of work.
    pub by_kind: Vec<KindOutcome>,
    /// How often Tierway asked each model at every target.
    pub asked: Vec<AskedShare>,
}

/// Learns from the rows of a field and settles on a policy for each target.
pub fn learn(train: &Field, prices: &Prices, scorer: &Scorer, options: &Options) -> Learnt {
    let rows = thinned(&rows_of(train, prices, scorer));
    let singles = fixed::singles(&rows.labels, &rows.costs);
    let best = learn_rows(&rows, options);
    let policies = best.as_ref().map_or(&[][..], |(_, policies)| policies);
    let settle = |target: &f64| settle(*target, &rows, &singles, policies, options.caution);
    let settled = if rows.len() == 0 { Vec::new() } else { options.targets.iter().map(settle).collect() };
    let novelty = best.as_ref().map(|_| guard::novelty(&rows));
    Learnt { best, novelty, settled, models: train.models.len(), rows: rows.len() }
}

/// The best chain of some rows and its policies by price; none where the rows are too few.
pub(super) fn learn_rows(rows: &Rows, options: &Options) -> Option<(Chain, Vec<Policy>)> {
    if rows.len() < ROWS_MIN || rows.frontier() == 0 {
        return None;
    }
    let grain = Grain {
        folds: 8,
        fold_trees: 12 * options.effort,
        trees: 40 * options.effort,
        leaf_min: (rows.len() / 120).clamp(8, 12),
        seed: options.seed,
    };
    best_chain(rows, &fixed::singles(&rows.labels, &rows.costs), grain, options)
}

/// The chain and pace whose policies save most over all targets. One chain for all targets: the best of many for each
/// target would be the luckiest.
fn best_chain(rows: &Rows, singles: &[Sums], grain: Grain, options: &Options) -> Option<(Chain, Vec<Policy>)> {
    let prices = worths(singles[rows.frontier()].cost / rows.len() as f64);
    let mut best: Option<(f64, Chain, Vec<Policy>)> = None;
    for order in orders(singles) {
        let paces: &[Pace] = if order.len() > 1 { &[Pace::Patient, Pace::Eager] } else { &[Pace::Patient] };
        let (chain, by_pace) = Chain::learn(rows, &order, paces, &prices, grain);
        for policies in by_pace {
            let cost = |target: &f64| settle(*target, rows, singles, &policies, options.caution).cost;
            let cost = options.targets.iter().map(cost).sum::<f64>();
            if best.as_ref().is_none_or(|(least, ..)| cost < *least * SURE) {
                best = Some((cost, chain.clone(), policies));
            }
        }
    }
    best.map(|(_, chain, policies)| (chain, policies))
}

/// Judges what was learnt on other rows of the same models.
///
/// # Panics
/// Where the rows have another number of models.
pub fn judge(learnt: &Learnt, test: &Field, prices: &Prices, scorer: &Scorer) -> Judged {
    assert!(learnt.settled.is_empty() || learnt.models == test.models.len(), "learnt and judged on the same models");
    let rows = rows_of(test, prices, scorer);
    let unlike = learnt.novelty.as_ref().map(|novelty| guard::unlike(&rows, novelty)).unwrap_or_default();
    let mut judged = Judged {
        outcomes: Vec::new(),
        trained: learnt.rows,
        judged: rows.len(),
        unlike: unlike.iter().filter(|unlike| **unlike).count(),
        settled: Vec::new(),
        by_kind: Vec::new(),
        asked: Vec::new(),
    };
    if rows.len() == 0 {
        return judged;
    }
    let singles = fixed::singles(&rows.labels, &rows.costs);
    let frontier = singles[rows.frontier()];
    let kinds = parts::by_kind(test, scorer);
    let outcome = |policy: &str, target, sums| outcome(policy, target, sums, frontier, rows.len());
    for settled in &learnt.settled {
        let target = Some(settled.target);
        let course = learnt.course(settled, &rows, &unlike);
        judged.settled.push((settled.target, learnt.in_words(settled.tierway, &test.models)));
        judged.outcomes.push(outcome("tierway", target, course.sums(&rows, 0..rows.len())));
        judged.outcomes.push(outcome("static_mixture", target, settled.mixture.sums(&singles)));
        judged.outcomes.push(outcome("best_single", target, settled.single.sums(&singles)));
        judged.outcomes.push(outcome("random", target, settled.coin.sums(&singles)));
        judged.outcomes.push(outcome("oracle", target, fixed::oracle(&rows.labels, &rows.costs)));
        judged.by_kind.extend(by_kind("tierway", settled.target, &course, &rows, &kinds));
        judged.by_kind.extend(by_kind(
            "static_mixture",
            settled.target,
            &Course::fixed(settled.mixture),
            &rows,
            &kinds,
        ));
        judged.asked.extend(asked(settled.target, &course, &rows, &test.models));
    }
    for (model, sums) in test.models.iter().zip(&singles) {
        judged.outcomes.push(outcome(&format!("only {model}"), None, *sums));
    }
    judged
}

/// A policy at each kind of work, against the frontier there.
fn by_kind(
    policy: &str,
    target: f64,
    course: &Course<'_>,
    rows: &Rows,
    kinds: &[(TaskKind, Vec<usize>)],
) -> Vec<KindOutcome> {
    let always = Course::fixed(Mixture::single(rows.frontier()));
    let of = |(kind, which): &(TaskKind, Vec<usize>)| {
        let all = || which.iter().copied();
        let frontier = always.sums(rows, all());
        let outcome = outcome(policy, Some(target), course.sums(rows, all()), frontier, which.len());
        KindOutcome { kind: *kind, rows: which.len(), outcome }
    };
    kinds.iter().map(of).collect()
}

/// How often each model was asked, and its answer delivered.
fn asked(target: f64, course: &Course<'_>, rows: &Rows, models: &[String]) -> Vec<AskedShare> {
    let shares = course.shares(rows);
    let count = rows.len().max(1) as f64;
    let line = |(at, model): (usize, &String)| AskedShare {
        target_quality: target,
        model: model.clone(),
        share: shares.asked[at] / count,
        answered: shares.answered[at] / count,
    };
    models.iter().enumerate().map(line).collect()
}

impl Learnt {
    /// The way of what was settled on through other rows.
    fn course<'a>(&'a self, settled: &Settled, rows: &Rows, unlike: &'a [bool]) -> Course<'a> {
        match (settled.tierway, &self.best) {
            (Choice::Cascade(policy), Some((chain, policies))) => {
                Course::cascade((chain, &policies[policy]), rows, unlike, settled.mixture)
            }
            (Choice::Fixed(mixture), _) => Course::fixed(mixture),
            // A cascade is settled on where one was learnt.
            (Choice::Cascade(_), None) => Course::fixed(settled.mixture),
        }
    }

    fn in_words(&self, choice: Choice, models: &[String]) -> String {
        match choice {
            Choice::Fixed(mixture) if mixture.share == 0.0 => format!("{} for all", models[mixture.one]),
            Choice::Fixed(mixture) => {
                let (one, two) = (&models[mixture.one], &models[mixture.two]);
                format!("{:.1} % {two}, else {one}", mixture.share * 100.0)
            }
            Choice::Cascade(_) => {
                let order = self.best.as_ref().map_or(&[][..], |(chain, _)| &chain.order);
                let names: Vec<&str> = order.iter().map(|model| models[*model].as_str()).collect();
                format!("cascade {}", names.join(" > "))
            }
        }
    }
}

/// What a policy's sums are against those of the frontier.
fn outcome(policy: &str, target: Option<f64>, sums: Sums, frontier: Sums, rows: usize) -> Outcome {
    Outcome {
        policy: policy.to_owned(),
        target_quality: target,
        quality: if frontier.quality > 0.0 { sums.quality / frontier.quality } else { 1.0 },
        saving: if frontier.cost > 0.0 { 1.0 - sums.cost / frontier.cost } else { 0.0 },
        frontier_share: sums.frontier / rows.max(1) as f64,
    }
}

pub(super) fn rows_of(field: &Field, prices: &Prices, scorer: &Scorer) -> Rows {
    let label = |row: &super::Record| field.models.iter().map(|model| row.label(model).unwrap_or(0.0)).collect();
    Rows {
        seen: Seen::all(field, scorer),
        labels: field.rows.iter().map(label).collect(),
        costs: costs(field, prices),
        prompts: field.rows.iter().map(super::Record::prompt_chars).collect(),
        hints: hindsight::hints(field),
    }
}

/// At most `ROWS_MAX` rows, evenly taken.
fn thinned(rows: &Rows) -> Rows {
    let step = rows.len().div_ceil(ROWS_MAX).max(1);
    let kept: Vec<usize> = (0..rows.len()).step_by(step).collect();
    rows.only(&kept)
}

/// Prices of quality a dollar, for a frontier answer that costs so much.
fn worths(dear: f64) -> Vec<f64> {
    let (most, least, count) = WORTHS;
    let step = (least / most).ln() / (count - 1) as f64;
    (0..count).map(|at| 1.0 / (most * (step * at as f64).exp() * dear.max(1e-12))).collect()
}

/// The orders of cheap models that are tried: all by cost, the small ones by quality before the best, both without the
/// worst one or two, and the best alone. Few, since the best of many is the luckiest.
fn orders(singles: &[Sums]) -> Vec<Vec<usize>> {
    let frontier = singles.len() - 1;
    let mut by_quality: Vec<usize> = (0..frontier).collect();
    by_quality.sort_by(|a, b| singles[*b].quality.total_cmp(&singles[*a].quality));
    by_quality.truncate(MODELS_MAX);
    let mut orders: Vec<Vec<usize>> = Vec::new();
    for count in [by_quality.len(), by_quality.len() - 1, 3, 2, 1] {
        let kept = &by_quality[..count.clamp(1, by_quality.len())];
        let mut by_cost = kept.to_vec();
        by_cost.sort_by(|a, b| singles[*a].cost.total_cmp(&singles[*b].cost));
        let mut best_last = kept[1..].to_vec();
        best_last.push(kept[0]);
        for order in [by_cost, best_last] {
            if !orders.contains(&order) {
                orders.push(order);
            }
        }
    }
    orders
}

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

/// The cheapest of all policies, the fixed ones among them, that clears the target on the training rows.
fn settle(target: f64, rows: &Rows, singles: &[Sums], policies: &[Policy], caution: f64) -> Settled {
    let frontier = singles[rows.frontier()];
    let wanted = target * frontier.quality;
    let mixture = fixed::best_mixture(singles, wanted);
    let single = fixed::best_single(singles, wanted);
    let mut tierway = (Choice::Fixed(mixture), mixture.sums(singles).cost);
    for (policy, found) in policies.iter().enumerate() {
        let sums = sums_of(&found.walk);
        let margin = caution * error(&found.expected, rows, target);
        let expected: f64 = found.expected.iter().sum();
        let clears = expected >= wanted + margin && sums.cost < tierway.1;
        if clears && guard::beats(&found.walk, mixture, rows, singles) {
            tierway = (Choice::Cascade(policy), sums.cost);
        }
    }
    Settled { target, tierway: tierway.0, cost: tierway.1, mixture, single, coin: fixed::coin(singles, wanted) }
}

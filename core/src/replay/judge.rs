//! Learn and calibrate on some rows, freeze, judge on others.

use crate::learn::Novelty;
use crate::score::{Scorer, TaskKind};

use super::Outcome;
use super::bill::Prices;
use super::chain::{Chain, Pace, Policy, Walk};
use super::course::Course;
use super::crossed::{Crossed, Found};
use super::fixed::{self, Mixture, Sums};
use super::guard;
use super::lesson::Grain;
use super::margin;
use super::parts::{self, AskedShare, KindOutcome};
use super::record::Field;
use super::rows::Rows;
use super::settle::{Choice, Settled, settle};

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

/// Policies by price, each with its walk at rows that it was not learnt from.
pub(super) type Walked = Vec<(Policy, Walk)>;

/// How to learn.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Shares of the frontier's quality to aim at.
    pub targets: Vec<f64>,
    /// By how many standard errors of the training rows' marks the target must be cleared: 0 aims at it on average.
    pub caution: f64,
    /// How many times over the trees are grown: 1 is quick, 2 is the default.
    pub effort: usize,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { targets: TARGETS.to_vec(), caution: 0.0, effort: 2, seed: 7 }
    }
}

/// What was learnt and set on the training rows.
#[derive(Clone, Debug)]
pub struct Learnt {
    /// The chain that does best over all targets, with its policies by price.
    best: Option<(Chain, Walked)>,
    /// Tells rows that are unlike those.
    pub(super) novelty: Option<Novelty>,
    /// By target: what Tierway does, and the fixed choices beside it.
    pub(super) settled: Vec<Settled>,
    /// The models of the mixtures that give most for their cost.
    pub(super) corners: Vec<usize>,
    models: usize,
    rows: usize,
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
    let rows = thinned(&Rows::of(train, prices, scorer));
    let singles = fixed::singles(&rows.labels, &rows.costs);
    let best = learn_rows(&rows, options);
    let policies = best.as_ref().map_or(&[][..], |(_, policies)| policies);
    let settle = |target: &f64| settle(*target, &rows, &singles, policies, options.caution);
    let settled = if rows.len() == 0 { Vec::new() } else { options.targets.iter().map(settle).collect() };
    let novelty = best.as_ref().map(|_| guard::novelty(&rows));
    let corners = margin::corners(&singles);
    Learnt { best, novelty, settled, corners, models: train.models.len(), rows: rows.len() }
}

/// The best chain of some rows and its policies by price, with their walks at rows that they were not learnt from; none
/// where the rows are too few.
pub(super) fn learn_rows(rows: &Rows, options: &Options) -> Option<(Chain, Walked)> {
    if rows.len() < ROWS_MIN || rows.frontier() == 0 {
        return None;
    }
    let grain = Grain { trees: 60 * options.effort, leaf_min: (rows.len() / 120).clamp(8, 12), seed: options.seed };
    best_chain(rows, &fixed::singles(&rows.labels, &rows.costs), grain, options)
}

/// The chain and pace whose policies save most over all targets. One chain for all targets: the best of many for each
/// target would be the luckiest.
fn best_chain(rows: &Rows, singles: &[Sums], grain: Grain, options: &Options) -> Option<(Chain, Walked)> {
    let prices = worths(singles[rows.frontier()].cost / rows.len() as f64);
    let crossed = Crossed::cut(rows, grain);
    let mut best: Option<(f64, Chain, Walked)> = None;
    for order in orders(singles) {
        let paces: &[Pace] = if order.len() > 1 { &[Pace::Patient, Pace::Eager] } else { &[Pace::Patient] };
        let Found { chain, by_pace } = crossed.learn(&order, paces, &prices);
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
    let rows = Rows::of(test, prices, scorer);
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
    /// What was aimed at, and the way of what was settled on for it.
    pub(super) fn aimed<'a>(&'a self, settled: &Settled, rows: &Rows, unlike: &'a [bool]) -> (f64, Course<'a>) {
        (settled.target, self.course(settled, rows, unlike))
    }

    /// The way of what was settled on through other rows.
    fn course<'a>(&'a self, settled: &Settled, rows: &Rows, unlike: &'a [bool]) -> Course<'a> {
        match (settled.tierway, &self.best) {
            (Choice::Cascade(policy), Some((chain, policies))) => {
                let mut walks = chain.walks(rows, std::slice::from_ref(&policies[policy].0));
                Course::cascade((&chain.order, walks.remove(0)), unlike, settled.mixture)
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

/// The orders of cheap models that are tried: all by cost, and the best three and one. Few, since the best of many is
/// the luckiest.
fn orders(singles: &[Sums]) -> Vec<Vec<usize>> {
    let frontier = singles.len() - 1;
    let mut by_quality: Vec<usize> = (0..frontier).collect();
    by_quality.sort_by(|a, b| singles[*b].quality.total_cmp(&singles[*a].quality));
    by_quality.truncate(MODELS_MAX);
    let mut orders: Vec<Vec<usize>> = Vec::new();
    for count in [by_quality.len(), 3, 1] {
        let mut order = by_quality[..count.clamp(1, by_quality.len())].to_vec();
        order.sort_by(|a, b| singles[*a].cost.total_cmp(&singles[*b].cost));
        if !orders.contains(&order) {
            orders.push(order);
        }
    }
    orders
}

//! A cascade, learnt: ask cheap models in order, after each answer stop, go on, or ask the frontier.
//!
//! After each answer the gain of asking the frontier is predicted from the state: by trees, and by two curves for the
//! chances that the frontier and the answer that stands are right, blended. What going
//! on is worth is worked out backwards: the mean, over like cases, of the best of what could be done then, less its cost
//! at a price for quality. One price is one policy; a curve of policies comes from many prices. Predictions for the
//! cases that were learnt from come from models that did not see them.

use crate::learn::{Averages, Forest, Growth, Logistic, Seeded, Table};

use super::hindsight;
use super::state::{Seen, state, width};

/// How much of a predicted gain comes from the curves. Trees rank best where much is to be gained, curves where little is.
const CURVE_SHARE: f64 = 0.5;
/// The same where the trees learn from chances in place of marks: they need less steadying.
const CURVE_SHARE_HINTED: f64 = 0.2;
/// The curves' penalty.
const PENALTY: f64 = 50.0;
/// A stage that must not be left early loses more than any answer is worth.
const NEVER: f64 = -1e9;

/// Everything that is known of some rows.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) seen: Vec<Seen>,
    /// By row, then by model, the frontier last.
    pub(super) labels: Vec<Vec<f64>>,
    pub(super) costs: Vec<Vec<f64>>,
    /// Characters of the prompts.
    pub(super) prompts: Vec<f64>,
    /// By row: what other models' marks are, all rows alike; empty where nothing is known.
    pub(super) hints: Vec<Vec<f64>>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Some of them, in this order.
    pub(super) fn only(&self, which: &[usize]) -> Rows {
        Rows {
            seen: which.iter().map(|row| self.seen[*row].clone()).collect(),
            labels: which.iter().map(|row| self.labels[*row].clone()).collect(),
            costs: which.iter().map(|row| self.costs[*row].clone()).collect(),
            prompts: which.iter().map(|row| self.prompts[*row]).collect(),
            hints: which.iter().map(|row| self.hints[*row].clone()).collect(),
        }
    }

    fn curve_share(&self) -> f64 {
        if self.hints.first().is_some_and(|hints| !hints.is_empty()) { CURVE_SHARE_HINTED } else { CURVE_SHARE }
    }

    pub(super) fn frontier(&self) -> usize {
        self.labels.first().map_or(0, |row| row.len() - 1)
    }
}

/// How finely it learns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    pub(super) folds: usize,
    pub(super) fold_trees: usize,
    pub(super) trees: usize,
    pub(super) leaf_min: usize,
    pub(super) seed: u64,
}

/// What came of a policy on some rows: by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    pub(super) quality: Vec<f64>,
    pub(super) cost: Vec<f64>,
    pub(super) frontier: Vec<bool>,
    /// How many cheap models were asked; told of rows that are judged, not of those that were learnt from.
    pub(super) asked: Vec<usize>,
    /// Whose answer was delivered; likewise.
    pub(super) stood: Vec<usize>,
}

/// An order of cheap models, and what was learnt of it.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The models that it asks, by position, before the frontier.
    pub order: Vec<usize>,
    trust: Vec<f64>,
    stages: Vec<Stage>,
    frontier_cost: (f64, f64),
    curve_share: f64,
}

/// After some answers.
#[derive(Clone, Debug)]
struct Stage {
    forest: Forest,
    /// The gain of the frontier over the answer that stands.
    gain: Option<(Averages, Chances)>,
}

/// How likely the frontier and the answer that stands are right.
#[derive(Clone, Debug)]
struct Chances {
    frontier: Logistic,
    stands: Logistic,
}

impl Chances {
    fn fit(table: &Table, cases: &[usize], frontier: &[f64], stands: &[f64]) -> Chances {
        Chances {
            frontier: Logistic::fit(table, cases, frontier, PENALTY),
            stands: Logistic::fit(table, cases, stands, PENALTY),
        }
    }

    /// The frontier's expected gain.
    fn gain(&self, row: &[f32]) -> f64 {
        self.frontier.at(row) - self.stands.at(row)
    }
}

/// A stage while it is learnt: what the folds say of the cases they did not see.
struct Lesson {
    stage: Stage,
    folds: Vec<FoldForest>,
    /// By case: the predicted gain, whose answer stands, and what it was worth.
    gain: Vec<f64>,
    stands: Vec<f64>,
}

struct FoldForest {
    forest: Forest,
    inside: Vec<usize>,
    outside: Vec<usize>,
    places: Vec<Vec<u32>>,
}

/// A chain at one price for quality.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    price: f64,
    pace: Pace,
    going_on: Vec<Option<Averages>>,
    /// What came of it on the cases it was learnt from, each judged by models that did not see it.
    pub(super) walk: Walk,
    /// Its quality there with less luck in it: where an answer was kept, halfway between its mark and what the frontier's
    /// mark and the predicted gain say of it.
    pub(super) expected: Vec<f64>,
}

/// When a chain may stop or ask the frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// After any answer.
    Eager,
    /// After the last: the cheap models may be asked side by side.
    Patient,
}

impl Pace {
    /// Whether it must go on after `count` of `all` answers.
    fn must_go_on(self, count: usize, all: usize) -> bool {
        self == Pace::Patient && count < all
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Act {
    Stop,
    GoOn,
    Frontier,
}

impl Chain {
    /// Learns an order of models from rows, and for each pace a policy for each price.
    pub(super) fn learn(
        rows: &Rows,
        order: &[usize],
        paces: &[Pace],
        prices: &[f64],
        grain: Grain,
    ) -> (Chain, Vec<Vec<Policy>>) {
        let trust = trust(rows);
        let frontier_cost = frontier_cost(rows);
        let folds = folds(rows.len(), grain);
        let lessons: Vec<Lesson> =
            (0..=order.len()).map(|count| Lesson::learn(rows, &order[..count], &trust, &folds, grain)).collect();
        let curve_share = rows.curve_share();
        let chain = |stages| Chain { order: order.to_vec(), trust, stages, frontier_cost, curve_share };
        let of_pace = |pace: &Pace| {
            prices.iter().map(|price| policy(rows, order, &lessons, (frontier_cost, *price), *pace)).collect()
        };
        let policies = paces.iter().map(of_pace).collect();
        (chain(lessons.into_iter().map(|lesson| lesson.stage).collect()), policies)
    }

    /// What comes of a policy of this chain on other rows.
    pub(super) fn walk(&self, rows: &Rows, policy: &Policy) -> Walk {
        let mut walk = Walk::default();
        for at in 0..rows.len() {
            let (stood, asked, spent) = self.step(rows, at, policy);
            let frontier = stood == rows.frontier();
            walk.quality.push(rows.labels[at][stood]);
            walk.cost.push(if frontier { spent + rows.costs[at][stood] } else { spent });
            walk.frontier.push(frontier);
            walk.asked.push(asked);
            walk.stood.push(stood);
        }
        walk
    }

    /// Whose answer stands at a row, how many cheap models were asked, and what these cost.
    fn step(&self, rows: &Rows, at: usize, policy: &Policy) -> (usize, usize, f64) {
        let frontier = rows.frontier();
        let (mut spent, mut asked) = (0.0, 0);
        for (count, stage) in self.stages.iter().enumerate() {
            let (values, pick) = state(&rows.seen[at], &self.order[..count], &self.trust);
            let place = stage.forest.place(&values);
            let stop = stage
                .gain
                .as_ref()
                .map_or(NEVER, |gain| -blend(self.curve_share, gain.0.at(&place), gain.1.gain(&values)));
            let go_on = policy.going_on[count].as_ref().map_or(NEVER, |worth| worth.at(&place));
            let ask = -policy.price * expected(self.frontier_cost, rows.prompts[at]);
            let must_go_on = policy.pace.must_go_on(count, self.order.len());
            match if must_go_on { Act::GoOn } else { choose(stop, go_on, ask).0 } {
                Act::Stop => return (pick.unwrap_or(frontier), asked, spent),
                Act::Frontier => break,
                Act::GoOn => {
                    spent += rows.costs[at][self.order[count]];
                    asked += 1;
                }
            }
        }
        (frontier, asked, spent)
    }
}

fn blend(share: f64, trees: f64, curves: f64) -> f64 {
    (1.0 - share) * trees + share * curves
}

fn choose(stop: f64, go_on: f64, frontier: f64) -> (Act, f64) {
    if stop >= go_on && stop >= frontier {
        (Act::Stop, stop)
    } else if go_on >= frontier {
        (Act::GoOn, go_on)
    } else {
        (Act::Frontier, frontier)
    }
}

/// The log-odds of each model's being right, so that votes add up; nobody's word counts for nothing.
fn trust(rows: &Rows) -> Vec<f64> {
    let count = rows.len() as f64;
    let mean = |model: usize| (rows.labels.iter().map(|row| row[model]).sum::<f64>() + 1.0) / (count + 2.0);
    let odds = |share: f64| (share / (1.0 - share)).ln().clamp(0.1, 4.0);
    (0..=rows.frontier()).map(|model| odds(mean(model))).collect()
}

/// The frontier's cost as a line over the prompt's length, known before it is asked.
fn frontier_cost(rows: &Rows) -> (f64, f64) {
    let frontier = rows.frontier();
    let count = rows.len().max(1) as f64;
    let x = rows.prompts.iter().sum::<f64>() / count;
    let y = rows.costs.iter().map(|row| row[frontier]).sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 1e-9);
    for (prompt, cost) in rows.prompts.iter().zip(&rows.costs) {
        over += (prompt - x) * (cost[frontier] - y);
        under += (prompt - x).powi(2);
    }
    let slope = (over / under).max(0.0);
    (y - slope * x, slope)
}

fn expected((base, slope): (f64, f64), prompt: f64) -> f64 {
    (base + slope * prompt).max(1e-12)
}

/// Which fold each case is in.
fn folds(count: usize, grain: Grain) -> Vec<usize> {
    let mut folds: Vec<usize> = (0..count).map(|at| at % grain.folds).collect();
    Seeded::new(grain.seed).shuffle(&mut folds);
    folds
}

impl Lesson {
    fn learn(rows: &Rows, asked: &[usize], trust: &[f64], fold_of: &[usize], grain: Grain) -> Lesson {
        let frontier = rows.frontier();
        let mut table = Table::new(width(asked.len()));
        let mut stands = Vec::with_capacity(rows.len());
        for (seen, labels) in rows.seen.iter().zip(&rows.labels) {
            let (values, pick) = state(seen, asked, trust);
            table.push(&values);
            stands.push(pick.map_or(0.0, |pick| labels[pick]));
        }
        let dear: Vec<f64> = rows.labels.iter().map(|labels| labels[frontier]).collect();
        let gain = hoped(&table, rows, &dear, &stands);
        let share = rows.curve_share();
        // Before any answer, the trees tell apart by whether the cheap models will do.
        let target: Vec<f64> = match asked {
            [] => rows.labels.iter().map(|row| row[..frontier].iter().sum::<f64>() / frontier.max(1) as f64).collect(),
            _ => gain.clone(),
        };
        let all: Vec<usize> = (0..rows.len()).collect();
        let seed = grain.seed.wrapping_add(1 + asked.len() as u64);
        let growth = |trees, fold: u64| Growth {
            trees,
            leaf_min: grain.leaf_min,
            columns: 0.5,
            seed: seed.wrapping_mul(1_000).wrapping_add(fold),
        };
        let forest = Forest::grow(&table, &all, &target, growth(grain.trees, 0));
        let mut out = vec![0.0; rows.len()];
        let mut folds = Vec::new();
        for fold in 0..grain.folds {
            let inside: Vec<usize> = all.iter().copied().filter(|case| fold_of[*case] != fold).collect();
            let outside: Vec<usize> = all.iter().copied().filter(|case| fold_of[*case] == fold).collect();
            let take = |values: &[f64]| -> Vec<f64> { inside.iter().map(|case| values[*case]).collect() };
            let grown = Forest::grow(&table, &inside, &take(&target), growth(grain.fold_trees, 1 + fold as u64));
            let places: Vec<Vec<u32>> = outside.iter().map(|case| grown.place(table.row(*case))).collect();
            let averages = grown.average(&take(&gain));
            let chances = Chances::fit(&table, &inside, &take(&dear), &take(&stands));
            for (case, place) in outside.iter().zip(&places) {
                out[*case] = blend(share, averages.at(place), chances.gain(table.row(*case)));
            }
            folds.push(FoldForest { forest: grown, inside, outside, places });
        }
        let fitted = (forest.average(&gain), Chances::fit(&table, &all, &dear, &stands));
        let stage = Stage { forest, gain: (!asked.is_empty()).then_some(fitted) };
        Lesson { stage, folds, gain: out, stands }
    }

    /// Averages a quantity over like cases: for the cases themselves by the folds that did not see them, and for others.
    fn average(&self, quantity: &[f64]) -> (Vec<f64>, Averages) {
        let mut out = vec![0.0; quantity.len()];
        for fold in &self.folds {
            let inside: Vec<f64> = fold.inside.iter().map(|case| quantity[*case]).collect();
            let averages = fold.forest.average(&inside);
            fold.outside.iter().zip(&fold.places).for_each(|(case, place)| out[*case] = averages.at(place));
        }
        (out, self.stage.forest.average(quantity))
    }
}

/// The frontier's gain over the answers that stand: of the marks, or of their chances where hints are known.
fn hoped(table: &Table, rows: &Rows, dear: &[f64], stands: &[f64]) -> Vec<f64> {
    let minus = |dear: &[f64], stands: &[f64]| dear.iter().zip(stands).map(|(dear, stands)| dear - stands).collect();
    match hindsight::beside(table, &rows.hints) {
        Some(wider) => minus(&hindsight::chances(&wider, dear), &hindsight::chances(&wider, stands)),
        None => minus(dear, stands),
    }
}

/// Works out, from the last stage backwards, what going on is worth at a price for quality, and what comes of it.
fn policy(
    rows: &Rows,
    order: &[usize],
    lessons: &[Lesson],
    (frontier_cost, price): ((f64, f64), f64),
    pace: Pace,
) -> Policy {
    let count = rows.len();
    let frontier = rows.frontier();
    let ask: Vec<f64> = rows.prompts.iter().map(|prompt| -price * expected(frontier_cost, *prompt)).collect();
    let mut going_on = vec![None; lessons.len()];
    let mut worth: Vec<f64> = Vec::new();
    // By case: what comes of it from the stage that was just worked out on.
    let mut rest: Vec<(f64, f64, bool, f64)> = Vec::new();
    for (stage, lesson) in lessons.iter().enumerate().rev() {
        let (on, next) = match order.get(stage) {
            None => (vec![NEVER; count], None),
            Some(next) => {
                let after: Vec<f64> = (0..count).map(|at| worth[at] - price * rows.costs[at][*next]).collect();
                let (on, averages) = lesson.average(&after);
                going_on[stage] = Some(averages);
                (on, Some(*next))
            }
        };
        let choice = |at: usize| {
            if pace.must_go_on(stage, order.len()) {
                return (Act::GoOn, on[at]);
            }
            let stop = if stage == 0 { NEVER } else { -lesson.gain[at] };
            choose(stop, on[at], ask[at])
        };
        let outcome = |at: usize, act: Act| match (act, next) {
            (Act::Stop, _) => {
                let expected = 0.5 * (lesson.stands[at] + rows.labels[at][frontier] - lesson.gain[at]);
                (lesson.stands[at], 0.0, false, expected)
            }
            (Act::GoOn, Some(next)) => (rest[at].0, rest[at].1 + rows.costs[at][next], rest[at].2, rest[at].3),
            _ => (rows.labels[at][frontier], rows.costs[at][frontier], true, rows.labels[at][frontier]),
        };
        let choices: Vec<(Act, f64)> = (0..count).map(choice).collect();
        let outcomes = choices.iter().enumerate().map(|(at, (act, _))| outcome(at, *act)).collect();
        worth = choices.iter().map(|(_, worth)| *worth).collect();
        rest = outcomes;
    }
    let walk = Walk {
        quality: rest.iter().map(|row| row.0).collect(),
        cost: rest.iter().map(|row| row.1).collect(),
        frontier: rest.iter().map(|row| row.2).collect(),
        ..Walk::default()
    };
    Policy { price, pace, going_on, walk, expected: rest.iter().map(|row| row.3).collect() }
}

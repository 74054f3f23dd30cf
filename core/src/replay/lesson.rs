//! One stage of a cascade while it is learnt: after these answers, what would the frontier add?
//!
//! Trees and two curves, for the chances that the frontier and the answer that stands are right, are blended. For the
//! rows that they learn from, predictions come from trees and folds that did not see them; these predictions serve the
//! stages before, and nothing is judged by them.

use crate::learn::{Averages, Forest, Growth, Logistic, Table};

use super::ground::Ground;
use super::rows::Rows;
use super::state::{state, width};

/// How much of a predicted gain comes from the curves. Trees rank best where much is to be gained, curves where little is.
const CURVE_SHARE: f64 = 0.5;
/// The same where the trees learn from chances in place of marks: they need less steadying.
const CURVE_SHARE_HINTED: f64 = 0.3;
/// The share of the cases that a tree grows on; the others are predicted by it.
const CASES: f64 = 0.6;
/// The curves' penalty.
const PENALTY: f64 = 50.0;

/// Folds of the curves.
const FOLDS: usize = 5;

/// How finely it learns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    pub(super) trees: usize,
    pub(super) leaf_min: usize,
    pub(super) seed: u64,
}

/// After some answers.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    forest: Forest,
    /// The gain of the frontier over the answer that stands.
    gain: Option<(Averages, Chances)>,
    curve_share: f64,
}

impl Stage {
    /// In which leaves a state lies.
    pub(super) fn place(&self, values: &[f32]) -> Vec<u32> {
        self.forest.place(values)
    }

    /// What the frontier is expected to add; none before any answer.
    pub(super) fn gain(&self, place: &[u32], values: &[f32]) -> Option<f64> {
        let (averages, chances) = self.gain.as_ref()?;
        Some(blend(self.curve_share, averages.at(place), chances.gain(values)))
    }
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

    /// The expected gain of each case, by folds that did not see it.
    fn outside(table: &Table, frontier: &[f64], stands: &[f64]) -> Vec<f64> {
        let mut gain = vec![0.0; stands.len()];
        for fold in 0..FOLDS {
            let inside: Vec<usize> = (0..gain.len()).filter(|case| case % FOLDS != fold).collect();
            let take = |values: &[f64]| -> Vec<f64> { inside.iter().map(|case| values[*case]).collect() };
            let chances = Chances::fit(table, &inside, &take(frontier), &take(stands));
            (fold..gain.len()).step_by(FOLDS).for_each(|case| gain[case] = chances.gain(table.row(case)));
        }
        gain
    }

    /// The frontier's expected gain.
    fn gain(&self, row: &[f32]) -> f64 {
        self.frontier.at(row) - self.stands.at(row)
    }
}

/// A stage, and what is predicted of the cases that it was learnt from by what did not see them.
pub(super) struct Lesson {
    pub(super) stage: Stage,
    /// By case: the predicted gain.
    pub(super) gain: Vec<f64>,
}

impl Lesson {
    pub(super) fn learn(rows: &Rows, ground: &Ground, asked: &[usize], grain: Grain) -> Lesson {
        let frontier = rows.frontier();
        let mut table = Table::new(width(asked.len()));
        let (mut stands, mut gain) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for ((seen, labels), hoped) in rows.seen.iter().zip(&rows.labels).zip(&ground.hoped) {
            let (values, pick) = state(seen, asked, &ground.trust);
            table.push(&values);
            stands.push(pick.map_or(0.0, |pick| labels[pick]));
            gain.push(hoped[frontier] - pick.map_or(0.0, |pick| hoped[pick]));
        }
        // Before any answer, the trees tell apart by whether the cheap models will do.
        let target: Vec<f64> = match asked {
            [] => ground.hoped.iter().map(|row| row[..frontier].iter().sum::<f64>() / frontier.max(1) as f64).collect(),
            _ => gain.clone(),
        };
        let all: Vec<usize> = (0..rows.len()).collect();
        let growth = Growth {
            trees: grain.trees,
            leaf_min: grain.leaf_min,
            columns: 0.5,
            cases: CASES,
            seed: grain.seed.wrapping_add(1 + asked.len() as u64),
        };
        let forest = Forest::grow(&table, &all, &target, growth);
        let curve_share = if ground.hinted { CURVE_SHARE_HINTED } else { CURVE_SHARE };
        if asked.is_empty() {
            return Lesson { stage: Stage { forest, gain: None, curve_share }, gain };
        }
        let averages = forest.average(&gain);
        let dear = rows.dear();
        let curves = Chances::outside(&table, &dear, &stands);
        let outside = forest.outside(&averages).into_iter().zip(curves);
        let gain = outside.map(|(trees, curves)| blend(curve_share, trees, curves)).collect();
        let chances = Chances::fit(&table, &all, &dear, &stands);
        Lesson { stage: Stage { forest, gain: Some((averages, chances)), curve_share }, gain }
    }

    /// Averages a quantity over like cases: for the cases themselves by trees that did not see them, and for others.
    pub(super) fn average(&self, quantity: &[f64]) -> (Vec<f64>, Averages) {
        let averages = self.stage.forest.average(quantity);
        (self.stage.forest.outside(&averages), averages)
    }
}
fn blend(share: f64, trees: f64, curves: f64) -> f64 {
    (1.0 - share) * trees + share * curves
}

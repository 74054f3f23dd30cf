//! What the question alone tells: prompts ordered by how hard the score finds them, the hardest to the frontier.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::score::{Scorer, TaskKind};

use super::Outcome;
use super::bill::{Prices, costs};
use super::fixed::{self, Sums};
use super::record::Field;

/// Shares of prompts that go to the frontier, in steps of a twentieth.
const STEPS: usize = 20;

/// A threshold on the difficulty and what comes of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// Prompts at least this hard go to the frontier.
    pub difficulty: f64,
    /// What comes of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How one kind of work fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct KindLine {
    /// Prompts.
    pub rows: usize,
    /// Mean mark of the cheap model.
    pub cheap: f64,
    /// Mean mark of the frontier.
    pub frontier: f64,
    /// Mean difficulty.
    pub difficulty: f64,
}

/// The question score on labelled rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuestionCurve {
    /// From all to the cheap model to all to the frontier.
    pub thresholds: Vec<Threshold>,
    /// What a coin and the oracle do.
    pub others: Vec<Outcome>,
    /// Mean share of the gap in quality that is closed over all shares of frontier calls: 0.5 is a coin (RouteLLM's APGR,
    /// arXiv:2406.18665).
    pub apgr: f64,
    /// By kind of work.
    pub kinds: BTreeMap<TaskKind, KindLine>,
}

/// Judges the question score on a field of two models, the cheap one first.
///
/// # Panics
/// Where the field has other than two models or no row.
pub fn question(field: &Field, prices: &Prices, scorer: &Scorer) -> QuestionCurve {
    assert!(field.models.len() == 2 && !field.rows.is_empty(), "two models and some rows");
    let label = |row: &super::Record, at: usize| row.label(&field.models[at]).unwrap_or(0.0);
    let labels: Vec<Vec<f64>> = field.rows.iter().map(|row| vec![label(row, 0), label(row, 1)]).collect();
    let costs = costs(field, prices);
    let found: Vec<(TaskKind, f64)> =
        field.rows.iter().map(|row| scorer.assess_text(row.prompt.as_deref().unwrap_or_default())).collect();
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| found[*b].1.total_cmp(&found[*a].1).then(a.cmp(b)));
    let walk = Walk { labels: &labels, costs: &costs, order: &order };
    let singles = fixed::singles(&labels, &costs);
    let judge = Judge { frontier: singles[1], rows: labels.len() as f64 };
    let threshold = |step: usize| {
        let count = labels.len() * step / STEPS;
        let difficulty = order.get(count.saturating_sub(1)).map_or(0.0, |row| found[*row].1);
        Threshold {
            difficulty: if step == 0 { 1.0 } else { difficulty },
            outcome: judge.outcome("question", walk.first(count)),
        }
    };
    let coin = |step: usize| singles[0].mixed(step as f64 / STEPS as f64, singles[1]);
    let mut others: Vec<Outcome> = (0..=STEPS).map(|step| judge.outcome("random", coin(step))).collect();
    others.push(judge.outcome("oracle", fixed::oracle(&labels, &costs)));
    others.push(judge.outcome(&format!("only {}", field.models[0]), singles[0]));
    others.push(judge.outcome(&format!("only {}", field.models[1]), singles[1]));
    QuestionCurve {
        thresholds: (0..=STEPS).map(threshold).collect(),
        others,
        apgr: apgr(&labels, &order),
        kinds: kinds(&labels, &found),
    }
}

/// The mean share of the gap that is closed, over all numbers of prompts that go to the frontier, in this order.
pub fn apgr(labels: &[Vec<f64>], order: &[usize]) -> f64 {
    let gap: f64 = labels.iter().map(|row| row[row.len() - 1] - row[0]).sum();
    if gap.abs() < 1e-9 {
        return 0.5;
    }
    let (mut closed, mut sum) = (0.0, 0.0);
    for row in order {
        let labels = &labels[*row];
        closed += labels[labels.len() - 1] - labels[0];
        sum += closed / gap;
    }
    sum / (order.len() as f64 + 1.0)
}

struct Walk<'a> {
    labels: &'a [Vec<f64>],
    costs: &'a [Vec<f64>],
    order: &'a [usize],
}

impl Walk<'_> {
    /// The first `count` to the frontier, the rest to the cheap model.
    fn first(&self, count: usize) -> Sums {
        let mut sums = Sums { quality: 0.0, cost: 0.0, frontier: count as f64 };
        for (at, row) in self.order.iter().enumerate() {
            let model = usize::from(at < count);
            sums.quality += self.labels[*row][model];
            sums.cost += self.costs[*row][model];
        }
        sums
    }
}

struct Judge {
    frontier: Sums,
    rows: f64,
}

impl Judge {
    fn outcome(&self, policy: &str, sums: Sums) -> Outcome {
        Outcome {
            policy: policy.to_owned(),
            target_quality: None,
            quality: if self.frontier.quality > 0.0 { sums.quality / self.frontier.quality } else { 1.0 },
            saving: if self.frontier.cost > 0.0 { 1.0 - sums.cost / self.frontier.cost } else { 0.0 },
            frontier_share: sums.frontier / self.rows,
        }
    }
}

fn kinds(labels: &[Vec<f64>], found: &[(TaskKind, f64)]) -> BTreeMap<TaskKind, KindLine> {
    let mut kinds: BTreeMap<TaskKind, KindLine> = BTreeMap::new();
    for (row, (kind, difficulty)) in labels.iter().zip(found) {
        let line = kinds.entry(*kind).or_default();
        line.rows += 1;
        line.cheap += row[0];
        line.frontier += row[1];
        line.difficulty += difficulty;
    }
    for line in kinds.values_mut() {
        let rows = line.rows as f64;
        line.cheap /= rows;
        line.frontier /= rows;
        line.difficulty /= rows;
    }
    kinds
}

//! What is learnt of some rows before any order of models is tried: whose word counts how much, what the frontier will
//! cost, and what marks to learn from.

use super::hindsight;
use super::rows::Rows;

/// What all chains over the same rows share.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// The log-odds of each model's being right, so that votes add up.
    pub(super) trust: Vec<f64>,
    /// The frontier's cost as a line over the prompt's length, known before it is asked: base and slope.
    pub(super) frontier_cost: (f64, f64),
    /// By row, then by model: the chance of a good answer as hindsight tells it, or the mark where nothing tells it.
    pub(super) hoped: Vec<Vec<f64>>,
    /// Whether these are chances.
    pub(super) hinted: bool,
}

impl Ground {
    pub(super) fn of(rows: &Rows) -> Ground {
        let chances = hindsight::chances(rows);
        Ground {
            trust: trust(rows),
            frontier_cost: frontier_cost(rows),
            hinted: chances.is_some(),
            hoped: chances.unwrap_or_else(|| rows.labels.clone()),
        }
    }

    /// What the frontier is expected to cost at a prompt of so many characters.
    pub(super) fn dear(&self, prompt: f64) -> f64 {
        expected(self.frontier_cost, prompt)
    }
}

/// A cost by its line; never nothing.
pub(super) fn expected((base, slope): (f64, f64), prompt: f64) -> f64 {
    (base + slope * prompt).max(1e-12)
}

/// Nobody's word counts for nothing.
fn trust(rows: &Rows) -> Vec<f64> {
    let count = rows.len() as f64;
    let mean = |model: usize| (rows.labels.iter().map(|row| row[model]).sum::<f64>() + 1.0) / (count + 2.0);
    let odds = |share: f64| (share / (1.0 - share)).ln().clamp(0.1, 4.0);
    (0..=rows.frontier()).map(|model| odds(mean(model))).collect()
}

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

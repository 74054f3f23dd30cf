//! Rows as the learning sees them: answers compared, marks and costs as numbers.

use crate::score::Scorer;

use super::bill::{Prices, costs};
use super::hindsight;
use super::record::{Field, Record};
use super::state::Seen;

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
    /// Prepares the rows of a field.
    pub(super) fn of(field: &Field, prices: &Prices, scorer: &Scorer) -> Rows {
        let label = |row: &Record| field.models.iter().map(|model| row.label(model).unwrap_or(0.0)).collect();
        Rows {
            seen: Seen::all(field, scorer),
            labels: field.rows.iter().map(label).collect(),
            costs: costs(field, prices),
            prompts: field.rows.iter().map(Record::prompt_chars).collect(),
            hints: hindsight::hints(field),
        }
    }

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

    /// The frontier's position.
    pub(super) fn frontier(&self) -> usize {
        self.labels.first().map_or(0, |row| row.len() - 1)
    }

    /// The frontier's marks.
    pub(super) fn dear(&self) -> Vec<f64> {
        let frontier = self.frontier();
        self.labels.iter().map(|labels| labels[frontier]).collect()
    }
}

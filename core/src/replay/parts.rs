//! A judgement in parts: by kind of work, and which models were asked how often.

use serde::Serialize;

use crate::score::{Scorer, TaskKind};

use super::Outcome;
use super::record::Field;

/// How a policy fared at one kind of work, against always asking the frontier there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindOutcome {
    /// The kind that the score takes the prompts for.
    pub kind: TaskKind,
    /// How many prompts.
    pub rows: usize,
    /// How it fared.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How often a model was asked at a target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AskedShare {
    /// The target.
    pub target_quality: f64,
    /// The model.
    pub model: String,
    /// The share of the prompts that it was asked.
    pub share: f64,
    /// The share of the prompts at which its answer was delivered; these add up to 1 over the models.
    pub answered: f64,
}

/// The rows of each kind, in the order of `TaskKind::ALL`; kinds without rows are left out.
pub(super) fn by_kind(field: &Field, scorer: &Scorer) -> Vec<(TaskKind, Vec<usize>)> {
    let kind = |row: &super::Record| scorer.assess_text(row.prompt.as_deref().unwrap_or_default()).0;
    let kinds: Vec<TaskKind> = field.rows.iter().map(kind).collect();
    let of = |wanted: TaskKind| (wanted, (0..kinds.len()).filter(|row| kinds[*row] == wanted).collect::<Vec<_>>());
    TaskKind::ALL.into_iter().map(of).filter(|(_, rows)| !rows.is_empty()).collect()
}

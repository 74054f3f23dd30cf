//! One cut of some rows into training and test rows is luck: many cuts, each judged in both directions, say what a policy
//! does on average, and how far one cut strays from it.

use serde::Serialize;

use crate::learn::Seeded;

use super::Outcome;
use super::record::{Field, Record};

/// A mean over several judgements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Its standard error over the cuts, both directions of a cut taken as one; zero for a single cut. All cuts share
    /// the same rows, so it tells the luck of the cuts and not that of the rows.
    pub error: f64,
    /// How far one judgement strays from the mean: the standard deviation.
    pub scatter: f64,
}

/// How a policy fared over all cuts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanOutcome {
    /// Which policy.
    pub policy: String,
    /// The share of the frontier's quality that it aimed at; `None` for those that aim at nothing.
    pub target_quality: Option<f64>,
    /// Quality against always asking the frontier.
    pub quality: Mean,
    /// What was not spent, as a share of what always asking the frontier costs.
    pub saving: Mean,
    /// Which share of the prompts the frontier was asked.
    pub frontier_share: f64,
}

/// Cuts a field in two at random; the same seed and cut give the same parts.
pub fn halves(field: &Field, cut: usize, seed: u64) -> [Field; 2] {
    let mut order: Vec<usize> = (0..field.rows.len()).collect();
    Seeded::new(seed.wrapping_mul(1_000_003).wrapping_add(cut as u64)).shuffle(&mut order);
    let (one, two) = order.split_at(order.len() / 2);
    [one, two].map(|half| {
        let rows: Vec<Record> = half.iter().map(|row| field.rows[*row].clone()).collect();
        Field { models: field.models.clone(), rows, left_out: 0 }
    })
}

/// The means of the same policies over several judgements, given by cut and direction: each cut's two stand together.
///
/// # Panics
/// Where a judgement has other policies than the first.
pub fn means(judged: &[Vec<Outcome>]) -> Vec<MeanOutcome> {
    let Some(first) = judged.first() else { return Vec::new() };
    let of = |(at, one): (usize, &Outcome)| {
        let all: Vec<&Outcome> = judged.iter().map(|outcomes| &outcomes[at]).collect();
        assert!(all.iter().all(|other| other.policy == one.policy), "the same policies in every judgement");
        let mean = |value: fn(&Outcome) -> f64| Mean::of(&all.iter().map(|one| value(one)).collect::<Vec<f64>>());
        MeanOutcome {
            policy: one.policy.clone(),
            target_quality: one.target_quality,
            quality: mean(|one| one.quality),
            saving: mean(|one| one.saving),
            frontier_share: mean(|one| one.frontier_share).mean,
        }
    };
    first.iter().enumerate().map(of).collect()
}

impl Mean {
    /// Of values in which each cut's two directions stand together.
    pub fn of(values: &[f64]) -> Mean {
        let cuts: Vec<f64> = values.chunks(2).map(|both| both.iter().sum::<f64>() / both.len() as f64).collect();
        Mean {
            mean: values.iter().sum::<f64>() / values.len().max(1) as f64,
            error: deviation(&cuts) / (cuts.len().max(1) as f64).sqrt(),
            scatter: deviation(values),
        }
    }
}

/// The sample's standard deviation; zero for less than two values.
fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_share_nothing_and_leave_nothing_out() {
        let row = |at: usize| Record { id: at.to_string(), ..Record::default() };
        let field = Field { models: vec!["small".to_owned()], rows: (0..101).map(row).collect(), left_out: 0 };
        let ids = |half: &Field| -> Vec<String> { half.rows.iter().map(|row| row.id.clone()).collect() };
        let [one, two] = halves(&field, 3, 7);
        let mut all = [ids(&one), ids(&two)].concat();
        all.sort_unstable_by_key(|id| id.parse::<usize>().ok());
        assert_eq!(all, ids(&field));
        assert_eq!(ids(&halves(&field, 3, 7)[0]), ids(&one));
        assert_ne!(ids(&halves(&field, 4, 7)[0]), ids(&one));
    }

    #[test]
    fn errors_are_over_cuts_and_scatter_is_over_judgements() {
        // Both directions of a cut stray by as much to both sides: the cuts' means agree.
        let mean = Mean::of(&[0.9, 1.1, 0.8, 1.2]);
        assert!((mean.mean - 1.0).abs() < 1e-12 && mean.error < 1e-12);
        assert!((mean.scatter - (0.1f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Mean::of(&[0.5]), Mean { mean: 0.5, error: 0.0, scatter: 0.0 });
    }
}

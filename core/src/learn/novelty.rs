//! Is a case unlike all that was learnt from? Told by its distance to its nearest past cases, beside the distances that
//! those have among themselves.
//!
//! What was learnt says nothing about a case that is far away, so a policy does there what needs no learning.

use super::forest::Table;

/// The distance to this neighbour counts: one lone case like it is no evidence.
const NEIGHBOUR: usize = 3;
/// This share of the past cases is taken to be far from the rest.
const FAR_SHARE: f64 = 0.01;
/// Columns that vary less than this are scaled as if they did.
const SPREAD_MIN: f64 = 0.05;
/// No column counts for more than this many deviations.
const DEVIATIONS_MAX: f32 = 8.0;

/// What the past cases look like.
#[derive(Clone, Debug)]
pub struct Novelty {
    means: Vec<f32>,
    scales: Vec<f32>,
    /// Scaled, row-major.
    past: Vec<f32>,
    limit: f32,
}

impl Novelty {
    /// Looks at the past cases, in time quadratic in their number.
    pub fn of(past: &Table) -> Novelty {
        let (width, count) = (past.width(), past.len());
        let rows = || (0..count).map(|at| past.row(at));
        let column = |at: usize| {
            let mean = rows().map(|row| f64::from(row[at])).sum::<f64>() / count.max(1) as f64;
            let squares = rows().map(|row| (f64::from(row[at]) - mean).powi(2)).sum::<f64>();
            (mean as f32, 1.0 / (squares / count.max(1) as f64).sqrt().max(SPREAD_MIN) as f32)
        };
        let (means, scales) = (0..width).map(column).unzip();
        let mut novelty = Novelty { means, scales, past: Vec::new(), limit: f32::INFINITY };
        novelty.past = rows().flat_map(|row| novelty.scaled(row)).collect();
        // Each is its own nearest neighbour.
        let mut distances: Vec<f32> = rows().map(|row| novelty.distance(row, NEIGHBOUR + 1)).collect();
        distances.sort_by(f32::total_cmp);
        let at = (count as f64 * (1.0 - FAR_SHARE)) as usize;
        novelty.limit = distances.get(at.min(count.saturating_sub(1))).copied().unwrap_or(f32::NEG_INFINITY);
        novelty
    }

    /// Whether a case is further from the past ones than nearly all of them are from each other.
    ///
    /// # Panics
    /// Where the case has another number of values than the past ones.
    pub fn is_far(&self, case: &[f32]) -> bool {
        assert_eq!(case.len(), self.means.len(), "a case has as many values as the past ones");
        self.distance(case, NEIGHBOUR) > self.limit
    }

    fn scaled(&self, row: &[f32]) -> Vec<f32> {
        let scale = |(at, value): (usize, &f32)| {
            ((value - self.means[at]) * self.scales[at]).clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX)
        };
        row.iter().enumerate().map(scale).collect()
    }

    /// The squared distance to the `nth` nearest past case, from 1; infinite where there are fewer.
    fn distance(&self, row: &[f32], nth: usize) -> f32 {
        let row = self.scaled(row);
        let mut nearest = [f32::INFINITY; NEIGHBOUR + 1];
        for past in self.past.chunks_exact(row.len().max(1)) {
            let mut left: f32 = past.iter().zip(&row).map(|(one, two)| (one - two).powi(2)).sum();
            for slot in &mut nearest[..nth] {
                if left < *slot {
                    std::mem::swap(&mut left, slot);
                }
            }
        }
        nearest[nth - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Seeded;

    #[test]
    fn the_like_are_near_and_the_unlike_far() {
        let mut random = Seeded::new(9);
        let mut table = Table::new(3);
        let mut draw = |middle: f32| [middle + random.unit() as f32, random.unit() as f32 * 3.0, 1.0];
        (0..300).for_each(|_| table.push(&draw(0.0)));
        let novelty = Novelty::of(&table);
        let far = |novelty: &Novelty, rows: &[[f32; 3]]| rows.iter().filter(|row| novelty.is_far(&row[..])).count();
        let like: Vec<[f32; 3]> = (0..300).map(|_| draw(0.0)).collect();
        let unlike: Vec<[f32; 3]> = (0..300).map(|_| draw(3.0)).collect();
        assert!(far(&novelty, &like) < 20, "{}", far(&novelty, &like));
        assert_eq!(far(&novelty, &unlike), 300);
        // A column that never varied says much when it does.
        assert!(novelty.is_far(&[0.5, 1.5, 2.0]));
        assert!(Novelty::of(&Table::new(1)).is_far(&[0.0]));
    }
}

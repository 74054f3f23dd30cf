//! Linear regression on standardised columns with a penalty: steady where cases are few.

use super::forest::Table;

/// A fitted line.
#[derive(Clone, Debug)]
pub struct Ridge {
    means: Vec<f64>,
    scales: Vec<f64>,
    weights: Vec<f64>,
    base: f64,
}

impl Ridge {
    /// Fits the rows `cases` of a table to targets, one a case; `penalty` counts as so many cases of no effect.
    pub fn fit(table: &Table, cases: &[usize], targets: &[f64], penalty: f64) -> Ridge {
        let width = table.width();
        let count = cases.len().max(1) as f64;
        let mut means = vec![0.0; width];
        for case in cases {
            table.row(*case).iter().zip(&mut means).for_each(|(value, mean)| *mean += f64::from(*value) / count);
        }
        let mut scales = vec![0.0; width];
        for case in cases {
            let row = table.row(*case).iter().zip(&means);
            row.zip(&mut scales)
                .for_each(|((value, mean), scale)| *scale += (f64::from(*value) - mean).powi(2) / count);
        }
        scales.iter_mut().for_each(|scale| *scale = if *scale > 1e-12 { 1.0 / scale.sqrt() } else { 0.0 });
        let base = targets.iter().sum::<f64>() / count;
        let mut gram = vec![0.0; width * width];
        let mut right = vec![0.0; width];
        let mut row = vec![0.0; width];
        for (case, target) in cases.iter().zip(targets) {
            for (at, value) in table.row(*case).iter().enumerate() {
                row[at] = (f64::from(*value) - means[at]) * scales[at];
            }
            for at in 0..width {
                right[at] += row[at] * (target - base);
                for other in 0..=at {
                    gram[at * width + other] += row[at] * row[other];
                }
            }
        }
        (0..width).for_each(|at| gram[at * width + at] += penalty.max(1e-6));
        let weights = solve(gram, right, width);
        Ridge { means, scales, weights, base }
    }

    /// What is expected of a case.
    pub fn at(&self, row: &[f32]) -> f64 {
        let mut sum = self.base;
        for (at, value) in row.iter().enumerate() {
            sum += (f64::from(*value) - self.means[at]) * self.scales[at] * self.weights[at];
        }
        sum
    }
}

/// Solves `gram x = right` for a positive definite matrix given by its lower half (Cholesky).
fn solve(mut gram: Vec<f64>, mut right: Vec<f64>, width: usize) -> Vec<f64> {
    for at in 0..width {
        for other in 0..=at {
            let mut sum = gram[at * width + other];
            for step in 0..other {
                sum -= gram[at * width + step] * gram[other * width + step];
            }
            gram[at * width + other] =
                if at == other { sum.max(1e-12).sqrt() } else { sum / gram[other * width + other] };
        }
    }
    for at in 0..width {
        for step in 0..at {
            right[at] -= gram[at * width + step] * right[step];
        }
        right[at] /= gram[at * width + at];
    }
    for at in (0..width).rev() {
        for step in at + 1..width {
            right[at] -= gram[step * width + at] * right[step];
        }
        right[at] /= gram[at * width + at];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Seeded;

    #[test]
    fn a_line_is_found_and_constants_do_no_harm() {
        let mut random = Seeded::new(3);
        let mut table = Table::new(3);
        let mut targets = Vec::new();
        for _ in 0..200 {
            let row = [random.unit() as f32, 4.0, random.unit() as f32];
            targets.push(2.0 * f64::from(row[0]) - f64::from(row[2]) + 0.5);
            table.push(&row);
        }
        let cases: Vec<usize> = (0..200).collect();
        let ridge = Ridge::fit(&table, &cases, &targets, 0.01);
        assert!((ridge.at(&[0.25, 4.0, 0.75]) - 0.25).abs() < 0.01);
    }
}

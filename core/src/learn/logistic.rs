//! Logistic regression on standardised columns with a penalty: steady where cases are few, and never sure beyond 0 and 1.
//!
//! Each step uses the bound of a quarter on the curvature (Böhning, Annals of the Institute of Statistical Mathematics
//! 44, 1992), so that one factorisation serves all steps and every step gains.

use super::forest::Table;
use super::linear::{factor, solve};

/// Steps; each closes a third or more of what is left.
const STEPS: usize = 20;

/// A fitted curve.
#[derive(Clone, Debug)]
pub struct Logistic {
    means: Vec<f64>,
    scales: Vec<f64>,
    weights: Vec<f64>,
    base: f64,
}

impl Logistic {
    /// Fits the rows `cases` of a table to targets from 0 to 1, one a case; `penalty` is the weight of the squared sizes.
    pub fn fit(table: &Table, cases: &[usize], targets: &[f64], penalty: f64) -> Logistic {
        let (means, scales) = spread(table, cases);
        let width = table.width();
        let mut rows = Vec::with_capacity(width * cases.len());
        for case in cases {
            let row = table.row(*case).iter().enumerate();
            rows.extend(row.map(|(at, value)| (f64::from(*value) - means[at]) * scales[at]));
        }
        let mut gram = vec![0.0; width * width];
        for row in rows.chunks_exact(width.max(1)) {
            for at in 0..width {
                for other in 0..=at {
                    gram[at * width + other] += 0.25 * row[at] * row[other];
                }
            }
        }
        (0..width).for_each(|at| gram[at * width + at] += penalty.max(1e-6));
        factor(&mut gram, width);
        let count = cases.len().max(1) as f64;
        let mean = ((targets.iter().sum::<f64>() + 0.5) / (count + 1.0)).clamp(1e-6, 1.0 - 1e-6);
        let mut fitted = Logistic { means, scales, weights: vec![0.0; width], base: (mean / (1.0 - mean)).ln() };
        for _ in 0..STEPS {
            fitted.step(&rows, targets, &gram, penalty);
        }
        fitted
    }

    fn step(&mut self, rows: &[f64], targets: &[f64], factor: &[f64], penalty: f64) {
        let width = self.weights.len();
        let mut slope: Vec<f64> = self.weights.iter().map(|weight| -penalty * weight).collect();
        let mut off = 0.0;
        for (row, target) in rows.chunks_exact(width.max(1)).zip(targets) {
            let sum: f64 = row.iter().zip(&self.weights).map(|(value, weight)| value * weight).sum();
            let miss = target - logistic(self.base + sum);
            off += miss;
            row.iter().zip(&mut slope).for_each(|(value, slope)| *slope += miss * value);
        }
        solve(factor, &mut slope, width);
        self.weights.iter_mut().zip(&slope).for_each(|(weight, step)| *weight += step);
        self.base += 4.0 * off / targets.len().max(1) as f64;
    }

    /// What is expected of a case, from 0 to 1.
    pub fn at(&self, row: &[f32]) -> f64 {
        let mut sum = self.base;
        for (at, value) in row.iter().enumerate() {
            sum += (f64::from(*value) - self.means[at]) * self.scales[at] * self.weights[at];
        }
        logistic(sum)
    }
}

fn logistic(sum: f64) -> f64 {
    1.0 / (1.0 + (-sum).exp())
}

/// Each column's mean, and what scales it to a variance of one; a constant counts for nothing.
fn spread(table: &Table, cases: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let width = table.width();
    let count = cases.len().max(1) as f64;
    let mut means = vec![0.0; width];
    for case in cases {
        table.row(*case).iter().zip(&mut means).for_each(|(value, mean)| *mean += f64::from(*value) / count);
    }
    let mut scales = vec![0.0; width];
    for case in cases {
        let row = table.row(*case).iter().zip(&means);
        row.zip(&mut scales).for_each(|((value, mean), scale)| *scale += (f64::from(*value) - mean).powi(2) / count);
    }
    scales.iter_mut().for_each(|scale| *scale = if *scale > 1e-12 { 1.0 / scale.sqrt() } else { 0.0 });
    (means, scales)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Seeded;

    #[test]
    fn chances_are_found_and_constants_do_no_harm() {
        let mut random = Seeded::new(3);
        let mut table = Table::new(3);
        let mut targets = Vec::new();
        for _ in 0..2_000 {
            let row = [random.unit() as f32, 4.0, random.unit() as f32];
            let chance = logistic(4.0 * f64::from(row[0]) - 2.0 * f64::from(row[2]));
            targets.push(f64::from(u8::from(random.unit() < chance)));
            table.push(&row);
        }
        let cases: Vec<usize> = (0..2_000).collect();
        let fitted = Logistic::fit(&table, &cases, &targets, 0.5);
        for row in [[0.1, 4.0, 0.9], [0.5, 4.0, 0.5], [0.9, 4.0, 0.2]] {
            let truth = logistic(4.0 * f64::from(row[0]) - 2.0 * f64::from(row[2]));
            assert!((fitted.at(&row) - truth).abs() < 0.05, "{} {truth}", fitted.at(&row));
        }
    }

    #[test]
    fn one_sided_targets_and_no_cases_stay_within_bounds() {
        let mut table = Table::new(1);
        (0..20).for_each(|at| table.push(&[at as f32]));
        let cases: Vec<usize> = (0..20).collect();
        assert!(Logistic::fit(&table, &cases, &[1.0; 20], 1.0).at(&[3.0]) > 0.9);
        assert!((0.0..=1.0).contains(&Logistic::fit(&table, &[], &[], 1.0).at(&[3.0])));
    }
}

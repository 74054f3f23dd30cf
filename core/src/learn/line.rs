//! How a model's marks differ by what a question is made of: a ridge line over a request's numbers, on sums.
//!
//! It explains what the counts by kind of work do not: the marks less what was expected of them, around their mean. Few
//! marks move little: no difference is worth sixty marks for each number, and what luck alone would explain is taken off.
//! A question unlike those that were marked is moved less the further away it is. The sums hold nothing of any one
//! question, and the order of the marks matters only in that old ones fade.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::score::{GIST, Gist};

use super::linear;

/// How many marks the expectation of no difference is worth, by number.
const PENALTY: f64 = 60.0;
/// At so many marks a line moves half as far as it would.
const WARM_MARKS: f64 = 1_000.0;
/// And around the mean.
const MEAN_MARKS: f64 = 20.0;
/// Of a past mark this is left when the next one comes: half of it after 5,000.
const KEEP: f32 = 0.999_861_4;
/// A question may be so many times as far from the mean of the marked ones as these are, by squares.
const FAR: f32 = 2.0;
/// A number that never varied among the marked questions is taken to vary by this much, squared.
const VARIANCE_MIN: f32 = 0.1;
/// The line moves a chance by no more than this.
const MOVE_MAX: f32 = 0.3;

/// Numbers below and on the diagonal.
const LOWER: usize = GIST * (GIST + 1) / 2;

/// A model's line.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Sums", into = "Sums")]
pub(super) struct Line {
    sums: Sums,
    fit: OnceLock<Fit>,
}

/// What a line is made from, faded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    marks: f32,
    /// Marks less what was expected.
    misses: f32,
    /// Their squares.
    missed: f32,
    numbers: Vec<f32>,
    /// Numbers times numbers: the lower half, row by row.
    squares: Vec<f32>,
    /// Numbers times misses.
    products: Vec<f32>,
}

/// The solved line.
#[derive(Clone, Debug, Default)]
pub(super) struct Fit {
    weights: Vec<f32>,
    means: Vec<f32>,
    /// One over the variance of each number.
    scales: Vec<f32>,
}

/// Sums of another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a line has {found} sums, not {LOWER} over {GIST} numbers: it was learnt by another version; leave `lines` out and \
     they are learnt anew, while the counts stay"
)]
pub(super) struct OtherShape {
    found: usize,
}

impl TryFrom<Sums> for Line {
    type Error = OtherShape;

    fn try_from(sums: Sums) -> Result<Line, OtherShape> {
        let is_whole = sums.numbers.len() == GIST && sums.products.len() == GIST && sums.squares.len() == LOWER;
        if !is_whole {
            return Err(OtherShape { found: sums.squares.len() });
        }
        Ok(Line { sums, fit: OnceLock::new() })
    }
}

impl From<Line> for Sums {
    fn from(line: Line) -> Sums {
        line.sums
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Line) -> bool {
        self.sums == other.sums
    }
}

impl Default for Line {
    fn default() -> Line {
        let sums = Sums {
            marks: 0.0,
            misses: 0.0,
            missed: 0.0,
            numbers: vec![0.0; GIST],
            squares: vec![0.0; LOWER],
            products: vec![0.0; GIST],
        };
        Line { sums, fit: OnceLock::new() }
    }
}

impl Line {
    /// Takes a mark, less what was expected of it.
    pub(super) fn add(&mut self, gist: &Gist, miss: f32) {
        self.sums.add(&gist.numbers(), miss);
        self.fit = OnceLock::new();
    }

    /// Solves it, where that was not done since the last mark.
    pub(super) fn fit(&self) -> &Fit {
        self.fit.get_or_init(|| self.sums.fit())
    }

    /// How much likelier a good answer is than the kind of work alone says.
    pub(super) fn moved(&self, gist: &Gist) -> f64 {
        let (mut sum, mut distance) = (0.0f32, 0.0f32);
        let fit = self.fit();
        let fitted = fit.weights.iter().zip(&fit.means).zip(&fit.scales);
        for (number, ((weight, mean), scale)) in gist.numbers().iter().zip(fitted) {
            let off = number - mean;
            sum += off * weight;
            distance += off * off * scale;
        }
        let near = (FAR / (distance / GIST as f32).max(FAR)).min(1.0);
        let moved = sum * near;
        // Sums that were read may be of any size.
        if moved.is_nan() { 0.0 } else { f64::from(moved.clamp(-MOVE_MAX, MOVE_MAX)) }
    }
}

impl Sums {
    fn add(&mut self, numbers: &[f32; GIST], miss: f32) {
        let fade = |old: &mut f32, new: f32| *old = *old * KEEP + new;
        fade(&mut self.marks, 1.0);
        fade(&mut self.misses, miss);
        fade(&mut self.missed, miss * miss);
        let mut squares = self.squares.iter_mut();
        for (at, number) in numbers.iter().enumerate() {
            fade(&mut self.numbers[at], *number);
            fade(&mut self.products[at], number * miss);
            numbers[..=at].iter().zip(&mut squares).for_each(|(other, square)| fade(square, number * other));
        }
    }

    fn fit(&self) -> Fit {
        let marks = f64::from(self.marks);
        let sum = |at: usize| f64::from(self.numbers[at]);
        // Both means are drawn to zero where marks are few.
        let mean = |at: usize| sum(at) / (marks + MEAN_MARKS);
        let miss = f64::from(self.misses) / (marks + MEAN_MARKS);
        let mut gram = vec![0.0; GIST * GIST];
        let mut squares = self.squares.iter();
        for at in 0..GIST {
            for (other, square) in (0..=at).zip(&mut squares) {
                let around = mean(at) * sum(other) + mean(other) * sum(at) - marks * mean(at) * mean(other);
                gram[at * GIST + other] = f64::from(*square) - around;
            }
        }
        let variance = |at: usize| (gram[at * GIST + at] / marks.max(1.0)) as f32;
        let scales = (0..GIST).map(|at| 1.0 / variance(at).max(VARIANCE_MIN)).collect();
        (0..GIST).for_each(|at| gram[at * GIST + at] += PENALTY);
        let product = |at: usize| {
            let around = mean(at) * f64::from(self.misses) + miss * sum(at) - marks * mean(at) * miss;
            f64::from(self.products[at]) - around
        };
        let products: Vec<f64> = (0..GIST).map(product).collect();
        linear::factor(&mut gram, GIST);
        let mut weights = products.clone();
        linear::solve(&gram, &mut weights, GIST);
        let explained: f64 = weights.iter().zip(&products).map(|(weight, product)| weight * product).sum();
        let noise = (f64::from(self.missed) - marks * miss * miss).max(0.0) / marks.max(1.0);
        let luck = noise * (GIST as f64 - PENALTY * trace_of_inverse(&gram));
        // What luck alone would explain is taken off (James and Stein's estimate, its positive part).
        let kept = if explained > luck { 1.0 - luck / explained } else { 0.0 };
        let kept = kept * marks / (marks + WARM_MARKS);
        Fit {
            weights: weights.into_iter().map(|weight| (weight * kept) as f32).collect(),
            means: (0..GIST).map(|at| mean(at) as f32).collect(),
            scales,
        }
    }
}

/// The sum of the diagonal of the inverse of a matrix whose factor this is.
fn trace_of_inverse(factor: &[f64]) -> f64 {
    let mut sum = 0.0;
    for at in 0..GIST {
        let mut column = vec![0.0; GIST];
        column[at] = 1.0;
        linear::solve(factor, &mut column, GIST);
        sum += column[at];
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Seeded;
    use crate::score::{Scorer, TaskKind};

    /// Questions of two makes, read by weights that tell nothing: their signs differ.
    fn gists() -> [Gist; 2] {
        let weights = crate::score::write_weights(&[0.0; 16], &[1.0; 16], &vec![0; 16 << 15]);
        let scorer = Scorer::builtin().with_encoder(&weights).unwrap();
        ["what is 12 * 7 + 3 = ?", "Tell me of the rivers of the north and of who lived by them long ago"]
            .map(|text| scorer.gist(text).0)
    }

    /// Both makes, and a line that was taught 600 marks of them, which differ.
    fn taught() -> ([Gist; 2], Line) {
        let [one, two] = gists();
        let mut line = Line::default();
        for at in 0..600 {
            line.add(if at % 2 == 0 { &one } else { &two }, if at % 2 == 0 { 0.2 } else { -0.2 });
        }
        ([one, two], line)
    }

    #[test]
    fn it_learns_what_the_makes_of_questions_differ_by() {
        let ([one, two], line) = taught();
        assert!(line.moved(&one) > 0.05 && line.moved(&two) < -0.05, "{} {}", line.moved(&one), line.moved(&two));
    }

    #[test]
    fn sums_beyond_measure_move_nothing_out_of_bounds() {
        let [one, two] = gists();
        for size in [f32::MAX, f32::INFINITY, -f32::MAX] {
            let mut line = Line::default();
            line.sums.squares.fill(size);
            line.sums.products.fill(size);
            (line.sums.marks, line.sums.missed) = (size, size);
            for gist in [&one, &two] {
                assert!(line.moved(gist).abs() <= f64::from(MOVE_MAX), "{size}: {}", line.moved(gist));
            }
        }
    }

    #[test]
    fn few_marks_and_luck_move_little() {
        let [one, two] = gists();
        let mut random = Seeded::new(7);
        let mut worst = 0.0f64;
        for _ in 0..200 {
            let mut line = Line::default();
            for at in 0..100 {
                let miss = if random.unit() < 0.5 { -0.5 } else { 0.5 };
                line.add(if at % 2 == 0 { &one } else { &two }, miss);
            }
            worst = worst.max(line.moved(&one).abs()).max(line.moved(&two).abs());
        }
        assert!(worst < 0.05, "{worst}");
        let mut line = Line::default();
        (0..5).for_each(|_| line.add(&one, 0.9));
        assert!(line.moved(&one).abs() < 0.01, "{}", line.moved(&one));
    }

    #[test]
    fn what_is_unlike_the_marked_is_moved_less_than_the_line_says() {
        let ([one, _], line) = taught();
        let fit = line.fit();
        let far = Gist::plain(TaskKind::Code);
        let said: f32 = fit.weights.iter().zip(&fit.means).map(|(weight, mean)| -mean * weight).sum();
        assert!(line.moved(&far).abs() <= f64::from(said.abs()), "{} {said}", line.moved(&far));
        assert!(line.moved(&one).abs() <= f64::from(MOVE_MAX));
    }

    #[test]
    fn another_shape_is_refused_with_what_to_do() {
        let text = r#"{"marks":1,"misses":0,"missed":0,"numbers":[1],"squares":[1],"products":[1]}"#;
        let error = serde_json::from_str::<Line>(text).unwrap_err().to_string();
        assert!(error.contains("leave `lines` out"), "{error}");
        let [one, _] = gists();
        let mut line = Line::default();
        (0..9).for_each(|_| line.add(&one, 0.3));
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }
}

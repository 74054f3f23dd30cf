//! From lessons to the file that ships.

use tierway::score::write_weights;

use crate::lesson::{Lesson, TARGETS};
use crate::ridge::{self, BUCKETS, Weights};

/// A weight beyond this many times the usual size counts as that.
const USUAL_MAX: f64 = 6.0;
/// The greatest weight in a byte.
const BYTE_MAX: f64 = 127.0;

/// Trains an encoder: the bytes of its file.
pub fn train(lessons: &[&Lesson]) -> Vec<u8> {
    let weights = ridge::fit(lessons);
    let most = greatest(&weights);
    let byte = |value: f32, most: f64| (f64::from(value) / most * BYTE_MAX).round().clamp(-BYTE_MAX, BYTE_MAX);
    let rounded: Weights = weights.iter().map(|row| std::array::from_fn(|at| byte(row[at], most[at]) as f32)).collect();
    let (means, scales) = usual(lessons, &rounded);
    let bytes: Vec<i8> = rounded.iter().flatten().map(|weight| *weight as i8).collect();
    debug_assert_eq!(bytes.len(), BUCKETS * TARGETS);
    write_weights(&means, &scales, &bytes)
}

/// By number: the size that fills a byte.
fn greatest(weights: &Weights) -> [f64; TARGETS] {
    std::array::from_fn(|at| {
        let used = weights.iter().map(|row| f64::from(row[at])).filter(|weight| *weight != 0.0);
        let (sum, count) = used.fold((0.0, 0.0f64), |(sum, count), weight| (sum + weight * weight, count + 1.0));
        if count > 0.0 { USUAL_MAX * (sum / count).sqrt() } else { 1.0 }
    })
}

/// Means of the sums over the lessons, and one over how much they vary.
fn usual(lessons: &[&Lesson], weights: &Weights) -> ([f32; TARGETS], [f32; TARGETS]) {
    let count = lessons.len().max(1) as f64;
    let (mut sums, mut squares) = ([0.0f64; TARGETS], [0.0f64; TARGETS]);
    for lesson in lessons {
        let said = ridge::gather(lesson, weights);
        for at in 0..TARGETS {
            sums[at] += f64::from(said[at]);
            squares[at] += f64::from(said[at]) * f64::from(said[at]);
        }
    }
    let means = sums.map(|sum| sum / count);
    let scale = |at: usize| {
        let variance = squares[at] / count - means[at] * means[at];
        if variance > 1e-6 { (1.0 / variance.sqrt()) as f32 } else { 0.0 }
    };
    (means.map(|mean| mean as f32), std::array::from_fn(scale))
}

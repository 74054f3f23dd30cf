//! Ridge regression of several numbers at once on sparse rows, by conjugate gradients (Hestenes and Stiefel, Journal of
//! Research of the National Bureau of Standards 49, 1952).

use crate::lesson::{Lesson, TARGETS};

/// How many buckets the reading has.
pub(crate) const BUCKETS: usize = 1 << 15;
/// Weight of the squared sizes.
const PENALTY: f32 = 10.0;
/// Steps; what is left after them moves no order.
const STEPS: usize = 20;

/// By bucket: a weight for each number.
pub(crate) type Weights = Vec<[f32; TARGETS]>;

/// Fits the lessons' numbers, less their means. A question's row has one over the root of its buckets in each of them.
pub(crate) fn fit(lessons: &[&Lesson]) -> Weights {
    let means = means(lessons);
    let targets = |lesson: &Lesson| std::array::from_fn(|at| lesson.targets[at] - means[at]);
    let mut left = vec![[0.0; TARGETS]; BUCKETS];
    lessons.iter().for_each(|lesson| spread(lesson, &targets(lesson), &mut left));
    let mut weights = vec![[0.0; TARGETS]; BUCKETS];
    let mut way = left.clone();
    let mut size = products(&left, &left);
    for _ in 0..STEPS {
        let curved = curve(lessons, &way);
        let bend = products(&way, &curved);
        let step: [f64; TARGETS] = std::array::from_fn(|at| share(size[at], bend[at]));
        advance(&mut weights, &way, &step);
        advance(&mut left, &curved, &step.map(|step| -step));
        let before = std::mem::replace(&mut size, products(&left, &left));
        let turn: [f64; TARGETS] = std::array::from_fn(|at| share(size[at], before[at]));
        for (way, left) in way.iter_mut().zip(&left) {
            (0..TARGETS).for_each(|at| way[at] = left[at] + (turn[at] * f64::from(way[at])) as f32);
        }
    }
    weights
}

fn means(lessons: &[&Lesson]) -> [f32; TARGETS] {
    let mut sums = [0.0f64; TARGETS];
    for lesson in lessons {
        (0..TARGETS).for_each(|at| sums[at] += f64::from(lesson.targets[at]));
    }
    sums.map(|sum| (sum / lessons.len().max(1) as f64) as f32)
}

/// One over the root of how many buckets a question has.
fn unit(lesson: &Lesson) -> f32 {
    1.0 / (lesson.buckets.len().max(1) as f32).sqrt()
}

/// Adds a question's numbers to its buckets.
fn spread(lesson: &Lesson, numbers: &[f32; TARGETS], into: &mut [[f32; TARGETS]]) {
    let unit = unit(lesson);
    let numbers = numbers.map(|number| number * unit);
    for bucket in &lesson.buckets {
        let row = &mut into[usize::from(*bucket)];
        (0..TARGETS).for_each(|at| row[at] += numbers[at]);
    }
}

/// What weights say of a question.
pub(crate) fn gather(lesson: &Lesson, weights: &[[f32; TARGETS]]) -> [f32; TARGETS] {
    let mut sums = [0.0; TARGETS];
    for bucket in &lesson.buckets {
        let row = &weights[usize::from(*bucket)];
        (0..TARGETS).for_each(|at| sums[at] += row[at]);
    }
    let unit = unit(lesson);
    sums.map(|sum| sum * unit)
}

/// The rows' squares and the penalty, times a direction.
fn curve(lessons: &[&Lesson], way: &[[f32; TARGETS]]) -> Weights {
    let mut curved: Weights = way.iter().map(|row| row.map(|value| PENALTY * value)).collect();
    lessons.iter().for_each(|lesson| spread(lesson, &gather(lesson, way), &mut curved));
    curved
}

fn products(one: &[[f32; TARGETS]], two: &[[f32; TARGETS]]) -> [f64; TARGETS] {
    let mut sums = [0.0; TARGETS];
    for (one, two) in one.iter().zip(two) {
        (0..TARGETS).for_each(|at| sums[at] += f64::from(one[at]) * f64::from(two[at]));
    }
    sums
}

/// A number that is fitted already, or that never varies, moves no more.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn advance(values: &mut [[f32; TARGETS]], way: &[[f32; TARGETS]], step: &[f64; TARGETS]) {
    for (row, way) in values.iter_mut().zip(way) {
        (0..TARGETS).for_each(|at| row[at] += (step[at] * f64::from(way[at])) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_tells_gets_weight_and_others_little() {
        let lesson = |tells: bool, other: u16| {
            let mut targets = [0.0; TARGETS];
            targets[3] = f32::from(u8::from(tells));
            let buckets = if tells { vec![7, other] } else { vec![other, other + 1] };
            Lesson { buckets, targets }
        };
        let lessons: Vec<Lesson> = (0..400).map(|at| lesson(at % 2 == 0, 100 + at % 50)).collect();
        let all: Vec<&Lesson> = lessons.iter().collect();
        let weights = fit(&all);
        let found = gather(&lesson(true, 60), &weights)[3] - gather(&lesson(false, 60), &weights)[3];
        assert!((0.5..1.2).contains(&found), "{found}");
        assert!(weights.iter().all(|row| row[0] == 0.0), "a number that never varies gets no weight");
        assert_eq!(weights, fit(&all), "the same every time");
    }
}

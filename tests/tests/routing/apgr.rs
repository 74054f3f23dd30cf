//! How much of the gap between two models the question alone closes (RouteLLM's APGR; 0.5 is a coin): set by set with an
//! encoder that never saw the set, as it ships and after marks of it.

use tierway::learn::{Experience, Seeded};
use tierway::replay::apgr;
use tierway::score::{Gist, Rating, Scorer};

use super::encoders::Lessons;
use super::sets::{Set, marks, sets};

/// Rows, read by one encoder.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    /// By row: the cheap model's mark, then the frontier's.
    pub(crate) labels: Vec<Vec<f64>>,
    pub(crate) gists: Vec<Gist>,
    pub(crate) difficulty: Vec<f64>,
}

impl Rows {
    fn of(set: &Set, scorer: &Scorer) -> Rows {
        let pair = set.pair().unwrap();
        let mut rows = Rows::default();
        for row in set.some(2_000) {
            if let Some(labels) = marks(row, &pair) {
                rows.push(row.prompt.as_deref().unwrap(), labels, scorer);
            }
        }
        rows
    }

    pub(crate) fn push(&mut self, prompt: &str, labels: Vec<f64>, scorer: &Scorer) {
        let (gist, difficulty) = scorer.gist(prompt);
        self.labels.push(labels);
        self.gists.push(gist);
        self.difficulty.push(difficulty);
    }

    /// Their APGR in the order of a merit, the greatest first.
    pub(crate) fn in_order(&self, rows: &[usize], merit: impl Fn(usize) -> f64) -> f64 {
        let mut order: Vec<(f64, usize)> = rows.iter().map(|row| (merit(*row), *row)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let own: Vec<Vec<f64>> = order.iter().map(|(_, row)| self.labels[*row].clone()).collect();
        apgr(&own, &(0..own.len()).collect::<Vec<_>>())
    }
}

/// What the score would expect of two models without a name.
fn chance(difficulty: f64, model: usize) -> f64 {
    1.0 - difficulty * [0.6, 0.3][model]
}

/// What `client.feedback` learns from marks of both models, and the worth of asking the dear one by it.
pub(crate) struct Learner {
    experience: Experience,
}

impl Learner {
    pub(crate) fn new() -> Learner {
        Learner { experience: Experience::default() }
    }

    fn model(at: usize) -> tierway::ModelId {
        ["set/cheap", "set/dear"][at].parse().unwrap()
    }

    pub(crate) fn mark(&mut self, rows: &Rows, row: usize) {
        for model in 0..2 {
            let expected = chance(rows.difficulty[row], model);
            let mark = rows.labels[row][model];
            self.experience.mark(&rows.gists[row], &Learner::model(model), expected, mark).unwrap();
        }
    }

    pub(crate) fn merit(&self, rows: &Rows, row: usize) -> f64 {
        let of = |model: usize| {
            let rating = Rating { p_good: chance(rows.difficulty[row], model), output_tokens: 1 };
            self.experience.adjust(&rows.gists[row], &Learner::model(model), rating).p_good
        };
        of(1) - of(0)
    }
}

const TIMES: u64 = 8;

/// The mean over draws of so many marked rows, the rest in order.
fn after(rows: &Rows, count: usize) -> f64 {
    let mut sum = 0.0;
    for seed in 0..TIMES {
        let mut drawn: Vec<usize> = (0..rows.labels.len()).collect();
        Seeded::new(seed).shuffle(&mut drawn);
        let (cases, rest) = drawn.split_at(count.min(drawn.len() / 2));
        let mut learner = Learner::new();
        cases.iter().for_each(|row| learner.mark(rows, *row));
        sum += rows.in_order(rest, |row| learner.merit(rows, row)) / TIMES as f64;
    }
    sum
}

fn as_shipped(rows: &Rows) -> f64 {
    rows.in_order(&(0..rows.labels.len()).collect::<Vec<_>>(), |row| rows.difficulty[row])
}

/// The source that a set shares questions or generators with.
fn family(set: &str) -> &str {
    if set.contains("mmlu") { "mmlu" } else { set.split("__").next().unwrap_or(set) }
}

const COLUMNS: [&str; 8] = ["signs", "words", "no kin", "20 marks", "50", "200", "200 by counts", "200, no kin"];

#[test]
fn what_the_question_alone_tells_of_a_new_set() {
    let Some(sets) = sets() else { return };
    let shipped = Scorer::builtin();
    let plain = shipped.without_encoder();
    let lessons = Lessons::of(&sets, &shipped);
    println!("\nAPGR of a set that the encoder never saw: {}", COLUMNS.join(", "));
    let mut sums = [0.0; COLUMNS.len()];
    for set in &sets {
        let without = |out: &dyn Fn(&str) -> bool| match lessons.has(&set.name) {
            true => shipped.with_encoder(&lessons.train(|name, _| !out(name))).unwrap(),
            false => shipped.clone(),
        };
        let signs = Rows::of(set, &plain);
        let words = Rows::of(set, &without(&|name| name == set.name));
        let strange = Rows::of(set, &without(&|name| family(name) == family(&set.name)));
        let found = [
            as_shipped(&signs),
            as_shipped(&words),
            as_shipped(&strange),
            after(&words, 20),
            after(&words, 50),
            after(&words, 200),
            after(&signs, 200),
            after(&strange, 200),
        ];
        println!("  {:<32} {:>5} {}", set.name, signs.labels.len(), line(&found));
        sums.iter_mut().zip(found).for_each(|(sum, found)| *sum += found / sets.len() as f64);
    }
    println!("  mean by set                            {}", line(&sums));
    assert!(sums[1] > 0.53 && sums[2] > 0.52, "as shipped: {sums:?}");
    assert!(sums[3] > sums[1] - 0.005 && sums[4] > sums[1] - 0.005, "few marks do no harm: {sums:?}");
    assert!(sums[5] > 0.545 && sums[7] > 0.54, "after 200 marks: {sums:?}");
}

pub(crate) fn line(found: &[f64]) -> String {
    found.iter().map(|one| format!("  {one:.3}")).collect()
}

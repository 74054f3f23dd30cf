//! How much of the gap between two models the question alone closes (RouteLLM's APGR; 0.5 is a coin): as shipped, pooled and
//! set by set, after 200 marks of the set by what ships, and by a line over the question's signs that learns from them.

use tierway::learn::{Experience, Logistic, Seeded, Table};
use tierway::replay::{Record, apgr};
use tierway::score::{Rating, Scorer, TRAITS, TaskKind};

use super::sets::{Set, sets};

/// Rows of a set, prepared once.
struct Rows {
    name: String,
    /// By row: the cheap model's mark, then the frontier's.
    labels: Vec<Vec<f64>>,
    kinds: Vec<TaskKind>,
    difficulty: Vec<f64>,
    traits: Vec<[f32; TRAITS]>,
}

impl Rows {
    fn of(set: &Set, scorer: &Scorer) -> Rows {
        let [cheap, dear] = set.pair();
        let marked = |row: &&&Record| row.label(&cheap).is_some() && row.label(&dear).is_some();
        let some = set.some(2_000);
        let rows: Vec<&&Record> = some.iter().filter(marked).collect();
        let read: Vec<(TaskKind, f64)> =
            rows.iter().map(|row| scorer.assess_text(row.prompt.as_deref().unwrap())).collect();
        Rows {
            name: set.name.clone(),
            labels: rows.iter().map(|row| vec![row.label(&cheap).unwrap(), row.label(&dear).unwrap()]).collect(),
            kinds: read.iter().map(|(kind, _)| *kind).collect(),
            difficulty: read.iter().map(|(_, difficulty)| *difficulty).collect(),
            traits: rows.iter().map(|row| scorer.traits(row.prompt.as_deref().unwrap())).collect(),
        }
    }
}

/// The APGR of these rows in the order of a merit, the greatest first.
fn in_order(labels: &[Vec<f64>], rows: &[usize], merit: impl Fn(usize) -> f64) -> f64 {
    let mut order = rows.to_vec();
    order.sort_by(|a, b| merit(*b).total_cmp(&merit(*a)).then(a.cmp(b)));
    let own: Vec<Vec<f64>> = order.iter().map(|row| labels[*row].clone()).collect();
    apgr(&own, &(0..own.len()).collect::<Vec<_>>())
}

/// Two curves over the signs, for the frontier and the cheap model; their difference is what asking is worth.
fn learnt(traits: &[[f32; TRAITS]], labels: &[Vec<f64>], cases: &[usize]) -> impl Fn(usize) -> f64 {
    let mut table = Table::new(TRAITS);
    traits.iter().for_each(|row| table.push(row));
    let targets = |model: usize| -> Vec<f64> { cases.iter().map(|row| labels[*row][model]).collect() };
    let curves = [1, 0].map(|model| Logistic::fit(&table, cases, &targets(model), 50.0));
    move |row| curves[0].at(table.row(row)) - curves[1].at(table.row(row))
}

/// What `client.feedback` would have learnt from the marks of both models: counts by kind of work.
fn marked(rows: &Rows, cases: &[usize]) -> impl Fn(usize) -> f64 + use<> {
    let models = ["set/cheap", "set/dear"].map(|name| name.parse().unwrap());
    let chance = |difficulty: f64, model: usize| 1.0 - difficulty * [0.6, 0.3][model];
    let mut experience = Experience::default();
    for row in cases {
        for (model, id) in models.iter().enumerate() {
            let expected = chance(rows.difficulty[*row], model);
            experience.mark(rows.kinds[*row], id, expected, rows.labels[*row][model]).unwrap();
        }
    }
    let (kinds, difficulty) = (rows.kinds.clone(), rows.difficulty.clone());
    move |row| {
        let of = |model: usize| {
            let rating = Rating { p_good: chance(difficulty[row], model), output_tokens: 1 };
            experience.adjust(kinds[row], &models[model], rating).p_good
        };
        of(1) - of(0)
    }
}

const MARKS: usize = 200;
const TIMES: u64 = 8;

#[test]
fn what_the_question_alone_tells() {
    let Some(sets) = sets() else { return };
    let scorer = Scorer::builtin();
    let all: Vec<Rows> = sets.iter().map(|set| Rows::of(set, &scorer)).collect();
    println!(
        "\nAPGR: as shipped, after {MARKS} marks by what ships, by a line over {MARKS} marks (means of {TIMES} draws)"
    );
    let mut sums = [0.0; 3];
    for rows in &all {
        let count = rows.labels.len();
        let every: Vec<usize> = (0..count).collect();
        let mut found = [in_order(&rows.labels, &every, |row| rows.difficulty[row]), 0.0, 0.0];
        for seed in 0..TIMES {
            let mut drawn = every.clone();
            Seeded::new(seed).shuffle(&mut drawn);
            let (cases, rest) = drawn.split_at(MARKS.min(count / 2));
            found[1] += in_order(&rows.labels, rest, marked(rows, cases)) / TIMES as f64;
            found[2] += in_order(&rows.labels, rest, learnt(&rows.traits, &rows.labels, cases)) / TIMES as f64;
        }
        println!("  {:<32} {count:>5}  {:.3}  {:.3}  {:.3}", rows.name, found[0], found[1], found[2]);
        sums.iter_mut().zip(found).for_each(|(sum, found)| *sum += found / all.len() as f64);
    }
    println!("  mean by set                             {:.3}  {:.3}  {:.3}", sums[0], sums[1], sums[2]);
    pooled(&all);
    assert!(sums[0] > 0.51 && sums[2] > 0.5, "{sums:?}");
}

/// All sets in one order: as shipped, and by a line that learns on four fifths and orders the fifth.
fn pooled(all: &[Rows]) {
    let labels: Vec<Vec<f64>> = all.iter().flat_map(|rows| rows.labels.clone()).collect();
    let difficulty: Vec<f64> = all.iter().flat_map(|rows| rows.difficulty.clone()).collect();
    let traits: Vec<[f32; TRAITS]> = all.iter().flat_map(|rows| rows.traits.clone()).collect();
    let mut order: Vec<usize> = (0..labels.len()).collect();
    let shipped = in_order(&labels, &order, |row| difficulty[row]);
    Seeded::new(1).shuffle(&mut order);
    let mut folds = 0.0;
    for fold in 0..5 {
        let (out, inside): (Vec<usize>, Vec<usize>) = order.iter().partition(|row| **row % 5 == fold);
        folds += in_order(&labels, &out, learnt(&traits, &labels, &inside)) / 5.0;
    }
    println!(
        "  pooled over {} rows: as shipped {shipped:.3}; five folds, a line over the signs {folds:.3}",
        labels.len()
    );
    assert!(shipped > 0.5 && folds > 0.55, "{shipped} {folds}");
}

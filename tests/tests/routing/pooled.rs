//! The question alone in distribution: all sets in one order, five folds. An encoder that saw nothing of a fold orders it,
//! after marks of the other four folds.
//!
//! As in use, the marked questions are new to the encoder too: those of a fold are read by an encoder that saw neither
//! this fold nor the one that is judged.

use tierway::learn::Seeded;
use tierway::score::Scorer;

use super::apgr::{Learner, Rows};
use super::encoders::Lessons;
use super::sets::{Set, marks, sets};

const FOLDS: usize = 5;
/// Where a file of weights has its id.
const ID: std::ops::Range<usize> = 18..22;

/// A row of some set.
struct Place {
    set: usize,
    row: usize,
    fold: usize,
    labels: Vec<f64>,
    /// Whether it is among at most 2,000 of its set.
    is_chosen: bool,
}

/// Every row that both models of its set's pair have a mark in.
fn places(sets: &[Set]) -> Vec<Place> {
    let mut random = Seeded::new(1);
    let mut places = Vec::new();
    for (at, set) in sets.iter().enumerate() {
        let pair = set.pair().unwrap();
        let step = set.rows.len().div_ceil(2_000).max(1);
        for (row, record) in set.rows.iter().enumerate() {
            let fold = random.below(FOLDS);
            if let Some(labels) = marks(record, &pair) {
                places.push(Place { set: at, row, fold, labels, is_chosen: row % step == 0 });
            }
        }
    }
    places
}

/// The folds of all rows of a set, as `places` draws them.
fn folds(sets: &[Set]) -> Vec<Vec<usize>> {
    let mut random = Seeded::new(1);
    sets.iter().map(|set| set.rows.iter().map(|_| random.below(FOLDS)).collect()).collect()
}

#[test]
fn what_the_question_alone_tells_in_distribution() {
    let Some(sets) = sets() else { return };
    let shipped = Scorer::builtin();
    let lessons = Lessons::of(&sets, &shipped);
    let (places, folds) = (places(&sets), folds(&sets));
    let at = |name: &str| sets.iter().position(|set| set.name == name).unwrap();
    let without = |out: [usize; 2]| {
        let mut weights = lessons.train(|name, row| !out.contains(&folds[at(name)][row]));
        // They foretell the same things, so that one learner may read all of them: it tells encoders by this id.
        weights[ID].copy_from_slice(&[1, 0, 0, 0]);
        shipped.with_encoder(&weights).unwrap()
    };
    // By the two folds that an encoder did not see.
    let encoders: Vec<Vec<Scorer>> = (0..FOLDS).map(|one| (0..=one).map(|two| without([one, two])).collect()).collect();
    let (mut all, mut chosen, mut plain) = (0.0, 0.0, 0.0);
    for judged in 0..FOLDS {
        let mut rows = Rows::default();
        for place in &places {
            let encoder = &encoders[judged.max(place.fold)][judged.min(place.fold)];
            let prompt = sets[place.set].rows[place.row].prompt.as_deref().unwrap();
            rows.push(prompt, place.labels.clone(), encoder);
        }
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..places.len()).partition(|row| places[*row].fold == judged);
        let mut marked = outside;
        Seeded::new(judged as u64).shuffle(&mut marked);
        let mut learner = Learner::new();
        marked.iter().for_each(|row| learner.mark(&rows, *row));
        let few: Vec<usize> = inside.iter().copied().filter(|row| places[*row].is_chosen).collect();
        all += rows.in_order(&inside, |row| learner.merit(&rows, row)) / FOLDS as f64;
        chosen += rows.in_order(&few, |row| learner.merit(&rows, row)) / FOLDS as f64;
        plain += rows.in_order(&few, |row| rows.difficulty[row]) / FOLDS as f64;
    }
    println!("\npooled APGR, five folds, {} rows: {all:.3}; of at most 2,000 rows a set {chosen:.3}", places.len());
    println!("  these before any mark: {plain:.3}");
    assert!(all > 0.64 && chosen > 0.62, "{all} {chosen}");
}

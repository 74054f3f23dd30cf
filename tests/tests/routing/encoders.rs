//! Encoders trained without what they are judged on, and the one that ships.

use tierway::score::Scorer;
use tierway_trainer::{Lesson, SOURCES, Set, train};

use super::sets::sets;

/// The sources' lessons, row by row.
pub(crate) struct Lessons {
    /// By source, as many as the data have.
    by_set: Vec<(String, Vec<Lesson>)>,
}

impl Lessons {
    pub(crate) fn of(sets: &[Set], scorer: &Scorer) -> Lessons {
        let of = |name: &str| {
            let set = sets.iter().find(|set| set.name == name)?;
            Some((set.name.clone(), Lesson::of_set(set, scorer)?))
        };
        Lessons { by_set: SOURCES.iter().filter_map(|(name, _)| of(name)).collect() }
    }

    /// Whether a set is a source.
    pub(crate) fn has(&self, set: &str) -> bool {
        self.by_set.iter().any(|(name, _)| name == set)
    }

    /// Trains on the rows, by set and number, that are wanted.
    pub(crate) fn train(&self, wanted: impl Fn(&str, usize) -> bool) -> Vec<u8> {
        let rows = self.by_set.iter().flat_map(|(name, lessons)| {
            let wanted = &wanted;
            lessons.iter().enumerate().filter(move |(row, _)| wanted(name, *row)).map(|(_, lesson)| lesson)
        });
        train(&rows.collect::<Vec<_>>())
    }
}

#[test]
fn the_shipped_weights_are_trained_again_bit_for_bit() {
    let Some(sets) = sets() else { return };
    let scorer = Scorer::builtin();
    let lessons = Lessons::of(&sets, &scorer);
    assert_eq!(lessons.by_set.len(), SOURCES.len(), "every source is there");
    let trained = lessons.train(|_, _| true);
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src/score/data/encoder.bin");
    let same = trained == std::fs::read(shipped).unwrap();
    assert!(same, "the weights differ: `cargo run --release -p tierway-trainer` writes those of this reading and data");
}

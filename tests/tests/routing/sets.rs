//! The labelled sets of the data folder.

use std::path::PathBuf;

use tierway::replay::Record;
pub(crate) use tierway_trainer::Set;

/// Every set, by name; `None`, said aloud, where there is no data.
pub(crate) fn sets() -> Option<Vec<Set>> {
    let Some(folder) = std::env::var_os("TIERWAY_DATA").map(PathBuf::from) else {
        eprintln!("skipped: TIERWAY_DATA names no data folder");
        return None;
    };
    let sets = tierway_trainer::read_sets(&folder).unwrap();
    assert!(sets.len() >= 11, "only {} sets in {}", sets.len(), folder.display());
    Some(sets)
}

/// The marks of a set's pair on a row, the cheap model's first, where both have one.
pub(crate) fn marks(row: &Record, pair: &[String; 2]) -> Option<Vec<f64>> {
    pair.iter().map(|model| row.label(model)).collect()
}

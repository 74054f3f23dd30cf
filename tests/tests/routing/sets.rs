//! The labelled sets of the data folder.

use std::io::Read;
use std::path::PathBuf;

use tierway::replay::Record;

/// A set: its name and its rows, as far as they have a prompt.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) rows: Vec<Record>,
}

/// Every set, by name; `None`, said aloud, where there is no data.
pub(crate) fn sets() -> Option<Vec<Set>> {
    let Some(folder) = std::env::var_os("TIERWAY_DATA").map(|root| PathBuf::from(root).join("routing")) else {
        eprintln!("skipped: TIERWAY_DATA names no data folder");
        return None;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".jsonl.gz"));
    files.sort();
    assert!(files.len() >= 11, "only {} sets in {}", files.len(), folder.display());
    Some(files.iter().map(read).collect())
}

fn read(file: &PathBuf) -> Set {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    let rows = text.lines().enumerate().map(|(at, line)| Record::parse(at + 1, line).unwrap());
    let name = file.file_name().unwrap().to_string_lossy().trim_end_matches(".jsonl.gz").to_owned();
    Set { name, rows: rows.filter(|row| row.prompt.is_some()).collect() }
}

impl Set {
    /// At most so many rows, evenly taken.
    pub(crate) fn some(&self, most: usize) -> Vec<&Record> {
        let step = self.rows.len().div_ceil(most).max(1);
        self.rows.iter().step_by(step).collect()
    }

    /// The best model and the one whose quality is nearest three quarters of it, the cheap one first: as `tierway replay`
    /// chooses them.
    pub(crate) fn pair(&self) -> [String; 2] {
        let mut sums: std::collections::BTreeMap<&str, (usize, f64)> = Default::default();
        for (model, label) in self.rows.iter().flat_map(|row| &row.labels) {
            if let Some(label) = label {
                let entry = sums.entry(model).or_default();
                *entry = (entry.0 + 1, entry.1 + label);
            }
        }
        let full = sums.values().map(|(count, _)| *count).max().unwrap();
        let means: Vec<(&str, f64)> = sums
            .into_iter()
            .filter(|(_, (count, _))| count * 10 >= full * 9)
            .map(|(model, (count, sum))| (model, sum / count as f64))
            .collect();
        let best = *means.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let off = |mean: f64| (mean - 0.75 * best.1).abs();
        let others = means.iter().filter(|(model, _)| *model != best.0);
        let cheap = others.min_by(|a, b| off(a.1).total_cmp(&off(b.1))).unwrap();
        [cheap.0.to_owned(), best.0.to_owned()]
    }
}

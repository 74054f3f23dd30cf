//! The labelled sets of a data folder.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use tierway::replay::{BadRecord, Record};

/// A set: its name and its rows, as far as they have a prompt.
#[derive(Debug)]
pub struct Set {
    /// The name of its file, without the ending.
    pub name: String,
    /// Its rows.
    pub rows: Vec<Record>,
}

/// Why the sets could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A folder or file could not be read.
    #[error("cannot read {}: {error}; name the data folder, which holds routing/*.jsonl.gz", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is no record.
    #[error("{}: {error}", path.display())]
    Record {
        /// In which file.
        path: PathBuf,
        /// Why.
        error: BadRecord,
    },
}

/// Every set in the folder `routing` of a data folder, by name.
///
/// # Errors
/// `SetError` where a file cannot be read or a line is no record.
pub fn read_sets(data: &Path) -> Result<Vec<Set>, SetError> {
    let folder = data.join("routing");
    let failed = |error| SetError::File { path: folder.clone(), error };
    let entries = std::fs::read_dir(&folder).map_err(failed)?;
    let mut files =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    files.retain(|file| file.to_string_lossy().ends_with(".jsonl.gz"));
    files.sort();
    files.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Result<Set, SetError> {
    let mut text = String::new();
    let opened = std::fs::File::open(&path);
    let whole = opened.and_then(|file| flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text));
    if let Err(error) = whole {
        return Err(SetError::File { path, error });
    }
    let rows = text.lines().enumerate().map(|(at, line)| Record::parse(at + 1, line));
    let mut rows = match rows.collect::<Result<Vec<Record>, BadRecord>>() {
        Ok(rows) => rows,
        Err(error) => return Err(SetError::Record { path, error }),
    };
    rows.retain(|row| row.prompt.is_some());
    let name = path.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".jsonl.gz").to_owned();
    Ok(Set { name, rows })
}

impl Set {
    /// At most so many rows, evenly taken.
    pub fn some(&self, most: usize) -> Vec<&Record> {
        let step = self.rows.len().div_ceil(most).max(1);
        self.rows.iter().step_by(step).collect()
    }

    /// The best model and the one whose quality is nearest three quarters of it, the cheap one first: as `tierway replay`
    /// chooses them. `None` where fewer than two models have marks in nine rows of ten.
    pub fn pair(&self) -> Option<[String; 2]> {
        let means = self.means();
        let best = *means.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let off = |mean: f64| (mean - 0.75 * best.1).abs();
        let others = means.iter().filter(|(model, _)| *model != best.0);
        let cheap = others.min_by(|a, b| off(a.1).total_cmp(&off(b.1)))?;
        Some([cheap.0.to_owned(), best.0.to_owned()])
    }

    /// The mean mark of each model that was asked nearly everything.
    pub(crate) fn means(&self) -> Vec<(&str, f64)> {
        let mut sums: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
        for (model, label) in self.rows.iter().flat_map(|row| &row.labels) {
            if let Some(label) = label {
                let entry = sums.entry(model).or_default();
                *entry = (entry.0 + 1, entry.1 + label);
            }
        }
        let full = sums.values().map(|(count, _)| *count).max().unwrap_or(0);
        let asked = sums.into_iter().filter(|(_, (count, _))| count * 10 >= full * 9);
        asked.map(|(model, (count, sum))| (model, sum / count as f64)).collect()
    }
}

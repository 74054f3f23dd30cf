//! The catalogue that a command sees: the built-in rows with those of the settings and of the command line.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use tierway::catalog::{Catalog, CatalogFile, parse_time};
use tierway::config::Config;
use tierway::time::Timestamp;

use crate::Failure;

/// Where rows come from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Rows {
    /// A file of rows that override the built-in ones of the same id. May be repeated.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) catalog: Vec<PathBuf>,
    /// The settings; TIERWAY_CONFIG or ./tierway.toml where it is left out.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

impl Rows {
    /// Reads and checks them all.
    pub(crate) fn load(&self) -> Result<Catalog, Failure> {
        let config = match &self.config {
            Some(path) => Config::load(path),
            None => Config::find(),
        };
        let config = config.map_err(|error| Failure::Input(error.to_string()))?;
        let base = config.catalog.load(Catalog::builtin()).map_err(|error| Failure::Input(error.to_string()))?;
        let base = tierway::local::with_pulled(base, &tierway::local::model_folders());
        let mut texts = Vec::new();
        for path in &self.catalog {
            texts.push((path.display().to_string(), read(path)?));
        }
        if texts.is_empty() {
            return Ok(base);
        }
        let files: Vec<CatalogFile<'_>> = texts.iter().map(|(name, text)| CatalogFile { name, text }).collect();
        base.with_files(&files).map_err(|error| Failure::Input(error.to_string()))
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

/// Reads a date or time for a flag.
pub(crate) fn when(text: &str) -> Result<Timestamp, String> {
    parse_time(text).ok_or_else(|| "write it as 2026-08-21 or 2026-08-21T16:30Z".to_owned())
}

/// The time that was asked for, or now.
pub(crate) fn or_now(at: Option<Timestamp>) -> Timestamp {
    at.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}

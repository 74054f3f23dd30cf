//! What lies beside a pulled model: where it is from, and its row for the catalogue.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tierway_engine::chat::Chat;
use tierway_engine::model::Source;

use super::file::{Came, Wanted};
use super::name::Name;
use super::place::Place;
use super::{PullError, Pulled};

const FILE: &str = "tierway-pull.json";
/// Bytes of such a file; a thousand shards take a hundred thousand.
const BYTES_MAX: u64 = 1 << 20;
/// Tokens that the engine's cache has where nothing is said.
const CACHE_TOKENS: usize = 8_192;

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// `owner/name`, or an address.
    source: String,
    revision: String,
    /// The day, as in `2026-08-21`.
    date: String,
    /// What it is asked for by.
    model: String,
    /// Whether the catalogue knows it without this file.
    known: bool,
    /// Tokens of context that it runs with.
    context: usize,
    /// Whether its chat template writes tools.
    tools: bool,
    /// Whether it thinks aloud.
    thinks: bool,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    size: u64,
    checksum: Option<String>,
}

/// The same revision, if it is there and whole.
pub(super) fn there(folder: &Path, name: &Name, revision: &str, files: &[Wanted]) -> Option<Pulled> {
    let path = folder.join(&name.folder);
    let manifest = read(&path).filter(|manifest| manifest.source == name.source && manifest.revision == revision)?;
    let is_whole = |file: &Wanted| {
        let size = fs::metadata(path.join(&file.name)).ok()?.len();
        let entry = manifest.files.get(&file.name)?;
        // An address outside a hub has no revision: its checksum tells whether it is the same.
        let is_same = file.checksum.published().is_none_or(|asked| entry.checksum.as_deref() == Some(asked));
        (entry.size == size && is_same).then_some(())
    };
    files.iter().map(is_whole).collect::<Option<Vec<()>>>()?;
    Some(pulled(path, &manifest, true))
}

/// Sees whether the engine reads the model, writes the file, and puts the model in its place.
pub(super) fn finish(place: Place, name: &Name, revision: &str, came: Vec<Came>) -> Result<Pulled, PullError> {
    let source = Source::open(&place.model())?;
    let chat = Chat::open(&source)?;
    let manifest = Manifest {
        source: name.source.clone(),
        revision: revision.to_owned(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        model: name.model(),
        known: name.known.is_some(),
        context: source.config.context_max.min(CACHE_TOKENS),
        tools: chat.takes_tools(),
        thinks: chat.thinks(),
        files: came.into_iter().map(|Came { name, size, checksum }| (name, Entry { size, checksum })).collect(),
    };
    drop((source, chat));
    let path = place.model().join(FILE);
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| PullError::file(&path, error.into()))?;
    fs::write(&path, text).map_err(|error| PullError::file(&path, error))?;
    let path = place.finish()?;
    Ok(pulled(path, &manifest, false))
}

fn pulled(path: PathBuf, manifest: &Manifest, was_there: bool) -> Pulled {
    let unchecked = manifest.files.iter().filter(|(_, entry)| entry.checksum.is_none());
    Pulled {
        path,
        model: manifest.model.clone(),
        files: manifest.files.len(),
        bytes: manifest.files.values().map(|entry| entry.size).sum(),
        unchecked: unchecked.map(|(name, _)| name.clone()).collect(),
        was_there,
    }
}

fn read(folder: &Path) -> Option<Manifest> {
    let path = folder.join(FILE);
    let is_small = fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= BYTES_MAX);
    let text = if is_small { fs::read(&path).ok()? } else { return None };
    serde_json::from_slice(&text).ok()
}

/// Rows for the models in a folder that the catalogue does not know, as the text of a catalogue file.
pub(crate) fn rows(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| row(path)).collect()
}

fn row(path: &Path) -> Option<String> {
    let manifest = read(path).filter(|manifest| !manifest.known)?;
    // JSON writes a text as TOML reads it.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let name = manifest.model.strip_prefix("local/")?;
    let further = [("tools", manifest.tools), ("reasoning", manifest.thinks)];
    let further: String = further.iter().filter(|(_, has)| *has).map(|(what, _)| format!(", \"{what}\"")).collect();
    Some(format!(
        "vendor = \"local\"\nresells = true\n[[models]]\nid = {}\nwire_name = {}\nfamily = {}\ntier = \"local\"\n\
         context_window = {}\nmax_output = {}\ncapabilities = [\"logprobs\", \"streaming\", \"seed\", \"json_mode\", \"json_schema\"{further}]\n\
         self_hostable = true\nsource = {}\ndate = {}\n[[models.prices]]\nrates = {{ input = \"0\", output = \"0\" }}\n",
        text(&manifest.model),
        text(path.file_name()?.to_str()?),
        text(name),
        manifest.context.max(1),
        manifest.context.max(1),
        text(&format!("pulled from {}", manifest.source)),
        text(&manifest.date),
    ))
}

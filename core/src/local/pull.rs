//! Brings a model onto this machine: from a hub by its name, or from an address.
//!
//! A hub is any server with Hugging Face's addresses: it lists a repository's files with their sizes and checksums, and
//! sends each, often from another host. What it says is believed only as far as it can be checked: names of files stay in
//! their folder, sizes fit on the disk, every file has its checksum. A pull that was cut goes on where it was; a model is
//! seen in its place only when it is whole.

use std::path::PathBuf;
use std::time::Duration;

use crate::secrets::Secret;

mod digest;
mod error;
mod fetch;
mod file;
mod hub;
mod manifest;
mod name;
mod place;

pub use error::PullError;
pub(super) use manifest::rows;

use fetch::Fetcher;
use file::Wanted;
use name::Name;
use place::Place;

/// The hub where nothing names another.
const HUB: &str = "https://huggingface.co";

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// The hub's address.
    pub hub: String,
    /// A key for models that are not for everybody. It is sent to the hub alone, never to a host that the hub points to.
    pub key: Option<Secret>,
    /// The folder that models lie in.
    pub folder: PathBuf,
    /// The one file to take, where a repository has several models.
    pub file: Option<String>,
    /// What the file's SHA-256 must be, in hex, where a plain address is pulled.
    pub sha256: Option<String>,
    /// How long nothing may come before a connection counts as broken.
    pub patience: Duration,
    /// The first pause before a broken download goes on; each further one is twice as long.
    pub pause: Duration,
}

impl PullOptions {
    /// By the environment: the hub of `HF_ENDPOINT`, the key of `HF_TOKEN`, `~/.cache/tierway/models`.
    ///
    /// # Errors
    /// `Name` where the key cannot be one.
    pub fn from_env() -> Result<PullOptions, PullError> {
        let read = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let key = read("HF_TOKEN").map(Secret::new).transpose();
        let key =
            key.map_err(|_| PullError::Name { what: "HF_TOKEN is no key: it has characters no key has".into() })?;
        Ok(PullOptions { key, hub: read("HF_ENDPOINT").unwrap_or_else(|| HUB.into()), ..PullOptions::default() })
    }
}

impl Default for PullOptions {
    /// The public hub, no key, `~/.cache/tierway/models`.
    fn default() -> PullOptions {
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
        PullOptions {
            hub: HUB.into(),
            key: None,
            folder: home.join(".cache/tierway/models"),
            file: None,
            sha256: None,
            patience: Duration::from_secs(30),
            pause: Duration::from_millis(500),
        }
    }
}

/// How far a pull is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// What is to come, in bytes; `None` where the server did not say yet.
    Total {
        /// Files.
        files: usize,
        /// Their bytes together.
        bytes: Option<u64>,
    },
    /// A file begins, or goes on behind what was there.
    File {
        /// Its name.
        name: String,
        /// Bytes that were there.
        have: u64,
    },
    /// So many more bytes came.
    Bytes(u64),
    /// A file that was there or came is begun again, so many bytes less.
    Dropped(u64),
    /// The connection broke, and the download goes on after a pause.
    Again {
        /// Why.
        why: String,
    },
}

/// A model that is on this machine now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Its folder.
    pub path: PathBuf,
    /// What to ask for: `local/...`.
    pub model: String,
    /// Files.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files whose checksum nobody published: their length alone was checked.
    pub unchecked: Vec<String>,
    /// Whether it was there already.
    pub was_there: bool,
}

/// Pulls a model: `owner/name`, `owner/name@revision`, `owner/name:file.gguf`, a model of the catalogue such as
/// `local/smollm2-135m`, or an address of a repository or of a GGUF file.
///
/// `tell` hears how far it is. It runs on the caller's task, and so do the reads and writes of files.
///
/// # Errors
/// A `PullError` that says what to do. What came is kept, and the next pull goes on from there, but for files whose
/// checksum or length was wrong.
pub async fn pull(
    name: &str,
    options: &PullOptions,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<Pulled, PullError> {
    let fetcher = Fetcher::new(options)?;
    let name = Name::parse(name, &fetcher, options)?;
    let (files, revision) = match &name.file_url {
        Some(url) => (vec![Wanted::of_address(url, options)?], name.source.clone()),
        None => hub::list(&fetcher, &name).await?,
    };
    if let Some(pulled) = manifest::there(&options.folder, &name, &revision, &files) {
        return Ok(pulled);
    }
    let bytes = file::total(&files)?;
    let place = Place::open(&options.folder, &name.folder, &revision)?;
    place.check_room(&files, bytes)?;
    tell(Progress::Total { files: files.len(), bytes });
    let mut came = Vec::new();
    for wanted in &files {
        came.push(file::download(&fetcher, &place, wanted, options.pause, tell).await?);
        if wanted.name == "config.json" {
            // A model that the engine cannot run is not worth its gigabytes.
            place.check_config()?;
        }
    }
    manifest::finish(place, &name, &revision, came)
}

#[cfg(test)]
mod tests;

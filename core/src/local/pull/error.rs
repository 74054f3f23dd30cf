//! What can go wrong with a pull.

use std::io;
use std::path::{Path, PathBuf};

use tierway_engine::EngineError;

/// Why a model could not be brought onto this machine, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// What was asked for cannot be pulled.
    #[error("{what}")]
    Name {
        /// What is wrong with it, and what would be right.
        what: String,
    },
    /// There is no such model.
    #[error("{what} is not there: check owner, name and revision; models that are not public need HF_TOKEN")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// The hub does not give it to us.
    #[error("{what} is not for everybody: accept its licence on the hub, and set HF_TOKEN to a key that may read it")]
    Denied {
        /// What was asked for.
        what: String,
    },
    /// A repository has several models, and none was named.
    #[error("this repository has several models: name one as owner/name:FILE, or with --file: {}", files.join(", "))]
    Choose {
        /// Their files.
        files: Vec<String>,
    },
    /// A file's name would lead out of its folder.
    #[error("the hub names a file '{shown}', which would not stay in the model's folder: do not trust this repository")]
    FileName {
        /// The name, shortened.
        shown: String,
    },
    /// The hub said something that a hub does not say.
    #[error("the hub's answer cannot be used: {what}")]
    Answer {
        /// The breach.
        what: String,
    },
    /// The hub points somewhere that must not be followed.
    #[error("a redirection was not followed: {what}")]
    Redirect {
        /// Where to, and why not.
        what: String,
    },
    /// The network failed more often than it was tried.
    #[error("the download broke off: {what}; pull again, and it goes on from there")]
    Network {
        /// How.
        what: String,
        /// How long the server wants us to wait.
        wait_s: Option<u64>,
    },
    /// A file is not as long as was said.
    #[error("'{file}' has {found} bytes instead of {expected}: what came was dropped; pull again")]
    Length {
        /// Which.
        file: String,
        /// Bytes that were announced.
        expected: u64,
        /// Bytes that came, at least.
        found: u64,
    },
    /// A file is not the one that was published.
    #[error("'{file}' has the checksum {found} instead of {expected}: what came was dropped; pull again")]
    Checksum {
        /// Which.
        file: String,
        /// The published one.
        expected: String,
        /// That of what came.
        found: String,
    },
    /// The disk has no room.
    #[error("{} has no room for {needed} more bytes: free some, or name another folder with --folder", folder.display())]
    DiskFull {
        /// Where.
        folder: PathBuf,
        /// Bytes that are missing at least.
        needed: u64,
    },
    /// Another pull of the same model runs.
    #[error("another pull writes to {}: wait for it", folder.display())]
    Busy {
        /// Where.
        folder: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The engine cannot run it.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl PullError {
    /// A failed read or write.
    pub(super) fn file(path: &Path, source: io::Error) -> PullError {
        if source.kind() == io::ErrorKind::StorageFull || source.kind() == io::ErrorKind::QuotaExceeded {
            let folder = path.parent().unwrap_or(path).to_owned();
            return PullError::DiskFull { folder, needed: 1 };
        }
        PullError::File { path: path.to_owned(), source }
    }

    pub(super) fn network(what: impl Into<String>) -> PullError {
        PullError::Network { what: what.into(), wait_s: None }
    }

    pub(super) fn answer(what: impl Into<String>) -> PullError {
        PullError::Answer { what: what.into() }
    }
}

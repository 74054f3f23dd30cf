//! Files that processes hold locked: two to take turns at writing, and one each to show that they live.
//!
//! The system frees a lock when its process ends, however it ends. So a reservation is of a dead process exactly when
//! its owner's file can be locked, and nobody compares process numbers or times.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::failure;
use crate::ledger::LedgerError;

/// The files by which processes take turns. Who wants the turn first waits to be the next, and only the next waits for
/// the turn itself: so who has just ended a turn, being awake, cannot take it again before one who is asleep.
#[derive(Debug)]
pub(super) struct Turns {
    turn: Lock,
    next: Lock,
}

/// A file that is locked, and its path for errors.
#[derive(Debug)]
struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    fn open(path: PathBuf) -> Result<Lock, LedgerError> {
        Ok(Lock { file: create(&path)?, path })
    }

    fn lock(&self) -> Result<(), LedgerError> {
        self.file.lock().map_err(|error| failure::system(&self.path, "waiting for a turn to write", &error))
    }

    fn unlock(&self) {
        // Closing the file frees the lock as well: there is nothing to do about a failure.
        let _ = self.file.unlock();
    }
}

impl Turns {
    pub(super) fn open(database: &Path) -> Result<Turns, LedgerError> {
        Ok(Turns { turn: Lock::open(beside(database, "-lock"))?, next: Lock::open(beside(database, "-next"))? })
    }

    /// Waits for its turn, which lasts until the guard goes.
    pub(super) fn take(self: &Arc<Turns>) -> Result<Turn, LedgerError> {
        self.next.lock()?;
        let taken = self.turn.lock();
        self.next.unlock();
        taken?;
        Ok(Turn { turns: self.clone(), since: Instant::now() })
    }
}

/// A turn at writing.
pub(super) struct Turn {
    turns: Arc<Turns>,
    pub(super) since: Instant,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.turn.unlock();
    }
}

/// The sign of life of an open store.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) name: String,
    path: PathBuf,
    _locked: File,
}

impl Owner {
    /// Makes a file of a new name and locks it.
    pub(super) fn new(database: &Path) -> Result<Owner, LedgerError> {
        let folder = folder(database);
        fs::create_dir_all(&folder).map_err(|error| failure::system(&folder, "making the folder of owners", &error))?;
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        for number in 0..1_000u32 {
            let name = format!("{}-{nanos:x}-{number}", std::process::id());
            let path = folder.join(&name);
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failure::system(&path, "making a sign of life", &error)),
            };
            file.try_lock().map_err(|error| failure::system(&path, "locking a sign of life", &error.into()))?;
            return Ok(Owner { name, path, _locked: file });
        }
        Err(LedgerError::Io {
            place: folder.display().to_string(),
            doing: "making a sign of life",
            reason: "a thousand names are taken".to_owned(),
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // A file that stays is found unlocked and removed by the next process.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the owner of this name is gone.
pub(super) fn is_gone(database: &Path, name: &str) -> bool {
    let path = folder(database).join(name);
    match OpenOptions::new().write(true).open(&path) {
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        Ok(file) => match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
    }
}

/// Removes what an owner that is gone has left.
pub(super) fn bury(database: &Path, name: &str) {
    // It may be gone already.
    let _ = fs::remove_file(folder(database).join(name));
}

fn folder(database: &Path) -> PathBuf {
    beside(database, "-owners")
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn create(path: &Path) -> Result<File, LedgerError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    file.map_err(|error| failure::system(path, "opening the lock file", &error))
}

//! Files that processes hold locked: two to take turns at writing, and one each to show that they live.
//!
//! The system frees a lock when its process ends, however it ends. So a reservation is of a dead process exactly when
//! its owner's file can be locked, and nobody compares process numbers or times.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::failure;
use crate::ledger::LedgerError;

/// How long one waits to be the next. Turns last some milliseconds, so after this the next one is stopped.
const NEXT_MAX: Duration = Duration::from_millis(250);
/// How often one looks whether one is the next.
const NEXT_EVERY: Duration = Duration::from_micros(200);
/// How long nobody waits to be the next after that.
const NEXT_STUCK: Duration = Duration::from_secs(10);

/// The files by which processes take turns. Who wants the turn first waits to be the next, and only the next waits for
/// the turn itself: so who has just ended a turn, being awake, cannot take it again before one who is asleep. Being the
/// next is a courtesy: where a process is stopped while it is that, the others go on without.
#[derive(Debug)]
pub(super) struct Turns {
    turn: Lock,
    next: Lock,
    /// Until when nobody waits to be the next.
    stuck_until: Mutex<Option<Instant>>,
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

    /// Whether it was free.
    fn try_lock(&self) -> Result<bool, LedgerError> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(failure::system(&self.path, "waiting for a turn to write", &error)),
        }
    }

    fn unlock(&self) {
        // Closing the file frees the lock as well: there is nothing to do about a failure.
        let _ = self.file.unlock();
    }
}

impl Turns {
    pub(super) fn open(database: &Path) -> Result<Turns, LedgerError> {
        let (turn, next) = (Lock::open(beside(database, "-lock"))?, Lock::open(beside(database, "-next"))?);
        Ok(Turns { turn, next, stuck_until: Mutex::new(None) })
    }

    /// Waits for its turn, which lasts until the guard goes.
    pub(super) fn take(self: &Arc<Turns>) -> Result<Turn, LedgerError> {
        let is_next = self.be_next()?;
        let taken = self.turn.lock();
        if is_next {
            self.next.unlock();
        }
        taken?;
        Ok(Turn { turns: self.clone(), since: Instant::now() })
    }

    /// Waits to be the next; not where the one that is does not go on.
    fn be_next(&self) -> Result<bool, LedgerError> {
        let mut stuck_until = self.stuck_until.lock().unwrap_or_else(PoisonError::into_inner);
        if stuck_until.is_some_and(|until| Instant::now() < until) {
            return Ok(false);
        }
        let began = Instant::now();
        while !self.next.try_lock()? {
            if began.elapsed() > NEXT_MAX {
                *stuck_until = Some(Instant::now() + NEXT_STUCK);
                return Ok(false);
            }
            std::thread::sleep(NEXT_EVERY);
        }
        *stuck_until = None;
        Ok(true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_stopped_while_it_is_the_next_holds_nobody_up() {
        let folder = std::env::temp_dir().join(format!("tierway-turns-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let database = folder.join("ledger.db");
        // A lock is of an open file, so another handle stands for another process.
        let stopped = Lock::open(beside(&database, "-next")).unwrap();
        stopped.lock().unwrap();
        let turns = Arc::new(Turns::open(&database).unwrap());
        for _ in 0..3 {
            drop(turns.take().unwrap());
        }
        assert!(turns.stuck_until.lock().unwrap().is_some(), "it stopped waiting to be the next");
        stopped.unlock();
        *turns.stuck_until.lock().unwrap() = None;
        let turn = turns.take().unwrap();
        assert!(stopped.try_lock().unwrap(), "who has the turn is no longer the next");
        drop(turn);
        let _ = fs::remove_dir_all(&folder);
    }
}

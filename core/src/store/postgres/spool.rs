//! A file of the entries that were answered under a lease and are not known to be on the server yet.
//!
//! An entry is on this disk, synced, before it is answered. The file is locked while its store lives, so whoever can lock
//! it knows that the store is dead, and brings its entries to the server: only then is it known how much of the dead
//! store's leases was never used.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::batch::Work;
use super::failure::corrupt;
use crate::error::one_line;
use crate::ledger::{End, Entry, LedgerError};

/// From this size on the file is emptied whenever all of it is on the server.
const EMPTIED_BYTES: u64 = 1 << 20;
const SUFFIX: &str = "spool";

/// The first line: whose entries they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The ledger's own id.
    pub(super) ledger: String,
    /// The store's row in `owners`.
    pub(super) owner: i64,
}

/// The file of a store that lives.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    path: PathBuf,
    head_bytes: u64,
    bytes: u64,
}

fn io(path: &Path, doing: &'static str, error: &std::io::Error) -> LedgerError {
    use std::io::ErrorKind as K;
    let place = path.display().to_string();
    match error.kind() {
        K::PermissionDenied | K::ReadOnlyFilesystem => LedgerError::Denied { place, doing },
        K::StorageFull | K::QuotaExceeded => LedgerError::Full { place, doing },
        _ => LedgerError::Io { place, doing, reason: one_line(&error.to_string()) },
    }
}

impl Spool {
    /// Makes the file of a new owner.
    pub(super) fn create(folder: &Path, head: &Head) -> Result<Spool, LedgerError> {
        let doing = "making the file of leased entries";
        std::fs::create_dir_all(folder).map_err(|error| io(folder, doing, &error))?;
        let path = folder.join(format!("{}-{}.{SUFFIX}", head.ledger, head.owner));
        let fail = |error: std::io::Error| io(&path, doing, &error);
        let mut file = OpenOptions::new().read(true).append(true).create_new(true).open(&path).map_err(fail)?;
        file.try_lock().map_err(|error| fail(error.into()))?;
        let mut line = serde_json::to_vec(head).expect("a head is plain data");
        line.push(b'\n');
        file.write_all(&line).and_then(|()| file.sync_all()).map_err(fail)?;
        #[cfg(unix)]
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
        let bytes = line.len() as u64;
        Ok(Spool { file, path, head_bytes: bytes, bytes })
    }

    /// Adds entries and syncs them. Where that fails none of them may be answered; what was written is cut off again.
    pub(super) fn add(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry).expect("entries are plain data");
            lines.push(b'\n');
        }
        match self.file.write_all(&lines).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.bytes += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Where it cannot even be cut, the next start finds an entry that was refused: charged, and settled by hand.
                drop(self.file.set_len(self.bytes).and_then(|()| self.file.sync_data()));
                Err(io(&self.path, "writing leased entries", &error))
            }
        }
    }

    /// Empties the file, where it is long enough to matter. To be called when all of it is on the server.
    pub(super) fn emptied(&mut self) {
        if self.bytes >= EMPTIED_BYTES && self.file.set_len(self.head_bytes).is_ok() {
            self.bytes = self.head_bytes;
        }
    }

    /// Removes the file: all of it is on the server.
    pub(super) fn remove(self) {
        // One that stays is found unlocked, replayed without effect and removed by the next store.
        drop(std::fs::remove_file(&self.path));
    }
}

/// What a dead store has left behind, locked.
pub(super) struct Orphan {
    pub(super) head: Head,
    pub(super) works: Vec<Work>,
    path: PathBuf,
    _locked: File,
}

impl Orphan {
    /// Removes the file: its entries are on the server.
    pub(super) fn bury(self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// The files of this ledger's dead stores in a folder.
pub(super) fn orphans(folder: &Path, ledger: &str) -> Result<Vec<Orphan>, LedgerError> {
    let doing = "reading leased entries that a dead process left";
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(folder, doing, &error)),
    };
    let mut found = Vec::new();
    for path in listing.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.extension().is_none_or(|extension| extension != SUFFIX) {
            continue;
        }
        let fail = |error: std::io::Error| io(&path, doing, &error);
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            // Another start has just removed it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(fail(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).map_err(fail)?;
        let Some((head, works)) = parse(&path, &text)? else { continue };
        if head.ledger == ledger {
            found.push(Orphan { head, works, path, _locked: file });
        }
    }
    found.sort_by_key(|orphan| orphan.head.owner);
    Ok(found)
}

/// The lines of a file. A last line that was cut off was never answered; any other that cannot be read is a fault.
fn parse(path: &Path, text: &[u8]) -> Result<Option<(Head, Vec<Work>)>, LedgerError> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.pop();
    let Some((first, rest)) = lines.split_first() else { return Ok(None) };
    let Ok(head) = serde_json::from_slice::<Head>(first) else { return Ok(None) };
    let mut works = Vec::with_capacity(rest.len());
    for (at, line) in rest.iter().enumerate() {
        match serde_json::from_slice::<Entry>(line) {
            Ok(Entry::Reserve(entry)) => works.push(Work::Granted(entry)),
            Ok(Entry::Settle(entry)) => works.push(Work::End(End::Settle(Box::new(Arc::unwrap_or_clone(entry))))),
            Ok(Entry::Void(entry)) => works.push(Work::End(End::Void(entry))),
            Ok(Entry::Unknown { .. }) => {}
            Err(_) if at + 1 == rest.len() => {}
            Err(error) => {
                let reason = format!("line {} of the leased entries: {error}", at + 2);
                return Err(corrupt(&path.display().to_string(), reason));
            }
        }
    }
    Ok(Some((head, works)))
}

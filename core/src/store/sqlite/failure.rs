//! What SQLite and the system say, as ledger errors.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::one_line;
use crate::ledger::LedgerError;

/// An error of SQLite while doing something to a file.
pub(super) fn sqlite(place: &Path, doing: &'static str, error: &rusqlite::Error) -> LedgerError {
    let place = place.display().to_string();
    let reason = one_line(&error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied) => {
            LedgerError::Denied { place, doing }
        }
        Some(ErrorCode::CannotOpen) => match std::fs::OpenOptions::new().read(true).write(true).open(&place) {
            Err(error) => system(Path::new(&place), doing, &error),
            Ok(_) => LedgerError::Io { place, doing, reason },
        },
        Some(ErrorCode::DiskFull) => LedgerError::Full { place, doing },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => LedgerError::Corrupt { place, reason },
        _ => LedgerError::Io { place, doing, reason },
    }
}

/// An error of the system while doing something to a file.
pub(super) fn system(place: &Path, doing: &'static str, error: &io::Error) -> LedgerError {
    let place = place.display().to_string();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => LedgerError::Denied { place, doing },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LedgerError::Full { place, doing },
        _ => LedgerError::Io { place, doing, reason: one_line(&error.to_string()) },
    }
}

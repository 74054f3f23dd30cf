//! What the server and the network say, as ledger errors, and what can be done about it.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::error::one_line;
use crate::ledger::LedgerError;

/// Why a transaction did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another transaction was in the way: the same again will do.
    Again(LedgerError),
    /// The connection is gone or of no use: nobody knows whether a commit on its way took effect.
    Lost(LedgerError),
    /// The server refuses.
    Refused(LedgerError),
}

impl Trouble {
    pub(super) fn into_error(self) -> LedgerError {
        match self {
            Trouble::Again(error) | Trouble::Lost(error) | Trouble::Refused(error) => error,
        }
    }
}

/// An error of the server or of the connection to it.
pub(super) fn trouble(place: &str, doing: &'static str, error: &Error) -> Trouble {
    let place = place.to_owned();
    let Some(said) = error.as_db_error() else {
        return Trouble::Lost(LedgerError::Io { place, doing, reason: causes(error) });
    };
    let state = said.code();
    let reason = one_line(&format!("{} ({})", said.message(), state.code()));
    let io = |place| LedgerError::Io { place, doing, reason: reason.clone() };
    let again = [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::UNIQUE_VIOLATION,
        &SqlState::IN_FAILED_SQL_TRANSACTION,
    ];
    match state.code() {
        _ if again.contains(&state) => Trouble::Again(io(place)),
        // A privilege, a password, a database or role that is not there.
        "42501" | "3D000" | "25006" => Trouble::Refused(LedgerError::Denied { place, doing }),
        code if code.starts_with("28") => Trouble::Refused(LedgerError::Denied { place, doing }),
        "53100" => Trouble::Refused(LedgerError::Full { place, doing }),
        // Connection exceptions, too many connections, an operator's or a crash's end, a time limit that was passed.
        code if ["08", "53", "57", "58"].contains(&&code[..2.min(code.len())]) => Trouble::Lost(io(place)),
        "25P03" | "55P03" => Trouble::Lost(io(place)),
        _ => Trouble::Refused(io(place)),
    }
}

/// An error and its causes in a line; the client's errors name no password and no value.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    one_line(&text)
}

/// That nothing came back in time.
pub(super) fn silent(place: &str, doing: &'static str, after: std::time::Duration) -> LedgerError {
    let reason = format!("no answer within {} ms: see whether the server is up and reachable", after.as_millis());
    LedgerError::Io { place: place.to_owned(), doing, reason }
}

/// That a row is not what it must be.
pub(super) fn corrupt(place: &str, reason: impl std::fmt::Display) -> LedgerError {
    LedgerError::Corrupt { place: place.to_owned(), reason: one_line(&reason.to_string()) }
}

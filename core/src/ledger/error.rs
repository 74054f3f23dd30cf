//! Why the ledger did not write an entry, and what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::one_line;
use crate::id::AttemptId;
use crate::ledger::Amount;
use crate::time::{Span, Timestamp};

/// A budget that refuses a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverBudget {
    /// The budget's name.
    pub budget: String,
    /// Which of its balances, where it keeps one for each user or team: `user=ann`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What was asked for.
    pub asked: Amount,
    /// What is left, holds taken off.
    pub left: Amount,
    /// The limit.
    pub limit: Amount,
    /// When there will be more, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "budget '{}'", self.budget)?;
        if let Some(scope) = &self.scope {
            write!(f, " ({})", one_line(scope))?;
        }
        write!(f, " has {} of {} left and {} was asked for", self.left, self.limit, self.asked)
    }
}

/// A rate limit that has no room now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverRate {
    /// The rate's name.
    pub rate: String,
    /// How long until there is room.
    pub wait: Span,
}

/// Why an entry was not written. No part of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// It does not fit; every budget that refuses is named.
    #[error("over budget: {}: raise a limit, lower max_tokens, or wait", list(.0))]
    OverBudget(Vec<OverBudget>),
    /// There is no room in a rate now; every rate that refuses is named.
    #[error("over the rate of {}: wait, or ask elsewhere", .0.iter().map(|r| format!("'{}'", r.rate)).collect::<Vec<_>>().join(", "))]
    OverRate(Vec<OverRate>),
    /// An entry with this id and other contents was written before.
    #[error("attempt {attempt}: a different {what} was written before: give each attempt an id of its own")]
    Conflict {
        /// The attempt.
        attempt: AttemptId,
        /// Which entry.
        what: &'static str,
    },
    /// Nothing was reserved under this id.
    #[error("attempt {attempt}: nothing is reserved: reserve before sending")]
    NoReservation {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The attempt has ended in the other way.
    #[error("attempt {attempt}: it was {how} before: an attempt ends once")]
    AlreadyEnded {
        /// The attempt.
        attempt: AttemptId,
        /// How it ended: `settled` or `voided`.
        how: &'static str,
    },
    /// The entry is wrong in itself.
    #[error("the entry was refused: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The store may not be read or written.
    #[error("{place}: permission denied while {doing}: let this user read and write it and its folder")]
    Denied {
        /// The file or server.
        place: String,
        /// What was attempted.
        doing: &'static str,
    },
    /// The disk is full.
    #[error("{place}: no space left while {doing}: free some; nothing was lost and nothing sent without a reservation")]
    Full {
        /// The file or server.
        place: String,
        /// What was attempted.
        doing: &'static str,
    },
    /// The store failed.
    #[error("{place}: {reason} while {doing}")]
    Io {
        /// The file or server.
        place: String,
        /// What was attempted.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// The store's contents are not what they must be.
    #[error("{place}: {reason}: restore it from a copy, or move it away")]
    Corrupt {
        /// The file or server.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A later version of this library wrote the store.
    #[error("{place}: it has format {found} and this version knows {known}: use a later version")]
    TooNew {
        /// The file or server.
        place: String,
        /// The format that was found.
        found: u32,
        /// The latest that is known.
        known: u32,
    },
    /// The store was closed.
    #[error("the ledger was closed: open it again")]
    Closed,
    /// The store was opened in another process, of which this one is a fork.
    #[error("the ledger was opened by process {opened_by} and this is its fork {used_by}: open it again after forking")]
    Forked {
        /// The process that opened it.
        opened_by: u32,
        /// The process that used it.
        used_by: u32,
    },
}

fn list(budgets: &[OverBudget]) -> String {
    budgets.iter().map(OverBudget::to_string).collect::<Vec<_>>().join("; ")
}

impl LedgerError {
    /// An entry that is wrong in itself.
    pub fn invalid(reason: impl Into<String>) -> LedgerError {
        LedgerError::Invalid { reason: reason.into() }
    }

    /// Whether another model or a later time may do: a budget or a rate refused, the ledger itself is well.
    pub fn is_refusal(&self) -> bool {
        matches!(self, LedgerError::OverBudget(_) | LedgerError::OverRate(_))
    }
}

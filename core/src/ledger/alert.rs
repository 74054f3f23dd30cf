//! What a budget tells its owner: a mark was reached, or a soft limit passed.

use serde::{Deserialize, Serialize};

use crate::ledger::Amount;
use crate::time::Timestamp;

/// A budget reached a mark. It goes to the caller's callback or webhook; writing it again is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The budget's name.
    pub budget: String,
    /// Which of its balances, where it keeps one for each user or team: `user=ann`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What happened.
    pub kind: AlertKind,
    /// What is used.
    pub used: Amount,
    /// The limit.
    pub limit: Amount,
    /// When the window ends, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
}

/// What happened to a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertKind {
    /// What is spent reached this percentage of the limit.
    Reached(u8),
    /// A reservation went beyond a limit that does not refuse.
    Beyond,
}

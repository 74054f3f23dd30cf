//! What a budget tells its owner: a mark was reached, or a soft limit passed.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ledger::Amount;
use crate::time::Timestamp;

/// A budget reached a mark. It goes to the caller's callback or webhook; writing it again is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is known by: the same budget, balance, limit, mark and window give the same id, in every process.
    pub id: String,
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
    /// When the window ends, if it does; of a rolling one, when the oldest part that counts leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// Until when the same mark has the same id: as long as the window; of a rolling one, as long as a stretch of its
    /// length. `None` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_until: Option<Timestamp>,
}

/// The id of an alert. `limit` is as it was set: a share allows more with every attempt.
pub(super) fn id(budget: &str, scope: &str, kind: AlertKind, limit: &str, told_until: Option<Timestamp>) -> String {
    let kind = match kind {
        AlertKind::Reached(mark) => format!("reached {mark}"),
        AlertKind::Beyond => "beyond".to_owned(),
    };
    let until = told_until.map_or(0, Timestamp::ms);
    let text = format!("{budget}\0{scope}\0{kind}\0{limit}\0{until}");
    Sha256::digest(text).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
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

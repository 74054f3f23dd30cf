//! What the ledger writes down: a reservation, its ending, and the row that the two make.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::error::Kind;
use crate::id::{AttemptId, EndpointId, ModelId, RequestId, VendorId};
use crate::ledger::{Alert, LedgerError};
use crate::limits::{CHARGE_LINES_MAX, LEDGER_TEXT_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX};
use crate::model::Tier;
use crate::money::Usd;
use crate::time::{Span, Timestamp};
use crate::usage::Usage;

/// The caller's own names for a request, shared by its attempts.
pub type Tags = Arc<BTreeMap<String, String>>;

/// A request's tags as entries hold them. Most requests have none, and share these.
pub(crate) fn tags_of(tags: &BTreeMap<String, String>) -> Tags {
    static NONE: LazyLock<Tags> = LazyLock::new(Tags::default);
    if tags.is_empty() { NONE.clone() } else { Arc::new(tags.clone()) }
}

/// A word that names none of the values it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no {what}: use {known}")]
pub struct UnknownWord {
    /// The refused text, cut to 40 characters.
    pub text: String,
    /// What it was meant to name.
    pub what: &'static str,
    /// The words that are known.
    pub known: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$item:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name { $($(#[$item])* $variant),+ }

        impl $name {
            /// Every value, in a stable order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The stable name, in snake case.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<$name, UnknownWord> {
                $name::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| UnknownWord {
                    text: text.chars().take(40).collect(),
                    what: $what,
                    known: [$($word),+].join(", "),
                })
            }
        }
    };
}

words!(
    /// Why an attempt is made.
    Purpose, "purpose", {
        /// The first attempt at a request.
        First = "first",
        /// The same model again, after a failure.
        Retry = "retry",
        /// Another model, after a failure.
        Fallback = "fallback",
        /// A stronger model, since the answer fell short.
        Escalation = "escalation",
        /// A second attempt beside a slow first one.
        Hedge = "hedge",
        /// A judge that looks at an answer.
        Check = "check",
        /// A comparison whose answer nobody sees.
        Shadow = "shadow",
        /// An item of a batch.
        Batch = "batch",
        /// The rest of an answer that was cut.
        Continuation = "continuation",
        /// Answered from the response cache: costs nothing, and its baseline cost is what it saved.
        Cached = "cached",
    }
);

words!(
    /// What a cost is based on.
    Basis, "basis", {
        /// The vendor reported its usage.
        Reported = "reported",
        /// The vendor stated the cost itself.
        Stated = "stated",
        /// Our own count of what was delivered.
        Estimate = "estimate",
        /// Nothing is known: the upper bound is charged until it is reconciled.
        Unknown = "unknown",
    }
);

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// With a whole answer.
    Answered,
    /// With an error of this kind.
    Failed(Kind),
    /// The caller gave up.
    Cancelled,
    /// The answer broke off.
    Cut,
}

impl Ending {
    /// The stable name: `answered`, `cancelled`, `cut`, or the error's kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Ending::Answered => "answered",
            Ending::Failed(kind) => kind.as_str(),
            Ending::Cancelled => "cancelled",
            Ending::Cut => "cut",
        }
    }

    /// Whether the attempt failed; a caller who gave up is no failure.
    pub const fn is_failure(self) -> bool {
        matches!(self, Ending::Failed(_) | Ending::Cut)
    }
}

/// One line of a charge: so many units of a class and what they cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChargeLine {
    /// What was billed: `input`, `cached_read`, `output` ...
    pub class: Cow<'static, str>,
    /// How many units.
    pub quantity: u64,
    /// What they cost, rounded up to a pico-dollar.
    pub cost: Usd,
}

/// What is known of an attempt before it is made: budgets, rates and reports choose by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The model that is asked.
    pub model: ModelId,
    /// Who serves it.
    pub vendor: VendorId,
    /// Where.
    pub endpoint: EndpointId,
    /// The model's tier.
    pub tier: Tier,
    /// Why the attempt is made.
    pub purpose: Purpose,
    /// The name of the caller's key, where a server hands out keys; never the key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The request's tags.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub tags: Tags,
}

fn is_empty(tags: &Tags) -> bool {
    tags.is_empty()
}

/// Sets aside the most that an attempt can cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// The attempt, and the key that makes this entry idempotent.
    pub attempt: AttemptId,
    /// The request it belongs to.
    pub request: RequestId,
    /// When.
    pub at: Timestamp,
    /// What is asked, where and why.
    pub facts: Facts,
    /// The most it can cost.
    pub amount: Usd,
    /// The most tokens it can use, prompt and answer.
    pub tokens_max: u64,
    /// The model against which savings are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ModelId>,
}

/// Ends a reservation at what the attempt cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// The attempt.
    pub attempt: AttemptId,
    /// When.
    pub at: Timestamp,
    /// What it cost. Above the reservation it is recorded in full and flagged.
    pub cost: Usd,
    /// What the cost is made of.
    pub lines: Vec<ChargeLine>,
    /// What was used.
    pub usage: Usage,
    /// What the cost is based on.
    pub basis: Basis,
    /// How the attempt ended.
    pub ending: Ending,
    /// From the request sent to the end of the answer.
    pub latency: Span,
    /// To the first piece of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<Span>,
    /// What the same answer would have cost on the baseline model; nothing for attempts that the baseline would not
    /// have made, such as retries and checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_cost: Option<Usd>,
}

/// Ends a reservation of which no byte was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Void {
    /// The attempt.
    pub attempt: AttemptId,
    /// When.
    pub at: Timestamp,
    /// Why nothing was sent, in a line.
    pub why: String,
}

/// An ending of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It cost something, or may have.
    Settle(Box<Settle>),
    /// Nothing was sent.
    Void(Void),
}

/// One line of the journal. The set is complete: a new kind of entry is a new format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A reservation was made.
    Reserve(Arc<Reserve>),
    /// It was settled.
    Settle(Arc<Settle>),
    /// It was voided.
    Void(Void),
    /// Its owner died: it stays charged in full until it is reconciled.
    Unknown {
        /// The attempt.
        attempt: AttemptId,
        /// When that was found.
        at: Timestamp,
    },
}

impl Entry {
    /// The attempt that the entry is about.
    pub fn attempt(&self) -> &AttemptId {
        match self {
            Entry::Reserve(entry) => &entry.attempt,
            Entry::Settle(entry) => &entry.attempt,
            Entry::Void(entry) => &entry.attempt,
            Entry::Unknown { attempt, .. } => attempt,
        }
    }
}

/// What has become of a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is held.
    Open,
    /// It was settled.
    Settled(Arc<Settle>),
    /// It was voided.
    Voided(Void),
    /// Its owner died; it is held until it is reconciled.
    Unknown {
        /// When that was found.
        at: Timestamp,
    },
}

/// One attempt in the account: its reservation and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its place in the store's order, rising, unique in the store.
    pub seq: u64,
    /// The reservation.
    pub reserve: Arc<Reserve>,
    /// What became of it.
    pub fate: Fate,
}

/// That an entry was written, and what to know about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// It cost or used more than was reserved. It is recorded in full: the vendor has the money.
    pub overrun: bool,
    /// The very same entry was there already; nothing was written.
    pub duplicate: bool,
    /// Budgets that reached a mark by this entry.
    pub alerts: Vec<Alert>,
}

impl Posted {
    /// The answer to an entry that was there already.
    pub fn duplicate() -> Posted {
        Posted { duplicate: true, ..Posted::default() }
    }
}

/// The earliest and latest times that a calendar holds: years -9999 and 9999, less a margin for zones.
const AT_MS: std::ops::RangeInclusive<i64> = -377_000_000_000_000..=253_000_000_000_000;

fn check_at(at: Timestamp) -> Result<(), LedgerError> {
    match AT_MS.contains(&at.ms()) {
        true => Ok(()),
        false => Err(LedgerError::invalid("its time is outside the calendar: use milliseconds since 1970")),
    }
}

fn check_amount(amount: Usd, what: &'static str) -> Result<(), LedgerError> {
    match amount.is_negative() {
        true => Err(LedgerError::invalid(format!("its {what} is below zero"))),
        false => Ok(()),
    }
}

fn check_text(text: &str, what: &str, most: usize) -> Result<(), LedgerError> {
    if text.len() > most {
        return Err(LedgerError::invalid(format!("its {what} is longer than {most} bytes")));
    }
    match text.contains('\0') {
        true => Err(LedgerError::invalid(format!("its {what} holds a NUL"))),
        false => Ok(()),
    }
}

impl Reserve {
    /// Whether the entry may be written at all.
    ///
    /// # Errors
    /// `Invalid` for a negative amount, a time outside the calendar, tags beyond the bounds.
    pub fn check(&self) -> Result<(), LedgerError> {
        check_at(self.at)?;
        check_amount(self.amount, "amount")?;
        if self.tokens_max > i64::MAX as u64 {
            return Err(LedgerError::invalid("its tokens are beyond any context window"));
        }
        if self.facts.purpose == Purpose::Cached && (self.amount, self.tokens_max) != (Usd::ZERO, 0) {
            return Err(LedgerError::invalid(
                "an answer from a cache costs nothing: reserve no money and no tokens for it",
            ));
        }
        if self.facts.tags.len() > TAGS_MAX {
            return Err(LedgerError::invalid(format!("it has more than {TAGS_MAX} tags")));
        }
        for (name, value) in self.facts.tags.iter() {
            check_text(name, "tag's name", TAG_BYTES_MAX)?;
            check_text(value, "tag's value", TAG_BYTES_MAX)?;
        }
        self.facts.key.as_deref().map_or(Ok(()), |key| check_text(key, "key's name", TAG_BYTES_MAX))
    }
}

impl Settle {
    /// Whether the entry may be written at all.
    ///
    /// # Errors
    /// `Invalid` for a negative cost, a time outside the calendar, more charge lines than there are classes.
    pub fn check(&self) -> Result<(), LedgerError> {
        check_at(self.at)?;
        check_amount(self.cost, "cost")?;
        check_amount(self.baseline_cost.unwrap_or_default(), "baseline cost")?;
        if self.latency.max(self.first_token.unwrap_or_default()).ms() > i64::MAX as u64 {
            return Err(LedgerError::invalid("its latency is beyond any clock"));
        }
        match self.lines.len() > CHARGE_LINES_MAX {
            true => Err(LedgerError::invalid(format!("it has more than {CHARGE_LINES_MAX} charge lines"))),
            false => Ok(()),
        }
    }

    /// Tokens that were used, prompt and answer, as far as they are known.
    pub fn tokens(&self) -> u64 {
        let tokens = self.usage.input.unwrap_or(0).saturating_add(self.usage.output.unwrap_or(0));
        tokens.min(i64::MAX as u64)
    }
}

impl Void {
    /// Whether the entry may be written at all.
    ///
    /// # Errors
    /// `Invalid` for a time outside the calendar or a long reason.
    pub fn check(&self) -> Result<(), LedgerError> {
        check_at(self.at)?;
        check_text(&self.why, "reason", LEDGER_TEXT_BYTES_MAX)
    }
}

impl End {
    /// The attempt that ends.
    pub fn attempt(&self) -> &AttemptId {
        match self {
            End::Settle(entry) => &entry.attempt,
            End::Void(entry) => &entry.attempt,
        }
    }

    /// Whether the entry may be written at all.
    ///
    /// # Errors
    /// As `Settle::check` and `Void::check`.
    pub fn check(&self) -> Result<(), LedgerError> {
        match self {
            End::Settle(entry) => entry.check(),
            End::Void(entry) => entry.check(),
        }
    }
}

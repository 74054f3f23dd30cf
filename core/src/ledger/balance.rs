//! What a budget has spent and set aside, in its own unit.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ledger::Limit;
use crate::money::Usd;
use crate::time::Timestamp;

/// Which balance: of one budget, for one user or team where it keeps several, in one window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BalanceKey {
    /// The budget's name.
    pub budget: String,
    /// `user=ann`, or empty where the budget keeps one balance.
    pub scope: String,
    /// The start of the window, or of a part of a rolling one.
    pub bucket: Timestamp,
}

/// Sums in the budget's unit: pico-dollars, tokens or attempts. Wide enough for any sum of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Settled.
    pub posted: i128,
    /// Reserved and not yet ended.
    pub held: i128,
    /// Attempts of which a share may be taken; zero for other limits.
    pub base: i128,
}

impl Balance {
    /// What counts against the limit.
    pub fn used(&self) -> i128 {
        self.posted + self.held
    }

    /// Adds another balance.
    pub fn add(&mut self, other: &Balance) {
        self.posted += other.posted;
        self.held += other.held;
        self.base += other.base;
    }

    /// Whether nothing is in it.
    pub fn is_zero(&self) -> bool {
        *self == Balance::default()
    }
}

/// So much of what a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Amount {
    /// Money; held at the largest amount where a sum is beyond it.
    Usd(Usd),
    /// Tokens.
    Tokens(u64),
    /// Attempts.
    Requests(u64),
}

impl Amount {
    /// An amount in the unit of a limit; below zero it is zero, since nothing is left.
    pub(crate) fn of(limit: &Limit, units: i128) -> Amount {
        let units = units.max(0);
        let count = u64::try_from(units).unwrap_or(u64::MAX);
        match limit {
            Limit::Money(_) => Amount::Usd(Usd::try_from_pico(units).unwrap_or(Usd::MAX)),
            Limit::Tokens(_) => Amount::Tokens(count),
            Limit::Requests(_) | Limit::Share(_) => Amount::Requests(count),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Usd(amount) => f.write_str(&amount.short()),
            Amount::Tokens(count) => write!(f, "{count} tokens"),
            Amount::Requests(count) => write!(f, "{count} requests"),
        }
    }
}

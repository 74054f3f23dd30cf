//! Leases: parts of budgets that a store may spend without asking the server.
//!
//! On the server a lease counts as used from the moment it is granted, so that what all stores may spend together never
//! passes the limit, whatever their clocks show and however they end. Here it is what is left of it. What was drawn and
//! is not on the server yet is in flight: the server's lease is what is left and what is in flight together, so that it
//! covers, at every moment, whatever this store has answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ledger::{Enforce, Limit, Reserve, Rules};
use crate::store::tally::Tally;
use crate::time::Timestamp;

/// Which balance: the budget's row, the scope, the start of the bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) budget: i64,
    pub(super) scope: Arc<str>,
    pub(super) bucket_ms: i64,
}

/// Whether parts of a budget can be leased: a hard limit over a fixed window that tells nobody of marks on the way.
pub(super) fn is_leasable(budget: &crate::ledger::Budget) -> bool {
    budget.enforce == Enforce::Refuse
        && budget.alert_at.is_empty()
        && !budget.window.is_rolling()
        && !matches!(budget.limit, Limit::Share(_))
}

/// The rules in force and what is left of the leases under them.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<Left>);

#[derive(Debug, Default)]
pub(super) struct Left {
    tally: Tally,
    budget_ids: Vec<i64>,
    left: HashMap<Key, Lease>,
    /// What may no longer be drawn and is still to be returned.
    revoked: HashMap<Key, i128>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    units: i128,
    /// Whether something was drawn since it was last looked at.
    is_drawn: bool,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts rules in force, and takes back all that is left.
    pub(super) fn begin(&self, rules: Rules, budget_ids: Vec<i64>) {
        *self.lock() = Left { tally: Tally::new(rules), budget_ids, ..Left::default() };
    }

    /// The balances that an attempt draws on, where all of them can be leased; `None` where the server must judge.
    pub(super) fn needs(&self, reserve: &Reserve) -> Option<Vec<(Key, i128)>> {
        self.lock().needs(reserve)
    }

    /// The balances that an attempt draws on and that can be leased, whoever judges it.
    pub(super) fn keys(&self, reserve: &Reserve) -> Vec<Key> {
        self.lock().keys(reserve)
    }

    /// Draws an attempt's bound from the leases, or nothing where one of them does not do.
    pub(super) fn draw(&self, reserve: &Reserve) -> bool {
        let mut inner = self.lock();
        let Some(needs) = inner.needs(reserve) else { return false };
        let has = |(key, units): &(Key, i128)| inner.left.get(key).is_some_and(|lease| lease.units >= *units);
        if !needs.iter().all(has) {
            return false;
        }
        for (key, units) in needs {
            let lease = inner.left.get_mut(&key).expect("it was looked at");
            lease.units -= units;
            lease.is_drawn = true;
        }
        true
    }

    /// Takes what is left of a lease: nothing can be drawn from it until more is given.
    pub(super) fn take(&self, key: &Key) -> i128 {
        let mut inner = self.lock();
        inner.left.remove(key).map_or(0, |lease| lease.units) + inner.revoked.remove(key).unwrap_or(0)
    }

    /// Lets nothing more be drawn for attempts like this one, whose cost was above its bound: the limit may be passed, and
    /// only the server knows.
    pub(super) fn revoke(&self, reserve: &Reserve) {
        let mut inner = self.lock();
        for key in inner.keys(reserve) {
            if let Some(lease) = inner.left.remove(&key) {
                *inner.revoked.entry(key).or_default() += lease.units;
            }
        }
    }

    /// Adds to what is left.
    pub(super) fn give(&self, key: Key, units: i128) {
        let mut inner = self.lock();
        let lease = inner.left.entry(key).or_default();
        lease.units += units;
        lease.is_drawn = true;
    }

    /// Takes all that nobody drew on since the last call, or all where `everything` is asked for.
    pub(super) fn idle(&self, everything: bool) -> Vec<(Key, i128)> {
        let mut inner = self.lock();
        let mut idle: Vec<(Key, i128)> = inner.revoked.drain().collect();
        inner.left.retain(|key, lease| {
            let stays = !everything && std::mem::take(&mut lease.is_drawn);
            if !stays {
                idle.push((key.clone(), lease.units));
            }
            stays
        });
        idle
    }
}

impl Left {
    fn needs(&mut self, reserve: &Reserve) -> Option<Vec<(Key, i128)>> {
        if !self.tally.rate_needs(reserve).is_empty() {
            return None;
        }
        let all = self.tally.needs(reserve);
        all.into_iter().map(|need| self.leasable(need, reserve)).collect()
    }

    fn keys(&mut self, reserve: &Reserve) -> Vec<Key> {
        let all = self.tally.needs(reserve);
        all.into_iter().filter_map(|need| self.leasable(need, reserve)).map(|(key, _)| key).collect()
    }

    /// The balance and what is drawn of it, where it can be leased.
    fn leasable(&self, need: (usize, String, Timestamp, Timestamp), reserve: &Reserve) -> Option<(Key, i128)> {
        let (at, scope, bucket, _) = need;
        let budget = &self.tally.rules().budgets()[at];
        let key = Key { budget: self.budget_ids[at], scope: scope.into(), bucket_ms: bucket.ms() };
        is_leasable(budget).then(|| (key, budget.limit.held_by(reserve)))
    }
}

/// How much of a budget to lease: a part of the limit, or a few of what is asked for where that is more, but never
/// more than a quarter of what is free, so that others find something too, and the last of it is shared out by the server.
pub(super) fn grant(limit: i128, free: i128, asked: i128, part: u16) -> i128 {
    let slice = (limit * i128::from(part) / 1_000).max(asked * 16);
    slice.min(free / 4).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_leaves_three_quarters_of_what_is_free() {
        assert_eq!(grant(1_000_000, 1_000_000, 10, 10), 10_000);
        assert_eq!(grant(1_000_000, 20_000, 10, 10), 5_000);
        assert_eq!(grant(1_000_000, 3, 10, 10), 0);
        assert_eq!(grant(1_000_000, -7, 10, 10), 0);
        assert_eq!(grant(1_000, 1_000, 10, 10), 160);
    }
}

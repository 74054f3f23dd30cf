//! One transaction's worth of entries, judged: pure, on what was read under lock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::lease::Key;
use crate::id::AttemptId;
use crate::ledger::{Balance, End, Fate, LedgerError, Posted, Reserve, Row, Running, Settle, Void, conflict, ended};
use crate::store::tally::{Change, Delta, Tally};
use crate::time::Timestamp;

/// An entry to write.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Judged here.
    Reserve(Arc<Reserve>),
    /// Within a lease: it was answered already, and is not judged again.
    Granted(Arc<Reserve>),
    End(End),
}

impl Work {
    pub(super) fn attempt(&self) -> &AttemptId {
        match self {
            Work::Reserve(entry) | Work::Granted(entry) => &entry.attempt,
            Work::End(end) => end.attempt(),
        }
    }
}

/// An attempt as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) seq: i64,
    pub(super) reserve: Arc<Reserve>,
    pub(super) fate: Fate,
}

impl From<Row> for Seen {
    fn from(row: Row) -> Seen {
        Seen { seq: row.seq as i64, reserve: row.reserve, fate: row.fate }
    }
}

/// What a batch writes.
pub(super) struct Batch {
    pub(super) tally: Tally,
    pub(super) budget_ids: Vec<i64>,
    pub(super) seen: HashMap<AttemptId, Seen>,
    /// Entries whose commit was lost on its way: where they are there, they are this store's own.
    pub(super) own: HashSet<(AttemptId, bool)>,
    /// Numbers for new entries, greatest first.
    pub(super) seqs: Vec<i64>,
    pub(super) reservations: Vec<(i64, Arc<Reserve>)>,
    pub(super) endings: Vec<(i64, i64, End)>,
    pub(super) deltas: BTreeMap<Key, Balance>,
    /// Where a key's balance is in the tally.
    pub(super) places: HashMap<Key, (usize, Timestamp)>,
    pub(super) rates: BTreeSet<(usize, String)>,
    pub(super) sums: Running,
    /// What this store's own leases are on the server.
    pub(super) leased: HashMap<Key, i128>,
    /// What granted reservations drew from leases.
    pub(super) drawn: HashMap<Key, i128>,
    /// Balances that reservations which were judged here draw on: their store may want more of them.
    pub(super) wanted: BTreeMap<Key, i128>,
}

impl Batch {
    pub(super) fn new(tally: Tally, budget_ids: Vec<i64>) -> Batch {
        Batch {
            tally,
            budget_ids,
            seen: HashMap::new(),
            own: HashSet::new(),
            seqs: Vec::new(),
            reservations: Vec::new(),
            endings: Vec::new(),
            deltas: BTreeMap::new(),
            places: HashMap::new(),
            rates: BTreeSet::new(),
            sums: Running::default(),
            leased: HashMap::new(),
            drawn: HashMap::new(),
            wanted: BTreeMap::new(),
        }
    }

    /// Judges an entry, and takes it into what is written.
    pub(super) fn take(&mut self, work: &Work) -> Result<Posted, LedgerError> {
        match work {
            Work::Reserve(entry) => self.reserve(entry, false),
            Work::Granted(entry) => self.reserve(entry, true),
            Work::End(End::Settle(entry)) => self.settle(entry),
            Work::End(End::Void(entry)) => self.void(entry),
        }
    }

    fn seq(&mut self) -> i64 {
        self.seqs.pop().expect("each entry has a number set aside")
    }

    fn answer_again(&self, attempt: &AttemptId, is_end: bool) -> Posted {
        match self.own.contains(&(attempt.clone(), is_end)) {
            true => Posted::default(),
            false => Posted::duplicate(),
        }
    }

    fn reserve(&mut self, entry: &Arc<Reserve>, is_granted: bool) -> Result<Posted, LedgerError> {
        entry.check()?;
        match self.seen.get(&entry.attempt) {
            Some(seen) if seen.reserve == *entry => {
                if is_granted {
                    self.release(entry);
                }
                return Ok(self.answer_again(&entry.attempt, false));
            }
            Some(_) => return Err(conflict(&entry.attempt, "reservation")),
            None => {}
        }
        let alerts = if is_granted { Vec::new() } else { self.tally.admit(entry)? };
        let seq = self.seq();
        for (key, by) in self.change(entry, Change::Hold) {
            match is_granted {
                true => self.draw(key, by.held),
                false => *self.wanted.entry(key).or_default() += by.held,
            }
        }
        self.reservations.push((seq, entry.clone()));
        self.seen.insert(entry.attempt.clone(), Seen { seq, reserve: entry.clone(), fate: Fate::Open });
        Ok(Posted { alerts, ..Posted::default() })
    }

    /// Moves a part of a lease to what is held: the two together count as before.
    fn draw(&mut self, key: Key, units: i128) {
        if let Some(leased) = self.leased.get_mut(&key) {
            let (budget, bucket) = self.places[&key];
            let mut balance = self.tally.balance(budget, &key.scope, bucket);
            let moved = units.min(*leased);
            *leased -= moved;
            balance.held -= moved;
            self.tally.put(budget, &key.scope, bucket, balance);
        }
        *self.drawn.entry(key).or_default() += units;
    }

    /// A granted reservation that is there already draws on no lease any more.
    fn release(&mut self, entry: &Reserve) {
        for (at, scope, bucket, _) in self.tally.needs(entry) {
            let key = Key { budget: self.budget_ids[at], scope: scope.into(), bucket_ms: bucket.ms() };
            let units = self.tally.rules().budgets()[at].limit.held_by(entry);
            *self.drawn.entry(key).or_default() += units;
        }
    }

    fn open(&self, attempt: &AttemptId) -> Result<Seen, LedgerError> {
        let seen = self.seen.get(attempt).cloned();
        seen.ok_or_else(|| LedgerError::NoReservation { attempt: attempt.clone() })
    }

    fn settle(&mut self, entry: &Settle) -> Result<Posted, LedgerError> {
        entry.check()?;
        let seen = self.open(&entry.attempt)?;
        let overrun = seen.reserve.is_overrun_by(entry);
        match &seen.fate {
            Fate::Settled(before) if **before == *entry => {
                let again = self.answer_again(&entry.attempt, true);
                // Who reached a mark with it can't be told any more: the answer to its transaction was lost.
                let alerts = if again.duplicate { Vec::new() } else { self.tally.reached(&seen.reserve) };
                return Ok(Posted { overrun: overrun && !again.duplicate, alerts, ..again });
            }
            Fate::Settled(_) => return Err(conflict(&entry.attempt, "settlement")),
            Fate::Voided(_) => return Err(ended(&entry.attempt, "voided")),
            Fate::Open | Fate::Unknown { .. } => {}
        }
        let alerts = self.tally.alerts_of(&seen.reserve, entry);
        self.change(&seen.reserve, Change::Post(entry));
        self.sums.settle(&seen.reserve, entry);
        self.end(seen, End::Settle(Box::new(entry.clone())), Fate::Settled(Arc::new(entry.clone())));
        Ok(Posted { overrun, duplicate: false, alerts })
    }

    fn void(&mut self, entry: &Void) -> Result<Posted, LedgerError> {
        entry.check()?;
        let seen = self.open(&entry.attempt)?;
        match &seen.fate {
            Fate::Voided(before) if before == entry => return Ok(self.answer_again(&entry.attempt, true)),
            Fate::Voided(_) => return Err(conflict(&entry.attempt, "void")),
            Fate::Settled(_) => return Err(ended(&entry.attempt, "settled")),
            Fate::Open | Fate::Unknown { .. } => {}
        }
        self.change(&seen.reserve, Change::Release);
        self.sums.void(&seen.reserve);
        self.end(seen, End::Void(entry.clone()), Fate::Voided(entry.clone()));
        Ok(Posted::default())
    }

    fn end(&mut self, seen: Seen, end: End, fate: Fate) {
        let seq = self.seq();
        self.endings.push((seq, seen.seq, end));
        self.seen.insert(seen.reserve.attempt.clone(), Seen { fate, ..seen });
    }

    fn change(&mut self, reserve: &Reserve, change: Change<'_>) -> Vec<(Key, Balance)> {
        let mut changed = Vec::new();
        let Batch { tally, budget_ids, deltas, places, .. } = self;
        tally.change(reserve, change, |Delta { budget, scope, bucket, by }| {
            let key = Key { budget: budget_ids[budget], scope: scope.into(), bucket_ms: bucket.ms() };
            deltas.entry(key.clone()).or_default().add(&by);
            places.insert(key.clone(), (budget, bucket));
            changed.push((key, by));
        });
        self.rates.extend(self.tally.rate_needs(reserve));
        changed
    }
}

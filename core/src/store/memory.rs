//! The ledger in memory: for tests, for short programs, and where nothing need outlive the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::tally::{Change, Tally};
use super::{Note, Page, Shelf, Store, Stretch};
use crate::id::AttemptId;
use crate::ledger::{
    Balance, BalanceKey, End, Entry, Fate, LedgerError, Posted, Reserve, Rollup, Row, Rules, Scope, Settle, Standing,
    Void, conflict, ended, hour_of,
};
use crate::time::Timestamp;

/// A ledger in memory. It keeps every entry until it is dropped: about a kilobyte an attempt.
#[derive(Debug)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
    opened_by: u32,
}

#[derive(Debug, Default)]
struct Inner {
    tally: Tally,
    journal: Vec<Entry>,
    rows: Vec<Row>,
    places: HashMap<AttemptId, usize>,
    notes: BTreeMap<String, Note>,
    failed: Option<LedgerError>,
    is_closed: bool,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new(Rules::default())
    }
}

impl MemoryStore {
    /// An empty ledger under these rules.
    pub fn new(rules: Rules) -> MemoryStore {
        let inner = Inner { tally: Tally::new(rules), ..Inner::default() };
        MemoryStore { inner: Mutex::new(inner), opened_by: std::process::id() }
    }

    /// Sets aside the most that an attempt can cost, without a future.
    ///
    /// # Errors
    /// As `Store::reserve`.
    pub fn reserve_now(&self, entry: Reserve) -> Result<Posted, LedgerError> {
        self.open()?.reserve(entry)
    }

    /// Ends a reservation, without a future.
    ///
    /// # Errors
    /// As `Store::settle`.
    pub fn settle_now(&self, entry: Settle) -> Result<Posted, LedgerError> {
        self.open()?.settle(entry)
    }

    /// Ends a reservation of which no byte was sent, without a future.
    ///
    /// # Errors
    /// As `Store::void`.
    pub fn void_now(&self, entry: Void) -> Result<Posted, LedgerError> {
        self.open()?.void(entry)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is made whole before anything can panic, but for the assertions on money: then nothing goes on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Inner>, LedgerError> {
        super::same_process(self.opened_by)?;
        let inner = self.lock();
        if inner.is_closed { Err(LedgerError::Closed) } else { Ok(inner) }
    }
}

impl Inner {
    fn reserve(&mut self, entry: Reserve) -> Result<Posted, LedgerError> {
        entry.check()?;
        if let Some(place) = self.places.get(&entry.attempt) {
            return match *self.rows[*place].reserve == entry {
                true => Ok(Posted::duplicate()),
                false => Err(conflict(&entry.attempt, "reservation")),
            };
        }
        let alerts = self.tally.admit(&entry)?;
        self.tally.change(&entry, Change::Hold, &mut Vec::new());
        self.places.insert(entry.attempt.clone(), self.rows.len());
        let reserve = Arc::new(entry);
        self.rows.push(Row { seq: self.rows.len() as u64 + 1, reserve: reserve.clone(), fate: Fate::Open });
        self.journal.push(Entry::Reserve(reserve));
        Ok(Posted { alerts, ..Posted::default() })
    }

    fn settle(&mut self, entry: Settle) -> Result<Posted, LedgerError> {
        entry.check()?;
        let row = self.row(&entry.attempt)?;
        match &row.fate {
            Fate::Settled(before) if **before == entry => return Ok(Posted::duplicate()),
            Fate::Settled(_) => return Err(conflict(&entry.attempt, "settlement")),
            Fate::Voided(_) => return Err(ended(&entry.attempt, "voided")),
            Fate::Open | Fate::Unknown { .. } => {}
        }
        let entry = Arc::new(entry);
        row.fate = Fate::Settled(entry.clone());
        let reserve = row.reserve.clone();
        let alerts = self.tally.alerts_of(&reserve, &entry);
        self.tally.change(&reserve, Change::Post(&entry), &mut Vec::new());
        let overrun = reserve.is_overrun_by(&entry);
        self.journal.push(Entry::Settle(entry));
        Ok(Posted { overrun, duplicate: false, alerts })
    }

    fn void(&mut self, entry: Void) -> Result<Posted, LedgerError> {
        entry.check()?;
        let row = self.row(&entry.attempt)?;
        match &row.fate {
            Fate::Voided(before) if *before == entry => return Ok(Posted::duplicate()),
            Fate::Voided(_) => return Err(conflict(&entry.attempt, "void")),
            Fate::Settled(_) => return Err(ended(&entry.attempt, "settled")),
            Fate::Open | Fate::Unknown { .. } => {}
        }
        row.fate = Fate::Voided(entry.clone());
        let reserve = row.reserve.clone();
        self.tally.change(&reserve, Change::Release, &mut Vec::new());
        self.journal.push(Entry::Void(entry));
        Ok(Posted::default())
    }

    fn row(&mut self, attempt: &AttemptId) -> Result<&mut Row, LedgerError> {
        match self.places.get(attempt) {
            Some(place) => Ok(&mut self.rows[*place]),
            None => Err(LedgerError::NoReservation { attempt: attempt.clone() }),
        }
    }
}

#[async_trait]
impl Shelf for MemoryStore {
    async fn put(&self, name: &str, revision: u64, text: String) -> Result<bool, LedgerError> {
        let mut inner = self.open()?;
        if inner.notes.get(name).map_or(0, |note| note.revision) != revision {
            return Ok(false);
        }
        let note = Note { name: name.to_owned(), revision: revision + 1, text };
        inner.notes.insert(name.to_owned(), note);
        Ok(true)
    }

    async fn get(&self, name: &str) -> Result<Option<Note>, LedgerError> {
        Ok(self.open()?.notes.get(name).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Note>, LedgerError> {
        let inner = self.open()?;
        let from = inner.notes.range(prefix.to_owned()..);
        Ok(from.take_while(|(name, _)| name.starts_with(prefix)).map(|(_, note)| note.clone()).collect())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn reserve(&self, entry: Reserve) -> Result<Posted, LedgerError> {
        self.reserve_now(entry)
    }

    async fn settle(&self, entry: Settle) -> Result<Posted, LedgerError> {
        self.settle_now(entry)
    }

    async fn void(&self, entry: Void) -> Result<Posted, LedgerError> {
        self.void_now(entry)
    }

    fn end_detached(&self, end: End) {
        let ended = self.open().and_then(|mut inner| match end {
            End::Settle(entry) => inner.settle(*entry),
            End::Void(entry) => inner.void(entry),
        });
        if let Err(error) = ended {
            self.lock().failed.get_or_insert(error);
        }
    }

    fn standing(&self, scope: &Scope, at: Timestamp) -> Standing {
        self.lock().tally.standing(scope, at)
    }

    fn is_unlimited(&self) -> bool {
        self.lock().tally.rules().budgets().is_empty()
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), LedgerError> {
        let mut inner = self.open()?;
        let mut tally = Tally::new(rules);
        for row in &inner.rows {
            tally.change(&row.reserve, Change::Hold, &mut Vec::new());
            match &row.fate {
                Fate::Settled(settle) => tally.change(&row.reserve, Change::Post(settle), &mut Vec::new()),
                Fate::Voided(_) => tally.change(&row.reserve, Change::Release, &mut Vec::new()),
                Fate::Open | Fate::Unknown { .. } => {}
            }
        }
        inner.tally = tally;
        Ok(())
    }

    async fn rows(&self, page: Page) -> Result<Vec<Row>, LedgerError> {
        let inner = self.open()?;
        let first = usize::try_from(page.after).unwrap_or(usize::MAX).min(inner.rows.len());
        Ok(inner.rows[first..].iter().filter(|row| page.takes(row)).take(page.limit).cloned().collect())
    }

    async fn row(&self, attempt: &AttemptId) -> Result<Option<Row>, LedgerError> {
        let inner = self.open()?;
        Ok(inner.places.get(attempt).map(|place| inner.rows[*place].clone()))
    }

    async fn journal(&self, skip: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        let inner = self.open()?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        Ok(inner.journal.iter().skip(skip).take(limit).cloned().collect())
    }

    async fn balances(&self) -> Result<BTreeMap<BalanceKey, Balance>, LedgerError> {
        Ok(self.open()?.tally.balances())
    }

    async fn rollup(&self, stretch: Stretch) -> Result<Rollup, LedgerError> {
        let rows = self.open()?.rows.clone();
        let mut rollup = Rollup::default();
        rows.iter().filter(|row| stretch.has(hour_of(row.reserve.at))).for_each(|row| rollup.row(row));
        rollup.tags.retain(|key, _| stretch.tags.contains(&key.name));
        Ok(rollup)
    }

    fn shelf(&self) -> Option<&dyn Shelf> {
        Some(self)
    }

    async fn close(&self) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        inner.is_closed = true;
        inner.failed.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Budget, Facts, Limit, Purpose, Window};
    use crate::usage::Usage;

    fn reserve(attempt: &str, usd: &str) -> Reserve {
        let facts = Facts {
            model: "deepseek/deepseek-chat".parse().unwrap(),
            vendor: "deepseek".parse().unwrap(),
            endpoint: "deepseek".parse().unwrap(),
            tier: crate::model::Tier::Economy,
            purpose: Purpose::First,
            key: None,
            tags: Default::default(),
        };
        Reserve {
            attempt: attempt.parse().unwrap(),
            request: "r".parse().unwrap(),
            at: Timestamp::from_ms(1_700_000_000_000),
            facts,
            amount: usd.parse().unwrap(),
            tokens_max: 1_000,
            baseline: None,
        }
    }

    fn settle(attempt: &str, usd: &str) -> Settle {
        Settle {
            attempt: attempt.parse().unwrap(),
            at: Timestamp::from_ms(1_700_000_001_000),
            cost: usd.parse().unwrap(),
            lines: Vec::new(),
            usage: Usage::of(10, 20),
            basis: crate::ledger::Basis::Reported,
            ending: crate::ledger::Ending::Answered,
            latency: crate::time::Span::from_ms(900),
            first_token: None,
            baseline_cost: None,
        }
    }

    #[test]
    fn a_budget_refuses_before_spending_and_takes_what_was_freed() {
        let budget = Budget::new("team", Limit::Money("1".parse().unwrap()), Window::utc(crate::ledger::Frame::Day));
        let store = MemoryStore::new(Rules::new(vec![budget], Vec::new()).unwrap());
        assert!(!store.reserve_now(reserve("a", "0.7")).unwrap().duplicate);
        assert!(store.reserve_now(reserve("a", "0.7")).unwrap().duplicate);
        assert!(matches!(store.reserve_now(reserve("a", "0.6")), Err(LedgerError::Conflict { .. })));
        let refused = store.reserve_now(reserve("b", "0.4")).unwrap_err().to_string();
        assert!(refused.contains("budget 'team' has $0.3000 of $1.00 left and $0.4000 was asked for"), "{refused}");
        assert!(!store.settle_now(settle("a", "0.1")).unwrap().overrun);
        store.reserve_now(reserve("b", "0.4")).unwrap();
        assert!(store.settle_now(settle("b", "0.5")).unwrap().overrun);
        assert_eq!(
            store.standing(&Scope::default(), Timestamp::from_ms(1_700_000_002_000)).headroom[0].left,
            "0.4".parse().unwrap()
        );
    }
}

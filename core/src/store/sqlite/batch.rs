//! One transaction's worth of entries: judged in memory, written to the tables, and the balances after them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::codec::{self, join, split};
use super::failure;
use crate::id::AttemptId;
use crate::ledger::{
    Balance, End, Fate, LedgerError, Posted, RateState, Reserve, Row, Running, Settle, Void, conflict, ended,
};
use crate::store::tally::{Change, Tally};
use crate::time::Timestamp;

/// How far the oldest open reservation moves on before that is written down. What is written is a bound, below which no
/// search need look, so that a page less is written with each transaction.
const OLDEST_STEP: i64 = 1_000;

/// What the writer knows of the tables beside the balances.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Rows of `budgets`, by position in the rules.
    pub(super) budget_ids: Vec<i64>,
    /// Balances that were read, and from which bucket on.
    loaded: HashMap<(usize, String), Timestamp>,
    rates_loaded: HashSet<(usize, String)>,
    /// Reservations of this process that are open: their rows.
    open: HashMap<AttemptId, (i64, Arc<Reserve>)>,
    open_seqs: BTreeSet<i64>,
    pub(super) owner: i64,
    /// What the table of owners says of the oldest that may be open.
    pub(super) oldest_written: i64,
    pub(super) seq: i64,
}

impl Known {
    /// Forgets what another process may have changed.
    pub(super) fn forget(&mut self) {
        self.loaded.clear();
        self.rates_loaded.clear();
    }

    /// Reads a scope's balances from a bucket on, where they are not remembered.
    pub(super) fn read_balances(
        &mut self,
        connection: &Connection,
        tally: &mut Tally,
        budget: usize,
        scope: String,
        first: Timestamp,
    ) -> rusqlite::Result<()> {
        let key = (budget, scope);
        if self.loaded.get(&key).is_some_and(|from| *from <= first) {
            return Ok(());
        }
        let mut select = connection.prepare_cached(
            "SELECT bucket_ms, posted_hi, posted_lo, held_hi, held_lo, base FROM balances
             WHERE budget = ?1 AND scope = ?2 AND bucket_ms >= ?3",
        )?;
        let mut rows = select.query(params![self.budget_ids[budget], key.1, first.ms()])?;
        while let Some(row) = rows.next()? {
            tally.load(budget, &key.1, Timestamp::from_ms(row.get(0)?), balance_of(row, 1)?);
        }
        self.loaded.insert(key, first);
        Ok(())
    }

    /// Reads again what this process has open, after a transaction that failed.
    pub(super) fn reopen(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.open.clear();
        let sql = "SELECT oldest_open FROM owners WHERE id = ?1";
        let oldest = connection.query_row(sql, [self.owner], |row| row.get(0))?;
        self.oldest_written = oldest;
        self.open_seqs = super::open::open_of(connection, self.owner, oldest)?.into_iter().collect();
        Ok(())
    }

    /// How many balances are remembered.
    pub(super) fn size(&self) -> usize {
        self.loaded.len()
    }

    /// The oldest reservation of this process that may be open.
    pub(super) fn oldest_open(&self) -> i64 {
        self.open_seqs.first().copied().unwrap_or(self.seq + 1)
    }
}

/// A transaction in the making.
pub(super) struct Batch<'a> {
    pub(super) connection: &'a Connection,
    pub(super) place: &'a Path,
    pub(super) tally: &'a mut Tally,
    pub(super) known: &'a mut Known,
    dirty: HashSet<(usize, String, Timestamp)>,
    rates: HashSet<(usize, String)>,
    sums: Running,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        place: &'a Path,
        tally: &'a mut Tally,
        known: &'a mut Known,
    ) -> Batch<'a> {
        Batch {
            connection,
            place,
            tally,
            known,
            dirty: HashSet::new(),
            rates: HashSet::new(),
            sums: Running::default(),
        }
    }

    fn fail(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> LedgerError + use<'a> {
        let place = self.place;
        move |error| failure::sqlite(place, doing, &error)
    }

    pub(super) fn reserve(&mut self, entry: Reserve) -> Result<Posted, LedgerError> {
        let write = self.fail("writing a reservation");
        entry.check()?;
        self.load(&entry).map_err(&write)?;
        let alerts = match self.tally.admit(&entry) {
            Ok(alerts) => alerts,
            // Only what is new is judged: a reservation that was written before is answered as such.
            Err(refused) => return self.same(&entry)?.ok_or(refused),
        };
        let seq = self.known.seq + 1;
        if !codec::insert_reserve(self.connection, seq, self.known.owner, &entry).map_err(&write)? {
            self.tally.give_back(&entry, 1, entry.tokens_max);
            return self.same(&entry).map(|same| same.expect("the id is taken"));
        }
        self.known.seq = seq;
        self.change(&entry, Change::Hold);
        self.known.open_seqs.insert(seq);
        self.known.open.insert(entry.attempt.clone(), (seq, Arc::new(entry)));
        Ok(Posted { alerts, ..Posted::default() })
    }

    fn same(&self, entry: &Reserve) -> Result<Option<Posted>, LedgerError> {
        match self.find(&entry.attempt)? {
            None => Ok(None),
            Some(row) if *row.reserve == *entry => Ok(Some(Posted::duplicate())),
            Some(_) => Err(conflict(&entry.attempt, "reservation")),
        }
    }

    pub(super) fn settle(&mut self, entry: Settle) -> Result<Posted, LedgerError> {
        entry.check()?;
        let write = self.fail("writing a settlement");
        let (reservation, reserve) = self.reservation(&entry.attempt)?;
        if !codec::insert_settle(self.connection, self.known.seq + 1, reservation, &entry).map_err(&write)? {
            self.forget(&entry.attempt, reservation);
            return match self.find(&entry.attempt)?.map(|row| row.fate) {
                Some(Fate::Settled(before)) if *before == entry => Ok(Posted::duplicate()),
                Some(Fate::Settled(_)) => Err(conflict(&entry.attempt, "settlement")),
                _ => Err(ended(&entry.attempt, "voided")),
            };
        }
        self.known.seq += 1;
        self.load(&reserve).map_err(&write)?;
        let alerts = self.tally.alerts_of(&reserve, &entry);
        self.change(&reserve, Change::Post(&entry));
        self.sums.settle(&reserve, &entry);
        self.forget(&entry.attempt, reservation);
        Ok(Posted { overrun: reserve.is_overrun_by(&entry), duplicate: false, alerts })
    }

    pub(super) fn void(&mut self, entry: Void) -> Result<Posted, LedgerError> {
        entry.check()?;
        let write = self.fail("writing a void");
        let (reservation, reserve) = self.reservation(&entry.attempt)?;
        if !codec::insert_void(self.connection, self.known.seq + 1, reservation, &entry).map_err(&write)? {
            self.forget(&entry.attempt, reservation);
            return match self.find(&entry.attempt)?.map(|row| row.fate) {
                Some(Fate::Voided(before)) if before == entry => Ok(Posted::duplicate()),
                Some(Fate::Voided(_)) => Err(conflict(&entry.attempt, "void")),
                _ => Err(ended(&entry.attempt, "settled")),
            };
        }
        self.known.seq += 1;
        self.load(&reserve).map_err(&write)?;
        self.change(&reserve, Change::Release);
        self.sums.void(&reserve);
        self.forget(&entry.attempt, reservation);
        Ok(Posted::default())
    }

    pub(super) fn end(&mut self, end: End) -> Result<Posted, LedgerError> {
        match end {
            End::Settle(entry) => self.settle(*entry),
            End::Void(entry) => self.void(entry),
        }
    }

    fn change(&mut self, reserve: &Reserve, change: Change<'_>) {
        let dirty = &mut self.dirty;
        self.tally.change(reserve, change, |delta| {
            dirty.insert((delta.budget, delta.scope.to_owned(), delta.bucket));
        });
        self.rates.extend(self.tally.rate_needs(reserve));
    }

    fn forget(&mut self, attempt: &AttemptId, reservation: i64) {
        self.known.open.remove(attempt);
        self.known.open_seqs.remove(&reservation);
    }

    fn reservation(&self, attempt: &AttemptId) -> Result<(i64, Arc<Reserve>), LedgerError> {
        if let Some((seq, reserve)) = self.known.open.get(attempt) {
            return Ok((*seq, reserve.clone()));
        }
        match self.find(attempt)? {
            Some(row) => Ok((row.seq as i64, row.reserve)),
            None => Err(LedgerError::NoReservation { attempt: attempt.clone() }),
        }
    }

    fn find(&self, attempt: &AttemptId) -> Result<Option<Row>, LedgerError> {
        codec::find(self.connection, attempt).map_err(self.fail("reading an attempt"))
    }

    /// Reads the balances and rates that an attempt draws on, where they are not remembered.
    fn load(&mut self, reserve: &Reserve) -> rusqlite::Result<()> {
        if self.tally.rules().is_empty() {
            return Ok(());
        }
        for (budget, scope, _, first) in self.tally.needs(reserve) {
            self.known.read_balances(self.connection, self.tally, budget, scope, first)?;
        }
        for (rate, scope) in self.tally.rate_needs(reserve) {
            if !self.known.rates_loaded.insert((rate, scope.clone())) {
                continue;
            }
            let name = &self.tally.rules().rates()[rate].name;
            let mut select = self
                .connection
                .prepare_cached("SELECT requests_full_ns, tokens_full_ns FROM rates WHERE name = ?1 AND scope = ?2")?;
            let mut rows = select.query(params![name, scope])?;
            if let Some(row) = rows.next()? {
                let state = RateState { requests_full_ns: row.get(0)?, tokens_full_ns: row.get(1)? };
                drop(rows);
                self.tally.load_rate(rate, &scope, state);
            }
        }
        Ok(())
    }

    /// Writes what the entries changed beside the journal.
    pub(super) fn finish(self) -> rusqlite::Result<()> {
        for (budget, scope, bucket) in &self.dirty {
            let balance = self.tally.balance(*budget, scope, *bucket);
            put_balance(self.connection, self.known.budget_ids[*budget], scope, *bucket, &balance)?;
        }
        for (rate, scope) in &self.rates {
            if let Some(state) = self.tally.rate(*rate, scope) {
                self.connection.prepare_cached("INSERT OR REPLACE INTO rates VALUES (?1, ?2, ?3, ?4)")?.execute(
                    params![
                        self.tally.rules().rates()[*rate].name,
                        scope,
                        state.requests_full_ns,
                        state.tokens_full_ns
                    ],
                )?;
            }
        }
        super::sums::write(self.connection, &self.sums.rollup())?;
        let oldest = self.known.oldest_open();
        if oldest - self.known.oldest_written >= OLDEST_STEP {
            self.connection
                .prepare_cached("UPDATE owners SET oldest_open = ?2 WHERE id = ?1")?
                .execute(params![self.known.owner, oldest])?;
            self.known.oldest_written = oldest;
        }
        Ok(())
    }
}

/// A balance from its five columns.
pub(super) fn balance_of(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Balance> {
    Ok(Balance {
        posted: join(row.get(from)?, row.get(from + 1)?),
        held: join(row.get(from + 2)?, row.get(from + 3)?),
        base: i128::from(row.get::<_, i64>(from + 4)?),
    })
}

/// Writes a balance as it stands.
pub(super) fn put_balance(
    connection: &Connection,
    budget: i64,
    scope: &str,
    bucket: Timestamp,
    balance: &Balance,
) -> rusqlite::Result<()> {
    let (posted, held) = (split(balance.posted), split(balance.held));
    let base = i64::try_from(balance.base).expect("attempts are counted in 63 bits");
    connection
        .prepare_cached("INSERT OR REPLACE INTO balances VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![budget, scope, bucket.ms(), posted.0, posted.1, held.0, held.1, base])?;
    Ok(())
}

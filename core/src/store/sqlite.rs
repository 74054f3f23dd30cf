//! The ledger in a SQLite file: what was acknowledged is on disk, and processes may share the file.
//!
//! One thread writes. It takes all entries that wait, judges and writes them in one transaction, and answers them after
//! one sync of the disk, so that many callers share its cost. Processes take turns by a lock file, since SQLite's own
//! busy handler starves all but one. Ten thousand attempts a second are far below its limit; see `docs/benchmarks.md`.
//!
//! The tables and views may be read with any SQLite client, at any time; `docs/ledger.md` describes them. The file may
//! not be written by others, nor lie on a network file system, where locks do not hold.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, params};
use tokio::sync::oneshot;

use super::listener::answer;
use super::tally::Tally;
use super::{Listener, Listeners, Only, Page, Shelf, Store, Stretch, same_process};
use crate::id::AttemptId;
use crate::ledger::{
    Balance, BalanceKey, End, Entry, LedgerError, Posted, Reserve, Rollup, Row, Rules, Scope, Settle, Standing, Void,
};
use crate::time::Timestamp;

mod batch;
mod codec;
mod failure;
mod notes;
mod open;
mod owner;
mod sums;
mod writer;

use writer::Command;

/// How far a commit is on disk when it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Synced: nothing acknowledged is lost, even where the power fails.
    #[default]
    Full,
    /// Handed to the system: a process that dies loses nothing, a power cut may lose the last entries, never tear one.
    Normal,
}

/// A ledger in a SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    commands: Sender<Command>,
    tally: Arc<Mutex<Tally>>,
    listeners: Arc<Listeners>,
    opened_by: u32,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the ledger in this file, or makes one. Open reservations of processes that died become unknown: they stay
    /// charged until they are reconciled.
    ///
    /// # Errors
    /// `Denied`, `Full`, `Io`; `Corrupt` where the file holds something else; `TooNew`.
    pub fn open(path: impl Into<PathBuf>, rules: Rules) -> Result<SqliteStore, LedgerError> {
        SqliteStore::open_with(path, rules, Durability::Full)
    }

    /// The same with a choice of durability.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(
        path: impl Into<PathBuf>,
        rules: Rules,
        durability: Durability,
    ) -> Result<SqliteStore, LedgerError> {
        let path = path.into();
        let tally = Arc::new(Mutex::new(Tally::new(rules.clone())));
        let listeners = Arc::new(Listeners::default());
        let writer = writer::Writer::open(&path, rules, durability, tally.clone(), listeners.clone())?;
        let (commands, waiting) = mpsc::channel();
        std::thread::Builder::new()
            .name("tierway-ledger".to_owned())
            .spawn(move || writer.run(&waiting))
            .map_err(|error| failure::system(&path, "starting the thread that writes", &error))?;
        Ok(SqliteStore { path, commands, tally, listeners, opened_by: std::process::id() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves a command to the writer.
    fn order<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, LedgerError>>) -> Command,
    ) -> Result<oneshot::Receiver<Result<T, LedgerError>>, LedgerError> {
        same_process(self.opened_by)?;
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).map_err(|_| LedgerError::Closed)?;
        Ok(answered)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, LedgerError>>) -> Command,
    ) -> Result<T, LedgerError> {
        self.order(command)?.await.map_err(|_| LedgerError::Closed)?
    }

    async fn write(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<Posted, LedgerError>>) -> Command,
    ) -> Result<Posted, LedgerError> {
        answer::wait(self.order(command)?, &self.listeners).await
    }

    /// Reads on a thread and a connection of its own, so that a long report holds up nobody.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        same_process(self.opened_by)?;
        let (answer, answered) = oneshot::channel();
        let path = self.path.clone();
        let work = move || {
            let outcome = reader(&path).and_then(|connection| read(&connection));
            // Nobody may be waiting any more.
            let _ = answer.send(outcome.map_err(|error| failure::sqlite(&path, doing, &error)));
        };
        std::thread::Builder::new()
            .name("tierway-read".to_owned())
            .spawn(work)
            .map_err(|error| failure::system(&self.path, doing, &error))?;
        answered.await.map_err(|_| LedgerError::Closed)?
    }
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch("PRAGMA query_only = 1")?;
    Ok(connection)
}

#[async_trait]
impl Store for SqliteStore {
    async fn reserve(&self, entry: Reserve) -> Result<Posted, LedgerError> {
        self.write(|answer| Command::Reserve(entry, answer)).await
    }

    async fn settle(&self, entry: Settle) -> Result<Posted, LedgerError> {
        self.write(|answer| Command::End(End::Settle(Box::new(entry)), answer)).await
    }

    async fn void(&self, entry: Void) -> Result<Posted, LedgerError> {
        self.write(|answer| Command::End(End::Void(entry), answer)).await
    }

    fn end_detached(&self, end: End) {
        if same_process(self.opened_by).is_ok() {
            // After `close` the reservation stays, and becomes unknown at the next start: charged, never lost.
            let _ = self.commands.send(Command::Detached(end));
        }
    }

    fn standing(&self, scope: &Scope, at: Timestamp) -> Standing {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).standing(scope, at)
    }

    fn is_unlimited(&self) -> bool {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).rules().budgets().is_empty()
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), LedgerError> {
        self.ask(|answer| Command::Rules(rules, answer)).await
    }

    async fn rows(&self, page: Page) -> Result<Vec<Row>, LedgerError> {
        self.read("reading attempts", move |connection| rows(connection, &page)).await
    }

    async fn row(&self, attempt: &AttemptId) -> Result<Option<Row>, LedgerError> {
        let attempt = attempt.clone();
        self.read("reading an attempt", move |connection| codec::find(connection, &attempt)).await
    }

    async fn journal(&self, skip: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        self.read("reading the journal", move |connection| codec::journal(connection, skip, limit)).await
    }

    async fn balances(&self) -> Result<BTreeMap<BalanceKey, Balance>, LedgerError> {
        let rules = self.tally.lock().unwrap_or_else(PoisonError::into_inner).rules().clone();
        self.read("reading balances", move |connection| balances(connection, &rules)).await
    }

    async fn rollup(&self, stretch: Stretch) -> Result<Rollup, LedgerError> {
        self.read("reading sums", move |connection| {
            connection.execute_batch("BEGIN")?;
            sums::read(connection, &stretch)
        })
        .await
    }

    fn shelf(&self) -> Option<&dyn Shelf> {
        Some(self)
    }

    fn listen(&self, listener: Listener) {
        self.listeners.add(listener);
    }

    async fn flush(&self) -> Result<(), LedgerError> {
        self.ask(Command::Flush).await
    }

    async fn close(&self) -> Result<(), LedgerError> {
        match self.ask(Command::Close).await {
            Err(LedgerError::Closed) => Ok(()),
            other => other,
        }
    }
}

fn rows(connection: &Connection, page: &Page) -> rusqlite::Result<Vec<Row>> {
    let held = "r.seq IN (SELECT reservation FROM endings WHERE kind = 'unknown'
        UNION SELECT seq FROM reservations WHERE seq >= (SELECT MIN(oldest_open) FROM owners)) AND e.seq IS NULL";
    let only = match page.only {
        Only::All => "1",
        Only::Held => held,
        Only::Unknown => "r.seq IN (SELECT reservation FROM endings WHERE kind = 'unknown') AND e.seq IS NULL",
    };
    let sql = codec::select_rows()
        + &format!("WHERE r.seq > ?1 AND r.at_ms >= ?2 AND r.at_ms < ?3 AND {only} ORDER BY r.seq LIMIT ?4");
    let mut select = connection.prepare(&sql)?;
    let bounds = params![
        i64::try_from(page.after).unwrap_or(i64::MAX),
        page.since.map_or(i64::MIN, Timestamp::ms),
        page.until.map_or(i64::MAX, Timestamp::ms),
        i64::try_from(page.limit).unwrap_or(i64::MAX)
    ];
    select.query_map(bounds, codec::row_of)?.collect()
}

fn balances(connection: &Connection, rules: &Rules) -> rusqlite::Result<BTreeMap<BalanceKey, Balance>> {
    let mut all = BTreeMap::new();
    for budget in rules.budgets() {
        let mut select = connection.prepare_cached(
            "SELECT a.scope, a.bucket_ms, a.posted_hi, a.posted_lo, a.held_hi, a.held_lo, a.base
             FROM balances a JOIN budgets b ON b.id = a.budget WHERE b.name = ?1 AND b.definition = ?2",
        )?;
        let mut rows = select.query([&budget.name, &budget.definition()])?;
        while let Some(row) = rows.next()? {
            let (scope, bucket) = (row.get(0)?, Timestamp::from_ms(row.get(1)?));
            let balance = batch::balance_of(row, 2)?;
            if !balance.is_zero() {
                all.insert(BalanceKey { budget: budget.name.clone(), scope, bucket }, balance);
            }
        }
    }
    Ok(all)
}

//! The thread that writes: all entries that wait, in one transaction, answered after one sync.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::batch::{Batch, Known};
use super::notes::{self, Writing};
use super::owner::{Owner, Turn, Turns};
use super::{Durability, failure, open};
use crate::clock::{Clock, SystemClock};
use crate::ledger::{End, LedgerError, Posted, Reserve, Rules};
use crate::store::Listeners;
use crate::store::listener::answer;
use crate::store::tally::Tally;
use crate::time::Timestamp;

/// Most entries in one transaction: enough to share a sync among, few enough to answer within milliseconds.
const BATCH_MAX: usize = 512;
/// Most balances that are remembered between transactions.
const REMEMBERED_MAX: usize = 100_000;

/// How long a turn may last where other processes write too: what they wrote is read again once a turn, not once a
/// transaction, and three others still write within some 15 ms.
const TURN_MAX: Duration = Duration::from_millis(4);
/// How long a turn waits for entries that follow on those just answered: callers wake within a tenth of this.
const LINGER: Duration = Duration::from_micros(300);
/// How long after a disk that failed what was kept is tried again, where nothing else is written before.
const RETRY: Duration = Duration::from_secs(1);

type Answer<T> = oneshot::Sender<Result<T, LedgerError>>;

/// What the writer is asked to do. The queue is bounded by those who wait for an answer and by open reservations.
pub(super) enum Command {
    Reserve(Reserve, Answer<Posted>),
    End(End, Answer<Posted>),
    Detached(End),
    Rules(Rules, Answer<()>),
    Note(Writing, Answer<bool>),
    Flush(Answer<()>),
    Close(Answer<()>),
}

/// An entry to write.
enum Work {
    Reserve(Reserve),
    End(End),
}

pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    turns: Arc<Turns>,
    tally: Arc<Mutex<Tally>>,
    known: Known,
    /// SQLite's number of the file's contents: another number means that another process wrote.
    version: Option<i64>,
    /// Whether a transaction failed, so that what is open must be read again.
    is_torn: bool,
    listeners: Arc<Listeners>,
    /// The turn under way, where it is kept for what may follow at once.
    turn: Option<Turn>,
    /// Whether another process wrote before this turn.
    is_shared: bool,
    /// Endings that nobody waits for and that the disk did not take yet.
    kept: Vec<End>,
    /// What it said the last time.
    refused: Option<LedgerError>,
    failed: Option<LedgerError>,
    _owner: Owner,
}

impl Writer {
    pub(super) fn open(
        path: &Path,
        rules: Rules,
        durability: Durability,
        tally: Arc<Mutex<Tally>>,
        listeners: Arc<Listeners>,
    ) -> Result<Writer, LedgerError> {
        let turns = Arc::new(Turns::open(path)?);
        let turn = turns.take()?;
        let connection = open::connect(path, durability)?;
        let owner = Owner::new(path)?;
        let mut known = Known::default();
        let fail = |error: rusqlite::Error| failure::sqlite(path, "opening the ledger", &error);
        open::take_over(&connection, path, &owner, &mut known, SystemClock.now()).map_err(fail)?;
        known.budget_ids = open::adopt(&connection, &rules).map_err(fail)?;
        load_plain(&connection, &mut known, &mut lock(&tally), SystemClock.now()).map_err(fail)?;
        drop(turn);
        let path = path.to_owned();
        Ok(Writer {
            path,
            connection,
            turns,
            tally,
            known,
            version: None,
            is_torn: false,
            listeners,
            turn: None,
            is_shared: false,
            kept: Vec::new(),
            refused: None,
            failed: None,
            _owner: owner,
        })
    }

    /// Works until the store is closed or dropped.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        let mut waiting = Vec::new();
        while let Some(first) = self.next(commands) {
            waiting.push(first);
            while waiting.len() < BATCH_MAX
                && let Ok(next) = commands.try_recv()
            {
                waiting.push(next);
            }
            let mut entries = Vec::new();
            for command in waiting.drain(..) {
                match command {
                    Command::Reserve(entry, answer) => entries.push((Work::Reserve(entry), Some(answer))),
                    Command::End(end, answer) => entries.push((Work::End(end), Some(answer))),
                    Command::Detached(end) => entries.push((Work::End(end), None)),
                    Command::Rules(rules, answer) => {
                        self.write(std::mem::take(&mut entries));
                        // Who asked may have gone away.
                        let _ = answer.send(self.in_turn(|writer| writer.adopt(rules)));
                    }
                    Command::Note(writing, answer) => {
                        self.write(std::mem::take(&mut entries));
                        let _ = answer.send(self.in_turn(|writer| writer.note(&writing)));
                    }
                    Command::Flush(answer) => {
                        self.write(std::mem::take(&mut entries));
                        let _ = answer.send(self.unwritten());
                    }
                    Command::Close(answer) => {
                        self.write(std::mem::take(&mut entries));
                        let failed = self.failed.take().or_else(|| self.unwritten().err());
                        // The file and its locks are let go before the answer: who closes may open again at once.
                        drop(self);
                        let _ = answer.send(failed.map_or(Ok(()), Err));
                        return;
                    }
                }
            }
            self.write(entries);
        }
    }

    /// That endings are kept which the disk has not taken.
    fn unwritten(&self) -> Result<(), LedgerError> {
        self.refused.clone().filter(|_| !self.kept.is_empty()).map_or(Ok(()), Err)
    }

    /// The next command, once there is one; none after the store was dropped. A turn that nothing follows on ends.
    fn next(&mut self, commands: &Receiver<Command>) -> Option<Command> {
        if self.turn.as_ref().is_some_and(|turn| turn.since.elapsed() < TURN_MAX) {
            match commands.recv_timeout(LINGER) {
                Ok(command) => return Some(command),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.turn = None;
        while !self.kept.is_empty() {
            match commands.recv_timeout(RETRY) {
                Ok(command) => return Some(command),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.write(Vec::new()),
            }
        }
        commands.recv().ok()
    }

    /// Runs in this process's turn, and keeps the turn where others write too and entries may follow at once.
    fn in_turn<T>(&mut self, work: impl FnOnce(&mut Writer) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        if self.turn.is_none() {
            self.turn = Some(self.turns.take()?);
            self.is_shared = false;
        }
        let done = work(self);
        if done.is_err() || !self.is_shared {
            self.turn = None;
        }
        done
    }

    /// Writes what was kept, and then entries. The two apart: what cannot be written is not to keep others from it.
    fn write(&mut self, entries: Vec<(Work, Option<Answer<Posted>>)>) {
        let kept: Vec<_> = std::mem::take(&mut self.kept).into_iter().map(|end| (Work::End(end), None)).collect();
        if !kept.is_empty() {
            self.refused = None;
            self.write_together(kept);
        }
        if !entries.is_empty() {
            self.write_together(entries);
        }
    }

    /// Writes entries in one transaction and answers them. Where it fails none is written: all who wait are told, and what
    /// nobody waits for is kept.
    fn write_together(&mut self, entries: Vec<(Work, Option<Answer<Posted>>)>) {
        let detached: Vec<End> = entries.iter().filter_map(detached).collect();
        let (works, answers): (Vec<Work>, Vec<_>) = entries.into_iter().unzip();
        let results = match self.in_turn(|writer| writer.transact(works)) {
            Ok(results) => results,
            Err(error) => {
                self.kept.extend(detached);
                answers.into_iter().flatten().for_each(|answer| drop(answer.send(Err(error.clone()))));
                self.refused = Some(error);
                return;
            }
        };
        for (answer, result) in answers.into_iter().zip(results) {
            match (answer, result) {
                (Some(answer), result) => answer::give(answer, result, &self.listeners),
                (None, Err(error)) => drop(self.failed.get_or_insert(error)),
                (None, Ok(posted)) => self.listeners.tell(posted.alerts),
            }
        }
    }

    fn transact(&mut self, works: Vec<Work>) -> Result<Vec<Result<Posted, LedgerError>>, LedgerError> {
        let path = self.path.clone();
        let fail = |doing| {
            let path = &path;
            move |error: rusqlite::Error| failure::sqlite(path, doing, &error)
        };
        run(&self.connection, "BEGIN IMMEDIATE").map_err(fail("starting to write"))?;
        let applied = self.apply(works).and_then(|results| {
            run(&self.connection, "COMMIT").map_err(fail("committing entries"))?;
            Ok(results)
        });
        if applied.is_err() {
            // Where SQLite has rolled back by itself, it answers that there is no transaction: just as well.
            let _ = self.connection.execute_batch("ROLLBACK");
            self.version = None;
            self.is_torn = true;
        }
        applied
    }

    fn apply(&mut self, works: Vec<Work>) -> Result<Vec<Result<Posted, LedgerError>>, LedgerError> {
        let fail = |error: rusqlite::Error| failure::sqlite(&self.path, "writing entries", &error);
        let mut tally = lock(&self.tally);
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut ask| ask.query_row([], |row| row.get(0)));
        let version = Some(version.map_err(fail)?);
        self.is_shared |= self.version.is_some() && version != self.version;
        if version != self.version || self.known.size() > REMEMBERED_MAX {
            self.known.forget();
            *tally = Tally::new(tally.rules().clone());
            self.known.seq = open::last_seq(&self.connection).map_err(fail)?;
            load_plain(&self.connection, &mut self.known, &mut tally, SystemClock.now()).map_err(fail)?;
            if std::mem::take(&mut self.is_torn) {
                self.known.reopen(&self.connection).map_err(fail)?;
            }
            self.version = version;
        }
        let mut batch = Batch::new(&self.connection, &self.path, &mut tally, &mut self.known);
        let mut results = Vec::with_capacity(works.len());
        for work in works {
            let result = match work {
                Work::Reserve(entry) => batch.reserve(entry),
                Work::End(end) => batch.end(end),
            };
            match result {
                Err(error) if is_fault(&error) => return Err(error),
                result => results.push(result),
            }
        }
        batch.finish().map_err(fail)?;
        Ok(results)
    }

    fn note(&mut self, writing: &Writing) -> Result<bool, LedgerError> {
        let fail = |error: rusqlite::Error| failure::sqlite(&self.path, "writing a note", &error);
        notes::write(&self.connection, writing).map_err(fail)
    }

    fn adopt(&mut self, rules: Rules) -> Result<(), LedgerError> {
        let fail = |error: rusqlite::Error| failure::sqlite(&self.path, "putting budgets in force", &error);
        self.known.budget_ids = open::adopt(&self.connection, &rules).map_err(fail)?;
        self.known.forget();
        let mut tally = lock(&self.tally);
        *tally = Tally::new(rules);
        load_plain(&self.connection, &mut self.known, &mut tally, SystemClock.now()).map_err(fail)
    }
}

/// Runs a statement that is prepared once, as those are by which entries are written.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute([])
}

/// An ending that nobody waits for.
fn detached(entry: &(Work, Option<Answer<Posted>>)) -> Option<End> {
    match entry {
        (Work::End(end), None) => Some(end.clone()),
        _ => None,
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the store itself failed, and not the entry.
fn is_fault(error: &LedgerError) -> bool {
    use LedgerError as E;
    matches!(error, E::Denied { .. } | E::Full { .. } | E::Io { .. } | E::Corrupt { .. } | E::TooNew { .. })
}

/// Reads what counts now of the budgets that keep one balance, so that decisions know it from the start.
fn load_plain(connection: &Connection, known: &mut Known, tally: &mut Tally, now: Timestamp) -> rusqlite::Result<()> {
    for at in 0..known.budget_ids.len() {
        let budget = &tally.rules().budgets()[at];
        if budget.per.is_empty() {
            let first = budget.window.counted(now).0;
            known.read_balances(connection, tally, at, String::new(), first)?;
        }
    }
    Ok(())
}

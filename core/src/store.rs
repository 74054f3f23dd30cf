//! Where the account is kept: the `Store` trait, and a store in memory. SQLite and PostgreSQL are behind features.
//!
//! Every store gives the promises of the trait, and `testing::store` checks them: run it against a store of your own.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::id::AttemptId;
use crate::ledger::{
    Balance, BalanceKey, End, Entry, LedgerError, Posted, Reserve, Rollup, Row, Rules, Scope, Settle, Standing, Void,
};
use crate::time::Timestamp;

mod listener;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod shelf;
#[cfg(feature = "sqlite")]
mod sqlite;
mod tally;

pub use listener::{Listener, Listeners};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{LeaseOptions, PostgresOptions, PostgresStore};
pub use shelf::{Note, Shelf};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, SqliteStore};

/// A ledger that is kept somewhere. All methods may be called at once from many tasks.
///
/// # Promises
/// - An entry that was answered `Ok` is kept: after a crash it is there, where the store is on disk.
/// - `reserve` succeeds only where `posted + held + amount <= limit` holds for every hard budget, at one instant for all
///   tasks, and for all processes where the store is shared. A refused entry leaves no trace.
/// - One attempt, one reservation, one ending. Writing the same entry again answers `duplicate` and has no effect;
///   the same id with other contents is `Conflict`.
/// - A settlement above its reservation is recorded in full and flagged `overrun`.
/// - Balances equal a replay of the journal.
/// - Dropping a future loses at most the answer: the entry is written whole or not at all.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Sets aside the most that an attempt can cost. Send only after this is answered.
    ///
    /// # Errors
    /// `OverBudget`, `OverRate`, `Conflict`, `Invalid`, or that the store failed: then nothing must be sent.
    async fn reserve(&self, entry: Reserve) -> Result<Posted, LedgerError>;

    /// Ends a reservation at what the attempt cost. A reservation that was marked unknown can be settled as well.
    ///
    /// # Errors
    /// `NoReservation`, `Conflict`, `AlreadyEnded`, `Invalid`, or that the store failed.
    async fn settle(&self, entry: Settle) -> Result<Posted, LedgerError>;

    /// Ends a reservation of which no byte was sent.
    ///
    /// # Errors
    /// As `settle`.
    async fn void(&self, entry: Void) -> Result<Posted, LedgerError>;

    /// Ends a reservation from a destructor: never blocks, and is written before `close` returns. A failure is
    /// reported by `close`.
    fn end_detached(&self, end: End);

    /// What a decision should know of the budgets: from memory, without waiting. In a store that processes share it
    /// may be a moment old; only `reserve` binds.
    fn standing(&self, scope: &Scope, at: Timestamp) -> Standing;

    /// Whether there are no budgets, so that a decision need not ask for their standing.
    fn is_unlimited(&self) -> bool;

    /// Puts other rules in force. Budgets that were not there before count what the journal holds.
    ///
    /// # Errors
    /// That the store failed.
    async fn set_rules(&self, rules: Rules) -> Result<(), LedgerError>;

    /// Attempts in the order of `seq`.
    ///
    /// # Errors
    /// That the store failed.
    async fn rows(&self, page: Page) -> Result<Vec<Row>, LedgerError>;

    /// The attempt of this id, if there is one.
    ///
    /// # Errors
    /// That the store failed.
    async fn row(&self, attempt: &AttemptId) -> Result<Option<Row>, LedgerError>;

    /// The journal, oldest first: the entries after the first `skip`, at most `limit`.
    ///
    /// # Errors
    /// That the store failed.
    async fn journal(&self, skip: u64, limit: usize) -> Result<Vec<Entry>, LedgerError>;

    /// Every balance that is not zero.
    ///
    /// # Errors
    /// That the store failed.
    async fn balances(&self) -> Result<BTreeMap<BalanceKey, Balance>, LedgerError>;

    /// Sums by hour of attempts that have ended.
    ///
    /// # Errors
    /// That the store failed.
    async fn rollup(&self, stretch: Stretch) -> Result<Rollup, LedgerError>;

    /// Where texts are kept beside the account; a store without one keeps no batches.
    fn shelf(&self) -> Option<&dyn Shelf> {
        None
    }

    /// Whom to tell of budgets that an entry brought to a mark whose answer nobody hears: an ending from a destructor, one
    /// that was kept while the store was out of reach, and an entry whose future was dropped. The answers of others carry
    /// theirs. Of several the first that is still there is told.
    fn listen(&self, listener: Listener);

    /// Waits until what was left to it before was written, or could not be; the listener was told of it by then.
    ///
    /// # Errors
    /// That the store failed; `close` says of what.
    async fn flush(&self) -> Result<(), LedgerError> {
        Ok(())
    }

    /// Writes what is queued and lets go. Reservations that are open stay open.
    ///
    /// # Errors
    /// The first failure of an ending from a destructor, or that the store failed.
    async fn close(&self) -> Result<(), LedgerError>;
}

/// Whether a ledger's place is a server's URL and not a file.
pub fn is_server(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"))
}

/// A ledger's place as it may be shown: a URL without its user and password.
pub fn shown(path: &Path) -> String {
    match path.to_str().filter(|_| is_server(path)) {
        #[cfg(feature = "postgres")]
        Some(url) => postgres::shown(url),
        #[cfg(not(feature = "postgres"))]
        Some(_) => "postgres://…".to_owned(),
        None => path.display().to_string(),
    }
}

fn open_server(url: &str, rules: Rules) -> Result<Arc<dyn Store>, LedgerError> {
    #[cfg(feature = "postgres")]
    return Ok(Arc::new(PostgresStore::open(url, rules)?));
    #[cfg(not(feature = "postgres"))]
    {
        let (doing, reason) = ("opening the ledger", "this build knows no server: turn on the feature `postgres`");
        drop(rules);
        Err(LedgerError::Io { place: shown(Path::new(url)), doing, reason: reason.to_owned() })
    }
}

/// Opens the ledger in this file, or at this `postgres://` URL; in memory for `:memory:` and where there is none.
///
/// # Errors
/// Where it cannot be opened, or this build does not know its format.
pub fn open(path: Option<&Path>, rules: Rules) -> Result<Arc<dyn Store>, LedgerError> {
    if let Some(url) = path.filter(|path| is_server(path)).and_then(Path::to_str) {
        return open_server(url, rules);
    }
    match path.filter(|path| path.as_os_str() != ":memory:") {
        None => Ok(Arc::new(MemoryStore::new(rules))),
        #[cfg(feature = "sqlite")]
        Some(path) => Ok(Arc::new(SqliteStore::open(path, rules)?)),
        #[cfg(not(feature = "sqlite"))]
        Some(path) => Err(LedgerError::Io {
            place: path.display().to_string(),
            doing: "opening the ledger",
            reason: "this build has no file format: turn on the feature `sqlite`".to_owned(),
        }),
    }
}

/// Which sums to read: whole hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Hours that start at this time or later.
    pub since: Option<Timestamp>,
    /// Hours that start before this time.
    pub until: Option<Timestamp>,
    /// Names of tags whose values are wanted.
    pub tags: Vec<String>,
}

impl Stretch {
    /// Whether an hour lies in it.
    pub fn has(&self, hour: Timestamp) -> bool {
        self.since.is_none_or(|since| hour >= since) && self.until.is_none_or(|until| hour < until)
    }
}

/// Which attempts to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Those with a greater `seq`.
    pub after: u64,
    /// Most to read.
    pub limit: usize,
    /// Those reserved at this time or later.
    pub since: Option<Timestamp>,
    /// Those reserved before this time.
    pub until: Option<Timestamp>,
    /// Whether only those that have not ended, or are unknown, are wanted.
    pub only: Only,
}

/// Which fates to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Only {
    /// All.
    #[default]
    All,
    /// Held: open or unknown.
    Held,
    /// Unknown.
    Unknown,
}

impl Default for Page {
    /// The first thousand.
    fn default() -> Page {
        Page { after: 0, limit: 1_000, since: None, until: None, only: Only::All }
    }
}

impl Page {
    /// Whether a row is wanted.
    pub fn takes(&self, row: &Row) -> bool {
        use crate::ledger::Fate;
        let is_held = matches!(row.fate, Fate::Open | Fate::Unknown { .. });
        let is_wanted = match self.only {
            Only::All => true,
            Only::Held => is_held,
            Only::Unknown => matches!(row.fate, Fate::Unknown { .. }),
        };
        is_wanted
            && row.seq > self.after
            && self.since.is_none_or(|since| row.reserve.at >= since)
            && self.until.is_none_or(|until| row.reserve.at < until)
    }
}

/// That this is the process that opened the store: a fork shares its files, locks and threads in name only.
fn same_process(opened_by: u32) -> Result<(), LedgerError> {
    let used_by = std::process::id();
    if used_by == opened_by { Ok(()) } else { Err(LedgerError::Forked { opened_by, used_by }) }
}

//! The ledger in PostgreSQL, for a fleet: every process that names the same database shares budgets, rates and account.
//!
//! Entries that wait are judged and written together, in one transaction of two round trips, whatever their number; what
//! an answer says is on the server's disk. Nothing is kept in the server's session, so a pooler may stand between, and a
//! connection that is lost is made again: ids make it safe to write an entry twice.
//!
//! With leases a process holds a part of each budget and answers from it: an entry is then synced to a file on its own
//! disk, and follows to the server. A lease counts as used until it is returned, so hard budgets hold to the last
//! pico-dollar whatever happens to processes, clocks and the network. `docs/ledger.md` describes all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio_postgres::types::Type;

use super::listener::answer;
use super::tally::Tally;
use super::{Listener, Listeners, Only, Page, Shelf, Store, Stretch, same_process};
use crate::id::AttemptId;
use crate::ledger::{
    Balance, BalanceKey, End, Entry, LedgerError, Posted, Reserve, Rollup, Row, Rules, Scope, Settle, Standing, Void,
};
use crate::time::Timestamp;

mod address;
mod batch;
mod codec;
mod failure;
mod front;
mod lease;
mod link;
mod migrate;
mod notes;
mod open;
mod spool;
mod start;
mod sums;
mod tend;
mod tls;
mod transact;
mod write;
mod writer;

pub(super) use address::shown;
use batch::Work;
use failure::Trouble;
use link::{Link, Server};
use writer::{Answer, Command, Item};

/// How a PostgreSQL ledger is used. The URL may say the same: see `docs/ledger.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Most time to connect in, log-in included.
    pub connect_max: Duration,
    /// Most time for one transaction.
    pub answer_max: Duration,
    /// How long an entry waits for a server that is away, before it is refused.
    pub patience: Duration,
    /// After so long without a sign of life a process is taken for dead, and what it left open is marked unknown.
    pub alive_max: Duration,
    /// Answers from leased parts of budgets; where it is left out the server judges every reservation.
    pub leases: Option<LeaseOptions>,
}

/// How budgets are leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOptions {
    /// A folder on a local disk that outlives the process: each store keeps a file of unshipped entries in it.
    pub folder: PathBuf,
    /// How much of a limit is leased at a time, in thousandths; near the limit it is less.
    pub thousandths: u16,
}

impl LeaseOptions {
    /// Leases of a hundredth of the limit.
    pub fn new(folder: impl Into<PathBuf>) -> LeaseOptions {
        LeaseOptions { folder: folder.into(), thousandths: 10 }
    }
}

impl Default for PostgresOptions {
    fn default() -> PostgresOptions {
        PostgresOptions {
            connect_max: Duration::from_secs(5),
            answer_max: Duration::from_secs(10),
            patience: Duration::from_secs(15),
            alive_max: Duration::from_secs(60),
            leases: None,
        }
    }
}

/// Where commands go: to the writer, or first to the thread that draws on leases.
enum Queue {
    Direct(UnboundedSender<Command>),
    Leased(Sender<Command>),
}

impl Queue {
    fn send(&self, command: Command) -> Result<(), LedgerError> {
        match self {
            Queue::Direct(queue) => queue.send(command).map_err(|_| LedgerError::Closed),
            Queue::Leased(queue) => queue.send(command).map_err(|_| LedgerError::Closed),
        }
    }
}

/// A ledger in PostgreSQL.
pub struct PostgresStore {
    server: Server,
    queue: Queue,
    handle: Handle,
    standing: Arc<Mutex<Tally>>,
    listeners: Arc<Listeners>,
    opened_by: u32,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.server.address.place).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Opens the ledger at this URL (`postgres://user@host:port/database?schema=…`), and makes its tables where there are
    /// none.
    ///
    /// # Errors
    /// `Invalid` for a URL that cannot be read; `Denied`, `Io`; `Corrupt` where the schema holds something else; `TooNew`.
    pub fn open(url: &str, rules: Rules) -> Result<PostgresStore, LedgerError> {
        let leases = address::lease_folder(url)?.map(LeaseOptions::new);
        PostgresStore::open_with(url, rules, PostgresOptions { leases, ..PostgresOptions::default() })
    }

    /// The same with other options; they go before what the URL says.
    ///
    /// # Errors
    /// As `open`; and where the folder of leased entries cannot be written.
    pub fn open_with(url: &str, rules: Rules, options: PostgresOptions) -> Result<PostgresStore, LedgerError> {
        let address = address::Address::parse(url, options.connect_max)?;
        let tls = tls::Tls::new(&address)?;
        let answer_max = options.answer_max;
        let server = Server { address, tls, answer_max, schema: String::new(), must_sync: false };
        let shared = start::Shared {
            standing: Arc::new(Mutex::new(Tally::new(rules.clone()))),
            shipped: Arc::new(AtomicU64::new(0)),
            listeners: Arc::new(Listeners::default()),
        };
        let start::Started { server, handle, queue } = start::start(server, rules, options, shared.clone())?;
        let start::Shared { standing, listeners, .. } = shared;
        Ok(PostgresStore { server, queue, handle, standing, listeners, opened_by: std::process::id() })
    }

    /// The server, the database and the schema; without user and password.
    pub fn place(&self) -> &str {
        &self.server.address.place
    }

    /// Leaves a command to the writer.
    fn order<T>(
        &self,
        command: impl FnOnce(Answer<T>) -> Command,
    ) -> Result<oneshot::Receiver<Result<T, LedgerError>>, LedgerError> {
        same_process(self.opened_by)?;
        let (answer, answered) = oneshot::channel();
        self.queue.send(command(answer))?;
        Ok(answered)
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, LedgerError> {
        self.order(command)?.await.map_err(|_| LedgerError::Closed)?
    }

    async fn write(&self, work: Work) -> Result<Posted, LedgerError> {
        let answered = self.order(|answer| Command::Write(Item { work, answer: Some(answer) }))?;
        answer::wait(answered, &self.listeners).await
    }

    /// Reads on a connection of its own, so that a long report holds up nobody. What was answered under a lease is
    /// written first.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        read: impl for<'a> FnOnce(&'a Link) -> BoxFuture<'a, Result<T, Trouble>> + Send + 'static,
    ) -> Result<T, LedgerError> {
        same_process(self.opened_by)?;
        if matches!(self.queue, Queue::Leased(_)) {
            match self.ask(Command::Flush).await {
                Ok(()) | Err(LedgerError::Closed) => {}
                Err(error) => return Err(error),
            }
        }
        let server = self.server.clone();
        let (answer, answered) = oneshot::channel();
        // Nobody may be waiting any more.
        self.handle.spawn(async move { drop(answer.send(server.read(doing, read).await)) });
        answered.await.map_err(|_| LedgerError::Closed)?
    }
}

#[async_trait]
impl Store for PostgresStore {
    // What may not be written at all never comes to the server, which knows no text with a NUL in it.
    async fn reserve(&self, entry: Reserve) -> Result<Posted, LedgerError> {
        entry.check()?;
        self.write(Work::Reserve(Arc::new(entry))).await
    }

    async fn settle(&self, entry: Settle) -> Result<Posted, LedgerError> {
        entry.check()?;
        self.write(Work::End(End::Settle(Box::new(entry)))).await
    }

    async fn void(&self, entry: Void) -> Result<Posted, LedgerError> {
        entry.check()?;
        self.write(Work::End(End::Void(entry))).await
    }

    fn end_detached(&self, end: End) {
        if same_process(self.opened_by).is_ok() {
            // After `close` the reservation stays, and becomes unknown: charged, never lost.
            drop(self.queue.send(Command::Write(Item { work: Work::End(end), answer: None })));
        }
    }

    fn standing(&self, scope: &Scope, at: Timestamp) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).standing(scope, at)
    }

    fn is_unlimited(&self) -> bool {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).rules().budgets().is_empty()
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), LedgerError> {
        self.ask(|answer| Command::Rules(rules, answer)).await
    }

    async fn rows(&self, page: Page) -> Result<Vec<Row>, LedgerError> {
        self.read("reading attempts", move |link| rows(link, page).boxed()).await
    }

    async fn row(&self, attempt: &AttemptId) -> Result<Option<Row>, LedgerError> {
        let attempt = attempt.clone();
        Ok(self.read("reading an attempt", move |link| found(link, attempt).boxed()).await?.into_iter().next())
    }

    async fn journal(&self, skip: u64, limit: usize) -> Result<Vec<Entry>, LedgerError> {
        self.read("reading the journal", move |link| codec::journal(link, skip, limit).boxed()).await
    }

    async fn balances(&self) -> Result<BTreeMap<BalanceKey, Balance>, LedgerError> {
        let rules = self.standing.lock().unwrap_or_else(PoisonError::into_inner).rules().clone();
        self.read("reading balances", move |link| balances(link, rules).boxed()).await
    }

    async fn rollup(&self, stretch: Stretch) -> Result<Rollup, LedgerError> {
        self.read("reading sums", move |link| summed(link, stretch).boxed()).await
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

async fn found(link: &Link, attempt: AttemptId) -> Result<Vec<Row>, Trouble> {
    codec::find(link, &[attempt.as_str()]).await
}

async fn summed(link: &Link, stretch: Stretch) -> Result<Rollup, Trouble> {
    sums::read(link, &stretch).await
}

async fn rows(link: &Link, page: Page) -> Result<Vec<Row>, Trouble> {
    let unknown = "r.seq IN (SELECT reservation FROM endings WHERE kind = 'unknown') AND e.seq IS NULL";
    let held = "e.seq IS NULL AND (r.seq >= (SELECT MIN(oldest_open) FROM owners)
         OR r.seq IN (SELECT reservation FROM endings WHERE kind = 'unknown'))";
    let only = match page.only {
        Only::All => "TRUE",
        Only::Held => held,
        Only::Unknown => unknown,
    };
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let (after, limit) = (number(page.after), number(page.limit as u64));
    let (since, until) = (page.since.map_or(i64::MIN, Timestamp::ms), page.until.map_or(i64::MAX, Timestamp::ms));
    let condition = format!("WHERE r.seq > $1 AND r.at_ms >= $2 AND r.at_ms < $3 AND {only} ORDER BY r.seq LIMIT $4");
    let params =
        [(&after as _, Type::INT8), (&since as _, Type::INT8), (&until as _, Type::INT8), (&limit as _, Type::INT8)];
    codec::rows(link, "reading attempts", &condition, &params).await
}

async fn balances(link: &Link, rules: Rules) -> Result<BTreeMap<BalanceKey, Balance>, Trouble> {
    let names: Vec<&str> = rules.budgets().iter().map(|budget| budget.name.as_str()).collect();
    let definitions: Vec<String> = rules.budgets().iter().map(crate::ledger::Budget::definition).collect();
    let sql = "SELECT b.name, a.scope, a.bucket_ms, a.posted::text, a.held::text, a.base::text
         FROM balances a JOIN budgets b ON b.id = a.budget
         JOIN unnest($1, $2) AS k (name, definition) ON k.name = b.name AND k.definition = b.definition";
    let params = [(&names as _, Type::TEXT_ARRAY), (&definitions as _, Type::TEXT_ARRAY)];
    let mut all = BTreeMap::new();
    for row in &link.query("reading balances", sql, &params).await? {
        let read = || -> Result<(BalanceKey, Balance), String> {
            let bucket = Timestamp::from_ms(codec::field(row, 2)?);
            let key = BalanceKey { budget: codec::field(row, 0)?, scope: codec::field(row, 1)?, bucket };
            let balance = Balance { posted: codec::sum(row, 3)?, held: codec::sum(row, 4)?, base: codec::sum(row, 5)? };
            Ok((key, balance))
        };
        let (key, balance) = read().map_err(|reason| link.corrupt(reason))?;
        if !balance.is_zero() {
            all.insert(key, balance);
        }
    }
    Ok(all)
}

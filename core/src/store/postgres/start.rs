//! Starts a store: a thread with a runtime of its own for the connection, and another for leases where there are any.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, mpsc};

use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::failure::Trouble;
use super::front::Front;
use super::lease::Leases;
use super::link::Server;
use super::spool::{self, Head, Spool};
use super::transact::Known;
use super::writer::{Command, Writer};
use super::{PostgresOptions, Queue, open, tend};
use crate::error::one_line;
use crate::ledger::{LedgerError, Rules};
use crate::store::Listeners;
use crate::store::tally::Tally;

/// What the store and its threads share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) standing: Arc<Mutex<Tally>>,
    /// How many of the entries that nobody waits for are on the server.
    pub(super) shipped: Arc<AtomicU64>,
    pub(super) listeners: Arc<Listeners>,
}

/// A store that runs.
pub(super) struct Started {
    pub(super) server: Server,
    pub(super) handle: Handle,
    pub(super) queue: Queue,
}

/// What the thread of the connection tells once it is ready.
struct Ready {
    server: Server,
    handle: Handle,
    spool: Option<Spool>,
    leases: Arc<Leases>,
}

fn system(place: &str, error: &std::io::Error) -> LedgerError {
    let doing = "starting the ledger's threads";
    LedgerError::Io { place: place.to_owned(), doing, reason: one_line(&error.to_string()) }
}

pub(super) fn start(
    server: Server,
    rules: Rules,
    options: PostgresOptions,
    shared: Shared,
) -> Result<Started, LedgerError> {
    let place = server.address.place.clone();
    let (commands, waiting) = unbounded_channel();
    let (ready, told) = mpsc::channel();
    let shipped = shared.shipped.clone();
    let work = move || connection(server, rules, &options, shared, waiting, &ready);
    std::thread::Builder::new()
        .name("tierway-ledger".to_owned())
        .spawn(work)
        .map_err(|error| system(&place, &error))?;
    let Ready { server, handle, spool, leases } = told.recv().unwrap_or(Err(LedgerError::Closed))?;
    let Some(spool) = spool else {
        return Ok(Started { server, handle, queue: Queue::Direct(commands) });
    };
    let front = Front::new(spool, leases, commands, shipped);
    let (commands, waiting) = mpsc::channel();
    std::thread::Builder::new()
        .name("tierway-leases".to_owned())
        .spawn(move || front.run(&waiting))
        .map_err(|error| system(&place, &error))?;
    Ok(Started { server, handle, queue: Queue::Leased(commands) })
}

/// The thread of the connection: makes it ready, tells so, and writes until the store is closed.
fn connection(
    server: Server,
    rules: Rules,
    options: &PostgresOptions,
    shared: Shared,
    commands: UnboundedReceiver<Command>,
    ready: &mpsc::Sender<Result<Ready, LedgerError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(system(&server.address.place, &error)))),
    };
    runtime.block_on(async {
        match prepare(server, rules, options, shared).await {
            Err(error) => drop(ready.send(Err(error))),
            Ok((writer, spool)) => {
                let (server, leases) = (writer.server.clone(), writer.leases.clone());
                if ready.send(Ok(Ready { server, handle: Handle::current(), spool, leases })).is_ok() {
                    writer.run(commands).await;
                }
            }
        }
    });
}

async fn prepare(
    mut server: Server,
    rules: Rules,
    options: &PostgresOptions,
    shared: Shared,
) -> Result<(Writer, Option<Spool>), LedgerError> {
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    let mut known = Known {
        owner_name: format!("{host}/{}", std::process::id()),
        alive_secs: options.alive_max.as_secs_f64(),
        lease_part: options.leases.as_ref().map(|leases| leases.thousandths.clamp(1, 1_000)),
        ..Known::default()
    };
    let link = server.connect().await.map_err(Trouble::into_error)?;
    let limit = server.answer_max;
    let entering = tokio::time::timeout(limit, open::enter(&mut server, &link, &mut known)).await;
    let place = link.place().to_owned();
    let ledger = entering
        .map_err(|_| super::failure::silent(&place, "opening the ledger", limit))?
        .map_err(Trouble::into_error)?;
    let ids = open::adopt(&server, &link, &rules).await.map_err(Trouble::into_error)?;
    known.adopt(rules.clone(), ids.clone());
    let leases = Arc::new(Leases::default());
    leases.begin(rules, ids);
    let mut spool = None;
    let mut failed = None;
    if let Some(leases) = &options.leases {
        for orphan in spool::orphans(&leases.folder, &ledger)? {
            let refused = open::inherit(&server, &link, &known, &orphan).await.map_err(Trouble::into_error)?;
            match refused.into_iter().next() {
                None => orphan.bury(),
                Some(error) => failed = Some(error),
            }
        }
        spool = Some(Spool::create(&leases.folder, &Head { ledger, owner: known.owner })?);
    }
    let mut writer = Writer {
        server,
        link: Some(link),
        known,
        leases,
        standing_size: 0,
        shared,
        patience: options.patience,
        kept: Default::default(),
        failed,
    };
    tend::look(&mut writer).await.map_err(Trouble::into_error)?;
    Ok((writer, spool))
}

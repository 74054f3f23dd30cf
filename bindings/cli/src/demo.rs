//! `tierway demo`: a day of varied work through the whole real path, without a key and without a network.
//!
//! Requests are decided on, sent over HTTP to a server on loopback that speaks the vendors' formats and fails as vendors
//! fail, streamed, retried, and accounted for in SQLite on disk. The replies are simulated; decisions, formats, prices
//! and the account are real. `--live` sends a part of it to the real vendors instead, within a hard budget.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use tierway::attempt;
use tierway::catalog::Catalog;
use tierway::config::Config;
use tierway::ledger::{Budget, Dimension, Enforce, Frame, Limit, Rules, Window};
use tierway::model::{Auth, Endpoint};
use tierway::secrets::Secret;
use tierway::store::SqliteStore;
use tierway::testing::server::{Heard, Script, Server};
use tierway::time::Span;
use tierway::{Client, Usd};

mod account;
mod body;
mod drive;
mod live;
mod local;
mod page;
mod plot;
mod prose;
mod summary;
mod table;
mod vendors;
mod workload;

use summary::{Summary, VendorSide};
use vendors::Vendors;
use workload::Task;

use crate::{Failure, progress};

const SETTINGS: &str = include_str!("../demo/tierway.toml");
/// The ledger of a simulated run, made anew each time.
const LEDGER: &str = "tierway-demo.db";
/// The ledger of live runs, which is kept: real money was spent.
const LIVE_LEDGER: &str = "tierway-demo-live.db";
/// Requests under way at the same time.
const AT_ONCE: usize = 12;

/// Send a day of varied work through the whole real path to simulated vendors, and show what it cost.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the report goes.
    #[arg(long, value_name = "FILE", default_value = "tierway-demo.html")]
    out: PathBuf,
    /// Which faults and replies are drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    /// Send a part of the work to the real vendors whose keys are in the environment.
    #[arg(long)]
    live: bool,
    /// The most that --live may spend, in dollars.
    #[arg(long, value_name = "DOLLARS", default_value = "0.50", requires = "live")]
    budget: Usd,
    /// The most requests that --live sends.
    #[arg(long, value_name = "COUNT", default_value_t = 24, requires = "live")]
    requests: usize,
    /// What an hour of this machine costs, in dollars: the price of the local tier, where a model for it is here.
    #[arg(long, value_name = "DOLLARS", default_value = "0.05")]
    hour: Usd,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let summary = runtime.block_on(async {
        match args.live {
            true => live::run(args.budget, args.requests, Path::new(LIVE_LEDGER), args.json).await,
            false => simulated(args).await,
        }
    })?;
    fs::write(&args.out, page::html(&summary)).map_err(|error| Failure::file(&args.out, &error))?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &summary)?;
        writeln!(out)?;
    } else {
        table::write(&mut out, &summary)?;
        let ledger = if args.live { LIVE_LEDGER } else { LEDGER };
        writeln!(out, "\nThe report with plots is in {}, the ledger in {ledger}.", args.out.display())?;
    }
    check(&summary)
}

/// The demo holds itself to what it claims.
fn check(summary: &Summary) -> Result<(), Failure> {
    let account = &summary.account;
    let unknown = summary.vendors.map_or(0, |vendors| vendors.unknown);
    match () {
        () if !account.balances_replay => Err(Failure::Failed("the ledger's balances differ from its journal".into())),
        () if account.open > 0 => Err(Failure::Failed(format!("{} attempts were never ended", account.open))),
        () if unknown > 0 => {
            Err(Failure::Failed(format!("{unknown} requests reached a vendor in a form unknown to it")))
        }
        () => Ok(()),
    }
}

async fn simulated(args: &DemoArgs) -> Result<Summary, Failure> {
    let tasks = Arc::new(workload::tasks()?);
    let catalog = Catalog::builtin().clone();
    let vendors = Arc::new(Vendors::new(args.seed, tasks.clone(), catalog.cards().iter().cloned()));
    let script = vendors.clone();
    let server = Server::start(move |heard: &Heard| script.answer(heard)).await?;
    let rules = budgets("25")?;
    let ledger = Path::new(LEDGER);
    remove_ledger(ledger)?;
    let client = client(&server, &catalog, ledger, rules.clone())?;
    let bar = progress::bar(tasks.len(), "requests", args.json);
    bar.println("Replies are simulated, prices are real.");
    let began = Instant::now();
    let mut outcomes = drive::drive(&client, &tasks, AT_ONCE, &bar).await;
    let local = local::run(args.hour, client.store().clone(), &bar).await?;
    let local = local.map(|(side, notes)| {
        outcomes.extend(notes);
        side
    });
    let elapsed_ms = began.elapsed().as_millis() as u64;
    bar.finish_and_clear();
    let account = account::read(client.store().as_ref(), rules, |_| true).await.map_err(ledger_failed)?;
    client.close().await.map_err(client_failed)?;
    let mut summary = Summary::new("simulated", args.seed, elapsed_ms, outcomes, account);
    let unknown = vendors.unknown();
    summary.vendors = Some(VendorSide { requests: server.requests(), connections: server.connections(), unknown });
    summary.local = local;
    Ok(summary)
}

/// A client whose every vendor is the loopback server.
fn client(server: &Server, catalog: &Catalog, ledger: &Path, rules: Rules) -> Result<Client, Failure> {
    let config = Config::parse(SETTINGS, "demo/tierway.toml").map_err(|error| Failure::Failed(error.to_string()))?;
    let store = SqliteStore::open(ledger, rules).map_err(ledger_failed)?;
    let retries = attempt::Rules { backoff: Span::from_ms(60), ..config.rules() };
    let mut builder = Client::builder()
        .config(config)
        .catalog(catalog.clone())
        .rules(retries)
        .store(Arc::new(store))
        .check_wellformed();
    for endpoint in catalog.endpoints().iter().filter(|endpoint| is_vendor(endpoint)) {
        builder = builder.base_url(endpoint.id.clone(), server.in_place_of(endpoint.id.as_str(), &endpoint.base_url));
        builder = builder.key(endpoint.id.clone(), demo_key(&endpoint.auth)?);
    }
    builder.build().map_err(client_failed)
}

/// Endpoints that are sold, speak a format and want a key: not the user's own servers.
fn is_vendor(endpoint: &Endpoint) -> bool {
    !endpoint.self_hosted && endpoint.auth != Auth::None && tierway::wire::for_api(endpoint.api).is_some()
}

/// A key in the shape that the endpoint wants.
fn demo_key(auth: &Auth) -> Result<Secret, Failure> {
    let text = match auth {
        Auth::Sigv4(_) => "AKIADEMODEMODEMO0000:demo-key-of-no-value",
        _ => "demo-key-of-no-value",
    };
    Secret::new(text).map_err(|error| Failure::Failed(error.to_string()))
}

/// A hard budget for the day and a soft one for each team.
fn budgets(dollars: &str) -> Result<Rules, Failure> {
    let amount = |text: &str| text.parse::<Usd>().map_err(|error| Failure::Input(error.to_string()));
    let day = Window::utc(Frame::Day);
    let all = Budget::new("day", Limit::Money(amount(dollars)?), day.clone());
    let mut teams = Budget::new("team", Limit::Money(amount("2")?), day);
    teams.per = vec![Dimension::Tag("team".to_owned())];
    teams.enforce = Enforce::Alert;
    teams.alert_at = vec![80, 100];
    Rules::new(vec![all, teams], Vec::new()).map_err(|error| Failure::Failed(error.to_string()))
}

/// Removes an earlier demo's ledger with what the store keeps beside it.
fn remove_ledger(path: &Path) -> Result<(), Failure> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let files = ["", "-wal", "-shm", "-lock", "-next"].map(|end| (fs::remove_file(beside(end)), beside(end)));
    let owners = (fs::remove_dir_all(beside("-owners")), beside("-owners"));
    for (removed, name) in files.into_iter().chain([owners]) {
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(Failure::file(&name, &error));
        }
    }
    Ok(())
}

fn client_failed(error: tierway::Error) -> Failure {
    Failure::Failed(error.to_string())
}

fn ledger_failed(error: tierway::ledger::LedgerError) -> Failure {
    Failure::Failed(format!("the ledger failed: {error}"))
}

/// Whether a task is small enough for a live run: no pictures, no long documents.
fn is_small(task: &Task) -> bool {
    task.request.messages.iter().flat_map(workload::texts).map(str::len).sum::<usize>() < 4_000
}

//! `tierway ledger`: attempts whose process died, a check of the account, and the vendors' own figures beside ours.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use tierway::Usd;
use tierway::ledger::{Basis, Book, Ending, Fate, LedgerError, Row, Rules, Settle, Void};
use tierway::store::{Only, Page, Store};
use tierway::time::Span;

use crate::Failure;
use crate::catalogue::or_now;
use crate::report::{LedgerFile, plain, wait};
use crate::table::{Side, Table};

mod csv;
mod reconcile;

/// Look after the ledger.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List attempts whose process died before it wrote how they ended. They are charged in full until settled.
    Unknown {
        #[command(flatten)]
        ledger: LedgerFile,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write down what an unknown attempt cost.
    Settle {
        /// The attempt.
        attempt: String,
        /// What the vendor charged, in dollars.
        #[arg(long, value_name = "DOLLARS")]
        cost: Usd,
        #[command(flatten)]
        ledger: LedgerFile,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write down that nothing was sent for an unknown attempt.
    Void {
        /// The attempt.
        attempt: String,
        /// How that is known.
        #[arg(long, value_name = "WHY")]
        because: String,
        #[command(flatten)]
        ledger: LedgerFile,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Replay the journal and say whether it holds together.
    Check {
        #[command(flatten)]
        ledger: LedgerFile,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare with a vendor's usage export, line by line.
    Reconcile(ReconcileArgs),
}

/// A vendor's export and the ledger.
#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// The export: CSV with a header. Columns for the day, the model and the cost are found by their usual names.
    #[arg(long, value_name = "FILE")]
    pub(crate) usage_export: PathBuf,
    /// Compare only with attempts at this vendor.
    #[arg(long, value_name = "VENDOR")]
    pub(crate) vendor: Option<String>,
    /// Differences up to this many dollars a line are no differences.
    #[arg(long, value_name = "DOLLARS", default_value = "0")]
    pub(crate) tolerance: Usd,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) ledger: LedgerFile,
}

pub(crate) fn run(args: &LedgerArgs) -> Result<(), Failure> {
    match &args.what {
        What::Unknown { ledger, json } => unknown(ledger, *json),
        What::Settle { attempt, cost, ledger, json } => settle(attempt, *cost, ledger, *json),
        What::Void { attempt, because, ledger, json } => void(attempt, because, ledger, *json),
        What::Check { ledger, json } => check(ledger, *json),
        What::Reconcile(args) => reconcile::run(args),
    }
}

pub(crate) fn failed(error: LedgerError) -> Failure {
    match error {
        LedgerError::NoReservation { .. }
        | LedgerError::AlreadyEnded { .. }
        | LedgerError::Conflict { .. }
        | LedgerError::Invalid { .. } => Failure::Input(error.to_string()),
        error => Failure::File(error.to_string()),
    }
}

fn unknown(ledger: &LedgerFile, as_json: bool) -> Result<(), Failure> {
    let store = ledger.open()?;
    let page = Page { limit: 1_000_000, only: Only::Unknown, ..Page::default() };
    let rows = wait(store.rows(page)).map_err(failed)?;
    let mut out = io::stdout().lock();
    if as_json {
        let line = |row: &Row| {
            let facts = &row.reserve.facts;
            json!({
                "attempt": row.reserve.attempt, "model": facts.model, "endpoint": facts.endpoint, "charged": row.reserve.amount,
            })
        };
        return Ok(writeln!(out, "{}", json!(rows.iter().map(line).collect::<Vec<_>>()))?);
    }
    if rows.is_empty() {
        writeln!(out, "no attempt is unknown")?;
        return Ok(());
    }
    let left = Side::Left;
    let mut table = Table::new(&[("attempt", left), ("model", left), ("endpoint", left), ("charged", Side::Right)]);
    for row in &rows {
        let facts = &row.reserve.facts;
        table.row([
            plain(row.reserve.attempt.as_str()),
            plain(facts.model.as_str()),
            plain(facts.endpoint.as_str()),
            row.reserve.amount.short(),
        ]);
    }
    table.print(&mut out)?;
    writeln!(out, "\nlook each up at its vendor, then `tierway ledger settle ATTEMPT --cost DOLLARS`,")?;
    writeln!(out, "or `tierway ledger void ATTEMPT --because WHY` where nothing was sent")?;
    Ok(())
}

/// The attempt's id, where it is unknown.
fn unknown_attempt(store: &dyn Store, attempt: &str) -> Result<tierway::id::AttemptId, Failure> {
    let id: tierway::id::AttemptId =
        attempt.parse().map_err(|error: tierway::id::IdError| Failure::Input(error.to_string()))?;
    let row = wait(store.row(&id)).map_err(failed)?;
    match row.map(|row| row.fate) {
        Some(Fate::Unknown { .. }) => Ok(id),
        None => Err(Failure::Input(format!("attempt {id} is not in the ledger: `tierway ledger unknown` lists them"))),
        Some(Fate::Open) => Err(Failure::Input(format!("attempt {id} is under way: its process will end it"))),
        Some(_) => Err(Failure::Input(format!("attempt {id} has ended: what is written stays"))),
    }
}

fn settle(attempt: &str, cost: Usd, ledger: &LedgerFile, as_json: bool) -> Result<(), Failure> {
    let store = ledger.open_to_write()?;
    let settle = Settle {
        attempt: unknown_attempt(&*store, attempt)?,
        at: or_now(None),
        cost,
        lines: Vec::new(),
        usage: Default::default(),
        basis: Basis::Stated,
        ending: Ending::Cut,
        latency: Span::ZERO,
        first_token: None,
        baseline_cost: None,
    };
    let posted = wait(store.settle(settle)).map_err(failed)?;
    wait(store.close()).map_err(failed)?;
    if as_json {
        let told = json!({"attempt": attempt, "settled": cost, "overrun": posted.overrun});
        return Ok(writeln!(io::stdout(), "{told}")?);
    }
    let over = if posted.overrun { ", more than was reserved" } else { "" };
    writeln!(io::stdout(), "settled at ${cost}{over}")?;
    Ok(())
}

fn void(attempt: &str, because: &str, ledger: &LedgerFile, as_json: bool) -> Result<(), Failure> {
    let store = ledger.open_to_write()?;
    let void = Void { attempt: unknown_attempt(&*store, attempt)?, at: or_now(None), why: because.to_owned() };
    wait(store.void(void)).map_err(failed)?;
    wait(store.close()).map_err(failed)?;
    match as_json {
        true => writeln!(io::stdout(), "{}", json!({"attempt": attempt, "voided": because}))?,
        false => writeln!(io::stdout(), "voided")?,
    }
    Ok(())
}

/// Replays the journal piece by piece, and compares the sums by hour with it.
fn check(ledger: &LedgerFile, as_json: bool) -> Result<(), Failure> {
    let store = ledger.open()?;
    let journal = wait(store.journal(0, usize::MAX)).map_err(failed)?;
    let count = journal.len();
    let book = Book::replay(Rules::default(), &journal)
        .map_err(|error| Failure::Failed(format!("the journal does not replay: {error}")))?;
    let mut sums = tierway::ledger::Rollup::default();
    book.rows().iter().for_each(|row| sums.row(row));
    let stored = wait(store.rollup(Default::default())).map_err(failed)?;
    if sums.cells != stored.cells || sums.classes != stored.classes {
        return Err(Failure::Failed(
            "the sums by hour differ from the journal: restore the file from a copy".to_owned(),
        ));
    }
    let (attempts, hours) = (book.rows().len(), sums.cells.len());
    if as_json {
        let told = json!({"entries": count, "attempts": attempts, "hours": hours, "holds": true});
        return Ok(writeln!(io::stdout(), "{told}")?);
    }
    writeln!(io::stdout(), "{count} entries of {attempts} attempts replay; {hours} sums by hour agree")?;
    Ok(())
}

//! `tierway report`: what was spent, on what, and what it would have cost on the baseline model.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tierway::config::Config;
use tierway::learn::Monitor;
use tierway::ledger::{By, Errors, Frame, Group, Line, Purpose, Report, ReportAsk, Rules, Window};
use tierway::plan::PromiseState;
use tierway::store::{Only, Page, Store, Stretch};
use tierway::time::Timestamp;

use crate::Failure;
use crate::report_page;
use crate::table::{Side, Table};

/// Most reservations that have not ended which a report adds up.
const HELD_MAX: usize = 1_000_000;
/// The ledger in the working folder.
pub(crate) const FILE_NAME: &str = "tierway.db";

/// Read the ledger: what was spent, on what, and what was saved.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) ledger: LedgerFile,
    /// Divide by day, tier, model, vendor, endpoint, purpose, ending, basis, or a tag's name. May be repeated.
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// From this day on, as 2026-08-01.
    #[arg(long, value_name = "DAY")]
    since: Option<String>,
    /// Up to and with this day.
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// The zone of the days, by its IANA name.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    zone: String,
    /// Write a page with plots to this file; it needs no other.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print comma-separated values, sums exact.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON, sums exact.
    #[arg(long)]
    json: bool,
}

/// Which ledger.
#[derive(Debug, Args)]
pub(crate) struct LedgerFile {
    /// The ledger, a file or a postgres:// URL; what TIERWAY_LEDGER or the settings name, or ./tierway.db, where it is
    /// left out.
    #[arg(long, alias = "ledger", value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// The settings; TIERWAY_CONFIG or ./tierway.toml where it is left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl LedgerFile {
    fn settings(&self) -> Result<Config, Failure> {
        let config = match &self.config {
            Some(path) => Config::load(path),
            None => Config::find(),
        };
        config.map_err(|error| Failure::Input(error.to_string()))
    }

    /// Opens the ledger, which must be there, to read it.
    pub(crate) fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        self.open_under(&self.settings()?, Rules::default())
    }

    /// Opens the ledger, which must be there, under the budgets of the settings: what is written counts in them.
    pub(crate) fn open_to_write(&self) -> Result<Arc<dyn Store>, Failure> {
        let config = self.settings()?;
        let rules = config.ledger_rules().map_err(|error| Failure::Input(error.to_string()))?;
        self.open_under(&config, rules)
    }

    fn open_under(&self, config: &Config, rules: Rules) -> Result<Arc<dyn Store>, Failure> {
        let path = self.db.clone().or_else(|| config.ledger.path.clone()).unwrap_or_else(|| PathBuf::from(FILE_NAME));
        if !tierway::store::is_server(&path) && !path.exists() {
            let text = format!("{}: there is no ledger: name it with --db, or `path` under [ledger]", path.display());
            return Err(Failure::File(text));
        }
        tierway::store::open(Some(&path), rules).map_err(|error| Failure::File(error.to_string()))
    }
}

/// Runs a future that needs no reactor.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers can be made").block_on(future)
}

pub(crate) fn run(args: &ReportArgs) -> Result<(), Failure> {
    let ask = ask(args)?;
    let store = args.ledger.open()?;
    let report = read(&*store, &ask)?;
    let promise = promise(&*store)?;
    let mut out = io::stdout().lock();
    if let Some(path) = &args.html {
        std::fs::write(path, report_page::html(&report)).map_err(|error| Failure::file(path, &error))?;
        if !args.csv && !args.json {
            writeln!(out, "wrote {}", path.display())?;
        }
    }
    match (args.json, args.csv) {
        (true, _) => {
            let mut value = serde_json::to_value(&report)?;
            if let (Some(promise), Some(fields)) = (promise, value.as_object_mut()) {
                fields.insert("promise".to_owned(), serde_json::to_value(promise)?);
            }
            writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
        }
        (_, true) => print_csv(&report, &mut out)?,
        _ => {
            print(&report, args.ledger.db.as_deref(), &mut out)?;
            if let Some(promise) = promise {
                writeln!(out, "promise: {promise}")?;
            }
        }
    }
    Ok(())
}

/// Where the promise of live quality stands, where one is kept beside the account.
fn promise(store: &dyn Store) -> Result<Option<PromiseState>, Failure> {
    let Some(shelf) = store.shelf() else { return Ok(None) };
    let note = wait(shelf.get(Monitor::NOTE)).map_err(|error| Failure::File(error.to_string()))?;
    let monitor = note.and_then(|note| serde_json::from_str::<Monitor>(&note.text).ok());
    Ok(monitor.map(|monitor| monitor.state()))
}

/// The report of a store.
pub(crate) fn read(store: &dyn Store, ask: &ReportAsk) -> Result<Report, Failure> {
    let failed = |error: tierway::ledger::LedgerError| Failure::File(error.to_string());
    let tags = ask.by.iter().filter_map(|by| match by {
        By::Tag(name) => Some(name.clone()),
        _ => None,
    });
    let stretch = Stretch { since: ask.since, until: ask.until, tags: tags.collect() };
    let page = Page { limit: HELD_MAX, since: ask.since, until: ask.until, only: Only::Held, ..Page::default() };
    let rollup = wait(store.rollup(stretch)).map_err(failed)?;
    let held = wait(store.rows(page)).map_err(failed)?;
    Ok(Report::build(ask, &rollup, &held))
}

fn ask(args: &ReportArgs) -> Result<ReportAsk, Failure> {
    let day = Window::new(Frame::Day, &args.zone).map_err(|error| Failure::Input(error.to_string()))?;
    let start = |text: &Option<String>| text.as_deref().map(|text| midnight(text, &day)).transpose();
    let until = start(&args.until)?.map(|at| day.bucket(at).end.unwrap_or(at));
    let stock = ["day", "tier", "model", "purpose"].map(str::to_owned);
    let by = if args.by.is_empty() { stock.as_slice() } else { args.by.as_slice() };
    let by =
        by.iter().map(|name| name.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})).collect();
    Ok(ReportAsk { since: start(&args.since)?, until, by, day })
}

/// The first instant of a day in the report's zone.
fn midnight(text: &str, day: &Window) -> Result<Timestamp, Failure> {
    let bad = || Failure::Input(format!("'{}' is no day: write it as 2026-08-01", text.escape_debug()));
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, date] = parts.as_slice() else { return Err(bad()) };
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let (year, month, date) = (number(year), number(month), number(date));
    let (Some(year @ 1970..=9999), Some(month @ 1..=12), Some(date @ 1..=31)) = (year, month, date) else {
        return Err(bad());
    };
    // Days from the civil calendar, after Howard Hinnant's `days_from_civil`.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + date - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    // Noon of the day in UTC is at most 14 hours from its noon anywhere, so midnight's window is one of three.
    let noon = days * 86_400_000 + 43_200_000;
    let wanted = text;
    let found =
        [-86_400_000, 0, 86_400_000].into_iter().map(|shift| day.bucket(Timestamp::from_ms(noon + shift)).start);
    found.into_iter().find(|start| Report::date_of(day, *start) == wanted).ok_or_else(bad)
}

fn print(report: &Report, db: Option<&Path>, out: &mut impl Write) -> Result<(), Failure> {
    if report.total.attempts + report.voided + report.held.open + report.held.unknown == 0 {
        let name = db.map_or_else(|| "the ledger".to_owned(), tierway::store::shown);
        writeln!(out, "{name} holds no attempts in that time")?;
        return Ok(());
    }
    for group in &report.groups {
        group_table(group, &report.total).print(out)?;
        writeln!(out)?;
    }
    if !report.times.is_empty() {
        let right = Side::Right;
        let mut table = Table::new(&[
            ("model", Side::Left),
            ("measure", Side::Left),
            ("answers", right),
            ("p50 ms", right),
            ("p90 ms", right),
            ("p99 ms", right),
        ]);
        for line in &report.times {
            let numbers = [line.answers, line.p50_ms, line.p90_ms, line.p99_ms].map(|n| n.to_string());
            table.row([line.model.clone(), line.measure.to_owned()].into_iter().chain(numbers));
        }
        table.print(out)?;
        writeln!(out)?;
    }
    decisions_table(report).map_or(Ok(()), |table| table.print(out).and_then(|()| writeln!(out)))?;
    errors_table(report).map_or(Ok(()), |table| table.print(out).and_then(|()| writeln!(out)))?;
    let total = &report.total;
    writeln!(
        out,
        "{} attempts cost ${} ({} failed, {} overran)",
        total.attempts, total.cost, total.failed, total.overruns
    )?;
    if total.baseline.0 > 0 {
        let share = 100.0 * total.saved().to_f64_lossy() / total.baseline.to_f64_lossy();
        writeln!(out, "on the baseline model: ${}; saved ${} ({share:.1} %)", total.baseline, total.saved())?;
    }
    if report.held.open + report.held.unknown > 0 {
        let held = &report.held;
        writeln!(out, "held: ${} by {} open and {} unknown attempts", held.amount, held.open, held.unknown)?;
    }
    if report.held.unknown > 0 {
        writeln!(out, "`tierway ledger unknown` lists attempts whose process died; they stay charged until settled")?;
    }
    Ok(())
}

fn group_table(group: &Group, total: &Line) -> Table {
    let right = Side::Right;
    let mut table = Table::new(&[
        (&group.by, Side::Left),
        ("attempts", right),
        ("failed", right),
        ("input", right),
        ("output", right),
        ("cost", right),
        ("share", right),
        ("baseline", right),
        ("saved", right),
    ]);
    for line in &group.lines {
        let share = 100.0 * line.cost.to_f64_lossy() / total.cost.to_f64_lossy().max(1e-12);
        let name = if line.name.is_empty() { "(empty)".to_owned() } else { plain(&line.name) };
        table.row([
            name,
            line.attempts.to_string(),
            line.failed.to_string(),
            line.input.to_string(),
            line.output.to_string(),
            line.cost.short(),
            format!("{share:.1}%"),
            line.baseline.short(),
            line.saved().short(),
        ]);
    }
    table
}

/// The purposes that occur, in the order of `Purpose::ALL`.
pub(crate) fn purposes(report: &Report) -> Vec<&'static str> {
    let occurs = |name: &&'static str| report.decisions.iter().any(|line| line.purposes.contains_key(*name));
    Purpose::ALL.iter().map(|purpose| purpose.as_str()).filter(occurs).collect()
}

/// What was decided by tier; nothing where no attempt was made.
fn decisions_table(report: &Report) -> Option<Table> {
    let names = purposes(report);
    report.decisions.first()?;
    let mut head = vec![("decisions", Side::Left), ("requests", Side::Right)];
    head.extend(names.iter().map(|name| (*name, Side::Right)));
    head.push(("cost beside", Side::Right));
    let mut table = Table::new(&head);
    for line in &report.decisions {
        let count = |name: &&str| line.purposes.get(*name).copied().unwrap_or(0).to_string();
        let first = [plain(&line.tier), line.decided.to_string()];
        table.row(first.into_iter().chain(names.iter().map(count)).chain([line.cost_beside.short()]));
    }
    Some(table)
}

/// The kinds of a model's failures, commonest first: `3 overloaded, 1 timeout`.
pub(crate) fn kinds(line: &Errors) -> String {
    let mut kinds: Vec<_> = line.kinds.iter().collect();
    kinds.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    kinds.iter().map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect::<Vec<_>>().join(", ")
}

/// A share in thousandths, as percent.
pub(crate) fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// How often models failed; nothing where none did.
fn errors_table(report: &Report) -> Option<Table> {
    report.errors.first()?;
    let right = Side::Right;
    let head = [("errors", Side::Left), ("attempts", right), ("failed", right), ("p50 of hours", right)];
    let mut table = Table::new(&[head.as_slice(), &[("p90", right), ("p99", right), ("kinds", Side::Left)]].concat());
    for line in &report.errors {
        let shares = [line.p50_permille, line.p90_permille, line.p99_permille].map(percent);
        let counts = [line.attempts.to_string(), line.failed.to_string()];
        table.row([plain(&line.model)].into_iter().chain(counts).chain(shares).chain([kinds(line)]));
    }
    Some(table)
}

/// Text from outside, safe to print on a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn print_csv(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "by,name,attempts,failed,input,cached,output,cost_usd,baseline_usd,saved_usd,overruns")?;
    for group in &report.groups {
        for line in &group.lines {
            writeln!(
                out,
                "{},{},{},{},{},{},{},{},{},{},{}",
                quoted(&group.by),
                quoted(&line.name),
                line.attempts,
                line.failed,
                line.input,
                line.cached,
                line.output,
                line.cost,
                line.baseline,
                line.saved(),
                line.overruns
            )?;
        }
    }
    Ok(())
}

/// A field of a CSV file. One that a spreadsheet would take for a formula is written as text.
pub(crate) fn quoted(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

//! The ledger beside a vendor's usage export: for every day and model, what we wrote down and what they charge.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use tierway::ledger::Pico;
use tierway::money::parse_decimal;
use tierway::store::Stretch;

use super::{ReconcileArgs, csv, failed};
use crate::Failure;
use crate::report::{plain, wait};
use crate::setup::read_text;
use crate::table::{Side, Table};

/// Names that exports give their columns, in lower case without marks.
const DAY: &[&str] = &[
    "date",
    "day",
    "usagedateutc",
    "usagedate",
    "timestamp",
    "createdat",
    "starttimeiso",
    "starttime",
    "usagestartdate",
];
const MODEL: &[&str] =
    &["model", "modelname", "modelversion", "modelpermaslug", "snapshotid", "lineitem", "sku", "meter"];
const CURRENCY: &[&str] = &["amountcurrency", "currency"];
const COST: &[&str] = &[
    "cost",
    "costusd",
    "costinusd",
    "amount",
    "amountvalue",
    "amountusd",
    "totalcost",
    "costtotal",
    "usage",
    "price",
    "charge",
    "unblendedcost",
];

/// Columns of prompt tokens: a total, or the parts that add up to one.
const INPUT: &[&[&str]] = &[
    &["inputtokens"],
    &["prompttokens"],
    &[
        "usageinputtokensnocache",
        "usageinputtokenscachewrite5m",
        "usageinputtokenscachewrite1h",
        "usageinputtokenscacheread",
    ],
];
/// Columns of the answer's tokens.
const OUTPUT: &[&[&str]] = &[&["outputtokens"], &["completiontokens"], &["usageoutputtokens"]];
/// The name of all models together, where an export does not say which.
const ALL: &str = "(all models)";

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Money,
    Input,
    Output,
}

impl What {
    fn unit(self) -> &'static str {
        match self {
            What::Money => "usd",
            What::Input => "input tokens",
            What::Output => "output tokens",
        }
    }

    fn show(self, sum: i128) -> String {
        if self == What::Money { Pico(sum).to_string() } else { sum.to_string() }
    }
}

/// A day, a model's name and what is counted.
type Key = (String, String, What);

/// A day and a model, on both sides.
#[derive(Debug)]
struct Pair {
    key: Key,
    ledger: i128,
    export: i128,
    verdict: &'static str,
}

impl Pair {
    fn difference(&self) -> i128 {
        self.export - self.ledger
    }

    fn is_different(&self) -> bool {
        !matches!(self.verdict, "equal" | "within tolerance")
    }

    fn json(&self) -> serde_json::Value {
        let (day, model, what) = &self.key;
        let show = |sum: i128| what.show(sum);
        serde_json::json!({
            "day": day, "model": model, "unit": what.unit(), "ledger": show(self.ledger), "export": show(self.export),
            "difference": show(self.difference()), "verdict": self.verdict,
        })
    }
}

fn bare(text: &str) -> String {
    text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The column of one of these names, by the order of the names.
fn column(header: &[String], names: &[&str], what: &str) -> Result<usize, Failure> {
    let bare: Vec<String> = header.iter().map(|name| self::bare(name)).collect();
    let found = names.iter().find_map(|wanted| bare.iter().position(|name| name == wanted));
    found.ok_or_else(|| {
        let header = header.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ");
        Failure::Input(format!("no column for the {what} among: {header}; rename it '{}'", names[0]))
    })
}

/// The columns of one of these sets, where all of a set are there.
fn columns(header: &[String], sets: &[&[&str]]) -> Option<Vec<usize>> {
    let bare: Vec<String> = header.iter().map(|name| self::bare(name)).collect();
    let place = |wanted: &&str| bare.iter().position(|name| name == wanted);
    sets.iter().find_map(|set| set.iter().map(place).collect())
}

/// A model's name as all sides write it alike: without its vendor, in lower case, with dashes. Exports name a model
/// `Claude Haiku 4.5`, or put what is billed after it: `gpt-4o-2024-08-06, input`.
fn short_name(model: &str) -> String {
    let name = model.split(',').next().unwrap_or(model);
    let name = name.rsplit('/').next().unwrap_or(name).trim().to_lowercase();
    name.chars().map(|c| if matches!(c, ' ' | '.' | '_') { '-' } else { c }).collect()
}

/// Whether an export's name is of this model: the same, or a dated snapshot of it.
fn is_of(export: &str, model: &str) -> bool {
    let Some(rest) = export.strip_prefix(model) else { return false };
    let date = rest.trim_start_matches(['-', '@', ':']);
    let first = date.split('-').next().unwrap_or(date);
    rest.is_empty()
        || (date.len() < rest.len() && first.len() >= 4 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

/// Where an export has what is wanted.
struct Layout {
    day: usize,
    model: Option<usize>,
    currency: Option<usize>,
    /// What is counted, and the columns that add up to it.
    counted: Vec<(What, Vec<usize>)>,
}

impl Layout {
    /// Costs where there are any, else tokens.
    fn of(header: &[String]) -> Result<Layout, Failure> {
        let counted = match (column(header, COST, "cost"), columns(header, INPUT), columns(header, OUTPUT)) {
            (Ok(cost), ..) => vec![(What::Money, vec![cost])],
            (_, Some(input), Some(output)) => vec![(What::Input, input), (What::Output, output)],
            (Err(missing), ..) => return Err(missing),
        };
        let one = |names: &[&str]| column(header, names, "").ok();
        Ok(Layout { day: column(header, DAY, "day")?, model: one(MODEL), currency: one(CURRENCY), counted })
    }
}

fn read_export(args: &ReconcileArgs) -> Result<BTreeMap<Key, i128>, Failure> {
    let text = read_text(&args.usage_export)?;
    let place = args.usage_export.display();
    let rows = csv::rows(&text).map_err(|error| Failure::Input(format!("{place}: {error}")))?;
    let (header, rows) = rows.split_first().ok_or_else(|| Failure::Input(format!("{place}: it is empty")))?;
    let layout = Layout::of(header)?;
    let mut sums: BTreeMap<Key, i128> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let field = |column: usize| row.get(column).map_or("", |field| field.trim());
        let bad =
            |what: &str, text: &str| Failure::Input(format!("{place}: row {}: '{}' is no {what}", at + 2, plain(text)));
        let currency = layout.currency.map_or("", field);
        if !currency.is_empty() && !currency.eq_ignore_ascii_case("usd") {
            return Err(bad("amount in dollars: ask for the export in USD", currency));
        }
        let date = day_of(field(layout.day)).ok_or_else(|| bad("day such as 2026-08-01", field(layout.day)))?;
        let model = layout.model.map(field).filter(|name| !name.is_empty()).map_or(ALL.to_owned(), short_name);
        for (what, columns) in &layout.counted {
            // A day of which nothing was used has empty fields.
            for text in columns.iter().map(|column| field(*column)).filter(|text| !text.is_empty()) {
                let amount = text.trim_start_matches('$').replace(',', "");
                let sum = match what {
                    // Exports give more decimals than a pico-dollar has: what is beyond is cut off.
                    What::Money => decimal(&amount).ok_or_else(|| bad("amount in dollars", text))?,
                    _ => amount.parse::<u64>().map(i128::from).map_err(|_| bad("count of tokens", text))?,
                };
                *sums.entry((date.clone(), model.clone(), *what)).or_default() += sum;
            }
        }
    }
    Ok(sums)
}

fn decimal(text: &str) -> Option<i128> {
    let cut = match text.split_once('.') {
        Some((whole, part)) if part.len() > 12 && part.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{whole}.{}", &part[..12])
        }
        _ => text.to_owned(),
    };
    parse_decimal(&cut, 12).ok()
}

/// The day of a date, a time or seconds since 1970.
fn day_of(text: &str) -> Option<String> {
    if let Ok(seconds) = text.parse::<i64>() {
        let day = tierway::ledger::Window::utc(tierway::ledger::Frame::Day);
        let at = tierway::time::Timestamp::from_ms(seconds.checked_mul(1_000)?);
        return Some(tierway::ledger::Report::date_of(&day, at));
    }
    let head = text.get(..10)?;
    let is_date =
        head.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    is_date.then(|| head.to_owned())
}

/// What we wrote down, in the units of the export and for its days.
fn read_ledger(args: &ReconcileArgs, export: &BTreeMap<Key, i128>) -> Result<BTreeMap<Key, i128>, Failure> {
    let store = args.ledger.open()?;
    let rollup = wait(store.rollup(Stretch::default())).map_err(failed)?;
    let day = tierway::ledger::Window::utc(tierway::ledger::Frame::Day);
    let units: BTreeSet<What> = export.keys().map(|(.., what)| *what).collect();
    let days: BTreeSet<&String> = export.keys().map(|(day, ..)| day).collect();
    let whole_days: BTreeSet<&String> =
        export.keys().filter(|(_, model, _)| model == ALL).map(|(day, ..)| day).collect();
    let mut ours: BTreeMap<Key, i128> = BTreeMap::new();
    let is_asked = |vendor: &String| args.vendor.as_ref().is_none_or(|asked| asked == vendor);
    for (key, sums) in rollup.cells.iter().filter(|(key, _)| is_asked(&key.vendor) && key.ending != "voided") {
        let date = tierway::ledger::Report::date_of(&day, key.hour);
        // The export says which days it is about: what we have of others is not missing from it.
        if days.first().is_none_or(|first| date < **first) || days.last().is_none_or(|last| date > **last) {
            continue;
        }
        let model = if whole_days.contains(&date) { ALL.to_owned() } else { short_name(&key.model) };
        for what in &units {
            let sum = match what {
                What::Money => sums.cost,
                What::Input => i128::from(sums.input),
                What::Output => i128::from(sums.output),
            };
            *ours.entry((date.clone(), model.clone(), *what)).or_default() += sum;
        }
    }
    Ok(ours)
}

fn pairs(args: &ReconcileArgs) -> Result<Vec<Pair>, Failure> {
    let export = read_export(args)?;
    let ours = read_ledger(args, &export)?;
    let mut sums: BTreeMap<Key, (i128, i128)> = BTreeMap::new();
    for (key, sum) in &ours {
        sums.entry(key.clone()).or_default().0 += sum;
    }
    for ((day, name, what), sum) in export {
        let same_day = ours.keys().filter(|(ours, model, unit)| *ours == day && *unit == what && is_of(&name, model));
        let model = same_day.map(|(_, model, _)| model).max_by_key(|model| model.len()).cloned().unwrap_or(name);
        sums.entry((day, model, what)).or_default().1 += sum;
    }
    let tolerance = i128::from(args.tolerance.pico());
    let pair = |(key, (ledger, export)): (Key, (i128, i128))| {
        let verdict = match export - ledger {
            0 => "equal",
            difference if key.2 == What::Money && difference.abs() <= tolerance => "within tolerance",
            _ if ledger == 0 => "not in the ledger",
            _ if export == 0 => "not in the export",
            difference if difference > 0 => "charged more",
            _ => "charged less",
        };
        Pair { key, ledger, export, verdict }
    };
    Ok(sums.into_iter().map(pair).collect())
}

pub(super) fn run(args: &ReconcileArgs) -> Result<(), Failure> {
    let pairs = pairs(args)?;
    let mut out = io::stdout().lock();
    let differing = pairs.iter().filter(|pair| pair.is_different()).count();
    let mut totals: BTreeMap<What, (i128, i128)> = BTreeMap::new();
    for pair in &pairs {
        let total = totals.entry(pair.key.2).or_default();
        *total = (total.0 + pair.ledger, total.1 + pair.export);
    }
    if args.json {
        let lines: Vec<_> = pairs.iter().map(Pair::json).collect();
        let totals = totals.iter().map(|(what, (ledger, export))| {
            let (ledger, export) = (what.show(*ledger), what.show(*export));
            serde_json::json!({ "unit": what.unit(), "ledger": ledger, "export": export })
        });
        let value = serde_json::json!({ "lines": lines, "totals": totals.collect::<Vec<_>>(), "differing": differing });
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
    } else {
        let (left, right) = (Side::Left, Side::Right);
        let head = [("day", left), ("model", left), ("unit", left), ("ledger", right), ("export", right)];
        let mut table = Table::new(&[head.as_slice(), &[("difference", right), ("", left)]].concat());
        for pair in &pairs {
            let (day, model, what) = &pair.key;
            let [ledger, export, difference] = [pair.ledger, pair.export, pair.difference()].map(|sum| what.show(sum));
            let unit = what.unit().to_owned();
            table.row([day.clone(), plain(model), unit, ledger, export, difference, pair.verdict.to_owned()]);
        }
        table.print(&mut out)?;
        writeln!(out)?;
        for (what, (ledger, export)) in &totals {
            writeln!(out, "{}: ledger {}, export {}", what.unit(), what.show(*ledger), what.show(*export))?;
        }
    }
    out.flush()?;
    match differing {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} of {} lines differ", pairs.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_snapshot_is_of_its_model_and_a_sibling_is_not() {
        assert!(is_of("gpt-4o-2024-08-06", "gpt-4o"));
        assert!(is_of("gpt-4o", "gpt-4o"));
        assert!(!is_of("gpt-4o-mini", "gpt-4o"));
        assert!(!is_of("gpt-4o1", "gpt-4o"));
        assert!(is_of("gpt-4-0613", "gpt-4") && is_of("claude-haiku-4-5-20251001", "claude-haiku-4-5"));
        assert!(!is_of(&short_name("gpt-4.1-2025-04-14"), "gpt-4"), "another model, not a snapshot");
    }

    #[test]
    fn names_are_written_alike() {
        assert_eq!(short_name("Claude Haiku 4.5"), short_name("anthropic/claude-haiku-4-5"));
        assert_eq!(short_name("gpt-4.1-mini-2025-04-14, cached input"), "gpt-4-1-mini-2025-04-14");
    }

    #[test]
    fn amounts_and_days_of_exports() {
        assert_eq!(decimal("0.0000123456789012345"), Some(12_345_678));
        assert_eq!(decimal("NaN"), None);
        assert_eq!(day_of("2026-08-01T12:00:00Z").as_deref(), Some("2026-08-01"));
        assert_eq!(day_of("1785542400").as_deref(), Some("2026-08-01"));
        assert_eq!(day_of("yesterday"), None);
    }
}

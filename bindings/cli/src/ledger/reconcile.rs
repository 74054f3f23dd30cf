//! The ledger beside a vendor's usage export: for every day and model, what we wrote down and what they charge.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
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

/// A day and a model, on both sides.
#[derive(Debug, Default, Serialize)]
struct Pair {
    day: String,
    model: String,
    ledger: Pico,
    export: Pico,
    difference: Pico,
    verdict: &'static str,
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

/// A model's name without its vendor, in lower case: how exports write it.
fn short_name(model: &str) -> String {
    model.rsplit('/').next().unwrap_or(model).trim().to_lowercase()
}

/// Whether an export's name is of this model: the same, or a dated snapshot of it.
fn is_of(export: &str, model: &str) -> bool {
    let rest = export.strip_prefix(model);
    rest.is_some_and(|rest| {
        rest.is_empty() || (rest.starts_with(['-', '@', ':']) && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
    })
}

fn read_export(args: &ReconcileArgs) -> Result<BTreeMap<(String, String), i128>, Failure> {
    let text = read_text(&args.usage_export)?;
    let place = args.usage_export.display();
    let rows = csv::rows(&text).map_err(|error| Failure::Input(format!("{place}: {error}")))?;
    let (header, rows) = rows.split_first().ok_or_else(|| Failure::Input(format!("{place}: it is empty")))?;
    let (day, model, cost) =
        (column(header, DAY, "day")?, column(header, MODEL, "model")?, column(header, COST, "cost")?);
    let mut sums: BTreeMap<(String, String), i128> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let field = |column: usize| row.get(column).map_or("", |field| field.trim());
        let bad =
            |what: &str, text: &str| Failure::Input(format!("{place}: row {}: '{}' is no {what}", at + 2, plain(text)));
        let amount = field(cost).trim_start_matches('$').replace(',', "");
        // Exports give more decimals than a pico-dollar has: what is beyond is cut off.
        let pico = decimal(&amount).ok_or_else(|| bad("amount in dollars", field(cost)))?;
        let date = day_of(field(day)).ok_or_else(|| bad("day such as 2026-08-01", field(day)))?;
        *sums.entry((date, short_name(field(model)))).or_default() += pico;
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

fn pairs(args: &ReconcileArgs) -> Result<Vec<Pair>, Failure> {
    let export = read_export(args)?;
    let store = args.ledger.open()?;
    let rollup = wait(store.rollup(Stretch::default())).map_err(failed)?;
    let day = tierway::ledger::Window::utc(tierway::ledger::Frame::Day);
    let days: std::collections::BTreeSet<&String> = export.keys().map(|(day, _)| day).collect();
    let mut ours: BTreeMap<(String, String), i128> = BTreeMap::new();
    for (key, sums) in
        rollup.cells.iter().filter(|(key, _)| args.vendor.as_ref().is_none_or(|vendor| *vendor == key.vendor))
    {
        let date = tierway::ledger::Report::date_of(&day, key.hour);
        // The export says which days it is about: what we have of others is not missing from it.
        if days.first().is_some_and(|first| date >= **first) && days.last().is_some_and(|last| date <= **last) {
            *ours.entry((date, short_name(&key.model))).or_default() += sums.cost;
        }
    }
    let mut pairs: BTreeMap<(String, String), Pair> = BTreeMap::new();
    for ((day, model), cost) in &ours {
        let pair = pairs.entry((day.clone(), model.clone())).or_default();
        pair.ledger.0 += cost;
    }
    for ((day, name), cost) in export {
        let models =
            ours.keys().filter(|(theirs, model)| *theirs == day && is_of(&name, model)).map(|(_, model)| model);
        let model = models.max_by_key(|model| model.len()).cloned().unwrap_or(name);
        pairs.entry((day, model)).or_default().export.0 += cost;
    }
    let tolerance = i128::from(args.tolerance.pico());
    Ok(pairs
        .into_iter()
        .map(|((day, model), pair)| {
            let difference = pair.export.0 - pair.ledger.0;
            let verdict = match difference {
                0 => "equal",
                d if d.abs() <= tolerance => "within tolerance",
                _ if pair.ledger.0 == 0 => "not in the ledger",
                _ if pair.export.0 == 0 => "not in the export",
                d if d > 0 => "charged more",
                _ => "charged less",
            };
            Pair { day, model, difference: Pico(difference), verdict, ..pair }
        })
        .collect())
}

pub(super) fn run(args: &ReconcileArgs) -> Result<(), Failure> {
    let pairs = pairs(args)?;
    let mut out = io::stdout().lock();
    let differing = pairs.iter().filter(|pair| !matches!(pair.verdict, "equal" | "within tolerance")).count();
    let sum = |of: fn(&Pair) -> Pico| Pico(pairs.iter().map(|pair| of(pair).0).sum());
    if args.json {
        let (ledger, export) = (sum(|pair| pair.ledger), sum(|pair| pair.export));
        let value = serde_json::json!({ "lines": pairs, "ledger": ledger, "export": export, "differing": differing });
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
    } else {
        let (left, right) = (Side::Left, Side::Right);
        let mut table = Table::new(&[
            ("day", left),
            ("model", left),
            ("ledger", right),
            ("export", right),
            ("difference", right),
            ("", left),
        ]);
        for pair in &pairs {
            let sums = [pair.ledger, pair.export, pair.difference].map(|sum| sum.to_string());
            let [ledger, export, difference] = sums;
            table.row([pair.day.clone(), plain(&pair.model), ledger, export, difference, pair.verdict.to_owned()]);
        }
        table.print(&mut out)?;
        writeln!(out, "\nledger ${}, export ${}", sum(|pair| pair.ledger), sum(|pair| pair.export))?;
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

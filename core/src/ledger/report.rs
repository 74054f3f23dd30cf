//! What was spent, on what, and what it would have cost on the baseline model: from sums by hour, exactly.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ledger::{CellKey, Fate, Measure, Rollup, Row, Sums, Window, middle_of};
use crate::sorting::sort_by;
use crate::time::Timestamp;

mod decisions;
mod errors;

pub use decisions::Decisions;
pub use errors::Errors;

/// What lines of a report have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum By {
    /// The day, in the report's zone.
    Day,
    /// The tier.
    Tier,
    /// The model.
    Model,
    /// Who served it.
    Vendor,
    /// Where.
    Endpoint,
    /// Why attempts were made.
    Purpose,
    /// How they ended.
    Ending,
    /// What their cost is based on.
    Basis,
    /// A tag's values.
    Tag(String),
}

impl FromStr for By {
    type Err = Infallible;

    /// The name of a column; any other word, or `tag:NAME`, is a tag.
    fn from_str(text: &str) -> Result<By, Infallible> {
        Ok(match text {
            "day" => By::Day,
            "tier" => By::Tier,
            "model" => By::Model,
            "vendor" => By::Vendor,
            "endpoint" => By::Endpoint,
            "purpose" => By::Purpose,
            "ending" => By::Ending,
            "basis" => By::Basis,
            tag => By::Tag(tag.strip_prefix("tag:").unwrap_or(tag).to_owned()),
        })
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            By::Day => "day",
            By::Tier => "tier",
            By::Model => "model",
            By::Vendor => "vendor",
            By::Endpoint => "endpoint",
            By::Purpose => "purpose",
            By::Ending => "ending",
            By::Basis => "basis",
            By::Tag(name) => name,
        })
    }
}

/// One line: attempts that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    /// What they have in common; empty for a tag that is not there, and for the total.
    pub name: String,
    /// How many attempts ended, those of which nothing was sent left out.
    pub attempts: u64,
    /// Of them, how many failed or were cut off.
    pub failed: u64,
    /// Prompt tokens.
    pub input: u64,
    /// Of them, read from vendors' caches.
    pub cached: u64,
    /// Tokens of answers.
    pub output: u64,
    /// What they cost.
    pub cost: Pico,
    /// What they would have cost on the baseline model.
    pub baseline: Pico,
    /// How many cost more than was reserved.
    pub overruns: u64,
}

/// An exact sum of money of any size, in pico-dollars. JSON carries it as a decimal string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pico(pub i128);

impl Pico {
    /// Dollars as a float: for plots only.
    pub fn to_f64_lossy(self) -> f64 {
        self.0 as f64 / 1e12
    }

    /// The amount for people.
    pub fn short(self) -> String {
        let held = i64::try_from(self.0).unwrap_or(if self.0 < 0 { i64::MIN } else { i64::MAX });
        crate::money::Usd::from_pico(held).short()
    }
}

impl fmt::Display for Pico {
    /// Writes the exact decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.unsigned_abs() / 1_000_000_000_000, self.0.unsigned_abs() % 1_000_000_000_000);
        let sign = if self.0 < 0 { "-" } else { "" };
        match rest {
            0 => write!(f, "{sign}{whole}"),
            rest => write!(f, "{sign}{whole}.{}", format!("{rest:012}").trim_end_matches('0')),
        }
    }
}

impl Serialize for Pico {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Line {
    /// What was saved: the baseline's cost less what was paid.
    pub fn saved(&self) -> Pico {
        Pico(self.baseline.0 - self.cost.0)
    }

    fn add(&mut self, sums: &Sums) {
        self.attempts += sums.attempts;
        self.failed += sums.failed;
        self.input = self.input.saturating_add(sums.input);
        self.cached = self.cached.saturating_add(sums.cached);
        self.output = self.output.saturating_add(sums.output);
        self.cost.0 += sums.cost;
        self.baseline.0 += sums.baseline;
        self.overruns += sums.overruns;
    }
}

/// Lines that divide the total by one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// What divides them.
    pub by: String,
    /// Days in order, all else by cost, dearest first.
    pub lines: Vec<Line>,
}

/// How long a model took to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Times {
    /// The model.
    pub model: String,
    /// `latency` or `first_token`.
    pub measure: &'static str,
    /// How many answers.
    pub answers: u64,
    /// Half were faster, in milliseconds, to within 5 %.
    pub p50_ms: u64,
    /// Nine in ten were.
    pub p90_ms: u64,
    /// All but one in a hundred were.
    pub p99_ms: u64,
}

/// Reservations that have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Under way.
    pub open: u64,
    /// Whose process died: charged until they are reconciled.
    pub unknown: u64,
    /// What all of them hold.
    pub amount: Pico,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The first hour that counts, where it was asked for.
    pub since: Option<Timestamp>,
    /// The first hour that does not count, where it was asked for.
    pub until: Option<Timestamp>,
    /// The zone of the days.
    pub zone: String,
    /// All attempts.
    pub total: Line,
    /// Attempts of which nothing was sent.
    pub voided: u64,
    /// The total, divided.
    pub groups: Vec<Group>,
    /// What was decided, by tier.
    pub decisions: Vec<Decisions>,
    /// How long models took.
    pub times: Vec<Times>,
    /// How often models failed.
    pub errors: Vec<Errors>,
    /// What has not ended.
    pub held: Held,
}

/// What a report is about.
#[derive(Clone, Debug)]
pub struct ReportAsk {
    /// The first hour that counts.
    pub since: Option<Timestamp>,
    /// The first that does not.
    pub until: Option<Timestamp>,
    /// How to divide the total.
    pub by: Vec<By>,
    /// A day in the zone of the report.
    pub day: Window,
}

impl Report {
    /// The local date of an hour in the zone of a window. In zones off by half an hour, an hour belongs to the day in which
    /// it starts.
    pub fn date_of(day: &Window, hour: Timestamp) -> String {
        day.date(hour)
    }

    /// Adds sums and what has not ended up to a report.
    pub fn build(ask: &ReportAsk, rollup: &Rollup, held: &[Row]) -> Report {
        let mut report = Report {
            since: ask.since,
            until: ask.until,
            zone: ask.day.zone().to_owned(),
            total: Line::default(),
            voided: 0,
            groups: Vec::new(),
            decisions: decisions::decisions(rollup),
            times: times(rollup),
            errors: errors::errors(rollup),
            held: held_by(held),
        };
        for (key, sums) in &rollup.cells {
            match key.ending.as_str() {
                "voided" => report.voided += sums.attempts,
                _ => report.total.add(sums),
            }
        }
        report.groups = ask.by.iter().map(|by| group(by, rollup, &ask.day, &report.total)).collect();
        report
    }
}

fn group(by: &By, rollup: &Rollup, day: &Window, total: &Line) -> Group {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let mut days: BTreeMap<Timestamp, String> = BTreeMap::new();
    let mut day_of = |hour: Timestamp| days.entry(hour).or_insert_with(|| day.date(hour)).clone();
    if let By::Tag(name) = by {
        for (key, sums) in rollup.tags.iter().filter(|(key, _)| key.name == *name) {
            lines.entry(key.value.clone()).or_default().add(sums);
        }
        let tagged: Sums = lines.values().fold(Sums::default(), |mut sums, line| {
            sums.attempts += line.attempts;
            sums.cost += line.cost.0;
            sums.baseline += line.baseline.0;
            sums.input += line.input;
            sums.output += line.output;
            sums.failed += line.failed;
            sums
        });
        if total.attempts > tagged.attempts {
            let rest = lines.entry("(without)".to_owned()).or_default();
            rest.attempts += total.attempts - tagged.attempts;
            rest.failed += total.failed.saturating_sub(tagged.failed);
            rest.cost.0 += total.cost.0 - tagged.cost;
            rest.baseline.0 += total.baseline.0 - tagged.baseline;
            rest.input += total.input.saturating_sub(tagged.input);
            rest.output += total.output.saturating_sub(tagged.output);
        }
    } else {
        for (key, sums) in rollup.cells.iter().filter(|(key, _)| key.ending != "voided") {
            let name = if *by == By::Day { day_of(key.hour) } else { column(by, key).to_owned() };
            lines.entry(name).or_default().add(sums);
        }
    }
    let mut lines: Vec<Line> = lines.into_iter().map(|(name, line)| Line { name, ..line }).collect();
    if *by != By::Day {
        sort_by(&mut lines, |a, b| b.cost.cmp(&a.cost).then(b.attempts.cmp(&a.attempts)).then(a.name.cmp(&b.name)));
    }
    Group { by: by.to_string(), lines }
}

fn column<'a>(by: &By, key: &'a CellKey) -> &'a str {
    match by {
        By::Tier => &key.tier,
        By::Model => &key.model,
        By::Vendor => &key.vendor,
        By::Endpoint => &key.endpoint,
        By::Purpose => &key.purpose,
        By::Ending => &key.ending,
        By::Basis => &key.basis,
        By::Day | By::Tag(_) => "",
    }
}

fn times(rollup: &Rollup) -> Vec<Times> {
    let mut classes: BTreeMap<(&str, Measure), BTreeMap<u8, u64>> = BTreeMap::new();
    for (key, count) in &rollup.classes {
        *classes.entry((&key.model, key.measure)).or_default().entry(key.class).or_default() += count;
    }
    let line = |((model, measure), classes): ((&str, Measure), BTreeMap<u8, u64>)| {
        let answers = classes.values().sum::<u64>();
        let at = |percent: u64| {
            let wanted = (answers * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let class = classes.iter().find(|(_, count)| {
                seen += **count;
                seen >= wanted
            });
            class.map_or(0, |(class, _)| middle_of(*class).ms())
        };
        let (p50_ms, p90_ms, p99_ms) = (at(50), at(90), at(99));
        Times { model: model.to_owned(), measure: measure.as_str(), answers, p50_ms, p90_ms, p99_ms }
    };
    classes.into_iter().map(line).collect()
}

fn held_by(rows: &[Row]) -> Held {
    let mut held = Held::default();
    for row in rows {
        match row.fate {
            Fate::Open => held.open += 1,
            Fate::Unknown { .. } => held.unknown += 1,
            Fate::Settled(_) | Fate::Voided(_) => continue,
        }
        held.amount.0 += i128::from(row.reserve.amount.pico());
    }
    held
}

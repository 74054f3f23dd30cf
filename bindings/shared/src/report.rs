//! The account as JSON: attempts, and sums of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tierway::ledger::{self, CellKey, Fate, LedgerError, Purpose, Row};
use tierway::store::{Only, Page, Store, Stretch};
use tierway::time::Timestamp;
use tierway::{Error, Usd};

use crate::{Failure, json};

/// Attempts read at once.
const PAGE: usize = 1_000;
const HOUR_MS: i64 = 3_600_000;
/// Most groups of a report; the rest is summed as `other`.
const GROUPS_MAX: usize = 10_000;

/// What a report is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Query {
    /// `model`, `vendor`, `endpoint`, `tier`, `purpose`, `ending`, `day`, or `tag:NAME`.
    by: Vec<String>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Listing {
    after: u64,
    limit: Option<usize>,
    since_ms: Option<i64>,
    until_ms: Option<i64>,
}

/// What a group's attempts come to.
#[derive(Clone, Copy, Default)]
struct Sums {
    requests: u64,
    attempts: u64,
    failed: u64,
    held: u64,
    cost: i128,
    baseline: i128,
    held_cost: i128,
    input: u64,
    cached: u64,
    output: u64,
    reasoning: u64,
}

pub(crate) async fn attempts(store: &Arc<dyn Store>, query: &str) -> Result<String, Failure> {
    let listing: Listing = json::read(query, "query", "invalid_request")?;
    let page = Page {
        after: listing.after,
        limit: listing.limit.unwrap_or(PAGE),
        since: listing.since_ms.map(Timestamp::from_ms),
        until: listing.until_ms.map(Timestamp::from_ms),
        ..Page::default()
    };
    let rows = store.rows(page).await.map_err(failed)?;
    Ok(Value::Array(rows.iter().map(line).collect()).to_string())
}

pub(crate) async fn report(store: &Arc<dyn Store>, query: &str) -> Result<String, Failure> {
    let query: Query = json::read(query, "query", "invalid_request")?;
    for name in &query.by {
        check(name)?;
    }
    let mut groups = Groups::default();
    match query.is_summed() {
        true => groups.read_sums(store, &query).await?,
        false => groups.read_rows(store, &query, Only::All).await?,
    }
    let Groups { groups, total } = groups;
    let group = |(key, sums): (&Vec<String>, &Sums)| {
        let mut fields: Map<String, Value> =
            query.by.iter().cloned().zip(key.iter().map(|value| value.as_str().into())).collect();
        sums.write(&mut fields);
        Value::Object(fields)
    };
    let mut all = Map::new();
    total.write(&mut all);
    let lines: Vec<Value> = if query.by.is_empty() { Vec::new() } else { groups.iter().map(group).collect() };
    Ok(json!({"by": query.by, "groups": lines, "total": all}).to_string())
}

impl Query {
    /// Whether the ledger's sums by hour say all that is asked: whole hours, and no tag beside other things.
    fn is_summed(&self) -> bool {
        let is_whole = |ms: Option<i64>| ms.is_none_or(|ms| ms % HOUR_MS == 0);
        is_whole(self.since_ms) && is_whole(self.until_ms) && self.by.iter().all(|name| !name.starts_with("tag:"))
    }

    fn since(&self) -> Option<Timestamp> {
        self.since_ms.map(Timestamp::from_ms)
    }

    fn until(&self) -> Option<Timestamp> {
        self.until_ms.map(Timestamp::from_ms)
    }
}

/// Sums by what was asked for, and over all.
#[derive(Default)]
struct Groups {
    groups: BTreeMap<Vec<String>, Sums>,
    total: Sums,
}

impl Groups {
    fn add(&mut self, mut key: Vec<String>, add: impl Fn(&mut Sums)) {
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&key) {
            key = vec!["other".to_owned(); key.len()];
        }
        add(self.groups.entry(key).or_default());
        add(&mut self.total);
    }

    /// Reads sums by hour, and the attempts that are held: so a report takes as long over ten million attempts as over
    /// ten thousand.
    async fn read_sums(&mut self, store: &Arc<dyn Store>, query: &Query) -> Result<(), Failure> {
        let stretch = Stretch { since: query.since(), until: query.until(), tags: Vec::new() };
        let rollup = store.rollup(stretch).await.map_err(failed)?;
        for (cell, sums) in &rollup.cells {
            let key = query.by.iter().map(|name| value_of_cell(cell, name)).collect();
            self.add(key, |line| line.add_cell(cell, sums));
        }
        self.read_rows(store, query, Only::Held).await
    }

    async fn read_rows(&mut self, store: &Arc<dyn Store>, query: &Query, only: Only) -> Result<(), Failure> {
        let mut page = Page { limit: PAGE, since: query.since(), until: query.until(), only, ..Page::default() };
        loop {
            let rows = store.rows(page).await.map_err(failed)?;
            for row in &rows {
                self.add(query.by.iter().map(|name| value_of(row, name)).collect(), |line| line.add(row));
                page.after = row.seq;
            }
            if rows.len() < PAGE {
                return Ok(());
            }
        }
    }
}

fn failed(error: LedgerError) -> Failure {
    Error::Ledger(error).into()
}

fn check(name: &str) -> Result<(), Failure> {
    let known = ["model", "vendor", "endpoint", "tier", "purpose", "ending", "day"];
    if known.contains(&name) || name.strip_prefix("tag:").is_some_and(|tag| !tag.is_empty()) {
        return Ok(());
    }
    let message = format!("by: use {} or tag:NAME", known.join(", "));
    Err(Failure::new("invalid_request", message).with_field("by"))
}

fn value_of(row: &Row, name: &str) -> String {
    let facts = &row.reserve.facts;
    match name {
        "model" => facts.model.to_string(),
        "vendor" => facts.vendor.to_string(),
        "endpoint" => facts.endpoint.to_string(),
        "tier" => facts.tier.as_str().to_owned(),
        "purpose" => facts.purpose.as_str().to_owned(),
        "ending" => ending(row).to_owned(),
        "day" => tierway::catalog::day_of(row.reserve.at).to_string(),
        tag => tag.strip_prefix("tag:").and_then(|tag| facts.tags.get(tag)).cloned().unwrap_or_default(),
    }
}

fn value_of_cell(cell: &CellKey, name: &str) -> String {
    match name {
        "model" => cell.model.clone(),
        "vendor" => cell.vendor.clone(),
        "endpoint" => cell.endpoint.clone(),
        "tier" => cell.tier.clone(),
        "purpose" => cell.purpose.clone(),
        "ending" => cell.ending.clone(),
        _ => tierway::catalog::day_of(cell.hour).to_string(),
    }
}

fn ending(row: &Row) -> &'static str {
    match &row.fate {
        Fate::Open => "open",
        Fate::Settled(entry) => entry.ending.as_str(),
        Fate::Voided(_) => "voided",
        Fate::Unknown { .. } => "unknown",
    }
}

fn line(row: &Row) -> Value {
    let facts = &row.reserve.facts;
    let mut line = json!({
        "seq": row.seq,
        "attempt": row.reserve.attempt,
        "request": row.reserve.request,
        "at_ms": row.reserve.at,
        "model": facts.model,
        "vendor": facts.vendor,
        "endpoint": facts.endpoint,
        "tier": facts.tier,
        "purpose": facts.purpose,
        "tags": *facts.tags,
        "reserved": row.reserve.amount,
        "baseline": row.reserve.baseline,
        "ending": ending(row),
        "cost": null,
        "baseline_cost": null,
        "basis": null,
        "usage": null,
        "lines": null,
        "latency_ms": null,
        "first_token_ms": null,
    });
    match &row.fate {
        Fate::Settled(entry) => {
            line["cost"] = json!(entry.cost);
            line["baseline_cost"] = json!(entry.baseline_cost);
            line["basis"] = json!(entry.basis);
            line["usage"] = json!(entry.usage);
            line["lines"] = json!(entry.lines);
            line["latency_ms"] = json!(entry.latency);
            line["first_token_ms"] = json!(entry.first_token);
        }
        Fate::Voided(_) => line["cost"] = json!(Usd::ZERO),
        _ => {}
    }
    line
}

impl Sums {
    fn add_cell(&mut self, cell: &CellKey, sums: &ledger::Sums) {
        self.attempts += sums.attempts;
        self.requests += if cell.purpose == Purpose::First.as_str() { sums.attempts } else { 0 };
        self.failed += sums.failed;
        self.cost += sums.cost;
        self.baseline += sums.baseline;
        self.input = self.input.saturating_add(sums.input);
        self.cached = self.cached.saturating_add(sums.cached);
        self.output = self.output.saturating_add(sums.output);
        self.reasoning = self.reasoning.saturating_add(sums.reasoning);
    }

    fn add(&mut self, row: &Row) {
        self.attempts += 1;
        self.requests += u64::from(row.reserve.facts.purpose == Purpose::First);
        match &row.fate {
            Fate::Settled(entry) => {
                self.failed += u64::from(entry.ending.is_failure());
                self.cost += i128::from(entry.cost.pico());
                self.baseline += i128::from(entry.baseline_cost.map_or(0, Usd::pico));
                self.input = self.input.saturating_add(entry.usage.input.unwrap_or(0));
                self.cached = self.cached.saturating_add(entry.usage.cached_read.unwrap_or(0));
                self.output = self.output.saturating_add(entry.usage.output.unwrap_or(0));
                self.reasoning = self.reasoning.saturating_add(entry.usage.reasoning.unwrap_or(0));
            }
            Fate::Open | Fate::Unknown { .. } => {
                self.held += 1;
                self.held_cost += i128::from(row.reserve.amount.pico());
            }
            Fate::Voided(_) => {}
        }
    }

    /// Writes the sums; what was saved counts answered attempts against what every attempt cost.
    fn write(&self, fields: &mut Map<String, Value>) {
        let counts = [
            ("requests", self.requests),
            ("attempts", self.attempts),
            ("failed", self.failed),
            ("held", self.held),
            ("input_tokens", self.input),
            ("cached_tokens", self.cached),
            ("output_tokens", self.output),
            ("reasoning_tokens", self.reasoning),
        ];
        let amounts = [
            ("cost", self.cost),
            ("baseline_cost", self.baseline),
            ("saved", self.baseline - self.cost),
            ("held_cost", self.held_cost),
        ];
        for (name, count) in counts {
            fields.insert(name.to_owned(), count.into());
        }
        for (name, amount) in amounts {
            // Beyond nine million dollars an amount is no `Usd`: it is held at the largest, which shows.
            let amount = Usd::try_from_pico(amount).unwrap_or(Usd::MAX);
            fields.insert(name.to_owned(), json!(amount));
        }
    }
}

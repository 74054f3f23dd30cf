//! What a batch writes, in statements of many rows: all of them and the commit are sent at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join, join3, join5};
use tokio_postgres::types::{ToSql, Type};

use super::batch::Batch;
use super::codec::ending_text;
use super::failure::Trouble;
use super::lease::Key;
use super::link::Link;
use super::sums;
use super::transact::Known;
use crate::ledger::{End, Reserve};
use crate::money::Usd;
use crate::time::Span;

const DOING: &str = "writing entries";

type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// Writes and commits. Where a statement fails the server answers the commit by rolling back, so the first failure
/// tells; a commit that nobody answered may have taken effect.
pub(super) async fn write(
    link: &Link,
    known: &Known,
    batch: &Batch,
    leases: &BTreeMap<Key, i128>,
    last_seq: Option<i64>,
) -> Result<(), Trouble> {
    let first = join5(
        reservations(link, &batch.reservations, known.owner),
        endings(link, &batch.endings),
        balances(link, batch),
        lease_rows(link, known.owner, leases),
        rates(link, batch),
    );
    let rollup = batch.sums.rollup();
    let second =
        join3(alive(link, known, batch, last_seq), sums::write(link, &rollup), link.commit("committing entries"));
    let ((a, b, c, d, e), (f, g, committed)) = join(first, second).await;
    a.and(b).and(c).and(d).and(e).and(f).and(g).and(committed)
}

async fn reservations(link: &Link, new: &[(i64, Arc<Reserve>)], owner: i64) -> Result<(), Trouble> {
    if new.is_empty() {
        return Ok(());
    }
    let numbers = |of: fn(&(i64, Arc<Reserve>)) -> i64| new.iter().map(of).collect::<Vec<i64>>();
    let seqs = numbers(|entry| entry.0);
    let times = numbers(|entry| entry.1.at.ms());
    let amounts = numbers(|entry| entry.1.amount.pico());
    let tokens = numbers(|entry| entry.1.tokens_max as i64);
    let words: [Vec<&str>; 7] =
        std::array::from_fn(|column| new.iter().map(|(_, entry)| column_of(entry, column)).collect());
    let keys: Vec<Option<&str>> = new.iter().map(|(_, entry)| entry.facts.key.as_deref()).collect();
    let tags: Vec<String> = new.iter().map(|(_, entry)| tags(entry)).collect();
    let baselines: Vec<Option<&str>> =
        new.iter().map(|(_, e)| e.baseline.as_ref().map(|model| model.as_str())).collect();
    let [attempts, requests, models, vendors, endpoints, tiers, purposes] = &words;
    let text = Type::TEXT_ARRAY;
    let params: [Param<'_>; 15] = [
        (&seqs, Type::INT8_ARRAY),
        (attempts, text.clone()),
        (requests, text.clone()),
        (&times, Type::INT8_ARRAY),
        (models, text.clone()),
        (vendors, text.clone()),
        (endpoints, text.clone()),
        (tiers, text.clone()),
        (purposes, text.clone()),
        (&keys, text.clone()),
        (&tags, text.clone()),
        (&amounts, Type::INT8_ARRAY),
        (&tokens, Type::INT8_ARRAY),
        (&baselines, text),
        (&owner, Type::INT8),
    ];
    let sql = "INSERT INTO reservations
         SELECT *, $15 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    link.execute(DOING, sql, &params).await.map(drop)
}

fn column_of(entry: &Reserve, column: usize) -> &str {
    match column {
        0 => entry.attempt.as_str(),
        1 => entry.request.as_str(),
        2 => entry.facts.model.as_str(),
        3 => entry.facts.vendor.as_str(),
        4 => entry.facts.endpoint.as_str(),
        5 => entry.facts.tier.as_str(),
        _ => entry.facts.purpose.as_str(),
    }
}

fn tags(entry: &Reserve) -> String {
    match entry.facts.tags.is_empty() {
        true => "{}".to_owned(),
        false => serde_json::to_string(&*entry.facts.tags).expect("tags are text"),
    }
}

/// The columns of endings, as arrays.
#[derive(Default)]
struct Endings<'a> {
    seqs: Vec<i64>,
    reservations: Vec<i64>,
    kinds: Vec<&'static str>,
    times: Vec<i64>,
    costs: Vec<Option<i64>>,
    baselines: Vec<Option<i64>>,
    bases: Vec<Option<&'static str>>,
    endings: Vec<Option<String>>,
    latencies: Vec<Option<i64>>,
    first_tokens: Vec<Option<i64>>,
    usages: Vec<Option<String>>,
    lines: Vec<Option<String>>,
    whys: Vec<Option<&'a str>>,
}

impl<'a> Endings<'a> {
    fn push(&mut self, seq: i64, reservation: i64, end: &'a End) {
        let ms = |span: Span| i64::try_from(span.ms()).unwrap_or(i64::MAX);
        let settle = match end {
            End::Settle(entry) => Some(entry),
            End::Void(_) => None,
        };
        self.seqs.push(seq);
        self.reservations.push(reservation);
        self.kinds.push(if settle.is_some() { "settle" } else { "void" });
        self.times.push(match end {
            End::Settle(entry) => entry.at.ms(),
            End::Void(entry) => entry.at.ms(),
        });
        self.costs.push(settle.map(|entry| entry.cost.pico()));
        self.baselines.push(settle.and_then(|entry| entry.baseline_cost.map(Usd::pico)));
        self.bases.push(settle.map(|entry| entry.basis.as_str()));
        self.endings.push(settle.map(|entry| ending_text(entry.ending)));
        self.latencies.push(settle.map(|entry| ms(entry.latency)));
        self.first_tokens.push(settle.and_then(|entry| entry.first_token.map(ms)));
        self.usages.push(settle.map(|entry| serde_json::to_string(&entry.usage).expect("usage is plain data")));
        self.lines.push(settle.map(|entry| serde_json::to_string(&entry.lines).expect("charge lines are plain data")));
        self.whys.push(match end {
            End::Settle(_) => None,
            End::Void(entry) => Some(&entry.why),
        });
    }
}

async fn endings(link: &Link, new: &[(i64, i64, End)]) -> Result<(), Trouble> {
    if new.is_empty() {
        return Ok(());
    }
    let mut columns = Endings::default();
    new.iter().for_each(|(seq, reservation, end)| columns.push(*seq, *reservation, end));
    let (number, text) = (Type::INT8_ARRAY, Type::TEXT_ARRAY);
    let params: [Param<'_>; 13] = [
        (&columns.seqs, number.clone()),
        (&columns.reservations, number.clone()),
        (&columns.kinds, text.clone()),
        (&columns.times, number.clone()),
        (&columns.costs, number.clone()),
        (&columns.baselines, number.clone()),
        (&columns.bases, text.clone()),
        (&columns.endings, text.clone()),
        (&columns.latencies, number.clone()),
        (&columns.first_tokens, number),
        (&columns.usages, text.clone()),
        (&columns.lines, text.clone()),
        (&columns.whys, text),
    ];
    let sql = "INSERT INTO endings SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    link.execute(DOING, sql, &params).await.map(drop)
}

/// A key's columns, as arrays.
pub(super) fn keys<'a>(keys: impl Iterator<Item = &'a Key>) -> (Vec<i64>, Vec<&'a str>, Vec<i64>) {
    let (mut budgets, mut scopes, mut buckets) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        budgets.push(key.budget);
        scopes.push(&*key.scope);
        buckets.push(key.bucket_ms);
    }
    (budgets, scopes, buckets)
}

async fn balances(link: &Link, batch: &Batch) -> Result<(), Trouble> {
    if batch.deltas.is_empty() {
        return Ok(());
    }
    let (budgets, scopes, buckets) = keys(batch.deltas.keys());
    let posted: Vec<String> = batch.deltas.values().map(|by| by.posted.to_string()).collect();
    let held: Vec<String> = batch.deltas.values().map(|by| by.held.to_string()).collect();
    let base: Vec<String> = batch.deltas.values().map(|by| by.base.to_string()).collect();
    let sql = "INSERT INTO balances
         SELECT a, b, c, d::numeric, e::numeric, f::numeric FROM unnest($1, $2, $3, $4, $5, $6) AS t (a, b, c, d, e, f)
         ON CONFLICT (budget, scope, bucket_ms) DO UPDATE SET posted = balances.posted + excluded.posted,
             held = balances.held + excluded.held, base = balances.base + excluded.base";
    let params: [Param<'_>; 6] = [
        (&budgets, Type::INT8_ARRAY),
        (&scopes, Type::TEXT_ARRAY),
        (&buckets, Type::INT8_ARRAY),
        (&posted, Type::TEXT_ARRAY),
        (&held, Type::TEXT_ARRAY),
        (&base, Type::TEXT_ARRAY),
    ];
    link.execute(DOING, sql, &params).await.map(drop)
}

pub(super) async fn lease_rows(link: &Link, owner: i64, sums: &BTreeMap<Key, i128>) -> Result<(), Trouble> {
    if sums.is_empty() {
        return Ok(());
    }
    let (budgets, scopes, buckets) = keys(sums.keys());
    let units: Vec<String> = sums.values().map(i128::to_string).collect();
    let sql = "INSERT INTO leases (budget, scope, bucket_ms, units, owner)
         SELECT a, b, c, d::numeric, $5 FROM unnest($1, $2, $3, $4) AS t (a, b, c, d)
         ON CONFLICT (budget, scope, bucket_ms, owner) DO UPDATE SET units = excluded.units";
    let params: [Param<'_>; 5] = [
        (&budgets, Type::INT8_ARRAY),
        (&scopes, Type::TEXT_ARRAY),
        (&buckets, Type::INT8_ARRAY),
        (&units, Type::TEXT_ARRAY),
        (&owner, Type::INT8),
    ];
    link.execute(DOING, sql, &params).await.map(drop)
}

async fn rates(link: &Link, batch: &Batch) -> Result<(), Trouble> {
    let (mut names, mut scopes, mut requests, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (rate, scope) in &batch.rates {
        if let Some(state) = batch.tally.rate(*rate, scope) {
            names.push(batch.tally.rules().rates()[*rate].name.as_str());
            scopes.push(scope.as_str());
            requests.push(state.requests_full_ns);
            tokens.push(state.tokens_full_ns);
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE rates r SET requests_full_ns = t.a, tokens_full_ns = t.b
         FROM unnest($1, $2, $3, $4) AS t (name, scope, a, b) WHERE r.name = t.name AND r.scope = t.scope";
    let params: [Param<'_>; 4] = [
        (&names, Type::TEXT_ARRAY),
        (&scopes, Type::TEXT_ARRAY),
        (&requests, Type::INT8_ARRAY),
        (&tokens, Type::INT8_ARRAY),
    ];
    link.execute(DOING, sql, &params).await.map(drop)
}

/// The sign of life, and the oldest reservation of this store that may be open after the batch.
async fn alive(link: &Link, known: &Known, batch: &Batch, last_seq: Option<i64>) -> Result<(), Trouble> {
    let ended = |seq: &i64| batch.endings.iter().any(|(_, reservation, _)| reservation == seq);
    let oldest = known.open_seqs.iter().chain(batch.reservations.iter().map(|(seq, _)| seq)).find(|seq| !ended(seq));
    let oldest = oldest.copied().unwrap_or(last_seq.unwrap_or(0).max(known.seq) + 1);
    sign(link, known, oldest).await
}

/// Writes the sign of life, again where others took this store for dead. It counts from when it is written: `now()` is when the
/// transaction began, which may have waited for others since.
pub(super) async fn sign(link: &Link, known: &Known, oldest: i64) -> Result<(), Trouble> {
    let sql = "INSERT INTO owners (id, name, oldest_open, alive_until)
         VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 second')
         ON CONFLICT (id) DO UPDATE SET oldest_open = excluded.oldest_open, alive_until = excluded.alive_until";
    let params: [Param<'_>; 4] = [
        (&known.owner, Type::INT8),
        (&known.owner_name, Type::TEXT),
        (&oldest, Type::INT8),
        (&known.alive_secs, Type::FLOAT8),
    ];
    link.execute(DOING, sql, &params).await.map(drop)
}

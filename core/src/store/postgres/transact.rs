//! A batch's transaction: two round trips, however many entries it has.
//!
//! The first locks and reads what the entries draw on, the second writes what was judged and commits. Locks are taken in
//! one order everywhere, so that batches queue and never wait for each other in a ring. READ COMMITTED does, since each
//! statement after the lock sees what was committed before it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::{join, join4, join5};
use tokio_postgres::Row as PgRow;
use tokio_postgres::types::Type;

use super::batch::{Batch, Seen, Work};
use super::codec::{self, Unreadable, field, sum};
use super::failure::Trouble;
use super::lease::{Key, Leases, grant};
use super::link::{Link, Server};
use super::write;
use crate::clock::{Clock, SystemClock};
use crate::id::AttemptId;
use crate::ledger::{Balance, Fate, LedgerError, Posted, RateState, Reserve, Rules};
use crate::store::tally::Tally;
use crate::time::Timestamp;

const DOING: &str = "reading what entries draw on";
/// The most that clocks may differ without being corrected: what a network can hide.
const CLOCK_MS_MAX: i64 = 1_000;

/// What the writer knows of the tables between transactions.
#[derive(Default)]
pub(super) struct Known {
    pub(super) rules: Rules,
    /// Rows of `budgets`, by position in the rules.
    pub(super) budget_ids: Vec<i64>,
    pub(super) owner: i64,
    pub(super) owner_name: String,
    pub(super) alive_secs: f64,
    /// Reservations of this store that are open.
    pub(super) open: HashMap<AttemptId, (i64, Arc<Reserve>)>,
    pub(super) open_seqs: BTreeSet<i64>,
    pub(super) seq: i64,
    /// Rows to lock that are known to be there.
    pub(super) scopes: HashSet<(i64, String)>,
    pub(super) rate_rows: HashSet<(usize, String)>,
    /// Entries whose commit was lost on its way.
    pub(super) own: HashSet<(AttemptId, bool)>,
    /// Whether the last transaction did not end well, so that nothing remembered of attempts is believed.
    pub(super) must_look: bool,
    /// What each of this store's leases must be on the server: left and in flight.
    pub(super) leased: HashMap<Key, i128>,
    /// The part of a limit that is leased at a time, in thousandths; none where the server judges all.
    pub(super) lease_part: Option<u16>,
}

impl Known {
    /// The oldest reservation of this store that may be open.
    pub(super) fn oldest_open(&self) -> i64 {
        self.open_seqs.first().copied().unwrap_or(self.seq + 1)
    }

    /// Forgets what the tables of another set of rules held.
    pub(super) fn adopt(&mut self, rules: Rules, budget_ids: Vec<i64>) {
        self.rules = rules;
        self.leased.retain(|key, units| *units > 0 && budget_ids.contains(&key.budget));
        self.budget_ids = budget_ids;
        self.scopes.clear();
        self.rate_rows.clear();
    }
}

/// Which rows entries draw on: the budget's row and the scope, with its position and the first bucket that counts.
#[derive(Default)]
struct Needs {
    scopes: BTreeMap<(i64, String), (usize, i64)>,
    rates: BTreeMap<(String, String), usize>,
}

/// Writes entries in one transaction. Answers what became of each, and the balances after it.
pub(super) async fn transact(
    server: &Server,
    link: &Link,
    known: &mut Known,
    leases: &Leases,
    works: &[Work],
) -> Result<(Vec<Result<Posted, LedgerError>>, Vec<(usize, Key, Balance)>), Trouble> {
    let mut batch = Batch::new(Tally::new(known.rules.clone()), known.budget_ids.clone());
    batch.own.clone_from(&known.own);
    let (asked, foreign) = look_ups(known, works, &mut batch);
    let begin = server.begin_write();
    if foreign {
        let (begun, found) = join(link.simple(DOING, &begin), codec::find(link, &asked)).await;
        begun?;
        batch.seen.extend(found?.into_iter().map(seen));
    }
    let needs = needs(known, works, &mut batch);
    let scopes: Vec<_> = needs.scopes.iter().map(|(key, (_, first))| (key.0, key.1.as_str(), *first)).collect();
    let rates: Vec<_> = needs.rates.keys().map(|(name, scope)| (name.as_str(), scope.as_str())).collect();
    let new_scopes: Vec<_> =
        scopes.iter().filter(|s| !known.scopes.contains(&(s.0, s.1.to_owned()))).copied().collect();
    let is_new = |key: &&(String, String)| !known.rate_rows.contains(&(needs.rates[*key], key.1.clone()));
    let new_rates: Vec<_> = needs.rates.keys().filter(is_new).map(|(n, s)| (n.as_str(), s.as_str())).collect();
    let begun = async { if foreign { Ok(()) } else { link.simple(DOING, &begin).await } };
    let found = async { if foreign { Ok(Vec::new()) } else { codec::find(link, &asked).await } };
    let first = join4(begun, found, put_scopes(link, &new_scopes), put_rates(link, &new_rates));
    // Numbers are drawn under the lock, so that the journal of a budget is in the order in which it was judged.
    let second = join5(
        lock_scopes(link, &scopes),
        seqs(link, works.len()),
        balances(link, &scopes),
        lease_rows(link, &scopes),
        lock_rates(link, &rates),
    );
    let ((begun, found, s, r), (locked, seqs, balances, lease_rows, rate_rows)) = join(first, second).await;
    begun.and(s).and(r)?;
    batch.seen.extend(found?.into_iter().map(seen));
    batch.seqs = seqs?;
    locked?;
    let taken = take_leases(known, leases, works, &batch, &needs);
    let read = Read { balances: &balances?, leases: &lease_rows?, rates: &rate_rows? };
    load(&mut batch, known, &needs, &read).map_err(|reason| server.corrupt(reason))?;
    let last_seq = batch.seqs.first().copied();
    let results: Vec<_> = works.iter().map(|work| batch.take(work)).collect();
    let grants = grants(known, &mut batch, works);
    let sums = lease_sums(known, &batch, &taken, &grants);
    known.own.extend(batch.reservations.iter().map(|(_, entry)| (entry.attempt.clone(), false)));
    known.own.extend(batch.endings.iter().map(|(_, _, end)| (end.attempt().clone(), true)));
    // Where the time limit ends this future, they stay noted; where the server says no, nothing was written.
    match write::write(link, known, &batch, &sums, last_seq).await {
        Err(trouble @ (Trouble::Again(_) | Trouble::Refused(_))) => {
            known.own.clone_from(&batch.own);
            return Err(trouble);
        }
        Err(lost) => return Err(lost),
        Ok(()) => known.own.clear(),
    }
    remember_places(known, needs, sums);
    revoke_overruns(leases, works, &results, &batch);
    for (key, units) in grants {
        leases.give(key, units);
    }
    remember(known, &batch, last_seq);
    let standing = batch
        .places
        .iter()
        .map(|(key, (budget, bucket))| (*budget, key.clone(), batch.tally.balance(*budget, &key.scope, *bucket)));
    Ok((results, standing.collect()))
}

fn seen(row: crate::ledger::Row) -> (AttemptId, Seen) {
    (row.reserve.attempt.clone(), row.into())
}

/// The attempts to look up, and whether an ending is of one that is not known here.
fn look_ups<'a>(known: &Known, works: &'a [Work], batch: &mut Batch) -> (Vec<&'a str>, bool) {
    let mut asked = BTreeSet::new();
    let mut fresh = HashSet::new();
    let mut foreign = known.must_look;
    for work in works {
        let attempt = work.attempt();
        match known.open.get(attempt) {
            Some((seq, reserve)) if !known.must_look => {
                let seen = Seen { seq: *seq, reserve: reserve.clone(), fate: Fate::Open };
                batch.seen.entry(attempt.clone()).or_insert(seen);
                continue;
            }
            _ => drop(asked.insert(attempt.as_str())),
        }
        match work {
            Work::End(_) => foreign |= !fresh.contains(attempt),
            _ => drop(fresh.insert(attempt)),
        }
    }
    (asked.into_iter().collect(), foreign)
}

fn needs(known: &Known, works: &[Work], batch: &mut Batch) -> Needs {
    let mut needs = Needs::default();
    if known.rules.is_empty() {
        return needs;
    }
    let mut fresh: HashMap<&AttemptId, &Arc<Reserve>> = HashMap::new();
    for work in works {
        let reserve = match work {
            Work::Reserve(entry) | Work::Granted(entry) => {
                fresh.insert(&entry.attempt, entry);
                entry.clone()
            }
            Work::End(end) => {
                let seen = batch.seen.get(end.attempt()).map(|seen| &seen.reserve);
                match seen.or(fresh.get(end.attempt()).copied()) {
                    Some(reserve) => reserve.clone(),
                    None => continue,
                }
            }
        };
        for (at, scope, _, first) in batch.tally.needs(&reserve) {
            let need = needs.scopes.entry((known.budget_ids[at], scope)).or_insert((at, first.ms()));
            need.1 = need.1.min(first.ms());
        }
        for (at, scope) in batch.tally.rate_needs(&reserve) {
            needs.rates.insert((known.rules.rates()[at].name.clone(), scope), at);
        }
    }
    needs
}

async fn seqs(link: &Link, count: usize) -> Result<Vec<i64>, Trouble> {
    let count = count as i64;
    let sql = "SELECT nextval('ledger_seq') FROM generate_series(1, $1)";
    let rows = link.query(DOING, sql, &[(&count, Type::INT8)]).await?;
    let seqs: Result<Vec<i64>, _> = rows.iter().map(|row| field(row, 0)).collect();
    let mut seqs = seqs.map_err(|reason| link.corrupt(reason))?;
    seqs.sort_unstable_by(|a, b| b.cmp(a));
    Ok(seqs)
}

type ScopeKeys<'a> = [(i64, &'a str, i64)];

async fn put_scopes(link: &Link, keys: &ScopeKeys<'_>) -> Result<(), Trouble> {
    if keys.is_empty() {
        return Ok(());
    }
    let (budgets, names): (Vec<i64>, Vec<&str>) = keys.iter().map(|key| (key.0, key.1)).unzip();
    let sql = "INSERT INTO scopes (budget, scope) SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING";
    link.execute(DOING, sql, &[(&budgets, Type::INT8_ARRAY), (&names, Type::TEXT_ARRAY)]).await.map(drop)
}

async fn put_rates(link: &Link, keys: &[(&str, &str)]) -> Result<(), Trouble> {
    if keys.is_empty() {
        return Ok(());
    }
    let (names, scopes): (Vec<&str>, Vec<&str>) = keys.iter().copied().unzip();
    let sql =
        "INSERT INTO rates SELECT name, scope, 0, 0 FROM unnest($1, $2) AS t (name, scope) ON CONFLICT DO NOTHING";
    link.execute(DOING, sql, &[(&names, Type::TEXT_ARRAY), (&scopes, Type::TEXT_ARRAY)]).await.map(drop)
}

async fn lock_scopes(link: &Link, keys: &ScopeKeys<'_>) -> Result<(), Trouble> {
    if keys.is_empty() {
        return Ok(());
    }
    let (budgets, names): (Vec<i64>, Vec<&str>) = keys.iter().map(|key| (key.0, key.1)).unzip();
    let sql = "SELECT 1 FROM scopes s WHERE (s.budget, s.scope) IN (SELECT * FROM unnest($1, $2))
         ORDER BY s.budget, s.scope FOR UPDATE OF s";
    link.query(DOING, sql, &[(&budgets, Type::INT8_ARRAY), (&names, Type::TEXT_ARRAY)]).await.map(drop)
}

async fn balances(link: &Link, keys: &ScopeKeys<'_>) -> Result<Vec<PgRow>, Trouble> {
    let columns = "a.budget, a.scope, a.bucket_ms, a.posted::text, a.held::text, a.base::text FROM balances a";
    buckets(link, keys, columns).await
}

async fn lease_rows(link: &Link, keys: &ScopeKeys<'_>) -> Result<Vec<PgRow>, Trouble> {
    buckets(link, keys, "a.budget, a.scope, a.bucket_ms, a.owner, a.units::text FROM leases a").await
}

async fn buckets(link: &Link, keys: &ScopeKeys<'_>, columns: &str) -> Result<Vec<PgRow>, Trouble> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (budgets, names): (Vec<i64>, Vec<&str>) = keys.iter().map(|key| (key.0, key.1)).unzip();
    let firsts: Vec<i64> = keys.iter().map(|key| key.2).collect();
    let sql = format!(
        "SELECT {columns} JOIN unnest($1, $2, $3) AS k (budget, scope, first)
         ON a.budget = k.budget AND a.scope = k.scope AND a.bucket_ms >= k.first"
    );
    let params = [(&budgets as _, Type::INT8_ARRAY), (&names as _, Type::TEXT_ARRAY), (&firsts as _, Type::INT8_ARRAY)];
    link.query(DOING, &sql, &params).await
}

async fn lock_rates(link: &Link, keys: &[(&str, &str)]) -> Result<Vec<PgRow>, Trouble> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (names, scopes): (Vec<&str>, Vec<&str>) = keys.iter().copied().unzip();
    let sql = "SELECT r.name, r.scope, r.requests_full_ns, r.tokens_full_ns,
             (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint
         FROM rates r WHERE (r.name, r.scope) IN (SELECT * FROM unnest($1, $2)) ORDER BY r.name, r.scope FOR UPDATE OF r";
    link.query(DOING, sql, &[(&names, Type::TEXT_ARRAY), (&scopes, Type::TEXT_ARRAY)]).await
}

/// What was read.
struct Read<'a> {
    balances: &'a [PgRow],
    leases: &'a [PgRow],
    rates: &'a [PgRow],
}

/// Takes back what is left of the leases on which reservations are judged here, so that nothing is judged against
/// what this store has itself.
fn take_leases(known: &mut Known, leases: &Leases, works: &[Work], batch: &Batch, needs: &Needs) -> BTreeSet<Key> {
    let mut taken = BTreeSet::new();
    if known.lease_part.is_none() || needs.scopes.is_empty() {
        return taken;
    }
    for work in works {
        let Work::Reserve(entry) = work else { continue };
        if batch.seen.contains_key(&entry.attempt) {
            continue;
        }
        for key in leases.keys(entry) {
            let units = leases.take(&key);
            if let Some(leased) = known.leased.get_mut(&key) {
                *leased -= units;
            }
            taken.insert(key);
        }
    }
    taken
}

/// Puts what was read into the batch. Leases count as held, but for what was taken back.
fn load(batch: &mut Batch, known: &Known, needs: &Needs, read: &Read<'_>) -> Result<(), Unreadable> {
    let place = |row: &PgRow| -> Result<(usize, Key), Unreadable> {
        let (budget, scope): (i64, String) = (field(row, 0)?, field(row, 1)?);
        let key = Key { budget, scope: scope.as_str().into(), bucket_ms: field(row, 2)? };
        let at = needs.scopes.get(&(budget, scope)).ok_or("a balance that was not asked for")?.0;
        Ok((at, key))
    };
    let mut loaded: HashMap<Key, (usize, Balance)> = HashMap::new();
    for row in read.balances {
        let (at, key) = place(row)?;
        loaded.insert(key, (at, Balance { posted: sum(row, 3)?, held: sum(row, 4)?, base: sum(row, 5)? }));
    }
    for row in read.leases {
        let (at, key) = place(row)?;
        let (owner, units): (i64, i128) = (field(row, 3)?, sum(row, 4)?);
        let mut counts = units;
        if owner == known.owner {
            // The tables hold more than what is left and in flight where some was taken back, or a commit got lost.
            counts = units.min(known.leased.get(&key).copied().unwrap_or(0));
            batch.leased.insert(key.clone(), counts);
        }
        loaded.entry(key).or_insert((at, Balance::default())).1.held += counts.max(0);
    }
    for (key, (at, balance)) in loaded {
        batch.tally.load(at, &key.scope, Timestamp::from_ms(key.bucket_ms), balance);
    }
    for row in read.rates {
        let (name, scope): (String, String) = (field(row, 0)?, field(row, 1)?);
        let state = RateState { requests_full_ns: field(row, 2)?, tokens_full_ns: field(row, 3)? };
        let at = *needs.rates.get(&(name, scope.clone())).ok_or("a rate that was not asked for")?;
        batch.tally.load_rate(at, &scope, state);
        batch.tally.set_clock(ahead_ms(field(row, 4)?));
    }
    Ok(())
}

/// How far the server's clock is ahead of this process's, where they differ by more than a network can hide. It is read
/// with the rates each time, since a clock may be set at any time.
fn ahead_ms(server_ms: i64) -> i64 {
    let ahead = server_ms - SystemClock.now().ms();
    if ahead.abs() > CLOCK_MS_MAX { ahead } else { 0 }
}

/// What to lease after this batch: of the balances on which it judged reservations.
fn grants(known: &Known, batch: &mut Batch, works: &[Work]) -> BTreeMap<Key, i128> {
    let mut grants = BTreeMap::new();
    let Some(part) = known.lease_part else { return grants };
    let wanted = std::mem::take(&mut batch.wanted);
    let now = works.iter().find_map(|work| match work {
        Work::Reserve(entry) => Some(entry.at),
        _ => None,
    });
    for (key, asked) in wanted {
        let (budget, bucket) = batch.places[&key];
        let rule = &known.rules.budgets()[budget];
        let is_now = now.is_some_and(|now| rule.window.bucket(now).start == bucket);
        if !super::lease::is_leasable(rule) || !is_now {
            continue;
        }
        let free = batch.tally.left(budget, &key.scope, now.unwrap_or(bucket));
        let units = grant(rule.limit.units(0), free, asked, part);
        if units > 0 {
            grants.insert(key, units);
        }
    }
    grants
}

/// What this store's leases are to be on the server after this batch, where that changes.
fn lease_sums(
    known: &Known,
    batch: &Batch,
    taken: &BTreeSet<Key>,
    grants: &BTreeMap<Key, i128>,
) -> BTreeMap<Key, i128> {
    let keys: BTreeSet<&Key> = batch.drawn.keys().chain(taken).chain(grants.keys()).collect();
    let of = |map: &HashMap<Key, i128>, key: &Key| map.get(key).copied().unwrap_or(0);
    let sum = |key: &Key| {
        let units = of(&known.leased, key) - of(&batch.drawn, key);
        units.max(0) + grants.get(key).copied().unwrap_or(0)
    };
    keys.into_iter().map(|key| (key.clone(), sum(key))).collect()
}

/// Where a cost was above its bound the limit may be passed: what was leased before that is drawn no more.
fn revoke_overruns(leases: &Leases, works: &[Work], results: &[Result<Posted, LedgerError>], batch: &Batch) {
    for (work, result) in works.iter().zip(results) {
        if let Work::End(end) = work
            && result.as_ref().is_ok_and(|posted| posted.overrun)
            && let Some(seen) = batch.seen.get(end.attempt())
        {
            leases.revoke(&seen.reserve);
        }
    }
}

/// The rows that are there now, and what is leased.
fn remember_places(known: &mut Known, needs: Needs, sums: BTreeMap<Key, i128>) {
    known.must_look = false;
    known.scopes.extend(needs.scopes.into_keys());
    known.rate_rows.extend(needs.rates.into_iter().map(|((_, scope), at)| (at, scope)));
    known.leased.extend(sums);
}

fn remember(known: &mut Known, batch: &Batch, last_seq: Option<i64>) {
    for (seq, entry) in &batch.reservations {
        known.open_seqs.insert(*seq);
        known.open.insert(entry.attempt.clone(), (*seq, entry.clone()));
    }
    for (_, reservation, end) in &batch.endings {
        known.open_seqs.remove(reservation);
        known.open.remove(end.attempt());
    }
    known.seq = known.seq.max(last_seq.unwrap_or(0));
}

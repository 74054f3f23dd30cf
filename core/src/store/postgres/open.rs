//! What happens once, when a ledger is opened: its tables, the store's own row, new budgets, what dead stores left.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use tokio_postgres::types::Type;

use super::codec::{self, field, sum};
use super::failure::Trouble;
use super::lease::{Key, Leases};
use super::link::{Link, Server};
use super::spool::Orphan;
use super::transact::{Known, transact};
use super::{migrate, tend, write};
use crate::ledger::{Budget, LedgerError, Rules};
use crate::store::tally::Tally;

const DOING: &str = "opening the ledger";
/// Stores that put budgets in force take turns, so that each is counted once.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8391162081604727)";
/// What follows on a definition that other stores may still go by, though it is not kept up by those with the new one.
const SET_ASIDE: &str = "\nset aside";
/// Most entries of a dead store in one transaction.
const REPLAY_MAX: usize = 512;

/// Brings the tables to the present format and writes the store down as one that lives. Answers the ledger's own id.
pub(super) async fn enter(server: &mut Server, link: &Link, known: &mut Known) -> Result<String, Trouble> {
    migrate::prepare(server, link).await?;
    link.simple(DOING, &server.begin_write()).await?;
    let sql = "SELECT nextval('owner_seq'), nextval('ledger_seq'), (SELECT ledger::text FROM ledger_identity)";
    let rows = link.query(DOING, sql, &[]).await?;
    let row = rows.first().ok_or_else(|| link.corrupt("it has no identity"))?;
    let of = |column| field::<i64>(row, column).map_err(|reason| link.corrupt(reason));
    (known.owner, known.seq) = (of(0)?, of(1)?);
    let ledger = field(row, 2).map_err(|reason| link.corrupt(reason))?;
    write::sign(link, known, known.oldest_open()).await?;
    link.commit(DOING).await?;
    tend::bury(server, link, known.owner).await?;
    Ok(ledger)
}

/// Finds the budgets' rows; budgets that are new count what the journal holds, which reads all of it once.
pub(super) async fn adopt(server: &Server, link: &Link, rules: &Rules) -> Result<Vec<i64>, Trouble> {
    let doing = "putting budgets in force";
    link.simple(doing, &format!("{} {LOCK};", server.begin_write())).await?;
    let mut ids = Vec::new();
    let mut fresh = Vec::new();
    for budget in rules.budgets() {
        let (id, is_fresh) = row_of(link, budget).await?;
        ids.push(id);
        if is_fresh {
            fresh.push(budget.clone());
        }
    }
    set_others_aside(link, rules, &ids).await?;
    if !fresh.is_empty() {
        recount(link, rules, &ids, fresh).await?;
    }
    link.commit(doing).await?;
    Ok(ids)
}

/// A budget's row, and whether it must be counted: it is new, or was set aside since it was counted last. One that was set
/// aside keeps its number, so that it is shared with processes that have gone by it all the while; what they are writing
/// is awaited before it is counted.
async fn row_of(link: &Link, budget: &Budget) -> Result<(i64, bool), Trouble> {
    let doing = "putting budgets in force";
    let definition = budget.definition();
    let aside = format!("{definition}{SET_ASIDE}");
    let named = [(&budget.name as _, Type::TEXT), (&definition as _, Type::TEXT), (&aside as _, Type::TEXT)];
    let find = "SELECT id, definition <> $2 FROM budgets WHERE name = $1 AND definition IN ($2, $3)";
    let mut rows = link.query(doing, find, &named).await?;
    let mut is_fresh = rows.is_empty();
    if is_fresh {
        let put = "INSERT INTO budgets (name, definition) VALUES ($1, $2) RETURNING id, FALSE";
        rows = link.query(doing, put, &named[..2]).await?;
    }
    let row = rows.first().ok_or_else(|| link.corrupt("a budget has no row"))?;
    let read = || -> Result<(i64, bool), String> { Ok((field(row, 0)?, field(row, 1)?)) };
    let (id, is_aside) = read().map_err(|reason| link.corrupt(reason))?;
    if is_aside {
        is_fresh = true;
        link.simple(doing, "LOCK TABLE balances IN SHARE ROW EXCLUSIVE MODE").await?;
        link.execute(doing, "DELETE FROM balances WHERE budget = $1", &[(&id, Type::INT8)]).await?;
        let sql = "UPDATE budgets SET definition = $2 WHERE id = $1";
        link.execute(doing, sql, &[(&id, Type::INT8), (&definition, Type::TEXT)]).await?;
    }
    Ok((id, is_fresh))
}

/// Balances under another definition are no longer kept up, so they must be counted again if it comes back. They stay for
/// those who go by them, whose limits hold on.
async fn set_others_aside(link: &Link, rules: &Rules, ids: &[i64]) -> Result<(), Trouble> {
    let names: Vec<&str> = rules.budgets().iter().map(|budget| budget.name.as_str()).collect();
    let sql = "UPDATE budgets SET definition = definition || $3
         WHERE name = ANY($1) AND NOT (id = ANY($2)) AND strpos(definition, chr(10)) = 0";
    let params = [(&names as _, Type::TEXT_ARRAY), (&ids as _, Type::INT8_ARRAY), (&SET_ASIDE as _, Type::TEXT)];
    link.execute("putting budgets in force", sql, &params).await.map(drop)
}

async fn recount(link: &Link, rules: &Rules, ids: &[i64], fresh: Vec<Budget>) -> Result<(), Trouble> {
    let doing = "counting the journal for a new budget";
    let fresh = Rules::new(fresh, Vec::new()).expect("a part of checked rules passes the check");
    let mut tally = Tally::new(fresh);
    let rows = link.stream(doing, &(codec::select_rows() + "ORDER BY r.seq")).await?;
    let mut rows = std::pin::pin!(rows);
    while let Some(row) = rows.try_next().await? {
        tally.count(&codec::row_of(&row).map_err(|reason| link.corrupt(reason))?);
    }
    for (key, balance) in tally.balances() {
        let at = rules.budgets().iter().position(|budget| budget.name == key.budget).expect("it is one of the rules");
        let sql = "INSERT INTO balances VALUES ($1, $2, $3, $4::text::numeric, $5::text::numeric, $6::text::numeric)";
        let (posted, held, base) = (balance.posted.to_string(), balance.held.to_string(), balance.base.to_string());
        let params = [
            (&ids[at] as _, Type::INT8),
            (&key.scope as _, Type::TEXT),
            (&key.bucket.ms() as _, Type::INT8),
            (&posted as _, Type::TEXT),
            (&held as _, Type::TEXT),
            (&base as _, Type::TEXT),
        ];
        link.execute(doing, sql, &params).await?;
    }
    Ok(())
}

/// Brings what a dead store answered under its leases to the server, marks what it left open, and frees the rest of its
/// leases: now that the journal shows all that it answered, what it shows no use of was never used.
pub(super) async fn inherit(
    server: &Server,
    link: &Link,
    own: &Known,
    orphan: &Orphan,
) -> Result<Vec<LedgerError>, Trouble> {
    let doing = "bringing a dead store's entries to the server";
    let mut known = Known { owner: orphan.head.owner, must_look: true, ..Known::default() };
    known.owner_name.clone_from(&own.owner_name);
    known.alive_secs = own.alive_secs;
    known.seq = own.seq;
    known.adopt(own.rules.clone(), own.budget_ids.clone());
    link.simple(doing, &server.begin_read()).await?;
    let sql = "SELECT budget, scope, bucket_ms, units::text FROM leases WHERE owner = $1";
    let leases = link.query(doing, sql, &[(&known.owner, Type::INT8)]).await?;
    let sql = "SELECT COALESCE((SELECT oldest_open FROM owners WHERE id = $1),
         (SELECT MIN(seq) FROM reservations WHERE owner = $1), 0)";
    let oldest = link.query(doing, sql, &[(&known.owner, Type::INT8)]).await?;
    link.commit(doing).await?;
    let oldest: i64 = oldest.first().map_or(Ok(0), |row| field(row, 0)).map_err(|reason| link.corrupt(reason))?;
    let mut leased = HashMap::new();
    for row in &leases {
        let read = || -> Result<(Key, i128), String> {
            let scope: String = field(row, 1)?;
            Ok((Key { budget: field(row, 0)?, scope: scope.into(), bucket_ms: field(row, 2)? }, sum(row, 3)?))
        };
        leased.extend([read().map_err(|reason| link.corrupt(reason))?]);
    }
    known.leased = leased;
    let nothing = Leases::default();
    let mut refused = Vec::new();
    for works in orphan.works.chunks(REPLAY_MAX) {
        known.must_look = true;
        let (results, _) = transact(server, link, &mut known, &nothing, works).await?;
        refused.extend(results.into_iter().filter_map(Result::err));
    }
    link.simple(doing, &server.begin_write()).await?;
    tend::mark(link, known.owner, oldest).await?;
    if refused.is_empty() {
        link.execute(doing, "DELETE FROM leases WHERE owner = $1", &[(&known.owner, Type::INT8)]).await?;
    }
    link.commit(doing).await?;
    Ok(refused)
}

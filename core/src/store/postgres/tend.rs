//! What a store does beside writing: signs of life, marking the reservations of dead stores, returning leases.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use tokio_postgres::types::Type;

use super::codec::{field, sum};
use super::failure::Trouble;
use super::lease::Key;
use super::link::{Link, Server};
use super::write;
use super::writer::Writer;
use crate::clock::{Clock, SystemClock};
use crate::ledger::{Balance, LedgerError};
use crate::time::Timestamp;

const DOING: &str = "tending the ledger";

/// Shows that this store lives, marks what dead ones left open, returns leases that nobody draws on, and reads how the
/// budgets stand. At the end it returns all, and no longer lives. What fails is tried again the next time.
pub(super) async fn tend(writer: &mut Writer, is_end: bool) {
    if give_back(writer, is_end).await.is_err() {
        return;
    }
    let server = writer.server.clone();
    if writer.link().await.is_err() {
        return;
    }
    let Writer { link, known, .. } = writer;
    let link = link.as_ref().expect("it was just made");
    let work = async {
        if is_end {
            leave(&server, link, known.owner, known.open_seqs.is_empty()).await
        } else {
            sign(&server, link, known).await?;
            bury(&server, link, known.owner).await
        }
    };
    if server.within(DOING, work).await.is_err() || (!is_end && look(writer).await.is_err()) {
        writer.link = None;
    }
}

async fn sign(server: &Server, link: &Link, known: &super::transact::Known) -> Result<(), Trouble> {
    link.simple(DOING, &server.begin_write()).await?;
    write::sign(link, known, known.oldest_open()).await?;
    link.commit(DOING).await
}

/// Takes this store off the list; one with reservations under way stays on it as dead, so that they are marked.
async fn leave(server: &Server, link: &Link, owner: i64, is_clean: bool) -> Result<(), Trouble> {
    link.simple(DOING, &server.begin_write()).await?;
    let sql = match is_clean {
        true => "DELETE FROM owners WHERE id = $1",
        false => "UPDATE owners SET alive_until = '-infinity' WHERE id = $1",
    };
    link.execute(DOING, sql, &[(&owner, Type::INT8)]).await?;
    link.commit(DOING).await
}

/// Marks what dead stores have left open as unknown: it stays charged, and may still be settled by its own store if that
/// was only out of reach.
pub(super) async fn bury(server: &Server, link: &Link, own: i64) -> Result<(), Trouble> {
    link.simple(DOING, &server.begin_write()).await?;
    let sql =
        "SELECT id, oldest_open FROM owners WHERE alive_until < now() AND id <> $1 ORDER BY id FOR UPDATE SKIP LOCKED";
    let gone = link.query(DOING, sql, &[(&own, Type::INT8)]).await?;
    for row in &gone {
        let of = |column| field::<i64>(row, column).map_err(|reason| link.corrupt(reason));
        mark(link, of(0)?, of(1)?).await?;
    }
    link.commit(DOING).await
}

/// Marks the open reservations of one store as unknown and takes it off the list.
pub(super) async fn mark(link: &Link, owner: i64, oldest: i64) -> Result<(), Trouble> {
    let now = SystemClock.now().ms();
    let sql = "INSERT INTO endings (seq, reservation, kind, at_ms)
         SELECT nextval('ledger_seq'), seq, 'unknown', $3 FROM (
             SELECT r.seq FROM reservations r WHERE r.seq >= $2 AND r.owner = $1
             AND NOT EXISTS (SELECT 1 FROM endings e WHERE e.reservation = r.seq) ORDER BY r.seq) AS opened
         ON CONFLICT DO NOTHING";
    link.execute(DOING, sql, &[(&owner, Type::INT8), (&oldest, Type::INT8), (&now, Type::INT8)]).await?;
    link.execute(DOING, "DELETE FROM owners WHERE id = $1", &[(&owner, Type::INT8)]).await.map(drop)
}

/// Returns leases that nobody drew on, or all of them. What is in flight stays leased until it is on the server.
pub(super) async fn give_back(writer: &mut Writer, everything: bool) -> Result<(), LedgerError> {
    let idle = writer.leases.idle(everything);
    let Writer { known, .. } = writer;
    for (key, units) in idle {
        if let Some(leased) = known.leased.get_mut(&key) {
            *leased = (*leased - units).max(0);
        }
    }
    if known.leased.is_empty() {
        return Ok(());
    }
    let sums: BTreeMap<Key, i128> = known.leased.iter().map(|(key, units)| (key.clone(), *units)).collect();
    let server = writer.server.clone();
    if let Err(trouble) = writer.link().await {
        return Err(trouble.into_error());
    }
    let Writer { link, known, .. } = writer;
    let link = link.as_ref().expect("it was just made");
    let work = async {
        link.simple(DOING, &server.begin_write()).await?;
        lower(link, known.owner, &sums).await?;
        link.commit(DOING).await
    };
    match server.within(DOING, work).await {
        Ok(()) => {
            known.leased.retain(|_, units| *units > 0);
            Ok(())
        }
        Err(trouble) => {
            writer.link = None;
            Err(trouble.into_error())
        }
    }
}

/// Lowers leases to what is left and in flight, under the locks of their balances.
async fn lower(link: &Link, owner: i64, sums: &BTreeMap<Key, i128>) -> Result<(), Trouble> {
    let (budgets, scopes, _) = write::keys(sums.keys());
    let sql = "SELECT 1 FROM scopes s WHERE (s.budget, s.scope) IN (SELECT * FROM unnest($1, $2))
         ORDER BY s.budget, s.scope FOR UPDATE OF s";
    link.query(DOING, sql, &[(&budgets, Type::INT8_ARRAY), (&scopes, Type::TEXT_ARRAY)]).await?;
    write::lease_rows(link, owner, sums).await?;
    link.execute(DOING, "DELETE FROM leases WHERE owner = $1 AND units = 0", &[(&owner, Type::INT8)]).await.map(drop)
}

/// Reads how the budgets that keep one balance stand now.
pub(super) async fn look(writer: &mut Writer) -> Result<(), Trouble> {
    let now = SystemClock.now();
    let (mut ids, mut firsts, mut places) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (at, budget) in writer.known.rules.budgets().iter().enumerate().filter(|(_, budget)| budget.per.is_empty()) {
        ids.push(writer.known.budget_ids[at]);
        firsts.push(budget.window.counted(now).0.ms());
        places.insert(writer.known.budget_ids[at], at);
    }
    let server = writer.server.clone();
    let own = writer.known.owner;
    let link = writer.link().await?;
    let sql = "SELECT a.budget, a.bucket_ms, a.posted::text, (a.held + COALESCE(SUM(l.units), 0))::text, a.base::text
         FROM balances a JOIN unnest($1, $2) AS k (budget, first) ON a.budget = k.budget AND a.bucket_ms >= k.first
         LEFT JOIN leases l ON l.budget = a.budget AND l.scope = a.scope AND l.bucket_ms = a.bucket_ms
             AND l.owner <> $3
         WHERE a.scope = '' GROUP BY a.budget, a.scope, a.bucket_ms, a.posted, a.held, a.base";
    let work = async {
        link.simple(DOING, &server.begin_read()).await?;
        let rows = link
            .query(DOING, sql, &[(&ids, Type::INT8_ARRAY), (&firsts, Type::INT8_ARRAY), (&own, Type::INT8)])
            .await?;
        link.commit(DOING).await?;
        Ok(rows)
    };
    let rows = server.within(DOING, work).await?;
    let mut tally = writer.shared.standing.lock().unwrap_or_else(PoisonError::into_inner);
    for row in &rows {
        let read = || -> Result<(i64, i64, Balance), String> {
            let balance = Balance { posted: sum(row, 2)?, held: sum(row, 3)?, base: sum(row, 4)? };
            Ok((field(row, 0)?, field(row, 1)?, balance))
        };
        let (id, bucket, balance) = read().map_err(|reason| server.corrupt(reason))?;
        if let Some(at) = places.get(&id) {
            tally.put(*at, "", Timestamp::from_ms(bucket), balance);
        }
    }
    Ok(())
}

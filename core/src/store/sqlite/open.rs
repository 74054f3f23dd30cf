//! What happens once, when a ledger file is opened: its format, the dead owners' reservations, new budgets.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::batch::{self, Known};
use super::owner::{self, Owner};
use super::{Durability, codec, failure};
use crate::ledger::{Budget, LedgerError, Rules};
use crate::store::tally::Tally;
use crate::time::Timestamp;

/// How long the log grows before its pages are carried to the file, 16 MiB: a hot page is then carried once for thousands
/// of times that it was logged.
const CHECKPOINT_PAGES: u32 = 4_096;
/// `twl1`: says that the file is a ledger.
const APPLICATION_ID: i32 = 0x7477_6c31;
/// The formats, oldest first: each brings a file from the one before.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("notes.sql")];

/// Opens the file for writing and brings it to the present format. To be called in one's turn.
pub(super) fn connect(path: &Path, durability: Durability) -> Result<Connection, LedgerError> {
    let fail = |error: rusqlite::Error| failure::sqlite(path, "opening the ledger", &error);
    let connection = Connection::open(path).map_err(fail)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(fail)?;
    check_format(&connection, path)?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = 0;
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}"
        ))
        .map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&connection).map_err(fail)?;
    Ok(connection)
}

fn check_format(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let ask = |sql: &str| {
        let answer = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        answer.map_err(|error| failure::sqlite(path, "reading the ledger's format", &error))
    };
    let (application, format) = (ask("PRAGMA application_id")?, ask("PRAGMA user_version")?);
    let tables = ask("SELECT COUNT(*) FROM sqlite_schema")?;
    let place = path.display().to_string();
    if application != i64::from(APPLICATION_ID) && (application, format, tables) != (0, 0, 0) {
        return Err(LedgerError::Corrupt { place, reason: "it is a database of something else".to_owned() });
    }
    let known = MIGRATIONS.len() as u32;
    match u32::try_from(format).unwrap_or(u32::MAX) {
        found if found > known => Err(LedgerError::TooNew { place, found, known }),
        _ => Ok(()),
    }
}

fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let format: usize = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?.max(0) as usize;
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(format) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {migration} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}; COMMIT",
            at + 1
        ))?;
    }
    Ok(())
}

/// Writes this process down as an owner, and marks what dead ones have left open as unknown.
pub(super) fn take_over(
    connection: &Connection,
    path: &Path,
    own: &Owner,
    known: &mut Known,
    now: Timestamp,
) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    known.seq = last_seq(connection)?;
    let mut select = connection.prepare("SELECT id, name, oldest_open FROM owners")?;
    let owners: Vec<(i64, String, i64)> =
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let gone: Vec<_> = owners.into_iter().filter(|(_, name, _)| owner::is_gone(path, name)).collect();
    for (id, _, oldest) in &gone {
        for seq in open_of(connection, *id, *oldest)? {
            known.seq += 1;
            codec::insert_unknown(connection, known.seq, seq, now)?;
        }
        connection.execute("DELETE FROM owners WHERE id = ?1", [id])?;
    }
    connection.execute("INSERT INTO owners (name, oldest_open) VALUES (?1, ?2)", params![own.name, known.seq + 1])?;
    known.owner = connection.last_insert_rowid();
    known.oldest_written = known.seq + 1;
    connection.execute_batch("COMMIT")?;
    gone.iter().for_each(|(_, name, _)| owner::bury(path, name));
    Ok(())
}

/// Reservations of an owner that have neither ended nor are unknown.
pub(super) fn open_of(connection: &Connection, owner: i64, oldest: i64) -> rusqlite::Result<Vec<i64>> {
    let mut select = connection.prepare(
        "SELECT seq FROM reservations r WHERE seq >= ?2 AND owner = ?1
         AND NOT EXISTS (SELECT 1 FROM endings e WHERE e.reservation = r.seq AND e.kind <> 'unknown')
         AND NOT EXISTS (SELECT 1 FROM endings e WHERE e.reservation = r.seq AND e.kind = 'unknown')",
    )?;
    select.query_map([owner, oldest], |row| row.get(0))?.collect()
}

/// The greatest number that an entry has.
pub(super) fn last_seq(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT MAX(COALESCE((SELECT MAX(seq) FROM reservations), 0), COALESCE((SELECT MAX(seq) FROM endings), 0))",
        [],
        |row| row.get(0),
    )
}

/// What follows on a definition that other processes may still go by, though it is not kept up by those with the new one.
const SET_ASIDE: &str = "\nset aside";

/// Finds the budgets' rows; budgets that are new count what the journal holds, which reads all of it once.
pub(super) fn adopt(connection: &Connection, rules: &Rules) -> rusqlite::Result<Vec<i64>> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let adopted = adopt_within(connection, rules);
    connection.execute_batch(if adopted.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    adopted
}

fn adopt_within(connection: &Connection, rules: &Rules) -> rusqlite::Result<Vec<i64>> {
    let mut ids = Vec::new();
    let mut fresh = Vec::new();
    for budget in rules.budgets() {
        let (id, is_fresh) = row_of(connection, budget)?;
        ids.push(id);
        if is_fresh {
            fresh.push(budget.clone());
        }
    }
    set_others_aside(connection, rules, &ids)?;
    if !fresh.is_empty() {
        recount(connection, rules, &ids, fresh)?;
    }
    Ok(ids)
}

/// A budget's row, and whether it must be counted: it is new, or was set aside since it was counted last. One that was set
/// aside keeps its number, so that it is shared with processes that have gone by it all the while.
fn row_of(connection: &Connection, budget: &Budget) -> rusqlite::Result<(i64, bool)> {
    let (name, definition) = (&budget.name, budget.definition());
    let find = "SELECT id FROM budgets WHERE name = ?1 AND definition = ?2";
    let found =
        |definition: &str| connection.query_row(find, [name, definition], |row| row.get::<_, i64>(0)).optional();
    if let Some(id) = found(&definition)? {
        return Ok((id, false));
    }
    if let Some(id) = found(&format!("{definition}{SET_ASIDE}"))? {
        connection.execute("DELETE FROM balances WHERE budget = ?1", [id])?;
        connection.execute("UPDATE budgets SET definition = ?2 WHERE id = ?1", params![id, definition])?;
        return Ok((id, true));
    }
    connection.execute("INSERT INTO budgets (name, definition) VALUES (?1, ?2)", [name, &definition])?;
    Ok((connection.last_insert_rowid(), true))
}

/// Balances under another definition are no longer kept up, so they must be counted again if it comes back. They go where
/// no other process is there; else they stay for those who go by them, whose limits hold on.
fn set_others_aside(connection: &Connection, rules: &Rules, ids: &[i64]) -> rusqlite::Result<()> {
    let kept = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    let names = rules.budgets().iter().map(|budget| budget.name.as_str()).collect::<Vec<_>>();
    let names = serde_json::to_string(&names).expect("names are text");
    let others = format!("id NOT IN ({kept}) AND name IN (SELECT value FROM json_each(?1))");
    let owners: i64 = connection.query_row("SELECT COUNT(*) FROM owners", [], |row| row.get(0))?;
    if owners > 1 {
        let sql = format!(
            "UPDATE budgets SET definition = definition || ?2 WHERE {others} AND instr(definition, char(10)) = 0"
        );
        return connection.execute(&sql, [&names, SET_ASIDE]).map(drop);
    }
    connection
        .execute(&format!("DELETE FROM balances WHERE budget IN (SELECT id FROM budgets WHERE {others})"), [&names])?;
    connection.execute(&format!("DELETE FROM budgets WHERE {others}"), [&names]).map(drop)
}

fn recount(connection: &Connection, rules: &Rules, ids: &[i64], fresh: Vec<Budget>) -> rusqlite::Result<()> {
    let fresh = Rules::new(fresh, Vec::new()).expect("a part of checked rules passes the check");
    let mut tally = Tally::new(fresh);
    let mut select = connection.prepare(&(codec::select_rows() + "ORDER BY r.seq"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        tally.count(&codec::row_of(row)?);
    }
    for (key, balance) in tally.balances() {
        let at = rules.budgets().iter().position(|budget| budget.name == key.budget).expect("it is one of the rules");
        batch::put_balance(connection, ids[at], &key.scope, key.bucket, &balance)?;
    }
    Ok(())
}

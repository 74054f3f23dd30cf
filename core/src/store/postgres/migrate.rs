//! The formats of the ledger's tables, and how a database comes to the present one.

use super::failure::Trouble;
use super::link::{Link, Server};
use crate::ledger::LedgerError;

/// The formats, oldest first: each brings a database from the one before.
const MIGRATIONS: [&str; 1] = [include_str!("../../../migrations/postgres/0001_ledger.sql")];
const DOING: &str = "bringing the ledger's tables to the present format";
/// Whoever starts first migrates, and the others wait: a lock of the transaction, of a number of our own.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8391162081604726)";

/// Finds the schema and its format, and migrates where it is older. Changes nothing where it is the present one, so
/// that a role without the right to make tables can open a ledger that is there.
pub(super) async fn prepare(server: &mut Server, link: &Link) -> Result<(), Trouble> {
    let schema = match &server.address.schema {
        Some(schema) => schema.clone(),
        None => link.word(DOING, "SELECT current_schema()").await?,
    };
    if schema.is_empty() {
        let place = server.address.place.clone();
        let reason = "no schema of the server's search_path exists: name one with ?schema=".to_owned();
        return Err(Trouble::Refused(LedgerError::Io { place, doing: DOING, reason }));
    }
    let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
    server.must_sync = link.word(DOING, "SHOW synchronous_commit").await? == "off";
    server.schema.clone_from(&quoted);
    if format(link, &quoted).await? == Some(MIGRATIONS.len()) {
        return Ok(());
    }
    server.schema.clear();
    let begun = server.begin_write();
    server.schema.clone_from(&quoted);
    link.simple(DOING, &format!("{begun} {LOCK};")).await?;
    let migrated = migrate(server, link, &schema, &quoted).await;
    match migrated {
        Ok(()) => link.commit(DOING).await,
        Err(trouble) => {
            // The connection goes with the error, and the transaction with it.
            drop(link.simple(DOING, "ROLLBACK").await);
            Err(trouble)
        }
    }
}

async fn migrate(server: &Server, link: &Link, schema: &str, quoted: &str) -> Result<(), Trouble> {
    let has_schema = format!("SELECT COUNT(*) FROM pg_namespace WHERE nspname = '{}'", schema.replace('\'', "''"));
    if link.word(DOING, &has_schema).await? == "0" {
        link.simple(DOING, &format!("CREATE SCHEMA {quoted}")).await?;
    }
    link.simple(DOING, &format!("SET LOCAL search_path TO {quoted}, pg_catalog")).await?;
    let place = server.address.place.clone();
    let found = match format(link, quoted).await? {
        Some(found) if found > MIGRATIONS.len() => {
            let (found, known) = (found as u32, MIGRATIONS.len() as u32);
            return Err(Trouble::Refused(LedgerError::TooNew { place, found, known }));
        }
        Some(found) => found,
        None => {
            let taken = "SELECT COUNT(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = current_schema() AND c.relname IN ('reservations', 'endings', 'budgets', 'attempts')";
            if link.word(DOING, taken).await? != "0" {
                let reason = "its schema holds tables of something else: name another with ?schema=".to_owned();
                return Err(Trouble::Refused(LedgerError::Corrupt { place, reason }));
            }
            0
        }
    };
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        link.simple(DOING, migration).await?;
        link.simple(DOING, &format!("INSERT INTO ledger_format (format) VALUES ({})", at + 1)).await?;
    }
    Ok(())
}

/// The format that is there; `None` where there is no ledger.
async fn format(link: &Link, quoted: &str) -> Result<Option<usize>, Trouble> {
    let table = format!("{quoted}.ledger_format");
    let is_there = format!("SELECT to_regclass('{}') IS NOT NULL", table.replace('\'', "''"));
    if link.word(DOING, &is_there).await? != "t" {
        return Ok(None);
    }
    let found = link.word(DOING, &format!("SELECT COALESCE(MAX(format), 0) FROM {table}")).await?;
    found.parse().map(Some).map_err(|_| link.corrupt("its format is no number"))
}

//! The shelf in the ledger's database: a text is written over the revision that was read, so that of two stores one wins.

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::codec::{Unreadable, field};
use super::failure::Trouble;
use super::link::{Link, Server};
use super::writer::Command;
use crate::ledger::LedgerError;
use crate::store::{Note, Shelf};

/// A text to write over the one of this revision.
pub(super) struct Writing {
    pub(super) name: String,
    pub(super) revision: u64,
    pub(super) text: String,
}

/// Whether it was written.
pub(super) async fn write(server: &Server, link: &Link, writing: &Writing) -> Result<bool, Trouble> {
    let doing = "writing a note";
    let Writing { name, revision, text } = writing;
    link.simple(doing, &server.begin_write()).await?;
    let revision = i64::try_from(*revision).unwrap_or(i64::MAX);
    let written = match revision {
        0 => {
            let sql = "INSERT INTO notes (name, revision, text) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING";
            link.execute(doing, sql, &[(name, Type::TEXT), (text, Type::TEXT)]).await?
        }
        _ => {
            let sql = "UPDATE notes SET revision = revision + 1, text = $2 WHERE name = $1 AND revision = $3";
            link.execute(doing, sql, &[(name, Type::TEXT), (text, Type::TEXT), (&revision, Type::INT8)]).await?
        }
    };
    link.commit(doing).await?;
    Ok(written == 1)
}

fn note(row: &Row) -> Result<Note, Unreadable> {
    let revision: i64 = field(row, 1)?;
    Ok(Note { name: field(row, 0)?, revision: u64::try_from(revision).unwrap_or(0), text: field(row, 2)? })
}

async fn notes(link: &Link, condition: &'static str, name: String) -> Result<Vec<Note>, Trouble> {
    let sql = format!("SELECT name, revision, text FROM notes WHERE {condition} ORDER BY name COLLATE \"C\"");
    let rows = link.query("reading notes", &sql, &[(&name, Type::TEXT)]).await?;
    rows.iter().map(note).collect::<Result<_, _>>().map_err(|reason| link.corrupt(reason))
}

#[async_trait]
impl Shelf for PostgresStore {
    async fn put(&self, name: &str, revision: u64, text: String) -> Result<bool, LedgerError> {
        let writing = Writing { name: name.to_owned(), revision, text };
        self.ask(|answer| Command::Note(writing, answer)).await
    }

    async fn get(&self, name: &str) -> Result<Option<Note>, LedgerError> {
        let name = name.to_owned();
        let found = self.read("reading a note", move |link| notes(link, "name = $1", name).boxed()).await?;
        Ok(found.into_iter().next())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Note>, LedgerError> {
        let prefix = prefix.to_owned();
        self.read("listing notes", move |link| notes(link, "left(name, length($1)) = $1", prefix).boxed()).await
    }
}

//! The shelf in the ledger's file: written by the thread that writes entries, in its turn.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteStore;
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
pub(super) fn write(connection: &Connection, writing: &Writing) -> rusqlite::Result<bool> {
    let Writing { name, revision, text } = writing;
    let revision = i64::try_from(*revision).unwrap_or(i64::MAX);
    let written = match revision {
        0 => connection.execute(
            "INSERT INTO notes (name, revision, text) VALUES (?1, 1, ?2) ON CONFLICT DO NOTHING",
            [name, text],
        )?,
        _ => connection.execute(
            "UPDATE notes SET revision = revision + 1, text = ?2 WHERE name = ?1 AND revision = ?3",
            params![name, text, revision],
        )?,
    };
    Ok(written == 1)
}

fn note(row: &rusqlite::Row<'_>) -> rusqlite::Result<Note> {
    let revision: i64 = row.get(1)?;
    Ok(Note { name: row.get(0)?, revision: u64::try_from(revision).unwrap_or(0), text: row.get(2)? })
}

#[async_trait]
impl Shelf for SqliteStore {
    async fn put(&self, name: &str, revision: u64, text: String) -> Result<bool, LedgerError> {
        let writing = Writing { name: name.to_owned(), revision, text };
        self.ask(|answer| Command::Note(writing, answer)).await
    }

    async fn get(&self, name: &str) -> Result<Option<Note>, LedgerError> {
        let name = name.to_owned();
        self.read("reading a note", move |connection| {
            let find = "SELECT name, revision, text FROM notes WHERE name = ?1";
            connection.query_row(find, [&name], note).optional()
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Note>, LedgerError> {
        let prefix = prefix.to_owned();
        self.read("listing notes", move |connection| {
            let find = "SELECT name, revision, text FROM notes WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name";
            connection.prepare(find)?.query_map([&prefix], note)?.collect()
        })
        .await
    }
}

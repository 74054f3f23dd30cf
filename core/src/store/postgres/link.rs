//! A connection to the server, and the transactions on it.
//!
//! It keeps no state in the server's session: no prepared statements, settings, locks or notices that outlive a
//! transaction. So a pooler may give each transaction another session.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use super::address::Address;
use super::failure::{self, Trouble, corrupt, silent, trouble};
use super::tls::Tls;
use crate::ledger::LedgerError;

/// How the server is reached, and how long anything may take.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) tls: Tls,
    /// For one transaction.
    pub(super) answer_max: Duration,
    /// The schema that the tables are in, quoted, once it is known.
    pub(super) schema: String,
    /// Whether commits must be told to wait for the disk, since the server's settings say they need not.
    pub(super) must_sync: bool,
}

/// Parameters with their types: statements are sent unnamed and whole.
pub(super) type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// An open connection.
pub(super) struct Link {
    client: Client,
    drive: AbortHandle,
    place: String,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.drive.abort();
    }
}

impl Server {
    /// Connects. The time limit holds for name look-up, TCP, TLS and log-in together.
    pub(super) async fn connect(&self) -> Result<Link, Trouble> {
        let doing = "connecting to the ledger's server";
        let place = &self.address.place;
        let limit = self.address.config.get_connect_timeout().copied().unwrap_or(self.answer_max);
        let connecting = tokio::time::timeout(limit, self.address.config.connect(self.tls.clone()));
        let (client, connection) = connecting
            .await
            .map_err(|_| Trouble::Lost(silent(place, doing, limit)))?
            .map_err(|error| trouble(place, doing, &error))?;
        // What the connection says at its end, its statements say as well.
        let drive = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Link { client, drive, place: place.clone() })
    }

    /// How a transaction begins. Time limits keep a process that stops in the middle from holding up all others.
    fn begin(&self, how: &str) -> String {
        let ms = self.answer_max.as_millis().max(1);
        let sync = if self.must_sync { "SET LOCAL synchronous_commit = on;" } else { "" };
        let path = if self.schema.is_empty() {
            String::new()
        } else {
            format!("SET LOCAL search_path TO {}, pg_catalog;", self.schema)
        };
        format!(
            "BEGIN {how}; {path} SET LOCAL statement_timeout = {ms}; \
             SET LOCAL idle_in_transaction_session_timeout = {ms}; {sync}"
        )
    }

    pub(super) fn begin_write(&self) -> String {
        self.begin("ISOLATION LEVEL READ COMMITTED READ WRITE")
    }

    pub(super) fn begin_read(&self) -> String {
        self.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    pub(super) fn corrupt(&self, reason: impl std::fmt::Display) -> Trouble {
        Trouble::Refused(corrupt(&self.address.place, reason))
    }

    /// Runs a transaction under the time limit; where it fails, the connection is dropped with it.
    pub(super) async fn within<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        match tokio::time::timeout(self.answer_max, work).await {
            Ok(done) => done,
            Err(_) => Err(Trouble::Lost(silent(&self.address.place, doing, self.answer_max))),
        }
    }

    /// Reads in one transaction on a connection of its own.
    pub(super) async fn read<T>(
        &self,
        doing: &'static str,
        read: impl for<'a> FnOnce(&'a Link) -> BoxFuture<'a, Result<T, Trouble>>,
    ) -> Result<T, LedgerError> {
        let work = async {
            let link = self.connect().await?;
            link.simple(doing, &self.begin_read()).await?;
            let got = read(&link).await?;
            link.simple(doing, "COMMIT").await?;
            Ok(got)
        };
        work.await.map_err(Trouble::into_error)
    }
}

impl Link {
    /// Whether it can still be used.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Plain statements without parameters.
    pub(super) async fn simple(&self, doing: &'static str, sql: &str) -> Result<(), Trouble> {
        self.client.batch_execute(sql).await.map_err(|error| trouble(&self.place, doing, &error))
    }

    /// Commits, and says whether the server did: it answers a commit of a failed transaction by rolling back.
    pub(super) async fn commit(&self, doing: &'static str) -> Result<(), Trouble> {
        self.simple(doing, "COMMIT").await
    }

    /// Rows of a statement. Sent as soon as it is polled, so that joined statements share a round trip.
    pub(super) async fn query(&self, doing: &'static str, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        self.client.query_typed(sql, params).await.map_err(|error| trouble(&self.place, doing, &error))
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, doing: &'static str, sql: &str, params: Params<'_>) -> Result<u64, Trouble> {
        self.client.execute_typed(sql, params).await.map_err(|error| trouble(&self.place, doing, &error))
    }

    /// The only field of the only row of a plain statement, as text.
    pub(super) async fn word(&self, doing: &'static str, sql: &str) -> Result<String, Trouble> {
        let messages = self.client.simple_query(sql).await.map_err(|error| trouble(&self.place, doing, &error))?;
        let word = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok(word.unwrap_or_default())
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) fn corrupt(&self, reason: impl std::fmt::Display) -> Trouble {
        Trouble::Refused(failure::corrupt(&self.place, reason))
    }
}

impl Link {
    /// Rows of a statement without parameters as they come, for more than fit into memory.
    pub(super) async fn stream(
        &self,
        doing: &'static str,
        sql: &str,
    ) -> Result<impl futures_util::Stream<Item = Result<Row, Trouble>> + use<'_>, Trouble> {
        use futures_util::TryStreamExt;
        let none: [(&(dyn ToSql + Sync), Type); 0] = [];
        let rows = self.client.query_typed_raw(sql, none).await;
        let rows = rows.map_err(|error| trouble(&self.place, doing, &error))?;
        Ok(rows.map_err(move |error| trouble(&self.place, doing, &error)))
    }
}

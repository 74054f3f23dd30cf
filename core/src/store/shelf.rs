//! Small texts that must outlive the process beside the account: what is known of batches under way.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::ledger::LedgerError;

/// A text and how often it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its name.
    pub name: String,
    /// 1 after it was written first, one more each time after.
    pub revision: u64,
    /// What it says.
    pub text: String,
}

/// Keeps texts under names. No prompt and no answer is put here.
///
/// # Promises
/// - A text that was answered `true` is kept as an entry of the account is.
/// - Of several who write over the same revision, one is answered `true`, across tasks and processes.
#[async_trait]
pub trait Shelf: Debug + Send + Sync {
    /// Writes a text where the one that stands there has this revision, which is 0 where none does. `false` where it
    /// has another: somebody else was faster, so read again.
    ///
    /// # Errors
    /// That the store failed.
    async fn put(&self, name: &str, revision: u64, text: String) -> Result<bool, LedgerError>;

    /// The text of this name.
    ///
    /// # Errors
    /// That the store failed.
    async fn get(&self, name: &str) -> Result<Option<Note>, LedgerError>;

    /// The texts whose names begin so, by name.
    ///
    /// # Errors
    /// That the store failed.
    async fn list(&self, prefix: &str) -> Result<Vec<Note>, LedgerError>;
}

//! Why a batch could not be handed in, looked after or collected.

use crate::client::Error;
use crate::error::ProviderError;
use crate::id::{BatchId, EndpointId};
use crate::ledger::LedgerError;
use crate::limits::BATCH_ITEMS_MAX;

/// Why a batch could not be handed in, looked after or collected. Each says what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The store keeps nothing beside the account.
    #[error("this ledger store keeps no batches: use SQLite, or give your store a shelf")]
    NoShelf,
    /// A call of its own asks for the lane of batches, which would be priced at half of what it is billed at.
    #[error("service_tier batch is for batches: hand the request in with `Client::batch`, or leave the lane out")]
    AskedAlone,
    /// There is nothing to hand in.
    #[error("the batch has no items: give it at least one request")]
    Empty,
    /// There is too much to hand in at once.
    #[error("the batch has {items} items, at most {BATCH_ITEMS_MAX}: hand in several")]
    TooMany {
        /// How many items it has.
        items: usize,
    },
    /// No batch has this id.
    #[error("no batch has the id {id}: see `Client::batches`")]
    Unknown {
        /// The id.
        id: BatchId,
    },
    /// An item is refused, and so nothing was sent.
    #[error("item {number} of the batch (counted from 0) is refused, and nothing was sent: {error}")]
    Item {
        /// Its number, counted from 0.
        number: usize,
        /// Why.
        error: Box<Error>,
    },
    /// An item cannot be written in its vendor's format, and so nothing was sent.
    #[error(
        "item {number} of the batch (counted from 0) cannot be written for {endpoint}, and nothing was sent: {error}"
    )]
    Written {
        /// Its number, counted from 0.
        number: usize,
        /// Where it was to go.
        endpoint: EndpointId,
        /// Why.
        error: Box<ProviderError>,
    },
    /// A budget or a rate has no room for an item: what was set aside is given back, and nothing was sent.
    #[error("item {number} of the batch (counted from 0) has no room in a budget, and nothing was sent: {error}")]
    OverBudget {
        /// Its number, counted from 0.
        number: usize,
        /// Which budget or rate.
        error: Box<LedgerError>,
    },
    /// A vendor refused a job, or could not be asked.
    #[error("{doing} at {endpoint} failed: {error}")]
    Vendor {
        /// Where.
        endpoint: EndpointId,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        error: Box<ProviderError>,
    },
    /// The catalogue has no such endpoint, or no batch API at it, any more.
    #[error("{endpoint} takes no batches here: bring back its row and its key, then collect")]
    NoPort {
        /// The endpoint of a job.
        endpoint: EndpointId,
    },
    /// What the store holds of the batch cannot be read.
    #[error("what the store holds of batch {id} cannot be read: {reason}")]
    Damaged {
        /// The batch.
        id: BatchId,
        /// What is wrong.
        reason: String,
    },
    /// Others write the same batch's state all the time.
    #[error("batch {id} is being changed by others: try again")]
    Busy {
        /// The batch.
        id: BatchId,
    },
}

impl BatchError {
    /// A stable name in snake case; a vendor's error has its own kind.
    pub fn code(&self) -> &'static str {
        match self {
            BatchError::NoShelf => "no_shelf",
            BatchError::AskedAlone | BatchError::Empty | BatchError::TooMany { .. } => "invalid_request",
            BatchError::Unknown { .. } => "unknown_batch",
            BatchError::Item { error, .. } => error.code(),
            BatchError::OverBudget { .. } => "over_budget",
            BatchError::Written { error, .. } | BatchError::Vendor { error, .. } => error.kind.as_str(),
            BatchError::NoPort { .. } => "no_batch_api",
            BatchError::Damaged { .. } => "damaged",
            BatchError::Busy { .. } => "busy",
        }
    }

    /// The endpoint that it is about.
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            BatchError::Vendor { endpoint, .. }
            | BatchError::Written { endpoint, .. }
            | BatchError::NoPort { endpoint } => Some(endpoint.as_str()),
            _ => None,
        }
    }

    /// The vendor's error, if one was asked.
    pub fn provider_error(&self) -> Option<&ProviderError> {
        match self {
            BatchError::Vendor { error, .. } | BatchError::Written { error, .. } => Some(error),
            BatchError::Item { error, .. } => error.provider_error(),
            _ => None,
        }
    }

    pub(super) fn vendor(endpoint: &EndpointId, doing: &'static str, error: ProviderError) -> Error {
        let error = BatchError::Vendor { endpoint: endpoint.clone(), doing, error: Box::new(error) };
        Error::Batch(Box::new(error))
    }
}

//! What became of a batch's items.

use crate::error::ProviderError;
use crate::id::{EndpointId, ModelId};
use crate::ledger::ChargeLine;
use crate::money::Usd;
use crate::reply::Reply;
use crate::wire::embeddings::Embedded;

/// The items of a batch, in the order of the requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Collected {
    /// One for each request.
    pub items: Vec<BatchItem>,
    /// What the answers cost together.
    pub cost: Usd,
    /// Lines of results that could not be read, or were for no item of the batch, or repeated one.
    pub strange_lines: usize,
}

impl Collected {
    /// How many items were answered.
    pub fn answered(&self) -> usize {
        self.items.iter().filter(|item| item.reply().is_some() || item.vectors().is_some()).count()
    }
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchItem {
    /// The model that it was sent to.
    pub model: ModelId,
    /// Where.
    pub endpoint: EndpointId,
    /// What came.
    pub outcome: ItemOutcome,
    /// What it cost, as far as that is known.
    pub cost: Usd,
    /// What the cost is made of.
    pub lines: Vec<ChargeLine>,
}

impl BatchItem {
    /// The answer, if one came.
    pub fn reply(&self) -> Option<&Reply> {
        match &self.outcome {
            ItemOutcome::Answered(reply) => Some(reply),
            _ => None,
        }
    }

    /// The vectors of its texts, in their order, if they were asked for and came.
    pub fn vectors(&self) -> Option<&[Vec<f32>]> {
        match &self.outcome {
            ItemOutcome::Embedded(embedded) => Some(&embedded.vectors),
            _ => None,
        }
    }
}

/// What came for an item.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ItemOutcome {
    /// Its job is not over.
    Pending,
    /// An answer.
    Answered(Box<Reply>),
    /// The vectors of its texts.
    Embedded(Box<Embedded>),
    /// The vendor's error for this item.
    Failed(Box<ProviderError>),
    /// The batch's time ran out before it was answered: voided.
    Expired,
    /// The batch was stopped before it was answered: voided.
    Cancelled,
    /// Its job was never made, and why: voided.
    Rejected(String),
    /// Its job is over and brought nothing for it, though the vendor does not say that it was left out. It stays charged
    /// in full until it is reconciled: `tierway ledger settle` or `void`.
    Missing,
}

impl ItemOutcome {
    /// The stable name in snake case.
    pub const fn as_str(&self) -> &'static str {
        match self {
            ItemOutcome::Pending => "pending",
            ItemOutcome::Answered(_) | ItemOutcome::Embedded(_) => "answered",
            ItemOutcome::Failed(_) => "failed",
            ItemOutcome::Expired => "expired",
            ItemOutcome::Cancelled => "cancelled",
            ItemOutcome::Rejected(_) => "rejected",
            ItemOutcome::Missing => "missing",
        }
    }
}

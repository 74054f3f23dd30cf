//! The port to whatever can answer: a vendor over HTTP, the native engine, a user's own code.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::Stream;

use crate::error::ProviderError;
use crate::id::{AttemptId, ProviderId};
use crate::model::{Endpoint, ModelCard};
use crate::policy::Admission;
use crate::reply::{Delta, Reply};
use crate::request::Request;
use crate::snapshot::Queue;
use crate::time::Timeouts;

/// An answer piece by piece. It ends after the last piece; dropping it cancels the call.
pub type ReplyStream = Pin<Box<dyn Stream<Item = Result<Delta, ProviderError>> + Send>>;

/// What the router calls. Implement this for anything that can answer.
///
/// # Contract
/// - `send` and `stream` may be called at the same time from many tasks.
/// - Dropping the future or the stream stops the work soon; no more is billed than the vendor had begun.
/// - A stream's pieces, folded by `Assembler`, equal the reply that `send` would have brought. An error ends the stream.
/// - An error says whether a byte of the request may have been sent (`ProviderError::sent`).
/// - No more than `Call::max_tokens` tokens of output are asked for: the ledger reserved the price of that many.
#[async_trait]
pub trait Provider: Debug + Send + Sync {
    /// Who this is.
    fn id(&self) -> &ProviderId;

    /// Asks for a whole answer.
    async fn send(&self, call: &Call) -> Result<Reply, ProviderError>;

    /// Asks for an answer piece by piece.
    async fn stream(&self, call: &Call) -> Result<ReplyStream, ProviderError>;

    /// What a call that comes now would wait for before it is worked at; nothing where that is not known, as it is not of a
    /// vendor. Every decision asks this of the client's own providers, so it answers at once, from numbers at hand.
    fn queue(&self) -> Queue {
        Queue::default()
    }
}

/// One attempt to get an answer from one endpoint. It can only be made from an `Admission`, which `policy` alone makes
/// for this request and this endpoint: no retry, fallback or escalation can go around policy.
#[derive(Clone, Debug)]
pub struct Call {
    admission: Admission,
    attempt: AttemptId,
    max_tokens: u64,
    timeouts: Timeouts,
}

impl Call {
    /// A call of the admitted request, answered in at most `max_tokens` tokens, reasoning included.
    pub fn new(admission: Admission, attempt: AttemptId, max_tokens: u64) -> Call {
        Call { admission, attempt, max_tokens: max_tokens.max(1), timeouts: Timeouts::default() }
    }

    /// The same with other time limits.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Call {
        self.timeouts = timeouts;
        self
    }

    /// What is asked.
    pub fn request(&self) -> &Request {
        self.admission.request()
    }

    /// The model that is asked.
    pub fn card(&self) -> &Arc<ModelCard> {
        self.admission.card()
    }

    /// Where it is asked.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        self.admission.endpoint()
    }

    /// The ledger's key of this attempt.
    pub fn attempt(&self) -> &AttemptId {
        &self.attempt
    }

    /// Most tokens of output, reasoning included: always sent to the provider.
    pub fn max_tokens(&self) -> u64 {
        self.max_tokens
    }

    /// The time limits.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }
}

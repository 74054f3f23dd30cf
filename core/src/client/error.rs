//! Why a request brought no answer, by the stage that failed.

use crate::attempt::Exhausted;
use crate::config::ConfigError;
use crate::error::{Kind, ProviderError, Retry};
use crate::ledger::LedgerError;
use crate::plan::Refused;
use crate::request::RequestError;
use crate::time::Span;

use super::batch::BatchError;

/// Why a request brought no answer. Each says what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is not valid.
    #[error("the request is not valid: {0}")]
    Request(#[from] RequestError),
    /// The settings are not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Policy lets no model see the request.
    #[error("{0}")]
    Refused(Box<Refused>),
    /// No budget has room for any candidate.
    #[error("{0}")]
    OverBudget(Box<Exhausted>),
    /// Every candidate failed.
    #[error("{0}")]
    Exhausted(Box<Exhausted>),
    /// The answer broke off after its first piece. `error.partial` holds what had come.
    #[error("the answer broke off: {0}; what came is kept, ask again for the rest")]
    Incomplete(Box<ProviderError>),
    /// A batch could not be handed in, looked after or collected.
    #[error("{0}")]
    Batch(Box<BatchError>),
    /// The account could not be kept, so nothing more was sent.
    #[error("the ledger failed: {0}")]
    Ledger(LedgerError),
    /// The client was made in another process, of which this one is a fork.
    #[error(
        "the client was made in process {opened_by} and this is its fork {used_by}: make a new client after forking"
    )]
    Forked {
        /// The process that made it.
        opened_by: u32,
        /// The process that used it.
        used_by: u32,
    },
}

impl From<BatchError> for Error {
    fn from(error: BatchError) -> Error {
        Error::Batch(Box::new(error))
    }
}

impl Error {
    /// A stable name in snake case. Where every candidate failed, it is the last failure's kind: `rate_limited`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Request(_) => "invalid_request",
            Error::Config(_) => "invalid_config",
            Error::Refused(_) => "refused",
            Error::OverBudget(_) => "over_budget",
            Error::Exhausted(exhausted) => exhausted.last_error().map_or("exhausted", |error| error.kind.as_str()),
            Error::Incomplete(_) => Kind::Incomplete.as_str(),
            Error::Batch(error) => error.code(),
            Error::Ledger(_) => "ledger",
            Error::Forked { .. } => "forked",
        }
    }

    /// The provider's last error, if one was called.
    pub fn provider_error(&self) -> Option<&ProviderError> {
        match self {
            Error::OverBudget(exhausted) | Error::Exhausted(exhausted) => exhausted.last_error(),
            Error::Incomplete(error) => Some(error),
            Error::Batch(error) => error.provider_error(),
            _ => None,
        }
    }

    /// The last HTTP status, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.provider_error()?.status
    }

    /// How long the last vendor asked to wait.
    pub fn retry_after(&self) -> Option<Span> {
        match self.provider_error()?.retry {
            Retry::Here(after) => after,
            _ => None,
        }
    }

    /// The endpoint that failed last.
    pub fn provider(&self) -> Option<&str> {
        match self {
            Error::OverBudget(exhausted) | Error::Exhausted(exhausted) => {
                exhausted.tried.last().map(|tried| tried.endpoint.as_str())
            }
            Error::Batch(error) => error.endpoint(),
            _ => None,
        }
    }
}

//! Nothing was left to try: every attempt and why it did not do.

use std::fmt;

use crate::error::{Kind, ProviderError};
use crate::id::{EndpointId, ModelId, RequestId};

use super::Aim;

/// Why an attempt did not do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Setback {
    /// The call failed.
    Failed(Box<ProviderError>),
    /// A budget refused it.
    Rejected(String),
    /// Its answer fell short of a check.
    FellShort(String),
    /// Another attempt beside it was faster.
    Outrun,
}

impl fmt::Display for Setback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setback::Failed(error) => write!(f, "{error}"),
            Setback::Rejected(reason) => f.write_str(reason),
            Setback::FellShort(reason) => write!(f, "its answer fell short: {reason}"),
            Setback::Outrun => f.write_str("an attempt beside it was faster"),
        }
    }
}

/// An attempt that did not do.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Its number within the request.
    pub number: u32,
    /// The model.
    pub model: ModelId,
    /// Where.
    pub endpoint: EndpointId,
    /// What it was for.
    pub aim: Aim,
    /// Why it did not do.
    pub setback: Setback,
}

/// No candidate answered in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Exhausted {
    /// The request.
    pub request: RequestId,
    /// What was tried, in order. Empty where the deadline left no time for a first attempt.
    pub tried: Vec<Tried>,
}

impl Exhausted {
    /// The last provider's error, if a call was made.
    pub fn last_error(&self) -> Option<&ProviderError> {
        self.tried.iter().rev().find_map(|tried| match &tried.setback {
            Setback::Failed(error) => Some(&**error),
            _ => None,
        })
    }

    /// Whether budgets alone stood in the way.
    pub fn is_budget(&self) -> bool {
        !self.tried.is_empty() && self.tried.iter().all(|tried| matches!(tried.setback, Setback::Rejected(_)))
    }

    fn advice(&self) -> &'static str {
        match self.last_error().map(|error| error.kind) {
            _ if self.is_budget() => "raise the budget, lower max_tokens, or wait for its window to pass",
            Some(Kind::Auth | Kind::Permission) => "check the key",
            Some(Kind::Quota) => "top up the account, or set keys of other vendors",
            Some(Kind::RateLimited | Kind::Overloaded) => "wait, or set keys of other vendors to fall back on",
            Some(Kind::Connect | Kind::Network | Kind::Tls) => {
                "check the network, the proxy and the endpoint's address"
            }
            Some(Kind::Timeout) => "raise the time limits, or ask for less",
            Some(Kind::Invalid | Kind::Encode | Kind::Unsupported | Kind::ContextTooLong | Kind::TooLarge) => {
                "change the request"
            }
            Some(Kind::ContentFiltered) => "the vendor's filter refused the content",
            Some(_) => "try again later, or set keys of other vendors to fall back on",
            None => "wait, raise the deadline, or set keys of other vendors",
        }
    }
}

impl fmt::Display for Exhausted {
    /// One line: each attempt with its error, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tried.is_empty() {
            return write!(
                f,
                "no candidate could be asked before the deadline; those that failed lately rest: {}",
                self.advice()
            );
        }
        write!(f, "no answer after {} attempt{}", self.tried.len(), if self.tried.len() == 1 { "" } else { "s" })?;
        for tried in &self.tried {
            write!(f, "; {} at {}: {}", tried.model, tried.endpoint, tried.setback)?;
        }
        write!(f, "; {}", self.advice())
    }
}

impl std::error::Error for Exhausted {}

//! Checks of answers: a cheap answer that falls short is replaced by a better model's.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::check;
use crate::reply::Reply;
use crate::request::Request;

pub use crate::check::Verdict;

/// Looks at an answer before it is delivered. Implement it to judge answers by rules of your own.
#[async_trait]
pub trait Check: Debug + Send + Sync {
    /// Judges an answer to a request.
    async fn judge(&self, request: &Request, reply: &Reply) -> Verdict;
}

/// What can be seen without knowing the subject: an empty, cut or refused answer, or JSON that is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wellformed;

#[async_trait]
impl Check for Wellformed {
    async fn judge(&self, request: &Request, reply: &Reply) -> Verdict {
        check::wellformed(request, reply)
    }
}

/// Constraints hold for answers in words: tool calls keep to their schemas.
#[async_trait]
impl Check for check::Constraints {
    async fn judge(&self, _: &Request, reply: &Reply) -> Verdict {
        match reply.tool_calls().next() {
            Some(_) => Verdict::Pass,
            None => check::Constraints::judge(self, &reply.text()),
        }
    }
}

//! Checks of answers: a cheap answer that falls short is replaced by a better model's.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::reply::{Reply, StopReason, json_of};
use crate::request::{Request, ResponseFormat};

/// What a check says of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is good enough.
    Pass,
    /// It is not, for this reason, in a line without the answer's text.
    Short(String),
}

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
        wellformed(request, reply)
    }
}

fn wellformed(request: &Request, reply: &Reply) -> Verdict {
    match reply.stop {
        Some(StopReason::Refusal) => return Verdict::Short("the model declined".to_owned()),
        Some(StopReason::BadToolCall) => return Verdict::Short("its tool call cannot be read".to_owned()),
        Some(StopReason::ContentFilter) => return Verdict::Short("the vendor's filter cut it".to_owned()),
        _ => {}
    }
    for call in reply.tool_calls() {
        if call.arguments_json().is_err() {
            return Verdict::Short("a tool call's arguments are not JSON".to_owned());
        }
    }
    let has_calls = reply.tool_calls().next().is_some();
    if !has_calls && reply.text().trim().is_empty() {
        return Verdict::Short("it is empty".to_owned());
    }
    let wants_json = matches!(request.format, Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema { .. }));
    if wants_json && !has_calls && json_of(reply).is_err() {
        return Verdict::Short("it is not JSON".to_owned());
    }
    Verdict::Pass
}

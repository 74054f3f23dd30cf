//! A provider without a socket that answers what it was told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use crate::error::{Kind, ProviderError, Retry};
use crate::id::{AttemptId, EndpointId, ModelId, ProviderId};
use crate::provider::{Call, Provider, ReplyStream};
use crate::reply::{Delta, Reply, StopReason};
use crate::request::Request;
use crate::time::Span;
use crate::usage::Usage;
use crate::{Content, Part};

/// What a scripted provider does when it is called.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Turn {
    /// It answers.
    Answer(Reply),
    /// It fails before any piece of an answer.
    Fail(ProviderError),
    /// A stream breaks after so many pieces of the reply; a whole answer fails.
    Break {
        /// What would have been answered.
        reply: Reply,
        /// How many pieces come.
        pieces: usize,
        /// Then this.
        error: ProviderError,
    },
    /// It never answers.
    Hang,
    /// It panics, on purpose: in a stream after so many pieces of the reply, which may be none.
    Panic {
        /// What would have been answered.
        reply: Reply,
        /// How many pieces come.
        pieces: usize,
    },
    /// It does that after a while.
    Later(Span, Box<Turn>),
}

impl Turn {
    /// It answers with this text, and counts four characters of it as a token.
    pub fn text(text: impl Into<String>) -> Turn {
        let text = text.into();
        let usage = Usage::of(20, (text.chars().count() as u64).div_ceil(4));
        Turn::Answer(Reply { parts: vec![Part::text(text)], stop: Some(StopReason::End), usage, ..Reply::default() })
    }

    /// It fails in this way.
    pub fn fail(kind: Kind, retry: Retry) -> Turn {
        Turn::Fail(ProviderError::new(kind, retry, "scripted to fail"))
    }
}

/// What a scripted provider was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Which model.
    pub model: ModelId,
    /// Where.
    pub endpoint: EndpointId,
    /// Within how many tokens.
    pub max_tokens: u64,
    /// What.
    pub request: Request,
}

/// Answers from a script: one turn for each call, then the last turn again and again.
#[derive(Debug)]
pub struct ScriptedProvider {
    id: ProviderId,
    turns: Mutex<VecDeque<Turn>>,
    asked: Mutex<Vec<Asked>>,
}

impl ScriptedProvider {
    /// A provider of this name and these turns.
    pub fn new(id: ProviderId, turns: impl IntoIterator<Item = Turn>) -> ScriptedProvider {
        ScriptedProvider { id, turns: Mutex::new(turns.into_iter().collect()), asked: Mutex::default() }
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }

    /// Notes a call and takes its turn, after the while that the turn says.
    async fn turn(&self, call: &Call) -> Turn {
        lock(&self.asked).push(Asked {
            attempt: call.attempt().clone(),
            model: call.card().id.clone(),
            endpoint: call.endpoint().id.clone(),
            max_tokens: call.max_tokens(),
            request: call.request().clone(),
        });
        let mut turn = self.next_turn();
        while let Turn::Later(span, then) = turn {
            tokio::time::sleep(span.to_duration()).await;
            turn = *then;
        }
        turn
    }

    fn next_turn(&self) -> Turn {
        let mut turns = lock(&self.turns);
        match turns.len() {
            0 => Turn::text("done"),
            1 => turns[0].clone(),
            _ => turns.pop_front().unwrap_or(Turn::Hang),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Provider for ScriptedProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    async fn send(&self, call: &Call) -> Result<Reply, ProviderError> {
        match within(call, self.turn(call)).await? {
            Turn::Answer(reply) => Ok(reply),
            Turn::Fail(error) | Turn::Break { error, .. } => Err(error),
            Turn::Panic { .. } => panic!("on purpose"),
            Turn::Hang | Turn::Later(..) => within(call, std::future::pending()).await,
        }
    }

    async fn stream(&self, call: &Call) -> Result<ReplyStream, ProviderError> {
        match within(call, self.turn(call)).await? {
            Turn::Answer(reply) => Ok(Box::pin(stream::iter(pieces(reply).into_iter().map(Ok)))),
            Turn::Fail(error) => Err(error),
            Turn::Break { reply, pieces: most, error } => {
                let before = stream::iter(pieces(reply).into_iter().take(most).map(Ok));
                Ok(Box::pin(before.chain(stream::iter([Err(error)]))))
            }
            Turn::Panic { reply, pieces: most } => {
                let before = stream::iter(pieces(reply).into_iter().take(most).map(Ok));
                Ok(Box::pin(before.chain(stream::once(async { panic!("on purpose") }))))
            }
            Turn::Hang | Turn::Later(..) => within(call, std::future::pending()).await,
        }
    }
}

/// Keeps to the call's limit, as every provider must.
async fn within<T>(call: &Call, work: impl Future<Output = T>) -> Result<T, ProviderError> {
    let limit = call.timeouts().total;
    let late = |_| ProviderError::new(Kind::Timeout, Retry::Elsewhere, format!("no whole answer within {limit}"));
    tokio::time::timeout(limit.to_duration(), work).await.map_err(late)
}

/// A reply as a stream brings it: text word by word.
fn pieces(reply: Reply) -> Vec<Delta> {
    let mut found = Vec::new();
    for delta in reply.into_deltas() {
        match delta {
            Delta::Text { part, text } => {
                found.extend(text.split_inclusive(' ').map(|word| Delta::Text { part, text: word.to_owned() }));
            }
            Delta::Part { part, whole: Part { content: Content::ToolCall(call), cache: None, vendor } }
                if vendor.is_empty() =>
            {
                found.push(Delta::ToolCall { part, id: call.id, name: call.name });
                found.push(Delta::Arguments { part, text: call.arguments });
            }
            other => found.push(other),
        }
    }
    found
}

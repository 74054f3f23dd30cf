//! Pieces of an answer as `chat.completion.chunk`s.
//!
//! The chunk that says why the answer ended is held back until the account is settled, since it carries the cost: it is
//! the last chunk, or the last but one where the usage was asked for.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;
use tierway::client::Route;
use tierway::{Content, Delta, Part, Response, StopReason};

use super::completion::{Account, Call, Function, created, logprobs_of};
use super::{finish_reason, has_state, usage};
use crate::json;

/// A chunk as it is written.
#[derive(Serialize)]
struct Chunk<'a, C> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: C,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tierway: Option<Account<'a>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Piece<'a>,
    finish_reason: Option<&'static str>,
    logprobs: Value,
}

/// What a chunk adds.
#[derive(Serialize)]
#[serde(untagged)]
enum Piece<'a> {
    Begin { role: &'static str, content: &'static str },
    Said(Words<'a>),
    Called { tool_calls: [CallPiece<'a>; 1] },
    Nothing {},
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Words<'a> {
    Content(&'a str),
    ReasoningContent(&'a str),
    Refusal(&'a str),
}

#[derive(Serialize)]
#[serde(untagged)]
enum CallPiece<'a> {
    First {
        index: usize,
        #[serde(flatten)]
        call: Call<'a>,
    },
    More {
        index: usize,
        function: Arguments<'a>,
    },
}

#[derive(Serialize)]
struct Arguments<'a> {
    arguments: &'a str,
}

/// Writes chunks.
pub(crate) struct Chunks {
    id: String,
    model: String,
    created: i64,
    include_usage: bool,
    /// Of each choice: which tool call stands in which part.
    calls: BTreeMap<u32, Vec<u32>>,
    stops: BTreeMap<u32, StopReason>,
    has_begun: bool,
}

impl Chunks {
    pub(crate) fn new(route: &Route, include_usage: bool) -> Chunks {
        let at = route.plan.at().ms();
        Chunks {
            id: format!("chatcmpl-{at:x}"),
            model: route.model.as_str().to_owned(),
            created: at.div_euclid(1_000),
            include_usage,
            calls: BTreeMap::new(),
            stops: BTreeMap::new(),
            has_begun: false,
        }
    }

    /// Writes a piece; some make no chunk, and are in the last one.
    pub(crate) fn push(&mut self, delta: Delta, out: &mut VecDeque<String>) {
        if let Delta::Start { id: Some(id), .. } = &delta {
            self.id.clone_from(id);
        }
        if !self.has_begun {
            self.has_begun = true;
            out.push_back(self.chunk(0, Piece::Begin { role: "assistant", content: "" }, Value::Null));
        }
        self.piece(0, delta, out);
    }

    /// Writes the end of a settled answer.
    pub(crate) fn finish(&mut self, response: &Response, out: &mut VecDeque<String>) {
        self.created = created(response);
        let stops = std::mem::take(&mut self.stops);
        for (index, stop) in stops.range(1..) {
            out.push_back(json::write(&self.frame([end(*index, Some(stop))])));
        }
        let parts = &response.reply.parts;
        let mut last = self.frame([end(0, stops.get(&0).or(response.reply.stop.as_ref()))]);
        last.tierway = Some(Account::of(response).with_parts(has_state(parts).then_some(parts)));
        out.push_back(json::write(&last));
        if self.include_usage {
            let mut chunk = self.frame::<[Choice<'_>; 0]>([]);
            chunk.usage = Some(usage(&response.reply.usage));
            out.push_back(json::write(&chunk));
        }
    }

    fn piece(&mut self, index: u32, delta: Delta, out: &mut VecDeque<String>) {
        match delta {
            Delta::Text { text, .. } => self.words(index, Words::Content(&text), out),
            Delta::Reasoning { text, .. } => self.words(index, Words::ReasoningContent(&text), out),
            Delta::Refusal { text, .. } => self.words(index, Words::Refusal(&text), out),
            Delta::ToolCall { part, id, name } => self.call(index, part, &id, &name, "", out),
            Delta::Arguments { part, text } => {
                let number = self.number(index, part);
                let call = CallPiece::More { index: number, function: Arguments { arguments: &text } };
                out.push_back(self.chunk(index, Piece::Called { tool_calls: [call] }, Value::Null));
            }
            Delta::Part { part, whole } => self.whole(index, part, whole, out),
            Delta::Logprobs { tokens } => out.push_back(self.chunk(index, Piece::Nothing {}, logprobs_of(&tokens))),
            Delta::Stop { reason } => {
                self.stops.insert(index, reason);
            }
            Delta::Alternative { index, delta } => self.piece(index, *delta, out),
            // Said by the last chunk: state for the vendor, usage; or said already: the start.
            _ => {}
        }
    }

    fn whole(&mut self, index: u32, part: u32, whole: Part, out: &mut VecDeque<String>) {
        match whole.content {
            Content::Text { text } => self.words(index, Words::Content(&text), out),
            Content::Reasoning { text } => self.words(index, Words::ReasoningContent(&text), out),
            Content::Refusal { text } => self.words(index, Words::Refusal(&text), out),
            Content::ToolCall(call) => self.call(index, part, &call.id, &call.name, &call.arguments, out),
            _ => {}
        }
    }

    fn words(&self, index: u32, words: Words<'_>, out: &mut VecDeque<String>) {
        let (Words::Content(text) | Words::ReasoningContent(text) | Words::Refusal(text)) = words;
        if !text.is_empty() {
            out.push_back(self.chunk(index, Piece::Said(words), Value::Null));
        }
    }

    fn call(&mut self, index: u32, part: u32, id: &str, name: &str, arguments: &str, out: &mut VecDeque<String>) {
        let call = Call { id, kind: "function", function: Function { name, arguments } };
        let call = CallPiece::First { index: self.number(index, part), call };
        out.push_back(self.chunk(index, Piece::Called { tool_calls: [call] }, Value::Null));
    }

    /// The number of the tool call in this part, counted from zero in the order in which calls begin.
    fn number(&mut self, index: u32, part: u32) -> usize {
        let parts = self.calls.entry(index).or_default();
        parts.iter().position(|known| *known == part).unwrap_or_else(|| {
            parts.push(part);
            parts.len() - 1
        })
    }

    fn chunk(&self, index: u32, delta: Piece<'_>, logprobs: Value) -> String {
        json::write(&self.frame([Choice { index, delta, finish_reason: None, logprobs }]))
    }

    fn frame<C>(&self, choices: C) -> Chunk<'_, C> {
        let object = "chat.completion.chunk";
        Chunk { id: &self.id, object, created: self.created, model: &self.model, choices, usage: None, tierway: None }
    }
}

fn end<'a>(index: u32, stop: Option<&StopReason>) -> Choice<'a> {
    Choice { index, delta: Piece::Nothing {}, finish_reason: Some(finish_reason(stop)), logprobs: Value::Null }
}

//! Ollama's answers: one object whole, or a line each in a stream, in the same form.

use serde_json::{Map, Value};

use super::parse::call_of;
use crate::error::ProviderError;
use crate::message::{Content, ToolCall};
use crate::model::Api;
use crate::reply::{Assembler, Delta, Reply, StopReason, TokenLogprob};
use crate::usage::Usage;
use crate::vendor_fields::VendorFields;
use crate::wire::json::{self, count, field, list, text};
use crate::wire::lines::Lines;
use crate::wire::{Headers, HttpResponse, StreamDecoder, errors};

/// Reads a whole answer, an error included. A body of several lines, as a stream sends, is read too.
pub(super) fn answer(response: HttpResponse<'_>, api: Api) -> Result<Reply, ProviderError> {
    if response.status >= 400 {
        return Err(errors::of_response(&response));
    }
    let (mut pieces, mut out) = (Pieces::new(api), Vec::new());
    match json::body(response.body) {
        Ok(body) => pieces.take(&body, &mut out)?,
        Err(error) => {
            let mut lines = Lines::new();
            lines.feed(response.body, |line| pieces.line(line, &mut out)).map_err(|_| error)?;
            lines.finish(|line| pieces.line(line, &mut out))?;
        }
    }
    if !pieces.is_answer {
        return Err(ProviderError::protocol("the answer has neither a message nor a response"));
    }
    let mut whole = Assembler::new();
    out.into_iter().for_each(|delta| whole.push(delta));
    Ok(whole.finish())
}

/// Reads JSON lines.
#[derive(Debug)]
pub(super) struct Decoder {
    lines: Lines,
    pieces: Pieces,
}

impl Decoder {
    pub(super) fn new(api: Api) -> Decoder {
        Decoder { lines: Lines::new(), pieces: Pieces::new(api) }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { lines, pieces } = self;
        lines.feed(bytes, |line| pieces.line(line, out))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { lines, pieces } = self;
        lines.finish(|line| pieces.line(line, out))?;
        if pieces.has_ended { Ok(()) } else { Err(errors::incomplete()) }
    }
}

/// Folds objects into pieces.
#[derive(Debug)]
struct Pieces {
    api: Api,
    is_answer: bool,
    has_ended: bool,
    calls: u32,
    next: u32,
    open: Option<Kin>,
    created: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kin {
    Thinking,
    Text,
}

impl Pieces {
    fn new(api: Api) -> Pieces {
        Pieces { api, is_answer: false, has_ended: false, calls: 0, next: 0, open: None, created: String::new() }
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        match line.trim_ascii() {
            [] => Ok(()),
            line => self.take(&json::body(line)?, out),
        }
    }

    fn take(&mut self, piece: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if let Some(error) = errors::of_body(piece, 200, Headers::NONE).filter(|_| errors::is_stated(piece)) {
            return Err(error);
        }
        let message = field(piece, "message").filter(|message| message.is_object());
        if message.is_none() && field(piece, "response").is_none() && field(piece, "done").is_none() {
            return Err(ProviderError::protocol("a line of the answer has neither a message nor a response"));
        }
        if !self.is_answer {
            self.is_answer = true;
            self.created = text(piece, "created_at").unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
            out.push(Delta::Start { id: None, model: text(piece, "model").map(str::to_owned) });
        }
        let said = message.unwrap_or(piece);
        if let Some(more) = text(said, "thinking").filter(|more| !more.is_empty()) {
            let part = self.place(Kin::Thinking, out);
            out.push(Delta::Reasoning { part, text: more.to_owned() });
        }
        let words = text(said, if message.is_some() { "content" } else { "response" });
        if let Some(more) = words.filter(|more| !more.is_empty()) {
            let part = self.place(Kin::Text, out);
            out.push(Delta::Text { part, text: more.to_owned() });
        }
        list(said, "tool_calls").iter().for_each(|call| self.call(call, out));
        let tokens: Vec<TokenLogprob> = list(piece, "logprobs").iter().filter_map(logprob).collect();
        if !tokens.is_empty() {
            out.push(Delta::Logprobs { tokens });
        }
        if field(piece, "done") == Some(&Value::Bool(true)) {
            self.end(piece, out);
        }
        Ok(())
    }

    /// The part that grows; another kind opens another one.
    fn place(&mut self, kin: Kin, out: &mut Vec<Delta>) -> u32 {
        if self.open != Some(kin) {
            self.open = Some(kin);
            self.next += 1;
            if kin == Kin::Thinking {
                let mut fields = VendorFields::new();
                fields.set(self.api, "$thinking", true.into());
                out.push(Delta::PartVendor { part: self.next - 1, fields });
            }
        }
        self.next - 1
    }

    fn call(&mut self, call: &Value, out: &mut Vec<Delta>) {
        let Some(made) = call_of(call, &format!("{}_{}", self.created, self.calls)) else { return };
        let Content::ToolCall(ToolCall { id, name, arguments }) = made.content else { return };
        self.calls += 1;
        self.open = None;
        let part = self.next;
        self.next += 1;
        out.extend([Delta::ToolCall { part, id, name }, Delta::Arguments { part, text: arguments }]);
        if !made.vendor.is_empty() {
            out.push(Delta::PartVendor { part, fields: made.vendor });
        }
    }

    fn end(&mut self, piece: &Value, out: &mut Vec<Delta>) {
        self.has_ended = true;
        let used = usage(piece);
        if !used.is_empty() {
            out.push(Delta::Usage { usage: used });
        }
        let mut rest = Map::new();
        let known = ["model", "message", "response", "thinking", "done", "done_reason", "logprobs"];
        for (name, value) in piece.as_object().into_iter().flatten() {
            if !known.contains(&name.as_str()) && !value.is_null() {
                rest.insert(name.clone(), value.clone());
            }
        }
        if !rest.is_empty() {
            out.push(Delta::Vendor { fields: VendorFields::of(self.api, rest) });
        }
        let reason = match text(piece, "done_reason") {
            Some("stop") | None if self.calls > 0 => StopReason::ToolUse,
            Some("stop") | None => StopReason::End,
            Some("length") => StopReason::MaxTokens,
            Some(other) => StopReason::Other(other.to_owned()),
        };
        out.push(Delta::Stop { reason });
    }
}

fn logprob(found: &Value) -> Option<TokenLogprob> {
    let pair = |one: &Value| Some((text(one, "token")?.to_owned(), field(one, "logprob")?.as_f64()?));
    let (token, logprob) = pair(found)?;
    Some(TokenLogprob { token, logprob, top: list(found, "top_logprobs").iter().filter_map(pair).collect() })
}

/// Usage as counted; a prompt that the server had in its cache is left out by it, and so is absent here.
pub(in crate::wire) fn usage(piece: &Value) -> Usage {
    Usage { input: count(piece, &["prompt_eval_count"]), output: count(piece, &["eval_count"]), ..Usage::default() }
}

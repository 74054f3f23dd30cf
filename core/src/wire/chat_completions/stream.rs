//! A stream of the chat completions format.
//!
//! Every answer has one reasoning part, one text part and one refusal, as the whole reply would; tool calls follow in
//! the order in which they begin. Fields that grow over chunks and only make sense whole (reasoning details, extras of
//! the message) are gathered and given out when the answer ends.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{API, chunk, decode, logprobs};
use crate::error::ProviderError;
use crate::message::{Content, Part};
use crate::model::Dialect;
use crate::reply::{Delta, StopReason};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{field, list, text};
use crate::wire::sse::{Event, SseParser};
use crate::wire::{Headers, StreamDecoder, errors, json};

mod answer;
use answer::Answer;

/// Most answers that are followed in one stream: more were never asked for.
const ANSWERS_MAX: usize = 16;

/// Top-level fields that are read apart, or that say nothing.
const TOP: [&str; 7] = ["id", "model", "choices", "object", "obfuscation", "p", "error"];

/// Texts inside a message's further fields that come in pieces.
const GROWING: [&str; 4] = ["text", "summary", "data", "transcript"];

/// Reads a stream.
#[derive(Debug)]
pub(super) struct Decoder {
    parser: SseParser,
    state: State,
}

/// Folds chunks into pieces, wherever they came from.
#[derive(Debug)]
pub(in crate::wire) struct Chunks(State);

impl Chunks {
    /// Nothing yet.
    pub(in crate::wire) fn new(dialect: Dialect) -> Chunks {
        Chunks(State::new(dialect))
    }

    /// Takes one chunk.
    ///
    /// # Errors
    /// The error that the chunk is.
    pub(in crate::wire) fn take(&mut self, chunk: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        self.0.take_object(chunk, "", out)
    }

    /// Says that there are no more chunks.
    ///
    /// # Errors
    /// `Incomplete` where the answer had not ended.
    pub(in crate::wire) fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if self.0.close(out) { Ok(()) } else { Err(errors::incomplete()) }
    }
}

/// What is known of the reply so far.
#[derive(Debug)]
struct State {
    dialect: Dialect,
    /// Whether ordinary chunks may take the short way; tests turn it off to compare.
    is_quick: bool,
    started: bool,
    done: bool,
    answers: Vec<Answer>,
    vendor: Map<String, Value>,
    /// What the first choice says besides.
    choice: Map<String, Value>,
}

impl Decoder {
    pub(super) fn new(dialect: Dialect) -> Decoder {
        Decoder { parser: SseParser::new(), state: State::new(dialect) }
    }

    /// The same, reading every chunk as a tree.
    #[cfg(test)]
    pub(super) fn unhurried(mut self) -> Decoder {
        self.state.is_quick = false;
        self
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { parser, state } = self;
        parser.feed(bytes, |event| state.take(event, out))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { parser, state } = self;
        let last = parser.finish(|event| state.take(event, out));
        if parser.events() == 0 && !parser.stray().is_empty() {
            return state.take_whole(parser.stray(), out);
        }
        let ended = state.close(out);
        match last {
            // A last event that was cut cannot be read: the stream is cut, and that is all there is to say.
            Err(error) if ended || error.kind != crate::error::Kind::Protocol => Err(error),
            _ if ended => Ok(()),
            _ => Err(errors::incomplete()),
        }
    }
}

impl State {
    fn new(dialect: Dialect) -> State {
        State {
            dialect,
            is_quick: true,
            started: false,
            done: false,
            answers: Vec::new(),
            vendor: Map::new(),
            choice: Map::new(),
        }
    }

    /// Gives out what was gathered. Whether the answer had ended.
    fn close(&mut self, out: &mut Vec<Delta>) -> bool {
        for (index, answer) in self.answers.iter_mut().enumerate() {
            answer.close(index, out);
        }
        self.done || self.answers.first().is_some_and(Answer::has_ended)
    }

    fn take(&mut self, event: Event<'_>, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let is_plain = cfg!(feature = "quick") && self.started && self.is_quick && event.name.is_empty();
        if is_plain && self.take_quickly(event.data, out) {
            return Ok(());
        }
        match event.data.trim() {
            "" => return Ok(()),
            "[DONE]" => {
                self.done = true;
                return Ok(());
            }
            _ => {}
        }
        let chunk = json::event(event.data)?;
        self.take_object(&chunk, event.name, out)
    }

    /// Takes a chunk, or the error that it is.
    fn take_object(&mut self, chunk: &Value, name: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let mut failed = failure(chunk, name);
        if failed.is_none() {
            self.take_chunk(chunk, out);
            failed = list(chunk, "choices").first().and_then(decode::choice_failure);
        }
        let Some(mut error) = failed else { return Ok(()) };
        let used = decode::usage_of_body(chunk, &self.dialect);
        error.usage = (!used.is_empty()).then(|| Box::new(used));
        Err(error)
    }

    /// Takes an ordinary chunk; false where it is not one, with nothing taken.
    fn take_quickly(&mut self, data: &str, out: &mut Vec<Delta>) -> bool {
        let Ok(chunk) = serde_json::from_str::<chunk::Chunk>(data) else { return false };
        let [choice] = chunk.choices;
        let Some(answer) = self.answers.get_mut(choice.index as usize) else { return false };
        let at = choice.index as usize;
        if let Some([fragment]) = &choice.delta.tool_calls
            && !answer.has_call(fragment.index)
        {
            return false;
        }
        let named = [("reasoning_content", choice.delta.reasoning_content), ("reasoning", choice.delta.reasoning)];
        let shown = named.into_iter().find_map(|(name, words)| Some((name, words.filter(|words| !words.is_empty())?)));
        if let Some((name, words)) = shown {
            answer.reasoning(at, name, words, out);
        }
        answer.text(at, choice.delta.content.unwrap_or_default(), out);
        if let Some([fragment]) = choice.delta.tool_calls {
            answer.arguments(at, fragment.index, fragment.function.arguments, out);
        }
        true
    }

    fn take_chunk(&mut self, chunk: &Value, out: &mut Vec<Delta>) {
        self.take_top(chunk, out);
        for (place, choice) in list(chunk, "choices").iter().enumerate() {
            let at = json::count(choice, &["index"]).map_or(place, |index| index as usize);
            if at >= ANSWERS_MAX {
                continue;
            }
            if self.answers.len() <= at {
                self.answers.resize_with(at + 1, Answer::default);
            }
            take_choice(&mut self.answers[at], at, choice, out);
            if at == 0 {
                self.take_choice_rest(choice, out);
            }
        }
        let used = decode::usage_of_body(chunk, &self.dialect);
        if decode::usage_place(chunk).is_some() {
            out.push(Delta::Usage { usage: used });
        } else if let Some(lane) = used.service_tier.filter(|_| !self.vendor.contains_key("service_tier")) {
            let usage = crate::usage::Usage { service_tier: Some(lane), ..crate::usage::Usage::default() };
            out.push(Delta::Usage { usage });
        }
        self.take_vendor(chunk, out);
    }

    /// The id and the model, from the first chunk that names one.
    fn take_top(&mut self, chunk: &Value, out: &mut Vec<Delta>) {
        let named = |name: &str| text(chunk, name).filter(|word| !word.is_empty()).map(str::to_owned);
        let (id, model) = (named("id"), named("model"));
        // Azure opens with a chunk of filter results that names neither.
        if !self.started && (id.is_some() || model.is_some() || !list(chunk, "choices").is_empty()) {
            self.started = true;
            out.push(Delta::Start { id, model });
        }
    }

    /// Fields of the vendor's own, each when it first comes or changes: most repeat in every chunk, and are not copied.
    fn take_vendor(&mut self, chunk: &Value, out: &mut Vec<Delta>) {
        let known = &self.vendor;
        let is_fresh = |(name, value): &(&String, &Value)| {
            !TOP.contains(&name.as_str()) && !super::is_empty(value) && known.get(*name) != Some(*value)
        };
        let all = chunk.as_object().into_iter().flatten();
        let fresh: Map<String, Value> =
            all.filter(is_fresh).map(|(name, value)| (name.clone(), value.clone())).collect();
        if !fresh.is_empty() {
            self.vendor.extend(fresh.clone());
            out.push(Delta::Vendor { fields: VendorFields::of(API, fresh) });
        }
    }

    /// What a choice says besides its answer, gathered over the chunks.
    fn take_choice_rest(&mut self, choice: &Value, out: &mut Vec<Delta>) {
        let mut more = decode::choice_rest(choice);
        more.retain(|name, value| self.choice.get(name) != Some(value));
        if !more.is_empty() {
            self.choice.extend(more);
            let mut fields = VendorFields::new();
            fields.set(API, "choice", self.choice.clone().into());
            out.push(Delta::Vendor { fields });
        }
    }

    /// A JSON body in place of a stream: an error, or the whole answer of a server that does not stream.
    fn take_whole(&mut self, body: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let body = json::body(body)?;
        out.extend(decode::reply(body, 200, Headers::NONE, &self.dialect)?.into_deltas());
        Ok(())
    }
}

/// The error that an event is, if it is one.
fn failure(chunk: &Value, event_name: &str) -> Option<ProviderError> {
    let is_named = event_name == "error";
    // Groq says in one word why it broke a stream off.
    if let Some(said) = json::at(chunk, &["x_groq", "error"]).and_then(Value::as_str).filter(|said| !said.is_empty()) {
        return errors::of_body(&json!({ "error": said }), 200, Headers::NONE);
    }
    if !is_named && !errors::is_stated(chunk) && chunk.get("choices").is_some() {
        return None;
    }
    let unnamed = || is_named.then(|| ProviderError::protocol("the vendor sent an error event without an error in it"));
    errors::of_body(chunk, 200, Headers::NONE).or_else(unnamed)
}

fn take_choice(answer: &mut Answer, at: usize, choice: &Value, out: &mut Vec<Delta>) {
    // Some vendors end with the whole message, which was told in pieces already.
    let whole = || field(choice, "message").filter(|_| !answer.has_begun());
    let message = field(choice, "delta").or_else(whole).unwrap_or(&Value::Null);
    let details = list(message, "reasoning_details");
    answer.details(at, details, out);
    match decode::shown(message) {
        Some((name, words)) => answer.reasoning(at, name, words.to_owned(), out),
        None => answer.details_text(at, decode::text_of_details(details), out),
    }
    if let Some(words) = text(choice, "text").filter(|_| message.is_null()) {
        answer.text(at, words.to_owned(), out);
    }
    match message.get("content") {
        Some(Value::String(words)) => answer.text(at, words.clone(), out),
        Some(Value::Array(pieces)) => pieces.iter().for_each(|piece| take_piece(answer, at, piece, out)),
        _ => {}
    }
    if let Some(words) = text(message, "refusal") {
        answer.refusal(at, words, out);
    }
    for call in list(message, "tool_calls") {
        answer.call(at, call, out);
    }
    if let Some(call) = field(message, "function_call").filter(|call| decode::says_anything(call)) {
        answer.legacy_call(at, call, out);
    }
    answer.extras(decode::rest_of(message, &decode::MESSAGE));
    let tokens = logprobs::read(field(choice, "logprobs"));
    if !tokens.is_empty() {
        answer.push(at, Delta::Logprobs { tokens }, out);
    }
    if let Some(reason) = decode::stop_reason(choice) {
        let refused = answer.has_refused() && reason == StopReason::End;
        answer.stop(at, if refused { StopReason::Refusal } else { reason }, out);
    }
}

/// A piece of a content list (Mistral): thinking grows the reasoning, text the text.
fn take_piece(answer: &mut Answer, at: usize, piece: &Value, out: &mut Vec<Delta>) {
    let part = decode::piece(piece);
    match &part.content {
        Content::Text { text } => answer.text(at, text.clone(), out),
        Content::Reasoning { text } => answer.reasoning(at, "thinking", text.clone(), out),
        _ => answer.whole(at, part, out),
    }
}

/// Gathers pieces of `reasoning_details`: those of the same index and kind are one that grows.
#[derive(Debug, Default)]
struct Details(Vec<Map<String, Value>>, BTreeMap<(u64, String), usize>);

impl Details {
    fn add(&mut self, piece: &Value) {
        let Some(piece) = piece.as_object() else { return };
        let kind = piece.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let index = piece.get("index").and_then(Value::as_u64);
        let key = index.map(|index| (index, kind));
        let place = key.as_ref().and_then(|key| self.1.get(key).copied());
        if let Some(whole) = place.and_then(|place| self.0.get_mut(place)) {
            grow(whole, piece);
        } else if self.0.len() < crate::limits::REPLY_PARTS_MAX {
            self.1.extend(key.map(|key| (key, self.0.len())));
            self.0.push(piece.clone());
        }
    }

    fn into_list(self) -> Value {
        self.0.into_iter().map(Value::Object).collect()
    }
}

/// Appends the texts of `piece` to those of `whole`, and takes over what else it says.
fn grow(whole: &mut Map<String, Value>, piece: &Map<String, Value>) {
    for (name, value) in piece {
        match (whole.get_mut(name), value) {
            (_, Value::Null) => {}
            (Some(Value::String(old)), Value::String(more)) if GROWING.contains(&name.as_str()) => {
                old.push_str(more);
            }
            (_, value) => drop(whole.insert(name.clone(), value.clone())),
        }
    }
}

/// A part of this format alone, with everything it holds.
fn message_part(extras: Map<String, Value>) -> Option<Part> {
    decode::extras_part(extras)
}

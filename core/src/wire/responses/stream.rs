//! A stream of the Responses format.
//!
//! Pieces are given out as they come. Each item comes whole when it is done, and all of them again at the end: what was
//! not said in pieces follows then, so that the folded stream is the unary reply.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{API, decode};
use crate::error::{Kind, ProviderError};
use crate::limits::REPLY_PARTS_MAX;
use crate::message::{Content, Part};
use crate::model::Dialect;
use crate::reply::Delta;
use crate::vendor_fields::VendorFields;
use crate::wire::json::{count, field, list, text};
use crate::wire::sse::{Event, SseParser};
use crate::wire::{Headers, StreamDecoder, errors, json};

/// Reads a stream.
#[derive(Debug)]
pub(super) struct Decoder {
    parser: SseParser,
    state: State,
}

/// What is known of the reply so far.
#[derive(Debug)]
struct State {
    dialect: Dialect,
    start: Option<(Option<String>, Option<String>)>,
    ended: bool,
    /// Parts by the item's place and the piece's within it.
    parts: BTreeMap<(u64, u64), Open>,
    /// Items that are done, for vendors that don't repeat them at the end.
    items: BTreeMap<u64, Value>,
    /// Items' places by their ids: a stream may number items that the end leaves out.
    places: BTreeMap<String, u64>,
}

/// A part that has begun.
#[derive(Debug)]
struct Open {
    number: u32,
    /// What was given out of its text.
    said: String,
    /// Which piece of an item of reasoning grows: a new one is a new paragraph.
    paragraph: u64,
    /// The part as it was last given out whole.
    settled: Option<Part>,
}

impl Decoder {
    pub(super) fn new(dialect: Dialect) -> Decoder {
        let (parts, items, places) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let state = State { dialect, start: None, ended: false, parts, items, places };
        Decoder { parser: SseParser::new(), state }
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
            let reply = decode::reply(&json::body(parser.stray())?, 200, Headers::NONE, &state.dialect)?;
            out.extend(reply.into_deltas());
            return Ok(());
        }
        match last {
            // A last event that was cut cannot be read: the stream is cut, and that is all there is to say.
            Err(error) if state.ended || error.kind != Kind::Protocol => Err(error),
            _ if state.ended => Ok(()),
            _ => Err(errors::incomplete()),
        }
    }
}

impl State {
    fn take(&mut self, event: Event<'_>, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if self.ended || matches!(event.data.trim(), "" | "[DONE]") {
            return Ok(());
        }
        let data = json::event(event.data)?;
        let kind = text(&data, "type").unwrap_or(event.name);
        let response = field(&data, "response").unwrap_or(&Value::Null);
        match kind {
            "response.created" | "response.queued" | "response.in_progress" => self.begin(response, out),
            "response.output_item.added" => self.added(&data, out),
            "response.output_item.done" => self.done(&data, out),
            "response.output_text.delta"
            | "response.refusal.delta"
            | "response.function_call_arguments.delta"
            | "response.custom_tool_call_input.delta"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning_text.delta" => self.grow(kind, &data, out),
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => {
                return self.end(response, out);
            }
            _ if kind == "error" || event.name == "error" || errors::is_stated(&data) => {
                let unnamed = || ProviderError::protocol("the vendor sent an error event without an error in it");
                return Err(errors::of_body(&data, 200, Headers::NONE).unwrap_or_else(unnamed));
            }
            _ => {}
        }
        Ok(())
    }

    /// The id and the model, when they first come or change.
    fn begin(&mut self, response: &Value, out: &mut Vec<Delta>) {
        let named = |name: &str| text(response, name).filter(|word| !word.is_empty()).map(str::to_owned);
        let start = (named("id"), named("model"));
        if self.start.as_ref() != Some(&start) {
            out.push(Delta::Start { id: start.0.clone(), model: start.1.clone() });
            self.start = Some(start);
        }
    }

    /// An item begins: what is not a message holds its place at once.
    fn added(&mut self, data: &Value, out: &mut Vec<Delta>) {
        let (Some(at), Some(item)) = (count(data, &["output_index"]), field(data, "item")) else { return };
        self.name(at, item);
        if text(item, "type") == Some("message") {
            return;
        }
        for part in decode::parts(item) {
            let Some(open) = self.open((at, 0)) else { continue };
            match &part.content {
                Content::ToolCall(call) if !call.id.is_empty() => {
                    let (id, name) = (call.id.clone(), call.name.clone());
                    out.push(Delta::ToolCall { part: open.number, id, name });
                }
                Content::Reasoning { .. } => out.push(Delta::Reasoning { part: open.number, text: String::new() }),
                Content::Vendor => {
                    open.settled = Some(part.clone());
                    out.push(Delta::Part { part: open.number, whole: part });
                }
                _ => {}
            }
        }
    }

    /// More of a part.
    fn grow(&mut self, kind: &str, data: &Value, out: &mut Vec<Delta>) {
        let (Some(at), Some(words)) = (count(data, &["output_index"]), text(data, "delta")) else { return };
        let place = count(data, &["content_index"]).unwrap_or(0);
        let is_reasoning = kind.starts_with("response.reasoning");
        let is_message = matches!(kind, "response.output_text.delta" | "response.refusal.delta");
        let Some(open) = self.open((at, if is_message { place } else { 0 })) else { return };
        let paragraph = count(data, &["summary_index"]).unwrap_or(place);
        let is_new = is_reasoning && paragraph != open.paragraph && !open.said.is_empty();
        let text = if is_new { format!("\n\n{words}") } else { words.to_owned() };
        open.paragraph = paragraph;
        open.said.push_str(&text);
        let part = open.number;
        out.push(match kind {
            "response.output_text.delta" => Delta::Text { part, text },
            "response.refusal.delta" => Delta::Refusal { part, text },
            _ if is_reasoning => Delta::Reasoning { part, text },
            _ => Delta::Arguments { part, text },
        });
    }

    fn done(&mut self, data: &Value, out: &mut Vec<Delta>) {
        let (Some(at), Some(item)) = (count(data, &["output_index"]), field(data, "item")) else { return };
        self.name(at, item);
        self.settle(at, item, out);
        if self.items.len() < REPLY_PARTS_MAX {
            self.items.insert(at, item.clone());
        }
    }

    /// Keeps the place of an item under its id.
    fn name(&mut self, at: u64, item: &Value) {
        if let Some(id) = text(item, "id").filter(|id| !id.is_empty() && self.places.len() < REPLY_PARTS_MAX) {
            self.places.insert(id.to_owned(), at);
        }
    }

    /// Gives out what an item holds beyond what was said of it in pieces.
    fn settle(&mut self, at: u64, item: &Value, out: &mut Vec<Delta>) {
        for (part, place) in decode::parts(item).into_iter().zip(0..) {
            if let Some(open) = self.open((at, place)) {
                open.settle(part, out);
            }
        }
    }

    /// The response as it ended. What it holds and the stream did not say follows.
    fn end(&mut self, response: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let mut response = response.clone();
        if list(&response, "output").is_empty() && response.is_object() {
            response["output"] = std::mem::take(&mut self.items).into_values().collect();
        }
        let reply = decode::reply(&response, 200, Headers::NONE, &self.dialect)?;
        self.begin(&response, out);
        for (item, at) in list(&response, "output").iter().zip(0..) {
            let named = text(item, "id").and_then(|id| self.places.get(id).copied());
            self.settle(named.unwrap_or(at), item, out);
        }
        self.ended = true;
        let tail = crate::reply::Reply { parts: Vec::new(), ..reply };
        out.extend(tail.into_deltas().into_iter().filter(|delta| !matches!(delta, Delta::Start { .. })));
        Ok(())
    }

    /// The part at a place, begun if it is new; `None` beyond the bound.
    fn open(&mut self, place: (u64, u64)) -> Option<&mut Open> {
        let begun = self.parts.len();
        if begun >= REPLY_PARTS_MAX && !self.parts.contains_key(&place) {
            return None;
        }
        let number = u32::try_from(begun).ok()?;
        let fresh = || Open { number, said: String::new(), paragraph: 0, settled: None };
        Some(self.parts.entry(place).or_insert_with(fresh))
    }
}

impl Open {
    fn settle(&mut self, part: Part, out: &mut Vec<Delta>) {
        if self.settled.as_ref() == Some(&part) {
            return;
        }
        let number = self.number;
        let rest = match &part.content {
            Content::Text { text } | Content::Refusal { text } | Content::Reasoning { text } => {
                text.strip_prefix(self.said.as_str())
            }
            Content::ToolCall(call) => call.arguments.strip_prefix(self.said.as_str()),
            _ => None,
        };
        match rest.filter(|_| self.settled.is_none()).map(str::to_owned) {
            Some(text) => {
                self.said.push_str(&text);
                match &part.content {
                    Content::Text { .. } => out.push(Delta::Text { part: number, text }),
                    Content::Refusal { .. } => out.push(Delta::Refusal { part: number, text }),
                    Content::ToolCall(call) => {
                        let (id, name) = (call.id.clone(), call.name.clone());
                        out.push(Delta::ToolCall { part: number, id, name });
                        out.push(Delta::Arguments { part: number, text });
                    }
                    _ => out.push(Delta::Reasoning { part: number, text }),
                }
                let fields = part.vendor.get(API).cloned().unwrap_or_default();
                if !fields.is_empty() {
                    out.push(Delta::PartVendor { part: number, fields: VendorFields::of(API, fields) });
                }
                out.retain(|delta| !is_empty(delta, number));
            }
            None => out.push(Delta::Part { part: number, whole: part.clone() }),
        }
        self.settled = Some(part);
    }
}

/// Whether a piece of arguments says nothing.
fn is_empty(delta: &Delta, number: u32) -> bool {
    matches!(delta, Delta::Arguments { part, text } if *part == number && text.is_empty())
}

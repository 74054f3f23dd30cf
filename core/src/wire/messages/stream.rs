//! A Messages stream: typed events, whose blocks are numbered.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ANSWER_TOOL;
use super::decode::{part, stop_reason, usage};
use crate::error::ProviderError;
use crate::limits::REPLY_PARTS_MAX;
use crate::message::Content;
use crate::model::Api;
use crate::reply::{Delta, StopReason};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{self, field, text};
use crate::wire::sse::SseParser;
use crate::wire::{Headers, StreamDecoder, errors};

/// Reads server-sent events.
#[derive(Debug)]
pub(super) struct Decoder {
    sse: SseParser,
    events: Events,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { sse: SseParser::new(), events: Events::new(Api::Messages) }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { sse, events } = self;
        sse.feed(bytes, |event| events.read(event.data, out))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { sse, events } = self;
        sse.finish(|event| events.read(event.data, out))?;
        if sse.events() == 0 && !sse.stray().is_empty() {
            let body = json::body(sse.stray())?;
            return match errors::of_body(&body, 200, Headers::NONE) {
                Some(error) => Err(error),
                None => {
                    out.extend(super::reply(body, Api::Messages)?.into_deltas());
                    Ok(())
                }
            };
        }
        events.finish(out)
    }
}

/// Folds events into pieces, wherever they came from.
#[derive(Debug)]
pub(in crate::wire) struct Events {
    api: Api,
    blocks: BTreeMap<u32, Block>,
    usage: Map<String, Value>,
    answered: bool,
    called: bool,
    ended: bool,
}

/// A block that is being read.
#[derive(Debug, Default)]
struct Block {
    /// The whole block, for kinds that only this format knows.
    whole: Option<Map<String, Value>>,
    /// Its input as far as it came.
    input: String,
    citations: Vec<Value>,
    is_answer: bool,
}

impl Events {
    /// Nothing yet.
    pub(in crate::wire) fn new(api: Api) -> Events {
        let usage = Map::new();
        Events { api, blocks: BTreeMap::new(), usage, answered: false, called: false, ended: false }
    }

    /// Takes an event's data; copies of the format end with a word of another's.
    fn read(&mut self, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        match data.trim() {
            "" | "[DONE]" => Ok(()),
            _ => self.take(&json::event(data)?, out),
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// The error that the event is.
    pub(in crate::wire) fn take(&mut self, event: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let index = field(event, "index").and_then(Value::as_u64).and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
        match text(event, "type").unwrap_or_default() {
            "message_start" => self.start(event, out),
            "content_block_start" => {
                if let Some(Value::Object(block)) = event.get("content_block") {
                    self.open(index, block.clone(), out);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = field(event, "delta") {
                    self.grow(index, delta, out);
                }
            }
            "content_block_stop" => self.close(index, out),
            "message_delta" => self.end(event, out),
            "message_stop" => self.ended = true,
            "ping" => {}
            _ => {
                if let Some(error) = errors::of_body(event, 200, Headers::NONE) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Says that there are no more events.
    ///
    /// # Errors
    /// `Incomplete` where the message had not ended.
    pub(in crate::wire) fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let open: Vec<u32> = self.blocks.keys().copied().collect();
        open.into_iter().for_each(|index| self.close(index, out));
        if self.ended { Ok(()) } else { Err(errors::incomplete()) }
    }

    fn start(&mut self, event: &Value, out: &mut Vec<Delta>) {
        let Some(message) = field(event, "message") else { return };
        let own = |name| text(message, name).map(str::to_owned);
        out.push(Delta::Start { id: own("id"), model: own("model") });
        self.report(message, out);
        if let Some(container) = field(message, "container") {
            self.whole_answer("container", container, out);
        }
    }

    /// Merges a usage report into what was reported before; later counts replace earlier ones, and nothing else does.
    fn report(&mut self, from: &Value, out: &mut Vec<Delta>) {
        let Some(Value::Object(report)) = field(from, "usage") else { return };
        for (name, value) in report.iter().filter(|(_, value)| !value.is_null()) {
            let is_no_count = self.usage.get(name).is_some_and(Value::is_u64) && !value.is_u64();
            if !is_no_count {
                self.usage.insert(name.clone(), value.clone());
            }
        }
        let merged = Value::Object(self.usage.clone());
        out.push(Delta::Usage { usage: usage(&merged) });
        self.whole_answer("usage", &merged, out);
    }

    fn whole_answer(&self, name: &str, value: &Value, out: &mut Vec<Delta>) {
        let mut fields = VendorFields::new();
        fields.set(self.api, name, value.clone());
        out.push(Delta::Vendor { fields });
    }

    fn open(&mut self, index: u32, mut start: Map<String, Value>, out: &mut Vec<Delta>) {
        if self.blocks.len() >= REPLY_PARTS_MAX {
            return;
        }
        let mut block = Block::default();
        let is_call = start.get("type").and_then(Value::as_str) == Some("tool_use");
        // A call's input comes in pieces after an empty object.
        if is_call && start.get("input").and_then(Value::as_object).is_some_and(Map::is_empty) {
            start.insert("input".to_owned(), "".into());
        }
        if let Some(Value::Array(citations)) = start.shift_remove("citations") {
            block.citations = citations;
        }
        block.is_answer = is_call && start.get("name").and_then(Value::as_str) == Some(ANSWER_TOOL);
        let read = part(start.clone(), self.api);
        match read.content {
            Content::Text { text } => {
                self.answered |= block.is_answer;
                out.push(Delta::Text { part: index, text });
            }
            Content::Reasoning { text } => out.push(Delta::Reasoning { part: index, text }),
            Content::ToolCall(call) => {
                self.called = true;
                out.push(Delta::ToolCall { part: index, id: call.id, name: call.name });
                if !call.arguments.is_empty() {
                    out.push(Delta::Arguments { part: index, text: call.arguments });
                }
            }
            _ => block.whole = Some(start),
        }
        let mut fields = read.vendor;
        if block.whole.is_none() && !fields.is_empty() {
            // A signature comes as an empty text first and whole in a piece of its own.
            if fields.field(self.api, "signature") == Some(&Value::from("")) {
                fields = VendorFields::new();
            }
            if !fields.is_empty() {
                out.push(Delta::PartVendor { part: index, fields });
            }
        }
        self.blocks.insert(index, block);
    }

    fn grow(&mut self, index: u32, delta: &Value, out: &mut Vec<Delta>) {
        let Some(block) = self.blocks.get_mut(&index) else { return };
        let own = |name| text(delta, name).unwrap_or_default().to_owned();
        match text(delta, "type").unwrap_or_default() {
            "text_delta" => out.push(Delta::Text { part: index, text: own("text") }),
            "thinking_delta" => out.push(Delta::Reasoning { part: index, text: own("thinking") }),
            "input_json_delta" if block.whole.is_some() => block.input.push_str(&own("partial_json")),
            "input_json_delta" if block.is_answer => out.push(Delta::Text { part: index, text: own("partial_json") }),
            "input_json_delta" => out.push(Delta::Arguments { part: index, text: own("partial_json") }),
            "signature_delta" => {
                let mut fields = VendorFields::new();
                fields.set(self.api, "signature", own("signature").into());
                out.push(Delta::PartVendor { part: index, fields });
            }
            "citations_delta" => block.citations.extend(field(delta, "citation").cloned()),
            _ => {
                // What only this format knows grows field by field: texts are appended, the rest replaced.
                let (Some(whole), Some(more)) = (&mut block.whole, delta.as_object()) else { return };
                for (name, value) in more.iter().filter(|(name, _)| *name != "type") {
                    match (whole.get_mut(name), value) {
                        (Some(Value::String(text)), Value::String(more)) => text.push_str(more),
                        _ => drop(whole.insert(name.clone(), value.clone())),
                    }
                }
            }
        }
    }

    fn close(&mut self, index: u32, out: &mut Vec<Delta>) {
        let Some(block) = self.blocks.remove(&index) else { return };
        let Block { whole, input, citations, .. } = block;
        if let Some(mut whole) = whole {
            if !input.is_empty() {
                whole.insert("input".to_owned(), serde_json::from_str(&input).unwrap_or(Value::String(input)));
            }
            out.push(Delta::Part { part: index, whole: part(whole, self.api) });
        } else if !citations.is_empty() {
            let mut fields = VendorFields::new();
            fields.set(self.api, "citations", citations.into());
            out.push(Delta::PartVendor { part: index, fields });
        }
    }

    fn end(&mut self, event: &Value, out: &mut Vec<Delta>) {
        self.report(event, out);
        let delta = field(event, "delta").and_then(Value::as_object);
        for (name, value) in
            delta.into_iter().flatten().filter(|(name, value)| *name != "stop_reason" && !value.is_null())
        {
            self.whole_answer(name, value, out);
        }
        if let Some(edits) = field(event, "context_management") {
            self.whole_answer("context_management", edits, out);
        }
        if let Some(word) = field(event, "delta").and_then(|delta| text(delta, "stop_reason")) {
            let mut reason = stop_reason(word);
            if reason == StopReason::ToolUse && self.answered && !self.called {
                reason = StopReason::End;
            }
            self.ended = true;
            out.push(Delta::Stop { reason });
        }
    }
}

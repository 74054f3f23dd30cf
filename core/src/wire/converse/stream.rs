//! A Converse stream: events in binary frames, whose blocks are numbered; failures are frames too.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::OWN_REASONING;
use super::decode::{stop_reason, usage_with_tier};
use crate::error::ProviderError;
use crate::limits::REPLY_PARTS_MAX;
use crate::message::{Content, Part};
use crate::model::Api;
use crate::reply::{Delta, StopReason};
use crate::vendor_fields::VendorFields;
use crate::wire::errors::Complaint;
use crate::wire::eventstream::{Frame, Frames};
use crate::wire::json::{at, count, field, text};
use crate::wire::messages::ANSWER_TOOL;
use crate::wire::{Headers, StreamDecoder, errors, json};

/// Reads binary frames.
#[derive(Debug)]
pub(super) struct Decoder {
    frames: Frames,
    events: Events,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { frames: Frames::new(), events: Events::new(Api::Converse) }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { frames, events } = self;
        frames.feed(bytes, |frame| {
            if frame.is_failure() {
                return Err(failure(&frame));
            }
            let name = frame.name().to_owned();
            events.take(&name, &json::body(&frame.payload)?, out);
            Ok(())
        })
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        self.events.finish(out);
        if self.events.has_ended { Ok(()) } else { Err(errors::incomplete()) }
    }
}

/// The error that a frame is.
pub(in crate::wire) fn failure(frame: &Frame) -> ProviderError {
    let name = frame.name().to_owned();
    let body = serde_json::from_slice::<Value>(&frame.payload).unwrap_or_default();
    let said = frame.header(":error-message").or_else(|| text(&body, "message")).or_else(|| text(&body, "Message"));
    let status = match name.as_str() {
        "throttlingException" => 429,
        "validationException" => 400,
        "accessDeniedException" => 403,
        "serviceUnavailableException" => 503,
        "modelTimeoutException" => 408,
        _ => count(&body, &["originalStatusCode"]).and_then(|code| u16::try_from(code).ok()).unwrap_or(500),
    };
    let message = said.unwrap_or_default().to_owned();
    let complaint = Complaint { kind: Some(name), message, ..Complaint::default() };
    errors::classify(&complaint, status, Headers::NONE)
}

/// Folds events into pieces, wherever they came from.
#[derive(Debug)]
pub(in crate::wire) struct Events {
    api: Api,
    blocks: BTreeMap<u32, Kind>,
    answered: bool,
    called: bool,
    stop: Option<StopReason>,
    /// Whether the answer's end was said.
    pub(in crate::wire) has_ended: bool,
}

/// What a block is, from its start or its first piece.
#[derive(Debug)]
enum Kind {
    Text,
    Reasoning,
    Call,
    Answer,
    Cited(Vec<Value>),
    /// A block that only this format knows, as far as it came.
    Other(Map<String, Value>),
}

impl Events {
    /// Nothing yet.
    pub(in crate::wire) fn new(api: Api) -> Events {
        Events { api, blocks: BTreeMap::new(), answered: false, called: false, stop: None, has_ended: false }
    }

    /// Takes one event by its name.
    pub(in crate::wire) fn take(&mut self, name: &str, event: &Value, out: &mut Vec<Delta>) {
        let index = count(event, &["contentBlockIndex"]).and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
        match name {
            "contentBlockStart" => self.open(index, event, out),
            "contentBlockDelta" => {
                if let Some(delta) = field(event, "delta") {
                    self.grow(index, delta, out);
                }
            }
            "contentBlockStop" => self.close(index, out),
            "messageStop" => self.end(event, out),
            "metadata" => {
                out.push(Delta::Usage { usage: usage_with_tier(event) });
                if let Some(fields) = event.as_object() {
                    out.push(Delta::Vendor { fields: VendorFields::of(self.api, fields.clone()) });
                }
            }
            _ => {}
        }
    }

    /// Says that there are no more events.
    pub(in crate::wire) fn finish(&mut self, out: &mut Vec<Delta>) {
        let open: Vec<u32> = self.blocks.keys().copied().collect();
        open.into_iter().for_each(|index| self.close(index, out));
    }

    fn open(&mut self, index: u32, event: &Value, out: &mut Vec<Delta>) {
        if self.blocks.len() >= REPLY_PARTS_MAX {
            return;
        }
        let Some(start) = field(event, "start") else { return };
        if let Some(call) = field(start, "toolUse") {
            let own = |name| text(call, name).unwrap_or_default().to_owned();
            if own("name") == ANSWER_TOOL {
                self.answered = true;
                self.blocks.insert(index, Kind::Answer);
                out.push(Delta::Text { part: index, text: String::new() });
                return;
            }
            self.called = true;
            self.blocks.insert(index, Kind::Call);
            out.push(Delta::ToolCall { part: index, id: own("toolUseId"), name: own("name") });
            if let Some(kind) = field(call, "type") {
                self.note(index, "toolUse", serde_json::json!({"type": kind}), out);
            }
        } else if let Some(fields) = start.as_object().filter(|fields| !fields.is_empty()) {
            self.blocks.insert(index, Kind::Other(fields.clone()));
            self.give(index, fields.clone(), out);
        }
    }

    /// Gives out a block that only this format knows; the last time counts.
    fn give(&self, index: u32, fields: Map<String, Value>, out: &mut Vec<Delta>) {
        let whole = Part::new(Content::Vendor).with_vendor(VendorFields::of(self.api, fields));
        out.push(Delta::Part { part: index, whole });
    }

    fn note(&self, index: u32, name: &str, value: Value, out: &mut Vec<Delta>) {
        let mut fields = VendorFields::new();
        fields.set(self.api, name, value);
        out.push(Delta::PartVendor { part: index, fields });
    }

    fn grow(&mut self, index: u32, delta: &Value, out: &mut Vec<Delta>) {
        let is_new = !self.blocks.contains_key(&index);
        if is_new && self.blocks.len() >= REPLY_PARTS_MAX {
            return;
        }
        if let Some(more) = text(delta, "text") {
            self.blocks.entry(index).or_insert(Kind::Text);
            out.push(Delta::Text { part: index, text: more.to_owned() });
        } else if let Some(input) = at(delta, &["toolUse", "input"]) {
            let text = input.as_str().map_or_else(|| input.to_string(), str::to_owned);
            out.push(match self.blocks.entry(index).or_insert(Kind::Call) {
                Kind::Answer => Delta::Text { part: index, text },
                _ => Delta::Arguments { part: index, text },
            });
        } else if let Some(more) = field(delta, "reasoningContent") {
            self.blocks.entry(index).or_insert(Kind::Reasoning);
            let shown = text(more, "text").unwrap_or_default().to_owned();
            out.push(Delta::Reasoning { part: index, text: shown });
            if is_new {
                self.note(index, OWN_REASONING, true.into(), out);
            }
            for name in ["signature", "redactedContent"] {
                if let Some(opaque) = field(more, name) {
                    self.note(index, name, opaque.clone(), out);
                }
            }
        } else if let Some(citation) = field(delta, "citation") {
            if let Kind::Cited(all) = self.blocks.entry(index).or_insert(Kind::Cited(Vec::new())) {
                all.push(citation.clone());
            } else {
                self.blocks.insert(index, Kind::Cited(vec![citation.clone()]));
            }
        } else if let Some(more) = delta.as_object()
            && let Kind::Other(fields) = self.blocks.entry(index).or_insert_with(|| Kind::Other(Map::new()))
        {
            grow(fields, more);
        }
    }

    fn close(&mut self, index: u32, out: &mut Vec<Delta>) {
        match self.blocks.remove(&index) {
            Some(Kind::Cited(citations)) => {
                out.push(Delta::Text { part: index, text: String::new() });
                self.note(index, "citations", citations.into(), out);
            }
            Some(Kind::Other(fields)) => self.give(index, fields, out),
            _ => {}
        }
    }

    fn end(&mut self, event: &Value, out: &mut Vec<Delta>) {
        self.has_ended = true;
        let reason = match text(event, "stopReason").map(stop_reason) {
            Some(StopReason::ToolUse) if self.answered && !self.called => StopReason::End,
            Some(reason) => reason,
            None => return,
        };
        if let Some(more) = field(event, "additionalModelResponseFields") {
            let mut fields = VendorFields::new();
            fields.set(self.api, "additionalModelResponseFields", more.clone());
            out.push(Delta::Vendor { fields });
        }
        if self.stop.replace(reason.clone()).is_none() {
            out.push(Delta::Stop { reason });
        }
    }
}

/// Adds to a block what a piece of it says. A list in the piece is the block's content, which comes list by list.
fn grow(block: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        match (block.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Array(list)) => match inner.get_mut("content") {
                Some(Value::Array(content)) => content.extend(list.iter().cloned()),
                _ => drop(inner.insert("content".to_owned(), list.clone().into())),
            },
            (Some(Value::Object(inner)), Value::Object(more)) => {
                inner.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            (Some(Value::Array(all)), Value::Array(list)) => all.extend(list.iter().cloned()),
            _ => drop(block.insert(name.clone(), value.clone())),
        }
    }
}

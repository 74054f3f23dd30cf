//! One answer of a stream as it grows: which part each piece belongs to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{API, decode};
use super::{Details, message_part};
use crate::limits::REPLY_PARTS_MAX;
use crate::message::Part;
use crate::reply::{Delta, StopReason};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{field, text};

/// Most bytes of arguments that are held until their call has a name.
const HELD_BYTES_MAX: usize = 64 << 10;

/// An answer that grows.
#[derive(Debug, Default)]
pub(super) struct Answer {
    parts: u32,
    text: Option<u32>,
    reasoning: Option<(u32, String)>,
    refusal: Option<u32>,
    calls: Vec<Call>,
    places: BTreeMap<u32, usize>,
    details: Details,
    has_details: bool,
    extras: Map<String, Value>,
    ended: bool,
    closed: bool,
}

/// A tool call that grows.
#[derive(Debug)]
struct Call {
    part: u32,
    id: String,
    name: String,
    /// Set once the call was given out.
    is_open: bool,
    held: String,
    /// Whether its arguments so far end as an object does.
    is_closed: bool,
}

impl Call {
    /// Whether a piece under this call's number begins another call all the same: some vendors number none, and some
    /// leave the ids out as well. One without a name goes on with the call, even under a new id: older servers make one
    /// for every piece.
    fn is_followed_by(&self, id: Option<&str>, name: Option<&str>, arguments: &str) -> bool {
        let (true, Some(name)) = (self.is_open, name) else {
            return !self.is_open && id.is_some_and(|id| !self.id.is_empty() && id != self.id);
        };
        match id.filter(|_| !self.id.is_empty()) {
            Some(id) => id != self.id,
            None => name != self.name || (self.is_closed && arguments.trim_ascii_start().starts_with('{')),
        }
    }
}

impl Answer {
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether anything came.
    pub(super) fn has_begun(&self) -> bool {
        self.parts > 0
    }

    pub(super) fn has_refused(&self) -> bool {
        self.refusal.is_some()
    }

    pub(super) fn has_call(&self, index: u32) -> bool {
        self.places.get(&index).is_some_and(|place| self.calls[*place].is_open)
    }

    /// Gives a piece out, as one of a further answer where this is not the first.
    pub(super) fn push(&self, at: usize, delta: Delta, out: &mut Vec<Delta>) {
        out.push(match u32::try_from(at) {
            Ok(0) | Err(_) => delta,
            Ok(index) => Delta::Alternative { index, delta: Box::new(delta) },
        });
    }

    fn next_part(&mut self) -> u32 {
        self.parts += 1;
        self.parts - 1
    }

    pub(super) fn text(&mut self, at: usize, text: String, out: &mut Vec<Delta>) {
        if text.is_empty() {
            return;
        }
        let part = self.text.unwrap_or_else(|| self.next_part());
        self.text = Some(part);
        self.push(at, Delta::Text { part, text }, out);
    }

    /// More reasoning, which came under this name.
    pub(super) fn reasoning(&mut self, at: usize, name: &str, text: String, out: &mut Vec<Delta>) {
        let part = self.reasoning_part(at, name, out);
        self.push(at, Delta::Reasoning { part, text }, out);
    }

    fn reasoning_part(&mut self, at: usize, name: &str, out: &mut Vec<Delta>) -> u32 {
        if let Some((part, named)) = &self.reasoning
            && named == name
        {
            return *part;
        }
        let part = self.reasoning.take().map_or_else(|| self.next_part(), |(part, _)| part);
        self.reasoning = Some((part, name.to_owned()));
        self.push(at, Delta::Reasoning { part, text: String::new() }, out);
        let mut fields = VendorFields::new();
        fields.set(API, "$field", json!(name));
        self.push(at, Delta::PartVendor { part, fields }, out);
        part
    }

    /// More reasoning details; they are given out whole when the answer ends.
    pub(super) fn details(&mut self, at: usize, pieces: &[Value], out: &mut Vec<Delta>) {
        if pieces.is_empty() {
            return;
        }
        self.has_details = true;
        pieces.iter().for_each(|piece| self.details.add(piece));
        if self.reasoning.is_none() {
            self.reasoning_part(at, "", out);
        }
    }

    /// The words of reasoning details, where the vendor shows them nowhere else.
    pub(super) fn details_text(&mut self, at: usize, text: String, out: &mut Vec<Delta>) {
        if !text.is_empty() && self.reasoning.as_ref().is_none_or(|(_, name)| name.is_empty()) {
            self.reasoning(at, "", text, out);
        }
    }

    pub(super) fn refusal(&mut self, at: usize, words: &str, out: &mut Vec<Delta>) {
        if words.is_empty() {
            return;
        }
        let part = self.refusal.unwrap_or_else(|| self.next_part());
        self.refusal = Some(part);
        self.push(at, Delta::Refusal { part, text: words.to_owned() }, out);
    }

    /// A part that comes whole.
    pub(super) fn whole(&mut self, at: usize, whole: Part, out: &mut Vec<Delta>) {
        let part = self.next_part();
        self.push(at, Delta::Part { part, whole }, out);
    }

    /// A piece of a tool call: with or without an index, with or without the id that it began with.
    pub(super) fn call(&mut self, at: usize, piece: &Value, out: &mut Vec<Delta>) {
        let id = text(piece, "id").filter(|id| !id.is_empty());
        let index = field(piece, "index").and_then(Value::as_u64).and_then(|index| u32::try_from(index).ok());
        let function = field(piece, "function").or_else(|| field(piece, "custom")).unwrap_or(&Value::Null);
        let name = text(function, "name").or_else(|| text(piece, "name")).filter(|name| !name.is_empty());
        let arguments = function.get("arguments").or_else(|| function.get("input"));
        let arguments = arguments.map(decode::arguments_text).unwrap_or_default();
        let Some(place) = self.place_of(index, id, name, &arguments) else { return };
        let whole = decode::tool_call(piece, place as u32);
        let call = &mut self.calls[place];
        if let Some(id) = id.filter(|_| !call.is_open) {
            call.id = id.to_owned();
        }
        let part = call.part;
        if let Some(name) = name.filter(|_| !call.is_open) {
            call.is_open = true;
            call.name = name.to_owned();
            let id = if call.id.is_empty() { format!("call_{place}") } else { call.id.clone() };
            let held = std::mem::take(&mut call.held);
            self.push(at, Delta::ToolCall { part, id, name: name.to_owned() }, out);
            self.grow(at, place, held, out);
        }
        if !whole.vendor.is_empty() {
            self.push(at, Delta::PartVendor { part, fields: whole.vendor }, out);
        }
        self.grow(at, place, arguments, out);
    }

    /// Which call a piece belongs to; a new one is begun where none fits.
    fn place_of(&mut self, index: Option<u32>, id: Option<&str>, name: Option<&str>, arguments: &str) -> Option<usize> {
        let known = match index {
            Some(index) => self.places.get(&index).copied(),
            None if id.is_none() => self.calls.len().checked_sub(1),
            None => self.calls.iter().position(|call| Some(call.id.as_str()) == id),
        };
        if let Some(place) = known.filter(|place| !self.calls[*place].is_followed_by(id, name, arguments)) {
            return Some(place);
        }
        if self.calls.len() >= REPLY_PARTS_MAX {
            return None;
        }
        let part = self.next_part();
        self.calls.push(Call {
            part,
            id: String::new(),
            name: String::new(),
            is_open: false,
            held: String::new(),
            is_closed: false,
        });
        let place = self.calls.len() - 1;
        let index = index.unwrap_or(u32::try_from(place).unwrap_or(u32::MAX));
        self.places.insert(index, place);
        Some(place)
    }

    pub(super) fn arguments(&mut self, at: usize, index: u32, text: String, out: &mut Vec<Delta>) {
        if let Some(place) = self.places.get(&index).copied() {
            self.grow(at, place, text, out);
        }
    }

    fn grow(&mut self, at: usize, place: usize, text: String, out: &mut Vec<Delta>) {
        let call = &mut self.calls[place];
        if text.is_empty() {
            return;
        }
        if let Some(last) = text.trim_ascii_end().bytes().last() {
            call.is_closed = last == b'}';
        }
        if call.is_open {
            let part = call.part;
            self.push(at, Delta::Arguments { part, text }, out);
        } else if call.held.len() + text.len() <= HELD_BYTES_MAX {
            call.held.push_str(&text);
        }
    }

    /// The call form of before tools had ids.
    pub(super) fn legacy_call(&mut self, at: usize, piece: &Value, out: &mut Vec<Delta>) {
        let is_new = self.calls.is_empty();
        self.call(at, &json!({"index": 0, "function": piece}), out);
        if let (true, Some(call)) = (is_new, self.calls.first()) {
            let mut fields = VendorFields::new();
            fields.set(API, "$legacy", Value::Bool(true));
            self.push(at, Delta::PartVendor { part: call.part, fields }, out);
        }
    }

    /// Further fields of the message: texts and lists grow, others are replaced. A text that only comes again stays.
    pub(super) fn extras(&mut self, more: Map<String, Value>) {
        for (name, value) in more {
            match (self.extras.get_mut(&name), value) {
                (Some(Value::Array(old)), Value::Array(more)) => old.extend(more),
                (Some(Value::Object(old)), Value::Object(more)) => super::grow(old, &more),
                (Some(Value::String(old)), Value::String(more)) if *old != more => old.push_str(&more),
                (_, value) => drop(self.extras.insert(name, value)),
            }
        }
    }

    pub(super) fn stop(&mut self, at: usize, reason: StopReason, out: &mut Vec<Delta>) {
        if !self.ended {
            self.ended = true;
            self.push(at, Delta::Stop { reason }, out);
        }
    }

    /// Gives out what was gathered: calls that never had a name, reasoning details, further fields.
    pub(super) fn close(&mut self, at: usize, out: &mut Vec<Delta>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        for (place, call) in self.calls.iter_mut().enumerate().filter(|(_, call)| !call.is_open) {
            call.is_open = true;
            let (part, text) = (call.part, std::mem::take(&mut call.held));
            let id = if call.id.is_empty() { format!("call_{place}") } else { call.id.clone() };
            out.push(Delta::ToolCall { part, id, name: String::new() });
            out.push(Delta::Arguments { part, text });
        }
        if let (true, Some((part, _))) = (self.has_details, &self.reasoning) {
            let mut fields = VendorFields::new();
            fields.set(API, "reasoning_details", std::mem::take(&mut self.details).into_list());
            self.push(at, Delta::PartVendor { part: *part, fields }, out);
        }
        if let Some(whole) = message_part(std::mem::take(&mut self.extras)) {
            self.whole(at, whole, out);
        }
    }
}

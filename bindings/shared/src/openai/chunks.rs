//! Pieces of an answer as `chat.completion.chunk`s.
//!
//! The chunk that says why the answer ended is held back until the account is settled, since it carries the cost: it is
//! the last chunk, or the last but one where the usage was asked for.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};
use tierway::client::Route;
use tierway::{Content, Delta, Part, Response, StopReason};

use super::completion::{account, created, logprobs_of};
use super::{finish_reason, has_state, usage};

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
            out.push_back(self.chunk(0, json!({"role": "assistant", "content": ""}), Value::Null));
        }
        self.piece(0, delta, out);
    }

    /// Writes the end of a settled answer.
    pub(crate) fn finish(&mut self, response: &Response, out: &mut VecDeque<String>) {
        self.created = created(response);
        let stops = std::mem::take(&mut self.stops);
        for (index, stop) in stops.range(1..) {
            out.push_back(self.end(*index, Some(stop)).to_string());
        }
        let mut last = self.end(0, stops.get(&0).or(response.reply.stop.as_ref()));
        let mut own = account(response);
        if has_state(&response.reply.parts) {
            own["parts"] = json!(response.reply.parts);
        }
        last["tierway"] = own;
        out.push_back(last.to_string());
        if self.include_usage {
            let mut chunk = self.frame();
            chunk.insert("choices".to_owned(), json!([]));
            chunk.insert("usage".to_owned(), usage(&response.reply.usage));
            out.push_back(Value::Object(chunk).to_string());
        }
    }

    fn piece(&mut self, index: u32, delta: Delta, out: &mut VecDeque<String>) {
        match delta {
            Delta::Text { text, .. } => self.word(index, "content", text, out),
            Delta::Reasoning { text, .. } => self.word(index, "reasoning_content", text, out),
            Delta::Refusal { text, .. } => self.word(index, "refusal", text, out),
            Delta::ToolCall { part, id, name } => self.call(index, part, &id, &name, "", out),
            Delta::Arguments { part, text } => {
                let number = self.number(index, part);
                let call = json!({"index": number, "function": {"arguments": text}});
                out.push_back(self.chunk(index, json!({"tool_calls": [call]}), Value::Null));
            }
            Delta::Part { part, whole } => self.whole(index, part, whole, out),
            Delta::Logprobs { tokens } => out.push_back(self.chunk(index, json!({}), logprobs_of(&tokens))),
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
            Content::Text { text } => self.word(index, "content", text, out),
            Content::Reasoning { text } => self.word(index, "reasoning_content", text, out),
            Content::Refusal { text } => self.word(index, "refusal", text, out),
            Content::ToolCall(call) => self.call(index, part, &call.id, &call.name, &call.arguments, out),
            _ => {}
        }
    }

    fn word(&self, index: u32, field: &str, text: String, out: &mut VecDeque<String>) {
        if !text.is_empty() {
            out.push_back(self.chunk(index, json!({ field: text }), Value::Null));
        }
    }

    fn call(&mut self, index: u32, part: u32, id: &str, name: &str, arguments: &str, out: &mut VecDeque<String>) {
        let number = self.number(index, part);
        let function = json!({"name": name, "arguments": arguments});
        let call = json!({"index": number, "id": id, "type": "function", "function": function});
        out.push_back(self.chunk(index, json!({"tool_calls": [call]}), Value::Null));
    }

    /// The number of the tool call in this part, counted from zero in the order in which calls begin.
    fn number(&mut self, index: u32, part: u32) -> usize {
        let parts = self.calls.entry(index).or_default();
        parts.iter().position(|known| *known == part).unwrap_or_else(|| {
            parts.push(part);
            parts.len() - 1
        })
    }

    fn end(&self, index: u32, stop: Option<&StopReason>) -> Value {
        let mut chunk = self.frame();
        let choice = json!({"index": index, "delta": {}, "finish_reason": finish_reason(stop), "logprobs": null});
        chunk.insert("choices".to_owned(), json!([choice]));
        Value::Object(chunk)
    }

    fn chunk(&self, index: u32, delta: Value, logprobs: Value) -> String {
        let mut chunk = self.frame();
        let choice = json!({"index": index, "delta": delta, "finish_reason": null, "logprobs": logprobs});
        chunk.insert("choices".to_owned(), json!([choice]));
        Value::Object(chunk).to_string()
    }

    fn frame(&self) -> Map<String, Value> {
        let mut frame = Map::new();
        frame.insert("id".to_owned(), self.id.as_str().into());
        frame.insert("object".to_owned(), "chat.completion.chunk".into());
        frame.insert("created".to_owned(), self.created.into());
        frame.insert("model".to_owned(), self.model.as_str().into());
        frame
    }
}

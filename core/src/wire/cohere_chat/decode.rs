//! Cohere's answers and streams, and what they are billed.

use serde_json::{Map, Value};

use super::PLAN;
use crate::error::ProviderError;
use crate::message::{Content, Part, ToolCall};
use crate::model::Api;
use crate::reply::{Delta, Reply, StopReason, TokenLogprob};
use crate::usage::Usage;
use crate::vendor_fields::VendorFields;
use crate::wire::errors::Complaint;
use crate::wire::json::{self, at, count, field, list, text};
use crate::wire::sse::SseParser;
use crate::wire::{Headers, HttpResponse, StreamDecoder, errors};

const API: Api = Api::CohereChat;

/// Reads a whole answer, an error included.
pub(super) fn answer(response: HttpResponse<'_>) -> Result<Reply, ProviderError> {
    if response.status >= 400 {
        return Err(errors::of_response(&response));
    }
    let body = json::body(response.body)?;
    let Some(message) = field(&body, "message").filter(|message| message.is_object()) else {
        let error = errors::of_body(&body, response.status, response.headers);
        return Err(error.unwrap_or_else(|| ProviderError::protocol("the answer has no message")));
    };
    if let Some(error) = failure(&body, None) {
        return Err(error);
    }
    let mut parts: Vec<Part> = Vec::new();
    if let Some(plan) = text(message, "tool_plan").filter(|plan| !plan.is_empty()) {
        parts.push(plan_of(plan));
    }
    parts.extend(text(message, "content").filter(|said| !said.is_empty()).map(Part::text));
    parts.extend(list(message, "content").iter().filter_map(Value::as_object).map(|block| part(block.clone())));
    parts.extend(list(message, "tool_calls").iter().filter_map(call));
    let usage = field(&body, "usage").map(usage).unwrap_or_default();
    let stop = text(&body, "finish_reason").map(stop_reason);
    let logprobs = list(&body, "logprobs").iter().flat_map(logprobs).collect();
    let id = text(&body, "id").map(str::to_owned);
    let mut rest = Map::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        if !["id", "message", "finish_reason", "logprobs"].contains(&name.as_str()) && !value.is_null() {
            rest.insert(name.clone(), value.clone());
        }
    }
    if let Some(citations) = field(message, "citations").filter(|all| all.as_array().is_none_or(|all| !all.is_empty()))
    {
        rest.insert("citations".to_owned(), citations.clone());
    }
    Ok(Reply { id, parts, stop, usage, logprobs, vendor: VendorFields::of(API, rest), ..Reply::default() })
}

fn plan_of(text: &str) -> Part {
    let mut plan = Part::new(Content::Reasoning { text: text.to_owned() });
    plan.vendor.set(API, PLAN, true.into());
    plan
}

fn part(mut block: Map<String, Value>) -> Part {
    let content = match (block.get("type").and_then(Value::as_str), block.get("text"), block.get("thinking")) {
        (Some("text"), Some(Value::String(text)), _) => Content::Text { text: text.clone() },
        (Some("thinking"), _, Some(Value::String(text))) => Content::Reasoning { text: text.clone() },
        _ => return Part::new(Content::Vendor).with_vendor(VendorFields::of(API, block)),
    };
    let is_thinking = matches!(content, Content::Reasoning { .. });
    ["type", "text", "thinking"].iter().for_each(|name| drop(block.shift_remove(*name)));
    let mut made = Part::new(content).with_vendor(VendorFields::of(API, block));
    if is_thinking {
        made.vendor.set(API, "$thinking", true.into());
    }
    made
}

fn call(call: &Value) -> Option<Part> {
    let function = field(call, "function")?;
    let own = |value: &Value, name: &str| text(value, name).unwrap_or_default().to_owned();
    let (id, name, arguments) = (own(call, "id"), own(function, "name"), own(function, "arguments"));
    Some(Part::new(Content::ToolCall(ToolCall { id, name, arguments })))
}

pub(in crate::wire) fn stop_reason(word: &str) -> StopReason {
    match word {
        "COMPLETE" => StopReason::End,
        "STOP_SEQUENCE" => StopReason::StopText,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "TOOL_CALL" => StopReason::ToolUse,
        "ERROR_TOXIC" => StopReason::ContentFilter,
        "ERROR_LIMIT" => StopReason::ContextFull,
        other => StopReason::Other(other.to_ascii_lowercase()),
    }
}

/// The error that an answer's end is: the vendor failed, or gave up in time. What was used is kept.
fn failure(end: &Value, said: Option<&str>) -> Option<ProviderError> {
    let word = text(end, "finish_reason").unwrap_or_default();
    if said.is_none() && !["ERROR", "TIMEOUT"].contains(&word) {
        return None;
    }
    let complaint = Complaint { message: said.unwrap_or_default().to_owned(), ..Complaint::default() };
    let mut error = errors::classify(&complaint, 500, Headers::NONE).with_code(word);
    error.status = None;
    error.usage = field(end, "usage").map(|used| Box::new(usage(used)));
    Some(error)
}

/// Tokens of one text piece: their joined text and one probability each.
fn logprobs(piece: &Value) -> Vec<TokenLogprob> {
    let values: Vec<f64> = list(piece, "logprobs").iter().filter_map(Value::as_f64).collect();
    let ids = list(piece, "token_ids").len();
    let whole = text(piece, "text").unwrap_or_default();
    // The vendor names tokens by number; a piece of one token is its text.
    let name = |at: usize| match (values.len().max(ids), list(piece, "token_ids").get(at)) {
        (1, _) => whole.to_owned(),
        (_, Some(id)) => format!("#{id}"),
        _ => String::new(),
    };
    values
        .iter()
        .enumerate()
        .map(|(at, logprob)| TokenLogprob { token: name(at), logprob: *logprob, top: Vec::new() })
        .collect()
}

/// Usage with what is billed. The input counts every token of the prompt, with Cohere's own template and what was read
/// from the cache, and is billed by other units, which are kept beside it; the output is what is billed.
pub(in crate::wire) fn usage(usage: &Value) -> Usage {
    let of = |units: &str, name: &str| count(usage, &[units, name]);
    let billed = of("billed_units", "input_tokens");
    let cached_read = count(usage, &["cached_tokens"]);
    let counted = of("tokens", "input_tokens").or(billed).map(|counted| counted.max(cached_read.unwrap_or(0)));
    Usage {
        input: counted,
        billed_input: billed.filter(|_| billed != counted),
        cached_read,
        output: of("billed_units", "output_tokens").or_else(|| of("tokens", "output_tokens")),
        searches: count(usage, &["billed_units", "search_units"]),
        ..Usage::default()
    }
}

/// Reads server-sent events.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    sse: SseParser,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    citations: Vec<Value>,
    has_ended: bool,
}

/// Parts are numbered by what they are: the plan first, then contents by index, then calls by index.
const CONTENT_AT: u32 = 1;
const CALLS_AT: u32 = 1 << 16;

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { sse, state } = self;
        sse.feed(bytes, |event| state.event(event.data, out))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { sse, state } = self;
        sse.finish(|event| state.event(event.data, out))?;
        if sse.events() == 0 && !sse.stray().is_empty() {
            let response = HttpResponse { status: 200, headers: Headers::NONE, body: sse.stray() };
            out.extend(answer(response)?.into_deltas());
            return Ok(());
        }
        if state.has_ended { Ok(()) } else { Err(errors::incomplete()) }
    }
}

impl State {
    fn event(&mut self, data: &str, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        if data.trim() == "[DONE]" {
            return Ok(());
        }
        self.take(&json::event(data)?, out)
    }

    fn take(&mut self, event: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let index = count(event, &["index"]).and_then(|index| u32::try_from(index).ok()).unwrap_or(0).min(CALLS_AT - 2);
        let message = at(event, &["delta", "message"]).unwrap_or(&Value::Null);
        match text(event, "type").unwrap_or_default() {
            "message-start" => out.push(Delta::Start { id: text(event, "id").map(str::to_owned), model: None }),
            "content-start" | "content-delta" => self.content(index, event, message, out),
            "tool-plan-delta" => {
                let text = text(message, "tool_plan").unwrap_or_default().to_owned();
                let mut fields = VendorFields::new();
                fields.set(API, PLAN, true.into());
                out.extend([Delta::Reasoning { part: 0, text }, Delta::PartVendor { part: 0, fields }]);
            }
            "tool-call-start" => {
                let begun = field(message, "tool_calls").map(|calls| calls.get(0).unwrap_or(calls));
                let Some(Content::ToolCall(ToolCall { id, name, arguments })) =
                    begun.and_then(call).map(|part| part.content)
                else {
                    return Ok(());
                };
                let part = CALLS_AT + index;
                out.push(Delta::ToolCall { part, id, name });
                if !arguments.is_empty() {
                    out.push(Delta::Arguments { part, text: arguments });
                }
            }
            "tool-call-delta" => {
                let more = at(message, &["tool_calls", "function", "arguments"]).and_then(Value::as_str);
                out.push(Delta::Arguments { part: CALLS_AT + index, text: more.unwrap_or_default().to_owned() });
            }
            "citation-start" => self.citations.extend(field(message, "citations").cloned()),
            "message-end" => self.end(event, out)?,
            "content-end" | "tool-call-end" | "citation-end" | "debug" => {}
            _ => {
                if let Some(error) = errors::of_body(event, 200, Headers::NONE) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn content(&mut self, index: u32, event: &Value, message: &Value, out: &mut Vec<Delta>) {
        let part = CONTENT_AT + index;
        let Some(content) = field(message, "content") else { return };
        if let Some(more) = text(content, "thinking") {
            let mut fields = VendorFields::new();
            fields.set(API, "$thinking", true.into());
            out.extend([Delta::Reasoning { part, text: more.to_owned() }, Delta::PartVendor { part, fields }]);
        } else if let Some(more) = text(content, "text") {
            out.push(Delta::Text { part, text: more.to_owned() });
        }
        let found = field(event, "logprobs").map(logprobs).unwrap_or_default();
        if !found.is_empty() {
            out.push(Delta::Logprobs { tokens: found });
        }
    }

    fn end(&mut self, event: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        self.has_ended = true;
        let word = at(event, &["delta", "finish_reason"]).and_then(Value::as_str);
        let end = field(event, "delta").unwrap_or(&Value::Null);
        if let Some(error) = failure(end, text(end, "error")) {
            return Err(error);
        }
        let mut fields = VendorFields::new();
        if !self.citations.is_empty() {
            fields.set(API, "citations", std::mem::take(&mut self.citations).into());
        }
        if let Some(used) = at(event, &["delta", "usage"]) {
            out.push(Delta::Usage { usage: usage(used) });
            fields.set(API, "usage", used.clone());
        }
        if !fields.is_empty() {
            out.push(Delta::Vendor { fields });
        }
        out.extend(word.map(|word| Delta::Stop { reason: stop_reason(word) }));
        Ok(())
    }
}

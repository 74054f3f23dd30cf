//! A whole reply in the chat completions format.

use serde_json::{Map, Value, json};

use super::{API, is_empty, logprobs, usage};
use crate::error::{Kind, ProviderError, Retry};
use crate::message::{Content, Part, ToolCall};
use crate::model::Dialect;
use crate::reply::{Alternative, Reply, StopReason};
use crate::vendor_fields::VendorFields;
use crate::wire::json::{self, field, list, text};
use crate::wire::{Headers, errors};

/// Top-level fields that have a place of their own in a reply.
pub(super) const TOP: [&str; 5] = ["id", "model", "choices", "object", "obfuscation"];
/// Fields of a message that have a place of their own.
pub(super) const MESSAGE: [&str; 9] = [
    "role",
    "content",
    "refusal",
    "tool_calls",
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "reasoning_details",
    "function_call",
];
/// The names under which vendors show reasoning; where one sends two, they say the same.
pub(super) const REASONING: [&str; 3] = ["reasoning_content", "reasoning", "reasoning_text"];
/// Fields of a choice that have a place of their own.
const CHOICE: [&str; 8] = ["index", "message", "delta", "text", "finish_reason", "logprobs", "error", "usage"];

/// Reads a body whose status was a success.
pub(in crate::wire) fn reply(
    body: Value,
    status: u16,
    headers: &Headers,
    dialect: &Dialect,
) -> Result<Reply, ProviderError> {
    let Some(choices) = field(&body, "choices").and_then(Value::as_array) else {
        let other =
            || ProviderError::protocol("the answer has no choices: is this endpoint's format chat_completions?");
        return Err(errors::of_body(&body, status, headers).unwrap_or_else(other));
    };
    let used = usage_of_body(&body, dialect);
    let mut answers = choices.iter().map(answer);
    let first = answers.next().unwrap_or_default();
    let mut vendor = VendorFields::of(API, rest_of(&body, &TOP));
    let more = choices.first().map(choice_rest).unwrap_or_default();
    if !more.is_empty() {
        vendor.set(API, "choice", more.into());
    }
    let reply = Reply {
        id: text(&body, "id").filter(|id| !id.is_empty()).map(str::to_owned),
        model: text(&body, "model").filter(|model| !model.is_empty()).map(str::to_owned),
        parts: first.parts,
        stop: first.stop,
        logprobs: first.logprobs,
        usage: used,
        alternatives: answers.collect(),
        continued: Vec::new(),
        vendor,
    };
    match failure(&body, choices, status, headers) {
        Some(mut error) => {
            error.usage = (!reply.usage.is_empty()).then(|| Box::new(reply.usage.clone()));
            error.partial = (!reply.parts.is_empty()).then(|| Box::new(reply));
            Err(error)
        }
        None => Ok(reply),
    }
}

/// The error that stands beside an answer, or in place of one.
fn failure(body: &Value, choices: &[Value], status: u16, headers: &Headers) -> Option<ProviderError> {
    if errors::is_stated(body)
        && let Some(error) = errors::of_body(body, status, headers)
    {
        return Some(error);
    }
    match choices.first() {
        Some(choice) => choice_failure(choice),
        None => Some(ProviderError::protocol("the answer has no choice in its list: ask again, or another model")),
    }
}

/// The error that ended a choice: OpenRouter puts its upstream's there.
pub(super) fn choice_failure(choice: &Value) -> Option<ProviderError> {
    if errors::is_stated(choice)
        && let Some(error) = errors::of_body(choice, 200, Headers::NONE)
    {
        return Some(error);
    }
    let text = "the vendor broke the answer off with an error and does not say which: ask again, or another model";
    (text_of(choice, "finish_reason") == "error").then(|| ProviderError::new(Kind::Server, Retry::Here(None), text))
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    text(value, name).unwrap_or_default()
}

/// What a choice says besides: filter results, the upstream's own reason to stop.
pub(super) fn choice_rest(choice: &Value) -> Map<String, Value> {
    rest_of(choice, &CHOICE)
}

/// The usage of a body or chunk, wherever its vendor puts it, with the lane that it says it used.
pub(super) fn usage_of_body(body: &Value, dialect: &Dialect) -> crate::usage::Usage {
    let mut used = usage_of(usage_place(body), dialect);
    used.service_tier = used.service_tier.or_else(|| text(body, "service_tier").and_then(usage::tier));
    used
}

/// Where a body or chunk states its usage: Groq and Moonshot put that of a stream further in.
pub(super) fn usage_place(body: &Value) -> Option<&Value> {
    let in_choice = || list(body, "choices").first().and_then(|choice| field(choice, "usage"));
    field(body, "usage").or_else(|| json::at(body, &["x_groq", "usage"])).or_else(in_choice)
}

/// What a usage object says; nothing where there is none.
pub(super) fn usage_of(found: Option<&Value>, dialect: &Dialect) -> crate::usage::Usage {
    found.map(|found| usage::read(found, dialect)).unwrap_or_default()
}

/// The fields of `object` that are not `known` and hold something.
pub(super) fn rest_of(object: &Value, known: &[&str]) -> Map<String, Value> {
    let all = object.as_object().into_iter().flatten();
    all.filter(|(name, value)| !known.contains(&name.as_str()) && !is_empty(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn answer(choice: &Value) -> Alternative {
    let message = field(choice, "message").or_else(|| field(choice, "delta")).unwrap_or(&Value::Null);
    let mut parts = Vec::new();
    parts.extend(reasoning(message));
    content(message, &mut parts);
    // The completion of before there were messages.
    let said = text(choice, "text").filter(|said| message.is_null() && !said.is_empty());
    parts.extend(said.map(Part::text));
    let refusal = text(message, "refusal").filter(|words| !words.is_empty());
    parts.extend(refusal.map(|words| Part::new(Content::Refusal { text: words.to_owned() })));
    parts.extend(list(message, "tool_calls").iter().zip(0..).map(|(call, place)| tool_call(call, place)));
    parts.extend(field(message, "function_call").filter(|call| says_anything(call)).map(legacy_call));
    let extras = rest_of(message, &MESSAGE);
    parts.extend(extras_part(extras));
    let mut stop = stop_reason(choice);
    if refusal.is_some() && stop == Some(StopReason::End) {
        stop = Some(StopReason::Refusal);
    }
    Alternative { parts, stop, logprobs: logprobs::read(field(choice, "logprobs")) }
}

/// Fields of an answer's message without a place of their own: a part of this format alone, so that sending the parts
/// back sends them back.
pub(super) fn extras_part(extras: Map<String, Value>) -> Option<Part> {
    let mut part = Part::new(Content::Vendor);
    part.vendor.set(API, "$message", Value::Object(extras.clone()));
    (!extras.is_empty()).then_some(part)
}

/// The reasoning of a message: its text under either name, and the opaque details.
fn reasoning(message: &Value) -> Option<Part> {
    let shown = shown(message);
    let details = list(message, "reasoning_details");
    if shown.is_none() && details.is_empty() {
        return None;
    }
    let words = shown.map_or_else(|| text_of_details(details), |(_, words)| words.to_owned());
    let mut part = Part::new(Content::Reasoning { text: words });
    part.vendor.set(API, "$field", json!(shown.map_or("", |(name, _)| name)));
    if !details.is_empty() {
        part.vendor.set(API, "reasoning_details", json!(details));
    }
    Some(part)
}

/// The reasoning that a message or a piece of one shows, and the name that it came under.
pub(super) fn shown(message: &Value) -> Option<(&'static str, &str)> {
    let named = REASONING.into_iter().filter_map(|name| Some((name, text(message, name)?)));
    named.into_iter().find(|(_, words)| !words.is_empty())
}

pub(super) fn text_of_details(details: &[Value]) -> String {
    details.iter().filter_map(|one| text(one, "text").or_else(|| text(one, "summary"))).collect()
}

fn content(message: &Value, parts: &mut Vec<Part>) {
    match field(message, "content") {
        Some(Value::String(words)) if !words.is_empty() => parts.push(Part::text(words.clone())),
        Some(Value::Array(pieces)) => parts.extend(pieces.iter().map(piece)),
        _ => {}
    }
}

/// A piece of a content list: text, or one of Mistral's or Databricks' kinds.
pub(super) fn piece(piece: &Value) -> Part {
    match text(piece, "type") {
        Some("text") => {
            let part = Part::text(text(piece, "text").unwrap_or_default());
            part.with_vendor(VendorFields::of(API, rest_of(piece, &["type", "text"])))
        }
        Some("thinking" | "reasoning") => {
            let mut part = Part::new(Content::Reasoning { text: thinking_text(piece) });
            part.vendor.set(API, "$whole", piece.clone());
            part
        }
        _ => {
            let mut part = Part::new(Content::Vendor);
            part.vendor.set(API, "$whole", piece.clone());
            part
        }
    }
}

/// The text of a thinking piece, whose inside is a text or a list of pieces.
pub(super) fn thinking_text(piece: &Value) -> String {
    match ["thinking", "summary", "text"].iter().find_map(|name| field(piece, name)) {
        Some(Value::String(words)) => words.clone(),
        Some(Value::Array(inner)) => inner.iter().filter_map(|one| text(one, "text")).collect(),
        _ => String::new(),
    }
}

/// A tool call; `place` makes the id where the vendor sends none.
pub(super) fn tool_call(call: &Value, place: u32) -> Part {
    let function = field(call, "function").unwrap_or(&Value::Null);
    let custom = field(call, "custom").filter(|custom| says_anything(custom)).unwrap_or(&Value::Null);
    let name = text(function, "name").or_else(|| text(custom, "name")).or_else(|| text(call, "name"));
    let id = text(call, "id").filter(|id| !id.is_empty()).map_or_else(|| format!("call_{place}"), str::to_owned);
    let arguments = function.get("arguments").or_else(|| custom.get("input")).map(arguments_text);
    let mut part = Part::new(Content::ToolCall(ToolCall {
        id,
        name: name.unwrap_or_default().to_owned(),
        arguments: arguments.unwrap_or_default(),
    }));
    if !custom.is_null() {
        part.vendor.set(API, "$custom", Value::Bool(true));
    }
    for (name, value) in rest_of(call, &["id", "type", "function", "custom", "index", "name"]) {
        part.vendor.set(API, name, value);
    }
    let inner = rest_of(function, &["name", "arguments"]);
    if !inner.is_empty() {
        part.vendor.set(API, "$inner", Value::Object(inner));
    }
    part
}

/// Arguments as JSON text: most vendors send text, some the object itself.
pub(super) fn arguments_text(arguments: &Value) -> String {
    match arguments {
        Value::String(words) => words.clone(),
        Value::Null => String::new(),
        object => object.to_string(),
    }
}

/// Whether a call of either rare form holds anything: some vendors send both forms empty beside every message.
pub(super) fn says_anything(call: &Value) -> bool {
    let fields = call.as_object().into_iter().flat_map(Map::values);
    fields.into_iter().any(|value| !value.is_null() && *value != "")
}

/// The call form of before tools had ids.
pub(super) fn legacy_call(call: &Value) -> Part {
    let name = text(call, "name").unwrap_or_default().to_owned();
    let arguments = call.get("arguments").map(arguments_text).unwrap_or_default();
    let mut part = Part::new(Content::ToolCall(ToolCall { id: "call_0".to_owned(), name, arguments }));
    part.vendor.set(API, "$legacy", Value::Bool(true));
    part
}

/// Why a choice ended.
pub(super) fn stop_reason(choice: &Value) -> Option<StopReason> {
    let word = text(choice, "finish_reason").filter(|word| !word.is_empty() && *word != "error")?;
    // vLLM and SGLang name the stop text that was met.
    let met = ["stop_reason", "matched_stop"].iter().any(|name| text(choice, name).is_some());
    Some(stop_of(word, met))
}

/// The reason that a vendor's word stands for.
pub(super) fn stop_of(word: &str, met_stop_text: bool) -> StopReason {
    match word.to_ascii_lowercase().as_str() {
        "stop" if met_stop_text => StopReason::StopText,
        "stop" | "eos" | "eos_token" | "end_turn" | "completed" | "complete" => StopReason::End,
        "stop_sequence" => StopReason::StopText,
        "length" | "max_tokens" | "max_output_tokens" => StopReason::MaxTokens,
        "model_length" | "model_context_window_exceeded" => StopReason::ContextFull,
        "tool_calls" | "function_call" | "tool_use" | "tool_call" => StopReason::ToolUse,
        "content_filter" | "content_filtered" | "sensitive" | "safety" | "prohibited_content" => {
            StopReason::ContentFilter
        }
        "refusal" => StopReason::Refusal,
        "pause_turn" => StopReason::Pause,
        "malformed_function_call" => StopReason::BadToolCall,
        _ => StopReason::Other(crate::error::one_line(word)),
    }
}

//! A whole reply in the Responses format.

use serde_json::{Map, Value, json};

use super::{API, CUSTOM, ITEM, PIECE, TYPE, WHOLE, rest_of};
use crate::error::{ProviderError, one_line};
use crate::message::{Content, Part, ToolCall};
use crate::model::Dialect;
use crate::reply::{Reply, StopReason, TokenLogprob};
use crate::usage::Usage;
use crate::vendor_fields::VendorFields;
use crate::wire::chat_completions::{read_tier, read_usage};
use crate::wire::json::{self, field, list, text};
use crate::wire::{Headers, errors};

/// Fields that have a place of their own in a reply, or that only repeat the request.
const TOP: [&str; 7] = ["id", "model", "output", "object", "instructions", "tools", "input"];

/// Reads a body whose status was a success.
pub(super) fn reply(body: &Value, status: u16, headers: &Headers, dialect: &Dialect) -> Result<Reply, ProviderError> {
    let failed = text(body, "status") == Some("failed") || errors::is_stated(body);
    let Some(output) = body.get("output").and_then(Value::as_array).filter(|_| !failed) else {
        let other = || match failed {
            true => ProviderError::protocol("the vendor says that the answer failed and does not say why: ask again"),
            false => ProviderError::protocol("the answer has no output: is this endpoint's format responses?"),
        };
        let mut error = errors::of_body(body, status, headers).unwrap_or_else(other);
        let used = usage(body, dialect);
        error.usage = (!used.is_empty()).then(|| Box::new(used));
        return Err(error);
    };
    let named = |name: &str| text(body, name).filter(|word| !word.is_empty()).map(str::to_owned);
    let parts: Vec<Part> = output.iter().flat_map(parts).collect();
    Ok(Reply {
        id: named("id"),
        model: named("model"),
        stop: stop(body, &parts),
        parts,
        usage: usage(body, dialect),
        logprobs: output.iter().flat_map(|item| list(item, "content")).flat_map(logprobs).collect(),
        alternatives: Vec::new(),
        continued: Vec::new(),
        vendor: VendorFields::of(API, body.as_object().map(|all| rest_of(all, &TOP)).unwrap_or_default()),
    })
}

/// What a response used, with the lane and the searches that it says apart.
fn usage(body: &Value, dialect: &Dialect) -> Usage {
    let mut used = field(body, "usage").map(|found| read_usage(found, dialect)).unwrap_or_default();
    used.service_tier = used.service_tier.or_else(|| text(body, "service_tier").and_then(read_tier));
    let searches = list(body, "output").iter().filter(|item| is_search(item)).count() as u64;
    used.searches = used.searches.or((searches > 0).then_some(searches));
    used
}

/// Whether an item is a search; opening a page and finding in it are free.
fn is_search(item: &Value) -> bool {
    let action = json::at(item, &["action", "type"]).and_then(Value::as_str);
    text(item, "type") == Some("web_search_call") && action.is_none_or(|action| action == "search")
}

/// The parts of one item: one for each piece of a message, one for anything else.
pub(super) fn parts(item: &Value) -> Vec<Part> {
    let Some(fields) = item.as_object() else { return Vec::new() };
    match text(item, "type") {
        Some("message") if !list(item, "content").is_empty() => message(fields, list(item, "content")),
        Some("message") if text(item, "content").is_some_and(|words| !words.is_empty()) => {
            message(fields, &[json!({"type": "output_text", "text": item["content"]})])
        }
        Some("reasoning") => vec![whole(Content::Reasoning { text: reasoning_text(item) }, item)],
        Some("function_call") => vec![tool_call(fields, "arguments")],
        Some("custom_tool_call") => vec![tool_call(fields, "input")],
        _ => vec![whole(Content::Vendor, item)],
    }
}

fn message(fields: &Map<String, Value>, content: &[Value]) -> Vec<Part> {
    let mut read: Vec<Part> = content.iter().map(piece).collect();
    let item = rest_of(fields, &["type", "role", "content"]);
    read[0].vendor.set(API, ITEM, item.into());
    read
}

/// A piece of a message that the model wrote. Some copies of the format call its text by another type.
fn piece(piece: &Value) -> Part {
    let kind = text(piece, "type").unwrap_or_default();
    let (content, known) = match (kind, text(piece, "text"), text(piece, "refusal")) {
        ("output_text" | "text" | "input_text", Some(words), _) => (Content::Text { text: words.to_owned() }, "text"),
        ("refusal", _, Some(words)) => (Content::Refusal { text: words.to_owned() }, "refusal"),
        _ => return whole_piece(piece),
    };
    let rest = piece.as_object().map(|all| rest_of(all, &["type", "logprobs", known])).unwrap_or_default();
    let mut part = Part::new(content).with_vendor(VendorFields::of(API, rest));
    if known == "text" && kind != "output_text" {
        part.vendor.set(API, TYPE, kind.into());
    }
    part
}

/// A part that keeps all that it was read from.
pub(super) fn whole(content: Content, value: &Value) -> Part {
    let mut part = Part::new(content);
    part.vendor.set(API, WHOLE, value.clone());
    part
}

/// A piece of a message that only this format knows.
pub(super) fn whole_piece(piece: &Value) -> Part {
    let mut part = Part::new(Content::Vendor);
    part.vendor.set(API, PIECE, piece.clone());
    part
}

/// What an item of reasoning shows: the reasoning itself, or else its summary, a paragraph a piece.
pub(super) fn reasoning_text(item: &Value) -> String {
    let words = |name: &str| -> Vec<&str> { list(item, name).iter().filter_map(|piece| text(piece, "text")).collect() };
    match words("content") {
        shown if shown.is_empty() => words("summary").join("\n\n"),
        shown => shown.join("\n\n"),
    }
}

/// A call of a tool that the caller runs. `argument` names the field of its arguments.
pub(super) fn tool_call(fields: &Map<String, Value>, argument: &str) -> Part {
    let word = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let arguments = match fields.get(argument) {
        Some(Value::String(words)) => words.clone(),
        None | Some(Value::Null) => String::new(),
        Some(object) => object.to_string(),
    };
    let id = Some(word("call_id")).filter(|id| !id.is_empty()).unwrap_or_else(|| word("id"));
    let mut part = Part::new(Content::ToolCall(ToolCall { id, name: word("name"), arguments }));
    for (name, value) in rest_of(fields, &["type", "call_id", "name", argument]) {
        part.vendor.set(API, name, value);
    }
    if argument == "input" {
        part.vendor.set(API, CUSTOM, true.into());
    }
    part
}

fn logprobs(piece: &Value) -> Vec<TokenLogprob> {
    let token = |entry: &Value| Some((text(entry, "token")?.to_owned(), entry.get("logprob")?.as_f64()?));
    let read = list(piece, "logprobs").iter().filter_map(|entry| {
        let (word, logprob) = token(entry)?;
        Some(TokenLogprob { token: word, logprob, top: list(entry, "top_logprobs").iter().filter_map(token).collect() })
    });
    read.collect()
}

/// Why a response ended.
fn stop(body: &Value, parts: &[Part]) -> Option<StopReason> {
    let why = json::at(body, &["incomplete_details", "reason"]).and_then(Value::as_str);
    Some(match (text(body, "status"), why) {
        (Some("incomplete"), Some("max_output_tokens")) => StopReason::MaxTokens,
        (Some("incomplete"), Some("content_filter")) => StopReason::ContentFilter,
        (Some("incomplete"), other) => StopReason::Other(one_line(other.unwrap_or("incomplete"))),
        (None | Some("completed" | "complete"), _) => ended(parts),
        (Some(other), _) => StopReason::Other(one_line(other)),
    })
}

fn ended(parts: &[Part]) -> StopReason {
    if parts.iter().any(waits_for_caller) {
        StopReason::ToolUse
    } else if parts.iter().any(|part| matches!(part.content, Content::Refusal { .. })) {
        StopReason::Refusal
    } else {
        StopReason::End
    }
}

/// Whether a part asks the caller to do something before the model goes on.
fn waits_for_caller(part: &Part) -> bool {
    let Some(item) = part.vendor.field(API, WHOLE) else { return part.as_tool_call().is_some() };
    match text(item, "type") {
        Some("computer_call" | "local_shell_call" | "shell_call" | "apply_patch_call" | "mcp_approval_request") => true,
        Some("tool_search_call") => text(item, "execution") == Some("client"),
        _ => false,
    }
}

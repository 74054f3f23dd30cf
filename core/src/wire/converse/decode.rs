//! A Converse answer as our reply, and its usage.

use serde_json::{Map, Value};

use super::media;
use super::parse::{reasoning_part, tool_use};
use crate::error::{Kind, ProviderError};
use crate::message::{Content, Part};
use crate::model::Api;
use crate::reply::{Reply, StopReason};
use crate::request::ServiceTier;
use crate::usage::Usage;
use crate::vendor_fields::VendorFields;
use crate::wire::json::{self, at, count, field, list, text};
use crate::wire::messages::ANSWER_TOOL;
use crate::wire::{HttpResponse, errors};

/// Reads a whole answer, an error included.
pub(super) fn answer(response: HttpResponse<'_>) -> Result<Reply, ProviderError> {
    if response.status >= 400 {
        return Err(refused(&response));
    }
    let body = json::body(response.body)?;
    if let Some(error) = errors::of_body(&body, response.status, response.headers) {
        return Err(error);
    }
    reply(body, Api::Converse)
}

/// The error of a failing status. Access is denied both to a key that is not known, with 401, and to one that may not.
pub(in crate::wire) fn refused(response: &HttpResponse<'_>) -> ProviderError {
    let mut error = errors::of_response(response);
    if response.status == 401 && error.kind == Kind::Permission {
        error.kind = Kind::Auth;
    }
    error
}

/// An answer's object as a reply; `api` names the vendor fields for what our reply has no field for.
pub(in crate::wire) fn reply(body: Value, api: Api) -> Result<Reply, ProviderError> {
    let Some(Value::Array(content)) = at(&body, &["output", "message", "content"]) else {
        return Err(ProviderError::protocol("the answer has no output with a message"));
    };
    let parts: Vec<Part> = content.iter().filter_map(Value::as_object).map(|block| part(block.clone(), api)).collect();
    let usage = usage_with_tier(&body);
    let has_calls = parts.iter().any(|part| part.as_tool_call().is_some());
    let stop = text(&body, "stopReason").map(|word| match stop_reason(word) {
        // Our own answer tool, read back as text.
        StopReason::ToolUse if !has_calls => StopReason::End,
        reason => reason,
    });
    let Value::Object(mut rest) = body else { return Err(ProviderError::protocol("the answer is no object")) };
    ["output", "stopReason"].iter().for_each(|name| drop(rest.shift_remove(*name)));
    rest.retain(|_, value| !value.is_null());
    Ok(Reply { parts, stop, usage, vendor: VendorFields::of(api, rest), ..Reply::default() })
}

fn part(mut block: Map<String, Value>, api: Api) -> Part {
    let mut made = Part::new(Content::Vendor);
    if let Some(Value::String(text)) = block.get("text") {
        made.content = Content::Text { text: text.clone() };
        block.shift_remove("text");
    } else if let Some((call, rest)) = block.get("toolUse").and_then(Value::as_object).cloned().and_then(tool_use) {
        block.shift_remove("toolUse");
        if call.name == ANSWER_TOOL {
            made.content = Content::Text { text: call.arguments };
        } else {
            made.content = Content::ToolCall(call);
            if !rest.is_empty() {
                made.vendor.set(api, "toolUse", rest.into());
            }
        }
    } else if let Some(reasoning) = block.get("reasoningContent").and_then(reasoning_part) {
        block.shift_remove("reasoningContent");
        made = reasoning;
    } else if let Some(image) = block.get("image").and_then(|image| media::read("image", image)) {
        block.shift_remove("image");
        made.content = image;
    } else if let Some(cited) = field(&Value::Object(block.clone()), "citationsContent") {
        // The text stands inside its citations.
        let texts = list(cited, "content").iter().filter_map(|piece| text(piece, "text"));
        made.content = Content::Text { text: texts.collect() };
    }
    made.with_vendor(VendorFields::of(api, block))
}

/// The reason in our words.
pub(super) fn stop_reason(word: &str) -> StopReason {
    match word {
        "end_turn" => StopReason::End,
        "stop_sequence" => StopReason::StopText,
        "max_tokens" => StopReason::MaxTokens,
        "model_context_window_exceeded" => StopReason::ContextFull,
        "tool_use" => StopReason::ToolUse,
        "guardrail_intervened" | "content_filtered" => StopReason::ContentFilter,
        "malformed_tool_use" => StopReason::BadToolCall,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The usage of an answer or a stream's metadata, with the lane that stands beside it.
pub(super) fn usage_with_tier(body: &Value) -> Usage {
    let mut used = field(body, "usage").map(usage).unwrap_or_default();
    used.service_tier = at(body, &["serviceTier", "type"]).and_then(Value::as_str).and_then(|tier| match tier {
        "default" => Some(ServiceTier::Standard),
        "flex" => Some(ServiceTier::Flex),
        "priority" => Some(ServiceTier::Priority),
        _ => None,
    });
    used
}

/// Usage as billed. `inputTokens` leaves out cache reads and writes, so they are added.
pub(in crate::wire) fn usage(usage: &Value) -> Usage {
    let either = |one: &str, other: &str| count(usage, &[one]).or_else(|| count(usage, &[other]));
    let cached_read = either("cacheReadInputTokens", "cacheReadInputTokenCount");
    let written = either("cacheWriteInputTokens", "cacheWriteInputTokenCount");
    let details = list(usage, "cacheDetails").iter();
    let long: Option<u64> = details
        .filter(|detail| text(detail, "ttl") == Some("1h"))
        .filter_map(|detail| count(detail, &["inputTokens"]))
        .reduce(u64::saturating_add);
    let outside = [cached_read, written].into_iter().flatten().fold(0, u64::saturating_add);
    Usage {
        input: count(usage, &["inputTokens"]).map(|input| input.saturating_add(outside)),
        cached_read,
        cache_write_5m: written.map(|total| total.saturating_sub(long.unwrap_or(0))),
        cache_write_1h: long,
        output: count(usage, &["outputTokens"]),
        ..Usage::default()
    }
}

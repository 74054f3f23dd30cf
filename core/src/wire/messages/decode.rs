//! A Messages answer as our reply, and its usage.

use serde_json::{Map, Value, json};

use super::{ANSWER_TOOL, whole};
use crate::error::ProviderError;
use crate::message::{Content, Part, ToolCall};
use crate::model::Api;
use crate::reply::{Reply, StopReason};
use crate::request::ServiceTier;
use crate::usage::Usage;
use crate::vendor_fields::VendorFields;
use crate::wire::json::{self, Counts, count, field, take_if, text};
use crate::wire::{HttpResponse, errors};

/// Reads a whole answer, an error included.
pub(super) fn answer(response: HttpResponse<'_>) -> Result<Reply, ProviderError> {
    if response.status >= 400 {
        return Err(errors::of_response(&response));
    }
    if cfg!(feature = "quick")
        && let Some(reply) = whole::reply(response.body)
    {
        return Ok(reply);
    }
    tree(&response)
}

/// Reads any answer that is no error by its status.
pub(super) fn tree(response: &HttpResponse<'_>) -> Result<Reply, ProviderError> {
    let body = json::body(response.body)?;
    if let Some(error) = errors::of_body(&body, response.status, response.headers) {
        return Err(error);
    }
    reply(body, Api::Messages)
}

/// A message object as a reply. A count of tokens alone is a reply without parts.
pub(in crate::wire) fn reply(body: Value, api: Api) -> Result<Reply, ProviderError> {
    let mut usage = field(&body, "usage").map(|counted| usage(counted)).unwrap_or_default();
    let Value::Object(mut body) = body else { return Err(not_a_message()) };
    let content = match body.shift_remove("content") {
        Some(Value::Array(content)) => content,
        // Copies of the format write a text alone, or nothing.
        Some(Value::String(text)) => vec![json!({"type": "text", "text": text})],
        Some(Value::Null) if body.get("type").is_some_and(|kind| kind == "message") => Vec::new(),
        None if body.contains_key("input_tokens") => {
            usage.input = body.get("input_tokens").and_then(Value::as_u64);
            Vec::new()
        }
        _ => return Err(not_a_message()),
    };
    let answered = content.iter().any(|block| text(block, "name") == Some(ANSWER_TOOL));
    let mut parts = Vec::with_capacity(content.len());
    for block in content {
        let Value::Object(block) = block else { return Err(not_a_message()) };
        parts.push(part(block, api));
    }
    let mut stop = body.get("stop_reason").and_then(Value::as_str).map(stop_reason);
    if answered && stop == Some(StopReason::ToolUse) && !parts.iter().any(|part| part.as_tool_call().is_some()) {
        stop = Some(StopReason::End);
    }
    let take_text = |body: &mut Map<String, Value>, name| take_if(body, name, |v| v.as_str().map(str::to_owned));
    let (id, model) = (take_text(&mut body, "id"), take_text(&mut body, "model"));
    ["type", "role", "stop_reason"].iter().for_each(|name| drop(body.shift_remove(*name)));
    body.retain(|_, value| !value.is_null());
    Ok(Reply { id, model, parts, stop, usage, vendor: VendorFields::of(api, body), ..Reply::default() })
}

fn not_a_message() -> ProviderError {
    ProviderError::protocol("the answer is no message with a list of content")
}

/// One block of an answer.
pub(super) fn part(mut block: Map<String, Value>, api: Api) -> Part {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let take_text = |block: &mut Map<String, Value>, name| take_if(block, name, |v| v.as_str().map(str::to_owned));
    let content = match kind.as_str() {
        "text" => take_text(&mut block, "text").map(|text| Content::Text { text }),
        "thinking" => take_text(&mut block, "thinking").map(|text| Content::Reasoning { text }),
        "redacted_thinking" => Some(Content::Reasoning { text: String::new() }),
        "tool_use" => tool_call(&mut block),
        _ => None,
    };
    let content = match content {
        Some(content) => {
            block.shift_remove("type");
            block.retain(|_, value| !value.is_null());
            content
        }
        None => Content::Vendor,
    };
    Part { content, cache: None, vendor: VendorFields::of(api, block) }
}

/// A call; that of our own answer tool is the answer's text.
fn tool_call(block: &mut Map<String, Value>) -> Option<Content> {
    let name = block.get("name")?.as_str()?.to_owned();
    let id = block.get("id")?.as_str()?.to_owned();
    ["id", "name"].iter().for_each(|field| drop(block.shift_remove(*field)));
    let arguments = match block.shift_remove("input") {
        Some(Value::String(text)) => text,
        Some(input) => input.to_string(),
        None => String::new(),
    };
    if name == ANSWER_TOOL {
        block.clear();
        return Some(Content::Text { text: arguments });
    }
    Some(Content::ToolCall(ToolCall { id, name, arguments }))
}

/// The reason in our words.
pub(super) fn stop_reason(word: &str) -> StopReason {
    match word {
        "end_turn" => StopReason::End,
        "stop_sequence" => StopReason::StopText,
        "max_tokens" => StopReason::MaxTokens,
        "model_context_window_exceeded" => StopReason::ContextFull,
        "tool_use" => StopReason::ToolUse,
        "refusal" => StopReason::Refusal,
        "pause_turn" => StopReason::Pause,
        other => StopReason::Other(other.to_owned()),
    }
}

/// Usage as billed. `input_tokens` leaves out cache reads and writes, so they are added. Iterations that compact the
/// context are billed beside the totals; those of an advising model are billed at that model's own rates and are left
/// in the vendor fields.
pub(in crate::wire) fn usage(usage: &dyn Counts) -> Usage {
    let sum = |name: &str| -> Option<u64> {
        let more = usage.items("iterations").iter().filter(|one| text(one, "type") == Some("compaction"));
        let more = more.filter_map(|one| count(one, &[name])).fold(0, u64::saturating_add);
        usage.count(&[name]).map(|total| total.saturating_add(more))
    };
    let cached_read = sum("cache_read_input_tokens");
    let long = usage.count(&["cache_creation", "ephemeral_1h_input_tokens"]);
    let short = match sum("cache_creation_input_tokens") {
        Some(total) => Some(total.saturating_sub(long.unwrap_or(0))),
        None => usage.count(&["cache_creation", "ephemeral_5m_input_tokens"]),
    };
    let outside = [cached_read, short, long].into_iter().flatten().fold(0, u64::saturating_add);
    Usage {
        input: sum("input_tokens").map(|input| input.saturating_add(outside)),
        cached_read,
        cache_write_5m: short,
        cache_write_1h: long,
        output: sum("output_tokens"),
        reasoning: usage.count(&["output_tokens_details", "thinking_tokens"]),
        searches: usage.count(&["server_tool_use", "web_search_requests"]),
        service_tier: usage.text("service_tier").and_then(|tier| match tier {
            "standard" => Some(ServiceTier::Standard),
            "priority" => Some(ServiceTier::Priority),
            "batch" => Some(ServiceTier::Batch),
            _ => None,
        }),
        ..Usage::default()
    }
}

//! Anthropic Messages. Source: docs.anthropic.com, the Messages reference and its page on streaming.

use serde_json::{Map, Value, json};

use super::{Speech, event, object_of};
use crate::model::Api;
use crate::reply::StopReason;
use crate::{Content, Part, Usage};

pub(super) fn unary(speech: &Speech<'_>) -> Value {
    let content: Vec<Value> = speech.reply.parts.iter().filter_map(block).collect();
    json!({
        "id": id(speech), "type": "message", "role": "assistant", "model": speech.model, "content": content,
        "stop_reason": stop(&speech.stop), "stop_sequence": null, "usage": usage(speech.usage(), speech.usage().output),
    })
}

fn block(part: &Part) -> Option<Value> {
    Some(match &part.content {
        Content::Text { text } | Content::Refusal { text } => json!({"type": "text", "text": text}),
        Content::Reasoning { text } => json!({"type": "thinking", "thinking": text, "signature": signature(part)}),
        Content::ToolCall(call) => json!({
            "type": "tool_use", "id": call.id, "name": call.name, "input": object_of(&call.arguments)
        }),
        _ => return None,
    })
}

fn signature(part: &Part) -> &str {
    part.vendor.field(Api::Messages, "signature").and_then(Value::as_str).unwrap_or("c2lnbmVkLWhlcmU=")
}

pub(super) fn stream(speech: &Speech<'_>) -> Vec<Vec<u8>> {
    let opening = json!({
        "id": id(speech), "type": "message", "role": "assistant", "model": speech.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(speech.usage(), Some(1)),
    });
    let mut frames = vec![event("message_start", &json!({"type": "message_start", "message": opening}))];
    let blocks = speech.reply.parts.iter().filter(|part| block(part).is_some());
    for (at, part) in blocks.enumerate() {
        push_block(speech, part, at, &mut frames);
    }
    let delta = json!({"stop_reason": stop(&speech.stop), "stop_sequence": null});
    let total = usage(speech.usage(), speech.usage().output);
    frames.push(event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": total})));
    frames.push(event("message_stop", &json!({"type": "message_stop"})));
    frames
}

fn push_block(speech: &Speech<'_>, part: &Part, at: usize, frames: &mut Vec<Vec<u8>>) {
    let (opening, kind, field, text) = match &part.content {
        Content::Text { text } | Content::Refusal { text } => {
            (json!({"type": "text", "text": ""}), "text_delta", "text", text)
        }
        Content::Reasoning { text } => {
            let opening = json!({"type": "thinking", "thinking": "", "signature": ""});
            (opening, "thinking_delta", "thinking", text)
        }
        Content::ToolCall(call) => {
            let opening = json!({"type": "tool_use", "id": call.id, "name": call.name, "input": {}});
            (opening, "input_json_delta", "partial_json", &call.arguments)
        }
        _ => return,
    };
    let mut push = |name: &str, more: Value| {
        let mut fields = Map::from_iter([("type".to_owned(), json!(name)), ("index".to_owned(), json!(at))]);
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        frames.push(event(name, &Value::Object(fields)));
    };
    push("content_block_start", json!({ "content_block": opening }));
    for piece in speech.pieces(text) {
        push("content_block_delta", json!({"delta": {"type": kind, field: piece}}));
    }
    if kind == "thinking_delta" {
        push("content_block_delta", json!({"delta": {"type": "signature_delta", "signature": signature(part)}}));
    }
    push("content_block_stop", json!({}));
    if at == 0 {
        frames.push(event("ping", &json!({"type": "ping"})));
    }
}

pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req-error"})
}

fn id(speech: &Speech<'_>) -> String {
    format!("msg_{}", speech.number)
}

fn stop(stop: &StopReason) -> &str {
    match stop {
        StopReason::StopText => "stop_sequence",
        StopReason::MaxTokens => "max_tokens",
        StopReason::ContextFull => "model_context_window_exceeded",
        StopReason::ToolUse => "tool_use",
        StopReason::ContentFilter | StopReason::Refusal => "refusal",
        StopReason::Pause => "pause_turn",
        StopReason::Other(word) => word,
        _ => "end_turn",
    }
}

/// Tokens read from and written to the cache stand beside `input_tokens`, not in it.
fn usage(usage: &Usage, output: Option<u64>) -> Value {
    let (read, written) = (usage.cached_read.unwrap_or(0), usage.cache_write().unwrap_or(0));
    let fresh = usage.input.unwrap_or(0).saturating_sub(read + written);
    json!({
        "input_tokens": fresh, "cache_read_input_tokens": read, "cache_creation_input_tokens": written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m.unwrap_or(0),
            "ephemeral_1h_input_tokens": usage.cache_write_1h.unwrap_or(0),
        },
        "output_tokens": output.unwrap_or(0), "service_tier": "standard",
    })
}

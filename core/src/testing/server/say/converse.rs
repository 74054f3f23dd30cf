//! Bedrock Converse and its binary event stream. Sources: the Bedrock runtime reference; the Smithy page on
//! `application/vnd.amazon.eventstream`: lengths, headers, payload, and a CRC-32 over each.

use serde_json::{Value, json};

use super::{Speech, object_of};
use crate::reply::StopReason;
use crate::{Content, Usage};

pub(super) fn unary(speech: &Speech<'_>) -> Value {
    let content: Vec<Value> = speech.reply.parts.iter().filter_map(|part| block(&part.content)).collect();
    json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop(&speech.stop), "usage": usage(speech.usage()), "metrics": {"latencyMs": 12},
    })
}

fn block(content: &Content) -> Option<Value> {
    Some(match content {
        Content::Text { text } | Content::Refusal { text } => json!({ "text": text }),
        Content::Reasoning { text } => {
            json!({"reasoningContent": {"reasoningText": {"text": text, "signature": "c2lnbmVkLWhlcmU="}}})
        }
        Content::ToolCall(call) => json!({
            "toolUse": {"toolUseId": call.id, "name": call.name, "input": object_of(&call.arguments)}
        }),
        _ => return None,
    })
}

pub(super) fn stream(speech: &Speech<'_>) -> Vec<Vec<u8>> {
    let mut frames = vec![message("messageStart", &json!({"role": "assistant"}))];
    let blocks = speech.reply.parts.iter().filter(|part| block(&part.content).is_some());
    for (at, part) in blocks.enumerate() {
        let mut push = |kind: &str, field: &str, value: Value| {
            frames.push(message(kind, &json!({"contentBlockIndex": at, field: value})));
        };
        match &part.content {
            Content::Text { text } | Content::Refusal { text } => {
                for piece in speech.pieces(text) {
                    push("contentBlockDelta", "delta", json!({ "text": piece }));
                }
            }
            Content::Reasoning { text } => {
                for piece in speech.pieces(text) {
                    push("contentBlockDelta", "delta", json!({"reasoningContent": {"text": piece}}));
                }
                let signature = json!({"reasoningContent": {"signature": "c2lnbmVkLWhlcmU="}});
                push("contentBlockDelta", "delta", signature);
            }
            Content::ToolCall(call) => {
                let start = json!({"toolUse": {"toolUseId": call.id, "name": call.name}});
                push("contentBlockStart", "start", start);
                for piece in speech.pieces(&call.arguments) {
                    push("contentBlockDelta", "delta", json!({"toolUse": {"input": piece}}));
                }
            }
            _ => {}
        }
        frames.push(message("contentBlockStop", &json!({ "contentBlockIndex": at })));
    }
    frames.push(message("messageStop", &json!({ "stopReason": stop(&speech.stop) })));
    let counts = usage(speech.usage());
    frames.push(message("metadata", &json!({"usage": counts, "metrics": {"latencyMs": 12}})));
    frames
}

fn message(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, payload.to_string().as_bytes())
}

/// An error in the midst of a stream.
pub(super) fn exception(kind: &str, text: &str) -> Vec<u8> {
    let headers = [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")];
    frame(&headers, json!({ "message": text }).to_string().as_bytes())
}

/// One message of the event stream; each header is a string (type 7).
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(name.len() as u8);
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&(value.len() as u16).to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let total = 12 + block.len() + payload.len() + 4;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&(total as u32).to_be_bytes());
    bytes.extend_from_slice(&(block.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
    bytes.extend_from_slice(&block);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The name of the exception that goes with a status.
pub(super) fn error_type(status: u16) -> &'static str {
    match status {
        400 => "ValidationException",
        401 => "UnrecognizedClientException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        _ => "InternalServerException",
    }
}

fn stop(stop: &StopReason) -> &str {
    match stop {
        StopReason::StopText => "stop_sequence",
        StopReason::MaxTokens => "max_tokens",
        StopReason::ContextFull => "model_context_window_exceeded",
        StopReason::ToolUse => "tool_use",
        StopReason::ContentFilter => "content_filtered",
        StopReason::Refusal => "guardrail_intervened",
        StopReason::Other(word) => word,
        _ => "end_turn",
    }
}

/// Tokens read from and written to the cache stand beside `inputTokens`, not in it.
fn usage(usage: &Usage) -> Value {
    let (read, written) = (usage.cached_read.unwrap_or(0), usage.cache_write().unwrap_or(0));
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    json!({
        "inputTokens": input.saturating_sub(read + written), "outputTokens": output, "totalTokens": input + output,
        "cacheReadInputTokens": read, "cacheWriteInputTokens": written,
    })
}

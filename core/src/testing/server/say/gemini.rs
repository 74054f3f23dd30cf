//! Gemini generateContent. Source: ai.google.dev/api/generate-content.

use serde_json::{Value, json};

use super::{Speech, object_of};
use crate::reply::StopReason;
use crate::{Content, Usage};

pub(super) fn unary(speech: &Speech<'_>) -> Value {
    let parts: Vec<Value> = speech.reply.parts.iter().filter_map(|part| whole(&part.content)).collect();
    chunk(speech, parts, true)
}

fn chunk(speech: &Speech<'_>, parts: Vec<Value>, is_last: bool) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if is_last {
        candidate["finishReason"] = finish(&speech.stop).into();
    }
    json!({
        "candidates": [candidate], "usageMetadata": usage(speech.usage(), is_last),
        "modelVersion": speech.model, "responseId": format!("gen-{}", speech.number),
    })
}

fn whole(content: &Content) -> Option<Value> {
    Some(match content {
        Content::Text { text } | Content::Refusal { text } => json!({ "text": text }),
        Content::Reasoning { text } => json!({"text": text, "thought": true}),
        Content::ToolCall(call) => {
            json!({"functionCall": {"id": call.id, "name": call.name, "args": object_of(&call.arguments)}})
        }
        _ => return None,
    })
}

/// The stream's values: text in pieces, a call whole, and the reason to stop with an empty text.
fn values(speech: &Speech<'_>) -> Vec<Value> {
    let mut parts = Vec::new();
    for part in &speech.reply.parts {
        match &part.content {
            Content::Text { text } | Content::Refusal { text } => {
                parts.extend(speech.pieces(text).into_iter().map(|piece| json!({ "text": piece })));
            }
            Content::Reasoning { text } => {
                parts.extend(speech.pieces(text).into_iter().map(|piece| json!({"text": piece, "thought": true})));
            }
            content => parts.extend(whole(content)),
        }
    }
    let mut values: Vec<Value> = parts.into_iter().map(|part| chunk(speech, vec![part], false)).collect();
    values.push(chunk(speech, vec![json!({ "text": "" })], true));
    values
}

/// As events, with the line ends that Google sends.
pub(super) fn events(speech: &Speech<'_>) -> Vec<Vec<u8>> {
    values(speech).iter().map(|value| format!("data: {value}\r\n\r\n").into_bytes()).collect()
}

/// As one array that grows.
pub(super) fn array(speech: &Speech<'_>) -> Vec<Vec<u8>> {
    let values = values(speech);
    let last = values.len() - 1;
    let write = |(at, value): (usize, &Value)| {
        let (before, after) = (if at == 0 { "[" } else { ",\r\n" }, if at == last { "]" } else { "" });
        format!("{before}{value}{after}").into_bytes()
    };
    values.iter().enumerate().map(write).collect()
}

pub(super) fn error(status: u16, message: &str) -> Value {
    let word = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": word}})
}

fn finish(stop: &StopReason) -> &str {
    match stop {
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::ContentFilter | StopReason::Refusal => "SAFETY",
        StopReason::BadToolCall => "MALFORMED_FUNCTION_CALL",
        StopReason::Other(word) => word,
        _ => "STOP",
    }
}

/// Thoughts stand beside the candidates' tokens, not in them.
fn usage(usage: &Usage, is_last: bool) -> Value {
    let (input, thoughts) = (usage.input.unwrap_or(0), usage.reasoning.unwrap_or(0));
    let mut counts = json!({"promptTokenCount": input, "totalTokenCount": input});
    if let Some(cached) = usage.cached_read {
        counts["cachedContentTokenCount"] = cached.into();
    }
    if is_last {
        let output = usage.output.unwrap_or(0);
        counts["candidatesTokenCount"] = output.saturating_sub(thoughts).into();
        counts["totalTokenCount"] = (input + output).into();
        if thoughts > 0 {
            counts["thoughtsTokenCount"] = thoughts.into();
        }
    }
    counts
}

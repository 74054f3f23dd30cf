//! OpenAI chat completions. Source: platform.openai.com/docs/api-reference/chat; `reasoning_content` as DeepSeek has it.

use serde_json::{Map, Value, json};

use super::{Speech, data};
use crate::reply::StopReason;
use crate::{Content, Usage};

const CREATED: u64 = 1_763_640_366;

pub(super) fn unary(speech: &Speech<'_>) -> Value {
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    message.insert("content".into(), Value::Null);
    let mut calls = Vec::new();
    for part in &speech.reply.parts {
        match &part.content {
            Content::Text { text } => append(&mut message, "content", text),
            Content::Reasoning { text } => append(&mut message, "reasoning_content", text),
            Content::Refusal { text } => append(&mut message, "refusal", text),
            Content::ToolCall(call) => calls.push(json!({
                "id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })),
            _ => {}
        }
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    json!({
        "id": id(speech), "object": "chat.completion", "created": CREATED, "model": speech.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(&speech.stop)}],
        "usage": usage(speech.usage()),
    })
}

fn append(message: &mut Map<String, Value>, field: &str, text: &str) {
    let before = message.get(field).and_then(Value::as_str).unwrap_or_default();
    let joined = format!("{before}{text}");
    message.insert(field.to_owned(), joined.into());
}

pub(super) fn stream(speech: &Speech<'_>) -> Vec<Vec<u8>> {
    let chunk = |delta: Value, finish: Value| {
        data(&json!({
            "id": id(speech), "object": "chat.completion.chunk", "created": CREATED, "model": speech.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        }))
    };
    let mut frames = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    let mut calls = 0;
    for part in &speech.reply.parts {
        let (field, text) = match &part.content {
            Content::Text { text } => ("content", text),
            Content::Reasoning { text } => ("reasoning_content", text),
            Content::Refusal { text } => ("refusal", text),
            Content::ToolCall(call) => {
                let opening = json!({"index": calls, "id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": ""}});
                frames.push(chunk(json!({ "tool_calls": [opening] }), Value::Null));
                for piece in speech.pieces(&call.arguments) {
                    let more = json!({"index": calls, "function": {"arguments": piece}});
                    frames.push(chunk(json!({ "tool_calls": [more] }), Value::Null));
                }
                calls += 1;
                continue;
            }
            _ => continue,
        };
        frames.extend(speech.pieces(text).into_iter().map(|piece| chunk(json!({ field: piece }), Value::Null)));
    }
    frames.push(chunk(json!({}), finish(&speech.stop).into()));
    if speech.wants_usage {
        frames.push(data(&json!({
            "id": id(speech), "object": "chat.completion.chunk", "created": CREATED, "model": speech.model,
            "choices": [], "usage": usage(speech.usage()),
        })));
    }
    frames.push(b"data: [DONE]\n\n".to_vec());
    frames
}

pub(super) fn error(status: u16, message: &str) -> Value {
    let (kind, code) = match status {
        401 => ("invalid_request_error", json!("invalid_api_key")),
        404 => ("invalid_request_error", json!("model_not_found")),
        429 => ("requests", json!("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", Value::Null),
        _ => ("server_error", Value::Null),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

fn id(speech: &Speech<'_>) -> String {
    format!("chatcmpl-{}", speech.number)
}

fn finish(stop: &StopReason) -> &str {
    match stop {
        StopReason::MaxTokens => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::ContentFilter => "content_filter",
        StopReason::Other(word) => word,
        _ => "stop",
    }
}

fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    json!({
        "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
        "prompt_tokens_details": {"cached_tokens": usage.cached_read.unwrap_or(0), "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning.unwrap_or(0), "audio_tokens": 0},
    })
}

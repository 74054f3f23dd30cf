//! Cohere v2 chat. Source: docs.cohere.com/reference/chat and /chat-stream.

use serde_json::{Value, json};

use super::{Speech, event};
use crate::reply::StopReason;
use crate::{Content, Usage};

pub(super) fn unary(speech: &Speech<'_>) -> Value {
    let mut message = json!({"role": "assistant", "content": []});
    let mut calls = Vec::new();
    for part in &speech.reply.parts {
        let block = match &part.content {
            Content::Text { text } | Content::Refusal { text } => json!({"type": "text", "text": text}),
            Content::Reasoning { text } => json!({"type": "thinking", "thinking": text}),
            Content::ToolCall(call) => {
                calls.push(json!({
                    "id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }));
                continue;
            }
            _ => continue,
        };
        if let Some(content) = message["content"].as_array_mut() {
            content.push(block);
        }
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    json!({
        "id": id(speech), "message": message, "finish_reason": finish(&speech.stop), "usage": usage(speech.usage()),
    })
}

pub(super) fn stream(speech: &Speech<'_>) -> Vec<Vec<u8>> {
    let opening = json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    let mut frames = vec![event(
        "message-start",
        &json!({"id": id(speech), "type": "message-start", "delta": {"message": opening}}),
    )];
    let (mut contents, mut calls) = (0, 0);
    for part in &speech.reply.parts {
        match &part.content {
            Content::Text { text } | Content::Refusal { text } => {
                push_content(speech, "text", text, contents, &mut frames);
                contents += 1;
            }
            Content::Reasoning { text } => {
                push_content(speech, "thinking", text, contents, &mut frames);
                contents += 1;
            }
            Content::ToolCall(call) => {
                let mut push = |kind: &str, call: Value| {
                    let delta = json!({"message": {"tool_calls": call}});
                    frames.push(event(kind, &json!({"type": kind, "index": calls, "delta": delta})));
                };
                let function = json!({"name": call.name, "arguments": ""});
                push("tool-call-start", json!({"id": call.id, "type": "function", "function": function}));
                for piece in speech.pieces(&call.arguments) {
                    push("tool-call-delta", json!({"function": {"arguments": piece}}));
                }
                frames.push(event("tool-call-end", &json!({"type": "tool-call-end", "index": calls})));
                calls += 1;
            }
            _ => {}
        }
    }
    let delta = json!({"finish_reason": finish(&speech.stop), "usage": usage(speech.usage())});
    frames.push(event("message-end", &json!({"id": id(speech), "type": "message-end", "delta": delta})));
    frames
}

fn push_content(speech: &Speech<'_>, kind: &str, text: &str, index: usize, frames: &mut Vec<Vec<u8>>) {
    let mut push = |name: &str, content: Value| {
        let delta = json!({"message": {"content": content}});
        frames.push(event(name, &json!({"type": name, "index": index, "delta": delta})));
    };
    push("content-start", json!({"type": kind, kind: ""}));
    for piece in speech.pieces(text) {
        push("content-delta", json!({ kind: piece }));
    }
    frames.push(event("content-end", &json!({"type": "content-end", "index": index})));
}

fn id(speech: &Speech<'_>) -> String {
    format!("co-{}", speech.number)
}

fn finish(stop: &StopReason) -> &str {
    match stop {
        StopReason::StopText => "STOP_SEQUENCE",
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::ToolUse => "TOOL_CALL",
        StopReason::ContentFilter | StopReason::Refusal => "ERROR_TOXIC",
        StopReason::Other(word) => word,
        _ => "COMPLETE",
    }
}

/// What is billed and what was counted are two things; here they are as many.
fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let counts = json!({"input_tokens": input, "output_tokens": output});
    let mut both = json!({"billed_units": counts, "tokens": counts});
    if let Some(cached) = usage.cached_read {
        both["cached_tokens"] = cached.into();
    }
    both
}

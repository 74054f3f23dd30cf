//! Ollama's own chat. Source: github.com/ollama/ollama, docs/api.md.

use serde_json::{Value, json};

use super::{Speech, line, object_of};
use crate::Content;
use crate::reply::StopReason;

pub(super) fn unary(speech: &Speech<'_>) -> Value {
    let (mut content, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    for part in &speech.reply.parts {
        match &part.content {
            Content::Text { text } | Content::Refusal { text } => content.push_str(text),
            Content::Reasoning { text } => thinking.push_str(text),
            Content::ToolCall(call) => calls.push(function(&call.name, &call.arguments)),
            _ => {}
        }
    }
    let mut message = json!({"role": "assistant", "content": content});
    if !thinking.is_empty() {
        message["thinking"] = thinking.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    last(speech, message)
}

pub(super) fn stream(speech: &Speech<'_>) -> Vec<Vec<u8>> {
    let chunk = |message: Value| {
        let message = json!({"model": speech.model, "created_at": CREATED, "message": message, "done": false});
        line(&message)
    };
    let mut frames = Vec::new();
    for part in &speech.reply.parts {
        match &part.content {
            Content::Text { text } | Content::Refusal { text } => {
                let says = |piece| chunk(json!({"role": "assistant", "content": piece}));
                frames.extend(speech.pieces(text).into_iter().map(says));
            }
            Content::Reasoning { text } => {
                let thinks = |piece| chunk(json!({"role": "assistant", "content": "", "thinking": piece}));
                frames.extend(speech.pieces(text).into_iter().map(thinks));
            }
            Content::ToolCall(call) => {
                let calls = [function(&call.name, &call.arguments)];
                frames.push(chunk(json!({"role": "assistant", "content": "", "tool_calls": calls})));
            }
            _ => {}
        }
    }
    frames.push(line(&last(speech, json!({"role": "assistant", "content": ""}))));
    frames
}

const CREATED: &str = "2025-11-20T12:06:06.123456Z";

fn last(speech: &Speech<'_>, message: Value) -> Value {
    let reason = match &speech.stop {
        StopReason::MaxTokens => "length",
        StopReason::Other(word) => word,
        _ => "stop",
    };
    let usage = speech.usage();
    json!({
        "model": speech.model, "created_at": CREATED, "message": message, "done": true, "done_reason": reason,
        "total_duration": 1_200_000, "load_duration": 100_000, "prompt_eval_duration": 300_000, "eval_duration": 800_000,
        "prompt_eval_count": usage.input.unwrap_or(0), "eval_count": usage.output.unwrap_or(0),
    })
}

fn function(name: &str, arguments: &str) -> Value {
    json!({"function": {"name": name, "arguments": object_of(arguments)}})
}

//! OpenAI Responses. Source: platform.openai.com/docs/api-reference/responses and /responses-streaming.

use serde_json::{Value, json};

use super::{Speech, event};
use crate::message::ToolCall;
use crate::reply::StopReason;
use crate::{Content, Usage};

pub(super) fn unary(speech: &Speech<'_>) -> Value {
    let output: Vec<Value> =
        speech.reply.parts.iter().enumerate().filter_map(|(at, part)| item(&part.content, at)).collect();
    response(speech, output.into(), true)
}

/// The response object, ended or still going.
fn response(speech: &Speech<'_>, output: Value, is_over: bool) -> Value {
    let is_cut = matches!(speech.stop, StopReason::MaxTokens | StopReason::ContentFilter);
    let status = match (is_over, is_cut) {
        (false, _) => "in_progress",
        (true, true) => "incomplete",
        (true, false) => "completed",
    };
    let reason = if speech.stop == StopReason::ContentFilter { "content_filter" } else { "max_output_tokens" };
    json!({
        "id": format!("resp_{}", speech.number), "object": "response", "created_at": 1_763_640_366, "status": status,
        "error": null, "incomplete_details": if is_over && is_cut { json!({ "reason": reason }) } else { Value::Null },
        "model": speech.model, "output": output, "parallel_tool_calls": true, "store": false,
        "usage": if is_over { usage(speech.usage()) } else { Value::Null },
    })
}

/// A part as an item of the output.
fn item(content: &Content, at: usize) -> Option<Value> {
    Some(match content {
        Content::Text { text } => message(at, json!({"type": "output_text", "text": text, "annotations": []})),
        Content::Refusal { text } => message(at, json!({"type": "refusal", "refusal": text})),
        Content::Reasoning { text } => {
            let summary = json!([{"type": "summary_text", "text": text}]);
            json!({"id": format!("rs_{at}"), "type": "reasoning", "summary": summary})
        }
        Content::ToolCall(call) => call_item(at, call, &call.arguments),
        _ => return None,
    })
}

fn message(at: usize, content: Value) -> Value {
    json!({"id": format!("msg_{at}"), "type": "message", "status": "completed", "role": "assistant",
        "content": [content]})
}

fn call_item(at: usize, call: &ToolCall, arguments: &str) -> Value {
    json!({"id": format!("fc_{at}"), "type": "function_call", "status": "completed", "call_id": call.id,
        "name": call.name, "arguments": arguments})
}

pub(super) fn stream(speech: &Speech<'_>) -> Vec<Vec<u8>> {
    let mut events = vec![json!({"type": "response.created", "response": response(speech, json!([]), false)})];
    events.push(json!({"type": "response.in_progress", "response": response(speech, json!([]), false)}));
    let mut output = Vec::new();
    for part in &speech.reply.parts {
        let Some(item) = item(&part.content, output.len()) else { continue };
        push_item(speech, &part.content, &item, output.len(), &mut events);
        output.push(item);
    }
    let is_cut = matches!(speech.stop, StopReason::MaxTokens | StopReason::ContentFilter);
    let last = if is_cut { "response.incomplete" } else { "response.completed" };
    events.push(json!({"type": last, "response": response(speech, output.into(), true)}));
    let number = |(at, mut event): (usize, Value)| {
        event["sequence_number"] = at.into();
        event
    };
    let write = |value: Value| event(value["type"].as_str().unwrap_or_default(), &value);
    events.into_iter().enumerate().map(number).map(write).collect()
}

/// The events of one item: it opens, grows and closes.
fn push_item(speech: &Speech<'_>, content: &Content, item: &Value, at: usize, events: &mut Vec<Value>) {
    let id = &item["id"];
    let mut opened = item.clone();
    let mut push = |kind: &str, more: Value| {
        let mut event = json!({"type": format!("response.{kind}"), "output_index": at, "item_id": id});
        if let (Some(fields), Value::Object(more)) = (event.as_object_mut(), more) {
            fields.extend(more);
        }
        events.push(event);
    };
    match content {
        Content::Text { text } | Content::Refusal { text } => {
            let (stem, field) =
                if matches!(content, Content::Text { .. }) { ("output_text", "text") } else { ("refusal", "refusal") };
            opened["content"] = json!([]);
            push("output_item.added", json!({ "item": opened }));
            let empty = json!({"type": stem, field: "", "annotations": []});
            push("content_part.added", json!({"content_index": 0, "part": empty}));
            for piece in speech.pieces(text) {
                push(&format!("{stem}.delta"), json!({"content_index": 0, "delta": piece}));
            }
            push(&format!("{stem}.done"), json!({"content_index": 0, field: text}));
            push("content_part.done", json!({"content_index": 0, "part": item["content"][0]}));
        }
        Content::Reasoning { text } => {
            opened["summary"] = json!([]);
            push("output_item.added", json!({ "item": opened }));
            let empty = json!({"type": "summary_text", "text": ""});
            push("reasoning_summary_part.added", json!({"summary_index": 0, "part": empty}));
            for piece in speech.pieces(text) {
                push("reasoning_summary_text.delta", json!({"summary_index": 0, "delta": piece}));
            }
            push("reasoning_summary_text.done", json!({"summary_index": 0, "text": text}));
            push("reasoning_summary_part.done", json!({"summary_index": 0, "part": item["summary"][0]}));
        }
        Content::ToolCall(call) => {
            push("output_item.added", json!({"item": call_item(at, call, "")}));
            for piece in speech.pieces(&call.arguments) {
                push("function_call_arguments.delta", json!({ "delta": piece }));
            }
            push("function_call_arguments.done", json!({ "arguments": call.arguments }));
        }
        _ => return,
    }
    push("output_item.done", json!({ "item": item }));
}

fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": usage.cached_read.unwrap_or(0)},
        "output_tokens": output, "output_tokens_details": {"reasoning_tokens": usage.reasoning.unwrap_or(0)},
        "total_tokens": input + output,
    })
}

//! A response as a `chat.completion`.

use serde_json::{Map, Value, json};
use tierway::reply::TokenLogprob;
use tierway::{Content, Part, Response, StopReason};

use super::{finish_reason, has_state, usage};

/// The completion, with the route and the cost under `tierway`.
pub(crate) fn completion(response: &Response) -> Value {
    let reply = &response.reply;
    let mut choices = vec![choice(0, &reply.parts, reply.stop.as_ref(), &reply.logprobs)];
    for (at, more) in reply.alternatives.iter().enumerate() {
        choices.push(choice(at + 1, &more.parts, more.stop.as_ref(), &more.logprobs));
    }
    json!({
        "id": id(reply.id.as_deref(), response),
        "object": "chat.completion",
        "created": created(response),
        "model": response.route.model,
        "choices": choices,
        "usage": usage(&reply.usage),
        "tierway": account(response),
    })
}

/// The vendor's id of the answer, else one made of the request's.
fn id(own: Option<&str>, response: &Response) -> String {
    own.map_or_else(|| format!("chatcmpl-{}", response.id), str::to_owned)
}

/// When it was decided, in seconds.
pub(super) fn created(response: &Response) -> i64 {
    response.route.plan.at().ms().div_euclid(1_000)
}

/// What no field of OpenAI's holds.
pub(super) fn account(response: &Response) -> Value {
    json!({
        "id": response.id,
        "route": response.route,
        "cost": response.cost,
        "lines": response.lines,
        "baseline_cost": response.baseline_cost,
        "saved": response.saved,
        "stop": response.reply.stop.as_ref().map(StopReason::as_str),
        "timing": response.timing,
    })
}

fn choice(index: usize, parts: &[Part], stop: Option<&StopReason>, logprobs: &[TokenLogprob]) -> Value {
    json!({
        "index": index,
        "message": message(parts),
        "finish_reason": finish_reason(stop),
        "logprobs": logprobs_of(logprobs),
    })
}

/// Log-probabilities in OpenAI's words; `null` where there are none.
pub(super) fn logprobs_of(tokens: &[TokenLogprob]) -> Value {
    let token = |text: &str, logprob: f64| json!({"token": text, "logprob": logprob, "bytes": text.as_bytes()});
    let line = |drawn: &TokenLogprob| {
        let mut line = token(&drawn.token, drawn.logprob);
        line["top_logprobs"] = drawn.top.iter().map(|(text, logprob)| token(text, *logprob)).collect();
        line
    };
    match tokens {
        [] => Value::Null,
        tokens => json!({"content": tokens.iter().map(line).collect::<Vec<Value>>(), "refusal": null}),
    }
}

fn message(parts: &[Part]) -> Value {
    let mut text: Option<String> = None;
    let mut refusal: Option<String> = None;
    let mut reasoning = String::new();
    let mut calls = Vec::new();
    for part in parts {
        match &part.content {
            Content::Text { text: words } => text.get_or_insert_default().push_str(words),
            Content::Refusal { text: words } => refusal.get_or_insert_default().push_str(words),
            Content::Reasoning { text: words } => reasoning.push_str(words),
            Content::ToolCall(call) => calls.push(json!({
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })),
            _ => {}
        }
    }
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), text.into());
    message.insert("refusal".to_owned(), refusal.into());
    if !reasoning.is_empty() {
        message.insert("reasoning_content".to_owned(), reasoning.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.into());
    }
    if has_state(parts) || parts.iter().any(has_no_word) {
        message.insert("tierway".to_owned(), json!({"parts": parts}));
    }
    Value::Object(message)
}

/// Whether OpenAI's messages cannot say this part at all.
fn has_no_word(part: &Part) -> bool {
    !matches!(
        part.content,
        Content::Text { .. } | Content::Refusal { .. } | Content::Reasoning { .. } | Content::ToolCall(_)
    )
}

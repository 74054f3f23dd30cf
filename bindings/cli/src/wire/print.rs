//! An outcome as the JSON line that `docs/wire.md` describes.

use std::path::Path;

use serde_json::{Value, json};
use tierway::message::ToolCall;
use tierway::testing::recorded::Outcome;
use tierway::{ProviderError, Reply, Retry, Usage};

/// What an exchange came to.
pub(super) fn line(id: Option<&str>, outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Reply(reply) => object(id, reply, Value::Null),
        Outcome::Failed(error) | Outcome::Refused(error) => failed(id, error),
        Outcome::NoChat(what) => {
            let message = format!("no call for an answer: {what}");
            object(id, &Reply::default(), json!({"kind": "unsupported", "retry": "never", "message": message}))
        }
    }
}

/// A line of a file that is no exchange.
pub(super) fn broken(path: &Path, number: usize, why: &str) -> Value {
    let message = format!("{}, line {number}: {why}", path.display());
    let mut line = object(None, &Reply::default(), json!({"kind": "invalid", "retry": "never", "message": message}));
    line["line"] = number.into();
    line
}

/// What came before an error, and the error.
fn failed(id: Option<&str>, error: &ProviderError) -> Value {
    let mut came = error.partial.as_deref().cloned().unwrap_or_default();
    if let Some(usage) = &error.usage {
        came.usage.merge((**usage).clone());
    }
    let mut told = json!({
        "kind": error.kind.as_str(),
        "retry": retry(error.retry),
        "message": error.message,
    });
    if let Retry::Here(Some(wait)) = error.retry {
        told["retry_after_ms"] = wait.ms().into();
    }
    object(id, &came, told)
}

fn retry(retry: Retry) -> &'static str {
    match retry {
        Retry::Here(_) => "here",
        Retry::Elsewhere => "elsewhere",
        _ => "never",
    }
}

fn object(id: Option<&str>, reply: &Reply, error: Value) -> Value {
    json!({
        "id": id,
        "text": reply.text(),
        "reasoning": reply.reasoning(),
        "tool_calls": reply.tool_calls().map(tool_call).collect::<Vec<_>>(),
        "stop": reply.stop.as_ref().map(|stop| stop.as_str()),
        "usage": usage(&reply.usage),
        "error": error,
    })
}

/// A tool call. Arguments that the model wrote as invalid JSON are told as their text.
fn tool_call(call: &ToolCall) -> Value {
    let arguments = call.arguments_json().unwrap_or_else(|_| Value::String(call.arguments.clone()));
    json!({"id": call.id, "name": call.name, "arguments": arguments})
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input": usage.input,
        "cached_read": usage.cached_read,
        "cache_write": usage.cache_write(),
        "output": usage.output,
        "reasoning": usage.reasoning,
    })
}

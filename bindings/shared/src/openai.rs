//! The shape of OpenAI's chat completions, both ways: a body to a request, a response to a completion, pieces to chunks.
//!
//! What the shape has no words for travels under `tierway`: in a body, what the caller says to the router; in a
//! completion, the route and the exact cost; in a message, parts that hold a vendor's own state, so that a turn sent
//! back reaches its vendor without loss.
//!
//! Source: platform.openai.com/docs/api-reference/chat, read as the `openai` Python package 2.x types it.

use serde_json::{Map, Value};
use tierway::message::Part;
use tierway::{StopReason, Usage};

mod body;
mod chunks;
mod completion;

pub(crate) use body::read;
pub(crate) use chunks::Chunks;
pub(crate) use completion::completion;

/// OpenAI's word for why an answer ended. It has none for some: `tierway.stop` says more.
fn finish_reason(stop: Option<&StopReason>) -> &'static str {
    match stop {
        Some(StopReason::MaxTokens | StopReason::ContextFull) => "length",
        Some(StopReason::ToolUse) => "tool_calls",
        Some(StopReason::ContentFilter | StopReason::Refusal) => "content_filter",
        _ => "stop",
    }
}

/// Usage in OpenAI's words; details stand only where the vendor reported them.
fn usage(usage: &Usage) -> Value {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let mut fields = Map::new();
    fields.insert("prompt_tokens".to_owned(), input.into());
    fields.insert("completion_tokens".to_owned(), output.into());
    fields.insert("total_tokens".to_owned(), input.saturating_add(output).into());
    let prompt = [
        ("cached_tokens", usage.cached_read),
        ("cache_write_tokens", usage.cache_write()),
        ("audio_tokens", usage.input_audio),
        ("image_tokens", usage.input_image),
    ];
    let completion = [
        ("reasoning_tokens", usage.reasoning),
        ("audio_tokens", usage.output_audio),
        ("image_tokens", usage.output_image),
    ];
    for (name, details) in [("prompt_tokens_details", &prompt[..]), ("completion_tokens_details", &completion[..])] {
        let known = details.iter().filter_map(|(name, count)| count.map(|count| ((*name).to_owned(), count.into())));
        let known: Map<String, Value> = known.collect();
        if !known.is_empty() {
            fields.insert(name.to_owned(), Value::Object(known));
        }
    }
    Value::Object(fields)
}

/// Whether OpenAI's words lose something of these parts that a vendor wants back: signatures, encrypted reasoning, items
/// of its own.
fn has_state(parts: &[Part]) -> bool {
    parts.iter().any(|part| !part.vendor.is_empty())
}

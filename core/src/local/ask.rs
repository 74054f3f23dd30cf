//! A call as the engine takes it.

use serde_json::{Map, Value, json};
use tierway_engine::chat::Chat;
use tierway_engine::engine::Request as EngineRequest;
use tierway_engine::sampler::Sampling;
use tierway_engine::shape::Shape;

use crate::error::{Kind, ProviderError, Retry};
use crate::message::{Content, Message, Role, ToolCall, ToolResult};
use crate::provider::Call;
use crate::request::{Effort, Request, ResponseFormat, Tool, ToolChoice};

/// The engine's request for a call.
///
/// # Errors
/// `Unsupported` where the call asks for what the engine does not do; policy refuses such calls before by the model's
/// capabilities, so this is for cards that promise too much.
pub(super) fn request(call: &Call, chat: &Chat) -> Result<EngineRequest, ProviderError> {
    let request = call.request();
    refuse(request, chat)?;
    let messages = request.messages.iter().map(message).collect::<Result<Vec<Vec<Value>>, _>>()?.concat();
    let prompt = chat.prompt(&Value::Array(messages), &tools(request), &options(request));
    let prompt = prompt.map_err(|error| super::tell::error(&error))?;
    Ok(EngineRequest {
        prompt: prompt.tokens,
        tokens_most: usize::try_from(call.max_tokens()).unwrap_or(usize::MAX),
        sampling: sampling(request),
        stop_texts: request.sampling.stop.clone(),
        stop_tokens: chat.stop_tokens().clone(),
        thinking: prompt.thinking,
        shape: shape(request, chat)?,
    })
}

fn refuse(request: &Request, chat: &Chat) -> Result<(), ProviderError> {
    let offers = !request.tools.is_empty();
    let own = request.tools.iter().any(|tool| !tool.vendor.is_empty());
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    let asked = [
        (offers && !chat.takes_tools(), "tools with this model, whose chat template does not write them"),
        (own, "tools of a vendor's own"),
        (offers && forced, "tools that must be called"),
        (request.sampling.candidates.is_some_and(|count| count > 1), "several answers to one request"),
    ];
    match asked.into_iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(unsupported(what)),
        None => Ok(()),
    }
}

/// What the answer is held to.
fn shape(request: &Request, chat: &Chat) -> Result<Option<Shape>, ProviderError> {
    let schema = match &request.format {
        None | Some(ResponseFormat::Text) => return Ok(None),
        Some(ResponseFormat::JsonObject) => &json!({"type": "object"}),
        Some(ResponseFormat::JsonSchema { schema, .. }) => schema,
    };
    chat.shape(schema).map(Some).map_err(|error| super::tell::error(&error))
}

fn unsupported(what: &str) -> ProviderError {
    let text = format!("the native engine does not do {what}: ask another model");
    ProviderError::new(Kind::Unsupported, Retry::Elsewhere, text).unsent()
}

/// A message as templates know it; each tool's answer is one of its own.
fn message(message: &Message) -> Result<Vec<Value>, ProviderError> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let (mut text, mut calls, mut written) = (String::new(), Vec::new(), Vec::new());
    for part in &message.parts {
        match &part.content {
            Content::Text { text: more } => text.push_str(more),
            // A model's earlier thinking is not shown to it again: templates leave it out as well.
            Content::Reasoning { .. } => {}
            Content::ToolCall(call) => calls.push(call_json(call)),
            Content::ToolResult(result) => {
                let text = result_text(result)?;
                let name = json!(result.name);
                written.push(json!({"role": "tool", "content": text, "tool_call_id": result.call_id, "name": name}));
            }
            _ => return Err(unsupported("anything but text")),
        }
    }
    if written.is_empty() || !text.is_empty() || !calls.is_empty() {
        let mut fields = json!({"role": role, "content": text});
        if !calls.is_empty() {
            fields["tool_calls"] = Value::Array(calls);
        }
        written.push(fields);
    }
    Ok(written)
}

fn call_json(call: &ToolCall) -> Value {
    // What a model wrote that is no JSON is shown to it as it stood.
    let arguments = call.arguments_json().unwrap_or_else(|_| call.arguments.clone().into());
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

fn result_text(result: &ToolResult) -> Result<String, ProviderError> {
    let texts = result.parts.iter().map(|part| match &part.content {
        Content::Text { text } => Ok(text.as_str()),
        _ => Err(unsupported("anything but text")),
    });
    texts.collect::<Result<Vec<_>, _>>().map(|texts| texts.concat())
}

/// The tools that the request offers, in the form that templates write; null where it offers none.
fn tools(request: &Request) -> Value {
    if request.tools.is_empty() || request.tool_choice == Some(ToolChoice::None) {
        return Value::Null;
    }
    let one = |tool: &Tool| {
        let parameters = tool.parameters.clone().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
        let description = tool.description.clone().unwrap_or_default();
        json!({"type": "function",
            "function": {"name": tool.name, "description": description, "parameters": parameters}})
    };
    request.tools.iter().map(one).collect()
}

/// What templates read besides the messages: whether to think.
fn options(request: &Request) -> Map<String, Value> {
    let mut options = Map::new();
    if let Some(ask) = &request.reasoning {
        let is_off = ask.effort == Some(Effort::None) || ask.budget_tokens == Some(0);
        options.insert("enable_thinking".into(), (!is_off).into());
    }
    options
}

/// What is left to the engine is greedy: a small model's likeliest answer is its best.
fn sampling(request: &Request) -> Sampling {
    let asked = &request.sampling;
    let or = |number: Option<f64>, stock: f32| number.map_or(stock, |number| number as f32);
    let stock = Sampling::default();
    Sampling {
        temperature: or(asked.temperature, stock.temperature),
        top_k: asked.top_k.map_or(stock.top_k, |count| count as usize),
        top_p: or(asked.top_p, stock.top_p),
        min_p: or(asked.min_p, stock.min_p),
        repetition: stock.repetition,
        frequency: or(asked.frequency_penalty, stock.frequency),
        presence: or(asked.presence_penalty, stock.presence),
        seed: asked.seed.map_or(stock.seed, i64::cast_unsigned),
        logprobs: asked.logprobs.map(usize::from),
    }
}

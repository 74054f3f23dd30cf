//! A call as the engine takes it.

use serde_json::{Map, Value, json};
use tierway_engine::chat::Chat;
use tierway_engine::engine::Request as EngineRequest;
use tierway_engine::sampler::Sampling;

use crate::error::{Kind, ProviderError, Retry};
use crate::message::{Content, Message, Role};
use crate::provider::Call;
use crate::request::{Effort, Request, ResponseFormat};

/// The engine's request for a call.
///
/// # Errors
/// `Unsupported` where the call asks for what the engine does not do; policy refuses such calls before by the model's
/// capabilities, so this is for cards that promise too much.
pub(super) fn request(call: &Call, chat: &Chat) -> Result<EngineRequest, ProviderError> {
    let request = call.request();
    refuse(request)?;
    let messages = request.messages.iter().map(message).collect::<Result<Vec<Value>, _>>()?;
    let prompt = chat.prompt(&Value::Array(messages), &options(request)).map_err(|error| super::tell::error(&error))?;
    Ok(EngineRequest {
        prompt: prompt.tokens,
        tokens_most: usize::try_from(call.max_tokens()).unwrap_or(usize::MAX),
        sampling: sampling(request),
        stop_texts: request.sampling.stop.clone(),
        stop_tokens: chat.stop_tokens().clone(),
        thinking: prompt.thinking,
    })
}

fn refuse(request: &Request) -> Result<(), ProviderError> {
    let is_json = !matches!(request.format, None | Some(ResponseFormat::Text));
    let asked = [
        (!request.tools.is_empty(), "tools"),
        (is_json, "answers held to JSON"),
        (request.sampling.candidates.is_some_and(|count| count > 1), "several answers to one request"),
    ];
    match asked.into_iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => Err(unsupported(what)),
        None => Ok(()),
    }
}

fn unsupported(what: &str) -> ProviderError {
    let text = format!("the native engine does not do {what}: ask another model");
    ProviderError::new(Kind::Unsupported, Retry::Elsewhere, text).unsent()
}

fn message(message: &Message) -> Result<Value, ProviderError> {
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => return Err(unsupported("tools")),
    };
    let mut text = String::new();
    for part in &message.parts {
        match &part.content {
            Content::Text { text: more } => text.push_str(more),
            // A model's earlier thinking is not shown to it again: templates leave it out as well.
            Content::Reasoning { .. } => {}
            _ => return Err(unsupported("anything but text")),
        }
    }
    Ok(json!({"role": role, "content": text}))
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

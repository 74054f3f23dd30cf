//! Which wire speaks which format. One line a format; a new one adds its line to both functions.

use serde_json::Value;

use super::Wire;
use super::chat_completions::{self, ChatCompletions};
use super::cohere_chat::{self, CohereChat};
use super::converse::{self, Converse};
use super::generate_content::{self, GenerateContent};
use super::invoke::Invoke;
use super::messages::{self, Messages};
use super::ollama_chat::{self, OllamaChat, OllamaGenerate};
use super::responses::Responses;
use crate::model::{Api, Dialect};
use crate::usage::Usage;

/// The wire that speaks a format; none for the engine, which needs no bytes, and for formats without a chat.
pub fn for_api(api: Api) -> Option<&'static dyn Wire> {
    match api {
        Api::ChatCompletions => Some(&ChatCompletions),
        Api::Responses => Some(&Responses),
        Api::Messages => Some(&Messages),
        Api::CohereChat => Some(&CohereChat),
        Api::OllamaChat => Some(&OllamaChat),
        Api::OllamaGenerate => Some(&OllamaGenerate),
        Api::Invoke => Some(&Invoke),
        Api::Converse => Some(&Converse),
        Api::GenerateContent => Some(&GenerateContent),
        Api::Engine | Api::Embeddings => None,
    }
}

/// Reads a usage object alone, as it stands in a reply of this format: for bills that were stored.
pub fn usage_of(api: Api, usage: &Value, dialect: &Dialect) -> Option<Usage> {
    match api {
        Api::ChatCompletions | Api::Responses => Some(chat_completions::read_usage(usage, dialect)),
        Api::Messages => Some(messages::usage(usage)),
        Api::CohereChat => Some(cohere_chat::usage(usage)),
        Api::OllamaChat | Api::OllamaGenerate => Some(ollama_chat::usage(usage)),
        Api::Invoke if usage.get("inputTokens").is_some() => Some(converse::usage(usage)),
        Api::Invoke => Some(messages::usage(usage)),
        Api::Converse => Some(converse::usage(usage)),
        Api::GenerateContent => Some(generate_content::usage(usage)),
        Api::Engine | Api::Embeddings => None,
    }
}

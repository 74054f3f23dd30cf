//! A model's own way to read and write: tokenizer, chat template, and the tokens that end a turn, from its files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Map, Value as Json};

use crate::error::EngineError;
use crate::limits::{CONFIG_BYTES_MAX, TEMPLATE_BYTES_MAX, TOKENIZER_BYTES_MAX};
use crate::model::Source;
use crate::model::read_text;
use crate::shape::{Shape, Shapes};
use crate::template::Template;
use crate::tokenizer::Tokenizer;
use crate::weights::gguf::{Metadata, Value};
use crate::writer::Thinking;

/// Texts of tokens that end a turn in published templates; those that a vocabulary has as special tokens count.
const TURN_ENDS: &[&str] = &[
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<｜end▁of▁sentence｜>",
    "</s>",
];

/// Everything about a model that is text.
#[derive(Debug)]
pub struct Chat {
    tokenizer: Tokenizer,
    template: Option<Template>,
    stop_tokens: BTreeSet<u32>,
    thinks: bool,
    /// Made when an answer is first held to a schema.
    shapes: OnceLock<Result<Shapes, String>>,
}

/// A conversation as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Where thinking stands at the prompt's end.
    pub thinking: Thinking,
}

impl Chat {
    /// From a model's files.
    ///
    /// # Errors
    /// `File` where the tokenizer is missing, `Tokenizer` or `Template` where it can't be used.
    pub fn open(source: &Source) -> Result<Chat, EngineError> {
        let mut stop_tokens: BTreeSet<u32> = source.config.stop_tokens.iter().copied().collect();
        let (tokenizer, template, [begin, end]) = match &source.metadata {
            Some(metadata) => of_gguf(metadata)?,
            None => of_folder(&source.folder, &mut stop_tokens)?,
        };
        stop_tokens.extend(
            TURN_ENDS.iter().filter_map(|text| tokenizer.find(text)).filter(|id| tokenizer.bytes(*id).is_empty()),
        );
        stop_tokens.extend(tokenizer.find(&end));
        let thinks = template.as_ref().is_some_and(|source| source.contains("<think>"));
        let template = template.map(|source| Template::new(&source, &begin, &end)).transpose()?;
        Ok(Chat { tokenizer, template, stop_tokens, thinks, shapes: OnceLock::new() })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Tokens that end an answer.
    pub fn stop_tokens(&self) -> &BTreeSet<u32> {
        &self.stop_tokens
    }

    /// Whether there is a chat template.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// Whether the chat template writes the tools that a conversation offers, and has calls written in `<tool_call>` marks.
    pub fn takes_tools(&self) -> bool {
        self.template.as_ref().is_some_and(Template::takes_tools)
    }

    /// Whether the model thinks aloud before it answers.
    pub fn thinks(&self) -> bool {
        self.thinks
    }

    /// A conversation as the model wants it: messages with `role` and `content`, and tools in the common JSON form, or
    /// null. Special tokens that a user wrote are read as mere text.
    ///
    /// # Errors
    /// `Template` where there is none or it fails, `Request` or `Tokenizer` where the text can't be encoded.
    pub fn prompt(&self, messages: &Json, tools: &Json, options: &Map<String, Json>) -> Result<Prompt, EngineError> {
        let Some(template) = &self.template else {
            return Err(EngineError::Template { what: "the model has none: give it plain text to go on from".into() });
        };
        let text = template.render(&self.guarded(messages), &self.guarded(tools), options)?;
        let tail = text.trim_end();
        let thinking = match self.thinks {
            false => Thinking::Never,
            true if tail.ends_with("<think>") => Thinking::Opened,
            true => Thinking::Marked,
        };
        Ok(Prompt { tokens: self.tokenizer.encode(&text)?, thinking })
    }

    /// Plain text to go on from.
    ///
    /// # Errors
    /// As `Tokenizer::encode`.
    pub fn completion(&self, text: &str) -> Result<Prompt, EngineError> {
        let mut tokens: Vec<u32> = self.tokenizer.begin().into_iter().collect();
        tokens.extend(self.tokenizer.encode(&self.tokenizer.guard(text))?);
        Ok(Prompt { tokens, thinking: Thinking::Never })
    }

    /// What holds an answer to a JSON Schema; `{"type": "object"}` is any object.
    ///
    /// # Errors
    /// `Request` where the schema is too large or asks for what cannot be held to; `Unsupported` where the vocabulary
    /// cannot be used for it.
    pub fn shape(&self, schema: &Json) -> Result<Shape, EngineError> {
        let make = || Shapes::new(&self.tokenizer, &self.stop_tokens).map_err(|error| error.to_string());
        match self.shapes.get_or_init(make) {
            Ok(shapes) => shapes.shape(schema),
            Err(what) => Err(EngineError::unsupported(what.clone())),
        }
    }

    /// The same with every text guarded; names of fields are the caller's own.
    fn guarded(&self, value: &Json) -> Json {
        match value {
            Json::String(text) => Json::String(self.tokenizer.guard(text)),
            Json::Array(list) => list.iter().map(|inner| self.guarded(inner)).collect(),
            Json::Object(fields) => {
                Json::Object(fields.iter().map(|(name, inner)| (name.clone(), self.guarded(inner))).collect())
            }
            other => other.clone(),
        }
    }
}

/// Tokenizer, template, and the texts of the tokens that begin and end a sequence.
type Parts = (Tokenizer, Option<String>, [String; 2]);

fn of_gguf(metadata: &Metadata) -> Result<Parts, EngineError> {
    let tokenizer = Tokenizer::from_gguf(metadata)?;
    let text = |name: &str| match metadata.get(&format!("tokenizer.ggml.{name}")) {
        Some(Value::Whole(id)) => {
            let id = u32::try_from(*id).unwrap_or(u32::MAX);
            String::from_utf8_lossy(tokenizer.spelled(id)).into_owned()
        }
        _ => String::new(),
    };
    let ends = [text("bos_token_id"), text("eos_token_id")];
    let template = match metadata.get("tokenizer.chat_template") {
        Some(Value::Text(source)) => Some(source.clone()),
        _ => None,
    };
    Ok((tokenizer, template, ends))
}

fn of_folder(folder: &Path, stop_tokens: &mut BTreeSet<u32>) -> Result<Parts, EngineError> {
    let tokenizer = Tokenizer::from_json(&read_text(&folder.join("tokenizer.json"), TOKENIZER_BYTES_MAX)?)?;
    let config = optional_json(&folder.join("tokenizer_config.json"))?;
    // A token is a text, or an object with its text.
    let text = |name: &str| {
        let token = &config[name];
        token.as_str().or_else(|| token["content"].as_str()).unwrap_or_default().to_owned()
    };
    let generation = optional_json(&folder.join("generation_config.json"))?;
    let stops = &generation["eos_token_id"];
    let listed = stops.as_array().map_or(std::slice::from_ref(stops), Vec::as_slice).iter().take(256);
    stop_tokens.extend(listed.filter_map(Json::as_u64).filter_map(|id| u32::try_from(id).ok()));
    let file = folder.join("chat_template.jinja");
    let template = if file.exists() {
        Some(read_text(&file, TEMPLATE_BYTES_MAX as u64)?)
    } else {
        template_of(&config["chat_template"])
    };
    Ok((tokenizer, template, [text("bos_token"), text("eos_token")]))
}

/// One template, or several by name of which the default counts.
fn template_of(field: &Json) -> Option<String> {
    if let Some(source) = field.as_str() {
        return Some(source.to_owned());
    }
    let list = field.as_array()?;
    let named = list.iter().find(|entry| entry["name"] == "default").or(list.first())?;
    named["template"].as_str().map(str::to_owned)
}

/// A JSON file; null where it is not there.
fn optional_json(path: &Path) -> Result<Json, EngineError> {
    if !path.exists() {
        return Ok(Json::Null);
    }
    let text = read_text(path, 16 * CONFIG_BYTES_MAX)?;
    crate::json::tree(&text).map_err(|what| EngineError::malformed(path, "JSON", what))
}

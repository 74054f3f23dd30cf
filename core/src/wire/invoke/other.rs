//! Bodies of models that are not Anthropic's: read, and written again as they stood.
//!
//! Nova's body is Converse's and that of several vendors is chat completions', so these are read as such. The rest is one
//! prompt, whose settings have other names with each vendor and stay as they are.

use serde_json::{Map, Value};

use crate::error::ProviderError;
use crate::message::{Message, joined_text};
use crate::model::Api;
use crate::request::RequestDraft;
use crate::vendor_fields::VendorFields;
use crate::wire::json::take_if;
use crate::wire::turns::{object, unsupported};
use crate::wire::{Ask, Mode, Parsed, chat_completions, converse};

const API: Api = Api::Invoke;
/// Our note on whose body was read: a prompt's field, or one of the two below.
const SHAPE: &str = "$shape";
const NOVA: &str = "nova";
const CHAT: &str = "chat";
/// Fields in which vendors take their one prompt.
const PROMPTS: [&str; 3] = ["prompt", "inputText", "message"];
/// Fields that say how many tokens an answer may have: Llama's, Mistral's, Jurassic's, and those of completions.
const MOST: [&str; 4] = ["max_gen_len", "max_tokens", "maxTokens", "max_tokens_to_sample"];

/// Reads a body.
pub(super) fn parse(body: Value) -> Result<Parsed, ProviderError> {
    let is_nova = ["schemaVersion", "inferenceConfig", "toolConfig"].iter().any(|name| body.get(name).is_some());
    let has_blocks = body["messages"][0]["content"][0].get("text").is_some();
    let has_types = body["messages"][0]["content"][0].get("type").is_some();
    let (mut parsed, shape) = match body.get("messages") {
        Some(_) if is_nova || (has_blocks && !has_types) => (converse::parse_request(body)?, NOVA.to_owned()),
        Some(_) => (chat_completions::parse_request(body)?, CHAT.to_owned()),
        None => prompt(body)?,
    };
    parsed.draft.vendor.set(API, SHAPE, shape.into());
    Ok(parsed)
}

fn prompt(body: Value) -> Result<(Parsed, String), ProviderError> {
    let mut body = object(body, "body")?;
    let text_of = |value: &Value| value.as_str().map(str::to_owned);
    let found = PROMPTS.iter().find_map(|name| Some((*name, take_if(&mut body, name, text_of)?)));
    let Some((name, words)) = found else {
        return Err(unsupported("the body is of no model that answers in words: embeddings have calls of their own"));
    };
    let mut draft = RequestDraft { messages: vec![Message::user(words)], ..RequestDraft::default() };
    for field in MOST {
        if draft.max_tokens.is_none() {
            draft.max_tokens = take_if(&mut body, field, Value::as_u64);
            if draft.max_tokens.is_some() {
                draft.vendor.set(API, "$max_tokens", field.into());
            }
        }
    }
    draft.vendor.extend(VendorFields::of(API, body));
    Ok((Parsed { draft, wire_model: String::new(), mode: Mode::Unary }, name.to_owned()))
}

/// The body of a request that was read here; `None` for any other.
pub(super) fn body(ask: &Ask<'_>, mode: Mode) -> Result<Option<Map<String, Value>>, ProviderError> {
    let vendor = &ask.draft.vendor;
    let Some(shape) = vendor.field(API, SHAPE).and_then(Value::as_str) else { return Ok(None) };
    let mut body = match shape {
        NOVA => converse::body(ask)?,
        CHAT => chat_completions::body(ask, mode)?,
        name => {
            let words = ask.draft.messages.iter().map(|message| joined_text(&message.parts)).collect::<Vec<_>>();
            let most = vendor.field(API, "$max_tokens").and_then(Value::as_str);
            let mut body = Map::from_iter([(name.to_owned(), words.join("\n\n").into())]);
            if let Some(most) = most {
                body.insert(most.to_owned(), ask.max_tokens.into());
            }
            body
        }
    };
    // The path names the model, and says whether a stream is wanted.
    body.shift_remove("model");
    vendor.write_into(API, &mut body);
    Ok(Some(body))
}

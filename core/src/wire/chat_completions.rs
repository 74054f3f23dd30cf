//! OpenAI chat completions, and the many vendors that copy it.
//!
//! What the copies do differently is data: `Dialect` fields, and these entries of `Dialect::more`:
//! - `schema = plain`: schemas go as they are; otherwise a strict one is told in OpenAI's strict dialect
//! - `developer_role = yes`: the role `developer` is known; otherwise it is written `system`
//! - `reasoning = effort | object | thinking`: how to ask for thought: `reasoning_effort` (the default), OpenRouter's
//!   `reasoning` object, or a `thinking` switch, with words beside it where `efforts` lists them
//! - `efforts = low,medium,high`: the words for effort that the vendor takes, weakest first
//! - `cache_control = yes`: parts take Anthropic's cache marks; otherwise they are left out
//! - `file_url = yes`: a file may be given by its address
//! - `tool_media = yes`: results of tools may hold pictures; otherwise these follow in a message of the user
//!
//! A note whose name starts with `$` in the vendor fields records how a body wrote something that has several spellings.

use serde_json::{Map, Value};

use super::plain::Body;
use super::{Ask, HttpRequest, HttpResponse, Mode, Parsed, StreamDecoder, Wire, errors, json};
use crate::error::ProviderError;
use crate::model::{Api, Dialect};
use crate::reply::Reply;

mod chunk;
mod decode;
mod logprobs;
mod parse;
mod parse_message;
mod stream;
mod usage;
mod whole;
mod write;
mod write_message;

pub(super) use decode::reply;
pub(super) use parse::request as parse_request;
pub(super) use stream::Chunks;
pub(super) use usage::{read as read_usage, tier as read_tier};
pub(super) use write::body;
#[cfg(all(test, feature = "quick"))]
pub(super) use write::plain;

const API: Api = Api::ChatCompletions;

/// The chat completions format.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChatCompletions;

impl Wire for ChatCompletions {
    fn api(&self) -> Api {
        API
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        let body = Body::of(write::plain(ask), || write::rest(ask, mode, Map::new()), || write::body(ask, mode))?;
        Ok(body.request(path(ask, "/chat/completions")))
    }

    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError> {
        parse::request(json::body(body)?)
    }

    fn decode(&self, response: HttpResponse<'_>, dialect: &Dialect) -> Result<Reply, ProviderError> {
        if !(200..300).contains(&response.status) {
            return Err(errors::of_response(&response));
        }
        if cfg!(feature = "quick")
            && let Some(reply) = whole::reply(response.body, dialect)
        {
            return Ok(reply);
        }
        let body = json::body(response.body)?;
        decode::reply(body, response.status, response.headers, dialect)
    }

    fn decoder(&self, dialect: &Dialect) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(dialect.clone()))
    }
}

/// The path of a request: the dialect's own, with the model's wire name in it, or `stock`.
pub(super) fn path(ask: &Ask<'_>, stock: &str) -> String {
    let path = ask.endpoint.dialect.path.as_deref().unwrap_or(stock);
    path.replace("{model}", &ask.card.wire_name)
}

/// Whether a field holds nothing: null, `""`, `[]`, `{}`.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(inner) => inner.is_empty(),
        _ => false,
    }
}

/// Adds the fields of `more` that are not there yet.
fn add_missing(object: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        if !object.contains_key(name) {
            object.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod copies;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vendors;

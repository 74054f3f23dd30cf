//! OpenAI Responses, and the vendors that copy it.
//!
//! A conversation is a list of items. Items of tools that the vendor runs, and reasoning, are kept whole under the note
//! `$whole` and sent back as they came. Nothing is stored at the vendor unless the request's vendor fields ask for it,
//! so reasoning travels in its encrypted form. Entries of `Dialect::more`:
//! - `instructions = in_place`: instructions stay messages; otherwise those that open the conversation have their field
//! - `efforts = low,medium,high`: the words for how hard to think that the vendor takes
//! - `schema = plain`: strict schemas go as they are, not in OpenAI's strict dialect
//!
//! A note whose name starts with `$` in the vendor fields records how a body wrote something that has several spellings.

use serde_json::{Map, Value};

use super::turns::path;
use super::{Ask, HttpRequest, HttpResponse, Mode, Parsed, StreamDecoder, Wire, errors, json};
use crate::error::ProviderError;
use crate::model::{Api, Dialect};
use crate::reply::Reply;

mod decode;
mod parse;
mod parse_item;
mod stream;
#[cfg(test)]
mod tests;
mod write;
mod write_item;

const API: Api = Api::Responses;
/// Our note of an item that is kept whole.
const WHOLE: &str = "$whole";
/// Our note of a piece of a message that is kept whole.
const PIECE: &str = "$piece";
/// Our note of the fields of the message that a part opens.
const ITEM: &str = "$item";
/// Our note of a content that stood in a list.
const LIST: &str = "$list";
/// Our note of a tool that takes free text.
const CUSTOM: &str = "$custom";
/// Our note of instructions that stood in their own field.
const INSTRUCTIONS: &str = "$instructions";
/// Our note of a piece's type where its speaker has another by default.
const TYPE: &str = "$type";
/// What must be asked for so that log-probabilities come.
const LOGPROBS: &str = "message.output_text.logprobs";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

impl Wire for Responses {
    fn api(&self) -> Api {
        API
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        let body = write::body(ask, mode)?;
        Ok(HttpRequest::json(path(ask, mode, "/responses", "/responses"), body))
    }

    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError> {
        if !cfg!(feature = "requests") {
            return Err(super::unread(self.api()));
        }
        parse::body(body)
    }

    fn decode(&self, response: HttpResponse<'_>, dialect: &Dialect) -> Result<Reply, ProviderError> {
        if !(200..300).contains(&response.status) {
            return Err(errors::of_response(&response));
        }
        decode::reply(&json::body(response.body)?, response.status, response.headers, dialect)
    }

    fn decoder(&self, dialect: &Dialect) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(dialect.clone()))
    }
}

/// The fields of `object` that are not `known`.
fn rest_of(object: &Map<String, Value>, known: &[&str]) -> Map<String, Value> {
    let rest = object.iter().filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    rest.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Adds the fields of `more` that are not there yet.
fn add_missing(object: &mut Map<String, Value>, more: Option<&Value>) {
    for (name, value) in more.and_then(Value::as_object).into_iter().flatten() {
        if !object.contains_key(name) {
            object.insert(name.clone(), value.clone());
        }
    }
}

//! Bedrock Converse: one format for the models of many vendors, with a binary event stream.
//!
//! Speakers alternate, so neighbouring turns are merged. Reasoning goes back with its signature; reasoning of other
//! formats is left out. What only some models take (thinking, `top_k`) travels in `additionalModelRequestFields`.

use super::turns::path;
use super::{Ask, HttpRequest, HttpResponse, Mode, Parsed, StreamDecoder, Wire, json};
use crate::error::ProviderError;
use crate::model::{Api, Dialect};
use crate::reply::Reply;

mod decode;
mod media;
mod parse;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub(super) use decode::{refused, reply, usage};
pub(super) use parse::request as parse_request;
pub(super) use stream::{Events, failure};
pub(super) use write::body;

/// Our note on reasoning that came from this format, signed or not.
const OWN_REASONING: &str = "$reasoning";
/// Our note on a tool's answer that stood as JSON.
const IS_JSON: &str = "$json";
/// Our note with a schema's text as it stood.
const SCHEMA_TEXT: &str = "$schema_text";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct Converse;

impl Wire for Converse {
    fn api(&self) -> Api {
        Api::Converse
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        let body = body(ask)?;
        let path = path(ask, mode, "/model/{model}/converse", "/model/{model}/converse-stream");
        Ok(HttpRequest::json(path, body))
    }

    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError> {
        if !cfg!(feature = "requests") {
            return Err(super::unread(self.api()));
        }
        parse::request(json::body(body)?)
    }

    fn decode(&self, response: HttpResponse<'_>, _dialect: &Dialect) -> Result<Reply, ProviderError> {
        decode::answer(response)
    }

    fn decoder(&self, _dialect: &Dialect) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }
}

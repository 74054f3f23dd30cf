//! Gemini generateContent, on Google AI and on Vertex.
//!
//! Thought signatures are kept in vendor fields and sent back with their parts: the vendor refuses calls without them.
//! Calls have no id at the vendor where it gives none, so one is made from the answer's id and the place, and is not
//! sent back; results find their call by name.

use super::turns::path;
use super::{Ask, HttpRequest, HttpResponse, Mode, Parsed, StreamDecoder, Wire, header, json};
use crate::error::ProviderError;
use crate::model::{Api, Dialect};
use crate::reply::Reply;

mod decode;
mod parse;
mod partial;
#[cfg(test)]
mod tests;
mod usage;
mod write;

pub(super) use usage::usage;

/// What ids of our making start with.
const MADE_ID: &str = "gemini_call_";
/// Our note on reasoning that came from this format, signed or not.
const THOUGHT: &str = "$thought";
/// Our note on the field that a schema stood in.
const SCHEMA_FIELD: &str = "$schema_field";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct GenerateContent;

impl Wire for GenerateContent {
    fn api(&self) -> Api {
        Api::GenerateContent
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        let body = write::body(ask)?;
        // A base URL that names a project is Vertex's, where models stand under their publisher.
        let base = &ask.endpoint.base_url;
        let unary = match base.contains("/projects/") && !base.contains("/publishers/") {
            true => "/publishers/google/models/{model}:generateContent",
            false => "/models/{model}:generateContent",
        };
        let mut path = path(ask, mode, unary, unary);
        if mode == Mode::Stream && !ask.endpoint.dialect.more.contains_key("stream_path") {
            path = path.replace(":generateContent", ":streamGenerateContent?alt=sse");
        }
        let mut request = HttpRequest::json(path, body);
        if let Some(lane) = write::shared_lane(ask) {
            request.headers.push(header("x-vertex-ai-llm-shared-request-type", lane));
        }
        Ok(request)
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
        Box::new(decode::Decoder::new())
    }
}

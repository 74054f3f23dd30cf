//! Anthropic Messages, at Anthropic itself, on Vertex and, with `invoke`, on Bedrock.
//!
//! Instructions travel in their own field, tool results as a user's blocks. Signed and redacted thinking is kept in
//! vendor fields and sent back as it came; thinking of other vendors, which has no signature, is left out.

use serde_json::{Map, Value};

use super::plain::Body;
use super::turns::path;
use super::{Ask, HttpRequest, HttpResponse, Mode, Parsed, StreamDecoder, Wire, header, json};
use crate::error::ProviderError;
use crate::model::{Api, Dialect};
use crate::reply::Reply;

mod decode;
mod marks;
mod parse;
mod schema;
mod stream;
#[cfg(test)]
mod tests;
mod whole;
mod write;

pub(super) use decode::{reply, usage};
pub(super) use parse::request as parse_request;
pub(super) use schema::held_to;
pub(super) use stream::Events;
pub(super) use write::body;
#[cfg(all(test, feature = "quick"))]
pub(super) use write::plain;

/// The version that requests name where the endpoint names none.
const VERSION: &str = "2023-06-01";
/// The tool that stands for the answer's schema where a model has no structured output of its own: its call is read
/// back as text.
pub(super) const ANSWER_TOOL: &str = "tierway_answer";
/// Our note on instructions that stood in the middle of the conversation, where new models take them.
const IN_PLACE: &str = "$in_place";
/// Our note on a request that said an effort without asking for thinking.
const EFFORT_ONLY: &str = "$effort_only";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct Messages;

impl Wire for Messages {
    fn api(&self) -> Api {
        Api::Messages
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        let mut headers = Vec::new();
        let api = Api::Messages;
        let mut written = Body::of(write::plain(ask, api), || write::rest(ask, api, Map::new()), || body(ask, api))?;
        match ask.endpoint.dialect.more.get("anthropic_version") {
            // Vertex names the model in the path and the version in the body.
            Some(version) => written.add("anthropic_version", version),
            None => {
                written.add("model", &ask.card.wire_name);
                if !ask.endpoint.headers.keys().any(|name| name.eq_ignore_ascii_case("anthropic-version")) {
                    headers.push(header("anthropic-version", VERSION));
                }
            }
        }
        let body = &mut written.rest;
        if let Some(Value::Array(betas)) = body.shift_remove("betas") {
            let betas: Vec<&str> = betas.iter().filter_map(Value::as_str).collect();
            headers.push(header("anthropic-beta", betas.join(",")));
        }
        if mode == Mode::Stream {
            body.insert("stream".to_owned(), true.into());
        }
        let path = path(ask, mode, "/messages", "/messages");
        let mut request = written.request(path);
        request.headers.append(&mut headers);
        Ok(request)
    }

    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError> {
        if !cfg!(feature = "requests") {
            return Err(super::unread(self.api()));
        }
        parse::request(json::body(body)?, Api::Messages)
    }

    fn decode(&self, response: HttpResponse<'_>, _dialect: &Dialect) -> Result<Reply, ProviderError> {
        decode::answer(response)
    }

    fn decoder(&self, _dialect: &Dialect) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }
}

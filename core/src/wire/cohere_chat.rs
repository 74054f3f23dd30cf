//! Cohere v2 chat.
//!
//! A tool turn's plan is its reasoning. What is billed is not what is counted: usage takes the billed units, and the
//! counted tokens stay in vendor fields.

use super::turns::path;
use super::{Ask, HttpRequest, HttpResponse, Mode, Parsed, StreamDecoder, Wire, json};
use crate::error::ProviderError;
use crate::model::{Api, Dialect};
use crate::reply::Reply;

mod decode;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub(super) use decode::{stop_reason, usage};

/// Our note on reasoning that was a tool turn's plan.
const PLAN: &str = "$tool_plan";
/// Our note on a content that stood as a list.
const LISTED: &str = "$listed";
/// Our note on the word that a schema stood under.
const SCHEMA_FIELD: &str = "$schema_field";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct CohereChat;

impl Wire for CohereChat {
    fn api(&self) -> Api {
        Api::CohereChat
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        let mut body = write::body(ask)?;
        body.insert("stream".to_owned(), (mode == Mode::Stream).into());
        let path = path(ask, mode, "/chat", "/chat");
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
        Box::new(decode::Decoder::default())
    }
}

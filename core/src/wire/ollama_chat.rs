//! Ollama's own chat and completion: JSON lines, arguments as objects, durations beside the counts.

use serde_json::Value;

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

pub(super) use decode::usage;

/// What ids of our making start with: older servers give calls none.
const MADE_ID: &str = "ollama_call_";

/// The chat.
#[derive(Clone, Copy, Debug)]
pub struct OllamaChat;

/// The completion, which knows one prompt and no turns.
#[derive(Clone, Copy, Debug)]
pub struct OllamaGenerate;

fn request(ask: &Ask<'_>, mode: Mode, way: &str, mut body: serde_json::Map<String, Value>) -> HttpRequest {
    body.insert("stream".to_owned(), (mode == Mode::Stream).into());
    HttpRequest::json(path(ask, mode, way, way), body)
}

impl Wire for OllamaChat {
    fn api(&self) -> Api {
        Api::OllamaChat
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        Ok(request(ask, mode, "/api/chat", write::chat(ask)?))
    }

    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError> {
        if !cfg!(feature = "requests") {
            return Err(super::unread(self.api()));
        }
        parse::request(json::body(body)?, Api::OllamaChat)
    }

    fn decode(&self, response: HttpResponse<'_>, _dialect: &Dialect) -> Result<Reply, ProviderError> {
        decode::answer(response, Api::OllamaChat)
    }

    fn decoder(&self, _dialect: &Dialect) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(Api::OllamaChat))
    }
}

impl Wire for OllamaGenerate {
    fn api(&self) -> Api {
        Api::OllamaGenerate
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        Ok(request(ask, mode, "/api/generate", write::generate(ask)?))
    }

    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError> {
        if !cfg!(feature = "requests") {
            return Err(super::unread(self.api()));
        }
        parse::request(json::body(body)?, Api::OllamaGenerate)
    }

    fn decode(&self, response: HttpResponse<'_>, _dialect: &Dialect) -> Result<Reply, ProviderError> {
        decode::answer(response, Api::OllamaGenerate)
    }

    fn decoder(&self, _dialect: &Dialect) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(Api::OllamaGenerate))
    }
}

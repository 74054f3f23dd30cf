//! Vendors' formats: pure translation between our types and bytes. One file a format; nothing here reads a socket.
//!
//! A wire never holds a key: the transport adds it after `encode`, so no fixture can leak one. What differs between two
//! vendors of one format is data in the endpoint's `Dialect`, never a branch on the vendor's name.

use std::borrow::Cow;
use std::fmt::Debug;

use serde_json::{Map, Value};

use crate::error::{Kind, ProviderError, Retry};
use crate::model::{Api, Dialect, Endpoint, ModelCard};
use crate::provider::Call;
use crate::reply::{Delta, Reply};
use crate::request::RequestDraft;

pub mod batch;
pub mod cohere_v1;
pub mod embeddings;
pub mod errors;
pub mod json;
pub mod lines;
pub mod schema;
pub mod sse;
pub mod verbatim;

mod chat_completions;
mod cohere_chat;
mod converse;
mod dial;
#[cfg(test)]
mod documented;
mod eventstream;
mod fields;
mod generate_content;
mod headers;
mod invoke;
mod messages;
mod ollama_chat;
mod plain;
mod registry;
mod responses;
mod rest;
mod sigv4;
#[cfg(test)]
mod tests;
mod turns;

pub use cohere_chat::CohereChat;
pub use converse::Converse;
pub use eventstream::{Frame, Frames};
pub use generate_content::GenerateContent;
pub use headers::Headers;
pub use invoke::Invoke;
pub use messages::Messages;
pub use ollama_chat::{OllamaChat, OllamaGenerate};
pub use registry::{for_api, usage_of};
pub use responses::Responses;
pub use sigv4::{Credentials, Signing, aws_region, sign};

/// Whether an answer comes whole or piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whole.
    Unary,
    /// Piece by piece.
    Stream,
}

/// A request as bytes, without a key. The method is always POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// What follows the endpoint's base URL: `/chat/completions`, with a query if the format has one.
    pub path: String,
    /// Header names in lower case and their values, without any credential.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Vec<u8>,
}

/// A header's name, in lower case, and its value. Most are the same for every request, and are not copied.
pub type Header = (Cow<'static, str>, Cow<'static, str>);

pub(crate) fn header(name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Header {
    (name.into(), value.into())
}

impl HttpRequest {
    /// A body of JSON to this path.
    pub(crate) fn json(path: String, body: Map<String, Value>) -> HttpRequest {
        HttpRequest::of_json(path, json::bytes(&Value::Object(body)))
    }

    /// A body that is JSON already.
    fn of_json(path: String, body: Vec<u8>) -> HttpRequest {
        HttpRequest { path, headers: vec![header("content-type", "application/json")], body }
    }
}

/// A whole answer as bytes.
#[derive(Clone, Copy, Debug)]
pub struct HttpResponse<'a> {
    /// The status.
    pub status: u16,
    /// Header names in lower case and their values.
    pub headers: &'a Headers,
    /// The body, decompressed.
    pub body: &'a [u8],
}

impl HttpResponse<'_> {
    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

/// All that a wire needs to write a request. It is no proof that the request may be sent: only a `Call` is.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What is asked.
    pub draft: &'a RequestDraft,
    /// The model that is asked: what it does not take is left out, moved or refused.
    pub card: &'a ModelCard,
    /// Where it is asked: its dialect and region.
    pub endpoint: &'a Endpoint,
    /// Most tokens of output, reasoning included.
    pub max_tokens: u64,
}

impl<'a> Ask<'a> {
    /// What an admitted call asks.
    pub fn of(call: &'a Call) -> Ask<'a> {
        Ask { draft: call.request(), card: call.card(), endpoint: call.endpoint(), max_tokens: call.max_tokens() }
    }
}

/// What a vendor's format is.
pub trait Wire: Debug + Send + Sync {
    /// The format's name.
    fn api(&self) -> Api;

    /// Writes a request. `max_tokens` is always in the body.
    ///
    /// # Errors
    /// `Kind::Encode` or `Kind::Unsupported`, never sent, where the format cannot say what was asked.
    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError>;

    /// Writes a call.
    ///
    /// # Errors
    /// Those of `write`.
    fn encode(&self, call: &Call, mode: Mode) -> Result<HttpRequest, ProviderError> {
        self.write(&Ask::of(call), mode)
    }

    /// Reads a request body of this format into our types, losing nothing that the vendor documents: what has no
    /// common field goes to vendor fields. Whether a stream is asked for is said beside it.
    ///
    /// # Errors
    /// `Kind::Unsupported` in a build without the feature `requests`, chat completions excepted; `Kind::Protocol` with the path of the field that could not be read.
    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError>;

    /// Reads a whole answer, an error included. `dialect` is that of the endpoint.
    ///
    /// # Errors
    /// The vendor's error, classified; `Kind::Protocol` where the bytes are not of this format.
    fn decode(&self, response: HttpResponse<'_>, dialect: &Dialect) -> Result<Reply, ProviderError>;

    /// Starts to read a stream with status 200.
    fn decoder(&self, dialect: &Dialect) -> Box<dyn StreamDecoder>;
}

/// What is said where a build reads no bodies of this format.
fn unread(api: Api) -> ProviderError {
    let message = format!("this build reads no request bodies of {api}: build it with the feature `requests`");
    ProviderError::new(Kind::Unsupported, Retry::Never, message)
}

/// A request body read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What is asked. `model` is `Auto`: the body's own name for the model is in `wire_model`.
    pub draft: RequestDraft,
    /// The model as the body names it; empty where the format has it in the path.
    pub wire_model: String,
    /// Whether a stream is asked for.
    pub mode: Mode,
}

/// Reads a stream's bytes, however they are cut.
pub trait StreamDecoder: Debug + Send {
    /// Takes more bytes and appends the pieces they complete to `out`.
    ///
    /// # Errors
    /// The vendor's error inside the stream, or `Kind::Protocol`. Pieces before it are in `out`.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError>;

    /// Says that the bytes have ended, and appends what was held back.
    ///
    /// # Errors
    /// `Kind::Incomplete` where the answer had not ended.
    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError>;
}

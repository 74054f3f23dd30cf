//! Recorded traffic: one exchange with a vendor as a line of JSON, and what our wires make of it.
//!
//! A line is `{id, provider, api, request: {method, url, body}, response: {status, content_type, body, body_base64?,
//! retry_after?}}`. Nothing here trusts it: a line that is not of that shape is an error that says so.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::error::{Kind, ProviderError, Retry};
use crate::model::{Api, Dialect};
use crate::reply::{Assembler, Reply};
use crate::wire::{Headers, HttpResponse, StreamDecoder, Wire, cohere_v1, for_api};

/// Words in the last pieces of a path that say what a request is for, where that is no answer of a model.
const NO_CHAT: [(&str, &str); 24] = [
    ("embed", "an embedding"),
    ("embeddings", "an embedding"),
    ("batchembedcontents", "an embedding"),
    ("embedcontent", "an embedding"),
    ("predict", "a prediction of another kind of model"),
    ("counttokens", "a count of tokens"),
    ("count_tokens", "a count of tokens"),
    ("input_tokens", "a count of tokens"),
    ("compact", "a compaction of a conversation"),
    ("files", "an upload"),
    ("audio", "a call about audio"),
    ("images", "a call about pictures"),
    ("moderations", "a moderation"),
    ("batches", "a batch"),
    ("rerank", "a ranking"),
    ("models", "a list of models"),
    ("tokenize", "a count of tokens"),
    ("detokenize", "a count of tokens"),
    ("cachedcontents", "a prompt that is kept at the vendor"),
    ("conversations", "a conversation that is kept at the vendor"),
    ("containers", "a container that is kept at the vendor"),
    ("vector_stores", "a store of vectors at the vendor"),
    ("uploads", "an upload"),
    ("fine_tuning", "a training"),
];

/// One exchange.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// Its name in the recording.
    pub id: String,
    /// Whose server answered.
    pub provider: String,
    /// The format, by the name that recordings use.
    pub api: String,
    /// The request's method.
    pub method: String,
    /// The address that was asked.
    pub url: String,
    /// The request's body.
    pub request: Vec<u8>,
    /// The answer's status.
    pub status: u16,
    /// The answer's headers: those that were kept.
    pub headers: Headers,
    /// The answer's body as it went over the wire.
    pub body: Vec<u8>,
    /// Whether the answer is to be read as a stream, where that is known beforehand.
    pub is_stream: Option<bool>,
}

/// What our wires make of an exchange.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An answer.
    Reply(Box<Reply>),
    /// The vendor's error, or an answer that broke off: what came of it is in the error.
    Failed(Box<ProviderError>),
    /// Bytes of a format that no wire speaks, or that are not what their format says.
    Refused(Box<ProviderError>),
    /// No call for a model's answer, in words: `an embedding`.
    NoChat(String),
}

impl Exchange {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with the line, without its content.
    pub fn read(line: &[u8]) -> Result<Exchange, String> {
        let row: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}"))?;
        let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let response = row.get("response").filter(|response| response.is_object()).ok_or("no response in it")?;
        let api = row.get("api").and_then(Value::as_str).ok_or("no api in it")?;
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        let status = status.ok_or("no status in its response")?;
        let content_type = response["content_type"].as_str().unwrap_or_default().to_lowercase();
        let mut headers: Headers = [("content-type", content_type)].into_iter().collect();
        match &response["retry_after"] {
            Value::Null => {}
            Value::String(text) => headers.push("retry-after", text),
            other => headers.push("retry-after", &other.to_string()),
        }
        let mut exchange = Exchange {
            id: words(&row["id"]),
            provider: words(&row["provider"]),
            api: api.to_owned(),
            method: words(&row["request"]["method"]),
            url: words(&row["request"]["url"]),
            request: bytes(&row["request"]["body"]),
            status,
            headers,
            body: Vec::new(),
            is_stream: None,
        };
        exchange.body = exchange.body_of(response)?;
        Ok(exchange)
    }

    fn body_of(&self, response: &Value) -> Result<Vec<u8>, String> {
        let decoded = |text: &[u8]| BASE64_STANDARD.decode(text.trim_ascii());
        if let Value::String(text) = &response["body_base64"] {
            return decoded(text.as_bytes()).map_err(|error| format!("body_base64 is not base64: {error}"));
        }
        let body = bytes(&response["body"]);
        // Some binary bodies were recorded as base64 without a word.
        Ok(match self.content_type().contains("amazon.eventstream") {
            true => decoded(&body).unwrap_or(body),
            false => body,
        })
    }

    fn content_type(&self) -> &str {
        self.headers.get("content-type").unwrap_or("")
    }

    /// The format that the exchange's name for it stands for. Recordings call every path that ends in `/v1/chat`
    /// `chat`: of these, those in OpenAI's style have a wire, and Cohere's first API a reader of its own.
    pub fn format(&self) -> Option<Api> {
        if self.api == "chat" {
            let text = String::from_utf8_lossy(&self.body);
            return (text.contains("\"choices\"") || self.status >= 400).then_some(Api::ChatCompletions);
        }
        self.api.parse().ok()
    }

    /// Whether the answer is a stream: told from its status, its content type and its first bytes, since recordings
    /// keep streams under wrong types and whole bodies under a stream's.
    pub fn is_stream(&self) -> bool {
        if let Some(known) = self.is_stream {
            return known;
        }
        if !(200..300).contains(&self.status) {
            return false;
        }
        let (kind, body) = (self.content_type(), self.body.trim_ascii_start());
        let starts = |words: &[&str]| words.iter().any(|word| body.starts_with(word.as_bytes()));
        let is_object = starts(&["{", "["]);
        match () {
            () if ["amazon.eventstream", "ndjson", "stream+json"].iter().any(|word| kind.contains(word)) => true,
            () if self.is_cohere_v1() => has_lines(body) || !is_object,
            () if kind.contains("event-stream") => !is_object,
            () if starts(&["data:", "event:", "id:", "retry:", ":"]) => true,
            () => matches!(self.format(), Some(Api::OllamaChat | Api::OllamaGenerate)) && has_lines(body),
        }
    }

    /// Why the exchange is no call for a model's answer; none where it is one.
    pub fn no_chat(&self) -> Option<String> {
        if self.api == Api::Embeddings.as_str() {
            return Some("an embedding".to_owned());
        }
        let path = self.url.split(['?', '#']).next().unwrap_or_default().to_lowercase();
        let path = path.trim_end_matches('/');
        if !self.method.is_empty() && !self.method.eq_ignore_ascii_case("post") {
            // An answer that was made in the background is fetched later, and reads as if it had come at once.
            let is_fetched = self.method.eq_ignore_ascii_case("get") && path.contains("/responses/resp");
            return (!is_fetched).then(|| format!("a {} request", self.method.to_uppercase()));
        }
        // Where the last piece names a call to a model, what stands before it does not matter: `models/x:generateContent`.
        let pieces: Vec<&str> = path.rsplit(['/', ':']).take(2).collect();
        let of = |piece: &str| NO_CHAT.iter().find(|(word, _)| *word == piece).map(|(_, what)| (*what).to_owned());
        // InvokeModel names what it is for by the model alone: `model/cohere.embed-english-v3/invoke`.
        if self.api == Api::Invoke.as_str() && pieces.get(1).is_some_and(|model| model.contains("embed")) {
            return Some("an embedding".to_owned());
        }
        let last = pieces.first().and_then(|piece| of(piece));
        last.or_else(|| pieces.get(1).filter(|piece| ["audio", "images"].contains(*piece)).and_then(|piece| of(piece)))
    }

    /// The wire that reads the exchange.
    ///
    /// # Errors
    /// `Kind::Unsupported`, where none does.
    pub fn wire(&self) -> Result<&'static dyn Wire, Box<ProviderError>> {
        let refused = |text: String| Box::new(ProviderError::new(Kind::Unsupported, Retry::Never, text).unsent());
        if self.api == "chat" && self.format().is_none() {
            return Err(refused("no wire speaks this vendor's own chat format of before".to_owned()));
        }
        let api = self.format().ok_or_else(|| refused(format!("'{}' is no format that we know", self.api)))?;
        for_api(api).ok_or_else(|| refused(format!("no wire speaks {api} yet")))
    }

    /// What the catalogue says of the server's ways, where it knows the address.
    pub fn dialect(&self) -> Dialect {
        let host = |url: &str| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            rest.split(['/', ':', '?']).next().unwrap_or_default().to_lowercase()
        };
        let (asked, api) = (host(&self.url), self.format());
        let all = Catalog::builtin().endpoints().iter();
        let known = all.filter(|endpoint| Some(endpoint.api) == api && !asked.is_empty());
        known
            .into_iter()
            .find(|endpoint| host(&endpoint.base_url) == asked)
            .map(|endpoint| endpoint.dialect.clone())
            .unwrap_or_default()
    }

    fn is_cohere_v1(&self) -> bool {
        self.api == "chat" && (200..300).contains(&self.status) && cohere_v1::is_like(&self.body)
    }

    /// Reads the answer.
    pub fn decode(&self) -> Outcome {
        if let Some(what) = self.no_chat() {
            return Outcome::NoChat(what);
        }
        let response = HttpResponse { status: self.status, headers: &self.headers, body: &self.body };
        let (body, dialect) = ([self.body.as_slice()], self.dialect());
        let read = match (self.is_cohere_v1(), self.is_stream(), self.wire()) {
            (true, true, _) => read_stream(cohere_v1::decoder(), body),
            (true, false, _) => cohere_v1::decode(response),
            (false, true, Ok(wire)) => read_stream(wire.decoder(&dialect), body),
            (false, false, Ok(wire)) => wire.decode(response, &dialect),
            (false, _, Err(error)) => return Outcome::Refused(error),
        };
        match read {
            Ok(reply) => Outcome::Reply(Box::new(reply)),
            Err(error) if self.status < 400 && matches!(error.kind, Kind::Protocol | Kind::Unsupported) => {
                Outcome::Refused(Box::new(error))
            }
            Err(error) => Outcome::Failed(Box::new(error)),
        }
    }
}

/// Reads a stream in these pieces. An error holds what came before it.
///
/// # Errors
/// Those of the decoder, `partial` filled in.
pub fn read_stream<'a>(
    mut decoder: Box<dyn StreamDecoder>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Reply, ProviderError> {
    let (mut whole, mut out) = (Assembler::new(), Vec::new());
    let mut read = Ok(());
    for piece in pieces {
        read = decoder.feed(piece, &mut out);
        out.drain(..).for_each(|delta| whole.push(delta));
        if read.is_err() {
            break;
        }
    }
    let read = read.and_then(|()| decoder.finish(&mut out));
    out.into_iter().for_each(|delta| whole.push(delta));
    match read {
        Ok(()) => Ok(whole.finish()),
        Err(mut error) => {
            error.partial = error.partial.or_else(|| Some(Box::new(whole.finish())));
            Err(error)
        }
    }
}

/// A body's bytes: text as it went over the wire, or JSON that was stored parsed.
fn bytes(body: &Value) -> Vec<u8> {
    match body {
        Value::String(text) => text.clone().into_bytes(),
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    }
}

/// Whether more than one line of JSON stands here.
fn has_lines(body: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<serde::de::IgnoredAny>();
    matches!((values.next(), values.next()), (Some(Ok(_)), Some(Ok(_))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(api: &str, url: &str, kind: &str, body: &str) -> Exchange {
        let row = json!({
            "id": "x", "provider": "p", "api": api, "request": {"method": "POST", "url": url, "body": "{}"},
            "response": {"status": 200, "content_type": kind, "body": body},
        });
        Exchange::read(row.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn streams_are_told_by_type_and_bytes() {
        let stream = |api: &str, kind: &str, body: &str| exchange(api, "", kind, body).is_stream();
        assert!(stream("chat_completions", "text/event-stream", ": ping\n\ndata: {}\n\n"));
        assert!(stream("chat_completions", "", "data: {}\n\n"));
        assert!(!stream("chat_completions", "text/event-stream", "{\"error\": {}}"));
        assert!(stream("ollama_chat", "application/json", "{}\n{}\n"));
        assert!(!stream("ollama_chat", "application/json", "{}\n"));
    }

    #[test]
    fn calls_without_an_answer_are_told_by_their_path() {
        let what = |url: &str| exchange("chat_completions", url, "", "{}").no_chat();
        assert_eq!(what("https://a.example/v1/chat/completions"), None);
        assert_eq!(what("https://a.example/v1beta/models/x:generateContent?alt=sse"), None);
        assert_eq!(what("https://a.example/v1beta/models/x:countTokens").unwrap(), "a count of tokens");
        assert_eq!(what("https://a.example/v1/audio/speech").unwrap(), "a call about audio");
    }

    #[test]
    fn a_line_of_another_shape_is_an_error() {
        for line in ["", "[]", "{\"api\": 3}", "{\"api\": \"chat\", \"response\": {}}", "\u{0}"] {
            assert!(Exchange::read(line.as_bytes()).is_err(), "{line}");
        }
    }
}

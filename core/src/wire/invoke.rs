//! Bedrock InvokeModel, whose bodies are the model vendors' own.
//!
//! Requests are written and read for Anthropic's models; others are better asked with `converse`. Answers are read in
//! every body that Bedrock's text models use: messages, Nova's, and the plain texts of Titan, Llama, Mistral, Command,
//! Jurassic and of completions.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::eventstream::Frames;
use super::json::{at, count, field, list, text};
use super::turns::{path, unsupported};
use super::{Ask, HttpRequest, HttpResponse, Mode, Parsed, StreamDecoder, Wire, converse, errors, json, messages};
use crate::error::{Kind, ProviderError, Retry};
use crate::message::Part;
use crate::model::{Api, Dialect};
use crate::reply::{Delta, Reply, StopReason};
use crate::usage::Usage;
use crate::vendor_fields::VendorFields;

#[cfg(test)]
mod tests;

/// The version that Bedrock wants in a body for Anthropic's models.
const VERSION: &str = "bedrock-2023-05-31";

/// The format.
#[derive(Clone, Copy, Debug)]
pub struct Invoke;

impl Wire for Invoke {
    fn api(&self) -> Api {
        Api::Invoke
    }

    fn write(&self, ask: &Ask<'_>, mode: Mode) -> Result<HttpRequest, ProviderError> {
        let mut body = messages::body(ask, Api::Invoke)?;
        body.entry("anthropic_version").or_insert_with(|| VERSION.into());
        if let Some(betas) = body.shift_remove("betas") {
            body.insert("anthropic_beta".to_owned(), betas);
        }
        let path = path(ask, mode, "/model/{model}/invoke", "/model/{model}/invoke-with-response-stream");
        Ok(HttpRequest::json(path, body))
    }

    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError> {
        let body = json::body(body)?;
        match body.get("anthropic_version") {
            Some(_) => messages::parse_request(body, Api::Invoke),
            None => Err(unsupported("the body is of a model that is not Anthropic's: ask it with converse")),
        }
    }

    fn decode(&self, response: HttpResponse<'_>, _dialect: &Dialect) -> Result<Reply, ProviderError> {
        if response.status >= 400 {
            return Err(converse::refused(&response));
        }
        let body = json::body(response.body)?;
        let mut reply = match () {
            () if at(&body, &["output", "message"]).is_some() => converse::reply(body, Api::Invoke)?,
            () if text(&body, "type") == Some("message") || field(&body, "content").is_some_and(Value::is_array) => {
                messages::reply(body, Api::Invoke)?
            }
            () => whole(body, &response)?,
        };
        let header = |name: &str| response.header(name).and_then(|count| count.parse().ok());
        let usage = &mut reply.usage;
        usage.input = usage.input.or_else(|| header("x-amzn-bedrock-input-token-count"));
        usage.output = usage.output.or_else(|| header("x-amzn-bedrock-output-token-count"));
        Ok(reply)
    }

    fn decoder(&self, _dialect: &Dialect) -> Box<dyn StreamDecoder> {
        Box::new(Decoder {
            frames: Frames::new(),
            messages: messages::Events::new(Api::Invoke),
            converse: converse::Events::new(Api::Invoke),
            shape: Shape::Unknown,
            has_ended: false,
        })
    }
}

/// An answer of plain text.
fn whole(body: Value, response: &HttpResponse<'_>) -> Result<Reply, ProviderError> {
    if let Some(plain) = plain(&body) {
        let Value::Object(fields) = body else { return Err(not_text()) };
        let vendor = VendorFields::of(Api::Invoke, fields);
        let parts = vec![Part::text(plain.text)];
        return Ok(Reply { id: plain.id, parts, stop: plain.stop, usage: plain.usage, vendor, ..Reply::default() });
    }
    match errors::of_body(&body, response.status, response.headers) {
        Some(error) => Err(error),
        None => Err(not_text()),
    }
}

fn not_text() -> ProviderError {
    let text = "the answer is no text: embeddings and other bodies have their own calls";
    ProviderError::new(Kind::Unsupported, Retry::Never, text)
}

/// What a body of plain text says.
struct Plain {
    id: Option<String>,
    text: String,
    stop: Option<StopReason>,
    usage: Usage,
}

/// Reads the bodies of text models, whole or a piece of a stream.
fn plain(body: &Value) -> Option<Plain> {
    let first = |name: &str| list(body, name).first();
    let said = [
        first("results").and_then(|result| text(result, "outputText")),
        first("outputs").and_then(|output| text(output, "text")),
        first("generations").and_then(|generation| text(generation, "text")),
        first("completions").and_then(|completion| at(completion, &["data", "text"])).and_then(Value::as_str),
        first("choices").and_then(|choice| text(choice, "text")),
        first("choices").and_then(|choice| at(choice, &["message", "content"])).and_then(Value::as_str),
        first("choices").and_then(|choice| at(choice, &["delta", "content"])).and_then(Value::as_str),
        text(body, "outputText"),
        text(body, "generation"),
        text(body, "completion"),
        text(body, "text"),
    ];
    let said = said.into_iter().flatten().next()?.to_owned();
    let places = ["results", "outputs", "generations", "completions", "choices"].into_iter().filter_map(first);
    let words = ["completionReason", "stop_reason", "finish_reason", "finishReason"];
    let word = std::iter::once(body).chain(places).find_map(|place| {
        words.iter().find_map(|name| match field(place, name)? {
            Value::String(word) => Some(word.as_str()),
            inner => text(inner, "reason"),
        })
    });
    let metric = |name: &str| count(body, &["amazon-bedrock-invocationMetrics", name]);
    let counted = |names: &[&[&str]]| names.iter().find_map(|path| count(body, path));
    let input: [&[&str]; 3] = [&["inputTextTokenCount"], &["prompt_token_count"], &["usage", "prompt_tokens"]];
    let output: [&[&str]; 3] =
        [&["totalOutputTextTokenCount"], &["generation_token_count"], &["usage", "completion_tokens"]];
    let by_result = first("results").and_then(|result| count(result, &["tokenCount"]));
    let usage = Usage {
        input: metric("inputTokenCount").or_else(|| counted(&input)),
        output: metric("outputTokenCount").or_else(|| counted(&output)).or(by_result),
        ..Usage::default()
    };
    let is_blocked = text(body, "amazon-bedrock-guardrailAction") == Some("INTERVENED") && usage.output.is_some();
    let stop = word.map(stop_reason).or(is_blocked.then_some(StopReason::ContentFilter));
    let id = ["id", "response_id", "generation_id"].iter().find_map(|name| text(body, name)).map(str::to_owned);
    Some(Plain { id, text: said, stop, usage })
}

fn stop_reason(word: &str) -> StopReason {
    match word.to_ascii_lowercase().as_str() {
        "finish" | "finished" | "complete" | "endoftext" | "stop" | "end_turn" | "eos_token" => StopReason::End,
        "length" | "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" | "stop_criteria_met" => StopReason::StopText,
        "content_filtered" | "error_toxic" | "guardrail_intervened" => StopReason::ContentFilter,
        "tool_calls" | "tool_use" => StopReason::ToolUse,
        other => StopReason::Other(other.to_owned()),
    }
}

/// What the pieces of a stream are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Unknown,
    Messages,
    Converse,
    Plain,
}

/// Reads frames whose payload holds a piece in base64.
#[derive(Debug)]
struct Decoder {
    frames: Frames,
    messages: messages::Events,
    converse: converse::Events,
    shape: Shape,
    has_ended: bool,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let mut frames = std::mem::take(&mut self.frames);
        let fed = frames.feed(bytes, |frame| {
            if frame.is_failure() {
                return Err(converse::failure(&frame));
            }
            let payload = json::body(&frame.payload)?;
            let Some(inner) = text(&payload, "bytes") else { return Ok(()) };
            let piece = BASE64_STANDARD.decode(inner);
            let piece = piece.map_err(|_| ProviderError::protocol("a piece of the stream is no base64"))?;
            self.take(&json::body(&piece)?, out)
        });
        self.frames = frames;
        fed
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        match self.shape {
            Shape::Messages => self.messages.finish(out),
            Shape::Converse => {
                self.converse.finish(out);
                if self.converse.has_ended { Ok(()) } else { Err(errors::incomplete()) }
            }
            _ if self.has_ended => Ok(()),
            _ => Err(errors::incomplete()),
        }
    }
}

impl Decoder {
    fn take(&mut self, piece: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Some(object) = piece.as_object() else { return Ok(()) };
        const EVENTS: [&str; 6] =
            ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
        if object.get("type").is_some_and(Value::is_string) {
            self.shape = Shape::Messages;
            return self.messages.take(piece, out);
        }
        if let Some((name, event)) = object.iter().find(|(name, _)| EVENTS.contains(&name.as_str())) {
            self.shape = Shape::Converse;
            self.converse.take(name, event, out);
            return Ok(());
        }
        let Some(plain) = plain(piece) else {
            return errors::of_body(piece, 200, &[]).map_or(Ok(()), Err);
        };
        if self.shape == Shape::Unknown {
            self.shape = Shape::Plain;
            out.push(Delta::Start { id: plain.id, model: None });
        }
        out.push(Delta::Text { part: 0, text: plain.text });
        if !plain.usage.is_empty() {
            out.push(Delta::Usage { usage: plain.usage });
        }
        if let Some(reason) = plain.stop {
            self.has_ended = true;
            out.push(Delta::Stop { reason });
        }
        self.has_ended |= object.contains_key("amazon-bedrock-invocationMetrics");
        Ok(())
    }
}

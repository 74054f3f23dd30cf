//! Bedrock InvokeModel, whose bodies are the model vendors' own.
//!
//! Requests are written for Anthropic's models; others are better asked with `converse`. A body of another model's that
//! was read is written again as it stood. Answers are read in every body that Bedrock's text models use: messages,
//! Nova's, chat completions, Cohere's first chat, and the plain texts of Titan, Llama, Mistral, Command, Jurassic and of
//! completions.

use serde_json::Value;

use super::json::{at, count, field, list, text};
use super::turns::path;
use super::{
    Ask, HttpRequest, HttpResponse, Mode, Parsed, StreamDecoder, Wire, chat_completions, cohere_v1, converse, errors,
    json, messages,
};
use crate::error::{Kind, ProviderError, Retry};
use crate::message::Part;
use crate::model::{Api, Dialect};
use crate::reply::{Reply, StopReason};
use crate::usage::Usage;
use crate::vendor_fields::VendorFields;

mod other;
mod stream;
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
        let body = match other::body(ask, mode)? {
            Some(body) => body,
            None => anthropic(ask)?,
        };
        let path = path(ask, mode, "/model/{model}/invoke", "/model/{model}/invoke-with-response-stream");
        Ok(HttpRequest::json(path, body))
    }

    fn parse(&self, body: &[u8]) -> Result<Parsed, ProviderError> {
        if !cfg!(feature = "requests") {
            return Err(super::unread(self.api()));
        }
        let body = json::body(body)?;
        match body.get("anthropic_version") {
            Some(_) => messages::parse_request(body, Api::Invoke),
            None => other::parse(body),
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
            () if at(first(&body, "choices"), &["message"]).is_some() => {
                chat_completions::reply(body, response.status, response.headers, &Dialect::default())?
            }
            () if field(&body, "generation_id").is_some() && text(&body, "text").is_some() => {
                cohere_v1::decode(response)?
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
        Box::new(stream::Decoder::new())
    }
}

/// A body for Anthropic's models.
fn anthropic(ask: &Ask<'_>) -> Result<serde_json::Map<String, Value>, ProviderError> {
    let mut body = messages::body(ask, Api::Invoke)?;
    body.entry("anthropic_version").or_insert_with(|| VERSION.into());
    if let Some(betas) = body.shift_remove("betas") {
        body.insert("anthropic_beta".to_owned(), betas);
    }
    Ok(body)
}

/// The first of a list; nothing where there is none.
fn first<'a>(body: &'a Value, name: &str) -> &'a Value {
    list(body, name).first().unwrap_or(&Value::Null)
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
    let Usage { input: input_counted, output: output_counted, .. } = metrics(body);
    let counted = |names: &[&[&str]]| names.iter().find_map(|path| count(body, path));
    let input: [&[&str]; 3] = [&["inputTextTokenCount"], &["prompt_token_count"], &["usage", "prompt_tokens"]];
    let output: [&[&str]; 3] =
        [&["totalOutputTextTokenCount"], &["generation_token_count"], &["usage", "completion_tokens"]];
    let by_result = first("results").and_then(|result| count(result, &["tokenCount"]));
    let usage = Usage {
        input: input_counted.or_else(|| counted(&input)),
        output: output_counted.or_else(|| counted(&output)).or(by_result),
        ..Usage::default()
    };
    let is_blocked = text(body, "amazon-bedrock-guardrailAction") == Some("INTERVENED") && usage.output.is_some();
    let stop = word.map(stop_reason).or(is_blocked.then_some(StopReason::ContentFilter));
    let id = ["id", "response_id", "generation_id"].iter().find_map(|name| text(body, name)).map(str::to_owned);
    Some(Plain { id, text: said, stop, usage })
}

/// What Bedrock itself counted, beside the last piece of a stream.
fn metrics(body: &Value) -> Usage {
    let metric = |name: &str| count(body, &["amazon-bedrock-invocationMetrics", name]);
    Usage { input: metric("inputTokenCount"), output: metric("outputTokenCount"), ..Usage::default() }
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

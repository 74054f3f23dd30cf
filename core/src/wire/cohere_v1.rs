//! Answers of Cohere's first chat API: whole, as lines of JSON, or as server-sent events. It is read and never asked in,
//! so it has functions in place of a `Wire`: what it answers is stored in logs and recordings.

use serde_json::{Map, Value};

use super::cohere_chat::{stop_reason, usage};
use super::json::{self, field, list, text};
use super::lines::Lines;
use super::{Headers, HttpResponse, StreamDecoder, errors};
use crate::error::{Kind, ProviderError, Retry};
use crate::message::{Content, Part, ToolCall};
use crate::model::Api;
use crate::reply::{Delta, Reply};
use crate::vendor_fields::VendorFields;

/// The part of an answer that is its text; calls of tools follow it.
const TEXT_AT: u32 = 0;

/// Whether bytes look like an answer of this API.
pub fn is_like(body: &[u8]) -> bool {
    let has = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
    !has("\"choices\"") && (has("\"generation_id\"") || has("\"event_type\""))
}

/// Reads a whole answer, an error included.
///
/// # Errors
/// The vendor's error, classified; `Kind::Protocol` where the answer has no text.
pub fn decode(response: HttpResponse<'_>) -> Result<Reply, ProviderError> {
    if response.status >= 400 {
        return Err(errors::of_response(&response));
    }
    let body = json::body(response.body)?;
    if text(&body, "text").is_none() && list(&body, "tool_calls").is_empty() {
        let error = errors::of_body(&body, response.status, response.headers);
        return Err(error.unwrap_or_else(|| ProviderError::protocol("the answer has no text")));
    }
    if let Some(error) = failure(&body) {
        return Err(error);
    }
    let said = text(&body, "text").filter(|said| !said.is_empty()).map(Part::text);
    let parts = said.into_iter().chain(calls(&body)).collect();
    Ok(Reply {
        id: text(&body, "generation_id").map(str::to_owned),
        parts,
        stop: text(&body, "finish_reason").map(stop_reason),
        usage: field(&body, "meta").map(usage).unwrap_or_default(),
        vendor: rest(&body),
        ..Reply::default()
    })
}

/// What else stands in an answer. The conversation so far is the request's, and is not kept twice.
fn rest(body: &Value) -> VendorFields {
    let known = ["text", "generation_id", "finish_reason", "tool_calls", "chat_history"];
    let fields = body.as_object().into_iter().flatten();
    let left = fields.filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    VendorFields::of(Api::CohereChat, left.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Calls of tools; the API gives them no ids.
fn calls(body: &Value) -> impl Iterator<Item = Part> {
    let made = |(at, call): (usize, &Value)| {
        let name = text(call, "name").unwrap_or_default().to_owned();
        let none = Value::Object(Map::new());
        let arguments = field(call, "parameters").unwrap_or(&none).to_string();
        Part::new(Content::ToolCall(ToolCall { id: format!("call_{at}"), name, arguments }))
    };
    list(body, "tool_calls").iter().enumerate().map(made)
}

/// The error that an answer's end is.
fn failure(end: &Value) -> Option<ProviderError> {
    let word = text(end, "finish_reason").filter(|word| ["ERROR", "TIMEOUT"].contains(word))?;
    let mut error =
        ProviderError::new(Kind::Server, Retry::Here(None), "the vendor broke the answer off").with_code(word);
    error.usage = field(end, "meta").map(|meta| Box::new(usage(meta)));
    Some(error)
}

/// Starts to read a stream.
pub fn decoder() -> Box<dyn StreamDecoder> {
    Box::new(Decoder::default())
}

#[derive(Debug, Default)]
struct Decoder {
    lines: Lines,
    events: Events,
}

/// Folds events into pieces, wherever they came from.
#[derive(Debug, Default)]
pub(super) struct Events {
    has_said: bool,
    /// Whether the answer's end was said.
    pub(super) has_ended: bool,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { lines, events } = self;
        lines.feed(bytes, |line| events.line(line, out))
    }

    fn finish(&mut self, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let Decoder { lines, events } = self;
        lines.finish(|line| events.line(line, out))?;
        if events.has_ended { Ok(()) } else { Err(errors::incomplete()) }
    }
}

impl Events {
    /// A line of JSON, or the line of an event that holds it. Other lines of events say nothing more.
    fn line(&mut self, line: &[u8], out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        let line = line.trim_ascii();
        let json = line.strip_prefix(b"data:").unwrap_or(line).trim_ascii();
        if !json.starts_with(b"{") {
            return Ok(());
        }
        self.take(&json::body(json)?, out)
    }

    /// Takes one event.
    ///
    /// # Errors
    /// The error that the event is.
    pub(super) fn take(&mut self, event: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        match text(event, "event_type").unwrap_or_default() {
            "stream-start" => {
                out.push(Delta::Start { id: text(event, "generation_id").map(str::to_owned), model: None });
            }
            "text-generation" => {
                let text = text(event, "text").unwrap_or_default().to_owned();
                self.has_said |= !text.is_empty();
                out.push(Delta::Text { part: TEXT_AT, text });
            }
            "stream-end" => self.end(event, out)?,
            // What they bring stands whole in the end as well.
            "tool-calls-generation"
            | "tool-calls-chunk"
            | "citation-generation"
            | "search-queries-generation"
            | "search-results"
            | "debug" => {}
            _ => {
                if let Some(error) = errors::of_body(event, 200, Headers::NONE) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, event: &Value, out: &mut Vec<Delta>) -> Result<(), ProviderError> {
        self.has_ended = true;
        let end = field(event, "response").unwrap_or(event);
        if let Some(error) = failure(end).or_else(|| failure(event)) {
            return Err(error);
        }
        if let Some(said) = text(end, "text").filter(|_| !self.has_said) {
            out.push(Delta::Text { part: TEXT_AT, text: said.to_owned() });
        }
        out.extend(calls(end).zip(TEXT_AT + 1..).map(|(whole, part)| Delta::Part { part, whole }));
        out.push(Delta::Vendor { fields: rest(end) });
        if let Some(meta) = field(end, "meta") {
            out.push(Delta::Usage { usage: usage(meta) });
        }
        let word = text(event, "finish_reason").or_else(|| text(end, "finish_reason"));
        out.push(Delta::Stop { reason: stop_reason(word.unwrap_or("COMPLETE")) });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::{Assembler, StopReason};

    const WHOLE: &str = r#"{"response_id": "r", "text": "It is sunny.", "generation_id": "g", "chat_history": [{"role": "USER"}],
        "finish_reason": "COMPLETE", "meta": {"billed_units": {"input_tokens": 7, "output_tokens": 4},
        "tokens": {"input_tokens": 69, "output_tokens": 5}},
        "tool_calls": [{"name": "look", "parameters": {"q": 1}}]}"#;

    fn streamed(pieces: &[&[u8]]) -> Result<Reply, ProviderError> {
        let (mut decoder, mut out, mut whole) = (decoder(), Vec::new(), Assembler::new());
        for piece in pieces {
            decoder.feed(piece, &mut out)?;
        }
        decoder.finish(&mut out)?;
        out.into_iter().for_each(|delta| whole.push(delta));
        Ok(whole.finish())
    }

    #[test]
    fn whole_and_streamed_answers_are_the_same() {
        let reply = decode(HttpResponse { status: 200, headers: Headers::NONE, body: WHOLE.as_bytes() }).unwrap();
        assert_eq!((reply.text().as_str(), reply.stop.clone()), ("It is sunny.", Some(StopReason::End)));
        assert_eq!((reply.usage.input, reply.usage.output), (Some(69), Some(4)));
        assert_eq!(reply.tool_calls().next().unwrap().arguments, r#"{"q":1}"#);
        let whole: Value = serde_json::from_str(WHOLE).unwrap();
        let end = serde_json::json!({"event_type": "stream-end", "response": whole, "finish_reason": "COMPLETE"});
        let start = r#"{"event_type": "stream-start", "generation_id": "g"}"#;
        let said = |text: &str| format!(r#"{{"event_type": "text-generation", "text": "{text}"}}"#);
        for (before, after) in [("", "\n"), ("data: ", "\n\n")] {
            let lines = [start.to_owned(), said("It is "), said("sunny."), end.to_string()];
            let bytes = lines.map(|line| format!("{before}{line}{after}")).concat().into_bytes();
            for cut in 0..=bytes.len() {
                assert_eq!(streamed(&[&bytes[..cut], &bytes[cut..]]).unwrap(), reply, "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_broke_off_is_an_error() {
        let started = br#"{"event_type": "stream-start"}"#;
        assert_eq!(streamed(&[started]).unwrap_err().kind, Kind::Incomplete);
        let failed = br#"{"event_type": "stream-end", "finish_reason": "ERROR", "response": {}}"#;
        assert_eq!(streamed(&[failed]).unwrap_err().kind, Kind::Server);
        let gone =
            HttpResponse { status: 404, headers: Headers::NONE, body: br#"{"message": "model 'x' was removed"}"# };
        assert_eq!(decode(gone).unwrap_err().kind, Kind::NotFound);
        let other = HttpResponse { status: 200, headers: Headers::NONE, body: b"{}" };
        assert_eq!(decode(other).unwrap_err().kind, Kind::Protocol);
    }
}

//! Writes a reply in a vendor's format, whole or as events. One file a format, each from the vendor's own documents.

use serde_json::{Value, json};

use super::{Answer, Fault, Heard};
use crate::model::Api;
use crate::reply::{Reply, StopReason};
use crate::usage::Usage;
use crate::wire::Mode;

mod chat;
mod cohere;
mod converse;
mod embed;
mod gemini;
mod messages;
mod ollama;
mod responses;

/// An answer as it goes over the wire, before it is spoilt.
#[derive(Clone, Debug)]
pub(super) struct Rendered {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// Whether it comes in events, and in chunks of unsaid number.
    pub(super) is_stream: bool,
    pub(super) frames: Vec<Frame>,
}

/// Bytes, so many times: a giant body costs the server no memory.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) times: usize,
}

impl Frame {
    pub(super) fn length(&self) -> usize {
        self.bytes.len() * self.times
    }
}

impl<T: Into<Vec<u8>>> From<T> for Frame {
    fn from(bytes: T) -> Frame {
        Frame { bytes: bytes.into(), times: 1 }
    }
}

impl Rendered {
    /// A body in one piece.
    pub(super) fn whole(status: u16, content_type: &str, body: Vec<u8>) -> Rendered {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Rendered { status, headers, is_stream: false, frames: vec![Frame::from(body)] }
    }

    pub(super) fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Whether the body is server-sent events.
    pub(super) fn is_events(&self) -> bool {
        self.headers.iter().any(|(name, value)| name == "content-type" && value.starts_with("text/event-stream"))
    }

    /// A frame in the middle of the answer that holds JSON.
    pub(super) fn middle_json(&mut self) -> Option<&mut Frame> {
        let middle = self.frames.len() / 2;
        let holds_json = |frame: &Frame| frame.bytes.contains(&b'{');
        let at = (middle..self.frames.len()).chain(0..middle).find(|at| holds_json(&self.frames[*at]))?;
        Some(&mut self.frames[at])
    }
}

/// What a format's file needs to know.
struct Speech<'a> {
    reply: &'a Reply,
    stop: StopReason,
    model: &'a str,
    /// Unique within the server: part of the answer's id.
    number: u64,
    /// Characters in one event.
    piece_chars: usize,
    wants_usage: bool,
}

impl Speech<'_> {
    fn usage(&self) -> &Usage {
        &self.reply.usage
    }

    fn pieces<'t>(&self, text: &'t str) -> Vec<&'t str> {
        pieces(text, self.piece_chars)
    }
}

/// Writes the answer to a request in the format that was asked.
pub(super) fn say(heard: &Heard, answer: &Answer) -> Rendered {
    let Some(api) = heard.api else {
        return error_body(Api::ChatCompletions, 404, Some("no such address on this server"));
    };
    if heard.method != "POST" {
        return error_body(api, 405, Some("only POST is served"));
    }
    let speech = Speech {
        reply: &answer.reply,
        stop: answer.stop(),
        model: answer.reply.model.as_deref().unwrap_or(&heard.model),
        number: heard.number,
        piece_chars: answer.pace.piece_chars.max(1),
        wants_usage: heard.wants_usage(),
    };
    if api == Api::Embeddings {
        return embed::whole(heard, answer);
    }
    let is_stream = heard.mode == Mode::Stream && answer.fault != Some(Fault::NotStreamed);
    let mut rendered = if is_stream { stream(api, &speech, heard) } else { unary(api, &speech) };
    rendered.headers.push((id_header(api).to_owned(), format!("req-{}", heard.number)));
    rendered
}

fn unary(api: Api, speech: &Speech<'_>) -> Rendered {
    let body = match api {
        Api::Responses => responses::unary(speech),
        Api::Messages => messages::unary(speech),
        Api::GenerateContent => gemini::unary(speech),
        Api::Converse => converse::unary(speech),
        Api::CohereChat => cohere::unary(speech),
        Api::OllamaChat => ollama::unary(speech),
        _ => chat::unary(speech),
    };
    Rendered::whole(200, "application/json", body.to_string().into_bytes())
}

fn stream(api: Api, speech: &Speech<'_>, heard: &Heard) -> Rendered {
    const EVENTS: &str = "text/event-stream";
    let (kind, frames) = match api {
        Api::Responses => (EVENTS, responses::stream(speech)),
        Api::Messages => (EVENTS, messages::stream(speech)),
        Api::GenerateContent if heard.wants_events() => (EVENTS, gemini::events(speech)),
        Api::GenerateContent => ("application/json", gemini::array(speech)),
        Api::Converse => ("application/vnd.amazon.eventstream", converse::stream(speech)),
        Api::CohereChat => (EVENTS, cohere::stream(speech)),
        Api::OllamaChat => ("application/x-ndjson", ollama::stream(speech)),
        _ => (EVENTS, chat::stream(speech)),
    };
    let frames = frames.into_iter().map(Frame::from).collect();
    Rendered { status: 200, headers: vec![("content-type".to_owned(), kind.to_owned())], is_stream: true, frames }
}

/// The header in which a format's vendors put their id of the request.
fn id_header(api: Api) -> &'static str {
    match api {
        Api::Messages => "request-id",
        Api::Converse => "x-amzn-requestid",
        _ => "x-request-id",
    }
}

/// An error with this status in the format's own shape.
pub(super) fn error_body(api: Api, status: u16, message: Option<&str>) -> Rendered {
    let message = message.unwrap_or(usual_text(status));
    let body = match api {
        Api::Messages => messages::error(status, message),
        Api::GenerateContent => gemini::error(status, message),
        Api::Converse => json!({ "message": message }),
        Api::CohereChat => json!({ "id": "err-1", "message": message }),
        Api::OllamaChat => json!({ "error": message }),
        _ => chat::error(status, message),
    };
    let mut rendered = Rendered::whole(status, "application/json", body.to_string().into_bytes());
    if api == Api::Converse {
        rendered.set_header("x-amzn-errortype", converse::error_type(status));
    }
    rendered
}

/// An error in the midst of a stream.
pub(super) fn error_event(api: Api) -> Frame {
    let text = usual_text(529);
    Frame::from(match api {
        Api::Messages => event("error", &messages::error(529, text)),
        Api::Responses => {
            let error = json!({"type": "error", "code": "server_error", "message": text, "param": null});
            event("error", &error)
        }
        Api::GenerateContent => data(&gemini::error(503, text)),
        Api::Converse => converse::exception("serviceUnavailableException", text),
        Api::CohereChat => {
            let delta = json!({"finish_reason": "ERROR", "error": text});
            event("message-end", &json!({"type": "message-end", "delta": delta}))
        }
        Api::OllamaChat => line(&json!({ "error": text })),
        _ => data(&chat::error(503, text)),
    })
}

fn usual_text(status: u16) -> &'static str {
    match status {
        400 => "the request is not valid",
        401 => "the key is not valid",
        403 => "the key may not do this",
        404 => "no such model",
        413 => "the request is too large",
        429 => "too many requests: slow down",
        503 | 529 => "overloaded: try again later",
        _ => "something failed inside",
    }
}

/// A server-sent event without a name.
fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

/// A server-sent event with a name.
fn event(name: &str, value: &Value) -> Vec<u8> {
    format!("event: {name}\ndata: {value}\n\n").into_bytes()
}

/// A line of JSON.
fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

/// `text` in pieces of so many characters.
fn pieces(text: &str, chars: usize) -> Vec<&str> {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = rest.char_indices().nth(chars).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        found.push(piece);
        rest = after;
    }
    found
}

/// Arguments as the JSON object that they are; an object that says so where they are none.
fn object_of(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(object @ Value::Object(_)) => object,
        Ok(other) => json!({ "value": other }),
        Err(_) => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text() {
        let text = "Größe: 12 µm, 漢字とかな";
        for chars in [1, 3, 100] {
            assert_eq!(pieces(text, chars).concat(), text);
        }
        assert_eq!(pieces("", 4), Vec::<&str>::new());
        assert_eq!(pieces("abcde", 2), ["ab", "cd", "e"]);
    }
}

//! Answers and requests as vendors document them in states that recordings rarely hold: tools that the vendor runs,
//! citations, pictures, filters, pauses, and what copies of a format do otherwise. None may be refused or misread, and
//! what a format alone knows must go back as it came.

use serde_json::{Value, json};

use super::{Headers, HttpResponse, Wire, for_api, tests as recorded};
use crate::error::ProviderError;
use crate::message::{Message, Role};
use crate::model::{Api, Dialect};
use crate::reply::Reply;
use crate::request::RequestDraft;

mod bedrock;
mod gemini;
mod messages;
mod others;
mod responses;

fn wire(api: Api) -> &'static dyn Wire {
    for_api(api).expect("the format has a wire")
}

fn decoded(api: Api, body: &Value) -> Result<Reply, ProviderError> {
    let text = body.to_string();
    wire(api).decode(HttpResponse { status: 200, headers: Headers::NONE, body: text.as_bytes() }, &Dialect::default())
}

/// A stream of server-sent events, each named by its type, read whole and at every cut.
#[track_caller]
fn streamed(api: Api, events: &[Value]) -> Result<Reply, ProviderError> {
    let line = |event: &Value| match event["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    };
    read(api, events.iter().map(line).collect::<String>().as_bytes())
}

#[track_caller]
fn read(api: Api, bytes: &[u8]) -> Result<Reply, ProviderError> {
    recorded::check_cuts(wire(api), bytes, usize::MAX);
    recorded::read(wire(api).decoder(&Dialect::default()), [bytes])
}

/// The calls of a reply: id, name and arguments.
fn calls(reply: &Reply) -> Vec<(&str, &str, &str)> {
    reply.tool_calls().map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect()
}

/// What goes back when a reply's parts are sent as a turn of the model's.
fn sent_back(api: Api, reply: &Reply) -> Value {
    let turns = vec![Message::user("x"), Message::new(Role::Assistant, reply.parts.clone())];
    let draft = RequestDraft { messages: turns, ..RequestDraft::default() };
    let parsed = super::Parsed { draft, wire_model: "m".to_owned(), mode: super::Mode::Unary };
    serde_json::from_slice(&recorded::rewrite(wire(api), &parsed).unwrap()).unwrap()
}

/// Reads a request and writes it again: every value must still be there.
#[track_caller]
fn survives(api: Api, body: &Value) {
    let text = body.to_string();
    let parsed = wire(api).parse(text.as_bytes()).unwrap_or_else(|error| panic!("{api}: {error}"));
    let written: Value = serde_json::from_slice(&recorded::rewrite(wire(api), &parsed).unwrap()).unwrap();
    assert_eq!(written, *body, "{api}");
}

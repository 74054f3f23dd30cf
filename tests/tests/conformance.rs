//! Recorded traffic of many vendors: every answer is a reply or a typed error, streams read the same however they are cut,
//! and request bodies of chat completions survive being read and written again.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;

use serde_json::Value;
use tierway::model::Api;
use tierway::testing::Draws;
use tierway::testing::recorded::{Exchange, Outcome, read_stream};
use tierway::wire::for_api;
use tierway::{Kind, ProviderError, Reply};

#[path = "support/recordings.rs"]
mod recordings;

use recordings::{exchanges, no_faults, rewritten};

/// Bytes of a stream that are cut at every place.
const CUT_EVERYWHERE: usize = 2_048;
/// Streams of each vendor that are cut at every byte of their head, which costs two thousand readings each.
const CUT_STREAMS: usize = 1;
/// Cuts of the rest of a stream, at places that are drawn.
const DRAWN_CUTS: usize = 3;

#[test]
fn every_exchange_is_a_reply_or_a_typed_error() {
    let (mut decoded, mut faults) = (0, Vec::new());
    for exchange in exchanges() {
        let expected_error = exchange.status >= 400;
        let fault = match exchange.decode() {
            Outcome::Reply(reply) => {
                decoded += 1;
                let is_silent = reply.parts.is_empty() && reply.usage.output.is_none_or(|output| output > 2);
                (expected_error || (is_silent && reply.stop.is_none())).then_some("a reply out of nothing".to_owned())
            }
            // Errors inside a success happen; one of ours about its bytes would be a field that we cannot read.
            Outcome::Failed(error) => (error.message.is_empty()).then(|| "an error that says nothing".to_owned()),
            Outcome::Refused(error) if error.kind == Kind::Unsupported => None,
            // One recording is of a made-up server that answers in plain words.
            Outcome::Refused(_) if is_plain_words(&exchange) => None,
            Outcome::Refused(error) => Some(error.to_string()),
            Outcome::NoChat(_) => None,
        };
        faults.extend(fault.map(|fault| format!("{}: {fault}", exchange.id)));
    }
    println!("{decoded} decoded");
    no_faults(&faults);
}

/// Whether an answer is words in place of the JSON it should be. A stream begins with letters, too: it is no exception.
fn is_plain_words(exchange: &Exchange) -> bool {
    exchange.body.first().is_some_and(u8::is_ascii_alphabetic) && !exchange.is_stream()
}

#[test]
fn streams_read_the_same_however_they_are_cut() {
    let wire = for_api(Api::ChatCompletions).expect("chat completions has a wire");
    let (mut streams, mut cuts) = (0, 0);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for exchange in exchanges().into_iter().filter(|one| one.format() == Some(Api::ChatCompletions) && one.is_stream())
    {
        let (body, dialect) = (exchange.body.as_slice(), exchange.dialect());
        let read = |pieces: [&[u8]; 2]| read_stream(wire.decoder(&dialect), pieces);
        let check = |body: &[u8], cut: usize, whole: &Result<Reply, ProviderError>| {
            assert_eq!(read([&body[..cut], &body[cut..]]), *whole, "{} cut at {cut}", exchange.id);
        };
        let whole = read([body, b""]);
        assert_eq!(read_stream(wire.decoder(&dialect), body.chunks(1)), whole, "{} in single bytes", exchange.id);
        let count = seen.entry(exchange.provider.clone()).or_default();
        *count += 1;
        // What follows the head cannot tell where it was cut: a broken-off stream must read the same as well.
        let head = &body[..body.len().min(CUT_EVERYWHERE)];
        let each = if *count <= CUT_STREAMS { head.len() } else { 0 };
        let broken_off = read([head, b""]);
        (0..each).for_each(|cut| check(head, cut, &broken_off));
        let mut draws = Draws::new(7 + streams);
        for _ in 0..DRAWN_CUTS {
            check(body, draws.below(body.len() as u64 + 1) as usize, &whole);
        }
        (streams, cuts) = (streams + 1, cuts + each + DRAWN_CUTS);
    }
    println!("{streams} streams, {cuts} cuts");
}

#[test]
fn requests_survive_being_read_and_written() {
    let wire = for_api(Api::ChatCompletions).expect("chat completions has a wire");
    let (mut same, mut faults) = (0, Vec::new());
    for exchange in exchanges() {
        let is_call = exchange.format() == Some(Api::ChatCompletions) && exchange.no_chat().is_none();
        let Ok(body) = serde_json::from_slice::<Value>(&exchange.request) else { continue };
        if !is_call || body.get("messages").is_none() {
            continue;
        }
        let fault = match rewritten(wire, &exchange.request) {
            Ok(written) => difference("", &body, &written),
            // A vendor's own refusal of the same body shows that the recording tests a wrong request.
            Err(_) if exchange.status >= 400 => None,
            Err(error) => Some(error),
        };
        same += usize::from(fault.is_none());
        faults.extend(fault.map(|fault| format!("{}: {fault}", exchange.id)));
    }
    println!("{same} requests the same");
    no_faults(&faults);
}

/// Where two bodies say different things. They say the same where a field is absent, null, `""`, `[]`, `{}` or `false`
/// in both; numbers are equal as numbers; a text stands for a list of one text piece and a `stop` for a list of one;
/// arguments of tools are equal as JSON; a message without a `type` of its piece or call is of the usual one.
fn difference(path: &str, had: &Value, has: &Value) -> Option<String> {
    if had == has || (is_nothing(had) && is_nothing(has)) {
        return None;
    }
    match (had, has) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            names.into_iter().find_map(|name| {
                let side = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
                let is_usual = name == "type" && side(a).is_null();
                if is_usual { None } else { difference(&format!("{path}.{name}"), &side(a), &side(b)) }
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(at, (a, b))| difference(&format!("{path}[{at}]"), a, b))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (Value::String(a), Value::String(b)) if is_same_json(a, b) => None,
        (Value::String(text), Value::Array(list)) | (Value::Array(list), Value::String(text)) => {
            let is_same = list.len() == 1 && (list[0] == *text.as_str() || list[0]["text"] == *text.as_str());
            (!is_same).then(|| format!("{path} differs in form"))
        }
        _ => Some(format!("{path} differs")),
    }
}

fn is_same_json(a: &str, b: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    let blank = |text: &str| text.is_empty() || text == "{}";
    (blank(a) && blank(b)) || json(a).is_some_and(|a| Some(a) == json(b))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Number(_) | Value::Bool(true) => false,
    }
}

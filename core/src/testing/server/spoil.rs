//! Makes a right answer wrong, in one of the ways that vendors and gateways do.

use std::io::Write;

use serde_json::Value;

use super::say::{Frame, Rendered, error_body, error_event};
use super::{Fault, Heard, RetryAfter};
use crate::clock::{Clock, SystemClock};
use crate::model::Api;

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n\
    <body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body></html>\n";

/// Applies what a fault does to the bytes of an answer. Faults of the connection are left to `deliver`.
pub(super) fn spoil(rendered: &mut Rendered, fault: &Fault, heard: &Heard) {
    let api = heard.api.unwrap_or(Api::ChatCompletions);
    match fault {
        Fault::Status { status, retry_after, message } => {
            *rendered = error_body(api, *status, message.as_deref());
            rendered.headers.extend(retry_after.map(retry_header));
        }
        Fault::BadJson => bad_json(rendered),
        Fault::InvalidUtf8 => invalid_utf8(rendered),
        Fault::GiantLine { bytes } => giant_line(rendered, *bytes),
        Fault::GzipBomb { bytes } => bomb(rendered, *bytes),
        Fault::Html { status } => *rendered = Rendered::whole(*status, "text/html; charset=utf-8", PAGE.into()),
        Fault::EmptyBody => rendered.frames.clear(),
        Fault::EmptyChoices if is_binary(rendered) => {
            // The message's start and end stay, its blocks go.
            let ends = rendered.frames.len().saturating_sub(2);
            rendered.frames.drain(1..ends.max(1));
        }
        Fault::MissingUsage if is_binary(rendered) => drop(rendered.frames.pop()),
        Fault::EmptyChoices => {
            if rendered.is_stream && api == Api::Responses {
                // Its last event may hold no output and the answer be whole all the same: the events before go too.
                let last = rendered.frames.len().saturating_sub(1);
                rendered.frames.drain(1..last.max(1));
            }
            map_json(rendered, empty_choices);
        }
        Fault::WrongContentType => rendered.set_header("content-type", "text/plain"),
        Fault::DuplicateEnd => {
            let last = rendered.frames.last().cloned();
            rendered.frames.extend(last.filter(|_| rendered.is_stream));
        }
        Fault::ErrorInside { after_events } if rendered.is_stream => {
            rendered.frames.truncate(*after_events);
            rendered.frames.push(error_event(api));
        }
        Fault::ErrorInside { .. } => rendered.frames = error_body(api, 500, None).frames,
        Fault::MissingUsage => map_json(rendered, without_usage),
        Fault::NoEnd if rendered.is_stream => {
            let keep = rendered.frames.len().div_ceil(2);
            rendered.frames.truncate(keep);
        }
        Fault::Redirect { status, to } => {
            *rendered = Rendered::whole(*status, "text/plain", Vec::new());
            rendered.set_header("location", to);
        }
        Fault::TrailingGarbage => rendered.frames.push(Frame::from("\n}}garbage\u{0}{[\n\n")),
        _ => {}
    }
}

/// Whether the body is an AWS event stream, whose last message holds the counts.
fn is_binary(rendered: &Rendered) -> bool {
    rendered.headers.iter().any(|(name, value)| name == "content-type" && value.contains("amazon.eventstream"))
}

fn retry_header(after: RetryAfter) -> (String, String) {
    let (name, value) = match after {
        RetryAfter::Seconds(seconds) => ("retry-after", seconds.to_string()),
        RetryAfter::Milliseconds(ms) => ("retry-after-ms", ms.to_string()),
        RetryAfter::Nonsense => ("retry-after", "after lunch".to_owned()),
        RetryAfter::Date(seconds) => ("retry-after", http_date(seconds)),
    };
    (name.to_owned(), value)
}

/// A date this many seconds from now, as HTTP writes it.
fn http_date(seconds: u64) -> String {
    let at = SystemClock.now().ms() + i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX / 2);
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn bad_json(rendered: &mut Rendered) {
    if let Some(frame) = rendered.middle_json() {
        let keep = frame.bytes.len() / 2;
        frame.bytes.truncate(keep);
        frame.bytes.extend_from_slice(b"}{,]\n\n");
    }
}

/// A lead byte of four, in the middle of a frame's last word, with nothing that belongs to it.
fn invalid_utf8(rendered: &mut Rendered) {
    if let Some(frame) = rendered.middle_json() {
        let letter = frame.bytes.iter().rposition(u8::is_ascii_lowercase).unwrap_or(0);
        frame.bytes[letter] = 0xf0;
    }
}

fn giant_line(rendered: &mut Rendered, bytes: usize) {
    const PART: usize = 64 << 10;
    let opening = if rendered.is_events() { "data: {\"giant\":\"" } else { "{\"giant\":\"" };
    let filler = Frame { bytes: vec![b'a'; PART], times: bytes.div_ceil(PART) };
    let before = if rendered.is_stream { 1 } else { 0 };
    rendered.frames.truncate(before);
    rendered.frames.extend([Frame::from(opening), filler, Frame::from("\"}\n\n")]);
    rendered.is_stream = true;
}

fn bomb(rendered: &mut Rendered, bytes: usize) {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![b' '; 256 << 10];
    for _ in 0..bytes.div_ceil(zeros.len()) {
        // Writing to memory does not fail.
        let _ = encoder.write_all(&zeros);
    }
    rendered.frames = vec![Frame { bytes: encoder.finish().unwrap_or_default(), times: 1 }];
    rendered.set_header("content-encoding", "gzip");
}

/// Rewrites every JSON value in the body.
fn map_json(rendered: &mut Rendered, change: impl Fn(&mut Value)) {
    for frame in &mut rendered.frames {
        let Ok(text) = std::str::from_utf8(&frame.bytes) else { continue };
        let Some(start) = text.find('{') else { continue };
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        let Some(Ok(mut value)) = values.next() else { continue };
        let end = start + values.byte_offset();
        change(&mut value);
        frame.bytes = [&text[..start], &value.to_string(), &text[end..]].concat().into_bytes();
    }
}

fn without_usage(value: &mut Value) {
    if let Value::Object(fields) = value {
        for name in ["usage", "usageMetadata", "prompt_eval_count", "eval_count"] {
            fields.shift_remove(name);
        }
        fields.values_mut().for_each(without_usage);
    }
}

/// The envelope stays, what it holds goes: in a stream, of every event.
fn empty_choices(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    for name in ["choices", "output", "candidates", "content"] {
        if fields.get(name).is_some_and(Value::is_array) {
            fields[name] = Value::Array(Vec::new());
        }
    }
    for name in ["message", "output", "delta", "response"] {
        if fields.get(name).is_some_and(|inner| inner.is_object() || inner.is_string()) {
            fields[name] = serde_json::json!({});
        }
    }
}

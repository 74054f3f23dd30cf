//! Recorded traffic for the formats' tests: every answer decodes, however it is cut, and every request survives.

use serde_json::Value;

use super::{Headers, HttpResponse, StreamDecoder, Wire, verbatim};
use crate::error::ProviderError;
use crate::model::Dialect;
use crate::reply::{Assembler, Reply};

/// One exchange.
pub(super) struct Exchange {
    pub id: String,
    pub url: String,
    pub request: Vec<u8>,
    pub status: u16,
    pub is_stream: bool,
    pub body: Vec<u8>,
}

/// The exchanges of one format in a provider's file; none, said aloud, without the data.
#[expect(clippy::print_stdout, reason = "a test says what it skips")]
pub(super) fn exchanges(file: &str, api: &str) -> Vec<Exchange> {
    let Some(text) = file_text(file) else {
        println!("skipped: recorded {api} of {file} (1 cases)");
        return Vec::new();
    };
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["api"] == api).map(exchange).collect()
}

#[cfg(feature = "http")]
fn file_text(file: &str) -> Option<String> {
    use std::io::Read;
    let folder = std::env::var_os("TIERWAY_DATA")?;
    let path = std::path::Path::new(&folder).join("wire").join(format!("{file}.jsonl.gz"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    Some(text)
}

#[cfg(not(feature = "http"))]
fn file_text(_file: &str) -> Option<String> {
    None
}

fn exchange(row: Value) -> Exchange {
    use base64::Engine;
    let bytes = |value: &Value| match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Null => Vec::new(),
        other => other.to_string().into_bytes(),
    };
    let response = &row["response"];
    let body = match &response["body_base64"] {
        Value::String(text) => base64::prelude::BASE64_STANDARD.decode(text).unwrap(),
        _ => bytes(&response["body"]),
    };
    let kind = response["content_type"].as_str().unwrap_or("").to_owned();
    // Some binary bodies were recorded as base64 without a word.
    let body = match base64::prelude::BASE64_STANDARD.decode(&body) {
        Ok(bytes) if kind.contains("eventstream") => bytes,
        _ => body,
    };
    let is_stream = ["event-stream", "eventstream", "ndjson"].iter().any(|name| kind.contains(name));
    Exchange {
        id: row["id"].as_str().unwrap().to_owned(),
        url: row["request"]["url"].as_str().unwrap_or_default().to_owned(),
        request: bytes(&row["request"]["body"]),
        status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
        is_stream,
        body,
    }
}

/// Decodes an exchange's answer as it came.
pub(super) fn decode(wire: &dyn Wire, exchange: &Exchange) -> Result<Reply, ProviderError> {
    if exchange.is_stream && exchange.status == 200 {
        return read(wire.decoder(&Dialect::default()), [exchange.body.as_slice()]);
    }
    let response = HttpResponse { status: exchange.status, headers: Headers::NONE, body: &exchange.body };
    wire.decode(response, &Dialect::default())
}

/// Reads a stream in these pieces.
pub(super) fn read<'a>(
    mut decoder: Box<dyn StreamDecoder>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Reply, ProviderError> {
    let (mut whole, mut out) = (Assembler::new(), Vec::new());
    let mut failed = None;
    for piece in pieces {
        if let Err(error) = decoder.feed(piece, &mut out) {
            failed = Some(error);
            break;
        }
    }
    let failed = failed.or_else(|| decoder.finish(&mut out).err());
    out.into_iter().for_each(|delta| whole.push(delta));
    match failed {
        Some(mut error) => {
            error.partial = Some(Box::new(whole.finish()));
            Err(error)
        }
        None => Ok(whole.finish()),
    }
}

/// A stream reads the same in single bytes, in pieces of seven, and cut once at every place of its first `most` bytes.
#[track_caller]
pub(super) fn check_cuts(wire: &dyn Wire, body: &[u8], most: usize) {
    let start = || wire.decoder(&Dialect::default());
    let want = read(start(), [body]);
    assert_eq!(read(start(), body.chunks(1)), want);
    assert_eq!(read(start(), body.chunks(7)), want);
    for cut in 0..=body.len().min(most) {
        assert_eq!(read(start(), [&body[..cut], &body[cut..]]), want, "cut at {cut}");
    }
}

/// Writes a request as it stands, under the verbatim dialect.
pub(super) fn rewrite(wire: &dyn Wire, parsed: &super::Parsed) -> Result<Vec<u8>, ProviderError> {
    let (card, endpoint) = (verbatim::card(&parsed.wire_model), verbatim::endpoint(wire.api()));
    let max_tokens = parsed.draft.max_tokens.unwrap_or(crate::limits::OUTPUT_TOKENS_DEFAULT);
    let ask = super::Ask { draft: &parsed.draft, card: &card, endpoint: &endpoint, max_tokens };
    wire.write(&ask, parsed.mode).map(|request| request.body)
}

/// What goes wrong when a request body is parsed, written again and parsed: an error, another request, a lost leaf.
pub(super) fn request_fault(
    wire: &dyn Wire,
    body: &[u8],
    same: fn(&str, &Value, &Value) -> bool,
) -> Result<(), String> {
    let parsed = wire.parse(body).map_err(|error| error.to_string())?;
    let written = rewrite(wire, &parsed).map_err(|error| error.to_string())?;
    let again = wire.parse(&written).map_err(|error| error.to_string())?;
    let (had, has): (Value, Value) = (serde_json::from_slice(body).unwrap(), serde_json::from_slice(&written).unwrap());
    let lost = lost("", &had, &has, same);
    if !lost.is_empty() {
        return Err(format!("lost {lost:?}"));
    }
    match again.draft == parsed.draft && again.wire_model == parsed.wire_model {
        true => Ok(()),
        false => Err("another request is read the second time".to_owned()),
    }
}

/// Fails with every fault at once.
#[track_caller]
pub(super) fn no_faults(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The places of `had` that `has` does not hold.
pub(super) fn lost(path: &str, had: &Value, has: &Value, same: fn(&str, &Value, &Value) -> bool) -> Vec<String> {
    if had == has || same(path, had, has) {
        return Vec::new();
    }
    match (had, has) {
        (Value::Object(had), Value::Object(has)) => had
            .iter()
            .flat_map(|(name, value)| {
                lost(&format!("{path}.{name}"), value, has.get(name).unwrap_or(&Value::Null), same)
            })
            .collect(),
        (Value::Array(had), Value::Array(has)) if had.len() == has.len() => had
            .iter()
            .zip(has)
            .enumerate()
            .flat_map(|(at, (a, b))| lost(&format!("{path}[{at}]"), a, b, same))
            .collect(),
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Vec::new(),
        (Value::Null, _) => Vec::new(),
        (Value::Object(had), Value::Null) if had.is_empty() => Vec::new(),
        _ => vec![path.to_owned()],
    }
}

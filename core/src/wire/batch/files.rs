//! Files of requests as OpenAI takes them, and those that copy it: lines of JSON in a form of several parts.

use serde_json::{Value, json};

use super::{Base, HandOver, Item, answer, id_of};
use crate::error::ProviderError;
use crate::wire::{HttpResponse, header};

/// Text that ends a part. It stands in no part: the JSON that we write has no line that begins with dashes.
const BOUNDARY: &str = "tierway-batch-7d1f4c";

/// An upload of `lines` under a name, for batches.
pub(super) fn upload(mark: &str, lines: &[u8]) -> HandOver {
    let mut body = Vec::with_capacity(lines.len() + 512);
    let mut put = |text: &str| body.extend_from_slice(text.as_bytes());
    put(&format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"));
    put(&format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{mark}.jsonl\"\r\n"));
    put("content-type: application/jsonl\r\n\r\n");
    body.extend_from_slice(lines);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = vec![header("content-type", kind)];
    HandOver { base: Base::Endpoint, path: "/files".to_owned(), headers, body }
}

/// The id of an uploaded file.
pub(super) fn uploaded(response: HttpResponse<'_>) -> Result<String, ProviderError> {
    id_of(&answer(response)?, "id")
}

/// One line an item.
pub(super) fn lines(items: &[Item], line: impl Fn(&Item) -> Value) -> Vec<u8> {
    let mut lines = Vec::new();
    for item in items {
        lines.extend_from_slice(line(item).to_string().as_bytes());
        lines.push(b'\n');
    }
    lines
}

/// `{custom_id, response: {status_code, body}, error}`.
pub(super) fn result(line: &Value) -> Result<super::Outcome, ProviderError> {
    use super::{Fate, Outcome, json, unbilled};
    let key = json::text(line, "custom_id").map(str::to_owned);
    let response = json::field(line, "response");
    let body = response.and_then(|response| json::field(response, "body"));
    let fate = match (body, json::field(line, "error")) {
        (Some(body), _) => {
            let status = response.and_then(|response| json::count(response, &["status_code"])).unwrap_or(200);
            Fate::Answer { status: u16::try_from(status).unwrap_or(500), body: body.clone() }
        }
        (None, Some(error)) => match json::text(error, "code") {
            Some("batch_expired") => Fate::Expired,
            Some("batch_cancelled") => Fate::Cancelled,
            _ => Fate::Failed(unbilled(json!({ "error": error }))),
        },
        (None, None) => return Err(ProviderError::protocol("a result has neither an answer nor an error")),
    };
    match key {
        Some(_) => Ok(Outcome { key, fate }),
        None => Err(ProviderError::protocol("a result does not say whose it is")),
    }
}

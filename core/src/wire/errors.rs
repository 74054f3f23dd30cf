//! What a vendor's failure means, decided once: from the vendor's code first, its status second, and its words only
//! where it gives no code that tells more than "bad request".

use serde_json::Value;

use super::json;
use super::{Headers, HttpResponse};
use crate::error::{Kind, ProviderError, Retry};
use crate::limits::{ERROR_BODY_BYTES_MAX, RETRY_AFTER_MAX};
use crate::time::Span;

mod codes;
mod retry_after;
mod secrets;

pub use retry_after::retry_after;

/// Headers in which vendors name a request, for their support.
const REQUEST_ID_HEADERS: [&str; 6] =
    ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-generation-id", "cf-ray"];

/// What a vendor says went wrong, before anyone decided what it means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// Its code: `model_not_found`; a number as text.
    pub code: Option<String>,
    /// Its type or status word: `invalid_request_error`, `RESOURCE_EXHAUSTED`, `ThrottlingException`.
    pub kind: Option<String>,
    /// Its words.
    pub message: String,
    /// The status that the body states, where an error travels inside a 200.
    pub status: Option<u16>,
    /// The wait that the body states.
    pub retry_after: Option<Span>,
    /// The vendor's id of the request, where the body states it.
    pub request_id: Option<String>,
}

impl Complaint {
    /// Reads the shapes in which vendors write errors; `None` where the body holds none.
    pub fn read(body: &Value) -> Option<Complaint> {
        let body = body.as_array().and_then(|all| all.first()).unwrap_or(body);
        let inner = stated(body);
        let mut complaint = match inner {
            Some(Value::String(message)) => Complaint::flat(body, message.clone()),
            Some(error @ Value::Object(_)) => Complaint::flat(error, words(error).unwrap_or_default()),
            _ if is_failure(body) => Complaint::flat(body, words(body)?),
            _ => return None,
        };
        complaint.request_id = json::text(body, "request_id").map(str::to_owned);
        Some(complaint)
    }

    fn flat(error: &Value, message: String) -> Complaint {
        let word = |name: &str| json::decimal(error, &[name]);
        let code = word("code").or_else(|| word("raw_status_code"));
        let numeric = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u16>().ok());
        let status = numeric(&code).or_else(|| numeric(&word("status"))).filter(|code| (400..600).contains(code));
        let kind = ["type", "__type", "status"].iter().find_map(|name| json::text(error, name)).map(str::to_owned);
        let reason = json::list(error, "details").iter().find_map(|detail| json::text(detail, "reason"));
        let inner = json::at(error, &["innererror", "code"]).and_then(Value::as_str);
        let code = inner.or(reason).map(str::to_owned).or(code);
        let delay = json::list(error, "details").iter().find_map(|detail| json::text(detail, "retryDelay"));
        let raw = json::at(error, &["metadata", "raw"]).and_then(Value::as_str);
        let message = raw.map_or(message.clone(), |raw| format!("{message}: {raw}"));
        Complaint { code, kind, message, status, retry_after: delay.and_then(retry_after::duration), request_id: None }
    }
}

/// The error that a body has a field for; some vendors send that field empty beside every answer.
fn stated(body: &Value) -> Option<&Value> {
    let says = |error: &&Value| match error {
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => fields.values().any(|value| !value.is_null() && *value != "" && *value != 0),
        _ => false,
    };
    ["error", "Error"].iter().find_map(|name| json::field(body, name).filter(says))
}

/// Whether a body has a field for an error, and something in it.
pub(super) fn is_stated(body: &Value) -> bool {
    stated(body).is_some()
}

/// Whether an object without an `error` field is an error all the same.
fn is_failure(body: &Value) -> bool {
    let says_error = |name: &str| json::text(body, name).is_some_and(|word| word.to_lowercase().contains("error"));
    let is_answer = ["choices", "content", "candidates", "output", "data"].iter().any(|name| body.get(name).is_some());
    says_error("object") || says_error("type") || (!is_answer && words(body).is_some())
}

/// The words of an error object.
fn words(error: &Value) -> Option<String> {
    let named = ["message", "Message", "detail", "error_description", "error_message", "msg"];
    named.iter().find_map(|name| match json::field(error, name)? {
        Value::String(text) => Some(text.clone()),
        // FastAPI servers (vLLM, SGLang, Voyage) list what is wrong with each field.
        Value::Array(list) => json::text(list.first()?, "msg").map(str::to_owned),
        _ => None,
    })
}

/// The error that an answer with a failing status is. The body is read in every shape that vendors use; a page of HTML
/// is never repeated.
#[cold]
pub fn of_response(response: &HttpResponse<'_>) -> ProviderError {
    let body = &response.body[..response.body.len().min(ERROR_BODY_BYTES_MAX)];
    let read = serde_json::from_str(&String::from_utf8_lossy(body)).ok();
    let mut complaint = read
        .as_ref()
        .and_then(Complaint::read)
        .unwrap_or_else(|| Complaint { message: stand_in(body, response.status), ..Complaint::default() });
    // AWS puts the exception's name in a header: `ValidationException:http://internal.amazon.com/...`.
    if let Some(name) = response.header("x-amzn-errortype") {
        complaint.kind = name.split(':').next().map(str::to_owned);
    }
    classify(&complaint, response.status, response.headers)
}

/// Words for a body that is no error object.
fn stand_in(body: &[u8], status: u16) -> String {
    match body.trim_ascii_start() {
        [] => format!("the vendor answered {status} without a body"),
        [b'<', ..] => format!("the vendor, or a proxy before it, answered {status} with a page of HTML"),
        _ if body.len() <= 200 && body.is_ascii() => String::from_utf8_lossy(body).into_owned(),
        _ => format!("the vendor answered {status} with a body that is no error object"),
    }
}

/// The error inside an answer whose status was 200: in a unary body or in a stream.
pub fn of_body(body: &Value, status: u16, headers: &Headers) -> Option<ProviderError> {
    let complaint = Complaint::read(body)?;
    let stated = complaint.status.unwrap_or(status);
    Some(classify(&complaint, stated, headers))
}

/// Decides what a complaint means and whether trying again can help.
pub fn classify(complaint: &Complaint, status: u16, headers: &Headers) -> ProviderError {
    let kind = codes::kind_of(complaint, status);
    let wait = complaint.retry_after.or_else(|| retry_after(headers, kind == Kind::RateLimited));
    let header = |name: &&str| headers.get(name).map(str::to_owned);
    let message = match complaint.message.trim() {
        "" => format!("the vendor answered {status} and did not say why"),
        text => secrets::masked(text),
    };
    let mut error = ProviderError::new(kind, retry_of(kind, wait), message);
    error.status = (status >= 400).then_some(status);
    if let Some(code) = complaint.code.as_ref().or(complaint.kind.as_ref()) {
        error = error.with_code(secrets::masked(code));
    }
    let id = complaint.request_id.clone().or_else(|| REQUEST_ID_HEADERS.iter().find_map(header));
    match id {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// Whether trying again can help, by what went wrong.
fn retry_of(kind: Kind, wait: Option<Span>) -> Retry {
    match kind {
        Kind::Invalid | Kind::Encode | Kind::Cancelled => Retry::Never,
        Kind::Auth
        | Kind::Permission
        | Kind::Quota
        | Kind::NotFound
        | Kind::ContextTooLong
        | Kind::TooLarge
        | Kind::ContentFiltered
        | Kind::Unsupported
        | Kind::ReplyTooLarge => Retry::Elsewhere,
        _ if wait.is_some_and(|wait| wait > RETRY_AFTER_MAX) => Retry::Elsewhere,
        _ => Retry::Here(wait),
    }
}

/// The error of a stream that ended before its answer did.
pub fn incomplete() -> ProviderError {
    let text = "the stream ended before the answer did: what came is in the partial reply";
    ProviderError::new(Kind::Incomplete, Retry::Here(None), text)
}

#[cfg(test)]
mod tests;

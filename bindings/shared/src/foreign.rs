//! Providers and checks that are written in the host's language: JSON text goes to them and comes back.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tierway::client::{Check, Verdict};
use tierway::error::{Kind, one_line};
use tierway::id::ProviderId;
use tierway::time::Span;
use tierway::tree::read_json;
use tierway::{Call, Content, Delta, Part, Provider, ProviderError, Reply, ReplyStream, Request, Retry};

/// Answers in the host's language. All methods may be called at once from many threads.
///
/// - A call is `{"model", "id", "endpoint", "attempt", "max_tokens", "timeout_ms", "request"}`: the wire name, the
///   catalogue's id, where, the ledger's key, the bound that was reserved, the time limit and the request.
/// - An answer is a reply as JSON; `{"text": ..., "usage": {"input": n, "output": n}}` is enough, or a text alone.
/// - A piece is a delta as JSON, or a text alone.
/// - An error is `{"kind", "message", "status", "code", "retry", "retry_after_ms", "sent"}`, of which only `message` is
///   needed; or a text, which is the message.
#[async_trait]
pub trait ForeignProvider: Send + Sync {
    /// Asks for a whole answer. The future is dropped where the caller gives up.
    async fn chat(&self, call: String) -> Result<String, String>;

    /// Starts to answer piece by piece, under a number that is not used twice.
    async fn open(&self, stream: u64, call: String) -> Result<(), String>;

    /// The next piece of a stream; `None` after the last.
    async fn next(&self, stream: u64) -> Result<Option<String>, String>;

    /// Ends a stream: after its last piece, after an error, half-way, or where `open` failed or was given up; whoever has
    /// a stream after that lets go of it. Called once for each number, after the future of `open` is gone; must not block.
    fn close(&self, stream: u64);
}

/// Judges whole answers in the host's language.
#[async_trait]
pub trait ForeignCheck: Send + Sync {
    /// Why the answer falls short of the request, in a line without the answer's text; `None` where it is good enough.
    async fn judge(&self, request: String, reply: String) -> Option<String>;
}

/// A foreign provider as the core sees it.
pub(crate) struct Answerer {
    id: ProviderId,
    host: Arc<dyn ForeignProvider>,
}

impl Answerer {
    pub(crate) fn new(id: ProviderId, host: Arc<dyn ForeignProvider>) -> Answerer {
        Answerer { id, host }
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answerer").field("id", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Answerer {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    async fn send(&self, call: &Call) -> Result<Reply, ProviderError> {
        let limit = call.timeouts().total;
        let answered = within(limit, self.host.chat(ask(call))).await?;
        reply_of(&answered.map_err(|text| error_of(&text))?)
    }

    async fn stream(&self, call: &Call) -> Result<ReplyStream, ProviderError> {
        let timeouts = call.timeouts();
        // There before it is opened: what a host opens just when its caller gives up is closed too.
        let open = OpenStream { host: self.host.clone(), number: next_number() };
        let opening = open.host.open(open.number, ask(call));
        within(timeouts.first_byte, opening).await?.map_err(|text| error_of(&text))?;
        let pieces = stream::unfold((Some(open), VecDeque::new()), move |(open, mut ready)| async move {
            if let Some(delta) = ready.pop_front() {
                return Some((Ok(delta), (open, ready)));
            }
            let open = open?;
            match open.next(timeouts.idle).await {
                Ok(None) => None,
                Ok(Some(delta)) => Some((Ok(delta), (Some(open), ready))),
                Err(error) => Some((Err(error), (None, ready))),
            }
        });
        Ok(Box::pin(pieces))
    }
}

/// A number for what a host holds for us, used once.
pub(crate) fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// A host's stream, which is closed wherever this goes out of use.
struct OpenStream {
    host: Arc<dyn ForeignProvider>,
    number: u64,
}

impl OpenStream {
    async fn next(&self, limit: Span) -> Result<Option<Delta>, ProviderError> {
        match within(limit, self.host.next(self.number)).await? {
            Ok(None) => Ok(None),
            Ok(Some(text)) => delta_of(&text).map(Some),
            Err(text) => Err(error_of(&text)),
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.host.close(self.number);
    }
}

async fn within<T>(limit: Span, work: impl Future<Output = T>) -> Result<T, ProviderError> {
    let late = |_| ProviderError::new(Kind::Timeout, Retry::Elsewhere, format!("no answer within {limit}"));
    tokio::time::timeout(Duration::from_millis(limit.ms()), work).await.map_err(late)
}

fn ask(call: &Call) -> String {
    let ask = json!({
        "model": call.card().wire_name,
        "id": call.card().id,
        "endpoint": call.endpoint().id,
        "attempt": call.attempt(),
        "max_tokens": call.max_tokens(),
        "timeout_ms": call.timeouts().total,
        "request": call.request(),
    });
    ask.to_string()
}

/// Reads an answer: a reply, one with `text` in place of `parts`, or a text alone.
pub(crate) fn reply_of(text: &str) -> Result<Reply, ProviderError> {
    let unreadable = || ProviderError::protocol("the provider's answer is neither a reply nor a text");
    let mut value: Value = serde_json::from_str(text).map_err(|_| unreadable())?;
    let short = match &mut value {
        Value::String(words) => Some(std::mem::take(words)),
        Value::Object(fields) => match fields.remove("text") {
            Some(Value::String(words)) => Some(words),
            Some(_) => return Err(unreadable()),
            None => None,
        },
        _ => return Err(unreadable()),
    };
    let mut reply = match value {
        Value::Object(mut fields) => {
            fields.entry("parts").or_insert_with(|| json!([]));
            read_json(Value::Object(fields)).map_err(|_| unreadable())?
        }
        _ => Reply::default(),
    };
    if let Some(words) = short {
        reply.parts.push(Part::text(words));
    }
    if reply.stop.is_none() {
        let waits = reply.parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
        reply.stop = Some(if waits { tierway::StopReason::ToolUse } else { tierway::StopReason::End });
    }
    Ok(reply)
}

fn delta_of(text: &str) -> Result<Delta, ProviderError> {
    let unreadable = || ProviderError::protocol("the provider's piece is neither a delta nor a text");
    match serde_json::from_str(text).map_err(|_| unreadable())? {
        Value::String(text) => Ok(Delta::Text { part: 0, text }),
        value => read_json(value).map_err(|_| unreadable()),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    kind: Option<Kind>,
    message: String,
    status: Option<u16>,
    code: Option<String>,
    retry: Option<Advice>,
    retry_after_ms: Option<Span>,
    sent: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Advice {
    Never,
    Here,
    Elsewhere,
}

/// Reads a host's error; what is no error of ours is its message.
pub(crate) fn error_of(text: &str) -> ProviderError {
    let fault = match serde_json::from_str::<Value>(text) {
        Ok(Value::String(message)) => Fault { message, ..Fault::default() },
        Ok(value) => read_json(value).unwrap_or_else(|_| Fault {
            message: "the provider's error cannot be read".to_owned(),
            ..Fault::default()
        }),
        Err(_) => Fault { message: text.to_owned(), ..Fault::default() },
    };
    let kind = fault.kind.unwrap_or(Kind::Server);
    let passes = matches!(
        kind,
        Kind::RateLimited | Kind::Overloaded | Kind::Server | Kind::Connect | Kind::Timeout | Kind::Network
    );
    let retry = match fault.retry {
        Some(Advice::Never) => Retry::Never,
        Some(Advice::Elsewhere) => Retry::Elsewhere,
        Some(Advice::Here) => Retry::Here(fault.retry_after_ms),
        None if passes => Retry::Here(fault.retry_after_ms),
        None => Retry::Elsewhere,
    };
    let mut error = ProviderError::new(kind, retry, &fault.message);
    error.status = fault.status;
    error.code = fault.code.map(|code| one_line(&code));
    error.sent = fault.sent.unwrap_or(true);
    error
}

/// A foreign check as the core sees it.
pub(crate) struct Judge(pub(crate) Arc<dyn ForeignCheck>);

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

#[async_trait]
impl Check for Judge {
    async fn judge(&self, request: &Request, reply: &Reply) -> Verdict {
        match self.0.judge(crate::json::write(request), crate::json::write(reply)).await {
            None => Verdict::Pass,
            Some(reason) => Verdict::Short(one_line(&reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_be_as_short_as_a_text() {
        for text in [r#""hi""#, r#"{"text": "hi"}"#, r#"{"parts": [{"type": "text", "text": "hi"}]}"#] {
            assert_eq!(reply_of(text).unwrap().text(), "hi", "{text}");
        }
        for text in ["hi", "7", "[]", r#"{"text": 7}"#, r#"{"parts": 7}"#] {
            assert_eq!(reply_of(text).unwrap_err().kind, Kind::Protocol, "{text}");
        }
    }

    #[test]
    fn an_error_may_be_as_short_as_a_text_and_keeps_its_advice() {
        assert_eq!(error_of("it broke").kind, Kind::Server);
        assert_eq!(error_of(r#"{"message": "x"}"#).retry, Retry::Here(None));
        let error = error_of(r#"{"kind": "rate_limited", "message": "slow", "retry_after_ms": 250, "status": 429}"#);
        assert_eq!((error.retry, error.status), (Retry::Here(Some(Span::from_ms(250))), Some(429)));
        let error = error_of(r#"{"kind": "auth", "message": "no", "sent": false}"#);
        assert_eq!((error.retry, error.sent), (Retry::Elsewhere, false));
    }
}

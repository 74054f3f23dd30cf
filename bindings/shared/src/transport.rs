//! Bytes that the host moves: for platforms whose own HTTP knows the proxies, the certificates and the radio, and for
//! libraries that stay small without one.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tierway::ProviderError;
use tierway::Retry;
use tierway::error::Kind;
use tierway::time::{Span, Timeouts};
use tierway::transport::{Incoming, Outgoing, Transport};
use tierway::wire::Header;
use tierway::wire::batch::Method;
use tokio::time::{Instant, timeout_at};

use crate::foreign::{error_of, next_number};

/// A request that the host is to send as it is: no redirect followed, no compression asked for, no header added that it
/// can leave out.
#[derive(Clone)]
pub struct ForeignRequest {
    /// `POST` or `GET`.
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// Names in lower case, and values; the key's header is among them.
    pub headers: Vec<(String, String)>,
    /// The body; empty for `GET`.
    pub body: Bytes,
    /// To a connection, TLS included, in milliseconds.
    pub connect_ms: u64,
    /// From there to the first byte of an answer.
    pub first_byte_ms: u64,
    /// Between two pieces of an answer.
    pub idle_ms: u64,
}

impl fmt::Debug for ForeignRequest {
    /// Shows neither the key nor the prompt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignRequest")
            .field("url", &self.url)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An answer whose head has come.
#[derive(Clone, Debug)]
pub struct ForeignHead {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// Sends requests in the host's language. All methods may be called at once from many threads.
///
/// An error is as a `ForeignProvider`'s: `{"kind", "message", "sent"}`, where `kind` is `connect`, `tls`, `timeout` or
/// `network`, and `sent` is false where no byte of the request has left. A text alone is a network error.
#[async_trait]
pub trait ForeignTransport: Send + Sync {
    /// Sends a request and returns as soon as the answer's head is there. `body` is the number by which the body is read, not
    /// used twice. The future is dropped where the caller gives up.
    async fn begin(&self, body: u64, request: ForeignRequest) -> Result<ForeignHead, String>;

    /// The next bytes of a body; `None` after the last.
    async fn read(&self, body: u64) -> Result<Option<Vec<u8>>, String>;

    /// Lets go of a body: after its end, after an error, half-way, or where `begin` failed or was given up; whoever has an
    /// answer after that lets go of it. Called once for each number, after the future of `begin` is gone; must not block.
    fn close(&self, body: u64);
}

/// A foreign transport as the core sees it.
pub struct Carrier(Arc<dyn ForeignTransport>);

impl Carrier {
    /// Moves bytes by `host`.
    pub fn new(host: Arc<dyn ForeignTransport>) -> Carrier {
        Carrier(host)
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

#[async_trait]
impl Transport for Carrier {
    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError> {
        let limits = outgoing.timeouts();
        let ends = Instant::now() + limits.total.to_duration();
        let wait = Span::from_ms(limits.connect.ms().saturating_add(limits.first_byte.ms()));
        // There before the call begins: what a host begins just when its caller gives up is let go too.
        let body = OpenBody { host: self.0.clone(), number: next_number() };
        let begun = body.host.begin(body.number, written(&outgoing, limits));
        let head = within(wait, ends, "no answer began", begun).await?.map_err(|text| fault(&text))?;
        let idle = limits.idle;
        let pieces = stream::unfold(Some(body), move |body| async move {
            let body = body?;
            match body.next(idle, ends).await {
                Ok(None) => None,
                Ok(Some(bytes)) => Some((Ok(bytes), Some(body))),
                Err(error) => Some((Err(error), None)),
            }
        });
        let headers = head.headers.into_iter().collect();
        Ok(Incoming { status: head.status, headers, body: Box::pin(pieces) })
    }
}

fn written(outgoing: &Outgoing, limits: Timeouts) -> ForeignRequest {
    let own = |(name, value): &Header| (name.clone().into_owned(), value.clone().into_owned());
    let mut headers: Vec<(String, String)> = outgoing.headers().iter().map(own).collect();
    headers.extend(outgoing.key_header().map(|(name, value)| (name.to_string(), value)));
    ForeignRequest {
        method: match outgoing.method() {
            Method::Post => "POST",
            Method::Get => "GET",
        },
        url: outgoing.url().to_owned(),
        headers,
        body: outgoing.body().clone(),
        connect_ms: limits.connect.ms(),
        first_byte_ms: limits.first_byte.ms(),
        idle_ms: limits.idle.ms(),
    }
}

/// A host's body, which is closed wherever this goes out of use.
struct OpenBody {
    host: Arc<dyn ForeignTransport>,
    number: u64,
}

impl OpenBody {
    async fn next(&self, idle: Span, ends: Instant) -> Result<Option<Bytes>, ProviderError> {
        let read = within(idle, ends, "the answer stood still", self.host.read(self.number)).await?;
        read.map(|bytes| bytes.map(Bytes::from)).map_err(|text| fault(&text))
    }
}

impl Drop for OpenBody {
    fn drop(&mut self) {
        self.host.close(self.number);
    }
}

/// Waits for `limit`, and not beyond the attempt's end.
async fn within<T>(limit: Span, ends: Instant, what: &str, work: impl Future<Output = T>) -> Result<T, ProviderError> {
    let until = ends.min(Instant::now() + limit.to_duration());
    let late = |_| ProviderError::new(Kind::Timeout, Retry::Here(None), format!("{what} for {limit}"));
    timeout_at(until, work).await.map_err(late)
}

/// A transport's error: of the kinds that a transport has, and without an address, which may hold a key.
fn fault(text: &str) -> ProviderError {
    let mut error = error_of(text);
    if !matches!(error.kind, Kind::Connect | Kind::Tls | Kind::Timeout | Kind::Network | Kind::Cancelled) {
        error.kind = Kind::Network;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_has_errors_of_its_own_kinds() {
        let check = |text: &str, kind: Kind, sent: bool| {
            let error = fault(text);
            assert_eq!((error.kind, error.sent), (kind, sent), "{text}");
        };
        check(r#"{"kind": "connect", "message": "no route", "sent": false}"#, Kind::Connect, false);
        check(r#"{"kind": "tls", "message": "expired"}"#, Kind::Tls, true);
        check(r#"{"kind": "rate_limited", "message": "not a transport's word"}"#, Kind::Network, true);
        check("the radio is off", Kind::Network, true);
    }
}

//! The stock transport: reqwest with its risky defaults off. No redirects, no referer, no silent decompression.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::addresses::Addresses;
use super::{Incoming, Outgoing, Transport};
use crate::error::{Kind, ProviderError, Retry};
use crate::time::{Span, Timeouts};
use crate::wire::batch::Method;
use crate::wire::{Header, Headers};

/// How to reach the network.
#[derive(Clone, Debug, Default)]
pub struct TransportOptions {
    /// Which proxy to use.
    pub proxy: Proxy,
    /// Further root certificates, as PEM text, beside the system's.
    pub extra_roots_pem: Vec<Vec<u8>>,
    /// A limit to a connection, TLS included, that holds beside each call's own.
    pub connect_timeout: Option<Span>,
    /// Idle connections kept for each host; 64 by default.
    pub idle_connections_max: Option<usize>,
}

/// Which proxy to use.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Proxy {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    Environment,
    /// None.
    Direct,
    /// This one, for every host.
    Url(String),
}

impl fmt::Debug for Proxy {
    /// Shows the address without the name and the password that it may hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proxy::Environment => f.write_str("Environment"),
            Proxy::Direct => f.write_str("Direct"),
            Proxy::Url(url) => f.debug_tuple("Url").field(&crate::secrets::without_login(url)).finish(),
        }
    }
}

/// Sends with reqwest over pooled connections. The pool and the certificates are set up at the first call.
#[derive(Debug)]
pub struct HttpTransport {
    options: TransportOptions,
    client: OnceLock<Result<reqwest::Client, String>>,
    addresses: Addresses,
}

impl HttpTransport {
    /// A transport with these options; nothing is opened yet.
    pub fn new(options: TransportOptions) -> HttpTransport {
        HttpTransport { options, client: OnceLock::new(), addresses: Addresses::default() }
    }

    /// The request without its body. Built in place: a builder would be handed on by value with each header.
    fn request(&self, outgoing: &Outgoing) -> Result<reqwest::Request, ProviderError> {
        let address = self.addresses.parsed(outgoing.url()).ok_or_else(|| unfit().unsent())?;
        let method = match outgoing.method() {
            Method::Post => reqwest::Method::POST,
            Method::Get => reqwest::Method::GET,
        };
        let mut request = reqwest::Request::new(method, address);
        let headers = request.headers_mut();
        // The key's, two that the client adds, and two that the connection does: room for all is made once.
        headers.reserve(outgoing.headers().len() + 5);
        for written in outgoing.headers() {
            let (name, value) = header(written).ok_or_else(|| unfit().unsent())?;
            headers.append(name, value);
        }
        if let Some((name, value)) = outgoing.key_header() {
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                ProviderError::new(Kind::Auth, Retry::Elsewhere, "the key cannot stand in a header").unsent()
            })?;
            value.set_sensitive(true);
            headers.append(header_name(name).ok_or_else(|| unfit().unsent())?, value);
        }
        Ok(request)
    }

    fn client(&self) -> Result<&reqwest::Client, ProviderError> {
        let built = self.client.get_or_init(|| build(&self.options));
        built.as_ref().map_err(|text| ProviderError::new(Kind::Connect, Retry::Never, text).unsent())
    }
}

impl Default for HttpTransport {
    fn default() -> HttpTransport {
        HttpTransport::new(TransportOptions::default())
    }
}

pub(crate) fn build(options: &TransportOptions) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(options)?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .pool_idle_timeout(Duration::from_secs(50))
        .pool_max_idle_per_host(options.idle_connections_max.unwrap_or(64))
        .tcp_nodelay(true)
        .user_agent(concat!("tierway/", env!("CARGO_PKG_VERSION")));
    if let Some(limit) = options.connect_timeout {
        builder = builder.connect_timeout(limit.to_duration());
    }
    match &options.proxy {
        Proxy::Environment => {}
        Proxy::Direct => builder = builder.no_proxy(),
        Proxy::Url(url) => {
            let proxy =
                reqwest::Proxy::all(url).map_err(|_| "the proxy's address is not valid: write http://host:port")?;
            builder = builder.proxy(proxy);
        }
    }
    builder.build().map_err(|error| format!("the HTTP client could not be set up: {}", error.without_url()))
}

/// The system's roots, or Mozilla's where the system has none, and the user's own.
fn tls(options: &TransportOptions) -> Result<rustls::ClientConfig, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for pem in &options.extra_roots_pem {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| "an extra root certificate is not valid PEM")?;
            roots.add(certificate).map_err(|error| format!("an extra root certificate was refused: {error}"))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| format!("TLS could not be set up: {error}"))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[async_trait]
impl Transport for HttpTransport {
    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError> {
        let client = self.client()?;
        let mut request = self.request(&outgoing)?;
        let limits = outgoing.timeouts();
        let response = match outgoing.body().is_empty() {
            true => bodiless(client.execute(request), limits).await?,
            false => {
                let went_out = Arc::new(OnceLock::new());
                let body = Watched { bytes: Some(outgoing.body().clone()), went_out: went_out.clone() };
                *request.body_mut() = Some(reqwest::Body::wrap(body));
                head(client.execute(request), went_out, limits).await?
            }
        };
        let status = response.status().as_u16();
        let mut headers = Headers::with_capacity(response.headers().len());
        for (name, value) in response.headers() {
            match std::str::from_utf8(value.as_bytes()) {
                Ok(value) => headers.push(name.as_str(), value),
                Err(_) => headers.push(name.as_str(), &String::from_utf8_lossy(value.as_bytes())),
            }
        }
        let body = Paced { pieces: Some(response.bytes_stream()), idle: limits.idle, alarm: None, is_set: false };
        Ok(Incoming { status, headers, body: Box::pin(body) })
    }
}

/// A header as reqwest takes it. What never changes is not copied again.
fn header((name, value): &Header) -> Option<(HeaderName, HeaderValue)> {
    let value = match value {
        Cow::Borrowed(value) => HeaderValue::from_maybe_shared(Bytes::from_static(value.as_bytes())),
        Cow::Owned(value) => HeaderValue::from_str(value),
    };
    Some((header_name(name)?, value.ok()?))
}

/// Names that are written often, read once.
static NAMES: [HeaderName; 5] = [
    CONTENT_TYPE,
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("api-key"),
];

fn header_name(name: &str) -> Option<HeaderName> {
    NAMES.iter().find(|known| known.as_str() == name).cloned().or_else(|| HeaderName::try_from(name).ok())
}

/// A body that notes when the connection begins to take it. Until then no byte of the request has left.
struct Watched {
    bytes: Option<Bytes>,
    went_out: WentOut,
}

/// When the request went out; `None` once it was given up before, and so never will.
type WentOut = Arc<OnceLock<Option<Instant>>>;

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        if self.went_out.get_or_init(|| Some(Instant::now())).is_none() {
            return Poll::Ready(Some(Err(io::Error::other("the call was given up before it was sent"))));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.bytes.as_ref().map_or(0, Bytes::len) as u64)
    }
}

/// Sends a request without a body. Nothing tells when it has left, so one limit holds for connection and first byte.
async fn bodiless(
    sending: impl Future<Output = Result<reqwest::Response, reqwest::Error>>,
    limits: Timeouts,
) -> Result<reqwest::Response, ProviderError> {
    let limit = Span::from_ms(limits.connect.ms().saturating_add(limits.first_byte.ms())).min(limits.total);
    match tokio::time::timeout(limit.to_duration(), sending).await {
        Ok(sent) => sent.map_err(|error| classify(&error)),
        Err(_) => Err(late("no answer began", limit)),
    }
}

/// Waits for the answer's head: for a connection within its limit, and from when the request went out for a first byte
/// within its own. One timer at a time: the call is not woken to be told that the request went out.
async fn head(
    sending: impl Future<Output = Result<reqwest::Response, reqwest::Error>>,
    went_out: WentOut,
    limits: Timeouts,
) -> Result<reqwest::Response, ProviderError> {
    let mut sending = pin!(sending);
    let (connect, first_byte) = (limits.connect.min(limits.total), limits.first_byte);
    let began = Instant::now();
    let connected_by = began + connect.to_duration();
    let mut until = connected_by.min(began + first_byte.to_duration());
    loop {
        if let Ok(sent) = tokio::time::timeout_at(until, &mut sending).await {
            // Given up here for good, or not unsent: a connection on another thread may be about to send it.
            let unsent = |error: ProviderError| if went_out.set(None).is_ok() { error.unsent() } else { error };
            return sent.map_err(|error| unsent(classify(&error)));
        }
        let now = Instant::now();
        if connected_by <= now && went_out.set(None).is_ok() {
            return Err(late("no connection", connect).unsent());
        }
        until = match went_out.get().copied().flatten() {
            Some(at) if at + first_byte.to_duration() <= now => return Err(late("no answer began", first_byte)),
            Some(at) => at + first_byte.to_duration(),
            None => connected_by.min(now + first_byte.to_duration()),
        };
    }
}

/// A body whose pieces come within the idle limit each; after an error it is over. The alarm is set only where a piece is
/// not there yet, so a body that came whole needs none.
struct Paced<S> {
    pieces: Option<S>,
    idle: Span,
    alarm: Option<Pin<Box<tokio::time::Sleep>>>,
    is_set: bool,
}

impl<S: Stream<Item = Result<Bytes, reqwest::Error>> + Unpin> Stream for Paced<S> {
    type Item = Result<Bytes, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(pieces) = &mut this.pieces else { return Poll::Ready(None) };
        if let Poll::Ready(piece) = Pin::new(pieces).poll_next(context) {
            this.is_set = false;
            let piece = piece.map(|piece| piece.map_err(|error| classify(&error)));
            if !matches!(piece, Some(Ok(_))) {
                this.pieces = None;
            }
            return Poll::Ready(piece);
        }
        let (idle, was_set) = (this.idle, std::mem::replace(&mut this.is_set, true));
        let alarm = match &mut this.alarm {
            Some(alarm) => {
                if !was_set {
                    alarm.as_mut().reset(Instant::now() + idle.to_duration());
                }
                alarm
            }
            none => none.insert(Box::pin(tokio::time::sleep(idle.to_duration()))),
        };
        match alarm.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                this.pieces = None;
                Poll::Ready(Some(Err(late("the answer stood still", idle))))
            }
        }
    }
}

#[cold]
fn late(what: &str, limit: Span) -> ProviderError {
    ProviderError::new(Kind::Timeout, Retry::Here(None), format!("{what} for {limit}"))
}

/// Names what reqwest says, without its text, which may hold the address and its query.
#[cold]
fn classify(error: &reqwest::Error) -> ProviderError {
    let mut is_tls = false;
    let mut cause = String::new();
    let mut source = error.source();
    while let Some(inner) = source {
        is_tls |= is_of_tls(inner);
        cause = inner.to_string();
        source = inner.source();
    }
    let (kind, retry, text) = match () {
        () if is_tls => {
            (Kind::Tls, Retry::Elsewhere, "TLS failed: check the address, the proxy and the root certificates")
        }
        () if error.is_connect() && error.is_timeout() => (Kind::Timeout, Retry::Here(None), "no connection in time"),
        () if error.is_connect() => {
            (Kind::Connect, Retry::Here(None), "no connection: check the address and the network")
        }
        () if error.is_builder() => return unfit(),
        () if error.is_timeout() => (Kind::Timeout, Retry::Here(None), "a time limit passed"),
        () => (Kind::Network, Retry::Here(None), "the connection broke"),
    };
    ProviderError::new(kind, retry, if cause.is_empty() { text.to_owned() } else { format!("{text} ({cause})") })
}

/// No request can be made of what the endpoint says.
#[cold]
fn unfit() -> ProviderError {
    ProviderError::new(Kind::Encode, Retry::Elsewhere, "the endpoint's address or a header is not valid")
}

/// Whether an error is one of TLS. An `io::Error` leaves what it wraps, often another one, out of its chain of sources.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    if error.downcast_ref::<rustls::Error>().is_some() {
        return true;
    }
    error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).is_some_and(|inner| is_of_tls(inner))
}

#[cfg(test)]
mod tests {
    use http_body::Body;

    use super::*;

    #[tokio::test]
    async fn what_is_said_to_be_unsent_never_leaves() {
        let went_out = WentOut::default();
        let mut body = Watched { bytes: Some(Bytes::from_static(b"{}")), went_out: went_out.clone() };
        let limits = Timeouts { connect: Span::from_ms(5), ..Timeouts::default() };
        let error = head(std::future::pending(), went_out, limits).await.unwrap_err();
        assert!((error.kind, error.sent) == (Kind::Timeout, false), "{error}");
        // A connection that is made too late, on another thread, asks for the body now.
        let mut context = Context::from_waker(std::task::Waker::noop());
        let frame = Pin::new(&mut body).poll_frame(&mut context);
        assert!(matches!(frame, Poll::Ready(Some(Err(_)))), "it would be sent and paid, and sent again elsewhere");
    }

    #[test]
    fn a_header_that_cannot_be_is_refused_and_no_panic() {
        let written = |name: &'static str, value: &'static str| header(&(name.into(), value.into()));
        let (name, value) = written("x-api-key", "abc").unwrap();
        assert_eq!((name.as_str(), value.as_bytes()), ("x-api-key", b"abc".as_slice()));
        assert_eq!(written("Content-Type", "a b").unwrap().0, "content-type");
        for (name, value) in [("", "a"), ("a b", "a"), ("a", "b\n"), ("a", "\u{7f}")] {
            assert!(written(name, value).is_none(), "{name:?}: {value:?}");
            assert!(header(&(name.to_owned().into(), value.to_owned().into())).is_none(), "{name:?}: {value:?}");
        }
    }
}

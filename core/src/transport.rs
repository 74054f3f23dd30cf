//! Moves bytes to an endpoint and back. One method; the stock one is reqwest behind `http`, a mobile host may bring its own.
//!
//! An `Outgoing` can only be made from a `Call`, and a `Call` only from policy's `Admission`: what policy refuses has no
//! way onto the wire. The key is added here, after the wire has written the body, and only for the call's own endpoint.

use std::borrow::Cow;
use std::fmt::Debug;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::error::{Kind, ProviderError, Retry};
use crate::model::{Auth, Endpoint};
use crate::provider::Call;
use crate::secrets::Secret;
use crate::time::Timeouts;
use crate::wire::batch::{Errand, HandOver, Method};
use crate::wire::{Header, Headers, HttpRequest, header};

#[cfg(feature = "http")]
mod addresses;
mod batch;
mod embed;
#[cfg(feature = "http")]
mod http;
mod inflate;
mod vendor;
#[cfg(feature = "http")]
mod webhook;

pub use batch::BatchPort;
pub use embed::EmbedPort;
pub(crate) use embed::ask_of;
#[cfg(all(feature = "http", feature = "engine"))]
pub(crate) use http::build as http_client;
#[cfg(feature = "http")]
pub use http::{HttpTransport, Proxy, TransportOptions};
pub use vendor::HttpProvider;
#[cfg(feature = "http")]
pub(crate) use webhook::Webhook;

/// An answer's bytes as they come.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, ProviderError>> + Send>>;

/// Sends one request. Implementations follow no redirect, ask for no compression, and keep to the time limits.
#[async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Sends the request, by the method that it names, and returns as soon as the answer's head is there.
    ///
    /// # Errors
    /// `Connect`, `Tls`, `Timeout` or `Network`, each saying whether a byte of the request may have been sent.
    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError>;
}

/// A request on its way out, with its key.
#[derive(Clone)]
pub struct Outgoing {
    url: String,
    headers: Vec<Header>,
    key: Option<(Cow<'static, str>, Secret)>,
    body: Bytes,
    timeouts: Timeouts,
    method: Method,
}

impl Outgoing {
    /// Addresses what a wire wrote to the call's endpoint and adds the endpoint's key.
    ///
    /// # Errors
    /// `Auth`, never sent, where the endpoint wants a key and there is none.
    pub fn new(call: &Call, request: HttpRequest, key: Option<&Secret>) -> Result<Outgoing, ProviderError> {
        let endpoint = call.endpoint();
        let HttpRequest { path, mut headers, body } = request;
        let key = key_of(endpoint, key)?;
        add_headers(endpoint, &mut headers);
        let url = [endpoint.base_url.as_str(), &path].concat();
        let (body, timeouts) = (Bytes::from(body), call.timeouts());
        Ok(Outgoing { url, headers, key, body, timeouts, method: Method::Post })
    }

    /// Addresses items of a batch to the endpoint that all of these calls were admitted to.
    ///
    /// # Errors
    /// `Auth` as `new`; `Encode` where there is no call, or the calls are for several endpoints. Never sent.
    pub fn of_batch(calls: &[Call], over: HandOver, key: Option<&Secret>) -> Result<Outgoing, ProviderError> {
        let first = calls.first().filter(|first| calls.iter().all(|call| call.endpoint() == first.endpoint()));
        let Some(first) = first else {
            let text = "a job of a batch is for the items of one endpoint: hand in one for each";
            return Err(ProviderError::new(Kind::Encode, Retry::Never, text).unsent());
        };
        let endpoint = first.endpoint();
        let (key, url) = (key_of(endpoint, key)?, over.url(&endpoint.base_url));
        let mut headers = over.headers;
        add_headers(endpoint, &mut headers);
        let (body, timeouts) = (Bytes::from(over.body), first.timeouts());
        Ok(Outgoing { url, headers, key, body, timeouts, method: Method::Post })
    }

    /// Addresses a question about a job that was handed in. It carries no request.
    ///
    /// # Errors
    /// `Auth`, never sent, where the endpoint wants a key and there is none.
    pub fn of_errand(
        endpoint: &Endpoint,
        errand: &Errand,
        key: Option<&Secret>,
        timeouts: Timeouts,
    ) -> Result<Outgoing, ProviderError> {
        let mut headers = Vec::new();
        add_headers(endpoint, &mut headers);
        let (key, url) = (key_of(endpoint, key)?, errand.url(&endpoint.base_url));
        Ok(Outgoing { url, headers, key, body: Bytes::new(), timeouts, method: errand.method() })
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The whole address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Header names in lower case and values, the key's not among them.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The key's header: its name and its value, `Bearer` included.
    pub fn key_header(&self) -> Option<(&Cow<'static, str>, String)> {
        let (name, key) = self.key.as_ref()?;
        let value = if name == "authorization" { ["Bearer ", key.expose()].concat() } else { key.expose().to_owned() };
        Some((name, value))
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The time limits.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Adds headers that sign the request (SigV4), computed from what goes out.
    pub(crate) fn push_headers(&mut self, more: impl IntoIterator<Item = Header>) {
        self.headers.extend(more);
    }
}

impl Debug for Outgoing {
    /// Shows the address and the size: neither the key nor the prompt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("url", &self.url).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// The header in which an endpoint wants its key.
fn key_of(endpoint: &Endpoint, key: Option<&Secret>) -> Result<Option<(Cow<'static, str>, Secret)>, ProviderError> {
    Ok(match (&endpoint.auth, key) {
        (Auth::None | Auth::Sigv4(_), _) => None,
        (Auth::Bearer, Some(key)) => Some((Cow::Borrowed("authorization"), key.clone())),
        (Auth::Header(name), Some(key)) => Some((key_name(name), key.clone())),
        (_, None) => return Err(missing_key(endpoint)),
    })
}

/// The header's name in lower case; those in use are not copied for each call.
fn key_name(name: &str) -> Cow<'static, str> {
    let known = ["x-api-key", "api-key", "x-goog-api-key"].into_iter().find(|known| known.eq_ignore_ascii_case(name));
    known.map_or_else(|| name.to_ascii_lowercase().into(), Cow::Borrowed)
}

/// The headers that every call to an endpoint carries, where none of that name is there.
fn add_headers(endpoint: &Endpoint, headers: &mut Vec<Header>) {
    for (name, value) in &endpoint.headers {
        let name = name.to_ascii_lowercase();
        if !headers.iter().any(|(known, _)| *known == name) {
            headers.push(header(name, value.clone()));
        }
    }
}

#[cold]
fn missing_key(endpoint: &Endpoint) -> ProviderError {
    let advice = match &endpoint.key_env {
        Some(name) => format!("no key for {}: set {name}", endpoint.id),
        None => format!("no key for {}: name its variable with key_env", endpoint.id),
    };
    ProviderError::new(Kind::Auth, Retry::Elsewhere, advice).unsent()
}

/// An answer whose head has come.
pub struct Incoming {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// The body as it comes, still compressed if the vendor compressed it.
    pub body: BodyStream,
}

impl Incoming {
    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

impl Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("status", &self.status).finish_non_exhaustive()
    }
}

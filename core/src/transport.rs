//! Moves bytes to an endpoint and back. One method; the stock one is reqwest behind `http`, a mobile host may bring its own.
//!
//! An `Outgoing` can only be made from a `Call`, and a `Call` only from policy's `Admission`: what policy refuses has no
//! way onto the wire. The key is added here, after the wire has written the body, and only for the call's own endpoint.

use std::fmt::Debug;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::error::{Kind, ProviderError, Retry};
use crate::model::Auth;
use crate::provider::Call;
use crate::secrets::Secret;
use crate::time::Timeouts;
use crate::wire::HttpRequest;

#[cfg(feature = "http")]
mod http;
mod inflate;
mod vendor;

#[cfg(feature = "http")]
pub use http::{HttpTransport, Proxy, TransportOptions};
pub use vendor::HttpProvider;

/// An answer's bytes as they come.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, ProviderError>> + Send>>;

/// Sends one request. Implementations follow no redirect, ask for no compression, and keep to the time limits.
#[async_trait]
pub trait Transport: Debug + Send + Sync {
    /// Posts the request and returns as soon as the answer's head is there.
    ///
    /// # Errors
    /// `Connect`, `Tls`, `Timeout` or `Network`, each saying whether a byte of the request may have been sent.
    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError>;
}

/// A request on its way out, with its key.
#[derive(Clone)]
pub struct Outgoing {
    url: String,
    headers: Vec<(String, String)>,
    key: Option<(String, Secret)>,
    body: Bytes,
    timeouts: Timeouts,
}

impl Outgoing {
    /// Addresses what a wire wrote to the call's endpoint and adds the endpoint's key.
    ///
    /// # Errors
    /// `Auth`, never sent, where the endpoint wants a key and there is none.
    pub fn new(call: &Call, request: HttpRequest, key: Option<&Secret>) -> Result<Outgoing, ProviderError> {
        let endpoint = call.endpoint();
        let HttpRequest { path, mut headers, body } = request;
        let key = match (&endpoint.auth, key) {
            (Auth::None, _) => None,
            (Auth::Bearer, Some(key)) => Some(("authorization".to_owned(), key.clone())),
            (Auth::Header(name), Some(key)) => Some((name.to_ascii_lowercase(), key.clone())),
            (Auth::Sigv4(_), _) => None,
            (_, None) => return Err(missing_key(call)),
        };
        for (name, value) in &endpoint.headers {
            let name = name.to_ascii_lowercase();
            if !headers.iter().any(|(known, _)| *known == name) {
                headers.push((name, value.clone()));
            }
        }
        let url = format!("{}{path}", endpoint.base_url);
        Ok(Outgoing { url, headers, key, body: Bytes::from(body), timeouts: call.timeouts() })
    }

    /// The whole address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Header names in lower case and values, the key's not among them.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The key's header: its name and its value, `Bearer` included.
    pub fn key_header(&self) -> Option<(&str, String)> {
        self.key.as_ref().map(|(name, key)| match name.as_str() {
            "authorization" => ("authorization", format!("Bearer {}", key.expose())),
            name => (name, key.expose().to_owned()),
        })
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
    pub(crate) fn push_headers(&mut self, more: impl IntoIterator<Item = (String, String)>) {
        self.headers.extend(more);
    }
}

impl Debug for Outgoing {
    /// Shows the address and the size: neither the key nor the prompt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").field("url", &self.url).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

fn missing_key(call: &Call) -> ProviderError {
    let endpoint = call.endpoint();
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
    /// Header names in lower case and their values.
    pub headers: Vec<(String, String)>,
    /// The body as it comes, still compressed if the vendor compressed it.
    pub body: BodyStream,
}

impl Incoming {
    /// The value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("status", &self.status).finish_non_exhaustive()
    }
}

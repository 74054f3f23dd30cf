//! What the host implements in Kotlin, Swift or Python, and how the library calls it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use tierway_bindings::{ForeignCheck, ForeignHead, ForeignProvider, ForeignRequest, ForeignTransport};

use crate::HostFault;

/// Answers in the host's language, on the device or by ways of its own. `ForeignProvider` says what the texts hold.
#[uniffi::export(foreign)]
#[async_trait]
pub trait HostProvider: Send + Sync {
    /// Asks for a whole answer.
    async fn chat(&self, call: String) -> Result<String, HostFault>;

    /// Starts to answer piece by piece, under a number that is not used twice. (`open` is a word of Swift's own: the C
    /// header that is made for it does not compile with a function of that name.)
    async fn begin(&self, stream: u64, call: String) -> Result<(), HostFault>;

    /// The next piece of a stream; nothing after the last.
    async fn next(&self, stream: u64) -> Result<Option<String>, HostFault>;

    /// Ends a stream, also one whose `begin` failed or was given up: whoever begins one after that lets go of it. It must
    /// not block.
    fn end(&self, stream: u64);
}

/// Judges whole answers in the host's language.
#[uniffi::export(foreign)]
#[async_trait]
pub trait HostCheck: Send + Sync {
    /// Why the answer falls short of the request, in a line without the answer's text; nothing where it is good enough.
    async fn judge(&self, request: String, reply: String) -> Result<Option<String>, HostFault>;
}

/// A header.
#[derive(Clone, uniffi::Record)]
pub struct HostHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A request to be sent as it is: no redirect followed, no compression asked for. The key is among its headers.
#[derive(Clone, uniffi::Record)]
pub struct HostRequest {
    /// `POST` or `GET`.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// The headers.
    pub headers: Vec<HostHeader>,
    /// The body; empty for `GET`.
    pub body: Vec<u8>,
    /// To a connection, TLS included, in milliseconds.
    pub connect_ms: u64,
    /// From there to the first byte.
    pub first_byte_ms: u64,
    /// Between two pieces of an answer.
    pub idle_ms: u64,
}

/// An answer whose head has come.
#[derive(Clone, uniffi::Record)]
pub struct HostResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<HostHeader>,
}

/// Moves bytes in place of the library's own HTTP: URLSession, OkHttp, HttpURLConnection.
#[uniffi::export(foreign)]
#[async_trait]
pub trait HostTransport: Send + Sync {
    /// Sends a request and returns as soon as the answer's head is there. `body` is the number by which the body is read; it
    /// is not used twice.
    async fn begin(&self, body: u64, request: HostRequest) -> Result<HostResponse, HostFault>;

    /// The next bytes of a body; nothing after the last.
    async fn read(&self, body: u64) -> Result<Option<Vec<u8>>, HostFault>;

    /// Lets go of a body: at its end, after an error, half-way, or where `begin` failed or was given up: whoever has an
    /// answer after that lets go of it. It must not block.
    fn end(&self, body: u64);
}

/// The host's side of the border as the shared face calls it.
pub(crate) struct Bridge<T: ?Sized>(pub(crate) Arc<T>);

/// Calls what destructors call: a panic of the host's code, which might come on top of another one, ends there.
fn quietly(call: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(call)));
}

#[async_trait]
impl ForeignProvider for Bridge<dyn HostProvider> {
    async fn chat(&self, call: String) -> Result<String, String> {
        self.0.chat(call).await.map_err(HostFault::into_facts)
    }

    async fn open(&self, stream: u64, call: String) -> Result<(), String> {
        self.0.begin(stream, call).await.map_err(HostFault::into_facts)
    }

    async fn next(&self, stream: u64) -> Result<Option<String>, String> {
        self.0.next(stream).await.map_err(HostFault::into_facts)
    }

    fn close(&self, stream: u64) {
        quietly(|| self.0.end(stream));
    }
}

#[async_trait]
impl ForeignCheck for Bridge<dyn HostCheck> {
    async fn judge(&self, request: String, reply: String) -> Option<String> {
        self.0.judge(request, reply).await.unwrap_or_else(|_| Some("the check itself failed".to_owned()))
    }
}

#[async_trait]
impl ForeignTransport for Bridge<dyn HostTransport> {
    async fn begin(&self, body: u64, request: ForeignRequest) -> Result<ForeignHead, String> {
        let header = |(name, value)| HostHeader { name, value };
        let request = HostRequest {
            method: request.method.to_owned(),
            url: request.url,
            headers: request.headers.into_iter().map(header).collect(),
            body: request.body.to_vec(),
            connect_ms: request.connect_ms,
            first_byte_ms: request.first_byte_ms,
            idle_ms: request.idle_ms,
        };
        let HostResponse { status, headers } = self.0.begin(body, request).await.map_err(HostFault::into_facts)?;
        let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
        Ok(ForeignHead { status, headers })
    }

    async fn read(&self, body: u64) -> Result<Option<Vec<u8>>, String> {
        self.0.read(body).await.map_err(HostFault::into_facts)
    }

    fn close(&self, body: u64) {
        quietly(|| self.0.end(body));
    }
}

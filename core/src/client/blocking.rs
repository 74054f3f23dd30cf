//! The same client for programs without an async runtime: it brings its own, with one thread for the network.

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::config::ConfigError;
use crate::plan::Plan;
use crate::reply::Delta;
use crate::request::Request;

use super::{Error, Response};

/// A client whose calls wait for their answers. Not to be used inside an async runtime.
#[derive(Clone, Debug)]
pub struct Client {
    inner: super::Client,
    runtime: Arc<Owned>,
}

/// A runtime that is left behind without a wait: a destructor must not hang on a call in flight.
#[derive(Debug)]
struct Owned(Option<Runtime>);

impl Owned {
    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken by the destructor alone")
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Client {
    /// Wraps a client.
    ///
    /// # Errors
    /// `Error::Config` where the system gives no thread.
    pub fn new(inner: super::Client) -> Result<Client, Error> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("tierway").build();
        let runtime =
            runtime.map_err(|error| ConfigError::new("runtime", format!("no thread could be started: {error}")))?;
        Ok(Client { inner, runtime: Arc::new(Owned(Some(runtime))) })
    }

    /// As `Client::from_env` of the async client.
    ///
    /// # Errors
    /// As there.
    #[cfg(all(feature = "http", feature = "sqlite"))]
    pub fn from_env() -> Result<Client, Error> {
        Client::new(super::Client::from_env()?)
    }

    /// Asks for a whole answer and waits for it.
    ///
    /// # Errors
    /// As `send` of the async client.
    pub fn send(&self, request: &Request) -> Result<Response, Error> {
        self.runtime.runtime().block_on(self.inner.send(request))
    }

    /// Asks for an answer piece by piece and waits for the first.
    ///
    /// # Errors
    /// As `stream` of the async client.
    pub fn stream(&self, request: &Request) -> Result<ResponseStream, Error> {
        let inner = self.runtime.runtime().block_on(self.inner.stream(request))?;
        Ok(ResponseStream { inner, runtime: self.runtime.clone() })
    }

    /// Decides who would answer, without a call.
    ///
    /// # Errors
    /// As `route` of the async client.
    pub fn route(&self, request: &Request) -> Result<Plan, Error> {
        self.inner.route(request)
    }

    /// The async client within.
    pub fn client(&self) -> &super::Client {
        &self.inner
    }

    /// Writes what is queued to the ledger and closes it.
    ///
    /// # Errors
    /// As `close` of the async client.
    pub fn close(&self) -> Result<(), Error> {
        self.runtime.runtime().block_on(self.inner.close())
    }
}

/// An answer piece by piece, as an iterator.
#[derive(Debug)]
pub struct ResponseStream {
    inner: super::ResponseStream,
    runtime: Arc<Owned>,
}

impl ResponseStream {
    /// The whole response, after the last piece.
    pub fn response(&self) -> Option<&Response> {
        self.inner.response()
    }

    /// The async stream within.
    pub fn stream(&self) -> &super::ResponseStream {
        &self.inner
    }
}

impl Iterator for ResponseStream {
    type Item = Result<Delta, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.runtime().block_on(self.inner.next())
    }
}

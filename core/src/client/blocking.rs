//! The same client for programs without an async runtime: it brings its own, with one thread for the network.

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::config::ConfigError;
use crate::id::{BatchId, RequestId};
use crate::plan::Plan;
use crate::reply::Delta;
use crate::request::Request;

use super::{BatchView, CacheHit, Collected, EmbedRequest, Embeddings, Error, Response};

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
        #[cfg(feature = "threads")]
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        #[cfg(feature = "threads")]
        builder.worker_threads(1).thread_name("tierway");
        #[cfg(not(feature = "threads"))]
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build();
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

    /// Makes a vector of each text.
    ///
    /// # Errors
    /// As `embed` of the async client.
    pub fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, Error> {
        self.runtime.runtime().block_on(self.inner.embed(request))
    }

    /// Hands in requests to be answered within a day at the batch price.
    ///
    /// # Errors
    /// As `batch` of the async client.
    pub fn batch(&self, requests: impl IntoIterator<Item = Request>) -> Result<BatchHandle, Error> {
        let inner = self.runtime.runtime().block_on(self.inner.batch(requests))?;
        Ok(BatchHandle { inner, runtime: self.runtime.clone() })
    }

    /// The same under an id of your own: handing it in again sends nothing.
    ///
    /// # Errors
    /// As `batch_as` of the async client.
    pub fn batch_as(&self, id: BatchId, requests: impl IntoIterator<Item = Request>) -> Result<BatchHandle, Error> {
        let inner = self.runtime.runtime().block_on(self.inner.batch_as(id, requests))?;
        Ok(BatchHandle { inner, runtime: self.runtime.clone() })
    }

    /// Takes up a batch by its id.
    ///
    /// # Errors
    /// As `resume` of the async client.
    pub fn resume(&self, id: &BatchId) -> Result<BatchHandle, Error> {
        let inner = self.runtime.runtime().block_on(self.inner.resume(id))?;
        Ok(BatchHandle { inner, runtime: self.runtime.clone() })
    }

    /// Every batch that the store knows.
    ///
    /// # Errors
    /// As `batches` of the async client.
    pub fn batches(&self) -> Result<Vec<BatchView>, Error> {
        self.runtime.runtime().block_on(self.inner.batches())
    }

    /// Writes down that a cache of the caller's own gave an answer again.
    ///
    /// # Errors
    /// As `record_hit` of the async client.
    pub fn record_hit(&self, hit: &CacheHit) -> Result<RequestId, Error> {
        self.runtime.runtime().block_on(self.inner.record_hit(hit))
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

/// A batch that was handed in.
#[derive(Clone, Debug)]
pub struct BatchHandle {
    inner: super::BatchHandle,
    runtime: Arc<Owned>,
}

impl BatchHandle {
    /// What was last seen of it.
    pub fn view(&self) -> &BatchView {
        self.inner.view()
    }

    /// Asks the vendors how its jobs fare.
    ///
    /// # Errors
    /// As `poll` of the async handle.
    pub fn poll(&mut self) -> Result<&BatchView, Error> {
        self.runtime.runtime().block_on(self.inner.poll())
    }

    /// Fetches results and settles their items.
    ///
    /// # Errors
    /// As `collect` of the async handle.
    pub fn collect(&mut self) -> Result<Collected, Error> {
        self.runtime.runtime().block_on(self.inner.collect())
    }

    /// Asks the vendors to stop its jobs.
    ///
    /// # Errors
    /// As `cancel` of the async handle.
    pub fn cancel(&mut self) -> Result<&BatchView, Error> {
        self.runtime.runtime().block_on(self.inner.cancel())
    }
}

//! An endpoint's batch API over a transport: hands jobs in, asks about them, and reads their results line by line.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;

use super::inflate::Inflate;
use super::vendor::{collect, http_date, redirected, without_key};
use super::{Incoming, Outgoing, Transport};
use crate::clock::Clock;
use crate::error::{Kind, ProviderError, Retry};
use crate::limits::BATCH_RESULT_BYTES_MAX;
use crate::model::Endpoint;
use crate::provider::Call;
use crate::secrets::Secret;
use crate::time::Timeouts;
use crate::wire::batch::{BatchWire, Errand, HandOver};
use crate::wire::lines::Lines;
use crate::wire::{Headers, HttpResponse};

/// Speaks one endpoint's batch API.
#[derive(Debug)]
pub struct BatchPort {
    endpoint: Arc<Endpoint>,
    wire: &'static dyn BatchWire,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    key: Option<Secret>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Whole {
    status: u16,
    headers: Headers,
    body: Bytes,
}

impl Whole {
    pub(crate) fn response(&self) -> HttpResponse<'_> {
        HttpResponse { status: self.status, headers: &self.headers, body: &self.body }
    }
}

impl BatchPort {
    /// A port to this endpoint.
    pub fn new(
        endpoint: Arc<Endpoint>,
        wire: &'static dyn BatchWire,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        key: Option<Secret>,
    ) -> BatchPort {
        BatchPort { endpoint, wire, transport, clock, key }
    }

    /// What the endpoint speaks.
    pub fn wire(&self) -> &'static dyn BatchWire {
        self.wire
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Sends items of these calls.
    pub(crate) async fn hand_over(&self, calls: &[Call], over: HandOver) -> Result<Whole, ProviderError> {
        self.whole(Outgoing::of_batch(calls, over, self.key.as_ref())).await
    }

    /// Asks about a job.
    pub(crate) async fn run(&self, errand: &Errand) -> Result<Whole, ProviderError> {
        self.whole(self.outgoing(errand)).await
    }

    fn outgoing(&self, errand: &Errand) -> Result<Outgoing, ProviderError> {
        Outgoing::of_errand(&self.endpoint, errand, self.key.as_ref(), Timeouts::default())
    }

    async fn whole(&self, outgoing: Result<Outgoing, ProviderError>) -> Result<Whole, ProviderError> {
        let whole = async {
            let outgoing = outgoing?;
            let limit = outgoing.timeouts().total;
            let answer = async {
                let incoming = self.post(outgoing).await?;
                let (status, headers) = (incoming.status, incoming.headers.clone());
                Ok(Whole { status, headers, body: collect(incoming).await? })
            };
            tokio::time::timeout(limit.to_duration(), answer).await.unwrap_or_else(|_| {
                Err(ProviderError::new(Kind::Timeout, Retry::Here(None), format!("no whole answer within {limit}")))
            })
        };
        whole.await.map_err(|error| without_key(error, self.key.as_ref()))
    }

    async fn post(&self, outgoing: Outgoing) -> Result<Incoming, ProviderError> {
        let mut incoming = self.transport.post(outgoing).await?;
        if (300..400).contains(&incoming.status) {
            return Err(redirected(incoming.status));
        }
        if incoming.status >= 400 && incoming.header("date").is_none() {
            incoming.headers.push("date", &http_date(self.clock.now()));
        }
        Ok(incoming)
    }

    /// Reads a file of results line by line; only one line is held. An idle limit holds between its pieces, and none
    /// for the whole, which may be gigabytes.
    pub(crate) async fn lines(&self, errand: &Errand, each: impl FnMut(&[u8]) + Send) -> Result<(), ProviderError> {
        self.read_lines(errand, each).await.map_err(|error| without_key(error, self.key.as_ref()))
    }

    async fn read_lines(&self, errand: &Errand, mut each: impl FnMut(&[u8]) + Send) -> Result<(), ProviderError> {
        let incoming = self.post(self.outgoing(errand)?).await?;
        let (status, headers) = (incoming.status, incoming.headers.clone());
        if status != 200 {
            let body = collect(incoming).await?;
            return Err(crate::wire::errors::of_response(&HttpResponse { status, headers: &headers, body: &body }));
        }
        let mut inflate = Inflate::new(incoming.header("content-encoding"))?;
        let (mut body, mut lines, mut bytes) = (incoming.body, Lines::new(), 0u64);
        while let Some(chunk) = body.next().await {
            let plain = inflate.feed(chunk?)?;
            bytes += plain.len() as u64;
            if bytes > BATCH_RESULT_BYTES_MAX {
                let text =
                    format!("the results are larger than {BATCH_RESULT_BYTES_MAX} bytes: hand in smaller batches");
                return Err(ProviderError::new(Kind::ReplyTooLarge, Retry::Elsewhere, text));
            }
            lines.feed(&plain, |line| {
                each(line);
                Ok(())
            })?;
        }
        lines.finish(|line| {
            each(line);
            Ok(())
        })
    }
}

//! A vendor as a provider: a wire, an endpoint's key and a transport, put together.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use super::inflate::Inflate;
use super::{BodyStream, Incoming, Outgoing, Transport};
use crate::clock::Clock;
use crate::error::{Kind, ProviderError, Retry};
use crate::id::ProviderId;
use crate::limits::{ERROR_BODY_BYTES_MAX, REPLY_BYTES_MAX};
use crate::model::{Api, Auth};
use crate::provider::{Call, Provider, ReplyStream};
use crate::reply::{Delta, Reply};
use crate::secrets::Secret;
use crate::wire::{HttpResponse, Mode, StreamDecoder, Wire};

/// Answers calls to one endpoint over HTTP.
#[derive(Debug)]
pub struct HttpProvider {
    id: ProviderId,
    wire: &'static dyn Wire,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    key: Option<Secret>,
}

impl HttpProvider {
    /// A provider named as its endpoint.
    pub fn new(
        id: ProviderId,
        wire: &'static dyn Wire,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        key: Option<Secret>,
    ) -> HttpProvider {
        HttpProvider { id, wire, transport, clock, key }
    }

    async fn post(&self, call: &Call, mode: Mode) -> Result<Incoming, ProviderError> {
        let request = self.wire.encode(call, mode)?;
        let mut outgoing = Outgoing::new(call, request, self.key.as_ref())?;
        if let Auth::Sigv4(service) = &call.endpoint().auth {
            self.sign(call, service, &mut outgoing)?;
        }
        self.transport.post(outgoing).await
    }

    /// Signs for AWS; the key is `ACCESS_KEY:SECRET_KEY` or `ACCESS_KEY:SECRET_KEY:SESSION_TOKEN`.
    fn sign(&self, _call: &Call, service: &str, _outgoing: &mut Outgoing) -> Result<(), ProviderError> {
        let _ = self.clock.now();
        Err(ProviderError::new(Kind::Unsupported, Retry::Elsewhere, format!("signing for {service} is not set up"))
            .unsent())
    }
}

#[async_trait]
impl Provider for HttpProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    async fn send(&self, call: &Call) -> Result<Reply, ProviderError> {
        let limit = call.timeouts().total;
        let whole = async {
            let incoming = self.post(call, Mode::Unary).await?;
            let (status, headers) = (incoming.status, incoming.headers.clone());
            let body = collect(incoming).await?;
            self.wire.decode(HttpResponse { status, headers: &headers, body: &body }, &call.endpoint().dialect)
        };
        match tokio::time::timeout(limit.to_duration(), whole).await {
            Ok(answer) => answer,
            Err(_) => Err(too_long(call)),
        }
    }

    async fn stream(&self, call: &Call) -> Result<ReplyStream, ProviderError> {
        let until = tokio::time::Instant::now() + call.timeouts().total.to_duration();
        let incoming = match tokio::time::timeout_at(until, self.post(call, Mode::Stream)).await {
            Ok(incoming) => incoming?,
            Err(_) => return Err(too_long(call)),
        };
        let dialect = &call.endpoint().dialect;
        if incoming.status != 200 || is_whole_answer(&incoming, self.wire.api()) {
            let (status, headers) = (incoming.status, incoming.headers.clone());
            let body = match tokio::time::timeout_at(until, collect(incoming)).await {
                Ok(body) => body?,
                Err(_) => return Err(too_long(call)),
            };
            let reply = self.wire.decode(HttpResponse { status, headers: &headers, body: &body }, dialect)?;
            return Ok(Box::pin(futures_util::stream::iter(reply.into_deltas().into_iter().map(Ok))));
        }
        let inflate = Inflate::new(incoming.header("content-encoding"))?;
        let reading = Reading {
            body: incoming.body,
            inflate,
            decoder: self.wire.decoder(dialect),
            ready: VecDeque::new(),
            buffer: Vec::new(),
            bytes: 0,
            until,
            over: false,
        };
        Ok(Box::pin(futures_util::stream::unfold(reading, Reading::next)))
    }
}

fn too_long(call: &Call) -> ProviderError {
    ProviderError::new(Kind::Timeout, Retry::Elsewhere, format!("no whole answer within {}", call.timeouts().total))
}

/// Whether a stream was asked for and a whole answer came: some servers do not stream, and some send errors so.
fn is_whole_answer(incoming: &Incoming, api: Api) -> bool {
    let kind = incoming.header("content-type").unwrap_or("").to_ascii_lowercase();
    match api {
        Api::OllamaChat | Api::OllamaGenerate | Api::GenerateContent => kind.starts_with("text/html"),
        _ => kind.starts_with("application/json") || kind.starts_with("text/html"),
    }
}

/// The whole body, decompressed, within its bound.
async fn collect(incoming: Incoming) -> Result<Vec<u8>, ProviderError> {
    let mut inflate = Inflate::new(incoming.header("content-encoding"))?;
    let is_error = incoming.status >= 400;
    let most = if is_error { ERROR_BODY_BYTES_MAX } else { REPLY_BYTES_MAX };
    let (status, mut body) = (incoming.status, incoming.body);
    let mut whole = Vec::new();
    while let Some(chunk) = body.next().await {
        let plain = inflate.feed(chunk.map_err(|error| error.with_status(status))?)?;
        if whole.len() + plain.len() > most {
            if is_error {
                whole.extend_from_slice(&plain[..most - whole.len()]);
                break;
            }
            let text = format!("the answer is larger than {most} bytes");
            return Err(ProviderError::new(Kind::ReplyTooLarge, Retry::Elsewhere, text).with_status(status));
        }
        whole.extend_from_slice(&plain);
    }
    Ok(whole)
}

/// A stream being read.
struct Reading {
    body: BodyStream,
    inflate: Inflate,
    decoder: Box<dyn StreamDecoder>,
    ready: VecDeque<Result<Delta, ProviderError>>,
    buffer: Vec<Delta>,
    bytes: usize,
    until: tokio::time::Instant,
    over: bool,
}

impl Reading {
    async fn next(mut self) -> Option<(Result<Delta, ProviderError>, Reading)> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some((item, self));
            }
            if self.over {
                return None;
            }
            match tokio::time::timeout_at(self.until, self.body.next()).await {
                Ok(Some(chunk)) => self.take(chunk),
                Ok(None) => self.end(),
                Err(_) => {
                    let text = "the answer did not end within the total time limit";
                    self.fail(ProviderError::new(Kind::Timeout, Retry::Elsewhere, text));
                }
            }
        }
    }

    fn take(&mut self, chunk: Result<Bytes, ProviderError>) {
        let plain = match chunk.and_then(|chunk| self.inflate.feed(chunk)) {
            Ok(plain) => plain,
            Err(error) => return self.fail(error),
        };
        self.bytes += plain.len();
        if self.bytes > REPLY_BYTES_MAX {
            let text = format!("the stream is larger than {REPLY_BYTES_MAX} bytes");
            return self.fail(ProviderError::new(Kind::ReplyTooLarge, Retry::Elsewhere, text));
        }
        let fed = self.decoder.feed(&plain, &mut self.buffer);
        self.ready.extend(self.buffer.drain(..).map(Ok));
        if let Err(error) = fed {
            self.fail(error);
        }
    }

    fn end(&mut self) {
        let finished = self.decoder.finish(&mut self.buffer);
        self.ready.extend(self.buffer.drain(..).map(Ok));
        self.over = true;
        if let Err(error) = finished {
            self.ready.push_back(Err(error));
        }
    }

    fn fail(&mut self, error: ProviderError) {
        self.ready.push_back(Err(error));
        self.over = true;
    }
}

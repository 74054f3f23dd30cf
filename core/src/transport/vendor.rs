//! A vendor as a provider: a wire, an endpoint's key and a transport, put together.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;

use super::inflate::Inflate;
use super::{BodyStream, Incoming, Outgoing, Transport};
use crate::clock::Clock;
use crate::error::{Kind, ProviderError, Retry};
use crate::id::ProviderId;
use crate::limits::{AFTER_STOP_MAX, ERROR_BODY_BYTES_MAX, REPLY_BYTES_MAX};
use crate::model::{Api, Auth};
use crate::provider::{Call, Provider, ReplyStream};
use crate::reply::{Delta, Reply};
use crate::secrets::Secret;
use crate::time::Timestamp;
use crate::wire::{Credentials, HttpResponse, Mode, Signing, StreamDecoder, Wire, aws_region, sign};

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
            sign_for_aws(call, service, self.key.as_ref(), self.clock.now(), &mut outgoing)?;
        }
        let mut incoming = self.transport.post(outgoing).await?;
        if (300..400).contains(&incoming.status) {
            return Err(redirected(incoming.status));
        }
        if incoming.status >= 400 && incoming.header("date").is_none() {
            incoming.headers.push("date", &http_date(self.clock.now()));
        }
        Ok(incoming)
    }

    async fn whole(&self, call: &Call) -> Result<Reply, ProviderError> {
        let incoming = self.post(call, Mode::Unary).await?;
        self.decode(call, incoming).await
    }

    async fn decode(&self, call: &Call, mut incoming: Incoming) -> Result<Reply, ProviderError> {
        let inflate = Inflate::new(incoming.header("content-encoding"))?;
        let (status, headers) = (incoming.status, std::mem::take(&mut incoming.headers));
        let body = gather(incoming, inflate).await?;
        self.wire.decode(HttpResponse { status, headers: &headers, body: &body }, &call.endpoint().dialect)
    }
}

#[async_trait]
impl Provider for HttpProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    async fn send(&self, call: &Call) -> Result<Reply, ProviderError> {
        let limit = call.timeouts().total.to_duration();
        // Pinned here: a future that is handed on by value takes its room twice.
        let whole = pin!(self.whole(call));
        let answer = tokio::time::timeout(limit, whole).await.unwrap_or_else(|_| Err(too_long(call)));
        answer.map_err(|error| without_key(error, self.key.as_ref()))
    }

    async fn stream(&self, call: &Call) -> Result<ReplyStream, ProviderError> {
        let until = tokio::time::Instant::now() + call.timeouts().total.to_duration();
        let open = pin!(self.open(call, until));
        let opening = tokio::time::timeout_at(until, open).await;
        opening.unwrap_or_else(|_| Err(too_long(call))).map_err(|error| without_key(error, self.key.as_ref()))
    }
}

impl HttpProvider {
    /// Posts the call and starts to read its stream; an answer that came whole is given out in pieces.
    async fn open(&self, call: &Call, until: tokio::time::Instant) -> Result<ReplyStream, ProviderError> {
        let incoming = self.post(call, Mode::Stream).await?;
        if incoming.status != 200 || is_whole_answer(&incoming, self.wire.api()) {
            let reply = self.decode(call, incoming).await?;
            return Ok(Box::pin(futures_util::stream::iter(reply.into_deltas().into_iter().map(Ok))));
        }
        let inflate = Inflate::new(incoming.header("content-encoding"))?;
        let reading = Reading {
            body: incoming.body,
            inflate,
            decoder: self.wire.decoder(&call.endpoint().dialect),
            key: self.key.clone(),
            ready: VecDeque::new(),
            buffer: Vec::new(),
            bytes: 0,
            until,
            progress: Progress::Silent,
            over: false,
        };
        Ok(Box::pin(futures_util::stream::unfold(reading, Reading::next)))
    }
}

/// Signs for AWS; the key is `ACCESS_KEY:SECRET_KEY` or `ACCESS_KEY:SECRET_KEY:SESSION_TOKEN`.
pub(super) fn sign_for_aws(
    call: &Call,
    service: &str,
    key: Option<&Secret>,
    now: Timestamp,
    outgoing: &mut Outgoing,
) -> Result<(), ProviderError> {
    let endpoint = call.endpoint();
    let refuse = |text: String| ProviderError::new(Kind::Auth, Retry::Elsewhere, text).unsent();
    let Some(key) = key else {
        let name = endpoint.key_env.as_deref().unwrap_or("the variable of key_env");
        return Err(refuse(format!("no key for {}: set {name} to ACCESS_KEY:SECRET_KEY", endpoint.id)));
    };
    let credentials = Credentials::parse(key.expose()).ok_or_else(|| {
        refuse(format!(
            "the key for {} is not ACCESS_KEY:SECRET_KEY or ACCESS_KEY:SECRET_KEY:SESSION_TOKEN",
            endpoint.id
        ))
    })?;
    let signing = Signing {
        method: "POST",
        url: outgoing.url(),
        headers: outgoing.headers(),
        body: outgoing.body(),
        region: aws_region(outgoing.url()).unwrap_or(endpoint.region.as_str()),
        service,
        unix_seconds: now.ms().div_euclid(1_000),
    };
    let signed = sign(&signing, &credentials)
        .ok_or_else(|| refuse(format!("the address of {} has no host that can be signed", endpoint.id)))?;
    outgoing.push_headers(signed);
    Ok(())
}

/// The key in an error, should a vendor repeat it, becomes dots. An AWS key is several, joined by colons.
#[cold]
pub(super) fn without_key(mut error: ProviderError, key: Option<&Secret>) -> ProviderError {
    let Some(key) = key else { return error };
    for secret in std::iter::once(key.expose()).chain(key.expose().split(':')).filter(|part| part.len() >= 8) {
        for text in [Some(&mut error.message), error.code.as_mut(), error.request_id.as_mut()].into_iter().flatten() {
            if text.contains(secret) {
                *text = text.replace(secret, "…");
            }
        }
    }
    error
}

#[cold]
pub(super) fn redirected(status: u16) -> ProviderError {
    let text = "the endpoint answers with a redirect, which is not followed since the key and the prompt would go \
                along: correct its base_url";
    ProviderError::new(Kind::NotFound, Retry::Elsewhere, text).with_status(status)
}

/// The time as HTTP writes it.
#[cold]
pub(super) fn http_date(now: Timestamp) -> String {
    let now = jiff::Timestamp::from_millisecond(now.ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cold]
fn too_long(call: &Call) -> ProviderError {
    ProviderError::new(Kind::Timeout, Retry::Elsewhere, format!("no whole answer within {}", call.timeouts().total))
}

/// Whether a stream was asked for and a whole answer came: some servers do not stream, and some send errors so.
fn is_whole_answer(incoming: &Incoming, api: Api) -> bool {
    let kind = incoming.header("content-type").unwrap_or("").to_ascii_lowercase();
    match api {
        Api::OllamaChat | Api::OllamaGenerate => kind.starts_with("text/html"),
        _ => kind.starts_with("application/json") || kind.starts_with("text/html"),
    }
}

/// The whole body, decompressed, within its bound.
pub(super) async fn collect(incoming: Incoming) -> Result<Bytes, ProviderError> {
    let inflate = Inflate::new(incoming.header("content-encoding"))?;
    gather(incoming, inflate).await
}

async fn gather(incoming: Incoming, mut inflate: Inflate) -> Result<Bytes, ProviderError> {
    let is_error = incoming.status >= 400;
    let most = if is_error { ERROR_BODY_BYTES_MAX } else { REPLY_BYTES_MAX };
    let (status, mut body) = (incoming.status, incoming.body);
    let mut whole = Gathered::default();
    while let Some(chunk) = body.next().await {
        let plain = inflate.feed(chunk.map_err(|error| error.with_status(status))?)?;
        if whole.len() + plain.len() > most {
            if is_error {
                whole.add(plain.slice(..most - whole.len()));
                break;
            }
            let text = format!("the answer is larger than {most} bytes");
            return Err(ProviderError::new(Kind::ReplyTooLarge, Retry::Elsewhere, text).with_status(status));
        }
        whole.add(plain);
    }
    Ok(whole.finish())
}

/// What came of a body. The first piece is often all of it, and is not copied then.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: Vec<u8>,
}

impl Gathered {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn add(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        self.all.extend_from_slice(&std::mem::take(&mut self.first));
        self.all.extend_from_slice(&piece);
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.into() }
    }
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing of it was given out.
    Silent,
    /// Some of it was.
    Begun,
    /// It has said why it ended; at most its count of tokens follows, until then.
    Stopped(tokio::time::Instant),
}

/// A stream being read.
struct Reading {
    body: BodyStream,
    inflate: Inflate,
    decoder: Box<dyn StreamDecoder>,
    key: Option<Secret>,
    ready: VecDeque<Result<Delta, ProviderError>>,
    buffer: Vec<Delta>,
    bytes: usize,
    until: tokio::time::Instant,
    progress: Progress,
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
            let until = match self.progress {
                Progress::Stopped(until) => until.min(self.until),
                Progress::Silent | Progress::Begun => self.until,
            };
            match tokio::time::timeout_at(until, self.body.next()).await {
                Ok(Some(chunk)) => self.take(chunk),
                Ok(None) => self.end(),
                Err(_) => {
                    let text = "the answer did not end within the total time limit";
                    self.broken(ProviderError::new(Kind::Timeout, Retry::Elsewhere, text));
                }
            }
        }
    }

    fn take(&mut self, chunk: Result<Bytes, ProviderError>) {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return self.broken(error),
        };
        let plain = match self.inflate.feed(chunk) {
            Ok(plain) => plain,
            Err(error) => return self.fail(error),
        };
        self.bytes += plain.len();
        if self.bytes > REPLY_BYTES_MAX {
            let text = format!("the stream is larger than {REPLY_BYTES_MAX} bytes");
            return self.fail(ProviderError::new(Kind::ReplyTooLarge, Retry::Elsewhere, text));
        }
        let fed = self.decoder.feed(&plain, &mut self.buffer);
        self.give_out();
        match fed {
            Ok(()) => {}
            Err(error) if error.kind == Kind::Protocol => self.broken(error),
            Err(error) => self.fail(error),
        }
    }

    /// Moves what the decoder found to where it is taken from.
    fn give_out(&mut self) {
        for delta in self.buffer.drain(..) {
            match delta {
                Delta::Stop { .. } => {
                    let soon = tokio::time::Instant::now() + AFTER_STOP_MAX.to_duration();
                    self.progress = Progress::Stopped(soon);
                }
                Delta::Start { .. } | Delta::Usage { .. } | Delta::Vendor { .. } => {}
                // Some answers go on after a first end.
                _ if self.progress != Progress::Begun => self.progress = Progress::Begun,
                _ => {}
            }
            self.ready.push_back(Ok(delta));
        }
    }

    fn end(&mut self) {
        let finished = self.decoder.finish(&mut self.buffer);
        self.give_out();
        self.over = true;
        if let Err(error) = finished {
            self.fail(error);
        }
    }

    /// The connection broke, stood still or brought nonsense: no fault where the answer was whole by then.
    fn broken(&mut self, mut error: ProviderError) {
        if matches!(self.progress, Progress::Stopped(_)) {
            // A count that was cut in two is no fault of the answer either.
            let _ = self.decoder.finish(&mut self.buffer);
            self.give_out();
            self.over = true;
            return;
        }
        if error.kind == Kind::Network && self.progress == Progress::Begun {
            error.kind = Kind::Incomplete;
        }
        self.fail(error);
    }

    fn fail(&mut self, error: ProviderError) {
        self.ready.push_back(Err(without_key(error, self.key.as_ref())));
        self.over = true;
    }
}

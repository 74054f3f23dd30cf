//! An answer piece by piece. Its reservation is settled at its end, and also where the caller drops it half-way.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;

use crate::attempt::{Attempt, Attempts, Outcome, Step};
use crate::error::{Kind, ProviderError, Retry};
use crate::ledger::{ChargeLine, End, Ending, LedgerError};
use crate::money::Usd;
use crate::provider::ReplyStream;
use crate::reply::{Assembler, Delta, Reply};
use crate::request::Request;

use super::account::Open;
use super::drive::{self, Busy, Run, given_up, saved, span_of};
use super::response::{Response, Route, Timing};
use super::{Client, Course, Error};

type Settling = Pin<Box<dyn Future<Output = Result<(), LedgerError>> + Send>>;

/// An answer piece by piece, and at its end the whole response with its cost.
///
/// It yields deltas in order. After the last one, `response` holds the answer and its account. An error is the last
/// item: `Incomplete` holds what had come. Dropping the stream cancels the call and settles what was delivered.
pub struct ResponseStream {
    deltas: Option<ReplyStream>,
    ready: VecDeque<Delta>,
    assembler: Assembler,
    open: Option<Open>,
    busy: Option<Busy>,
    settling: Option<Settling>,
    failure: Option<ProviderError>,
    account: Account,
    client: Client,
    attempts: Attempts,
    attempt: Attempt,
    began: Instant,
    decided_in: Duration,
    cost_before: Usd,
    response: Option<Box<Response>>,
}

/// What the settled attempt costs.
#[derive(Debug, Default)]
struct Account {
    cost: Usd,
    lines: Vec<ChargeLine>,
    baseline_cost: Option<Usd>,
}

impl std::fmt::Debug for ResponseStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseStream").field("request", self.attempts.request()).finish_non_exhaustive()
    }
}

/// Tries candidates until one delivers a first piece.
pub(super) async fn open(client: &Client, request: &Request) -> Result<ResponseStream, Error> {
    let inner = &client.inner;
    let began = Instant::now();
    let Course { mut attempts, needs, decided_in } = inner.begin(request)?;
    let mut run = Run::new(inner, &needs);
    let mut step = attempts.first(inner.clock.now(), &inner.health());
    loop {
        let outcome = match step {
            Step::Reserve(attempt) => run.reserve(&attempts, attempt).await?,
            Step::Wait(span) => run.wait(span).await,
            Step::Send(attempt) => match begin(&mut run, client, &attempts, attempt).await? {
                Ok(begun) => {
                    let Begun { deltas, ready, assembler, busy } = begun;
                    return Ok(ResponseStream {
                        deltas,
                        ready,
                        assembler,
                        open: Some(run.hand_over()),
                        busy: Some(busy),
                        settling: None,
                        failure: None,
                        account: Account::default(),
                        client: client.clone(),
                        attempt,
                        began,
                        decided_in,
                        cost_before: run.cost,
                        response: None,
                        attempts,
                    });
                }
                Err(error) => Outcome::Failed { error: Box::new(error), delivered: false },
            },
            // A stream's pieces are shown as they come: there is nothing to check before.
            Step::Check(_) => Outcome::Passed,
            Step::Done => unreachable!("a stream is returned at its first piece"),
            Step::GiveUp(exhausted) => return Err(given_up(exhausted)),
        };
        step = run.next(&mut attempts, outcome);
    }
}

/// A stream that has delivered its first piece, or its end.
struct Begun {
    deltas: Option<ReplyStream>,
    ready: VecDeque<Delta>,
    assembler: Assembler,
    busy: Busy,
}

/// Opens the stream and reads up to the first piece that a reader would see. An `Err` within is the provider's.
async fn begin(
    run: &mut Run<'_>,
    client: &Client,
    attempts: &Attempts,
    attempt: Attempt,
) -> Result<Result<Begun, ProviderError>, Error> {
    let (call, provider) = run.launch(attempts, attempt);
    let busy = Busy::new(client.inner.clone(), attempts.candidate(attempt));
    let opened = match provider {
        Some(provider) => provider.stream(&call).await,
        None => Err(drive::no_provider(&call)),
    };
    let mut begun = Begun { deltas: None, ready: VecDeque::new(), assembler: Assembler::new(), busy };
    let failed = match opened {
        Ok(deltas) => read_first(&mut begun, deltas, run, client).await,
        Err(error) => Err(error),
    };
    match failed {
        Ok(()) => Ok(Ok(begun)),
        Err(error) => {
            begun.busy.end(Some(&error));
            run.end(Ending::Failed(error.kind), Some(&error)).await?;
            Ok(Err(error))
        }
    }
}

async fn read_first(
    begun: &mut Begun,
    mut deltas: ReplyStream,
    run: &mut Run<'_>,
    client: &Client,
) -> Result<(), ProviderError> {
    loop {
        match std::future::poll_fn(|context| deltas.as_mut().poll_next(context)).await {
            None => return Ok(()),
            Some(Err(error)) => return Err(error),
            Some(Ok(delta)) => {
                if let Some(open) = run.open() {
                    open.meter.see(&delta, || client.inner.clock.now());
                }
                let is_piece = is_piece(&delta);
                begun.assembler.push(delta.clone());
                begun.ready.push_back(delta);
                if is_piece {
                    begun.deltas = Some(deltas);
                    return Ok(());
                }
            }
        }
    }
}

/// Whether a reader would see it: before that, another candidate may still stand in unnoticed.
fn is_piece(delta: &Delta) -> bool {
    match delta {
        Delta::Start { .. } | Delta::Usage { .. } | Delta::Vendor { .. } | Delta::PartVendor { .. } => false,
        Delta::Text { text, .. } | Delta::Reasoning { text, .. } | Delta::Refusal { text, .. } => !text.is_empty(),
        _ => true,
    }
}

impl ResponseStream {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Delta, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Reads the rest and returns the whole response.
    ///
    /// # Errors
    /// `Incomplete` where the answer broke off, `Ledger` where its account could not be kept.
    pub async fn finish(mut self) -> Result<Response, Error> {
        while let Some(delta) = self.next().await {
            delta?;
        }
        self.response.take().map(|response| *response).ok_or_else(broken)
    }

    /// Who answers.
    pub fn route(&self) -> Route {
        let candidate = self.attempts.candidate(self.attempt);
        Route::of(self.attempts.plan(), candidate, self.attempt, self.attempts.tried())
    }

    /// The whole response, after the last piece.
    pub fn response(&self) -> Option<&Response> {
        self.response.as_deref()
    }

    /// The answer as far as it has come.
    pub fn so_far(&self) -> Reply {
        self.assembler.reply()
    }

    fn see(&mut self, delta: &Delta) {
        if let Some(open) = &mut self.open {
            open.meter.see(delta, || self.client.inner.clock.now());
        }
        self.assembler.push(delta.clone());
    }

    /// The provider's stream is over: the reservation ends.
    fn close(&mut self, failure: Option<ProviderError>) {
        self.deltas = None;
        if let Some(busy) = self.busy.take() {
            busy.end(failure.as_ref());
        }
        let Some(mut open) = self.open.take() else { return };
        let ending = if failure.is_some() { Ending::Cut } else { Ending::Answered };
        let tokens = open.meter.tokens_seen();
        let store = self.client.inner.store.clone();
        if failure.is_none() {
            let candidate = self.attempts.candidate(self.attempt);
            let request = self.attempts.plan().request();
            self.client.inner.note_session(request, candidate.model(), &candidate.endpoint().id, tokens);
        }
        self.settling = Some(match open.end(ending, failure.as_ref()) {
            End::Void(void) => Box::pin(async move { store.void(void).await.map(|_| ()) }),
            End::Settle(settle) => {
                self.account =
                    Account { cost: settle.cost, lines: settle.lines.clone(), baseline_cost: settle.baseline_cost };
                Box::pin(async move { store.settle(*settle).await.map(|_| ()) })
            }
        });
        self.failure = failure;
        let first_piece = open.meter.first_piece();
        self.response = Some(Box::new(self.whole(first_piece)));
    }

    fn whole(&mut self, first_piece: Option<crate::time::Span>) -> Response {
        let account = std::mem::take(&mut self.account);
        let cost = self.cost_before.saturating_add(account.cost);
        Response {
            id: self.attempts.request().clone(),
            reply: self.assembler.reply(),
            route: self.route(),
            cost,
            lines: account.lines,
            baseline_cost: account.baseline_cost,
            saved: saved(account.baseline_cost, cost),
            timing: Timing { decision: self.decided_in, first_piece, total: span_of(self.began.elapsed()) },
        }
    }

    /// The settlement is written, or failed.
    fn settled(&mut self, written: Result<(), LedgerError>) -> Option<Result<Delta, Error>> {
        self.settling = None;
        if let Err(error) = written {
            self.response = None;
            return Some(Err(Error::Ledger(error)));
        }
        let mut error = self.failure.take()?;
        error.partial = self.response.take().map(|response| Box::new(response.reply));
        Some(Err(Error::Incomplete(Box::new(error))))
    }
}

impl Stream for ResponseStream {
    type Item = Result<Delta, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(delta) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(delta)));
            }
            if let Some(settling) = &mut this.settling {
                let Poll::Ready(written) = settling.as_mut().poll(context) else { return Poll::Pending };
                return Poll::Ready(this.settled(written));
            }
            let Some(deltas) = &mut this.deltas else {
                if this.open.is_none() {
                    return Poll::Ready(None);
                }
                this.close(None);
                continue;
            };
            match deltas.as_mut().poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(delta))) => {
                    this.see(&delta);
                    return Poll::Ready(Some(Ok(delta)));
                }
                Poll::Ready(Some(Err(error))) => this.close(Some(error)),
                Poll::Ready(None) => this.close(None),
            }
        }
    }
}

fn broken() -> Error {
    Error::Incomplete(Box::new(ProviderError::new(Kind::Incomplete, Retry::Elsewhere, "the stream had ended before")))
}

//! An answer piece by piece. Its reservation is settled at its end, and also where the caller drops it half-way.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;

use crate::attempt::{Aim, Attempt, Attempts, Outcome, Step};
use crate::error::{Kind, ProviderError, Retry};
use crate::ledger::{ChargeLine, End, Ending, LedgerError};
use crate::money::Usd;
use crate::plan::StreamChecks;
use crate::policy::Needs;
use crate::provider::{Call, Provider, ReplyStream};
use crate::reply::{Assembler, Delta, Reply};
use crate::request::Request;
use crate::wire::Mode;

use super::account::Open;
use super::beside::Beside;
use super::drive::{self, Asked, Busy, Driven, Run, given_up, saved, span_of};
use super::response::{Response, Route, Timing};
use super::rest::{self, Seam};
use super::{Client, Course, Error};

mod checked;

use checked::Checking;

type Settling = Pin<Box<dyn Future<Output = Result<(), LedgerError>> + Send>>;
type Resuming = Pin<Box<dyn Future<Output = Result<Option<Rest>, Error>> + Send>>;

/// An answer piece by piece, and at its end the whole response with its cost.
///
/// It yields deltas in order. After the last one, `response` holds the answer and its account. An error is the last
/// item: `Incomplete` holds what had come. Where the settings say so, another model writes the rest of an answer that
/// broke off, from a `Delta::Continued` on; and where checked answers are shown before they have passed, a
/// `Delta::Replaced` says that what came is void. Dropping the stream cancels the call and settles what was delivered.
pub struct ResponseStream {
    deltas: Option<ReplyStream>,
    ready: VecDeque<Delta>,
    assembler: Assembler,
    open: Option<Open>,
    busy: Option<Busy>,
    settling: Option<Settling>,
    checking: Option<Checking>,
    resuming: Option<(Resuming, ProviderError)>,
    seam: Option<Seam>,
    /// One more than the highest number of a part so far.
    parts_end: u32,
    request: Request,
    failure: Option<ProviderError>,
    account: Account,
    client: Client,
    attempts: Attempts,
    attempt: Attempt,
    began: Instant,
    decided_in: Duration,
    cost_before: Usd,
    baseline_before: Option<Usd>,
    beside: Beside,
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
    let Course { mut attempts, needs, began, decided, decided_in } = inner.begin(request, Mode::Stream)?;
    let mut run = Run::new(inner, &needs, decided);
    let mut beside = Beside::default();
    let (step, in_hand) = match inner.stream_checks() {
        StreamChecks::HoldBack => match drive::drive(&mut run, &mut attempts, &mut beside, true).await? {
            Driven::Unchecked(step, in_hand) => (step, in_hand),
            Driven::Answered(answer) => (Step::Done, Some(answer)),
        },
        StreamChecks::Off | StreamChecks::Replace => (attempts.first(run.moment.now, &inner.health()), None),
    };
    let came = match step {
        Step::Done => None,
        step => Some(first_piece(&mut run, &mut attempts, step).await),
    };
    let mut stream = ResponseStream {
        deltas: None,
        ready: VecDeque::new(),
        assembler: Assembler::new(),
        open: None,
        busy: None,
        settling: None,
        checking: None,
        resuming: None,
        seam: None,
        parts_end: 0,
        request: request.clone(),
        failure: None,
        account: Account::default(),
        client: client.clone(),
        attempt: attempts.current(),
        began,
        decided_in,
        cost_before: run.cost,
        baseline_before: run.baseline_cost,
        beside,
        response: None,
        attempts,
    };
    match (came, in_hand) {
        (Some(Ok((attempt, head, busy))), _) => {
            stream.attempt = attempt;
            stream.take_up(head, busy, run.hand_over());
        }
        (Some(Err(error)), None) | (Some(Err(error @ Error::Ledger(_))), _) => return Err(error),
        // It has passed; or it has not, and nothing better came.
        (_, Some(answer)) => stream.hold(answer, &run),
        (None, None) => unreachable!("a course that was driven to its end has an answer"),
    }
    Ok(stream)
}

/// Follows the steps until an attempt delivers a first piece; its reservation is open then.
async fn first_piece(run: &mut Run<'_>, attempts: &mut Attempts, first: Step) -> Result<(Attempt, Head, Busy), Error> {
    let mut step = first;
    loop {
        let outcome = match step {
            Step::Reserve(attempt) => run.reserve(attempts, attempt).await?,
            Step::Wait(span) => run.wait(span).await,
            Step::Send(attempt) => match run.ask(attempts, attempt, head).await? {
                Asked::Came { attempt, came, busy } => {
                    busy.first_piece();
                    if attempt.hedge_after.is_some() || attempt.aim == Aim::Hedge {
                        // The one that was outrun is noted.
                        run.next(attempts, Outcome::Answered { number: attempt.number });
                    }
                    return Ok((attempt, came, busy));
                }
                Asked::Failed(outcome) => outcome,
            },
            // Pieces are shown as they come: what is checked was checked before, or is at its end.
            Step::Check(_) => Outcome::Passed,
            Step::Done => unreachable!("a stream is returned at its first piece"),
            Step::Await | Step::Resume => unreachable!("hedges end with `ask`, and nothing was delivered yet"),
            Step::GiveUp(exhausted) => return Err(given_up(exhausted)),
        };
        step = run.next(attempts, outcome);
    }
}

/// A stream that has brought its first piece, or its end.
struct Head {
    deltas: Option<ReplyStream>,
    ready: VecDeque<Delta>,
}

/// Opens the stream and reads up to the first piece that a reader would see.
async fn head(call: Call, provider: Option<Arc<dyn Provider>>) -> Result<Head, ProviderError> {
    let mut deltas = match provider {
        Some(provider) => provider.stream(&call).await?,
        None => return Err(drive::no_provider(&call)),
    };
    let mut ready = VecDeque::new();
    loop {
        match std::future::poll_fn(|context| deltas.as_mut().poll_next(context)).await {
            None => return Ok(Head { deltas: None, ready }),
            Some(Err(error)) => return Err(with_usage(error, ready)),
            Some(Ok(delta)) => {
                let is_piece = is_piece(&delta);
                ready.push_back(delta);
                if is_piece {
                    return Ok(Head { deltas: Some(deltas), ready });
                }
            }
        }
    }
}

/// What the vendor had counted before it failed is billed, though nothing was delivered.
fn with_usage(mut error: ProviderError, ready: VecDeque<Delta>) -> ProviderError {
    for delta in ready {
        if let Delta::Usage { usage } = delta {
            let mut counted = usage;
            counted.merge(error.usage.take().map(|usage| *usage).unwrap_or_default());
            error.usage = Some(Box::new(counted));
        }
    }
    error
}

/// The rest of an answer, about to come from another model.
struct Rest {
    attempts: Attempts,
    attempt: Attempt,
    head: Head,
    busy: Busy,
    open: Open,
    cost: Usd,
}

/// Decides anew for the rest of an answer and asks for it; `None` where nobody may or can write it. The decision is one
/// of policy's, on the rest's own request.
async fn rest(client: Client, mut attempts: Attempts, request: Request, cost: Usd) -> Result<Option<Rest>, Error> {
    let inner = &client.inner;
    let needs = Needs::of(&request);
    let moment = inner.moment();
    let now = moment.now;
    let Ok(plan) = inner.decide_at(now, &request, &needs, &inner.direct) else { return Ok(None) };
    let mut run = Run::new(inner, &needs, moment);
    run.cost = cost;
    let step = attempts.resume(plan, now, &inner.health());
    match first_piece(&mut run, &mut attempts, step).await {
        Ok((attempt, head, busy)) => {
            Ok(Some(Rest { attempts, attempt, head, busy, open: run.hand_over(), cost: run.cost }))
        }
        Err(error @ Error::Ledger(_)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether a reader would see it: before that, another candidate may still stand in unnoticed.
fn is_piece(delta: &Delta) -> bool {
    match delta {
        Delta::Start { .. }
        | Delta::Continued { .. }
        | Delta::Usage { .. }
        | Delta::Vendor { .. }
        | Delta::PartVendor { .. } => false,
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
        self.beside.route(self.attempts.plan(), candidate, self.attempt, self.attempts.tried())
    }

    /// The whole response, after the last piece.
    pub fn response(&self) -> Option<&Response> {
        self.response.as_deref()
    }

    /// The answer as far as it has come.
    pub fn so_far(&self) -> Reply {
        self.assembler.reply()
    }

    /// Reads on from an attempt that has brought its first piece.
    fn take_up(&mut self, head: Head, busy: Busy, open: Open) {
        self.busy = Some(busy);
        self.open = Some(open);
        self.deltas = head.deltas;
        for delta in head.ready {
            if let Some(delta) = self.receive(delta) {
                self.ready.push_back(delta);
            }
        }
    }

    /// Counts and keeps a piece, and gives it out; after a break, by way of the seam.
    fn receive(&mut self, mut delta: Delta) -> Option<Delta> {
        if let Some(open) = &mut self.open {
            open.meter.see(&delta, || self.client.inner.clock.now());
        }
        if self.seam.is_some() {
            self.sew(Some(delta));
            return None;
        }
        if let Some(part) = rest::part_of(&mut delta) {
            self.parts_end = self.parts_end.max(part.saturating_add(1));
        }
        self.assembler.push(delta.clone());
        // A check asked for these.
        let is_unasked = matches!(delta, Delta::Logprobs { .. }) && self.request.sampling.logprobs.is_none();
        (!is_unasked).then_some(delta)
    }

    /// Sews a piece, or the end, to what had come.
    fn sew(&mut self, delta: Option<Delta>) {
        let Some(seam) = &mut self.seam else { return };
        let mut out = Vec::new();
        match delta {
            Some(delta) => seam.pass(delta, &mut out),
            None => seam.finish(&mut out),
        }
        for mut delta in out {
            if let Some(part) = rest::part_of(&mut delta) {
                self.parts_end = self.parts_end.max(part.saturating_add(1));
            }
            self.assembler.push(delta.clone());
            self.ready.push_back(delta);
        }
    }

    /// Asks for the rest after a break, where the settings say so and there is a way.
    fn resume(&mut self, error: &ProviderError, came: &Response) -> Option<Resuming> {
        let inner = &self.client.inner;
        if !inner.rules.continue_broken {
            return None;
        }
        let outcome = Outcome::Failed { number: self.attempt.number, error: Box::new(error.clone()), delivered: true };
        let now = inner.clock.now();
        let step = inner.with_health(|health| self.attempts.next(outcome, now, health));
        let request = rest::request(&self.request, &came.reply).filter(|_| step == Step::Resume)?;
        Some(Box::pin(rest(self.client.clone(), self.attempts.clone(), request, came.cost)))
    }

    /// The rest comes: what follows is of another model.
    fn take_rest(&mut self, rest: Rest) {
        let Rest { attempts, attempt, head, busy, open, cost } = rest;
        (self.attempts, self.attempt, self.cost_before) = (attempts, attempt, cost);
        let model = self.attempts.candidate(attempt).model().clone();
        self.seam = Some(Seam::new(&self.assembler.reply(), self.parts_end));
        let mark = Delta::Continued { part: self.parts_end, model };
        self.assembler.push(mark.clone());
        self.ready.push_back(mark);
        self.take_up(head, busy, open);
    }

    /// The provider's stream is over: the reservation ends.
    fn close(&mut self, failure: Option<ProviderError>) {
        self.deltas = None;
        self.sew(None);
        let moment = self.client.inner.moment();
        let now = moment.now;
        if let Some(busy) = self.busy.take() {
            busy.end(failure.as_ref(), moment);
        }
        let Some(mut open) = self.open.take() else { return };
        let ending = if failure.is_some() { Ending::Cut } else { Ending::Answered };
        let tokens = open.meter.tokens_seen();
        let store = self.client.inner.store.clone();
        if failure.is_none() {
            let candidate = self.attempts.candidate(self.attempt);
            let request = self.attempts.plan().request();
            self.client.inner.note_session(request, candidate, tokens, now);
            self.client.inner.lessons.note(&self.attempts, self.attempt);
        }
        self.settling = Some(match open.end(ending, failure.as_ref(), now) {
            End::Void(void) => Box::pin(async move { store.void(void).await.map(|_| ()) }),
            End::Settle(settle) => {
                self.account =
                    Account { cost: settle.cost, lines: settle.lines.clone(), baseline_cost: settle.baseline_cost };
                let alerts = self.client.inner.alerts.clone();
                Box::pin(async move { store.settle(*settle).await.map(|posted| alerts.tell(posted.alerts)) })
            }
        });
        self.failure = failure;
        let first_piece = open.meter.first_piece();
        self.response = Some(Box::new(self.whole(first_piece)));
    }

    fn whole(&mut self, first_piece: Option<crate::time::Span>) -> Response {
        let account = std::mem::take(&mut self.account);
        let cost = self.cost_before.saturating_add(account.cost);
        let baseline_cost = self.baseline_before.or(account.baseline_cost);
        Response {
            id: self.attempts.request().clone(),
            reply: self.beside.as_asked(&self.attempts, self.assembler.reply()),
            route: self.route(),
            cost,
            lines: account.lines,
            baseline_cost,
            saved: saved(baseline_cost, cost),
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
        let Some(error) = self.failure.take() else {
            self.begin_check();
            return None;
        };
        let came = self.response.take()?;
        match self.resume(&error, &came) {
            Some(resuming) => {
                self.resuming = Some((resuming, error));
                None
            }
            None => Some(Err(incomplete(error, came.reply))),
        }
    }

    /// The rest is there, or there is none: then the break stands.
    fn resumed(&mut self, rest: Result<Option<Rest>, Error>, error: ProviderError) -> Option<Result<Delta, Error>> {
        match rest {
            Ok(Some(rest)) => {
                self.take_rest(rest);
                None
            }
            Ok(None) => Some(Err(incomplete(error, self.assembler.reply()))),
            Err(error) => Some(Err(error)),
        }
    }
}

fn incomplete(mut error: ProviderError, came: Reply) -> Error {
    error.partial = Some(Box::new(came));
    Error::Incomplete(Box::new(error))
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
                match this.settled(written) {
                    None if this.resuming.is_some() || this.checking.is_some() => continue,
                    last => return Poll::Ready(last),
                }
            }
            if let Some(checking) = &mut this.checking {
                let Poll::Ready(checked) = checking.as_mut().poll(context) else { return Poll::Pending };
                this.checking = None;
                if let Err(error) = this.checked(checked) {
                    return Poll::Ready(Some(Err(error)));
                }
                continue;
            }
            if let Some((resuming, _)) = &mut this.resuming {
                let Poll::Ready(rest) = resuming.as_mut().poll(context) else { return Poll::Pending };
                let Some((_, error)) = this.resuming.take() else { continue };
                match this.resumed(rest, error) {
                    None => continue,
                    last => return Poll::Ready(last),
                }
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
                    if let Some(delta) = this.receive(delta) {
                        return Poll::Ready(Some(Ok(delta)));
                    }
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

//! The loop that does what `attempt` says: reserve, send, check, wait, until there is an answer or nothing left to try.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::attempt::{Aim, Attempt, Attempts, Outcome, Step};
use crate::error::{Kind, ProviderError, Retry};
use crate::id::AttemptId;
use crate::ledger::{ChargeLine, End, Ending, Facts, LedgerError, Purpose, Reserve, tags_of};
use crate::limits::RETRY_AFTER_MAX;
use crate::model::ModelCard;
use crate::money::Usd;
use crate::plan::Candidate;
use crate::policy::Needs;
use crate::provider::{Call, Provider};
use crate::reply::Reply;
use crate::request::Request;
use crate::snapshot::Fate;
use crate::time::{Span, Timeouts, Timestamp};
use crate::wire::Mode;

use super::account::{Meter, Open, Prices};
use super::beside::Beside;
use super::moment::{Moment, timed};
use super::response::{Response, Timing};
use super::{Client, Course, Error, Inner, hedge, shadow};

/// An answer and its account.
pub(super) struct Answer {
    pub(super) attempt: Attempt,
    pub(super) reply: Box<Reply>,
    lines: Vec<ChargeLine>,
    first_piece: Option<Span>,
}

pub(super) async fn send(client: &Client, request: &Request) -> Result<Response, Error> {
    let inner = &client.inner;
    let Course { mut attempts, needs, began, decided, decided_in } = inner.begin(request, Mode::Unary)?;
    let mut run = Run::new(inner, &needs, decided);
    let mut beside = Beside::default();
    let driven = drive(&mut run, &mut attempts, &mut beside, false).await?;
    let Driven::Answered(answer) = driven else { unreachable!("whole answers are driven to their end") };
    inner.lessons.note(&attempts, answer.attempt);
    shadow::after(client, &mut attempts, answer.attempt, &answer.reply);
    let took = run.moment.at.duration_since(began);
    Ok(deliver(&attempts, answer, &run, &beside, took, decided_in))
}

/// How far a course came.
pub(super) enum Driven {
    /// To an answer.
    Answered(Answer),
    /// To an attempt whose answer nobody checks, and so may be streamed: its step, and the answer in hand, if any.
    Unchecked(Step, Option<Answer>),
}

/// Follows the steps with whole answers: to the end, or where the rest is streamed, until an answer would not be checked.
pub(super) async fn drive(
    run: &mut Run<'_>,
    attempts: &mut Attempts,
    beside: &mut Beside,
    streams_rest: bool,
) -> Result<Driven, Error> {
    let inner = run.inner;
    let mut answer: Option<Answer> = None;
    let mut step = attempts.first(run.moment.now, &inner.health());
    loop {
        let outcome = match step {
            Step::Send(attempt) if streams_rest && !attempts.is_checked(attempt) => {
                return Ok(Driven::Unchecked(step, answer));
            }
            Step::Reserve(attempt) => run.reserve(attempts, attempt).await?,
            Step::Wait(span) => run.wait(span).await,
            Step::Send(attempt) => match beside.ask(run, attempts, attempt).await? {
                Asked::Came { attempt, came, busy } => {
                    answer = Some(run.take(attempts, attempt, came, busy).await?);
                    Outcome::Answered { number: attempt.number }
                }
                Asked::Failed(outcome) => outcome,
            },
            Step::Await | Step::Resume => unreachable!("hedges end with `ask`, and a whole answer has no rest"),
            Step::Check(attempt) => match &answer {
                // Rare, and large: it takes no room in the future of a call without checks.
                Some(answer) => Box::pin(beside.judge(run, attempts, attempt, &answer.reply)).await?,
                None => Outcome::Passed,
            },
            Step::Done => return Ok(Driven::Answered(answer.expect("a course is done only after an answer"))),
            Step::GiveUp(exhausted) => return answer.map(Driven::Answered).ok_or_else(|| given_up(exhausted)),
        };
        step = run.next(attempts, outcome);
    }
}

/// Asks for a whole answer.
pub(super) async fn whole(call: Call, provider: Option<Arc<dyn Provider>>) -> Result<Box<Reply>, ProviderError> {
    match provider {
        // Large, and handed on often.
        Some(provider) => provider.send(&call).await.map(Box::new),
        None => Err(no_provider(&call)),
    }
}

/// What came of an attempt, or of two side by side.
pub(super) enum Asked<T> {
    /// Something to deliver. The reservation of the attempt that brought it is open.
    Came { attempt: Attempt, came: T, busy: Busy },
    /// A failure. All reservations have ended.
    Failed(Outcome),
}

pub(super) fn deliver(
    attempts: &Attempts,
    answer: Answer,
    run: &Run<'_>,
    beside: &Beside,
    took: Duration,
    decision: Duration,
) -> Response {
    let candidate = attempts.candidate(answer.attempt);
    let (cost, baseline_cost) = (run.cost, run.baseline_cost);
    Response {
        id: attempts.request().clone(),
        route: beside.route(attempts.plan(), candidate, answer.attempt, attempts.tried()),
        reply: beside.as_asked(attempts, *answer.reply),
        cost,
        lines: answer.lines,
        baseline_cost,
        saved: saved(baseline_cost, cost),
        timing: Timing { decision, first_piece: answer.first_piece, total: span_of(took) },
    }
}

/// What was saved against the baseline; nothing where that is not known.
pub(super) fn saved(baseline: Option<Usd>, cost: Usd) -> Usd {
    baseline.and_then(|baseline| baseline.checked_sub(cost)).unwrap_or(Usd::ZERO)
}

pub(super) fn span_of(took: Duration) -> Span {
    Span::from_ms(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

#[cold]
pub(super) fn given_up(exhausted: crate::attempt::Exhausted) -> Error {
    match exhausted.is_budget() {
        true => Error::OverBudget(Box::new(exhausted)),
        false => Error::Exhausted(Box::new(exhausted)),
    }
}

/// What one request's attempts share.
pub(super) struct Run<'a> {
    pub(super) inner: &'a Arc<Inner>,
    needs: &'a Needs,
    /// The time as last asked for. To ask takes longer than most steps do, so it is asked for after each wait.
    pub(super) moment: Moment,
    open: Option<Box<Open>>,
    /// What all attempts cost so far.
    pub(super) cost: Usd,
    /// What the first answer would have cost on the baseline: a better one after it is credited with no other.
    pub(super) baseline_cost: Option<Usd>,
}

impl<'a> Run<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, needs: &'a Needs, moment: Moment) -> Run<'a> {
        Run { inner, needs, moment, open: None, cost: Usd::ZERO, baseline_cost: None }
    }

    /// Looks at the clocks, after something that took time.
    pub(super) fn look_up(&mut self) {
        self.moment = self.inner.moment();
    }

    /// What the store says; the clocks are looked at where it had to be waited for.
    async fn of_store<T>(&mut self, asked: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
        let (said, has_waited) = timed(asked).await;
        if has_waited {
            self.look_up();
        }
        said
    }

    pub(super) fn next(&self, attempts: &mut Attempts, outcome: Outcome) -> Step {
        self.inner.with_health(|health| attempts.next(outcome, self.moment.now, health))
    }

    pub(super) async fn wait(&mut self, span: Span) -> Outcome {
        tokio::time::sleep(span.to_duration()).await;
        self.look_up();
        Outcome::Waited
    }

    /// Sets aside the most that the attempt can cost.
    pub(super) async fn reserve(&mut self, attempts: &Attempts, attempt: Attempt) -> Result<Outcome, Error> {
        let candidate = attempts.candidate(attempt);
        let entry = self.entry(attempts, attempt, candidate);
        let baseline = attempts.plan().baseline().filter(|_| self.baseline_cost.is_none());
        let prices = self.prices(candidate, baseline.map(|baseline| baseline.card.clone()));
        self.hold(entry, prices).await
    }

    /// Writes a reservation; its ending is owed from then on.
    pub(super) async fn hold(&mut self, entry: Reserve, prices: Prices) -> Result<Outcome, Error> {
        let meter = Meter::new(prices, entry.at);
        let open = Open::new(self.inner.store.clone(), self.inner.clock.clone(), entry.attempt.clone(), meter);
        match self.of_store(self.inner.store.reserve(entry)).await {
            Ok(posted) => {
                self.inner.alerts.tell(posted.alerts);
                self.open = Some(Box::new(open));
                Ok(Outcome::Reserved)
            }
            Err(error) if error.is_refusal() => {
                open.forget();
                Ok(Outcome::Rejected(error.to_string()))
            }
            Err(error) => {
                open.forget();
                Err(Error::Ledger(error))
            }
        }
    }

    fn entry(&self, attempts: &Attempts, attempt: Attempt, candidate: &Candidate) -> Reserve {
        let plan = attempts.plan();
        Reserve {
            attempt: attempts.request().attempt(attempt.number),
            request: attempts.request().clone(),
            at: self.moment.now,
            facts: Facts {
                model: candidate.model().clone(),
                vendor: candidate.endpoint().vendor.clone(),
                endpoint: candidate.endpoint().id.clone(),
                tier: candidate.card().tier,
                purpose: purpose(attempt.aim),
                key: None,
                tags: tags_of(&plan.request().tags),
            },
            amount: candidate.terms.reserve,
            tokens_max: candidate.terms.input_tokens_max.saturating_add(candidate.terms.max_tokens),
            baseline: plan.baseline().map(|baseline| baseline.model().clone()),
        }
    }

    pub(super) fn prices(&self, candidate: &Candidate, baseline: Option<Arc<ModelCard>>) -> Prices {
        Prices {
            card: candidate.card().clone(),
            endpoint: candidate.endpoint().clone(),
            baseline,
            lane: self.needs.service_tier,
            reserve: candidate.terms.reserve,
            input_roughly: self.needs.input_tokens.min(candidate.terms.input_tokens_max),
        }
    }

    /// The call of an attempt, its reservation marked as sent, its endpoint as busy.
    pub(super) fn launch(&mut self, attempts: &Attempts, attempt: Attempt) -> (Call, Option<Arc<dyn Provider>>) {
        // Retries and hedges were paid for from the budget.
        let earns_retry = !matches!(attempt.aim, Aim::Retry | Aim::Hedge);
        let id = match &self.open {
            Some(open) => open.attempt().clone(),
            None => attempts.request().attempt(attempt.number),
        };
        self.send_off(attempts.candidate(attempt), id, attempt.timeouts, earns_retry)
    }

    /// The call of a candidate, its reservation marked as sent, its endpoint as busy.
    pub(super) fn send_off(
        &mut self,
        candidate: &Candidate,
        id: AttemptId,
        timeouts: Timeouts,
        earns_retry: bool,
    ) -> (Call, Option<Arc<dyn Provider>>) {
        let endpoint = &candidate.endpoint().id;
        let call = Call::new(candidate.admission.clone(), id, candidate.terms.max_tokens);
        self.inner.with_health(|health| {
            health.begin(endpoint, self.moment.now);
            if earns_retry {
                health.earn_retry(endpoint);
            }
        });
        if let Some(open) = &mut self.open {
            open.sent(self.moment.now);
        }
        (call.with_timeouts(timeouts), self.inner.provider(endpoint))
    }

    /// Asks, with a hedge beside it where the attempt is to have one. A failed attempt's reservation is ended.
    pub(super) async fn ask<T, F>(
        &mut self,
        attempts: &mut Attempts,
        attempt: Attempt,
        ask: impl Fn(Call, Option<Arc<dyn Provider>>) -> F,
    ) -> Result<Asked<T>, Error>
    where
        F: Future<Output = Result<T, ProviderError>> + Send + 'static,
    {
        if let Some(after) = attempt.hedge_after {
            // Rare, and large: it takes no room in the future of a call without hedges.
            return Box::pin(hedge::race(self, attempts, attempt, after, ask)).await;
        }
        let (call, provider) = self.launch(attempts, attempt);
        let busy = self.busy(attempts, attempt);
        let asked = ask(call, provider).await;
        self.look_up();
        match asked {
            Ok(came) => Ok(Asked::Came { attempt, came, busy }),
            Err(error) => Ok(Asked::Failed(self.failed(attempt, busy, error).await?)),
        }
    }

    /// Ends the reservation of an attempt that failed.
    pub(super) async fn failed(
        &mut self,
        attempt: Attempt,
        busy: Busy,
        error: ProviderError,
    ) -> Result<Outcome, Error> {
        busy.end(Some(&error), self.moment);
        self.end(Ending::Failed(error.kind), Some(&error)).await?;
        Ok(Outcome::Failed { number: attempt.number, error: Box::new(error), delivered: false })
    }

    /// The call of an attempt, as its endpoint sees it.
    pub(super) fn busy(&self, attempts: &Attempts, attempt: Attempt) -> Busy {
        Busy::new(self.inner.clone(), attempts.candidate(attempt), attempts.is_stream(), self.moment.at)
    }

    /// Settles a whole answer.
    async fn take(
        &mut self,
        attempts: &Attempts,
        attempt: Attempt,
        reply: Box<Reply>,
        busy: Busy,
    ) -> Result<Answer, Error> {
        busy.end(None, self.moment);
        let Settled { lines, tokens } = self.settle_answer(&reply).await?;
        let candidate = attempts.candidate(attempt);
        let request = attempts.plan().request();
        self.inner.note_session(request, candidate, tokens, self.moment.now);
        Ok(Answer { attempt, reply, lines, first_piece: None })
    }

    pub(super) async fn settle_answer(&mut self, reply: &Reply) -> Result<Settled, Error> {
        if let Some(open) = &mut self.open {
            open.meter.see_reply(reply);
        }
        self.end(Ending::Answered, None).await
    }

    /// Ends the open reservation and waits until that is written.
    pub(super) async fn end(&mut self, ending: Ending, error: Option<&ProviderError>) -> Result<Settled, Error> {
        let mut open = self.open.take().expect("an attempt is sent only after its reservation");
        let tokens = open.meter.tokens_seen();
        match open.end(ending, error, self.moment.now) {
            End::Void(void) => {
                self.of_store(self.inner.store.void(void)).await.map_err(Error::Ledger)?;
                Ok(Settled::default())
            }
            End::Settle(settle) => {
                self.cost = self.cost.saturating_add(settle.cost);
                self.baseline_cost = self.baseline_cost.or(settle.baseline_cost);
                let settled = Settled { lines: settle.lines.clone(), tokens };
                let posted = self.of_store(self.inner.store.settle(*settle)).await.map_err(Error::Ledger)?;
                self.inner.alerts.tell(posted.alerts);
                Ok(settled)
            }
        }
    }

    /// The open reservation, for a stream that will end it itself.
    pub(super) fn hand_over(&mut self) -> Open {
        *self.open.take().expect("an attempt is sent only after its reservation")
    }

    /// Takes a reservation back that was handed over.
    pub(super) fn take_over(&mut self, open: Open) {
        self.open = Some(Box::new(open));
    }
}

/// What a settled attempt adds to the response.
#[derive(Debug, Default)]
pub(super) struct Settled {
    lines: Vec<ChargeLine>,
    tokens: u64,
}

fn purpose(aim: Aim) -> Purpose {
    match aim {
        Aim::First => Purpose::First,
        Aim::Retry => Purpose::Retry,
        Aim::Fallback => Purpose::Fallback,
        Aim::Escalation => Purpose::Escalation,
        Aim::Hedge => Purpose::Hedge,
        Aim::Continuation => Purpose::Continuation,
    }
}

#[cold]
pub(super) fn no_provider(call: &Call) -> ProviderError {
    let endpoint = call.endpoint();
    let text = format!("nothing here speaks '{}' to {}: register a provider for it", endpoint.api, endpoint.id);
    ProviderError::new(Kind::Unsupported, Retry::Elsewhere, text).unsent()
}

/// A call that an endpoint is busy with. Dropped before its end, it says nothing about the endpoint.
pub(super) struct Busy {
    inner: Arc<Inner>,
    endpoint: crate::id::EndpointId,
    began: Instant,
    is_stream: bool,
    is_over: bool,
}

impl Busy {
    pub(super) fn new(inner: Arc<Inner>, candidate: &Candidate, is_stream: bool, began: Instant) -> Busy {
        Busy { inner, endpoint: candidate.endpoint().id.clone(), began, is_stream, is_over: false }
    }

    /// Its first piece has come: hedges are timed by that.
    pub(super) fn first_piece(&self) {
        if self.inner.rules.hedge_percent.is_some() {
            let took = span_of(self.began.elapsed());
            self.inner.with_health(|health| health.first_piece(&self.endpoint, took));
        }
    }

    /// It was given up for a faster one.
    pub(super) fn outrun(mut self, Moment { now, at }: Moment) {
        let took = span_of(at.duration_since(self.began));
        self.inner.with_health(|health| health.outrun(&self.endpoint, self.is_stream, took));
        self.finish(Fate::Neutral, now);
    }

    /// It answered, or failed with this error.
    pub(super) fn end(mut self, error: Option<&ProviderError>, Moment { now, at }: Moment) {
        let fate = match error {
            None => Fate::Answered(span_of(at.duration_since(self.began))),
            Some(error) => fate(error, now),
        };
        self.finish(fate, now);
    }

    fn finish(&mut self, fate: Fate, now: Timestamp) {
        self.is_over = true;
        self.inner.with_health(|health| health.end(&self.endpoint, fate, now));
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.is_over {
            self.finish(Fate::Neutral, self.inner.clock.now());
        }
    }
}

/// What a failure says about the endpoint.
fn fate(error: &ProviderError, now: Timestamp) -> Fate {
    match (error.kind, error.retry) {
        (Kind::RateLimited, Retry::Here(after)) => {
            Fate::Limited(after.map(|after| now.after(after.min(RETRY_AFTER_MAX))))
        }
        (Kind::RateLimited, _) => Fate::Limited(None),
        (
            Kind::Overloaded
            | Kind::Server
            | Kind::Connect
            | Kind::Tls
            | Kind::Timeout
            | Kind::Network
            | Kind::Protocol
            | Kind::Incomplete
            | Kind::ReplyTooLarge,
            _,
        ) => Fate::Failed,
        _ => Fate::Neutral,
    }
}

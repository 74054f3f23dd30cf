//! What next, given what just happened? Retry, fallback, escalation and giving up are decided here and nowhere else.
//!
//! `Attempts` is told what happened and the time, and says what to do: reserve, send, check, wait, or stop. It calls
//! nothing and waits for nothing itself, so that every path through a bad night can be played in a test.
//!
//! It moves through the plan's candidates only, each of which carries its admission: there is no way here to a model that
//! policy refused. It never retries after the first delivered piece of an answer.
//!
//! Two more things happen only where they are asked for. A *hedge* is a second attempt beside a call that takes longer
//! than its endpoint usually does: the first to say something wins, and the other one is given up. A *continuation*
//! follows a stream that broke half-way: a new plan, made by policy for what was asked and what had come, says who may
//! write the rest.

use crate::error::{Kind, ProviderError, Retry};
use crate::id::{EndpointId, RequestId};
use crate::plan::{Candidate, Plan};
use crate::snapshot::HealthBook;
use crate::time::{Span, Timeouts, Timestamp};

mod backoff;
mod exhausted;
mod hedge;
mod rules;
#[cfg(test)]
mod tests;

pub use exhausted::{Exhausted, Setback, Tried};
pub use rules::Rules;

/// What an attempt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The first of its request.
    First,
    /// The same candidate once more.
    Retry,
    /// Another candidate, since those before failed.
    Fallback,
    /// A better candidate, since an answer fell short of its check.
    Escalation,
    /// A second attempt beside a slow one.
    Hedge,
    /// The rest of an answer that broke off.
    Continuation,
}

impl Aim {
    /// The name in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Aim::First => "first",
            Aim::Retry => "retry",
            Aim::Fallback => "fallback",
            Aim::Escalation => "escalation",
            Aim::Hedge => "hedge",
            Aim::Continuation => "continuation",
        }
    }
}

/// One attempt to get an answer: which candidate, as which attempt, and within which limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1 within the request.
    pub number: u32,
    /// Which of the plan's candidates.
    pub candidate: usize,
    /// What it is for.
    pub aim: Aim,
    /// Its time limits, within the request's deadline.
    pub timeouts: Timeouts,
    /// Say `Slow` where it has said nothing by then; `None` where no hedge would follow.
    pub hedge_after: Option<Span>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Reserve the attempt's upper bound in the ledger, then say `Reserved` or `Rejected`.
    Reserve(Attempt),
    /// Send it, then say `Answered` or `Failed`.
    Send(Attempt),
    /// Check the answer, then say `Passed` or `FellShort`.
    Check(Attempt),
    /// Wait this long, then say `Waited`.
    Wait(Span),
    /// Wait on for the attempt that is still under way.
    Await,
    /// Decide anew for the rest of the answer and call `resume`, or say `NoRest`.
    Resume,
    /// The last answer stands.
    Done,
    /// Nothing is left to try.
    GiveUp(Exhausted),
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The ledger holds the attempt's upper bound.
    Reserved,
    /// A budget refuses it, for this reason.
    Rejected(String),
    /// An answer came, or the first piece of one.
    Answered {
        /// From which attempt.
        number: u32,
    },
    /// The call has said nothing for as long as `hedge_after` says.
    Slow,
    /// The call failed. `delivered`: a piece of the answer had already reached the caller.
    Failed {
        /// Which attempt.
        number: u32,
        /// What the provider said.
        error: Box<ProviderError>,
        /// Whether the caller has seen a piece of the answer.
        delivered: bool,
    },
    /// The answer is good enough.
    Passed,
    /// The answer is not good enough, for this reason.
    FellShort(String),
    /// The wait is over.
    Waited,
    /// Nobody may or can write the rest of the answer.
    NoRest,
}

/// The course of one request through its plan.
#[derive(Clone, Debug)]
pub struct Attempts {
    request: RequestId,
    plan: Plan,
    rules: Rules,
    deadline: Timestamp,
    seed: u64,
    number: u32,
    tries_here: u32,
    /// When the last wait is over: then it was waited, also by a clock that stands still or goes back.
    waited_until: Timestamp,
    current: Attempt,
    /// Attempts that were sent and have not ended: two at most.
    under_way: Vec<Attempt>,
    is_resumed: bool,
    excluded: Vec<EndpointId>,
    /// Of an answer that fell short: who follows it must be likelier to be good than it was, and as likely as was planned.
    in_hand: Option<(f64, f64)>,
    spent: Vec<bool>,
    tried: Vec<Tried>,
}

impl Attempts {
    /// Starts a request's course. `seed` spreads the waits of many callers; the same seed gives the same waits.
    pub fn new(request: RequestId, plan: Plan, rules: Rules, now: Timestamp, seed: u64) -> Attempts {
        let spent = vec![false; plan.candidates().len()];
        let deadline = now.after(rules.deadline);
        let current = Attempt { number: 0, candidate: 0, aim: Aim::First, timeouts: rules.timeouts, hedge_after: None };
        Attempts {
            request,
            plan,
            rules,
            deadline,
            seed,
            number: 0,
            tries_here: 0,
            waited_until: now,
            current,
            under_way: Vec::new(),
            is_resumed: false,
            excluded: Vec::new(),
            in_hand: None,
            spent,
            tried: Vec::new(),
        }
    }

    /// The request's id.
    pub fn request(&self) -> &RequestId {
        &self.request
    }

    /// The plan that is followed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The candidate of an attempt.
    pub fn candidate(&self, attempt: Attempt) -> &Candidate {
        &self.plan.candidates()[attempt.candidate]
    }

    /// Whether the answer is streamed.
    pub fn is_stream(&self) -> bool {
        self.rules.is_stream
    }

    /// The attempt that is under way, or was last.
    pub fn current(&self) -> Attempt {
        self.current
    }

    /// What was tried so far and did not do, in order.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// The first step.
    pub fn first(&mut self, now: Timestamp, health: &HealthBook) -> Step {
        let step = self.move_on(Aim::First, now, health);
        self.note_wait(step, now)
    }

    /// The next step. `health` holds the endpoints' breakers and their budgets of retries, from which a retry takes one.
    pub fn next(&mut self, outcome: Outcome, now: Timestamp, health: &mut HealthBook) -> Step {
        let now = now.max(self.waited_until);
        let step = self.after(outcome, now, health);
        self.note_wait(step, now)
    }

    fn note_wait(&mut self, step: Step, now: Timestamp) -> Step {
        if let Step::Wait(span) = &step {
            self.waited_until = now.after(*span);
        }
        step
    }

    fn after(&mut self, outcome: Outcome, now: Timestamp, health: &mut HealthBook) -> Step {
        match outcome {
            Outcome::Reserved => {
                self.under_way.push(self.current);
                Step::Send(self.current)
            }
            Outcome::Rejected(reason) => {
                self.note(Setback::Rejected(reason));
                if !self.under_way.is_empty() {
                    return Step::Await;
                }
                self.spend_current();
                self.move_on(self.fallback_aim(), now, health)
            }
            Outcome::Slow => self.hedge(now, health),
            Outcome::Answered { number } => {
                self.win(number);
                if self.is_checked(self.current) { Step::Check(self.current) } else { Step::Done }
            }
            Outcome::Passed => Step::Done,
            Outcome::FellShort(reason) => {
                self.note(Setback::FellShort(reason));
                self.spend_current();
                self.escalate(now, health)
            }
            Outcome::Waited => self.after_wait(now, health),
            Outcome::Failed { number, error, delivered } => {
                self.turn_to(number);
                self.after_failure(*error, delivered, now, health)
            }
            Outcome::NoRest => self.give_up(),
        }
    }

    fn after_failure(
        &mut self,
        error: ProviderError,
        delivered: bool,
        now: Timestamp,
        health: &mut HealthBook,
    ) -> Step {
        let (retry, kind) = (error.retry, error.kind);
        self.note(Setback::Failed(Box::new(error)));
        if !self.under_way.is_empty() {
            self.leave(retry, kind);
            return Step::Await;
        }
        if kind == Kind::Cancelled {
            return self.give_up();
        }
        if delivered {
            let goes_on = self.rules.continue_broken && retry != Retry::Never && self.has_attempts_left();
            return if goes_on && now < self.deadline { Step::Resume } else { self.give_up() };
        }
        match retry {
            Retry::Never => self.give_up(),
            Retry::Here(after) => self.retry_or_move_on(after, now, health),
            Retry::Elsewhere => {
                self.leave(retry, kind);
                self.move_on(Aim::Fallback, now, health)
            }
        }
    }

    /// Gives the current candidate up, and its endpoint where the failure is the whole endpoint's.
    fn leave(&mut self, retry: Retry, kind: Kind) {
        if retry == Retry::Elsewhere && is_whole_endpoint(kind) {
            let endpoint = self.candidate(self.current).endpoint().id.clone();
            self.excluded.push(endpoint);
        }
        self.spend_current();
    }

    /// Goes on with a plan for the rest of an answer that broke off. Where the answer broke is not asked again.
    pub fn resume(&mut self, plan: Plan, now: Timestamp, health: &HealthBook) -> Step {
        let failed = |candidate: &Candidate| {
            self.tried.iter().any(|tried| {
                matches!(tried.setback, Setback::Failed(_))
                    && tried.model == *candidate.model()
                    && tried.endpoint == candidate.endpoint().id
            })
        };
        self.spent = plan.candidates().iter().map(failed).collect();
        self.plan = plan;
        self.current.candidate = 0;
        self.is_resumed = true;
        let now = now.max(self.waited_until);
        let step = self.move_on(Aim::Continuation, now, health);
        self.note_wait(step, now)
    }

    /// Where others were quicker, an endpoint that was about to be ready has its probe already: then on to who is ready.
    fn after_wait(&mut self, now: Timestamp, health: &HealthBook) -> Step {
        if health.is_ready(&self.candidate(self.current).endpoint().id, now) {
            return self.launch(now, health);
        }
        let aim = if self.current.aim == Aim::Retry { Aim::Fallback } else { self.current.aim };
        self.move_on(aim, now, health)
    }

    /// The same candidate once more, if it may be tried again, the wait is short enough and its budget of retries is not
    /// used up; else the next candidate; and where there is none, a longer wait.
    fn retry_or_move_on(&mut self, after: Option<Span>, now: Timestamp, health: &mut HealthBook) -> Step {
        let wait = after.unwrap_or_else(|| backoff::wait(&self.rules, self.tries_here, self.seed, self.number));
        let fits = now.after(wait) < self.deadline && wait <= self.rules.retry_after_max;
        let patient = wait <= self.rules.patience || !self.has_other(now, health);
        let endpoint = self.candidate(self.current).endpoint().id.clone();
        let may_retry = self.tries_here < self.rules.attempts_here_max.max(1) && self.has_attempts_left();
        if may_retry && fits && patient && health.take_retry(&endpoint) {
            self.current.aim = self.marked(Aim::Retry);
            return if wait == Span::ZERO { self.launch(now, health) } else { Step::Wait(wait) };
        }
        self.spend_current();
        self.move_on(Aim::Fallback, now, health)
    }

    /// To the first candidate in plan order that is left and ready; where all that are left rest, to the one that is
    /// ready first, after a wait.
    fn move_on(&mut self, aim: Aim, now: Timestamp, health: &HealthBook) -> Step {
        let in_hand = self.in_hand;
        self.take(aim, now, health, |candidate| {
            in_hand.is_none_or(|(above, from)| candidate.p_good > above && candidate.p_good >= from)
        })
    }

    /// To the next candidate that is likelier to be good enough. Nobody else follows an answer in hand, also after failures.
    fn escalate(&mut self, now: Timestamp, health: &HealthBook) -> Step {
        let is_planned = self.current.candidate == 0 && self.plan.cascade().is_some();
        let target = self.plan.candidates().get(1).filter(|_| is_planned);
        self.in_hand = Some((self.candidate(self.current).p_good, target.map_or(0.0, |target| target.p_good)));
        match self.move_on(Aim::Escalation, now, health) {
            Step::GiveUp(_) => Step::Done,
            step => step,
        }
    }

    fn take(&mut self, aim: Aim, now: Timestamp, health: &HealthBook, fits: impl Fn(&Candidate) -> bool) -> Step {
        if now >= self.deadline || !self.has_attempts_left() {
            return self.give_up();
        }
        let ready_at = |candidate: &Candidate| {
            let known = health.of(&candidate.endpoint().id);
            known.map_or(Timestamp::EPOCH, |health| health.ready_at()).max(now)
        };
        let left = self.left().filter(|at| fits(&self.plan.candidates()[*at]));
        let soonest = left.map(|at| (ready_at(&self.plan.candidates()[at]), at)).min();
        let Some((ready_at, at)) = soonest.filter(|(ready_at, _)| *ready_at < self.deadline) else {
            return self.give_up();
        };
        self.current.candidate = at;
        self.current.aim = self.marked(aim);
        self.tries_here = 0;
        match ready_at.since(now) {
            Span::ZERO => self.launch(now, health),
            wait if wait <= self.rules.retry_after_max => Step::Wait(wait),
            _ => self.give_up(),
        }
    }

    /// Reserves the next attempt of the current candidate, its limits within what is left of the deadline.
    fn launch(&mut self, now: Timestamp, health: &HealthBook) -> Step {
        let left = self.deadline.since(now);
        if left == Span::ZERO {
            return self.give_up();
        }
        self.number += 1;
        self.tries_here += 1;
        self.current.number = self.number;
        self.current.timeouts = self.rules.timeouts.within(left);
        self.current.hedge_after = self.hedge_after(health);
        Step::Reserve(self.current)
    }

    /// What an attempt is for: all that follow a broken answer are for its rest.
    fn marked(&self, aim: Aim) -> Aim {
        if self.is_resumed { Aim::Continuation } else { aim }
    }

    fn give_up(&self) -> Step {
        Step::GiveUp(Exhausted { request: self.request.clone(), tried: self.tried.clone() })
    }

    fn note(&mut self, setback: Setback) {
        let candidate = self.candidate(self.current);
        let (model, endpoint) = (candidate.model().clone(), candidate.endpoint().id.clone());
        self.tried.push(Tried { number: self.current.number, model, endpoint, aim: self.current.aim, setback });
    }

    fn spend_current(&mut self) {
        self.spent[self.current.candidate] = true;
    }

    fn fallback_aim(&self) -> Aim {
        if self.number <= 1 { Aim::First } else { Aim::Fallback }
    }

    fn has_attempts_left(&self) -> bool {
        self.number < self.rules.attempts_max
    }

    /// Candidates not yet given up, in plan order.
    fn left(&self) -> impl Iterator<Item = usize> + '_ {
        let usable = |(at, candidate): &(usize, &Candidate)| {
            !self.spent[*at] && !self.excluded.contains(&candidate.endpoint().id)
        };
        self.plan.candidates().iter().enumerate().filter(usable).map(|(at, _)| at)
    }

    fn has_other(&self, now: Timestamp, health: &HealthBook) -> bool {
        let ready = |at: usize| health.is_ready(&self.plan.candidates()[at].endpoint().id, now);
        self.left().any(|at| at != self.current.candidate && ready(at))
    }

    /// Whether this attempt's answer is checked before it stands: it is to be, and a better one could follow.
    pub fn is_checked(&self, attempt: Attempt) -> bool {
        let is_planned = attempt.candidate == 0 && self.plan.cascade().is_some();
        let least = self.candidate(attempt).p_good;
        let is_better = |at: usize| at != attempt.candidate && self.plan.candidates()[at].p_good > least;
        !self.is_resumed && (self.rules.check || is_planned) && self.left().any(is_better)
    }

    /// A number for a call beside the course, such as a check's; `None` where the request has made its most attempts.
    pub fn claim(&mut self) -> Option<u32> {
        self.has_attempts_left().then(|| {
            self.number += 1;
            self.number
        })
    }
}

/// Whether a failure says that nothing at the endpoint will answer us: its other models are not worth a call.
fn is_whole_endpoint(kind: Kind) -> bool {
    matches!(kind, Kind::Auth | Kind::Quota | Kind::Tls)
}

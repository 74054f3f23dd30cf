//! What next, given what just happened? Retry, fallback, escalation and giving up are decided here and nowhere else.
//!
//! `Attempts` is told what happened and the time, and says what to do: reserve, send, check, wait, or stop. It calls
//! nothing and waits for nothing itself, so that every path through a bad night can be played in a test.
//!
//! It moves through the plan's candidates only, each of which carries its admission: there is no way here to a model that
//! policy refused. It never retries after the first delivered piece of an answer.

use crate::error::{Kind, ProviderError, Retry};
use crate::id::{EndpointId, RequestId};
use crate::plan::{Candidate, Plan};
use crate::snapshot::HealthBook;
use crate::time::{Span, Timeouts, Timestamp};

mod backoff;
mod exhausted;
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
}

impl Aim {
    /// The name in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Aim::First => "first",
            Aim::Retry => "retry",
            Aim::Fallback => "fallback",
            Aim::Escalation => "escalation",
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
    /// An answer came.
    Answered,
    /// The call failed. `delivered`: a piece of the answer had already reached the caller.
    Failed {
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
}

/// The course of one request through its plan.
#[derive(Debug)]
pub struct Attempts {
    request: RequestId,
    plan: Plan,
    rules: Rules,
    deadline: Timestamp,
    seed: u64,
    number: u32,
    tries_here: u32,
    current: Attempt,
    excluded: Vec<EndpointId>,
    spent: Vec<bool>,
    tried: Vec<Tried>,
}

impl Attempts {
    /// Starts a request's course. `seed` spreads the waits of many callers; the same seed gives the same waits.
    pub fn new(request: RequestId, plan: Plan, rules: Rules, now: Timestamp, seed: u64) -> Attempts {
        let spent = vec![false; plan.candidates().len()];
        let deadline = now.after(rules.deadline);
        let current = Attempt { number: 0, candidate: 0, aim: Aim::First, timeouts: rules.timeouts };
        Attempts {
            request,
            plan,
            rules,
            deadline,
            seed,
            number: 0,
            tries_here: 0,
            current,
            excluded: Vec::new(),
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

    /// What was tried so far and did not do, in order.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// The first step.
    pub fn first(&mut self, now: Timestamp, health: &HealthBook) -> Step {
        self.move_on(Aim::First, now, health)
    }

    /// The next step. `health` holds the endpoints' breakers and their budgets of retries, from which a retry takes one.
    pub fn next(&mut self, outcome: Outcome, now: Timestamp, health: &mut HealthBook) -> Step {
        match outcome {
            Outcome::Reserved => Step::Send(self.current),
            Outcome::Rejected(reason) => {
                self.note(Setback::Rejected(reason));
                self.spend_current();
                self.move_on(self.fallback_aim(), now, health)
            }
            Outcome::Answered if self.has_better() && self.rules.check => Step::Check(self.current),
            Outcome::Answered | Outcome::Passed => Step::Done,
            Outcome::FellShort(reason) => {
                self.note(Setback::FellShort(reason));
                self.spend_current();
                self.escalate(now, health)
            }
            Outcome::Waited => self.launch(now),
            Outcome::Failed { error, delivered } => self.after_failure(*error, delivered, now, health),
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
        if delivered || kind == Kind::Cancelled {
            return self.give_up();
        }
        match retry {
            Retry::Never => self.give_up(),
            Retry::Here(after) => self.retry_or_move_on(after, now, health),
            Retry::Elsewhere => {
                if is_whole_endpoint(kind) {
                    let endpoint = self.candidate(self.current).endpoint().id.clone();
                    self.excluded.push(endpoint);
                }
                self.spend_current();
                self.move_on(Aim::Fallback, now, health)
            }
        }
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
            self.current.aim = Aim::Retry;
            return if wait == Span::ZERO { self.launch(now) } else { Step::Wait(wait) };
        }
        self.spend_current();
        self.move_on(Aim::Fallback, now, health)
    }

    /// To the first candidate in plan order that is left and ready; where all that are left rest, to the one that is
    /// ready first, after a wait.
    fn move_on(&mut self, aim: Aim, now: Timestamp, health: &HealthBook) -> Step {
        self.take(aim, now, health, |_| true)
    }

    /// To the next candidate that is likelier to be good enough.
    fn escalate(&mut self, now: Timestamp, health: &HealthBook) -> Step {
        let least = self.candidate(self.current).p_good;
        match self.take(Aim::Escalation, now, health, |candidate| candidate.p_good > least) {
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
        self.current.aim = aim;
        self.tries_here = 0;
        match ready_at.since(now) {
            Span::ZERO => self.launch(now),
            wait if wait <= self.rules.retry_after_max => Step::Wait(wait),
            _ => self.give_up(),
        }
    }

    /// Reserves the next attempt of the current candidate, its limits within what is left of the deadline.
    fn launch(&mut self, now: Timestamp) -> Step {
        let left = self.deadline.since(now);
        if left == Span::ZERO {
            return self.give_up();
        }
        self.number += 1;
        self.tries_here += 1;
        self.current.number = self.number;
        self.current.timeouts = self.rules.timeouts.within(left);
        Step::Reserve(self.current)
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

    fn has_better(&self) -> bool {
        let least = self.candidate(self.current).p_good;
        self.left().any(|at| self.plan.candidates()[at].p_good > least)
    }
}

/// Whether a failure says that nothing at the endpoint will answer us: its other models are not worth a call.
fn is_whole_endpoint(kind: Kind) -> bool {
    matches!(kind, Kind::Auth | Kind::Quota | Kind::Tls)
}

//! A second attempt beside a call that is slower than its endpoint usually is; the first of the two to answer wins.
//!
//! A hedge goes where the plan allows, to the same model at another endpoint first, and takes from the budget of retries of
//! the endpoint that is slow: when everything is slow, hedges add at most a fifth to what is asked. An endpoint that only
//! stands by earns no budget, so its own would be used up after three hedges.

use crate::plan::Candidate;
use crate::snapshot::HealthBook;
use crate::time::{Span, Timestamp};

use super::{Aim, Attempt, Attempts, Setback, Step};

impl Attempts {
    /// How long the current candidate's endpoint may be silent before another attempt is sent beside it.
    pub(super) fn hedge_after(&self, health: &HealthBook) -> Option<Span> {
        let known = health.of(&self.candidate(self.current).endpoint().id)?;
        let after = known.latencies(self.rules.is_stream).percentile(self.rules.hedge_percent?)?;
        (after < self.current.timeouts.total && self.has_attempts_left()).then_some(after)
    }

    /// The hedge of the attempt under way, if there is a candidate for it and the slow endpoint's budget has one left.
    pub(super) fn hedge(&mut self, now: Timestamp, health: &mut HealthBook) -> Step {
        let left = self.deadline.since(now);
        let &[slow] = &self.under_way[..] else { return Step::Await };
        let Some(candidate) = self.beside(slow, now, health) else { return Step::Await };
        let endpoint = &self.candidate(slow).endpoint().id;
        if left == Span::ZERO || !self.has_attempts_left() || !health.take_retry(endpoint) {
            return Step::Await;
        }
        self.number += 1;
        let timeouts = self.rules.timeouts.within(left);
        self.current = Attempt { number: self.number, candidate, aim: Aim::Hedge, timeouts, hedge_after: None };
        Step::Reserve(self.current)
    }

    /// Who is asked beside a slow attempt: the same model elsewhere, another that is as good, or the same once more.
    fn beside(&self, slow: Attempt, now: Timestamp, health: &HealthBook) -> Option<usize> {
        let asked = self.candidate(slow);
        let of = |at: usize| &self.plan.candidates()[at];
        let is_ready = |at: &usize| health.is_ready(&of(*at).endpoint().id, now);
        let is_other = |at: &usize| *at != slow.candidate;
        let is_same_model = |at: &usize| of(*at).model() == asked.model();
        let is_as_good = |candidate: &Candidate| candidate.is_good_enough || candidate.p_good >= asked.p_good;
        let ready: Vec<usize> = self.left().filter(is_ready).collect();
        let find = |fits: &dyn Fn(&usize) -> bool| ready.iter().copied().find(|at| fits(at));
        find(&|at| is_other(at) && is_same_model(at))
            .or_else(|| find(&|at| is_other(at) && is_as_good(of(*at))))
            .or_else(|| find(&|at| *at == slow.candidate))
    }

    /// This attempt answers; one that is still under way is given up.
    pub(super) fn win(&mut self, number: u32) {
        self.turn_to(number);
        for outrun in std::mem::take(&mut self.under_way) {
            let winner = std::mem::replace(&mut self.current, outrun);
            self.note(Setback::Outrun);
            self.current = winner;
        }
    }

    /// Makes the attempt that ended the current one.
    pub(super) fn turn_to(&mut self, number: u32) {
        if let Some(at) = self.under_way.iter().position(|attempt| attempt.number == number) {
            self.current = self.under_way.remove(at);
        }
    }
}

//! Checks of streams: an answer that is held back until it has passed, or one that is shown and may be replaced.

use std::future::Future;
use std::pin::Pin;

use crate::attempt::{Attempt, Attempts, Outcome, Step};
use crate::plan::StreamChecks;
use crate::policy::Needs;
use crate::reply::Delta;

use super::super::drive::{Answer, Run, deliver, saved};
use super::super::{Client, Error, Response, beside::Beside, shadow};
use super::{ResponseStream, Rest, first_piece};

pub(super) type Checking = Pin<Box<dyn Future<Output = Result<Checked, Error>> + Send>>;

/// What came of the check of an answer that was shown.
pub(super) struct Checked {
    attempts: Attempts,
    beside: Beside,
    came: Box<Response>,
    /// The answer that takes its place.
    better: Option<Rest>,
}

/// Checks an answer that was shown; where it falls short, asks for the one that takes its place.
async fn check(
    client: Client,
    mut attempts: Attempts,
    mut beside: Beside,
    attempt: Attempt,
    mut came: Box<Response>,
) -> Result<Checked, Error> {
    let inner = &client.inner;
    let needs: Needs = *attempts.plan().needs();
    let mut run = Run::new(inner, &needs, inner.moment());
    (run.cost, run.baseline_cost) = (came.cost, came.baseline_cost);
    let mut step = run.next(&mut attempts, Outcome::Answered { number: attempt.number });
    if let Step::Check(_) = step {
        let outcome = beside.judge(&mut run, &mut attempts, attempt, &came.reply).await?;
        step = run.next(&mut attempts, outcome);
    }
    let better = match step {
        Step::Done | Step::GiveUp(_) => None,
        step => match first_piece(&mut run, &mut attempts, step).await {
            Ok((attempt, head, busy)) => {
                let (open, cost) = (run.hand_over(), run.cost);
                Some(Rest { attempts: attempts.clone(), attempt, head, busy, open, cost })
            }
            Err(error @ Error::Ledger(_)) => return Err(error),
            Err(_) => None,
        },
    };
    came.cost = run.cost;
    Ok(Checked { attempts, beside, came, better })
}

impl ResponseStream {
    /// Holds a whole answer, to be given out piece by piece.
    pub(super) fn hold(&mut self, answer: Answer, run: &Run<'_>) {
        self.attempt = answer.attempt;
        let beside = std::mem::take(&mut self.beside);
        let response = deliver(&self.attempts, answer, run, &beside, self.began.elapsed(), self.decided_in);
        self.beside = beside;
        self.client.inner.lessons.note(&self.attempts, self.attempt);
        for delta in response.reply.clone().into_deltas() {
            self.assembler.push(delta.clone());
            self.ready.push_back(delta);
        }
        self.response = Some(Box::new(response));
        self.shadow();
    }

    /// The answer stands: it may get a shadow.
    fn shadow(&mut self) {
        let Some(response) = &self.response else { return };
        shadow::after(&self.client, &mut self.attempts, self.attempt, &response.reply);
    }

    /// Begins the check of an answer that was shown, where it is to be checked.
    pub(super) fn begin_check(&mut self) {
        let is_shown = self.client.inner.stream_checks() == StreamChecks::Replace;
        if !is_shown || !self.attempts.is_checked(self.attempt) {
            self.shadow();
            return;
        }
        let Some(mut came) = self.response.take() else { return };
        // The check sees the probabilities that it asked for.
        came.reply = self.assembler.reply();
        let (attempts, beside) = (self.attempts.clone(), std::mem::take(&mut self.beside));
        self.checking = Some(Box::pin(check(self.client.clone(), attempts, beside, self.attempt, came)));
    }

    /// The check is over: the answer stands, or another comes.
    pub(super) fn checked(&mut self, checked: Result<Checked, Error>) -> Result<(), Error> {
        let Checked { attempts, beside, mut came, better } = checked?;
        (self.attempts, self.beside) = (attempts, beside);
        let Some(Rest { attempts, attempt, head, busy, open, cost }) = better else {
            came.route = self.route();
            came.reply = self.beside.as_asked(&self.attempts, came.reply);
            came.saved = saved(came.baseline_cost, came.cost);
            self.response = Some(came);
            self.shadow();
            return Ok(());
        };
        (self.attempts, self.attempt, self.cost_before) = (attempts, attempt, cost);
        (self.baseline_before, self.parts_end) = (came.baseline_cost, 0);
        let mark = Delta::Replaced { model: self.attempts.candidate(attempt).model().clone() };
        self.assembler.push(mark.clone());
        self.ready.push_back(mark);
        self.take_up(head, busy, open);
        Ok(())
    }
}

//! Shadows: for some requests the better model is asked too, after the answer was delivered, and the two are compared.
//!
//! A shadow has its own budget, runs after the answer and in a task of its own: it neither delays nor changes an answer.
//! It draws on no tag's budget, since it carries none of the request's tags, and stays away where a budget of all
//! attempts is nearly used up. What is learnt is a mark of the model that answered, and a loss for the promise's monitor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::attempt::{Attempt, Attempts};
use crate::check::{self, Verdict};
use crate::id::{ModelId, RequestId};
use crate::learn::Source;
use crate::ledger::{Purpose, Rollup, Scope};
use crate::money::Usd;
use crate::plan::{self, Candidate, Plan};
use crate::reply::Reply;
use crate::store::Stretch;
use crate::time::{Timeouts, Timestamp};

use super::beside::{Judged, Side};
use super::{Client, Error, Inner};

/// How many times a shadow's bound a budget of all attempts must have left.
const HEADROOM: i64 = 20;
const DAY_MS: i64 = 86_400_000;

/// The shadows under way.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    count: AtomicUsize,
    ended: Notify,
    /// What those under way may still cost.
    held: Mutex<Usd>,
}

/// A shadow that was drawn.
struct Shadow {
    plan: Plan,
    better: Candidate,
    answered: Candidate,
    reply: Reply,
    request: RequestId,
    numbers: (u32, u32),
    attempt: Attempt,
}

/// Draws whether the request gets a shadow, and sends it off. It returns at once.
pub(super) fn after(client: &Client, attempts: &mut Attempts, attempt: Attempt, reply: &Reply) {
    let inner = &client.inner;
    let wanted = &inner.shadow;
    if wanted.rate <= 0.0 || !wanted.draws(attempts.request()) {
        return;
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let plan = attempts.plan();
    let answered = attempts.candidate(attempt).clone();
    let better = plan.best();
    if better.p_good <= answered.p_good || better.model() == answered.model() {
        // The best model's answer loses nothing: such requests are a part of the traffic too.
        inner.shadows.begin();
        let client = client.clone();
        runtime.spawn(async move {
            client.inner.pledged(Source::Shadow, 0.0).await;
            client.inner.shadows.end();
        });
        return;
    }
    if wanted.judge.is_none() && !plan.is_comparable() {
        return;
    }
    let (Some(one), Some(two)) = (attempts.claim(), attempts.claim()) else { return };
    let (plan, request) = (attempts.plan().clone(), attempts.request().clone());
    let shadow = Shadow { plan, better, answered, reply: reply.clone(), request, numbers: (one, two), attempt };
    inner.shadows.begin();
    let client = client.clone();
    runtime.spawn(async move {
        if let Err(error) = shadow.run(&client.inner).await {
            tracing::warn!(%error, "a shadow could not be made");
        }
        client.inner.shadows.end();
    });
}

impl Shadow {
    async fn run(self, inner: &Arc<Inner>) -> Result<(), Error> {
        let bound = self.better.terms.reserve;
        if !inner.may_shadow(bound).await? {
            return Ok(());
        }
        let heard = match &inner.shadow.judge {
            Some(judge) => self.judged(inner, judge).await,
            None => self.compared(inner).await,
        };
        inner.shadows.give_back(bound);
        let Some(is_good) = heard? else { return Ok(()) };
        let (a, b) = (self.answered.p_good, self.better.p_good);
        let mark = match inner.shadow.judge {
            Some(_) => f64::from(u8::from(is_good)),
            None => plan::good_given(is_good, a, b),
        };
        if let Some(complexity) = self.plan.complexity() {
            let learnt = inner.lessons.learn(&*inner.store, complexity, self.answered.card(), mark).await;
            if let Err(error) = learnt {
                tracing::warn!(%error, "what a shadow showed could not be kept");
            }
        }
        inner.pledged(Source::Shadow, f64::from(u8::from(!is_good))).await;
        Ok(())
    }

    /// Whether the better model says the same; `None` where it did not answer.
    async fn compared(&self, inner: &Arc<Inner>) -> Result<Option<bool>, Error> {
        let side = self.side(self.better.clone(), *self.plan.needs(), self.numbers.0);
        let heard = side.ask(inner).await?;
        let same = |other: Reply| check::agreement(self.plan.request(), &self.reply, &other) == Verdict::Pass;
        Ok(heard.reply.ok().map(same))
    }

    /// Whether the judge finds it good; `None` where there was no verdict to be had.
    async fn judged(&self, inner: &Arc<Inner>, judge: &ModelId) -> Result<Option<bool>, Error> {
        let ask = Judged { request: self.plan.request(), reply: &self.reply, judge, attempt: self.attempt };
        let Some(plan) = ask.plan(inner) else { return Ok(None) };
        let side = self.side(plan.choice().clone(), *plan.needs(), self.numbers.1);
        let heard = side.ask(inner).await?;
        Ok(heard.reply.ok().map(|said| check::judge_verdict(&said) == Verdict::Pass))
    }

    fn side(&self, candidate: Candidate, needs: crate::policy::Needs, number: u32) -> Side {
        let timeouts: Timeouts = self.attempt.timeouts;
        Side { candidate, request: self.request.clone(), number, needs, purpose: Purpose::Shadow, timeouts }
    }
}

impl Inner {
    /// Whether a shadow of this bound fits the day's budget; then it is held until it is given back.
    async fn may_shadow(&self, bound: Usd) -> Result<bool, Error> {
        let now = self.clock.now();
        let standing = self.store.standing(&Scope::default(), now);
        let wanted = Usd::from_pico(bound.pico().saturating_mul(HEADROOM));
        if standing.headroom.iter().any(|budget| budget.left < wanted) {
            return Ok(false);
        }
        // Held before the account is read: of two at once, one sees the other.
        let held = self.shadows.hold(bound);
        let since = Timestamp::from_ms(now.ms().div_euclid(DAY_MS) * DAY_MS);
        let stretch = Stretch { since: Some(since), ..Stretch::default() };
        let spent = match self.store.rollup(stretch).await {
            Ok(rollup) => spent(&rollup),
            Err(error) => {
                self.shadows.give_back(bound);
                return Err(Error::Ledger(error));
            }
        };
        let fits = spent + i128::from(held.pico()) <= i128::from(self.shadow.daily_max.pico());
        if !fits {
            self.shadows.give_back(bound);
        }
        Ok(fits)
    }
}

/// What settled shadows cost, in pico-dollars.
fn spent(rollup: &Rollup) -> i128 {
    let cells = rollup.cells.iter().filter(|(key, _)| key.purpose == Purpose::Shadow.as_str());
    cells.map(|(_, sums)| sums.cost).sum()
}

impl Shadows {
    fn begin(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    fn end(&self) {
        if self.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.ended.notify_waiters();
        }
    }

    fn hold(&self, bound: Usd) -> Usd {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.saturating_add(bound);
        *held
    }

    fn give_back(&self, bound: Usd) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.checked_sub(bound).unwrap_or(Usd::ZERO);
    }

    /// Waits until none is under way.
    pub(super) async fn wait(&self) {
        loop {
            let ended = self.ended.notified();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }
}

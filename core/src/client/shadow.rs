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
use crate::id::RequestId;
use crate::learn::Source;
use crate::ledger::{Purpose, Rollup, Scope};
use crate::money::Usd;
use crate::plan::{self, Candidate, Plan};
use crate::reply::Reply;
use crate::store::Stretch;
use crate::time::Timestamp;

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
    number: u32,
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
        if inner.watch.monitor().is_some() {
            let under_way = UnderWay::new(client);
            runtime.spawn(async move { under_way.inner().pledged(Source::Shadow, 0.0).await });
        }
        return;
    }
    if wanted.judge.is_none() && !plan.is_comparable() {
        return;
    }
    let Some(number) = attempts.claim() else { return };
    let (plan, request) = (attempts.plan().clone(), attempts.request().clone());
    let shadow = Shadow { plan, better, answered, reply: reply.clone(), request, number, attempt };
    let under_way = UnderWay::new(client);
    runtime.spawn(async move {
        if let Err(error) = shadow.run(under_way.inner()).await {
            tracing::warn!(%error, "a shadow could not be made");
        }
    });
}

/// A shadow that has not ended; dropped with its runtime, it has.
struct UnderWay(Client);

impl UnderWay {
    fn new(client: &Client) -> UnderWay {
        client.inner.shadows.count.fetch_add(1, Ordering::SeqCst);
        UnderWay(client.clone())
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.0.inner
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let shadows = &self.0.inner.shadows;
        if shadows.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            shadows.ended.notify_waiters();
        }
    }
}

impl Shadow {
    async fn run(self, inner: &Arc<Inner>) -> Result<(), Error> {
        let Some(side) = self.side(inner) else { return Ok(()) };
        let Some(_held) = inner.hold_for_shadow(side.candidate.terms.reserve).await? else { return Ok(()) };
        let Ok(said) = side.ask(inner).await?.reply else { return Ok(()) };
        let (a, b) = (self.answered.p_good, self.better.p_good);
        let (verdict, is_judged) = match &inner.shadow.judge {
            Some(_) => (check::judge_verdict(&said), true),
            None => (check::agreement(self.plan.request(), &self.reply, &said), false),
        };
        let is_good = verdict == Verdict::Pass;
        let mark = if is_judged { f64::from(u8::from(is_good)) } else { plan::good_given(is_good, a, b) };
        if let Some(complexity) = self.plan.complexity() {
            let learnt = inner.lessons.learn(&*inner.store, complexity, self.answered.card(), mark).await;
            if let Err(error) = learnt {
                tracing::warn!(%error, "what a shadow showed could not be kept");
            }
        }
        inner.pledged(Source::Shadow, f64::from(u8::from(!is_good))).await;
        Ok(())
    }

    /// Who is asked: the better model, or the judge; `None` where policy does not let the judge see it.
    fn side(&self, inner: &Arc<Inner>) -> Option<Side> {
        let (candidate, needs) = match &inner.shadow.judge {
            None => (self.better.clone(), *self.plan.needs()),
            Some(judge) => {
                let ask = Judged { request: self.plan.request(), reply: &self.reply, judge, attempt: self.attempt };
                let plan = ask.plan(inner)?;
                (plan.choice().clone(), *plan.needs())
            }
        };
        let (request, timeouts) = (self.request.clone(), self.attempt.timeouts);
        Some(Side { candidate, request, number: self.number, needs, purpose: Purpose::Shadow, timeouts })
    }
}

/// What a shadow under way may still cost.
struct Held<'a> {
    shadows: &'a Shadows,
    bound: Usd,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut held = self.shadows.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.checked_sub(self.bound).unwrap_or(Usd::ZERO);
    }
}

impl Inner {
    /// Holds a shadow's bound where it fits the day's budget.
    async fn hold_for_shadow(&self, bound: Usd) -> Result<Option<Held<'_>>, Error> {
        let now = self.clock.now();
        let standing = self.store.standing(&Scope::default(), now);
        let wanted = Usd::from_pico(bound.pico().saturating_mul(HEADROOM));
        if standing.headroom.iter().any(|budget| budget.left < wanted) {
            return Ok(None);
        }
        // Held before the account is read: of two at once, one sees the other.
        let (held, all) = self.shadows.hold(bound);
        let since = Timestamp::from_ms(now.ms().div_euclid(DAY_MS) * DAY_MS);
        let stretch = Stretch { since: Some(since), ..Stretch::default() };
        let rollup = self.store.rollup(stretch).await.map_err(Error::Ledger)?;
        let fits = spent(&rollup) + i128::from(all.pico()) <= i128::from(self.shadow.daily_max.pico());
        Ok(fits.then_some(held))
    }
}

/// What settled shadows cost, in pico-dollars.
fn spent(rollup: &Rollup) -> i128 {
    let cells = rollup.cells.iter().filter(|(key, _)| key.purpose == Purpose::Shadow.as_str());
    cells.map(|(_, sums)| sums.cost).sum()
}

impl Shadows {
    /// Holds a bound; what all under way may still cost.
    fn hold(&self, bound: Usd) -> (Held<'_>, Usd) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.saturating_add(bound);
        (Held { shadows: self, bound }, *held)
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

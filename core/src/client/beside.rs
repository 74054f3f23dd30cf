//! Calls beside a request's course: second opinions and judges. Each is reserved, sent and settled as an attempt of its
//! own, through an admission that policy gave for it.
//!
//! A check that cannot be made falls short: a budget that is used up or a vendor that fails must not let a bad answer pass.

use std::sync::Arc;

use crate::attempt::{Attempt, Attempts, Outcome, Tried};
use crate::check::{self, Verdict};
use crate::id::{ModelId, RequestId};
use crate::ledger::{Ending, Facts, Purpose, Reserve, tags_of};
use crate::money::Usd;
use crate::plan::{Candidate, CheckKind, Plan};
use crate::policy::Needs;
use crate::reply::Reply;
use crate::request::{ModelChoice, Request};
use crate::sorting::sort_by_key;
use crate::time::{Timeouts, Timestamp};

use super::drive::{Asked, Busy, Run, whole};
use super::response::{AttemptLine, Route};
use super::{Error, Inner};

/// A call to be made beside the course.
pub(super) struct Side {
    pub(super) candidate: Candidate,
    pub(super) request: RequestId,
    pub(super) number: u32,
    pub(super) needs: Needs,
    pub(super) purpose: Purpose,
    pub(super) timeouts: Timeouts,
}

/// What came of it.
pub(super) struct Heard {
    /// The answer, or why there is none.
    pub(super) reply: Result<Reply, String>,
    pub(super) cost: Usd,
    pub(super) line: AttemptLine,
}

impl Side {
    fn entry(&self, at: Timestamp) -> Reserve {
        let candidate = &self.candidate;
        let (card, endpoint, terms) = (candidate.card(), candidate.endpoint(), candidate.terms);
        // A shadow draws on no budget of the request's own.
        let tags = match self.purpose {
            Purpose::Shadow => Default::default(),
            _ => tags_of(&candidate.admission.request().tags),
        };
        Reserve {
            attempt: self.request.attempt(self.number),
            request: self.request.clone(),
            at,
            facts: Facts {
                model: card.id.clone(),
                vendor: endpoint.vendor.clone(),
                endpoint: endpoint.id.clone(),
                tier: card.tier,
                purpose: self.purpose,
                key: None,
                tags,
            },
            amount: terms.reserve,
            tokens_max: terms.input_tokens_max.saturating_add(terms.max_tokens),
            baseline: None,
        }
    }

    fn heard(&self, cost: Usd, outcome: &str, reply: Result<Reply, String>) -> Heard {
        let line = AttemptLine {
            number: self.number,
            model: self.candidate.model().clone(),
            endpoint: self.candidate.endpoint().id.clone(),
            aim: self.purpose.as_str(),
            outcome: outcome.to_owned(),
            error: reply.as_ref().err().cloned(),
        };
        Heard { reply, cost, line }
    }

    /// Reserves, asks, settles.
    pub(super) async fn ask(self, inner: &Arc<Inner>) -> Result<Heard, Error> {
        let mut run = Run::new(inner, &self.needs, inner.moment());
        let prices = run.prices(&self.candidate, None);
        if let Outcome::Rejected(reason) = run.hold(self.entry(run.moment.now), prices).await? {
            return Ok(self.heard(Usd::ZERO, "over_budget", Err(reason)));
        }
        let id = self.request.attempt(self.number);
        let (call, provider) = run.send_off(&self.candidate, id, self.timeouts, true);
        let busy = Busy::new(inner.clone(), &self.candidate, false, run.moment.at);
        let came = whole(call, provider).await;
        run.look_up();
        match came {
            Ok(reply) => {
                busy.end(None, run.moment);
                run.settle_answer(&reply).await?;
                Ok(self.heard(run.cost, "answered", Ok(*reply)))
            }
            Err(error) => {
                busy.end(Some(&error), run.moment);
                run.end(Ending::Failed(error.kind), Some(&error)).await?;
                Ok(self.heard(run.cost, error.kind.as_str(), Err(error.to_string())))
            }
        }
    }
}

/// What was heard beside one request's course.
#[derive(Default)]
pub(super) struct Beside {
    opinion: Option<Box<Heard>>,
    pub(super) lines: Vec<AttemptLine>,
}

impl Beside {
    /// Asks for an answer, and where the settings say so, for the planned second opinion at the same time.
    pub(super) async fn ask(
        &mut self,
        run: &mut Run<'_>,
        attempts: &mut Attempts,
        attempt: Attempt,
    ) -> Result<Asked<Box<Reply>>, Error> {
        let inner = run.inner;
        let is_wanted = inner.settings.cascade.side_by_side && attempt.candidate == 0 && self.opinion.is_none();
        let side = if is_wanted { opinion(attempts, attempt) } else { None };
        let Some(side) = side else { return run.ask(attempts, attempt, whole).await };
        let together = async { tokio::join!(run.ask(attempts, attempt, whole), side.ask(inner)) };
        // Rare, and large: it takes no room in the future of a call without it.
        let (asked, heard) = Box::pin(together).await;
        self.opinion = Some(Box::new(self.note(run, heard?)));
        asked
    }

    /// Judges an answer by the client's checks and by the one that the plan holds.
    pub(super) async fn judge(
        &mut self,
        run: &mut Run<'_>,
        attempts: &mut Attempts,
        attempt: Attempt,
        reply: &Reply,
    ) -> Result<Outcome, Error> {
        let inner = run.inner;
        let request = attempts.plan().request().clone();
        let mut verdict = free(inner, &request, reply).await;
        let planned = attempts.plan().cascade().filter(|_| attempt.candidate == 0).map(|cascade| cascade.check.clone());
        if verdict == Verdict::Pass {
            verdict = match planned {
                Some(CheckKind::Confidence(least)) => check::confidence(reply, least),
                Some(CheckKind::Agreement | CheckKind::Sample) => {
                    self.compared(run, attempts, attempt, &request, reply).await?
                }
                Some(CheckKind::Judge(judge)) => {
                    let ask = Judged { request: &request, reply, judge: &judge, attempt };
                    self.judged(run, attempts, ask).await?
                }
                Some(CheckKind::Wellformed | CheckKind::Own(_)) | None => Verdict::Pass,
            };
        }
        run.look_up();
        Ok(match verdict {
            Verdict::Pass => Outcome::Passed,
            Verdict::Short(reason) => Outcome::FellShort(reason),
        })
    }

    async fn compared(
        &mut self,
        run: &mut Run<'_>,
        attempts: &mut Attempts,
        attempt: Attempt,
        request: &Request,
        reply: &Reply,
    ) -> Result<Verdict, Error> {
        let heard = match self.opinion.take() {
            Some(heard) => *heard,
            None => match opinion(attempts, attempt) {
                Some(side) => {
                    let heard = side.ask(run.inner).await?;
                    self.note(run, heard)
                }
                None => return Ok(Verdict::Short("no attempt is left for a second opinion".to_owned())),
            },
        };
        Ok(match heard.reply {
            Ok(other) => check::agreement(request, reply, &other),
            Err(reason) => Verdict::Short(format!("the second opinion did not come: {reason}")),
        })
    }

    /// Asks the judge, at another endpoint too where the first fails.
    async fn judged(&mut self, run: &mut Run<'_>, attempts: &mut Attempts, ask: Judged<'_>) -> Result<Verdict, Error> {
        let Some(plan) = ask.plan(run.inner) else {
            return Ok(Verdict::Short("policy does not let the judge see it, or it is too long".to_owned()));
        };
        let mut why = "no attempt is left for a judge".to_owned();
        for candidate in plan.candidates().iter().take(2) {
            let Some(number) = attempts.claim() else { break };
            let (request, timeouts) = (attempts.request().clone(), ask.attempt.timeouts);
            let (needs, purpose) = (*plan.needs(), Purpose::Check);
            let side = Side { candidate: candidate.clone(), request, number, needs, purpose, timeouts };
            let heard = side.ask(run.inner).await?;
            match self.note(run, heard).reply {
                Ok(said) => return Ok(check::judge_verdict(&said)),
                Err(reason) => why = format!("the judge did not answer: {reason}"),
            }
        }
        Ok(Verdict::Short(why))
    }

    /// Counts what was heard.
    fn note(&mut self, run: &mut Run<'_>, heard: Heard) -> Heard {
        run.cost = run.cost.saturating_add(heard.cost);
        self.lines.push(heard.line.clone());
        heard
    }

    /// Who answered, and every attempt; where there were checks, in the order in which they were made.
    pub(super) fn route(&self, plan: &Plan, candidate: &Candidate, answered: Attempt, tried: &[Tried]) -> Route {
        let mut route = Route::of(plan, candidate, answered, tried);
        if !self.lines.is_empty() {
            route.attempts.extend(self.lines.iter().cloned());
            sort_by_key(&mut route.attempts, |line| line.number);
        }
        route
    }

    /// The answer without the probabilities that a check asked for.
    pub(super) fn as_asked(&self, attempts: &Attempts, mut reply: Reply) -> Reply {
        if attempts.plan().request().sampling.logprobs.is_none() {
            reply.logprobs = Vec::new();
        }
        reply
    }
}

/// What a judge is asked about.
pub(super) struct Judged<'a> {
    pub(super) request: &'a Request,
    pub(super) reply: &'a Reply,
    pub(super) judge: &'a ModelId,
    pub(super) attempt: Attempt,
}

impl Judged<'_> {
    /// Where the judge is asked: a decision of policy's on the judge's own request.
    pub(super) fn plan(&self, inner: &Inner) -> Option<Plan> {
        let mut draft = check::judge_request(self.request, self.reply)?.to_draft();
        draft.model = ModelChoice::Only(self.judge.clone());
        let request = Request::try_from(draft).ok()?;
        let needs = Needs::of(&request);
        inner.decide_with(&request, &needs, &inner.direct).ok()
    }
}

/// The checks that cost nothing: the client's own, and those that may be planned.
async fn free(inner: &Inner, request: &Request, reply: &Reply) -> Verdict {
    for check in &inner.checks {
        if let short @ Verdict::Short(_) = check.judge(request, reply).await {
            return short;
        }
    }
    for planned in &inner.settings.cascade.checks {
        let verdict = match &planned.kind {
            CheckKind::Wellformed => check::wellformed(request, reply),
            CheckKind::Own(name) => match inner.named_checks.get(name) {
                Some(check) => check.judge(request, reply).await,
                None => Verdict::Pass,
            },
            _ => Verdict::Pass,
        };
        if verdict != Verdict::Pass {
            return verdict;
        }
    }
    Verdict::Pass
}

/// The planned second opinion; `None` where none is planned or no attempt is left.
fn opinion(attempts: &mut Attempts, attempt: Attempt) -> Option<Side> {
    let candidate = attempts.plan().cascade()?.opinion.clone()?;
    let number = attempts.claim()?;
    let (request, needs, timeouts) = (attempts.request().clone(), *attempts.plan().needs(), attempt.timeouts);
    Some(Side { candidate, request, number, needs, purpose: Purpose::Check, timeouts })
}

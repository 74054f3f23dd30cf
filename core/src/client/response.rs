//! What a request brought: the answer, who gave it, and what it cost.

use std::time::Duration;

use serde::Serialize;

use crate::attempt::{Attempt, Setback, Tried};
use crate::id::{EndpointId, ModelId, Region, RequestId, VendorId};
use crate::ledger::ChargeLine;
use crate::model::Tier;
use crate::money::Usd;
use crate::plan::{Candidate, Explanation, Plan};
use crate::reply::Reply;
use crate::time::Span;

/// A whole answer with its route and its exact cost.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Response {
    /// The request's id: the ledger's attempts begin with it.
    pub id: RequestId,
    /// The answer.
    pub reply: Reply,
    /// Who gave it.
    pub route: Route,
    /// What the request cost, every attempt included.
    pub cost: Usd,
    /// What the answer's own attempt is charged for.
    pub lines: Vec<ChargeLine>,
    /// What the same answer would have cost on the baseline; `None` where it has no price.
    pub baseline_cost: Option<Usd>,
    /// The baseline's cost less this request's; below zero where it cost more.
    pub saved: Usd,
    /// How long it took.
    pub timing: Timing,
}

impl Response {
    /// The text, without reasoning.
    pub fn text(&self) -> String {
        self.reply.text()
    }

    /// Why this model.
    pub fn explain(&self) -> Explanation {
        self.route.plan.explain()
    }
}

/// Who answered, and what was tried before.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Route {
    /// The model that answered.
    pub model: ModelId,
    /// Where.
    pub endpoint: EndpointId,
    /// Who runs the endpoint.
    pub vendor: VendorId,
    /// Where the data was processed.
    pub region: Region,
    /// The model's tier.
    pub tier: Tier,
    /// The model against which savings are counted.
    pub baseline: Option<ModelId>,
    /// Every attempt, the last one the one that answered; where checks asked models, in the order of their numbers.
    pub attempts: Vec<AttemptLine>,
    /// Why its answer was delivered although it fell short of a check, where that is so.
    pub fell_short: Option<String>,
    /// The decision.
    #[serde(skip)]
    pub plan: Plan,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttemptLine {
    /// Counted from 1.
    pub number: u32,
    /// The model.
    pub model: ModelId,
    /// Where.
    pub endpoint: EndpointId,
    /// `first`, `retry`, `fallback`, `escalation`, `hedge`, `continuation` or `check`.
    pub aim: &'static str,
    /// `answered`, `over_budget`, `fell_short`, `outrun` (an attempt beside it was faster), or the error's kind.
    pub outcome: String,
    /// What went wrong, where it did.
    pub error: Option<String>,
}

/// How long a request took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Timing {
    /// The decision alone.
    #[serde(serialize_with = "micros")]
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub decision: Duration,
    /// From the attempt that answered being sent to its first piece.
    pub first_piece: Option<Span>,
    /// Everything.
    pub total: Span,
}

/// Microseconds, as a number.
fn micros<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_nanos() as f64 / 1_000.0)
}

impl Route {
    pub(super) fn of(plan: &Plan, candidate: &Candidate, answered: Attempt, tried: &[Tried]) -> Route {
        let endpoint = candidate.endpoint();
        let mut attempts = Vec::with_capacity(tried.len() + 1);
        attempts.extend(tried.iter().map(AttemptLine::of_tried));
        if !tried.iter().any(|tried| tried.number == answered.number) {
            attempts.push(AttemptLine {
                number: answered.number,
                model: candidate.model().clone(),
                endpoint: endpoint.id.clone(),
                aim: answered.aim.as_str(),
                outcome: "answered".to_owned(),
                error: None,
            });
        }
        let short = |tried: &&Tried| tried.number == answered.number;
        Route {
            model: candidate.model().clone(),
            endpoint: endpoint.id.clone(),
            vendor: endpoint.vendor.clone(),
            region: endpoint.region.clone(),
            tier: candidate.card().tier,
            baseline: plan.baseline().map(|baseline| baseline.model().clone()),
            attempts,
            fell_short: tried.iter().find(short).map(|tried| tried.setback.to_string()),
            plan: plan.clone(),
        }
    }
}

impl AttemptLine {
    fn of_tried(tried: &Tried) -> AttemptLine {
        let outcome = match &tried.setback {
            Setback::Failed(error) => error.kind.as_str(),
            Setback::Rejected(_) => "over_budget",
            Setback::FellShort(_) => "fell_short",
            Setback::Outrun => "outrun",
        };
        AttemptLine {
            number: tried.number,
            model: tried.model.clone(),
            endpoint: tried.endpoint.clone(),
            aim: tried.aim.as_str(),
            outcome: outcome.to_owned(),
            error: Some(tried.setback.to_string()),
        }
    }
}

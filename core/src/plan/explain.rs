//! A decision in words and numbers: what it aimed at, whom it chose, and why nobody else.

use serde::Serialize;

use crate::id::{EndpointId, ModelId, Region, VendorId};
use crate::model::Tier;
use crate::money::Usd;
use crate::policy::Refusal;
use crate::score::{Contribution, TaskKind};
use crate::snapshot::Queue;
use crate::sorting::sort_by;
use crate::time::Timestamp;

use super::cascade::Weighed;
use super::evidence::Evidence;
use super::field::Entrant;
use super::{Candidate, Plan, PromiseState};

/// A whole decision. `Display` fits one terminal screen; JSON holds all of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explanation {
    /// When it was made.
    pub at: Timestamp,
    /// How large the request is.
    pub sizes: Sizes,
    /// How hard it was found to be; absent where the caller brought its own ratings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardness: Option<Hardness>,
    /// What it aimed at.
    pub aim: Aim,
    /// Where the promise of quality stands, where one was made: each time it failed the aim was raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promise: Option<PromiseState>,
    /// The best way to ask a cheap model first and check its answer, where checks may be planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cascade: Option<CascadeLine>,
    /// Who is asked, in order.
    pub candidates: Vec<CandidateLine>,
    /// Who may be asked and is not, the likeliest to be good enough first.
    pub passed_over: Vec<PassedOver>,
    /// Who may not be asked, by model.
    pub refused: Vec<RefusedModel>,
    /// What savings are counted against.
    pub baseline: Option<BaselineLine>,
    /// What the choice saves.
    pub saving: Option<Saving>,
}

/// How large a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sizes {
    /// Prompt tokens, roughly.
    pub input_tokens: u64,
    /// Prompt tokens, at most, at the first candidate.
    pub input_tokens_max: u64,
    /// Tokens of output, at most, at the first candidate.
    pub output_tokens_max: u64,
}

/// How hard a request was found to be, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hardness {
    /// What kind of work it is.
    pub kind: TaskKind,
    /// From 0 to 1.
    pub difficulty: f64,
    /// The parts, which add up on the scale of abilities.
    pub parts: Vec<Contribution>,
    /// Tokens of an answer of common length, without reasoning.
    pub expected_output: u64,
}

/// What a decision aimed at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "by", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aim {
    /// The least cost at this share of the best admitted model's chance.
    Quality {
        /// The share.
        quality: f64,
        /// The best admitted model.
        best: ModelId,
        /// Its chance of a good answer.
        best_p_good: f64,
        /// The chance that is asked for.
        bar: f64,
    },
    /// The most worth less cost.
    Worth {
        /// What a good answer is worth.
        worth: Usd,
    },
    /// The best chance within a cost.
    Spend {
        /// The cost.
        spend_max: Usd,
    },
}

/// A cheap answer first, checked, and a better one where it falls short.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CascadeLine {
    /// Whether it is followed; else asking directly is expected to be as good for less, or nearly.
    pub is_taken: bool,
    /// Who is asked first.
    pub first: ModelId,
    /// How the answer is checked: `wellformed`, `agreement`, `sample`, `confidence`, `judge` or `own`.
    pub check: &'static str,
    /// Who is asked besides, where the check asks a model.
    pub with: Option<ModelId>,
    /// Who answers where the first answer falls short.
    pub target: ModelId,
    /// How likely the first answer falls short.
    pub p_short: f64,
    /// How likely the answer that is delivered is good enough.
    pub p_good: f64,
    /// What the check is expected to cost.
    pub check_cost: Usd,
    /// What the whole path is expected to cost.
    pub expected_cost: Usd,
    /// What asking directly is expected to cost.
    pub direct_cost: Usd,
}

/// What a candidate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
// A message has a role too, and in the schema each name is one type.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "CandidateRole"))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// It is asked first.
    Choice,
    /// It stands in where those before it fail.
    Fallback,
    /// It stands in, below the aim, where all better ones fail.
    LastResort,
}

/// A candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CandidateLine {
    /// The model.
    pub model: ModelId,
    /// Where.
    pub endpoint: EndpointId,
    /// Who runs the endpoint.
    pub vendor: VendorId,
    /// Where data is processed.
    pub region: Region,
    /// The model's tier.
    pub tier: Tier,
    /// What it is for.
    pub role: Role,
    /// How likely its answer is good enough.
    pub p_good: f64,
    /// Expected tokens of output, reasoning included.
    pub expected_output: u64,
    /// Expected cost.
    pub expected_cost: Usd,
    /// The most that an attempt at it can cost.
    pub reserve: Usd,
    /// When its endpoint may be called again, where it rests.
    pub rests_until: Option<Timestamp>,
    /// The calls that are before this one there, where there are any: their wait counts as time that an answer takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
}

/// A model that may be asked and is not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PassedOver {
    /// The model.
    pub model: ModelId,
    /// Its tier.
    pub tier: Tier,
    /// How likely its answer would be good enough.
    pub p_good: f64,
    /// What its answer would be expected to cost.
    pub expected_cost: Usd,
    /// Why it is not asked.
    pub why: Why,
}

/// Why a model that may be asked is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Why {
    /// It is not likely enough to be good enough.
    BelowAim,
    /// Others that are good enough cost less.
    Dearer,
    /// It is expected to cost more than may be spent.
    AboveSpend,
    /// Others are worth more, less their cost.
    WorthLess,
    /// Others have a better chance within the cost.
    LessLikely,
    /// Its endpoints rest after failures or at the vendor's wish.
    Resting,
    /// Calls wait at its endpoints, longer than an answer may take.
    Queued,
}

impl Why {
    /// The reason in a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::BelowAim => "below the aim",
            Why::Dearer => "dearer than the candidates",
            Why::AboveSpend => "above what may be spent",
            Why::WorthLess => "worth less after its cost",
            Why::LessLikely => "less likely to be good enough",
            Why::Resting => "its endpoints rest",
            Why::Queued => "too many calls wait for it",
        }
    }
}

/// A model that may not see the request, at some endpoint or at all.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RefusedModel {
    /// The model.
    pub model: ModelId,
    /// Its tier.
    pub tier: Tier,
    /// The reasons, endpoint by endpoint. Empty where no endpoint serves the model, or `auto` may not choose it.
    pub places: Vec<PlaceRefusals>,
    /// Why it has no endpoint to speak of.
    pub note: Option<String>,
}

/// Why a request may not go to a model at an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlaceRefusals {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Every reason, in the order of the rules.
    pub refusals: Vec<Refusal>,
}

/// What savings are counted against.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BaselineLine {
    /// The model.
    pub model: ModelId,
    /// How likely its answer is good enough, where it may be asked.
    pub p_good: Option<f64>,
    /// Expected tokens of output.
    pub expected_output: u64,
    /// Expected cost.
    pub expected_cost: Usd,
}

/// What the choice saves against the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Saving {
    /// The baseline's expected cost less the choice's; below zero where the choice costs more.
    pub amount: Usd,
    /// As a share of the baseline's.
    pub share: f64,
}

pub(super) fn explain(plan: &Plan, evidence: &Evidence) -> Explanation {
    let choice = plan.choice();
    let baseline = plan.baseline();
    let expected_cost = plan.cascade().map_or(choice.expected_cost, |cascade| cascade.expected_cost);
    Explanation {
        at: plan.at(),
        sizes: Sizes {
            input_tokens: evidence.needs.input_tokens,
            input_tokens_max: choice.terms.input_tokens_max,
            output_tokens_max: choice.terms.max_tokens,
        },
        hardness: evidence.complexity.as_ref().map(|complexity| Hardness {
            kind: complexity.kind(),
            difficulty: complexity.difficulty(),
            parts: complexity.parts(),
            expected_output: complexity.expected_output(),
        }),
        aim: aim(evidence),
        promise: evidence.settings.promise,
        cascade: plan.made.path.as_deref().map(Weighed::line),
        candidates: plan.candidates().iter().enumerate().map(|(at, candidate)| line(plan, at, candidate)).collect(),
        passed_over: passed_over(plan, evidence),
        refused: refused(evidence),
        baseline: baseline.map(|baseline| BaselineLine {
            model: baseline.model().clone(),
            p_good: baseline.p_good,
            expected_output: baseline.expected_output,
            expected_cost: baseline.expected_cost,
        }),
        saving: baseline.and_then(|baseline| saving(baseline.expected_cost, expected_cost)),
    }
}

fn aim(evidence: &Evidence) -> Aim {
    let settings = &evidence.settings;
    if let Some(worth) = settings.worth {
        return Aim::Worth { worth };
    }
    if let Some(spend_max) = settings.spend_max {
        return Aim::Spend { spend_max };
    }
    let entrants = &evidence.field.entrants;
    let best = entrants.iter().find(|entrant| entrant.p_good == evidence.field.best);
    let best = best.expect("the best chance is that of an entrant");
    let best_p_good = best.p_good;
    let bar = settings.quality * best_p_good;
    Aim::Quality { quality: settings.quality, best: evidence.id_of(best).clone(), best_p_good, bar }
}

fn line(plan: &Plan, at: usize, candidate: &Candidate) -> CandidateLine {
    let endpoint = candidate.endpoint();
    let role = match (at, candidate.is_good_enough) {
        (0, _) => Role::Choice,
        (_, true) => Role::Fallback,
        (_, false) => Role::LastResort,
    };
    CandidateLine {
        model: candidate.model().clone(),
        endpoint: endpoint.id.clone(),
        vendor: endpoint.vendor.clone(),
        region: endpoint.region.clone(),
        tier: candidate.card().tier,
        role,
        p_good: candidate.p_good,
        expected_output: candidate.expected_output,
        expected_cost: candidate.expected_cost,
        reserve: candidate.terms.reserve,
        rests_until: Some(candidate.ready_at).filter(|ready_at| *ready_at > plan.at()),
        queue: Some(plan.made.evidence.snapshot.queues().of(&endpoint.id)).filter(|queue| !queue.is_empty()),
    }
}

fn passed_over(plan: &Plan, evidence: &Evidence) -> Vec<PassedOver> {
    let mut lines = Vec::new();
    for (at, entrant) in evidence.field.entrants.iter().enumerate() {
        let model = evidence.id_of(entrant);
        if plan.candidates().iter().any(|candidate| candidate.model() == model) {
            continue;
        }
        lines.push(PassedOver {
            model: model.clone(),
            tier: evidence.screening.offers().rows()[entrant.row as usize].card().tier,
            p_good: entrant.p_good,
            expected_cost: evidence.cost_of(entrant),
            why: why(evidence, at, entrant),
        });
    }
    sort_by(&mut lines, |a, b| b.p_good.total_cmp(&a.p_good).then(a.expected_cost.cmp(&b.expected_cost)));
    lines
}

fn why(evidence: &Evidence, at: usize, entrant: &Entrant) -> Why {
    let settings = &evidence.settings;
    let now = evidence.field.now;
    let rests = evidence.places_of(at).all(|place| evidence.field.state(place).ready_at > now);
    match (settings.worth, settings.spend_max) {
        (None, Some(spend_max)) if evidence.cost_of(entrant) > spend_max => Why::AboveSpend,
        (None, None) if entrant.p_good < evidence.field.bar(settings) => Why::BelowAim,
        _ if rests => Why::Resting,
        _ if is_queued(evidence, at) => Why::Queued,
        (Some(_), _) => Why::WorthLess,
        (None, Some(_)) => Why::LessLikely,
        (None, None) => Why::Dearer,
    }
}

/// Whether it would take too long wherever it may be asked, for the calls that are before this one.
fn is_queued(evidence: &Evidence, at: usize) -> bool {
    let Some(most) = evidence.settings.latency_max else { return false };
    evidence.places_of(at).all(|place| {
        let state = evidence.field.state(place);
        !state.queue.is_empty() && state.known_ms() > most.ms()
    })
}

/// Every model that is refused somewhere, or that is not offered for another reason.
pub(super) fn refused(evidence: &Evidence) -> Vec<RefusedModel> {
    let screening = &evidence.screening;
    let offers = screening.offers();
    let mut models = Vec::new();
    for (at, row) in offers.rows().iter().enumerate() {
        let places: Vec<PlaceRefusals> = row
            .offers()
            .filter(|offer| !screening.admits(*offer))
            .map(|offer| PlaceRefusals {
                endpoint: offers.endpoint_of(offers.offers()[offer]).id.clone(),
                refusals: screening.refusals(offer, &evidence.policy, &evidence.snapshot, &evidence.needs),
            })
            .collect();
        let is_entrant = evidence.field.entrants.iter().any(|entrant| entrant.row as usize == at);
        let note = match (row.offers().is_empty(), places.len() < row.offers().len() && !is_entrant) {
            (true, _) => Some("no endpoint serves it".to_owned()),
            (_, true) => Some("not among the models that the router may choose from".to_owned()),
            _ => None,
        };
        if !places.is_empty() || note.is_some() {
            models.push(RefusedModel { model: row.card().id.clone(), tier: row.card().tier, places, note });
        }
    }
    models
}

fn saving(baseline: Usd, choice: Usd) -> Option<Saving> {
    let amount = baseline.checked_sub(choice)?;
    let share = if baseline == Usd::ZERO { 0.0 } else { amount.to_f64_lossy() / baseline.to_f64_lossy() };
    Some(Saving { amount, share })
}

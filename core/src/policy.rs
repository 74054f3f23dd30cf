//! May this model, at this endpoint, see this request? Policy is a wall: `admit` and `screen` alone make an
//! `Admission`, and a `Call` can be made from nothing else, so no retry, fallback or escalation goes around it.
//!
//! A refusal is a value, not an error, and all reasons are named, not the first. Each rule is a file: the ones about
//! models look at a row of the catalogue, the ones about places at an endpoint. Where a rule cannot know, it refuses:
//! a place that may be anywhere is in no allowed region, and a data label without a rule goes nowhere.
//!
//! Policy does not know which model is better: that is `score` and `plan`.
//!
//! An `Admission` cannot be made by hand, and so neither can a `Call`:
//!
//! ```compile_fail,E0624
//! use std::sync::Arc;
//! use tierway::model::{Endpoint, ModelCard};
//! use tierway::{Call, Request, policy::Admission};
//!
//! fn around_policy(request: Request, card: Arc<ModelCard>, endpoint: Arc<Endpoint>) -> Admission {
//!     Admission::new(request, card, endpoint)
//! }
//! ```
//!
//! ```compile_fail,E0451
//! use std::sync::Arc;
//! use tierway::model::{Endpoint, ModelCard};
//! use tierway::{Call, Request, policy::Admission};
//!
//! fn around_policy(request: Request, card: Arc<ModelCard>, endpoint: Arc<Endpoint>) -> Admission {
//!     Admission { request, card, endpoint }
//! }
//! ```

use std::sync::Arc;

use crate::model::{Endpoint, ModelCard};
use crate::request::Request;
use crate::snapshot::{Brief, Snapshot};

mod accepts;
mod admission;
mod asked;
mod budget;
mod capability;
mod context;
mod estimate;
mod format;
mod gate;
mod key;
mod needs;
mod refusal;
mod residency;
mod retired;
mod rules;
mod screen;
mod sensitivity;
mod tier;
mod unpriced;
mod vendor;

pub use admission::Admission;
pub(crate) use estimate::tokens_roughly;
pub use needs::{Needs, Terms};
pub(crate) use needs::{input_tokens_max, input_tokens_max_of, max_tokens, max_tokens_of};
pub use refusal::{Refusal, RuleName, RuleSet};
pub use rules::{LabelRule, List, ModelPattern, Parameters, Policy};
pub use screen::{Screening, screen};

use refusal::Sink;

/// What every rule may look at besides the model or the endpoint itself.
struct Facts<'a> {
    request: &'a Request,
    policy: &'a Policy,
    snapshot: &'a Snapshot,
    needs: &'a Needs,
    /// Whether the rules ask nothing of endpoints but a key and that they answer.
    takes_any_place: bool,
}

impl<'a> Facts<'a> {
    fn new(request: &'a Request, policy: &'a Policy, snapshot: &'a Snapshot, needs: &'a Needs) -> Facts<'a> {
        let lists = policy.vendors.is_open() && policy.regions.is_open() && !policy.self_hosted_only;
        let takes_any_place = lists && request.labels.is_empty() && !format::matters(needs);
        Facts { request, policy, snapshot, needs, takes_any_place }
    }

    /// Whether some limit on money looks at what a model may cost.
    fn weighs_cost(&self) -> bool {
        self.policy.max_cost.is_some() || !self.snapshot.headroom().is_empty()
    }
}

/// A model under examination.
struct Model<'a> {
    card: &'a ModelCard,
    /// What the card says of what the rules ask.
    brief: &'a Brief,
    /// Whether a price bounds its cost.
    is_priced: bool,
    /// The terms, where something weighs them.
    terms: Option<Terms>,
}

impl<'a> Model<'a> {
    /// Works out the terms only where a limit on money looks at them: a decision asks hundreds of models.
    fn of(facts: &Facts<'_>, card: &'a ModelCard, brief: &'a Brief) -> Model<'a> {
        let (needs, now) = (facts.needs, facts.snapshot.now());
        let is_weighed = facts.weighs_cost();
        let terms = if is_weighed { Terms::of(card, needs, now) } else { None };
        let is_priced = if is_weighed { terms.is_some() } else { brief.is_priced(card, now) };
        Model { card, brief, is_priced, terms }
    }
}

/// Lets a request through to a model at an endpoint, or names every rule that forbids it.
///
/// `needs` are those of this request. The endpoint must be one that serves the model.
///
/// # Errors
/// Every refusal, in the order of `RuleName`.
pub fn admit(
    request: &Request,
    card: &Arc<ModelCard>,
    endpoint: &Arc<Endpoint>,
    policy: &Policy,
    snapshot: &Snapshot,
    needs: &Needs,
) -> Result<Admission, Vec<Refusal>> {
    let facts = Facts::new(request, policy, snapshot, needs);
    let refusals = refusals(&facts, card, endpoint);
    if refusals.is_empty() {
        return Ok(Admission::new(request.clone(), card.clone(), endpoint.clone()));
    }
    Err(refusals)
}

fn refusals(facts: &Facts<'_>, card: &ModelCard, endpoint: &Endpoint) -> Vec<Refusal> {
    let brief = Brief::of(card);
    let model = Model::of(facts, card, &brief);
    let mut refusals = Vec::new();
    check_model(facts, &model, &mut refusals);
    check_endpoint(facts, endpoint, facts.snapshot.keys().has(&endpoint.id), &mut refusals);
    refusals.sort_by_key(|refusal| refusal.rule);
    refusals
}

fn check_model(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    asked::check(facts, model, out);
    vendor::check_model(facts, model, out);
    tier::check(facts, model, out);
    retired::check(facts, model, out);
    unpriced::check(facts, model, out);
    capability::check_model(facts, model, out);
    context::check(facts, model, out);
    accepts::check(facts, model, out);
    budget::check(facts, model, out);
}

fn check_endpoint(facts: &Facts<'_>, endpoint: &Endpoint, has_key: bool, out: &mut impl Sink) {
    key::check(endpoint, has_key, out);
    capability::check_endpoint(facts, endpoint, out);
    if !facts.takes_any_place {
        return check_place(facts, endpoint, out);
    }
    // A short way round the wall: wherever assertions are on, the rules are asked all the same.
    #[cfg(debug_assertions)]
    {
        let mut verdict = RuleSet::default();
        check_place(facts, endpoint, &mut verdict);
        assert!(verdict.is_empty(), "{} is open to all and refused by {verdict:?}", endpoint.id);
    }
}

/// What lists, labels and parts of the request say of an endpoint.
fn check_place(facts: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    vendor::check_endpoint(facts, endpoint, out);
    residency::check(facts, endpoint, out);
    sensitivity::check(facts, endpoint, out);
    format::check(facts, endpoint, out);
}

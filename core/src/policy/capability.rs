//! What the request needs, the model and the endpoint must be able to do.

use super::refusal::{RuleName, Sink};
use super::{Facts, Model};
use crate::model::{Api, Capability, Endpoint};
use crate::request::ServiceTier;
use crate::snapshot::CapabilitySet;

pub(super) fn check_model(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    let mut have = model.brief.capabilities;
    if have.has(Capability::JsonSchema) {
        have.insert(Capability::JsonMode);
    }
    let missing: CapabilitySet = facts.needs.capabilities.minus(have);
    if !missing.is_empty() {
        out.refuse(RuleName::Capability, || format!("it lacks {missing}"));
    }
    if facts.needs.batch && !model.card.prices.lanes(facts.snapshot.now()).contains(&ServiceTier::Batch) {
        out.refuse(RuleName::Capability, || "it has no price for batches".to_owned());
    }
}

pub(super) fn check_endpoint(facts: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    match (endpoint.api == Api::Embeddings, facts.needs.texts.is_some()) {
        (true, false) => {
            out.refuse(RuleName::Capability, || "the endpoint makes embeddings and does not answer".to_owned());
        }
        (false, true) => {
            out.refuse(RuleName::Capability, || "the endpoint answers and makes no embeddings".to_owned());
        }
        _ => {}
    }
    if facts.needs.batch && endpoint.dialect.batch.is_none() {
        out.refuse(RuleName::Capability, || "the endpoint takes no batches".to_owned());
    }
}

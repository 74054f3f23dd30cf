//! What the request needs, the model must be able to do.

use super::refusal::{RuleName, Sink};
use super::{Facts, Model};
use crate::model::{Api, Capability, Endpoint};
use crate::snapshot::CapabilitySet;

pub(super) fn check_model(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    let mut have = model.capabilities;
    if have.has(Capability::JsonSchema) {
        have.insert(Capability::JsonMode);
    }
    let missing: CapabilitySet = facts.needs.capabilities.minus(have);
    if !missing.is_empty() {
        out.refuse(RuleName::Capability, || format!("it lacks {missing}"));
    }
}

pub(super) fn check_endpoint(_: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    if endpoint.api == Api::Embeddings {
        out.refuse(RuleName::Capability, || "the endpoint makes embeddings and does not answer".to_owned());
    }
}

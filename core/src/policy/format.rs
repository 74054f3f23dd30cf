//! Parts of a request that only one format or one vendor knows do not travel.

use super::Facts;
use super::refusal::{RuleName, Sink};
use crate::model::Endpoint;
use crate::request::ModelChoice;

pub(super) fn check(facts: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    if facts.needs.excludes(endpoint.api) {
        out.refuse(RuleName::Format, || format!("parts of the request cannot be said in {}", endpoint.api));
    }
    let pinned = facts.snapshot.pin().is_some_and(|pin| pin.endpoint == endpoint.id);
    if facts.needs.uploads && facts.request.model == ModelChoice::Auto && !pinned {
        out.refuse(RuleName::Format, || "an uploaded file is at one vendor: name the model to ask".to_owned());
    }
}

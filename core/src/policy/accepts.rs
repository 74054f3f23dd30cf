//! Parameters that a model does not take are adapted, or it is refused: they are never sent to fail.

use super::refusal::{RuleName, Sink};
use super::rules::Parameters;
use super::{Facts, Model};
use crate::message::Role;
use crate::model::Capability;

pub(super) fn check(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    let sampling = &facts.request.sampling;
    if !sampling.stop.is_empty() && !model.brief.takes_stop {
        out.refuse(RuleName::Accepts, || "it takes no stop texts".to_owned());
    }
    if facts.policy.parameters != Parameters::Strict {
        return;
    }
    let accepts = &model.card.accepts;
    let draws = [
        sampling.temperature,
        sampling.top_p,
        sampling.min_p,
        sampling.frequency_penalty,
        sampling.presence_penalty,
        sampling.top_k.map(f64::from),
    ];
    if !accepts.sampling && draws.iter().any(Option::is_some) {
        out.refuse(RuleName::Accepts, || "it takes no sampling parameters".to_owned());
    }
    if !accepts.temperature_with_top_p && sampling.temperature.is_some() && sampling.top_p.is_some() {
        out.refuse(RuleName::Accepts, || "it takes temperature or top_p, not both".to_owned());
    }
    if sampling.seed.is_some() && !model.brief.capabilities.has(Capability::Seed) {
        out.refuse(RuleName::Accepts, || "it takes no seed".to_owned());
    }
    let instructs = |role: Role| matches!(role, Role::System | Role::Developer);
    if !accepts.system && facts.request.messages.iter().any(|message| instructs(message.role)) {
        out.refuse(RuleName::Accepts, || "it takes no system message".to_owned());
    }
}

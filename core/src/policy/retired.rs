//! A withdrawn model is never chosen by the router; who names it may still ask it.

use super::refusal::{RuleName, Sink};
use super::{Facts, Model, asked};

pub(super) fn check(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    if model.brief.is_retired && !asked::is_by_name(facts, model.card) {
        out.refuse(RuleName::Retired, || "the vendor has withdrawn it: name it to ask it all the same".to_owned());
    }
}

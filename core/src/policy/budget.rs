//! What an attempt may cost must fit what is left.

use super::refusal::{RuleName, Sink};
use super::{Facts, Model, Terms};
use crate::snapshot::Headroom;

#[inline]
pub(super) fn check(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    if let Some(terms) = &model.terms {
        check_terms(facts, model, terms, out);
    }
}

fn check_terms(facts: &Facts<'_>, model: &Model<'_>, terms: &Terms, out: &mut impl Sink) {
    if let Some(most) = facts.policy.max_cost.filter(|most| terms.reserve > *most) {
        out.refuse(RuleName::Budget, || {
            format!("it may cost {}, and max_cost is {}: lower max_tokens", terms.reserve.short(), most.short())
        });
    }
    let is_short = |headroom: &&Headroom| terms.reserve > headroom.left && headroom.reach.covers(model.card);
    for headroom in facts.snapshot.headroom().iter().filter(is_short) {
        out.refuse(RuleName::Budget, || {
            let (reserve, left) = (terms.reserve.short(), headroom.left.short());
            format!("it may cost {reserve}, and budget '{}' has {left} left", headroom.budget)
        });
    }
}

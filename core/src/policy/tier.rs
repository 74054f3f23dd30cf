//! The tiers that may answer.

use super::refusal::{RuleName, Sink};
use super::{Facts, Model};

pub(super) fn check(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    let tier = model.brief.tier;
    if let Some(least) = facts.policy.min_tier.filter(|least| tier < *least) {
        out.refuse(RuleName::Tier, || format!("it is {tier}, and min_tier is {least}"));
    }
    if let Some(most) = facts.policy.max_tier.filter(|most| tier > *most) {
        out.refuse(RuleName::Tier, || format!("it is {tier}, and max_tier is {most}"));
    }
    if let Some(cap) = facts.snapshot.tier_cap().filter(|cap| tier > cap.tier) {
        out.refuse(RuleName::Tier, || {
            format!("it is {tier}, and budget '{}' is used up to all above {}", cap.budget, cap.tier)
        });
    }
}

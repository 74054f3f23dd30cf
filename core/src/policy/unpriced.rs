//! What cannot be priced cannot be bounded, and is not called.

use super::refusal::{RuleName, Sink};
use super::{Facts, Model, Needs};
use crate::model::ModelCard;
use crate::money::Usd;
use crate::time::Timestamp;

pub(super) fn check(_: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    if !model.is_priced {
        out.refuse(RuleName::Unpriced, || "no price bounds its cost: add a price row for it".to_owned());
    }
}

/// The most that an attempt with these bounds can cost.
pub(super) fn upper_bound(card: &ModelCard, input: u64, output: u64, needs: &Needs, now: Timestamp) -> Option<Usd> {
    card.prices.upper_bound(input, output, needs.service_tier, now)
}

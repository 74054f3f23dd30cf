//! What an answer of a model is expected to cost.

use crate::model::ModelCard;
use crate::money::Usd;
use crate::policy::{Needs, Terms};
use crate::time::Timestamp;

/// The expected cost of an answer; never above what is reserved for it, and beyond all where nothing bounds
/// it. `cached` prompt tokens are read from the
/// vendor's cache, `output` tokens are written for each answer asked for.
pub(super) fn expected(card: &ModelCard, needs: &Needs, cached: u64, output: u64, now: Timestamp) -> Usd {
    let Some(terms) = Terms::of(card, needs, now) else { return Usd::MAX };
    let input = needs.input_tokens.min(terms.input_tokens_max);
    let output = output.saturating_mul(needs.answers);
    let cost = card.prices.expected(input, cached.min(input), output, needs.service_tier, now);
    cost.map_or(terms.reserve, |cost| cost.min(terms.reserve))
}

//! What an answer of a model is expected to cost.

use crate::model::ModelCard;
use crate::money::Usd;
use crate::policy::{Needs, Terms, input_tokens_max, input_tokens_max_of};
use crate::snapshot::Offers;
use crate::time::Timestamp;

/// The expected cost of an answer; never above what is reserved for it, and beyond all where nothing bounds it.
/// `cached` prompt tokens are read from the vendor's cache, `output` tokens are written for each answer asked for: no more
/// than the model's terms allow.
pub(super) fn expected(card: &ModelCard, needs: &Needs, cached: u64, output: u64, now: Timestamp) -> Usd {
    let input_max = input_tokens_max(card, needs);
    let input = needs.input_tokens.min(input_max);
    let (cached, written) = (cached.min(input), output.saturating_mul(needs.answers));
    let quick = card.prices.quick_expected((input, input_max), cached, written, needs.service_tier, now);
    quick.unwrap_or_else(|| held(card, needs, (input, cached, written), now))
}

/// The same of a row of the offers, without a cache.
#[inline]
pub(super) fn of_row(offers: &Offers, row: u32, needs: &Needs, output: u64, now: Timestamp) -> Usd {
    let at = &offers.rows()[row as usize];
    let input_max = input_tokens_max_of(at.brief().context_window, needs);
    let tokens = (needs.input_tokens.min(input_max), input_max);
    let written = output.saturating_mul(needs.answers);
    let quick = offers.quick_price(row).filter(|quick| quick.holds(input_max, needs.service_tier, now));
    quick.map_or_else(|| expected(at.card(), needs, 0, output, now), |quick| quick.expected(tokens.0, 0, written))
}

/// The same where the price must be searched for, or the prompt may grow into a dearer step.
fn held(card: &ModelCard, needs: &Needs, tokens: (u64, u64, u64), now: Timestamp) -> Usd {
    let Some(terms) = Terms::of(card, needs, now) else { return Usd::MAX };
    let (input, cached, written) = tokens;
    let cost = card.prices.expected(input, cached, written, needs.service_tier, now);
    cost.map_or(terms.reserve, |cost| cost.min(terms.reserve))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::request::Request;

    #[test]
    fn the_quick_way_costs_what_the_long_way_does() {
        let now = Timestamp::from_ms(1_790_000_000_000);
        let offers = Offers::new(Catalog::builtin().cards().iter().cloned(), []);
        let mut quick = 0;
        for text in ["Hi", &"word ".repeat(400), &"word ".repeat(70_000)] {
            let needs = Needs::of(&Request::user(text).unwrap());
            for (row, card) in offers.rows().iter().map(|row| row.card()).enumerate() {
                let terms = Terms::of(card, &needs, now);
                let output_max = terms.map_or(1, |terms| terms.max_tokens);
                let input = needs.input_tokens.min(input_tokens_max(card, &needs));
                for output in [1, output_max / 3, output_max] {
                    let want = held(card, &needs, (input, 0, output), now);
                    assert_eq!(of_row(&offers, row as u32, &needs, output, now), want, "{}", card.id);
                    for cached in [0, input / 2, input] {
                        let want = held(card, &needs, (input, cached, output), now);
                        assert_eq!(expected(card, &needs, cached, output, now), want, "{}", card.id);
                        quick += usize::from(want < Usd::MAX);
                    }
                }
            }
        }
        assert!(quick > 5_000, "{quick}");
    }
}

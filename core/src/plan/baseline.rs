//! What savings are counted against: the model that one would ask without a router.

use std::sync::Arc;

use crate::id::ModelId;
use crate::model::ModelCard;
use crate::money::Usd;
use crate::policy::max_tokens;
use crate::snapshot::Offers;

use super::evidence::Evidence;
use super::field::{Entrant, Field, within};
use super::{Rating, Settings, cost};

/// The model that one would ask without a router, and what its answer to this request is expected to cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The model.
    pub card: Arc<ModelCard>,
    /// How likely its answer is good enough; `None` where it may not be asked this request.
    pub p_good: Option<f64>,
    /// How many tokens of output it is expected to write, reasoning included.
    pub expected_output: u64,
    /// What its answer is expected to cost, without a cache.
    pub expected_cost: Usd,
}

impl Baseline {
    /// The model's id.
    pub fn model(&self) -> &ModelId {
        &self.card.id
    }
}

/// A model that the settings name and that may not be asked this request.
pub(super) struct Outsider {
    row: usize,
    rating: Rating,
}

/// The model that the settings name, rated, where the field is without it.
pub(super) fn outsider(
    field: &Field,
    offers: &Offers,
    settings: &Settings,
    rate: &impl Fn(usize, &ModelCard) -> Rating,
) -> Option<Outsider> {
    let row = offers.find(settings.baseline.as_ref()?)?;
    let is_inside = field.entrants.iter().any(|entrant| entrant.row as usize == row);
    (!is_inside).then(|| Outsider { row, rating: rate(row, offers.rows()[row].card()) })
}

/// The one that the settings name; else, among the admitted models of the highest tier, the likeliest to be good
/// enough, of equals the dearest.
pub(super) fn of(evidence: &Evidence, outsider: Option<Outsider>) -> Option<Baseline> {
    let offers = evidence.screening.offers();
    if let Some(outsider) = outsider {
        return of_outsider(evidence, outsider);
    }
    let Some(row) = evidence.settings.baseline.as_ref().and_then(|model| offers.find(model)) else {
        return strongest(evidence);
    };
    let named = evidence.field.entrants.iter().find(|entrant| entrant.row as usize == row);
    named.map(|entrant| of_entrant(evidence, entrant))
}

fn of_outsider(evidence: &Evidence, Outsider { row, rating }: Outsider) -> Option<Baseline> {
    let (card, now) = (evidence.screening.offers().rows()[row].card(), evidence.snapshot.now());
    if !card.prices.is_bounded(now) {
        return None;
    }
    let output = within(rating, max_tokens(card, &evidence.needs)).output_tokens;
    let expected_cost = cost::expected(card, &evidence.needs, 0, output, now);
    Some(Baseline { card: card.clone(), p_good: None, expected_output: output, expected_cost })
}

fn strongest(evidence: &Evidence) -> Option<Baseline> {
    let rows = evidence.screening.offers().rows();
    let tier = |row: u32| rows[row as usize].brief().tier;
    let highest = evidence.field.entrants.iter().map(|entrant| tier(entrant.row)).max()?;
    let mut best: Option<(&Entrant, Usd)> = None;
    for entrant in evidence.field.entrants.iter().filter(|entrant| tier(entrant.row) == highest) {
        if best.is_some_and(|(least, _)| entrant.p_good < least.p_good) {
            continue;
        }
        let cost = evidence.cost_of(entrant);
        if best.is_none_or(|(least, least_cost)| entrant.p_good > least.p_good || cost > least_cost) {
            best = Some((entrant, cost));
        }
    }
    best.map(|(entrant, _)| of_entrant(evidence, entrant))
}

fn of_entrant(evidence: &Evidence, entrant: &Entrant) -> Baseline {
    Baseline {
        card: evidence.screening.offers().rows()[entrant.row as usize].card().clone(),
        p_good: Some(entrant.p_good),
        expected_output: entrant.output,
        expected_cost: evidence.cost_of(entrant),
    }
}

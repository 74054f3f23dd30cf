//! The request itself may name the models it wants.

use super::refusal::{RuleName, Sink};
use super::{Facts, Model};
use crate::id::ModelId;
use crate::model::ModelCard;
use crate::request::ModelChoice;
use crate::snapshot::Snapshot;

#[inline]
pub(super) fn check(facts: &Facts<'_>, model: &Model<'_>, out: &mut impl Sink) {
    let wanted = match &facts.request.model {
        ModelChoice::Auto => return,
        ModelChoice::Only(wanted) => std::slice::from_ref(wanted),
        ModelChoice::AnyOf(wanted) => wanted.as_slice(),
    };
    if !wanted.iter().any(|wanted| names(wanted, model.card, facts.snapshot)) {
        out.refuse(RuleName::Asked, || "the request names other models".to_owned());
    }
}

/// Whether the request names this model by id or alias, rather than leave the choice to the router.
pub(super) fn is_by_name(facts: &Facts<'_>, card: &ModelCard) -> bool {
    match &facts.request.model {
        ModelChoice::Auto => false,
        ModelChoice::Only(wanted) => names(wanted, card, facts.snapshot),
        ModelChoice::AnyOf(wanted) => wanted.iter().any(|wanted| names(wanted, card, facts.snapshot)),
    }
}

/// A name means the model that the catalogue finds by it; one that it does not know means its own id.
fn names(wanted: &ModelId, card: &ModelCard, snapshot: &Snapshot) -> bool {
    if *wanted == card.id {
        return true;
    }
    let offers = snapshot.offers();
    offers.find(wanted).is_some_and(|row| offers.rows()[row].card().id == card.id)
}

//! What a decision was made from: kept with it, so that the reasons can be written when somebody asks.

use std::sync::Arc;

use crate::id::ModelId;
use crate::money::Usd;
use crate::policy::{Needs, Policy, Screening, Terms};
use crate::score::Complexity;
use crate::snapshot::Snapshot;

use super::field::{Entrant, Field, Place};
use super::order::Pick;
use super::{Candidate, Settings, cost};

/// The inputs, and the field as it stood.
pub(super) struct Evidence {
    pub(super) screening: Screening,
    pub(super) policy: Arc<Policy>,
    pub(super) snapshot: Snapshot,
    pub(super) needs: Needs,
    pub(super) settings: Arc<Settings>,
    pub(super) complexity: Option<Complexity>,
    pub(super) field: Field,
}

impl Evidence {
    /// The candidate at a place.
    pub(super) fn candidate(&self, pick: Pick) -> Candidate {
        let place = self.field.places[pick.place as usize];
        let entrant = self.field.entrants[place.entrant as usize];
        let admission = self.screening.admission(place.offer as usize);
        let admission = admission.expect("the field holds admitted offers alone");
        let terms = Terms::of(admission.card(), &self.needs, self.snapshot.now());
        Candidate {
            admission,
            terms: terms.expect("policy admits what has a price"),
            p_good: entrant.p_good,
            expected_output: entrant.output,
            expected_cost: place.pinned_cost.unwrap_or_else(|| self.cost_of(&entrant)),
            ready_at: self.field.state(&place).ready_at.max(self.field.now),
            is_good_enough: pick.is_good_enough,
            row: entrant.row as usize,
        }
    }

    /// The expected cost of an entrant's answer, without a cache.
    pub(super) fn cost_of(&self, entrant: &Entrant) -> Usd {
        let (offers, now) = (self.screening.offers(), self.snapshot.now());
        let expected = || cost::of_row(offers, entrant.row, &self.needs, entrant.output, now);
        entrant.cost.unwrap_or_else(expected)
    }

    /// An entrant's model.
    pub(super) fn id_of(&self, entrant: &Entrant) -> &ModelId {
        &self.screening.offers().rows()[entrant.row as usize].card().id
    }

    /// Where an entrant may be asked.
    pub(super) fn places_of(&self, entrant: usize) -> impl Iterator<Item = &Place> {
        self.field.places.iter().filter(move |place| place.entrant as usize == entrant)
    }
}

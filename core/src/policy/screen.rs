//! All offers at once: what `admit` says of each, for the price of one look at every model and every endpoint.

use std::sync::Arc;

use super::gate::Gate;
use super::refusal::{Refusal, RuleSet};
use super::{Admission, Facts, Model, Needs, Policy};
use crate::request::Request;
use crate::snapshot::{CardRow, Offers, Snapshot};

/// Which offers policy lets a request through to. It owns the request and the offers, so that its verdicts fit nothing
/// else.
#[derive(Clone, Debug)]
pub struct Screening {
    request: Request,
    offers: Arc<Offers>,
    /// What refuses each endpoint, and behind these what refuses each model, where it was looked at.
    verdicts: Vec<RuleSet>,
    /// The offers that nothing refuses, by position.
    admitted: Vec<u32>,
}

/// Asks the rules about every endpoint of the snapshot, and about every model that an endpoint would let through, but for what
/// a few comparisons show that none refuses: of a catalogue, most models have no key, and most others are open to all.
/// `Screening::complete` asks about the models that were passed over.
pub fn screen(request: &Request, policy: &Policy, snapshot: &Snapshot, needs: &Needs) -> Screening {
    let facts = Facts::new(request, policy, snapshot, needs);
    let offers = snapshot.offers();
    let mut verdicts = vec![RuleSet::default(); offers.endpoints().len() + offers.rows().len()];
    let (places, models) = verdicts.split_at_mut(offers.endpoints().len());
    let usable = snapshot.usable();
    for ((endpoint, has_key), verdict) in offers.endpoints().iter().zip(&usable.endpoints).zip(&mut *places) {
        super::check_endpoint(&facts, endpoint, *has_key, verdict);
    }
    let gate = Gate::of(&facts);
    let mut admitted = Vec::with_capacity(usable.offers.len());
    let mut last = None;
    for at in &usable.offers {
        let offer = offers.offers()[*at as usize];
        if !places[offer.endpoint as usize].is_empty() {
            continue;
        }
        let row = offer.row as usize;
        if last != Some(row) {
            let asked = &offers.rows()[row];
            if !gate.passes(asked.brief()) {
                models[row] = of_model(&facts, asked);
            } else {
                // As with endpoints: what passes by the short way is no rule's to refuse.
                debug_assert!(of_model(&facts, asked).is_empty(), "{} passes and is refused", asked.card().id);
            }
            last = Some(row);
        }
        if models[row].is_empty() {
            admitted.push(*at);
        }
    }
    Screening { request: request.clone(), offers: offers.clone(), verdicts, admitted }
}

fn of_model(facts: &Facts<'_>, row: &CardRow) -> RuleSet {
    let mut verdict = RuleSet::default();
    super::check_model(facts, &Model::of(facts, row.card(), row.brief()), &mut verdict);
    verdict
}

impl Screening {
    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What was screened.
    pub fn offers(&self) -> &Arc<Offers> {
        &self.offers
    }

    /// The offers that policy lets the request through to, by position, in order.
    pub fn admitted(&self) -> impl ExactSizeIterator<Item = usize> {
        self.admitted.iter().map(|offer| *offer as usize)
    }

    /// Whether there is more than one model to choose from.
    pub(crate) fn leaves_a_choice(&self) -> bool {
        let row = |offer: &u32| self.offers.offers()[*offer as usize].row;
        // Offers come by model.
        self.admitted.first().map(row) != self.admitted.last().map(row)
    }

    /// Whether policy lets the request through to an offer, by its position.
    pub fn admits(&self, offer: usize) -> bool {
        self.verdict(offer).is_empty()
    }

    /// The rules that refuse an offer: all of them after `complete`, those of its endpoint at least before.
    pub fn verdict(&self, offer: usize) -> RuleSet {
        let offer = self.offers.offers()[offer];
        let model = self.offers.endpoints().len() + offer.row as usize;
        self.verdicts[model].with(self.verdicts[offer.endpoint as usize])
    }

    /// Asks the rules about the models that were passed over too. `policy`, `snapshot` and `needs` must be those of the
    /// screening.
    pub fn complete(&mut self, policy: &Policy, snapshot: &Snapshot, needs: &Needs) {
        let facts = Facts::new(&self.request, policy, snapshot, needs);
        let (places, models) = self.verdicts.split_at_mut(self.offers.endpoints().len());
        for (row, verdict) in self.offers.rows().iter().zip(models) {
            let is_open = |at: usize| places[self.offers.offers()[at].endpoint as usize].is_empty();
            if !row.offers().any(is_open) {
                *verdict = of_model(&facts, row);
            }
        }
    }

    /// The proof for an offer; `None` where a rule refuses it.
    pub fn admission(&self, offer: usize) -> Option<Admission> {
        let listed = *self.offers.offers().get(offer)?;
        if !self.admits(offer) {
            return None;
        }
        let offer = listed;
        let card = self.offers.row_of(offer).card().clone();
        Some(Admission::new(self.request.clone(), card, self.offers.endpoint_of(offer).clone()))
    }

    /// The reasons against an offer, in words. `policy`, `snapshot` and `needs` must be those of the screening.
    pub fn refusals(&self, offer: usize, policy: &Policy, snapshot: &Snapshot, needs: &Needs) -> Vec<Refusal> {
        let facts = Facts::new(&self.request, policy, snapshot, needs);
        let offer = self.offers.offers()[offer];
        super::refusals(&facts, self.offers.row_of(offer).card(), self.offers.endpoint_of(offer))
    }
}

//! All offers at once: what `admit` says of each, for the price of one look at every model and every endpoint.

use std::sync::Arc;

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
    verdicts: Vec<RuleSet>,
}

/// Asks every rule about every endpoint of the snapshot, and about every model that an endpoint would let through: of a
/// catalogue, most models have no key. `Screening::complete` asks about the others.
pub fn screen(request: &Request, policy: &Policy, snapshot: &Snapshot, needs: &Needs) -> Screening {
    let facts = Facts { request, policy, snapshot, needs };
    let offers = snapshot.offers();
    let places: Vec<RuleSet> = offers
        .endpoints()
        .iter()
        .zip(snapshot.keys().of_sorted(offers.endpoints()))
        .map(|(endpoint, has_key)| {
            let mut verdict = RuleSet::default();
            super::check_endpoint(&facts, endpoint, has_key, &mut verdict);
            verdict
        })
        .collect();
    let mut verdicts = vec![RuleSet::default(); offers.offers().len()];
    for row in offers.rows() {
        let place = |at: usize| places[offers.offers()[at].endpoint as usize];
        let is_open = row.offers().any(|at| place(at).is_empty());
        let verdict = if is_open { of_model(&facts, row) } else { RuleSet::default() };
        row.offers().for_each(|at| verdicts[at] = verdict.with(place(at)));
    }
    Screening { request: request.clone(), offers: offers.clone(), verdicts }
}

fn of_model(facts: &Facts<'_>, row: &CardRow) -> RuleSet {
    let mut verdict = RuleSet::default();
    super::check_model(facts, &Model::of(facts, row.card(), row.capabilities()), &mut verdict);
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

    /// Whether policy lets the request through to an offer, by its position.
    pub fn admits(&self, offer: usize) -> bool {
        self.verdicts[offer].is_empty()
    }

    /// The rules that refuse an offer: all of them after `complete`, those of its endpoint at least before.
    pub fn verdict(&self, offer: usize) -> RuleSet {
        self.verdicts[offer]
    }

    /// Asks the rules about the models that were passed over too. `policy`, `snapshot` and `needs` must be those of the
    /// screening.
    pub fn complete(&mut self, policy: &Policy, snapshot: &Snapshot, needs: &Needs) {
        let facts = Facts { request: &self.request, policy, snapshot, needs };
        for row in self.offers.rows() {
            if row.offers().all(|at| !self.verdicts[at].is_empty()) {
                let verdict = of_model(&facts, row);
                row.offers().for_each(|at| self.verdicts[at] = self.verdicts[at].with(verdict));
            }
        }
    }

    /// The proof for an offer; `None` where a rule refuses it.
    pub fn admission(&self, offer: usize) -> Option<Admission> {
        if !self.verdicts.get(offer)?.is_empty() {
            return None;
        }
        let offer = self.offers.offers()[offer];
        let card = self.offers.row_of(offer).card().clone();
        Some(Admission::new(self.request.clone(), card, self.offers.endpoint_of(offer).clone()))
    }

    /// The reasons against an offer, in words. `policy`, `snapshot` and `needs` must be those of the screening.
    pub fn refusals(&self, offer: usize, policy: &Policy, snapshot: &Snapshot, needs: &Needs) -> Vec<Refusal> {
        let facts = Facts { request: &self.request, policy, snapshot, needs };
        let offer = self.offers.offers()[offer];
        super::refusals(&facts, self.offers.row_of(offer).card(), self.offers.endpoint_of(offer))
    }
}

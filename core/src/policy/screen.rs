//! All offers at once: what `admit` says of each, for the price of one look at every model and every endpoint.

use std::sync::Arc;

use super::refusal::{Refusal, RuleSet};
use super::{Admission, Facts, Model, Needs, Policy};
use crate::request::Request;
use crate::snapshot::{Offers, Snapshot};

/// Which offers policy lets a request through to. It owns the request and the offers, so that its verdicts fit nothing
/// else.
#[derive(Clone, Debug)]
pub struct Screening {
    request: Request,
    offers: Arc<Offers>,
    verdicts: Vec<RuleSet>,
}

/// Asks every rule about every model and endpoint of the snapshot.
pub fn screen(request: &Request, policy: &Policy, snapshot: &Snapshot, needs: &Needs) -> Screening {
    let facts = Facts { request, policy, snapshot, needs };
    let offers = snapshot.offers();
    let places: Vec<RuleSet> = offers
        .endpoints()
        .iter()
        .map(|endpoint| {
            let mut verdict = RuleSet::default();
            super::check_endpoint(&facts, endpoint, &mut verdict);
            verdict
        })
        .collect();
    let mut verdicts = vec![RuleSet::default(); offers.offers().len()];
    for row in offers.rows() {
        let model = Model::of(&facts, row.card(), row.capabilities());
        let mut verdict = RuleSet::default();
        super::check_model(&facts, &model, &mut verdict);
        for at in row.offers() {
            verdicts[at] = verdict.with(places[offers.offers()[at].endpoint as usize]);
        }
    }
    Screening { request: request.clone(), offers: offers.clone(), verdicts }
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

    /// The rules that refuse an offer, by its position; none means that it is admitted.
    pub fn verdict(&self, offer: usize) -> RuleSet {
        self.verdicts[offer]
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

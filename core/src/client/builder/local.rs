//! Lets the native engine answer for its endpoints where their models are on this machine.

use std::path::PathBuf;
use std::sync::Arc;

use crate::client::providers::Providers;
use crate::id::{ProviderId, VendorId};
use crate::local::{LocalOptions, LocalProvider, model_folders};
use crate::model::{Api, ModelCard};
use crate::snapshot::Offers;

/// The caller's own folders, then those of the environment.
pub(super) fn folders(own: &[PathBuf]) -> Vec<PathBuf> {
    own.iter().cloned().chain(model_folders()).collect()
}

/// Adds a provider for each endpoint of the engine that has none, if any of its models is here. Models that are not here
/// are marked as withdrawn: they are never chosen by themselves, and asking for one says that it is missing.
pub(super) fn connect(offers: Arc<Offers>, providers: &mut Providers, own: &[PathBuf]) -> Arc<Offers> {
    let is_engines =
        |endpoint: &&Arc<crate::model::Endpoint>| endpoint.api == Api::Engine && !providers.has(&endpoint.id);
    let endpoints: Vec<_> = offers.endpoints().iter().filter(is_engines).cloned().collect();
    if endpoints.is_empty() {
        return offers;
    }
    let options = LocalOptions { folders: folders(own), ..LocalOptions::default() };
    let mut absent = false;
    let mut cards: Vec<Arc<ModelCard>> = offers.rows().iter().map(|row| row.card().clone()).collect();
    for endpoint in endpoints {
        let id = ProviderId::new(endpoint.id.as_str()).expect("an endpoint's id is a provider's");
        let provider = LocalProvider::new(id, options.clone());
        let mut any = false;
        for card in cards.iter_mut().filter(|card| is_of(card, &endpoint.vendor)) {
            if provider.find(&card.wire_name).is_some() {
                any = true;
            } else {
                absent = true;
                *card = Arc::new(ModelCard { retired: true, ..(**card).clone() });
            }
        }
        if any {
            providers.insert(endpoint.id.clone(), Arc::new(provider));
        }
    }
    if absent { Arc::new(Offers::new(cards, offers.endpoints().iter().cloned())) } else { offers }
}

fn is_of(card: &ModelCard, vendor: &VendorId) -> bool {
    card.vendor == *vendor
}

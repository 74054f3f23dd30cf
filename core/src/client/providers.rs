//! Who answers calls to each endpoint: the user's own providers, or a wire over the transport.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::id::{EndpointId, ProviderId};
use crate::ledger::Seed;
use crate::model::{Api, Endpoint};
use crate::provider::Provider;
use crate::secrets::Keyring;
use crate::snapshot::Queues;
use crate::transport::{BatchPort, EmbedPort, HttpProvider, Transport};
use crate::wire;
use crate::wire::batch::for_batch;

#[derive(Clone, Debug, Default)]
pub(super) struct Providers {
    by_endpoint: HashMap<EndpointId, Arc<dyn Provider>, Seed>,
    /// Those of the user's own and the engine's, which may know of a queue.
    own: Vec<(EndpointId, Arc<dyn Provider>)>,
    ports: HashMap<EndpointId, Arc<BatchPort>>,
    embedders: HashMap<EndpointId, Arc<EmbedPort>>,
}

impl Providers {
    pub(super) fn insert(&mut self, endpoint: EndpointId, provider: Arc<dyn Provider>) {
        self.own.retain(|(known, _)| *known != endpoint);
        self.own.push((endpoint.clone(), provider.clone()));
        self.by_endpoint.insert(endpoint, provider);
    }

    /// Where calls wait now.
    pub(super) fn queues(&self) -> Queues {
        let busy = |(endpoint, provider): &(EndpointId, Arc<dyn Provider>)| {
            let queue = provider.queue();
            (!queue.is_empty()).then(|| (endpoint.clone(), queue))
        };
        Queues::new(self.own.iter().filter_map(busy))
    }

    pub(super) fn has(&self, endpoint: &EndpointId) -> bool {
        self.by_endpoint.contains_key(endpoint)
    }

    pub(super) fn of(&self, endpoint: &EndpointId) -> Option<Arc<dyn Provider>> {
        self.by_endpoint.get(endpoint).cloned()
    }

    /// The batch API of an endpoint.
    pub(super) fn port(&self, endpoint: &EndpointId) -> Option<Arc<BatchPort>> {
        self.ports.get(endpoint).cloned()
    }

    /// What makes embeddings at an endpoint.
    pub(super) fn embedder(&self, endpoint: &EndpointId) -> Option<Arc<EmbedPort>> {
        self.embedders.get(endpoint).cloned()
    }

    /// Adds a provider for every endpoint whose format is known and which has none yet.
    pub(super) fn connect<'a>(
        &mut self,
        endpoints: impl IntoIterator<Item = &'a Arc<Endpoint>>,
        keyring: &Keyring,
        transport: &Arc<dyn Transport>,
        clock: &Arc<dyn Clock>,
    ) {
        for endpoint in endpoints {
            if endpoint.api == Api::Embeddings {
                let key = keyring.key(&endpoint.id).cloned();
                let port = EmbedPort::new(transport.clone(), clock.clone(), key);
                self.embedders.insert(endpoint.id.clone(), Arc::new(port));
            }
            let wire = wire::for_api(endpoint.api);
            if let Some(wire) = wire {
                self.by_endpoint.entry(endpoint.id.clone()).or_insert_with(|| {
                    let id = ProviderId::new(endpoint.id.as_str()).expect("an endpoint's id is a provider's");
                    let key = keyring.key(&endpoint.id).cloned();
                    Arc::new(HttpProvider::new(id, wire, transport.clone(), clock.clone(), key))
                });
            }
            if wire.is_none() && endpoint.api != Api::Embeddings {
                continue;
            }
            if let Some(api) = endpoint.dialect.batch {
                let (endpoint, key) = (endpoint.clone(), keyring.key(&endpoint.id).cloned());
                let id = endpoint.id.clone();
                let port = BatchPort::new(endpoint, for_batch(api), transport.clone(), clock.clone(), key);
                self.ports.insert(id, Arc::new(port));
            }
        }
    }
}

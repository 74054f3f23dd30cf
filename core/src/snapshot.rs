//! All that a decision may look at: what is on sale, how each endpoint fares, what may still be spent, the time.
//!
//! A snapshot is a value: the same one gives the same decision, today and in a replay. It is cheap to clone, since all
//! that is large is shared. Nothing here asks a clock, a store or the environment; the client fills it in.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::id::{EndpointId, ModelId, VendorId};
use crate::model::{Endpoint, ModelCard, Tier};
use crate::money::Usd;
use crate::time::Timestamp;

mod capability_set;
mod health;
mod latencies;
mod offers;
mod queue;
mod retry_bucket;
pub use capability_set::CapabilitySet;
pub use health::{Breaker, Fate, Health, HealthBook, HealthRules};
pub use latencies::Latencies;
pub(crate) use offers::Brief;
pub use offers::{CardRow, Offer, Offers};
pub use queue::{Queue, Queues};
pub use retry_bucket::RetryBucket;

/// Shared, so that a decision allocates nothing for what the client puts in their place.
static UNKNOWN: LazyLock<Arc<HealthBook>> = LazyLock::new(Arc::default);
static ALL_KEYS: LazyLock<Arc<Keys>> = LazyLock::new(|| Arc::new(Keys::All));

/// What a decision sees of the world.
#[derive(Clone, Debug)]
pub struct Snapshot {
    offers: Arc<Offers>,
    health: Arc<HealthBook>,
    queues: Queues,
    keys: Arc<Keys>,
    /// What they open of the offers, where that was worked out before.
    usable: Option<Arc<Usable>>,
    headroom: Arc<[Headroom]>,
    tier_cap: Option<TierCap>,
    pin: Option<Pin>,
    now: Timestamp,
}

impl Snapshot {
    /// A world with these offers at this time: all endpoints well, idle and usable, no budget, no pin.
    pub fn new(offers: Arc<Offers>, now: Timestamp) -> Snapshot {
        Snapshot {
            offers,
            health: UNKNOWN.clone(),
            queues: Queues::default(),
            keys: ALL_KEYS.clone(),
            usable: None,
            headroom: Arc::default(),
            tier_cap: None,
            pin: None,
            now,
        }
    }

    /// The same with what is known of the endpoints' health.
    pub fn with_health(mut self, health: Arc<HealthBook>) -> Snapshot {
        self.health = health;
        self
    }

    /// The same without it. A plan holds what it took from the endpoints' health, and the client's book is changed in place
    /// only where nobody else holds it.
    pub(crate) fn without_health(self) -> Snapshot {
        self.with_health(UNKNOWN.clone())
    }

    /// The same where calls wait at these endpoints.
    pub fn with_queues(mut self, queues: Queues) -> Snapshot {
        self.queues = queues;
        self
    }

    /// The same where only these endpoints have a key.
    pub fn with_keys(mut self, keys: Arc<Keys>) -> Snapshot {
        (self.keys, self.usable) = (keys, None);
        self
    }

    /// The same with these keys, of which it is known what of the offers they open.
    #[cfg(feature = "client")]
    pub(crate) fn with_usable(mut self, keys: Arc<Keys>, usable: Arc<Usable>) -> Snapshot {
        assert_eq!(usable.endpoints.len(), self.offers.endpoints().len(), "they are of the same offers");
        (self.keys, self.usable) = (keys, Some(usable));
        self
    }

    /// The same with what each budget that this request draws on has left.
    pub fn with_headroom(mut self, headroom: impl Into<Arc<[Headroom]>>) -> Snapshot {
        self.headroom = headroom.into();
        self
    }

    /// The same where a soft budget that is used up leaves no tier above this one.
    pub fn with_tier_cap(mut self, cap: Option<TierCap>) -> Snapshot {
        self.tier_cap = cap;
        self
    }

    /// The same within a conversation that a model has answered before.
    pub fn with_pin(mut self, pin: Pin) -> Snapshot {
        self.pin = Some(pin);
        self
    }

    /// What is on sale.
    pub fn offers(&self) -> &Arc<Offers> {
        &self.offers
    }

    /// How the endpoints fare.
    pub fn health(&self) -> &HealthBook {
        &self.health
    }

    /// Where calls wait, and how long.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Which endpoints can be called.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What the keys open of the offers.
    pub(crate) fn usable(&self) -> Arc<Usable> {
        self.usable.clone().unwrap_or_else(|| Arc::new(Usable::of(&self.keys, &self.offers)))
    }

    /// What each budget has left.
    pub fn headroom(&self) -> &[Headroom] {
        &self.headroom
    }

    /// The highest tier that soft budgets leave, if they limit it.
    pub fn tier_cap(&self) -> Option<&TierCap> {
        self.tier_cap.as_ref()
    }

    /// The model that this conversation is with, if any.
    pub fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// The time of the decision.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

/// Which endpoints have the key they want, or want none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// All of them: nothing is refused for want of a key.
    #[default]
    All,
    /// These.
    Only(BTreeSet<EndpointId>),
}

impl Keys {
    /// The endpoints of `offers` for which `is_usable` holds.
    pub fn of(offers: &Offers, is_usable: impl Fn(&Endpoint) -> bool) -> Keys {
        let usable = offers.endpoints().iter().filter(|endpoint| is_usable(endpoint));
        Keys::Only(usable.map(|endpoint| endpoint.id.clone()).collect())
    }

    /// Whether any endpoint can be called.
    pub fn is_any(&self) -> bool {
        !matches!(self, Keys::Only(usable) if usable.is_empty())
    }

    /// The same as `has` of each endpoint, of a list that is sorted by id: one walk over both instead of a search for each.
    fn of_sorted(&self, endpoints: &[Arc<Endpoint>]) -> Vec<bool> {
        let Keys::Only(usable) = self else { return vec![true; endpoints.len()] };
        let mut usable = usable.iter().peekable();
        let has = |endpoint: &Arc<Endpoint>| {
            while usable.next_if(|id| **id < endpoint.id).is_some() {}
            usable.next_if(|id| **id == endpoint.id).is_some()
        };
        endpoints.iter().map(has).collect()
    }

    /// Whether this endpoint can be called.
    pub fn has(&self, endpoint: &EndpointId) -> bool {
        match self {
            Keys::All => true,
            Keys::Only(usable) => usable.contains(endpoint),
        }
    }
}

/// What keys open of the offers: worked out once by who decides often, since most of a catalogue has no key.
#[derive(Debug)]
pub(crate) struct Usable {
    /// Whether each endpoint can be called, in the order of the offers' endpoints.
    pub(crate) endpoints: Vec<bool>,
    /// The offers at these, by position, in order.
    pub(crate) offers: Vec<u32>,
}

impl Usable {
    pub(crate) fn of(keys: &Keys, offers: &Offers) -> Usable {
        let endpoints = keys.of_sorted(offers.endpoints());
        let open = |at: &u32| endpoints[offers.offers()[*at as usize].endpoint as usize];
        let open = (0..offers.offers().len() as u32).filter(open).collect();
        Usable { endpoints, offers: open }
    }
}

/// What one budget still allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headroom {
    /// The budget's name.
    pub budget: String,
    /// Its limit less what is posted and held.
    pub left: Usd,
    /// The models that draw on it.
    #[serde(default, skip_serializing_if = "Reach::is_everything")]
    pub reach: Reach,
}

/// Which models a budget is for: those that match every part; an empty part matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reach {
    /// These models.
    pub models: BTreeSet<ModelId>,
    /// Models that these vendors serve.
    pub vendors: BTreeSet<VendorId>,
    /// Models of these tiers.
    pub tiers: BTreeSet<Tier>,
}

impl Reach {
    /// Whether it is for every model.
    pub fn is_everything(&self) -> bool {
        self.models.is_empty() && self.vendors.is_empty() && self.tiers.is_empty()
    }

    /// Whether a model is among them.
    pub fn covers(&self, card: &ModelCard) -> bool {
        (self.models.is_empty() || self.models.contains(&card.id))
            && (self.vendors.is_empty() || self.vendors.contains(&card.vendor))
            && (self.tiers.is_empty() || self.tiers.contains(&card.tier))
    }
}

/// The highest tier that may answer, since a soft budget is used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierCap {
    /// The budget's name.
    pub budget: String,
    /// The highest tier.
    pub tier: Tier,
}

/// The model that has answered earlier turns of a conversation, and what it may still remember of the prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Who answered last.
    pub model: ModelId,
    /// Where.
    pub endpoint: EndpointId,
    /// Prompt tokens that are likely still in the vendor's cache there; zero where its lifetime has passed.
    pub cached_tokens: u64,
}

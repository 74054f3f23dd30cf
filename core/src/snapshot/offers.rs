//! What is on sale, indexed once: every model at every endpoint that serves it, in an order that does not depend on
//! the order of the catalogue.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::catalog::QuickPrice;
use crate::id::ModelId;
use crate::model::{Endpoint, ModelCard, Tier};
use crate::snapshot::CapabilitySet;
use crate::sorting::sort_by;
use crate::time::Timestamp;

/// One model at one endpoint, as positions in `Offers::rows` and `Offers::endpoints`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The model's row.
    pub row: u32,
    /// The endpoint.
    pub endpoint: u32,
}

/// What the rules ask of every model. Side by side for all of them, since a decision looks at hundreds and each card lies
/// elsewhere in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brief {
    pub(crate) capabilities: CapabilitySet,
    pub(crate) context_window: u64,
    pub(crate) max_output: u64,
    pub(crate) tier: Tier,
    pub(crate) is_retired: bool,
    pub(crate) takes_stop: bool,
    /// From when until when a price bounds its cost without a search; never, where that must be searched for.
    priced: (Timestamp, Timestamp),
}

impl Brief {
    /// What a card says.
    pub(crate) fn of(card: &ModelCard) -> Brief {
        Brief {
            capabilities: card.capabilities.iter().copied().collect(),
            context_window: card.context_window,
            max_output: card.max_output,
            tier: card.tier,
            is_retired: card.retired,
            takes_stop: card.accepts.stop,
            priced: card.prices.quick_span(),
        }
    }

    /// Whether a price bounds the cost of `card`, whose brief this is.
    pub(crate) fn is_priced(&self, card: &ModelCard, now: Timestamp) -> bool {
        self.is_surely_priced(now) || card.prices.is_bounded(now)
    }

    /// Whether a price bounds its cost, as far as that is known without a search.
    pub(crate) fn is_surely_priced(&self, now: Timestamp) -> bool {
        self.priced.0 <= now && now < self.priced.1
    }
}

/// A model with what decisions ask of it most, at hand.
#[derive(Clone, Debug)]
pub struct CardRow {
    card: Arc<ModelCard>,
    brief: Brief,
    offers: Range<u32>,
}

impl CardRow {
    /// The model.
    pub fn card(&self) -> &Arc<ModelCard> {
        &self.card
    }

    /// What it can do.
    pub fn capabilities(&self) -> CapabilitySet {
        self.brief.capabilities
    }

    pub(crate) fn brief(&self) -> &Brief {
        &self.brief
    }

    /// Which offers are of this model.
    pub fn offers(&self) -> Range<usize> {
        self.offers.start as usize..self.offers.end as usize
    }
}

/// Models and endpoints, sorted by id, and their offers, sorted by model and then endpoint.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    rows: Vec<CardRow>,
    /// What most calls to each row's model cost, side by side.
    prices: Vec<Option<QuickPrice>>,
    endpoints: Vec<Arc<Endpoint>>,
    offers: Vec<Offer>,
    names: BTreeMap<String, u32>,
}

impl Offers {
    /// Indexes models and endpoints. Of two with one id, the first counts.
    pub fn new(
        cards: impl IntoIterator<Item = Arc<ModelCard>>,
        endpoints: impl IntoIterator<Item = Arc<Endpoint>>,
    ) -> Offers {
        let mut endpoints: Vec<Arc<Endpoint>> = endpoints.into_iter().collect();
        sort_by(&mut endpoints, |a, b| a.id.cmp(&b.id));
        endpoints.dedup_by(|a, b| a.id == b.id);
        let mut cards: Vec<Arc<ModelCard>> = cards.into_iter().collect();
        sort_by(&mut cards, |a, b| a.id.cmp(&b.id));
        cards.dedup_by(|a, b| a.id == b.id);
        let mut all = Offers { endpoints, ..Offers::default() };
        for card in cards {
            all.push(card);
        }
        all.name_aliases();
        all
    }

    fn push(&mut self, card: Arc<ModelCard>) {
        let row = self.rows.len() as u32;
        let start = self.offers.len() as u32;
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            let listed = card.endpoints.is_empty() || card.endpoints.contains(&endpoint.id);
            if endpoint.vendor == card.vendor && listed {
                self.offers.push(Offer { row, endpoint: at as u32 });
            }
        }
        let brief = Brief::of(&card);
        let offers = start..self.offers.len() as u32;
        self.names.insert(card.id.as_str().to_owned(), row);
        self.prices.push(card.prices.quick());
        self.rows.push(CardRow { card, brief, offers });
    }

    /// Ids win over aliases, and an alias that two models claim finds the first by id.
    fn name_aliases(&mut self) {
        for (row, entry) in self.rows.iter().enumerate() {
            for alias in &entry.card.aliases {
                let full = format!("{}/{alias}", entry.card.vendor);
                self.names.entry(alias.clone()).or_insert(row as u32);
                self.names.entry(full).or_insert(row as u32);
            }
        }
    }

    /// Every model, by id.
    pub fn rows(&self) -> &[CardRow] {
        &self.rows
    }

    /// What most calls to a row's model cost; `None` where that must be searched for.
    #[inline]
    pub(crate) fn quick_price(&self, row: u32) -> Option<&QuickPrice> {
        self.prices[row as usize].as_ref()
    }

    /// Every endpoint, by id.
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// Every model at every endpoint that serves it.
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// The model of an offer.
    pub fn row_of(&self, offer: Offer) -> &CardRow {
        &self.rows[offer.row as usize]
    }

    /// The endpoint of an offer.
    pub fn endpoint_of(&self, offer: Offer) -> &Arc<Endpoint> {
        &self.endpoints[offer.endpoint as usize]
    }

    /// The row that an id or an alias names.
    pub fn find(&self, name: &ModelId) -> Option<usize> {
        self.names.get(name.as_str()).map(|row| *row as usize)
    }

    /// Up to `most` ids that look like `name`, the likest first.
    pub fn like(&self, name: &ModelId, most: usize) -> Vec<ModelId> {
        let wanted = pairs(name.as_str());
        let likeness = |row: &CardRow| {
            let have = pairs(row.card.id.as_str());
            let shared = wanted.iter().filter(|pair| have.contains(pair)).count();
            2 * shared * 1_000 / (wanted.len() + have.len()).max(1)
        };
        let mut scored: Vec<(usize, &ModelId)> =
            self.rows.iter().map(|row| (likeness(row), &row.card.id)).filter(|(score, _)| *score >= 400).collect();
        sort_by(&mut scored, |a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        scored.into_iter().take(most).map(|(_, id)| id.clone()).collect()
    }
}

/// Neighbouring bytes of a text in lower case: texts that share many look alike.
fn pairs(text: &str) -> Vec<[u8; 2]> {
    let lower = text.to_ascii_lowercase();
    lower.as_bytes().windows(2).map(|pair| [pair[0], pair[1]]).collect()
}

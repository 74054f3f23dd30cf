//! Who may be asked: every admitted model with its rating, at every endpoint with its health.

use std::sync::Arc;

use crate::id::ModelId;
use crate::model::{Endpoint, ModelCard};
use crate::money::Usd;
use crate::policy::{Needs, Screening, max_tokens_of};
use crate::request::ModelChoice;
use crate::score::Rating;
use crate::snapshot::{Offer, Offers, Queue, Snapshot};
use crate::time::{Span, Timestamp};

use super::{Settings, cost};

/// The same with a chance within 0 and 1, whatever the rating said, and no more output than the terms allow.
pub(super) fn within(rating: Rating, max_tokens: u64) -> Rating {
    let p_good = if rating.p_good.is_nan() { 0.0 } else { rating.p_good.clamp(0.0, 1.0) };
    Rating { p_good, output_tokens: rating.output_tokens.clamp(1, max_tokens) }
}

/// An admitted model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entrant {
    /// Its row among the offers.
    pub(super) row: u32,
    /// How likely its answer is good enough.
    pub(super) p_good: f64,
    /// Expected tokens of an answer, within its terms.
    pub(super) output: u64,
    /// Expected cost without a cache; known from the start where the aim needs it.
    pub(super) cost: Option<Usd>,
}

/// An admitted model at an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Which entrant.
    pub(super) entrant: u32,
    /// The offer's position.
    pub(super) offer: u32,
    /// The endpoint's position.
    pub(super) endpoint: u32,
    /// The cost here, where this conversation's cache makes it another.
    pub(super) pinned_cost: Option<Usd>,
}

/// An endpoint of which nothing is known.
static IDLE: State = State { ready_at: Timestamp::EPOCH, load: 0, latency: None, queue: Queue::NONE };

/// What matters of an endpoint's health.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) ready_at: Timestamp,
    pub(super) load: u64,
    pub(super) latency: Option<Span>,
    pub(super) queue: Queue,
}

impl State {
    /// What an answer is known to take, in milliseconds: the calls before it, and what calls took so far.
    pub(super) fn known_ms(&self) -> u64 {
        self.latency.unwrap_or_default().ms().saturating_add(self.queue.wait.ms())
    }
}

/// Everyone who may be asked.
#[derive(Debug, Default)]
pub(super) struct Field {
    /// By row.
    pub(super) entrants: Vec<Entrant>,
    /// By offer.
    pub(super) places: Vec<Place>,
    /// The health of every endpoint; empty where all are well and idle.
    states: Vec<State>,
    /// The best chance among the entrants.
    pub(super) best: f64,
    pub(super) now: Timestamp,
}

/// Gathers the field. Costs are computed for those that may be chosen for theirs.
pub(super) fn gather(
    screening: &Screening,
    snapshot: &Snapshot,
    needs: &Needs,
    settings: &Settings,
    rate: &impl Fn(usize, &ModelCard) -> Rating,
) -> Field {
    let offers = screening.offers();
    let listed = listed(screening, settings);
    let mut field = Field {
        entrants: Vec::with_capacity(screening.admitted().len()),
        places: Vec::with_capacity(screening.admitted().len()),
        states: states(offers, snapshot),
        best: 0.0,
        now: snapshot.now(),
    };
    for offer in screening.admitted() {
        let Offer { row, endpoint } = offers.offers()[offer];
        if listed.as_ref().is_some_and(|listed| !listed.contains(&(row as usize))) {
            continue;
        }
        // Offers come by model.
        if field.entrants.last().is_none_or(|last| last.row != row) {
            field.enter(row, offers, needs, rate);
        }
        let entrant = field.entrants.len() as u32 - 1;
        field.places.push(Place { entrant, offer: offer as u32, endpoint, pinned_cost: None });
    }
    price(&mut field, offers, snapshot, needs, settings);
    field
}

/// Fills in costs: of all where the aim weighs them, else of those that are good enough; and what the conversation's
/// cache saves.
fn price(field: &mut Field, offers: &Offers, snapshot: &Snapshot, needs: &Needs, settings: &Settings) {
    let by_quality = settings.worth.is_none() && settings.spend_max.is_none();
    let bar = if by_quality { field.bar(settings) } else { 0.0 };
    for entrant in field.entrants.iter_mut().filter(|entrant| entrant.p_good >= bar) {
        entrant.cost = Some(cost::of_row(offers, entrant.row, needs, entrant.output, snapshot.now()));
    }
    let Some(pin) = snapshot.pin() else { return };
    let Some(row) = offers.find(&pin.model) else { return };
    for place in &mut field.places {
        let entrant = &field.entrants[place.entrant as usize];
        if entrant.row as usize == row && offers.endpoints()[place.endpoint as usize].id == pin.endpoint {
            let card = offers.rows()[row].card();
            let cached = pin.cached_tokens;
            place.pinned_cost = Some(cost::expected(card, needs, cached, entrant.output, snapshot.now()));
        }
    }
}

impl Field {
    /// Adds a model, at no place yet.
    fn enter(&mut self, row: u32, offers: &Offers, needs: &Needs, rate: &impl Fn(usize, &ModelCard) -> Rating) {
        let at = &offers.rows()[row as usize];
        let most = max_tokens_of(at.brief().context_window, at.brief().max_output, needs);
        let Rating { p_good, output_tokens: output } = within(rate(row as usize, at.card()), most);
        self.best = self.best.max(p_good);
        self.entrants.push(Entrant { row, p_good, output, cost: None });
    }

    /// The health of a place's endpoint.
    #[inline]
    pub(super) fn state(&self, place: &Place) -> &State {
        self.states.get(place.endpoint as usize).unwrap_or(&IDLE)
    }

    /// The chance of a good answer that the quality aim asks for.
    pub(super) fn bar(&self, settings: &Settings) -> f64 {
        // A rating is a float from a table: the last bits are noise, and 0.95 of 1 must let 0.95 in.
        settings.quality * self.best - 1e-9
    }
}

/// The rows that `settings.models` names; `None` where all may be chosen.
fn listed(screening: &Screening, settings: &Settings) -> Option<Vec<usize>> {
    if settings.models.is_empty() || screening.request().model != ModelChoice::Auto {
        return None;
    }
    let row = |model: &ModelId| screening.offers().find(model);
    Some(settings.models.iter().filter_map(row).collect())
}

/// The health and the queue of every endpoint. All lists are sorted by id, so one walk over them is enough.
fn states(offers: &Offers, snapshot: &Snapshot) -> Vec<State> {
    if snapshot.health().is_empty() && snapshot.queues().is_empty() {
        return Vec::new();
    }
    let mut known = snapshot.health().iter().peekable();
    let mut queues = snapshot.queues().iter().peekable();
    let state = |endpoint: &Arc<Endpoint>| {
        while known.next_if(|(id, _)| **id < endpoint.id).is_some() {}
        while queues.next_if(|(id, _)| *id < endpoint.id).is_some() {}
        let queue = queues.next_if(|(id, _)| *id == endpoint.id).map_or(Queue::default(), |(_, queue)| *queue);
        match known.next_if(|(id, _)| **id == endpoint.id) {
            Some((_, health)) => {
                let load = health.load().saturating_add(queue.wait.ms());
                State { ready_at: health.ready_at(), load, latency: health.latency(), queue }
            }
            None => State { load: queue.wait.ms(), queue, ..IDLE },
        }
    };
    offers.endpoints().iter().map(state).collect()
}

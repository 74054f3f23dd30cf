//! In which order the field is asked: the best by the aim first, then who stands in for it.
//!
//! A stand-in is worth having where those before it failed, so one that would fail with them counts for less: at the
//! same endpoint, or at another one of the same vendor.

use crate::money::Usd;
use crate::snapshot::Offers;
use crate::time::Span;

use super::Settings;
use super::field::{Entrant, Field, Place};

/// How likely an answer comes from an endpoint at which an earlier candidate failed: most failures that last beyond the
/// retries are the whole endpoint's.
const COMES_SAME_ENDPOINT: f64 = 0.25;
/// The same for another endpoint of the vendor: outages of a region are common, those of a vendor rarer.
const COMES_SAME_VENDOR: f64 = 0.5;
/// A model takes a conversation over from another only where it saves more than a tenth: answers change their tone.
const SWITCH_MARGIN: i64 = 10;

/// How many classes `class` tells apart.
const CLASSES: usize = 8;

/// A place in the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) place: u32,
    pub(super) is_good_enough: bool,
}

/// What is compared, the greatest first: class, merit, then the lesser load. The position settles the rest.
#[derive(Clone, Copy)]
struct Rank {
    class: u8,
    merit: f64,
    load: u64,
}

impl Rank {
    fn beats(&self, other: &Rank) -> bool {
        let order = self.class.cmp(&other.class);
        order.then(self.merit.total_cmp(&other.merit)).then(other.load.cmp(&self.load)).is_gt()
    }
}

/// What one good answer is weighed by.
enum Goal {
    /// The least cost above a bar.
    Cost { bar: f64 },
    /// The most worth, in dollars, less the cost.
    Worth(f64),
    /// The best chance within a cost.
    Chance { spend_max: Usd },
}

/// A place with what does not change while others are taken.
#[derive(Clone, Copy)]
struct Seat {
    place: u32,
    class: u8,
    is_good_enough: bool,
    is_taken: bool,
    /// Its merit as the first choice, above which it never comes: whom it would fail with only lowers it.
    merit_most: f64,
}

/// Up to `1 + fallbacks_max` places, in order.
pub(super) fn order(field: &Field, offers: &Offers, settings: &Settings) -> Vec<Pick> {
    let goal = Goal::of(field, settings);
    let count = settings.fallbacks_max.saturating_add(1).min(field.places.len());
    let mut seats = seats(field, settings, &goal, count);
    let mut picks: Vec<Pick> = Vec::with_capacity(count);
    let mut comes = vec![1.0; offers.endpoints().len()];
    while picks.len() < count {
        let may_fall_below = settings.fallback_below_aim || picks.is_empty();
        let Some(seat) = best(field, &goal, &comes, &seats, picks.is_empty(), may_fall_below) else { break };
        let Seat { place, is_good_enough, .. } = seats[seat];
        seats[seat].is_taken = true;
        picks.push(Pick { place, is_good_enough });
        spoil(&mut comes, field.places[place as usize].endpoint as usize, offers);
    }
    picks
}

/// The places of the best classes, as many as can be taken: a class goes before all merit.
fn seats(field: &Field, settings: &Settings, goal: &Goal, count: usize) -> Vec<Seat> {
    let mut seats = Vec::with_capacity(field.places.len());
    let mut by_class = [0usize; CLASSES];
    for (at, place) in field.places.iter().enumerate() {
        let entrant = &field.entrants[place.entrant as usize];
        let is_good_enough = goal.is_met(entrant, place);
        let class = class(field, settings, place, is_good_enough);
        let merit_most = goal.merit(entrant, place, is_good_enough, 1.0, true);
        by_class[usize::from(class)] += 1;
        seats.push(Seat { place: at as u32, class, is_good_enough, is_taken: false, merit_most });
    }
    let mut least = CLASSES;
    let mut seen = 0;
    while least > 0 && seen < count {
        least -= 1;
        seen += by_class[least];
    }
    seats.retain(|seat| usize::from(seat.class) >= least);
    seats
}

/// The best seat that is not taken.
fn best(
    field: &Field,
    goal: &Goal,
    comes: &[f64],
    seats: &[Seat],
    is_first: bool,
    may_fall_below: bool,
) -> Option<usize> {
    let mut best: Option<(Rank, usize)> = None;
    for (at, seat) in seats.iter().enumerate() {
        let is_beaten = |(rank, _): &(Rank, usize)| {
            rank.class > seat.class || (rank.class == seat.class && rank.merit > seat.merit_most)
        };
        let is_out = seat.is_taken || (!seat.is_good_enough && !may_fall_below);
        if is_out || best.as_ref().is_some_and(is_beaten) {
            continue;
        }
        let place = &field.places[seat.place as usize];
        let entrant = &field.entrants[place.entrant as usize];
        let comes = comes[place.endpoint as usize];
        let rank = Rank {
            class: seat.class,
            merit: goal.merit(entrant, place, seat.is_good_enough, comes, is_first),
            load: place.state.load,
        };
        if best.as_ref().is_none_or(|(least, _)| rank.beats(least)) {
            best = Some((rank, at));
        }
    }
    best.map(|(_, seat)| seat)
}

/// Ready before resting, good enough before the rest, fast before slow.
fn class(field: &Field, settings: &Settings, place: &Place, is_good_enough: bool) -> u8 {
    let is_ready = place.state.ready_at <= field.now;
    let is_slow = |most: Span| place.state.latency.is_some_and(|latency| latency > most);
    let is_fast = !settings.latency_max.is_some_and(is_slow);
    4 * u8::from(is_ready) + 2 * u8::from(is_good_enough) + u8::from(is_fast)
}

/// Lowers what is expected of the endpoints that would fail with this one.
fn spoil(comes: &mut [f64], failed: usize, offers: &Offers) {
    let vendor = &offers.endpoints()[failed].vendor;
    for (at, endpoint) in offers.endpoints().iter().enumerate() {
        if at == failed {
            comes[at] = COMES_SAME_ENDPOINT;
        } else if endpoint.vendor == *vendor {
            comes[at] = comes[at].min(COMES_SAME_VENDOR);
        }
    }
}

impl Goal {
    fn of(field: &Field, settings: &Settings) -> Goal {
        match (settings.worth, settings.spend_max) {
            (Some(worth), _) => Goal::Worth(worth.to_f64_lossy()),
            (None, Some(spend_max)) => Goal::Chance { spend_max },
            (None, None) => Goal::Cost { bar: field.bar(settings) },
        }
    }

    fn is_met(&self, entrant: &Entrant, place: &Place) -> bool {
        match self {
            Goal::Cost { bar } => entrant.p_good >= *bar,
            Goal::Worth(_) => true,
            Goal::Chance { spend_max } => cost_at(entrant, place).is_some_and(|cost| cost <= *spend_max),
        }
    }

    /// How much a place is wanted, greatest first, where an answer comes from it with chance `comes`.
    fn merit(&self, entrant: &Entrant, place: &Place, is_good_enough: bool, comes: f64, is_first: bool) -> f64 {
        let Some(cost) = cost_at(entrant, place) else { return entrant.p_good * comes };
        let held = place.pinned_cost.is_some() && is_first;
        let margin = if held { cost.pico() / SWITCH_MARGIN } else { 0 };
        let dollars = Usd::from_pico(cost.pico() - margin).to_f64_lossy();
        match self {
            Goal::Cost { .. } if is_good_enough => -dollars / comes,
            Goal::Cost { .. } => entrant.p_good * comes,
            Goal::Worth(worth) => {
                let gain = entrant.p_good * worth - dollars;
                if gain > 0.0 { gain * comes } else { gain / comes }
            }
            Goal::Chance { .. } if is_good_enough => entrant.p_good * comes,
            Goal::Chance { .. } => -dollars / comes,
        }
    }
}

/// The cost of an answer here; `None` where the aim does not weigh it.
fn cost_at(entrant: &Entrant, place: &Place) -> Option<Usd> {
    place.pinned_cost.or(entrant.cost)
}

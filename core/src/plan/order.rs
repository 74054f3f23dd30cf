//! In which order the field is asked: the best by the aim first, then who stands in for it.
//!
//! A stand-in is worth having where those before it failed, so one that would fail with them counts for less: at the
//! same endpoint, or at another one of the same vendor.

use std::cmp::Ordering;

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

/// A place in the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) place: u32,
    pub(super) is_good_enough: bool,
}

/// What is compared, the greatest first: class, merit, then the lesser load, then the earlier place.
#[derive(Clone, Copy)]
struct Rank {
    class: u8,
    merit: f64,
    load: u64,
    place: u32,
}

impl Rank {
    fn beats(&self, other: &Rank) -> bool {
        let order = self.class.cmp(&other.class);
        let order = order.then(self.merit.total_cmp(&other.merit)).then(other.load.cmp(&self.load));
        order.then(other.place.cmp(&self.place)).is_gt()
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
    /// Its merit as the first choice, above which it never comes: whom it would fail with only lowers it.
    merit_most: f64,
}

/// The greatest may be the best: by class, then by the most that its merit can be, then by position.
impl Ord for Seat {
    fn cmp(&self, other: &Seat) -> Ordering {
        let order = self.class.cmp(&other.class).then(self.merit_most.total_cmp(&other.merit_most));
        order.then(other.place.cmp(&self.place))
    }
}

impl PartialOrd for Seat {
    fn partial_cmp(&self, other: &Seat) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Seat {
    fn eq(&self, other: &Seat) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Seat {}

/// Up to `1 + fallbacks_max` places, in order.
pub(super) fn order(field: &Field, offers: &Offers, settings: &Settings) -> Vec<Pick> {
    let goal = Goal::of(field, settings);
    let count = settings.fallbacks_max.saturating_add(1).min(field.places.len());
    let mut table = Table { field, goal: &goal, waiting: seats(field, settings, &goal), seen: Vec::new() };
    let mut picks: Vec<Pick> = Vec::with_capacity(count);
    let mut comes = vec![1.0; offers.endpoints().len()];
    while picks.len() < count {
        let may_fall_below = settings.fallback_below_aim || picks.is_empty();
        let Some(seat) = table.take_best(&comes, picks.is_empty(), may_fall_below) else { break };
        let Seat { place, is_good_enough, .. } = seat;
        picks.push(Pick { place, is_good_enough });
        spoil(&mut comes, field.places[place as usize].endpoint as usize, offers);
    }
    picks
}

/// Every place, so that the next that may be the best is found without looking at the others.
fn seats(field: &Field, settings: &Settings, goal: &Goal) -> Queue {
    let seat = |(at, place): (usize, &Place)| {
        let entrant = &field.entrants[place.entrant as usize];
        let is_good_enough = goal.is_met(entrant, place);
        Seat {
            place: at as u32,
            class: class(field, settings, place, is_good_enough),
            is_good_enough,
            merit_most: goal.merit(entrant, place, is_good_enough, 1.0, true),
        }
    };
    Queue::new(field.places.iter().enumerate().map(seat).collect())
}

/// Most seats that are put in order at once: more than nearly every plan looks at.
const FRONT_MAX: usize = 12;

/// Seats to be had from the greatest down. Only the first few are in order, since it seldom comes to the others.
struct Queue {
    seats: Vec<Seat>,
    /// The next ones, the greatest last.
    front: Vec<Seat>,
    /// Whether `front` holds all that are left.
    is_whole: bool,
}

impl Queue {
    fn new(seats: Vec<Seat>) -> Queue {
        let mut front: Vec<Seat> = Vec::with_capacity(FRONT_MAX + 1);
        for seat in &seats {
            if front.len() == FRONT_MAX && *seat < front[0] {
                continue;
            }
            let at = front.partition_point(|other| other < seat);
            front.insert(at, *seat);
            if front.len() > FRONT_MAX {
                front.remove(0);
            }
        }
        let is_whole = front.len() == seats.len();
        Queue { seats, front, is_whole }
    }

    fn peek(&mut self) -> Option<&Seat> {
        if self.front.is_empty() && !self.is_whole {
            self.seats.sort_unstable();
            self.seats.truncate(self.seats.len() - FRONT_MAX);
            self.front = std::mem::take(&mut self.seats);
            self.is_whole = true;
        }
        self.front.last()
    }

    fn pop(&mut self) -> Option<Seat> {
        self.peek()?;
        self.front.pop()
    }
}

/// Who is left to be taken.
struct Table<'a> {
    field: &'a Field,
    goal: &'a Goal,
    /// Not looked at yet.
    waiting: Queue,
    /// Looked at and not taken so far: few, since a look ends where nobody who waits can be better.
    seen: Vec<Seat>,
}

impl Table<'_> {
    /// Takes the best seat that is left.
    fn take_best(&mut self, comes: &[f64], is_first: bool, may_fall_below: bool) -> Option<Seat> {
        let mut best: Option<(Rank, usize)> = None;
        let mut at = 0;
        loop {
            if at == self.seen.len() {
                let may_beat = |next: &Seat| {
                    best.as_ref().is_none_or(|(rank, _)| (next.class, next.merit_most) >= (rank.class, rank.merit))
                };
                match self.waiting.peek().is_some_and(may_beat) {
                    true => self.seen.extend(self.waiting.pop()),
                    false => break,
                }
            }
            let seat = &self.seen[at];
            if seat.is_good_enough || may_fall_below {
                let rank = self.rank(seat, comes, is_first);
                if best.as_ref().is_none_or(|(least, _)| rank.beats(least)) {
                    best = Some((rank, at));
                }
            }
            at += 1;
        }
        best.map(|(_, at)| self.seen.swap_remove(at))
    }

    fn rank(&self, seat: &Seat, comes: &[f64], is_first: bool) -> Rank {
        let place = &self.field.places[seat.place as usize];
        let entrant = &self.field.entrants[place.entrant as usize];
        let comes = comes[place.endpoint as usize];
        let merit = self.goal.merit(entrant, place, seat.is_good_enough, comes, is_first);
        Rank { class: seat.class, merit, load: place.state.load, place: seat.place }
    }
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
        let pico = cost.pico() - margin;
        let dollars = || Usd::from_pico(pico).to_f64_lossy();
        match self {
            Goal::Cost { .. } if is_good_enough => -(pico as f64) / comes,
            Goal::Cost { .. } => entrant.p_good * comes,
            Goal::Worth(worth) => {
                let gain = entrant.p_good * worth - dollars();
                if gain > 0.0 { gain * comes } else { gain / comes }
            }
            Goal::Chance { .. } if is_good_enough => entrant.p_good * comes,
            Goal::Chance { .. } => -dollars() / comes,
        }
    }
}

/// The cost of an answer here; `None` where the aim does not weigh it.
fn cost_at(entrant: &Entrant, place: &Place) -> Option<Usd> {
    place.pinned_cost.or(entrant.cost)
}

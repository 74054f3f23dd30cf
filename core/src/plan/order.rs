//! In which order the field is asked: the best by the aim first, then who stands in for it.
//!
//! A stand-in is worth having where those before it failed, so one that would fail with them counts for less: at the
//! same endpoint, or at another one of the same vendor.

use crate::money::Usd;
use crate::snapshot::Offers;

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

/// A place with what does not change while others are taken, as one number, so that seats compare at once: the greatest
/// may be the best. From the top: its class, the merit that it has as the first choice, and its position, the earlier the
/// greater. Its merit never comes above that: whom it would fail with only lowers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seat(u128);

impl Seat {
    fn new(class: u8, merit_most: f64, place: u32) -> Seat {
        let bits = merit_most.to_bits();
        // In the order of `f64::total_cmp`: negative numbers turned about, below the others.
        let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
        Seat(u128::from(class) << 96 | u128::from(ordered) << 32 | u128::from(!place))
    }

    fn class(self) -> u8 {
        (self.0 >> 96) as u8
    }

    fn merit_most(self) -> f64 {
        let ordered = (self.0 >> 32) as u64;
        f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
    }

    fn place(self) -> u32 {
        !(self.0 as u32)
    }

    fn is_good_enough(self) -> bool {
        self.class() & GOOD_ENOUGH != 0
    }
}

/// Up to `1 + fallbacks_max` places, in order.
pub(super) fn order(field: &Field, offers: &Offers, settings: &Settings) -> Vec<Pick> {
    let goal = Goal::of(field, settings);
    if let [only] = &*field.places {
        let entrant = &field.entrants[only.entrant as usize];
        return vec![Pick { place: 0, is_good_enough: goal.is_met(entrant, only) }];
    }
    let count = settings.fallbacks_max.saturating_add(1).min(field.places.len());
    let mut table = Table { field, goal: &goal, waiting: seats(field, settings, &goal), seen: Vec::new() };
    let mut picks: Vec<Pick> = Vec::with_capacity(count);
    let mut comes = vec![1.0; offers.endpoints().len()];
    while picks.len() < count {
        let may_fall_below = settings.fallback_below_aim || picks.is_empty();
        let Some(seat) = table.take_best(&comes, picks.is_empty(), may_fall_below) else { break };
        let (place, is_good_enough) = (seat.place(), seat.is_good_enough());
        picks.push(Pick { place, is_good_enough });
        spoil(&mut comes, field.places[place as usize].endpoint as usize, offers);
    }
    picks
}

/// Every place, so that the next that may be the best is found without looking at the others.
fn seats<'a>(field: &'a Field, settings: &'a Settings, goal: &'a Goal) -> Queue<impl Fn(usize) -> Seat + 'a> {
    let seat = move |at: usize| {
        let place = &field.places[at];
        let entrant = &field.entrants[place.entrant as usize];
        let is_good_enough = goal.is_met(entrant, place);
        let merit_most = goal.merit(entrant, place, is_good_enough, 1.0, true);
        Seat::new(class(field, settings, place, is_good_enough), merit_most, at as u32)
    };
    Queue::new(field.places.len(), seat)
}

/// Most seats that are put in order at once: more than nearly every plan looks at.
const FRONT_MAX: usize = 12;

/// Seats to be had from the greatest down. Only the first few are kept and in order, since it seldom comes to the others:
/// then all are made again.
struct Queue<F> {
    count: usize,
    seat: F,
    /// The next ones, the greatest last.
    front: Vec<Seat>,
    /// Whether `front` holds all that are left.
    is_whole: bool,
}

impl<F: Fn(usize) -> Seat> Queue<F> {
    fn new(count: usize, seat: F) -> Queue<F> {
        let mut front: Vec<Seat> = Vec::with_capacity(FRONT_MAX + 1);
        for seat in (0..count).map(&seat) {
            if front.len() == FRONT_MAX && seat < front[0] {
                continue;
            }
            // Few come this far.
            let at = front.partition_point(|other| *other < seat);
            front.insert(at, seat);
            if front.len() > FRONT_MAX {
                front.remove(0);
            }
        }
        let is_whole = front.len() == count;
        Queue { count, seat, front, is_whole }
    }

    fn peek(&mut self) -> Option<&Seat> {
        if self.front.is_empty() && !self.is_whole {
            self.front = (0..self.count).map(&self.seat).collect();
            self.front.sort_unstable();
            self.front.truncate(self.count - FRONT_MAX);
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
struct Table<'a, F> {
    field: &'a Field,
    goal: &'a Goal,
    /// Not looked at yet.
    waiting: Queue<F>,
    /// Looked at and not taken so far: few, since a look ends where nobody who waits can be better.
    seen: Vec<Seat>,
}

impl<F: Fn(usize) -> Seat> Table<'_, F> {
    /// Takes the best seat that is left.
    fn take_best(&mut self, comes: &[f64], is_first: bool, may_fall_below: bool) -> Option<Seat> {
        let mut best: Option<(Rank, usize)> = None;
        let mut at = 0;
        loop {
            if at == self.seen.len() {
                let may_beat = |next: &Seat| {
                    let next = (next.class(), next.merit_most());
                    best.as_ref().is_none_or(|(rank, _)| next >= (rank.class, rank.merit))
                };
                match self.waiting.peek().is_some_and(may_beat) {
                    true => self.seen.extend(self.waiting.pop()),
                    false => break,
                }
            }
            let seat = self.seen[at];
            if seat.is_good_enough() || may_fall_below {
                let rank = self.rank(seat, comes, is_first);
                if best.as_ref().is_none_or(|(least, _)| rank.beats(least)) {
                    best = Some((rank, at));
                }
            }
            at += 1;
        }
        best.map(|(_, at)| self.seen.swap_remove(at))
    }

    fn rank(&self, seat: Seat, comes: &[f64], is_first: bool) -> Rank {
        let place = &self.field.places[seat.place() as usize];
        let entrant = &self.field.entrants[place.entrant as usize];
        let comes = comes[place.endpoint as usize];
        let merit = self.goal.merit(entrant, place, seat.is_good_enough(), comes, is_first);
        Rank { class: seat.class(), merit, load: self.field.state(place).load, place: seat.place() }
    }
}

/// What of a class says that a place is good enough.
const GOOD_ENOUGH: u8 = 2;

/// Ready before resting, good enough before the rest, fast before slow.
fn class(field: &Field, settings: &Settings, place: &Place, is_good_enough: bool) -> u8 {
    let state = field.state(place);
    let is_ready = state.ready_at <= field.now;
    let is_fast = settings.latency_max.is_none_or(|most| state.known_ms() <= most.ms());
    4 * u8::from(is_ready) + GOOD_ENOUGH * u8::from(is_good_enough) + u8::from(is_fast)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_come_from_the_greatest_down_whatever_their_number() {
        let merits = [0.0, -0.0, 1.5, -1.5, 1e-300, -1e300, f64::INFINITY, f64::NEG_INFINITY, 7.0, -7.0];
        for count in [0, 1, FRONT_MAX - 1, FRONT_MAX, FRONT_MAX + 1, 500] {
            let known = |at: usize| ((at * 7 % 5) as u8, merits[at * 13 % merits.len()], at as u32);
            let mut want: Vec<_> = (0..count).map(known).collect();
            let seats: Vec<Seat> = want.iter().map(|(class, merit, at)| Seat::new(*class, *merit, *at)).collect();
            let mut queue = Queue::new(count, |at| seats[at]);
            want.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
            for (class, merit, at) in want {
                let seat = queue.pop().unwrap();
                assert_eq!((seat.class(), seat.merit_most().to_bits(), seat.place()), (class, merit.to_bits(), at));
            }
            assert!(queue.pop().is_none());
        }
    }
}

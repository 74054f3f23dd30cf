//! A cascade, learnt: ask cheap models in order, after each answer stop, go on, or ask the frontier.
//!
//! After each answer the gain of asking the frontier is predicted from the state (`lesson`). What going on is worth is
//! worked out backwards: the mean, over like cases, of the best of what could be done then, less its cost at a price for
//! quality. One price is one policy; a curve of policies comes from many prices.

use crate::learn::Averages;

use super::ground::{Ground, expected};
use super::lesson::{Grain, Lesson, Stage};
use super::rows::Rows;
use super::state::state;

/// A stage that must not be left early loses more than any answer is worth.
const NEVER: f64 = -1e9;

/// What came of a policy on some rows: by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    pub(super) quality: Vec<f64>,
    pub(super) cost: Vec<f64>,
    pub(super) frontier: Vec<bool>,
    /// How many cheap models were asked.
    pub(super) asked: Vec<usize>,
    /// Whose answer was delivered.
    pub(super) stood: Vec<usize>,
    /// What the frontier was expected to add to it.
    pub(super) gain: Vec<f64>,
}

impl Walk {
    /// Of so many rows, with nothing told of them yet.
    pub(super) fn of(count: usize) -> Walk {
        Walk {
            quality: vec![0.0; count],
            cost: vec![0.0; count],
            frontier: vec![false; count],
            asked: vec![0; count],
            stood: vec![0; count],
            gain: vec![0.0; count],
        }
    }

    /// Puts in what came of some of the rows.
    pub(super) fn put(&mut self, which: &[usize], of: &Walk) {
        for (from, row) in which.iter().enumerate() {
            self.quality[*row] = of.quality[from];
            self.cost[*row] = of.cost[from];
            self.frontier[*row] = of.frontier[from];
            self.asked[*row] = of.asked[from];
            self.stood[*row] = of.stood[from];
            self.gain[*row] = of.gain[from];
        }
    }
}

/// An order of cheap models, and what was learnt of it.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The models that it asks, by position, before the frontier.
    pub order: Vec<usize>,
    trust: Vec<f64>,
    stages: Vec<Stage>,
    frontier_cost: (f64, f64),
}

/// A chain at one price for quality.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    price: f64,
    pace: Pace,
    going_on: Vec<Option<Averages>>,
}

/// When a chain may stop or ask the frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// After any answer.
    Eager,
    /// After the last: the cheap models may be asked side by side.
    Patient,
}

impl Pace {
    /// Whether it must go on after `count` of `all` answers.
    fn must_go_on(self, count: usize, all: usize) -> bool {
        self == Pace::Patient && count < all
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Act {
    Stop,
    GoOn,
    Frontier,
}

impl Chain {
    /// Learns an order of models from rows, and for each pace a policy for each price.
    pub(super) fn learn(
        rows: &Rows,
        ground: &Ground,
        order: &[usize],
        paces: &[Pace],
        prices: &[f64],
        grain: Grain,
    ) -> (Chain, Vec<Vec<Policy>>) {
        let lessons: Vec<Lesson> =
            (0..=order.len()).map(|count| Lesson::learn(rows, ground, &order[..count], grain)).collect();
        let of_pace =
            |pace: &Pace| prices.iter().map(|price| policy(rows, ground, order, &lessons, *price, *pace)).collect();
        let policies = paces.iter().map(of_pace).collect();
        let chain = Chain {
            order: order.to_vec(),
            trust: ground.trust.clone(),
            stages: lessons.into_iter().map(|lesson| lesson.stage).collect(),
            frontier_cost: ground.frontier_cost,
        };
        (chain, policies)
    }

    /// What comes of policies of this chain on other rows.
    pub(super) fn walks(&self, rows: &Rows, policies: &[Policy]) -> Vec<Walk> {
        let mut walks = vec![Walk::default(); policies.len()];
        for at in 0..rows.len() {
            let way = self.way(rows, at);
            for (walk, policy) in walks.iter_mut().zip(policies) {
                self.step(rows, at, policy, &way, walk);
            }
        }
        walks
    }

    /// What is known of a row after each answer.
    fn way(&self, rows: &Rows, at: usize) -> Vec<Known> {
        let known = |(count, stage): (usize, &Stage)| {
            let (values, pick) = state(&rows.seen[at], &self.order[..count], &self.trust);
            let place = stage.place(&values);
            Known { gain: stage.gain(&place, &values), pick, place }
        };
        self.stages.iter().enumerate().map(known).collect()
    }

    /// Takes a policy's way through a row.
    fn step(&self, rows: &Rows, at: usize, policy: &Policy, way: &[Known], walk: &mut Walk) {
        let frontier = rows.frontier();
        let (mut spent, mut asked, mut stood, mut gain) = (0.0, 0, frontier, 0.0);
        let ask = -policy.price * expected(self.frontier_cost, rows.prompts[at]);
        for (count, known) in way.iter().enumerate() {
            let stop = known.gain.map_or(NEVER, |gain| -gain);
            let go_on = policy.going_on[count].as_ref().map_or(NEVER, |worth| worth.at(&known.place));
            let must_go_on = policy.pace.must_go_on(count, self.order.len());
            match if must_go_on { Act::GoOn } else { choose(stop, go_on, ask).0 } {
                Act::Stop => {
                    stood = known.pick.unwrap_or(frontier);
                    gain = -stop;
                    break;
                }
                Act::Frontier => break,
                Act::GoOn => {
                    spent += rows.costs[at][self.order[count]];
                    asked += 1;
                }
            }
        }
        walk.quality.push(rows.labels[at][stood]);
        walk.cost.push(if stood == frontier { spent + rows.costs[at][stood] } else { spent });
        walk.frontier.push(stood == frontier);
        walk.asked.push(asked);
        walk.stood.push(stood);
        walk.gain.push(gain);
    }
}

/// A row after some answers.
struct Known {
    gain: Option<f64>,
    pick: Option<usize>,
    place: Vec<u32>,
}

fn choose(stop: f64, go_on: f64, frontier: f64) -> (Act, f64) {
    if stop >= go_on && stop >= frontier {
        (Act::Stop, stop)
    } else if go_on >= frontier {
        (Act::GoOn, go_on)
    } else {
        (Act::Frontier, frontier)
    }
}

/// Works out, from the last stage backwards, what going on is worth at a price for quality.
fn policy(rows: &Rows, ground: &Ground, order: &[usize], lessons: &[Lesson], price: f64, pace: Pace) -> Policy {
    let ask: Vec<f64> = rows.prompts.iter().map(|prompt| -price * ground.dear(*prompt)).collect();
    let mut going_on = vec![None; lessons.len()];
    let mut worth: Vec<f64> = Vec::new();
    for (stage, lesson) in lessons.iter().enumerate().rev() {
        let on = match order.get(stage) {
            None => vec![NEVER; rows.len()],
            Some(next) => {
                let after: Vec<f64> =
                    worth.iter().zip(&rows.costs).map(|(worth, costs)| worth - price * costs[*next]).collect();
                let (on, averages) = lesson.average(&after);
                going_on[stage] = Some(averages);
                on
            }
        };
        let choice = |at: usize| match pace.must_go_on(stage, order.len()) {
            true => on[at],
            false => choose(if stage == 0 { NEVER } else { -lesson.gain[at] }, on[at], ask[at]).1,
        };
        worth = (0..rows.len()).map(choice).collect();
    }
    Policy { price, pace, going_on }
}

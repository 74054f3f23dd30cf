//! What the policies of a chain come to on rows that nothing in them was learnt from.
//!
//! The rows are cut into parts. For each part everything is learnt anew from the other parts, hindsight included, and the
//! policies walk that part. So each row is judged by policies that know nothing of it, and a threshold set on these walks
//! is not set on luck that was learnt by heart.

use crate::learn::Seeded;

use super::chain::{Chain, Pace, Walk};
use super::ground::Ground;
use super::judge::Walked;
use super::lesson::Grain;
use super::rows::Rows;

/// Parts that the rows are cut into.
const PARTS: usize = 8;

/// Rows to learn on, and those outside them to walk.
struct Part {
    outside: Vec<usize>,
    inside_rows: Rows,
    ground: Ground,
    outside_rows: Rows,
}

/// Rows, cut once for all chains.
pub(super) struct Crossed<'a> {
    rows: &'a Rows,
    ground: Ground,
    parts: Vec<Part>,
    grain: Grain,
}

/// A chain learnt on all rows, and by pace its policies with their walks.
pub(super) struct Found {
    pub(super) chain: Chain,
    pub(super) by_pace: Vec<Walked>,
}

impl<'a> Crossed<'a> {
    pub(super) fn cut(rows: &'a Rows, grain: Grain) -> Crossed<'a> {
        let mut part_of: Vec<usize> = (0..rows.len()).map(|at| at % PARTS).collect();
        Seeded::new(grain.seed.wrapping_add(77)).shuffle(&mut part_of);
        let part = |part: usize| {
            let (outside, inside): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|row| part_of[*row] == part);
            let inside_rows = rows.only(&inside);
            let outside_rows = rows.only(&outside);
            Part { ground: Ground::of(&inside_rows), inside_rows, outside_rows, outside }
        };
        Crossed { rows, ground: Ground::of(rows), parts: (0..PARTS).map(part).collect(), grain }
    }

    /// Learns an order of models, and walks its policies at every row by models that know nothing of it.
    pub(super) fn learn(&self, order: &[usize], paces: &[Pace], prices: &[f64]) -> Found {
        let mut walks = vec![vec![Walk::of(self.rows.len()); prices.len()]; paces.len()];
        for part in &self.parts {
            let (chain, by_pace) = Chain::learn(&part.inside_rows, &part.ground, order, paces, prices, self.grain);
            for (walks, policies) in walks.iter_mut().zip(&by_pace) {
                let outside = chain.walks(&part.outside_rows, policies);
                walks.iter_mut().zip(&outside).for_each(|(walk, outside)| walk.put(&part.outside, outside));
            }
        }
        let (chain, by_pace) = Chain::learn(self.rows, &self.ground, order, paces, prices, self.grain);
        let beside = by_pace.into_iter().zip(walks);
        let by_pace = beside.map(|(policies, walks)| policies.into_iter().zip(walks).collect()).collect();
        Found { chain, by_pace }
    }
}

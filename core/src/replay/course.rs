//! What a policy does at each row that is judged: a cascade at the rows that are like those it was learnt from, a mixture
//! of two models at the others.

use super::chain::Walk;
use super::fixed::{Mixture, Sums};
use super::rows::Rows;

/// A policy's way through the rows, walked once.
pub(super) struct Course<'a> {
    /// The chain's order and its walk; none where the mixture is all there is.
    cascade: Option<(&'a [usize], Walk)>,
    unlike: &'a [bool],
    mixture: Mixture,
}

/// Of some rows: how many each model was asked, and how many its answer was delivered at.
pub(super) struct Shares {
    pub(super) asked: Vec<f64>,
    pub(super) answered: Vec<f64>,
}

impl<'a> Course<'a> {
    /// A mixture for all rows.
    pub(super) fn fixed(mixture: Mixture) -> Course<'a> {
        Course { cascade: None, unlike: &[], mixture }
    }

    /// A cascade, and a mixture for the rows that are unlike what it was learnt from.
    pub(super) fn cascade((order, walk): (&'a [usize], Walk), unlike: &'a [bool], mixture: Mixture) -> Course<'a> {
        Course { cascade: Some((order, walk)), unlike, mixture }
    }

    /// The cascade's order and walk, where it decides at this row.
    fn at(&self, row: usize) -> Option<(&[usize], &Walk)> {
        let (order, walk) = self.cascade.as_ref()?;
        (!self.unlike[row]).then_some((order, walk))
    }

    /// Both models of the mixture and their shares.
    fn mixed(&self) -> [(usize, f64); 2] {
        [(self.mixture.one, 1.0 - self.mixture.share), (self.mixture.two, self.mixture.share)]
    }

    /// What comes of it at some rows.
    pub(super) fn sums(&self, rows: &Rows, which: impl IntoIterator<Item = usize>) -> Sums {
        let mut sums = Sums { quality: 0.0, cost: 0.0, frontier: 0.0 };
        for row in which {
            if let Some((_, walk)) = self.at(row) {
                sums.quality += walk.quality[row];
                sums.cost += walk.cost[row];
                sums.frontier += f64::from(u8::from(walk.frontier[row]));
                continue;
            }
            for (model, share) in self.mixed() {
                sums.quality += share * rows.labels[row][model];
                sums.cost += share * rows.costs[row][model];
                sums.frontier += if model == rows.frontier() { share } else { 0.0 };
            }
        }
        sums
    }

    /// Whom it asked and whose answers it delivered at all rows.
    pub(super) fn shares(&self, rows: &Rows) -> Shares {
        let models = rows.frontier() + 1;
        let mut shares = Shares { asked: vec![0.0; models], answered: vec![0.0; models] };
        for row in 0..rows.len() {
            let Some((order, walk)) = self.at(row) else {
                for (model, share) in self.mixed() {
                    shares.asked[model] += share;
                    shares.answered[model] += share;
                }
                continue;
            };
            order[..walk.asked[row]].iter().for_each(|model| shares.asked[*model] += 1.0);
            shares.asked[models - 1] += f64::from(u8::from(walk.frontier[row]));
            shares.answered[walk.stood[row]] += 1.0;
        }
        shares
    }
}

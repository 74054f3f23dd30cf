//! By how much a policy does better or worse than the fixed choices at the same cost: one model for all, or a coin between
//! two that stand next to each other on the training rows.

use crate::score::Scorer;

use super::bill::Prices;
use super::fixed::{self, Sums};
use super::guard;
use super::judge::Learnt;
use super::record::Field;
use super::rows::Rows;

/// A policy beside the fixed choices at its cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// The share of the frontier's quality that it aimed at.
    pub target_quality: f64,
    /// Its quality against always asking the frontier.
    pub quality: f64,
    /// What it does not spend, as a share of what always asking the frontier costs.
    pub saving: f64,
    /// The quality of the fixed choice that costs as much.
    pub fixed_quality: f64,
}

/// Judges what was learnt on other rows, at each target, beside what the training rows' best fixed choices come to there
/// at the same cost.
pub fn margins(learnt: &Learnt, test: &Field, prices: &Prices, scorer: &Scorer) -> Vec<Margin> {
    let rows = Rows::of(test, prices, scorer);
    if rows.len() == 0 {
        return Vec::new();
    }
    let unlike = learnt.novelty.as_ref().map(|novelty| guard::unlike(&rows, novelty)).unwrap_or_default();
    let singles = fixed::singles(&rows.labels, &rows.costs);
    let frontier = singles[rows.frontier()];
    let corners: Vec<Sums> = learnt.corners.iter().map(|model| singles[*model]).collect();
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 1.0 };
    let margin = |settled| {
        let (target, course) = learnt.aimed(settled, &rows, &unlike);
        let sums = course.sums(&rows, 0..rows.len());
        Margin {
            target_quality: target,
            quality: share(sums.quality, frontier.quality),
            saving: 1.0 - share(sums.cost, frontier.cost),
            fixed_quality: share(at_cost(&corners, sums.cost), frontier.quality),
        }
    };
    learnt.settled.iter().map(margin).collect()
}

/// The models of the mixtures that give most quality for their cost, from the cheapest model to the best.
pub(super) fn corners(singles: &[Sums]) -> Vec<usize> {
    let by_cost = |a: &usize, b: &usize| singles[*a].cost.total_cmp(&singles[*b].cost);
    let Some(mut at) = (0..singles.len()).min_by(by_cost) else { return Vec::new() };
    let mut corners = vec![at];
    loop {
        let slope =
            |to: usize| (singles[to].quality - singles[at].quality) / (singles[to].cost - singles[at].cost).max(1e-12);
        let better = (0..singles.len()).filter(|to| singles[*to].quality > singles[at].quality);
        let Some(next) = better.max_by(|a, b| slope(*a).total_cmp(&slope(*b))) else { return corners };
        corners.push(next);
        at = next;
    }
}

/// What a coin between two neighbours comes to at a cost; below the least and above the most cost, one model for all.
fn at_cost(corners: &[Sums], cost: f64) -> f64 {
    let between = corners.windows(2).filter(|two| two[0].cost <= cost && cost <= two[1].cost);
    let mixed = between.map(|two| {
        let share = (cost - two[0].cost) / (two[1].cost - two[0].cost).max(1e-12);
        two[0].mixed(share, two[1]).quality
    });
    let cheaper = corners.iter().filter(|one| one.cost <= cost).map(|one| one.quality);
    let least = corners.first().map_or(0.0, |one| one.quality);
    mixed
        .chain(cheaper)
        .fold(None, |best: Option<f64>, one| Some(best.map_or(one, |best| best.max(one))))
        .unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_leave_out_what_a_coin_beats() {
        let one = |quality, cost| Sums { quality, cost, frontier: 0.0 };
        let singles = [one(50.0, 1.0), one(55.0, 6.0), one(80.0, 5.0), one(40.0, 2.0), one(100.0, 20.0)];
        assert_eq!(corners(&singles), [0, 2, 4]);
        let kept: Vec<Sums> = corners(&singles).iter().map(|model| singles[*model]).collect();
        assert!((at_cost(&kept, 3.0) - 65.0).abs() < 1e-9);
        assert!((at_cost(&kept, 12.5) - 90.0).abs() < 1e-9);
        assert!((at_cost(&kept, 0.5) - 50.0).abs() < 1e-9 && (at_cost(&kept, 99.0) - 100.0).abs() < 1e-9);
    }
}

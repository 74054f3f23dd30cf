//! The choices that need no router: one model for all, a coin between two, and what an oracle would do.

/// What a model or a policy does on average: quality and cost, summed over the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sums {
    pub(super) quality: f64,
    pub(super) cost: f64,
    pub(super) frontier: f64,
}

impl Sums {
    /// Part of one and the rest of another.
    pub(super) fn mixed(self, share: f64, other: Sums) -> Sums {
        let mix = |one: f64, two: f64| one * (1.0 - share) + two * share;
        Sums {
            quality: mix(self.quality, other.quality),
            cost: mix(self.cost, other.cost),
            frontier: mix(self.frontier, other.frontier),
        }
    }
}

/// The sums of each model, the frontier last.
pub(super) fn singles(labels: &[Vec<f64>], costs: &[Vec<f64>]) -> Vec<Sums> {
    let count = labels.first().map_or(0, Vec::len);
    let sums = |model: usize| Sums {
        quality: labels.iter().map(|row| row[model]).sum(),
        cost: costs.iter().map(|row| row[model]).sum(),
        frontier: if model + 1 == count { labels.len() as f64 } else { 0.0 },
    };
    (0..count).map(sums).collect()
}

/// A coin between two models: the share of prompts that the second gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mixture {
    pub(super) one: usize,
    pub(super) two: usize,
    pub(super) share: f64,
}

impl Mixture {
    /// One model for all.
    pub(super) fn single(model: usize) -> Mixture {
        Mixture { one: model, two: model, share: 0.0 }
    }

    pub(super) fn sums(&self, singles: &[Sums]) -> Sums {
        singles[self.one].mixed(self.share, singles[self.two])
    }
}

/// The cheapest mixture of two whose quality is at least `quality`; the frontier alone where none is.
pub(super) fn best_mixture(singles: &[Sums], quality: f64) -> Mixture {
    let frontier = singles.len() - 1;
    let mut best = Mixture::single(frontier);
    let mut consider = |mixture: Mixture| {
        let sums = mixture.sums(singles);
        if sums.quality >= quality - 1e-9 && sums.cost < best.sums(singles).cost {
            best = mixture;
        }
    };
    for one in 0..singles.len() {
        consider(Mixture::single(one));
        for two in 0..singles.len() {
            let (low, high) = (singles[one].quality, singles[two].quality);
            if low < quality && high > quality {
                consider(Mixture { one, two, share: (quality - low) / (high - low) });
            }
        }
    }
    best
}

/// The cheapest model whose quality is at least `quality`; the frontier where none is.
pub(super) fn best_single(singles: &[Sums], quality: f64) -> Mixture {
    let good = (0..singles.len()).filter(|model| singles[*model].quality >= quality - 1e-9);
    let best = good.min_by(|a, b| singles[*a].cost.total_cmp(&singles[*b].cost));
    Mixture::single(best.unwrap_or(singles.len() - 1))
}

/// A coin between the cheapest model and the frontier, as a router that knows nothing would do it.
pub(super) fn coin(singles: &[Sums], quality: f64) -> Mixture {
    let two = singles.len() - 1;
    let one = (0..two).min_by(|a, b| singles[*a].cost.total_cmp(&singles[*b].cost)).unwrap_or(two);
    let (low, high) = (singles[one].quality, singles[two].quality);
    let share = if high > low { ((quality - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
    Mixture { one, two, share }
}

/// What it comes to to ask, for each prompt, the cheapest of the models that answer it best.
pub(super) fn oracle(labels: &[Vec<f64>], costs: &[Vec<f64>]) -> Sums {
    let mut sums = Sums { quality: 0.0, cost: 0.0, frontier: 0.0 };
    for (row, cost) in labels.iter().zip(costs) {
        let best = row.iter().fold(f64::NEG_INFINITY, |best, label| best.max(*label));
        let good = (0..row.len()).filter(|model| row[*model] >= best);
        // Where nobody answers well, the cheapest is as good as any.
        let chosen = good.min_by(|a, b| cost[*a].total_cmp(&cost[*b])).unwrap_or(0);
        sums.quality += row[chosen];
        sums.cost += cost[chosen];
        sums.frontier += f64::from(chosen + 1 == row.len());
    }
    sums
}

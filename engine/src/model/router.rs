//! Which experts a token goes to, and with which weights.
//!
//! Sources: DeepSeek-V2, arXiv 2405.04434, section 2.2 (softmax, groups by their best expert); DeepSeek-V3,
//! arXiv 2412.19437, section 2.1.2 (sigmoid, a bias for choosing only, groups by their two best).

use crate::backend::Routes;
use crate::config::{Experts, Groups, Score};

/// Chooses experts for each token.
///
/// - `logits`: `[tokens, count]`, what the router says
/// - `bias`: `[count]`, added to the scores for choosing, never to the weights
///
/// A token's experts come in descending order of weight; of equal ones the lower number comes first.
pub fn choose(experts: &Experts, logits: &[f32], bias: Option<&[f32]>) -> Routes {
    let tokens = logits.len() / experts.count;
    let mut routes = Routes { chosen: experts.chosen, ..Routes::default() };
    routes.experts.reserve(tokens * experts.chosen);
    routes.weights.reserve(tokens * experts.chosen);
    let mut scores = vec![0.0; experts.count];
    let mut wish = vec![0.0; experts.count];
    for logits in logits.chunks_exact(experts.count) {
        score(experts.score, logits, &mut scores);
        wish.copy_from_slice(&scores);
        if let Some(bias) = bias {
            wish.iter_mut().zip(bias).for_each(|(wish, bias)| *wish += bias);
        }
        keep_groups(experts.groups, &mut wish);
        let mut chosen: Vec<usize> = best(&wish, experts.chosen);
        chosen.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let sum: f32 = chosen.iter().map(|expert| scores[*expert]).sum::<f32>() + 1e-20;
        let divisor = if experts.normalise { sum } else { 1.0 };
        routes.experts.extend(chosen.iter().map(|expert| *expert as u32));
        routes.weights.extend(chosen.iter().map(|expert| scores[*expert] / divisor * experts.scale));
    }
    routes
}

/// The same routes, each token's experts in ascending order of their number: the order that sums are made in.
pub(super) fn ascending(routes: &Routes) -> Routes {
    let mut sorted = routes.clone();
    let tokens = sorted.experts.chunks_exact_mut(routes.chosen).zip(sorted.weights.chunks_exact_mut(routes.chosen));
    for (experts, weights) in tokens {
        let mut pairs: Vec<(u32, f32)> = experts.iter().copied().zip(weights.iter().copied()).collect();
        pairs.sort_by_key(|(expert, _)| *expert);
        for (at, (expert, weight)) in pairs.into_iter().enumerate() {
            (experts[at], weights[at]) = (expert, weight);
        }
    }
    sorted
}

fn score(kind: Score, logits: &[f32], scores: &mut [f32]) {
    match kind {
        Score::Sigmoid => scores.iter_mut().zip(logits).for_each(|(s, l)| *s = 1.0 / (1.0 + (-l).exp())),
        Score::Softmax => {
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            scores.iter_mut().zip(logits).for_each(|(s, l)| *s = (l - most).exp());
            let sum: f32 = scores.iter().sum();
            scores.iter_mut().for_each(|s| *s /= sum);
        }
    }
}

/// Makes experts outside the kept groups unwanted.
fn keep_groups(groups: Groups, wish: &mut [f32]) {
    let (count, kept, summed) = match groups {
        Groups::All => return,
        Groups::ByBest { count, kept } => (count, kept, 1),
        Groups::ByTwoBest { count, kept } => (count, kept, 2),
    };
    let size = wish.len() / count;
    let of_group = |group: &[f32]| best(group, summed).into_iter().map(|at| group[at]).sum::<f32>();
    let scores: Vec<f32> = wish.chunks_exact(size).map(of_group).collect();
    let kept = best(&scores, kept);
    for (group, wish) in wish.chunks_exact_mut(size).enumerate() {
        if !kept.contains(&group) {
            wish.fill(f32::NEG_INFINITY);
        }
    }
}

/// Where the `count` largest values are, the largest first; of equal ones the first.
fn best(values: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let descending = |a: &usize, b: &usize| values[*b].total_cmp(&values[*a]).then(a.cmp(b));
    if count < order.len() {
        order.select_nth_unstable_by(count, descending);
        order.truncate(count);
    }
    order.sort_by(descending);
    order
}

#[cfg(test)]
mod tests;

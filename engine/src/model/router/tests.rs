//! Choosing, against cases worked out by hand.

use super::*;

fn experts(score: Score, groups: Groups, chosen: usize, normalise: bool, scale: f32) -> Experts {
    Experts { count: 8, chosen, width: 1, shared: 0, score, groups, normalise, scale }
}

#[test]
fn the_bias_chooses_and_does_not_weigh() {
    let shape = experts(Score::Sigmoid, Groups::All, 2, false, 1.0);
    let bias = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0];
    let routes = choose(&shape, &[3.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, -4.0], Some(&bias));
    assert_eq!(routes.experts, [0, 7]);
    assert!((routes.weights[1] - 1.0 / (1.0 + 4f32.exp())).abs() < 1e-7);
}

#[test]
fn groups_are_kept_by_their_best_or_by_their_two_best() {
    let logits = [4.0, -9.0, 2.0, 2.0, 1.5, 1.5, 0.0, 0.0];
    let best = experts(Score::Softmax, Groups::ByBest { count: 4, kept: 1 }, 2, false, 1.0);
    assert_eq!(choose(&best, &logits, None).experts, [0, 1]);
    let two = experts(Score::Sigmoid, Groups::ByTwoBest { count: 4, kept: 1 }, 2, false, 1.0);
    assert_eq!(choose(&two, &logits, None).experts, [2, 3]);
}

#[test]
fn a_negative_wish_in_a_kept_group_still_beats_other_groups() {
    let shape = experts(Score::Sigmoid, Groups::ByTwoBest { count: 2, kept: 1 }, 4, true, 1.0);
    let bias = [-3.0, -3.0, -3.0, -3.0, -9.0, -9.0, -9.0, -9.0];
    let mut chosen = choose(&shape, &[0.0; 8], Some(&bias)).experts;
    chosen.sort_unstable();
    assert_eq!(chosen, [0, 1, 2, 3]);
}

#[test]
fn weights_are_normalised_before_they_are_scaled() {
    let shape = experts(Score::Softmax, Groups::All, 3, true, 2.5);
    let routes = choose(&shape, &[1.0, 3.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0], None);
    assert_eq!(routes.experts, [1, 2, 0]);
    assert!((routes.weights.iter().sum::<f32>() - 2.5).abs() < 1e-6);
    assert_eq!(ascending(&routes).experts, [0, 1, 2]);
    assert_eq!(ascending(&routes).weights[0], routes.weights[2]);
}

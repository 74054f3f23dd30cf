//! Whether newer kernels compute on this card what the older ones do: a small layer of experts by both, and attention of a short
//! prompt by both, compared.
//!
//! Shapes are ragged on purpose: experts with two tiles, one that is not full, and none; columns that fill no stage; rows that
//! fill no block. About a millisecond on a GPU.

use std::sync::Arc;

use super::device::Device;
use super::prompt_trial::{Heads, PromptTrial};
use super::trial::{Size, Trial};
use super::weights::Kind;

const TOKENS: usize = 150;
const SIZE: Size = Size { experts: 5, chosen: 2, hidden: 320, width: 192 };

/// Largest relative distance of two results, by the root of their squares' sums. Both round activations to bf16 and sum up in `f32` in
/// other orders; what lies between gate and down may then round to the next bf16 number, one in some hundreds: under 1e-4.
const DISTANCE_MAX: f64 = 1e-3;

/// # Errors
/// What differs, or what the device said.
pub(super) fn check(device: &Arc<dyn Device>) -> Result<(), String> {
    // 150 pairs for the first expert, then 64, 65 and 21; none for the last.
    let second = |token: usize| 1 + u32::from(token >= 64) + u32::from(token >= 129);
    let routes: Vec<u32> = (0..TOKENS).flat_map(|token| [0, second(token)]).collect();
    for kind in [Kind::Bf16, Kind::F8] {
        let both = Trial::new(device, kind, SIZE, &routes)
            .and_then(|trial| Ok((trial.outcome(Trial::older)?, trial.outcome(Trial::newer)?)));
        let (old, new) = both.map_err(|error| format!("{} weights: {error}", kind.name()))?;
        let distance = distance(&old, &new);
        if distance.is_nan() || distance > DISTANCE_MAX {
            return Err(format!("{} weights: results are {distance:.1e} apart", kind.name()));
        }
    }
    Ok(())
}

/// Positions before the prompt, its tokens, and its heads: each size that kernels are compiled for, one that fills none, heads that
/// share keys, and a window.
const PROMPTS: [(usize, usize, Heads); 5] = [
    (37, 150, Heads::Latent { heads: 3, nope: 128, rotary: 64, value: 128 }),
    (0, 65, Heads::Latent { heads: 2, nope: 48, rotary: 16, value: 80 }),
    (100, 90, Heads::Grouped { heads: 8, share: 4, head: 128, window: 0 }),
    (64, 64, Heads::Grouped { heads: 4, share: 2, head: 64, window: 50 }),
    (3, 130, Heads::Grouped { heads: 3, share: 1, head: 24, window: 0 }),
];

/// Largest relative distance of two results. Tensor cores round queries, expanded keys and values, and weights to bf16, each by at most
/// 2^-9 of itself: between 1e-3 and 4e-3 in all. One key too few or too many makes more than 1e-2 of it.
const ATTENTION_DISTANCE_MAX: f64 = 8e-3;

/// The same for prompts' attention.
///
/// # Errors
/// What differs, or what the device said.
pub(super) fn check_attention(device: &Arc<dyn Device>) -> Result<(), String> {
    for (start, count, heads) in PROMPTS {
        let apart = PromptTrial::new(device, heads, start, count).and_then(|trial| trial.apart());
        let apart = apart.map_err(|error| format!("{heads:?}: {error}"))?;
        if apart.is_nan() || apart > ATTENTION_DISTANCE_MAX {
            return Err(format!("{heads:?}: results are {apart:.1e} apart"));
        }
    }
    Ok(())
}

pub(super) fn distance(old: &[f32], new: &[f32]) -> f64 {
    let squares = |of: &mut dyn Iterator<Item = f64>| of.map(|x| x * x).sum::<f64>();
    let apart = squares(&mut old.iter().zip(new).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    (apart / squares(&mut old.iter().map(|a| f64::from(*a)))).sqrt()
}

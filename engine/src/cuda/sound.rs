//! Whether Hopper's kernels compute on this card what the older ones do: a small layer of experts by both, compared.
//!
//! Shapes are ragged on purpose: experts with two tiles, one that is not full, and none; columns that fill no stage; rows that
//! fill no block. About a millisecond on a GPU.

use std::sync::Arc;

use super::device::Device;
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

fn distance(old: &[f32], new: &[f32]) -> f64 {
    let squares = |of: &mut dyn Iterator<Item = f64>| of.map(|x| x * x).sum::<f64>();
    let apart = squares(&mut old.iter().zip(new).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    (apart / squares(&mut old.iter().map(|a| f64::from(*a)))).sqrt()
}

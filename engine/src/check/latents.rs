//! Compares cached latents and rotary keys with recorded ones.

use super::largest_difference;
use crate::config::{Attention, ModelConfig};
use crate::error::EngineError;
use crate::weights::Checkpoint;

/// The largest difference, relative to the largest recorded value; `None` where none are recorded.
///
/// The order of a rotary key's values is free as long as queries have the same, and reference implementations differ in
/// it: either order counts.
pub(super) fn difference(
    config: &ModelConfig,
    golden: &Checkpoint,
    prompt: &str,
    cached: &[Vec<f32>],
) -> Result<Option<f32>, EngineError> {
    let Attention::Latent(shape) = &config.attention else { return Ok(None) };
    let mut worst = None;
    for (layer, rows) in cached.iter().enumerate() {
        let Some(latents) = golden.find(&format!("{prompt}.cache.l{layer}.c_kv")) else { continue };
        let name = format!("{prompt}.cache.l{layer}.k_pe");
        let (latents, keys) = (latents.to_f32(), golden.tensor(&name)?.to_f32());
        let width = shape.latent + shape.rotary;
        let ours: Vec<f32> = rows.chunks_exact(width).flat_map(|row| row[..shape.latent].to_vec()).collect();
        let ours_keys: Vec<f32> = rows.chunks_exact(width).flat_map(|row| row[shape.latent..].to_vec()).collect();
        let split: Vec<f32> = ours_keys.chunks_exact(shape.rotary).flat_map(split_halves).collect();
        let wrong_size = || EngineError::weight(&name, "does not have the size that the model computes");
        let of_latents = largest_difference(&latents, &ours).ok_or_else(wrong_size)?;
        let as_is = largest_difference(&keys, &ours_keys).ok_or_else(wrong_size)?;
        let of_keys = as_is.min(largest_difference(&keys, &split).ok_or_else(wrong_size)?);
        let most = latents.iter().chain(&keys).fold(1.0f32, |most, value| most.max(value.abs()));
        worst = Some(of_latents.max(of_keys).max(worst.unwrap_or(0.0) * most) / most);
    }
    Ok(worst)
}

/// Neighbouring pairs as two halves.
fn split_halves(key: &[f32]) -> Vec<f32> {
    let even = key.iter().step_by(2);
    even.chain(key.iter().skip(1).step_by(2)).copied().collect()
}

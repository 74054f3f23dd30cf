//! How much memory a model takes on a device, before anything is copied there.

use super::{EXPANDED_MAX, Options, ops};
use crate::backend::Gated;
use crate::cache::PAGE;
use crate::config::{Attention, FeedForward, ModelConfig};
use crate::error::EngineError;
use crate::model::Parts;
use crate::model::layer::{Attend, Feed, Layer, Query};
use crate::weights::{Dtype, Matrix};

/// Bytes on the device, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Weights.
    pub weights: usize,
    /// The cache of keys and values, or of latents.
    pub cache: usize,
    /// What a pass writes down.
    pub activations: usize,
}

/// What the driver, the libraries and recorded steps take besides.
const RESERVE_BYTES: usize = 512 << 20;

impl Plan {
    /// For a model whose weights take so many bytes.
    pub fn of(config: &ModelConfig, weights: usize, options: &Options) -> Plan {
        let size = if options.exact { 4 } else { 2 };
        let pages = options.cache_tokens.div_ceil(PAGE) + 1;
        let cache = pages * PAGE * config.cache_width() * config.layers() * size;
        Plan { weights, cache, activations: activations(config, options) }
    }

    /// All of it.
    pub fn total(&self) -> usize {
        [self.weights, self.cache, self.activations].iter().fold(0, |sum: usize, bytes| sum.saturating_add(*bytes))
    }

    /// # Errors
    /// `NoMemory` where it does not fit in `free` bytes.
    pub fn check(&self, free: usize) -> Result<(), EngineError> {
        let needed = self.total().saturating_add(RESERVE_BYTES.min(free / 8));
        if needed <= free {
            return Ok(());
        }
        let Plan { weights, cache, activations } = *self;
        Err(EngineError::NoMemory { needed, free, weights, cache, activations })
    }
}

/// Bytes of what a pass writes down, for the largest pass.
fn activations(config: &ModelConfig, options: &Options) -> usize {
    let (rows, decoding) = (options.pass_tokens.max(options.sequences), options.sequences.next_power_of_two());
    let splits = options.cache_tokens.min(config.context_max).div_ceil(ops::SPLIT).next_power_of_two();
    let (attention, partial, expanded) = match &config.attention {
        Attention::Latent(a) => (
            a.query_rank.unwrap_or(0) + a.heads * (a.nope + a.rotary + a.value) + a.latent + a.rotary,
            a.heads * (splits * (a.latent + 2) + 2 * a.latent + a.rotary),
            // In `f32`, and as bf16 for tensor cores.
            EXPANDED_MAX.min(options.cache_tokens * a.heads * (a.nope + a.value)) * 3 / 2
                + options.cache_tokens * a.latent,
        ),
        Attention::Grouped(a) => (2 * a.heads * a.head + 2 * a.kv_heads * a.head, a.heads * splits * (a.head + 2), 0),
    };
    let widest = config.feed_forward.iter().map(|feed| match feed {
        FeedForward::Dense(width) => *width,
        FeedForward::Experts => 0,
    });
    let widest = widest.max().unwrap_or(0);
    let experts = config.experts.as_ref().map_or(0, |e| {
        e.chosen * (config.hidden + e.width) + e.count + 2 * e.shared + 2 * config.layers() * e.chosen + 4 * e.chosen
    });
    // bf16 terms of rows, and of what lies between gate and down; three where all bits are kept.
    let pairs = config.experts.as_ref().map_or(0, |e| e.chosen * (config.hidden + e.width));
    let terms = (pairs.max(config.hidden + widest) * if options.exact { 3 } else { 1 }).div_ceil(2);
    let of_row = 5 * config.hidden + attention + 3 * widest + experts + terms;
    let logits = decoding * (config.vocabulary + config.hidden);
    4 * (rows * of_row + decoding * partial + expanded + logits)
}

/// Bytes of a model's weights on a device.
pub(super) fn weights_bytes(parts: &Parts<'_>, rounds: bool) -> usize {
    let one = |matrix: &Matrix| bytes(matrix, rounds);
    let output = if parts.config.tied_embeddings { 0 } else { one(parts.output) };
    one(parts.embedding) + output + parts.layers.iter().map(|layer| layer_bytes(layer, &one)).sum::<usize>()
}

fn layer_bytes(layer: &Layer, one: &dyn Fn(&Matrix) -> usize) -> usize {
    let attention = match &layer.attention {
        Attend::Latent(w) => {
            let query = match &w.query {
                Query::Direct(linear) => one(&linear.weight),
                Query::Compressed { down, up, .. } => one(&down.weight) + one(&up.weight),
            };
            query + [&w.latent.weight, &w.key_value_up, &w.key_up, &w.output.weight].map(one).iter().sum::<usize>()
        }
        Attend::Grouped(w) => [&w.query, &w.key, &w.value, &w.output].map(|linear| one(&linear.weight)).iter().sum(),
    };
    let gated = |w: &Gated| one(&w.gate) + one(&w.up) + one(&w.down);
    attention
        + match &layer.feed {
            Feed::Dense(weights) => gated(weights),
            Feed::Experts(w) => {
                w.routed.iter().map(gated).sum::<usize>() + w.shared.as_ref().map_or(0, gated) + one(&w.router)
            }
        }
}

fn bytes(matrix: &Matrix, rounds: bool) -> usize {
    let count = matrix.rows() * matrix.columns();
    match matrix.dtype() {
        Dtype::F16 | Dtype::BF16 | Dtype::F8E4M3 => matrix.size_bytes(),
        _ if rounds => 2 * count,
        _ => 4 * count,
    }
}

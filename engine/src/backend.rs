//! The few fused operations that the equations are made of, and who computes them.
//!
//! An operation is at the grain of an equation: shapes in its documentation, all buffers from the caller, row-major `f32`.
//! `cpu::Reference` is the plain version; every other backend passes the same suite against it.
//!
//! # Rows do not see each other
//! The result of a row depends on that row alone: not on how many rows are computed at once, nor on the number of
//! threads. The first `decode` rows of a batch are computed by the arithmetic made for few rows, the others by that made
//! for many; which one a row gets depends on its own request alone. So a request's tokens do not depend on its neighbours.

use std::fmt;

use crate::cache::CacheView;
use crate::error::EngineError;
use crate::model::DeviceModel;
use crate::weights::Matrix;

pub mod cpu;

/// What computes the operations.
pub trait Backend: fmt::Debug + Send + Sync {
    /// What it is, for reports: the instructions and threads it uses.
    fn describe(&self) -> String;

    /// What the user should know before it computes: that something faster does not serve, and why.
    fn warning(&self) -> Option<String> {
        None
    }

    /// The model on a device that computes whole passes by itself; `None` where operations are computed one by one, here.
    ///
    /// # Errors
    /// Where there is such a device and the model cannot be brought there.
    fn place(&self, _parts: &crate::model::Parts<'_>) -> Result<Option<Box<dyn DeviceModel>>, EngineError> {
        Ok(None)
    }

    /// Multiplies rows with matrices: `y[t, r] = sum over c of x[t, c] * weight[r, c]`.
    ///
    /// - `x`: `[tokens, columns]`, `columns` being those of every weight
    /// - each `y`: `[tokens, rows of its weight]`, overwritten
    /// - `decode`: how many of the rows at the start are decoded; see the module
    fn project(&self, x: &[f32], outputs: &mut [Projection<'_>], decode: usize);

    /// A gated feed-forward layer: `y = down(silu(gate(x)) * up(x))`.
    ///
    /// - `x`: `[tokens, hidden]`
    /// - `y`: `[tokens, hidden]`, overwritten
    fn feed_forward(&self, weights: &Gated, x: &[f32], y: &mut [f32], decode: usize);

    /// Adds each token's weighted expert outputs into `y`, experts in ascending order.
    ///
    /// - `x`: `[tokens, hidden]`
    /// - `routes`: for each token the same number of experts, in ascending order of their number, and their weights
    /// - `y`: `[tokens, hidden]`, added to
    ///
    /// Source: DeepSeek-V3, arXiv 2412.19437, equation 12.
    fn experts(&self, experts: &[Gated], x: &[f32], routes: &Routes, y: &mut [f32], decode: usize);

    /// Attention of grouped query heads over cached keys and values.
    ///
    /// - `q`: `[tokens, heads, head]`
    /// - `cache`: rows of `[kv_heads, head]` keys followed by `[kv_heads, head]` values
    /// - `out`: `[tokens, heads, head]`, overwritten
    fn grouped_attention(
        &self,
        shape: &GroupedShape,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    );

    /// Attention over cached latents, with the key and value projections absorbed into query and output.
    ///
    /// - `q`: `[tokens, heads, nope + rotary]`, the rotary part turned
    /// - `key_up`: `[heads * latent, nope]`; `value_up`: a head's rows are `[value, latent]`
    /// - `cache`: rows of `[latent + rotary]`
    /// - `out`: `[tokens, heads, value]`, overwritten
    ///
    /// Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.2: the key's projection moves to the query, `q' = q W_UK`.
    fn latent_attention(
        &self,
        shape: &LatentShape,
        weights: &Absorbed<'_>,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    );

    /// Attention of one sequence's new tokens over keys and values that were expanded from its latents, for some heads.
    ///
    /// - `keys_values`: `[positions, heads.len(), nope + value]`
    /// - `q`, `out`: as in `latent_attention`; only the columns of `heads` are read and written
    #[allow(clippy::too_many_arguments, reason = "all are parts of one equation")]
    fn expanded_attention(
        &self,
        shape: &LatentShape,
        heads: std::ops::Range<usize>,
        keys_values: &[f32],
        cache: &CacheView<'_>,
        span: &Placed<'_>,
        q: &[f32],
        out: &mut [f32],
    );
}

/// A matrix and where its product goes.
#[derive(Debug)]
pub struct Projection<'a> {
    /// The matrix.
    pub weight: &'a Matrix,
    /// `[tokens, rows]`
    pub y: &'a mut [f32],
    /// Whether rows must not be rounded, as they may be for weights of whole numbers.
    pub exact: bool,
}

impl<'a> Projection<'a> {
    /// The product with `weight`, written to `y`.
    pub fn new(weight: &'a Matrix, y: &'a mut [f32]) -> Projection<'a> {
        Projection { weight, y, exact: false }
    }

    /// The same from rows that are not rounded: for logits, where a small error chooses another token.
    pub fn exact(weight: &'a Matrix, y: &'a mut [f32]) -> Projection<'a> {
        Projection { weight, y, exact: true }
    }
}

/// The matrices of a gated feed-forward layer.
#[derive(Clone, Debug)]
pub struct Gated {
    /// `[width, hidden]`
    pub gate: Matrix,
    /// `[width, hidden]`
    pub up: Matrix,
    /// `[hidden, width]`
    pub down: Matrix,
}

/// Where tokens go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    /// Experts of a token.
    pub chosen: usize,
    /// `[tokens, chosen]`
    pub experts: Vec<u32>,
    /// `[tokens, chosen]`
    pub weights: Vec<f32>,
}

/// New tokens of one sequence: rows of the batch, and where the sequence's cache rows lie.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// Pages of the cache, in the order of positions.
    pub pages: &'a [u32],
    /// The first new token's position.
    pub start: usize,
    /// The first new token's row in the batch.
    pub row: usize,
    /// How many new tokens.
    pub count: usize,
}

/// Sizes of grouped attention.
#[derive(Clone, Copy, Debug)]
pub struct GroupedShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Values of a head.
    pub head: usize,
    /// How many positions back a token sees.
    pub window: Option<usize>,
    /// What scores are multiplied with.
    pub scale: f32,
}

/// Sizes of latent attention.
#[derive(Clone, Copy, Debug)]
pub struct LatentShape {
    /// Heads.
    pub heads: usize,
    /// Values of the latent.
    pub latent: usize,
    /// Values of a head's query without position.
    pub nope: usize,
    /// Values of a head's query with position.
    pub rotary: usize,
    /// Values of a head's value.
    pub value: usize,
    /// What scores are multiplied with.
    pub scale: f32,
}

/// What absorbed attention multiplies with.
#[derive(Clone, Copy, Debug)]
pub struct Absorbed<'a> {
    /// `[heads * latent, nope]`
    pub key_up: &'a Matrix,
    /// `[heads * (nope + value), latent]`: each head's first `nope` rows make keys, the others values.
    pub key_value_up: &'a Matrix,
}

impl GroupedShape {
    /// The first position that a token at `position` sees.
    pub fn first_seen(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }
}

/// `x / (1 + e^-x)`
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

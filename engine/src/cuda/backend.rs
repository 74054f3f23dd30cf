//! A GPU as a backend: models are brought there as a whole.

use std::ops::Range;

use super::Gpu;
use crate::backend::cpu::Reference;
use crate::backend::{Absorbed, Backend, Gated, GroupedShape, LatentShape, Placed, Projection, Routes};
use crate::cache::CacheView;
use crate::error::EngineError;
use crate::model::{DeviceModel, Parts};

/// Passes are computed whole on the device. Single operations over numbers that lie here would be copied back and forth, so
/// those are the reference's; no model asks a GPU for one.
impl Backend for Gpu {
    fn describe(&self) -> String {
        Gpu::describe(self)
    }

    fn warning(&self) -> Option<String> {
        self.prompts().warning()
    }

    fn place(&self, parts: &Parts<'_>) -> Result<Option<Box<dyn DeviceModel>>, EngineError> {
        Gpu::place(self, parts).map(Some)
    }

    fn project(&self, x: &[f32], outputs: &mut [Projection<'_>], decode: usize) {
        Reference.project(x, outputs, decode);
    }

    fn feed_forward(&self, weights: &Gated, x: &[f32], y: &mut [f32], decode: usize) {
        Reference.feed_forward(weights, x, y, decode);
    }

    fn experts(&self, experts: &[Gated], x: &[f32], routes: &Routes, y: &mut [f32], decode: usize) {
        Reference.experts(experts, x, routes, y, decode);
    }

    fn grouped_attention(
        &self,
        shape: &GroupedShape,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    ) {
        Reference.grouped_attention(shape, cache, spans, q, out);
    }

    fn latent_attention(
        &self,
        shape: &LatentShape,
        weights: &Absorbed<'_>,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    ) {
        Reference.latent_attention(shape, weights, cache, spans, q, out);
    }

    fn expanded_attention(
        &self,
        shape: &LatentShape,
        heads: Range<usize>,
        keys_values: &[f32],
        cache: &CacheView<'_>,
        span: &Placed<'_>,
        q: &[f32],
        out: &mut [f32],
    ) {
        Reference.expanded_attention(shape, heads, keys_values, cache, span, q, out);
    }
}

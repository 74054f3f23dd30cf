//! Attention: makes queries, writes the cache, attends, projects.

use super::layer::{Attend, GroupedWeights, LatentWeights, Layer, Linear, Query};
use super::{Batch, Model, Pass, norm};
use crate::backend::{Absorbed, GroupedShape, LatentShape, Placed, Projection};
use crate::cache::Cache;
use crate::config::{Attention, Grouped, Latent};

/// Numbers of expanded keys and values that are held at once: 64 MB of `f32`.
const EXPANDED_MAX: usize = 16 << 20;

impl Model {
    /// `h`: `[tokens, hidden]`, normed; returns `[tokens, hidden]`.
    pub(super) fn attend(&self, at: usize, layer: &Layer, h: &[f32], batch: &Batch<'_>, cache: &mut Cache) -> Vec<f32> {
        match (&layer.attention, &self.config.attention) {
            (Attend::Latent(weights), Attention::Latent(shape)) => {
                self.attend_latent(at, weights, shape, h, batch, cache)
            }
            (Attend::Grouped(weights), Attention::Grouped(shape)) => {
                self.attend_grouped(at, weights, shape, h, batch, cache)
            }
            _ => unreachable!("weights are loaded by the description"),
        }
    }

    fn attend_grouped(
        &self,
        at: usize,
        weights: &GroupedWeights,
        shape: &Grouped,
        h: &[f32],
        batch: &Batch<'_>,
        cache: &mut Cache,
    ) -> Vec<f32> {
        let tokens = batch.positions.len();
        let (wide, narrow) = (shape.heads * shape.head, shape.kv_heads * shape.head);
        let (mut q, mut k, mut v) = (vec![0.0; tokens * wide], vec![0.0; tokens * narrow], vec![0.0; tokens * narrow]);
        let mut outputs = [
            Projection::new(&weights.query.weight, &mut q),
            Projection::new(&weights.key.weight, &mut k),
            Projection::new(&weights.value.weight, &mut v),
        ];
        self.backend.project(h, &mut outputs, batch.decode);
        for (linear, y) in [(&weights.query, &mut q), (&weights.key, &mut k), (&weights.value, &mut v)] {
            add_bias(linear, y);
            if let Some(clip) = shape.clip {
                y.iter_mut().for_each(|y| *y = y.clamp(-clip, clip));
            }
        }
        for (norm, y) in [(&weights.query_norm, &mut q), (&weights.key_norm, &mut k)] {
            if let Some(weight) = norm {
                norm::rms_in_place(y, weight, self.config.norm_eps);
            }
        }
        for (row, position) in batch.positions.iter().enumerate() {
            let turns = self.turns.at(*position);
            let heads = q[row * wide..(row + 1) * wide].chunks_exact_mut(shape.head);
            heads.chain(k[row * narrow..(row + 1) * narrow].chunks_exact_mut(shape.head)).for_each(|head| {
                self.turns.apply(&turns, head);
            });
        }
        for (span, row) in each_row(&batch.placed) {
            let cached = cache.row_mut(at, span.pages, batch.positions[row]);
            cached[..narrow].copy_from_slice(&k[row * narrow..(row + 1) * narrow]);
            cached[narrow..].copy_from_slice(&v[row * narrow..(row + 1) * narrow]);
        }
        let sizes = GroupedShape {
            heads: shape.heads,
            kv_heads: shape.kv_heads,
            head: shape.head,
            window: shape.window,
            scale: self.config.softmax_scale(),
        };
        let mut mixed = vec![0.0; tokens * wide];
        self.backend.grouped_attention(&sizes, &cache.layer(at), &batch.placed, &q, &mut mixed);
        self.linear(&weights.output, &mixed, batch.decode)
    }

    fn attend_latent(
        &self,
        at: usize,
        weights: &LatentWeights,
        shape: &Latent,
        h: &[f32],
        batch: &Batch<'_>,
        cache: &mut Cache,
    ) -> Vec<f32> {
        let width = shape.latent + shape.rotary;
        let head = shape.nope + shape.rotary;
        let (mut q, c) = self.queries_and_latents(weights, shape, h, batch.decode);
        for (row, position) in batch.positions.iter().enumerate() {
            let turns = self.turns.at(*position);
            for q in q[row * shape.heads * head..(row + 1) * shape.heads * head].chunks_exact_mut(head) {
                self.turns.apply(&turns, &mut q[shape.nope..]);
            }
        }
        for (span, row) in each_row(&batch.placed) {
            let position = batch.positions[row];
            let cached = cache.row_mut(at, span.pages, position);
            cached.copy_from_slice(&c[row * width..(row + 1) * width]);
            norm::rms_in_place(&mut cached[..shape.latent], &weights.latent_norm, shape.latent_eps);
            self.turns.apply(&self.turns.at(position), &mut cached[shape.latent..]);
        }
        let sizes = LatentShape {
            heads: shape.heads,
            latent: shape.latent,
            nope: shape.nope,
            rotary: shape.rotary,
            value: shape.value,
            scale: self.config.softmax_scale(),
        };
        let mut mixed = vec![0.0; batch.positions.len() * shape.heads * shape.value];
        let decoding = batch.passes.iter().filter(|pass| **pass == Pass::Decode).count();
        let (decoded, prefilled) = batch.placed.split_at(decoding);
        let view = cache.layer(at);
        if !decoded.is_empty() {
            let absorbed = Absorbed { key_up: &weights.key_up, key_value_up: &weights.key_value_up };
            self.backend.latent_attention(&sizes, &absorbed, &view, decoded, &q, &mut mixed);
        }
        for span in prefilled {
            self.attend_expanded(&sizes, weights, cache, at, span, &q, &mut mixed);
        }
        self.linear(&weights.output, &mixed, batch.decode)
    }

    /// Queries `[tokens, heads, nope + rotary]` and latents with rotary keys `[tokens, latent + rotary]`, neither turned.
    fn queries_and_latents(
        &self,
        weights: &LatentWeights,
        shape: &Latent,
        h: &[f32],
        decode: usize,
    ) -> (Vec<f32>, Vec<f32>) {
        let tokens = h.len() / self.config.hidden;
        let mut c = vec![0.0; tokens * (shape.latent + shape.rotary)];
        let first = match &weights.query {
            Query::Direct(linear) => linear,
            Query::Compressed { down, .. } => down,
        };
        let mut q = vec![0.0; tokens * first.weight.rows()];
        let mut outputs = [Projection::new(&first.weight, &mut q), Projection::new(&weights.latent.weight, &mut c)];
        self.backend.project(h, &mut outputs, decode);
        add_bias(first, &mut q);
        add_bias(&weights.latent, &mut c);
        if let Query::Compressed { norm, up, .. } = &weights.query {
            norm::rms_in_place(&mut q, norm, shape.latent_eps);
            q = self.linear(up, &q, decode);
        }
        (q, c)
    }

    /// Makes keys and values from a sequence's latents, some heads at a time, and attends to them.
    #[allow(clippy::too_many_arguments, reason = "all are parts of one equation")]
    fn attend_expanded(
        &self,
        shape: &LatentShape,
        weights: &LatentWeights,
        cache: &Cache,
        at: usize,
        span: &Placed<'_>,
        q: &[f32],
        mixed: &mut [f32],
    ) {
        let view = cache.layer(at);
        let positions = span.start + span.count;
        let mut latents = Vec::with_capacity(positions * shape.latent);
        for position in 0..positions {
            latents.extend_from_slice(&view.row(span.pages, position)[..shape.latent]);
        }
        let head = shape.nope + shape.value;
        let at_once = (EXPANDED_MAX / (positions * head)).clamp(1, shape.heads);
        for first in (0..shape.heads).step_by(at_once) {
            let heads = first..(first + at_once).min(shape.heads);
            let up = weights.key_value_up.slice(heads.start * head..heads.end * head);
            let mut expanded = vec![0.0; positions * up.rows()];
            self.backend.project(&latents, &mut [Projection::new(&up, &mut expanded)], 0);
            self.backend.expanded_attention(shape, heads, &expanded, &view, span, q, mixed);
        }
    }

    fn linear(&self, linear: &Linear, x: &[f32], decode: usize) -> Vec<f32> {
        let mut y = vec![0.0; x.len() / linear.weight.columns() * linear.weight.rows()];
        self.backend.project(x, &mut [Projection::new(&linear.weight, &mut y)], decode);
        add_bias(linear, &mut y);
        y
    }
}

fn add_bias(linear: &Linear, y: &mut [f32]) {
    let Some(bias) = &linear.bias else { return };
    for y in y.chunks_exact_mut(bias.len()) {
        super::add(y, bias);
    }
}

/// Each row of the batch with its span.
fn each_row<'a, 'b>(placed: &'b [Placed<'a>]) -> impl Iterator<Item = (&'b Placed<'a>, usize)> {
    placed.iter().flat_map(|span| (span.row..span.row + span.count).map(move |row| (span, row)))
}

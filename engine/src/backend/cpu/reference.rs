//! The plain version of every operation: one thread, one number after the other, sums in double precision.

use std::ops::Range;

use crate::backend::{Absorbed, Backend, Gated, GroupedShape, LatentShape, Placed, Projection, Routes, silu};
use crate::cache::CacheView;
use crate::weights::Matrix;

/// Computes plainly; what other backends are tested against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

impl Backend for Reference {
    fn describe(&self) -> String {
        "reference, 1 thread".into()
    }

    fn project(&self, x: &[f32], outputs: &mut [Projection<'_>], _decode: usize) {
        for output in outputs {
            multiply(output.weight, x, output.y);
        }
    }

    fn feed_forward(&self, weights: &Gated, x: &[f32], y: &mut [f32], _decode: usize) {
        let tokens = x.len() / weights.gate.columns();
        let mut gate = vec![0.0; tokens * weights.gate.rows()];
        let mut up = gate.clone();
        multiply(&weights.gate, x, &mut gate);
        multiply(&weights.up, x, &mut up);
        for (g, u) in gate.iter_mut().zip(&up) {
            *g = silu(*g) * u;
        }
        multiply(&weights.down, &gate, y);
    }

    fn experts(&self, experts: &[Gated], x: &[f32], routes: &Routes, y: &mut [f32], decode: usize) {
        let hidden = experts[0].gate.columns();
        let mut out = vec![0.0; hidden];
        for (token, (x, y)) in x.chunks_exact(hidden).zip(y.chunks_exact_mut(hidden)).enumerate() {
            let chosen = token * routes.chosen..(token + 1) * routes.chosen;
            for (expert, weight) in routes.experts[chosen.clone()].iter().zip(&routes.weights[chosen]) {
                self.feed_forward(&experts[*expert as usize], x, &mut out, decode);
                y.iter_mut().zip(&out).for_each(|(y, out)| *y += weight * out);
            }
        }
    }

    fn grouped_attention(
        &self,
        shape: &GroupedShape,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    ) {
        let (size, values) = (shape.head, shape.kv_heads * shape.head);
        for (span, row, position) in rows(spans) {
            for head in 0..shape.heads {
                let at = (row * shape.heads + head) * size;
                let shared = head / (shape.heads / shape.kv_heads) * size;
                let seen: Vec<&[f32]> =
                    (shape.first_seen(position)..=position).map(|p| cache.row(span.pages, p)).collect();
                let scores: Vec<f32> =
                    seen.iter().map(|row| dot(&q[at..at + size], &row[shared..shared + size]) * shape.scale).collect();
                let values = seen.iter().map(|row| &row[values + shared..values + shared + size]);
                weigh(&softmax(scores), values, &mut out[at..at + size]);
            }
        }
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
        let LatentShape { heads, latent, nope, rotary, value, scale } = *shape;
        for (span, row, position) in rows(spans) {
            for head in 0..heads {
                let q = &q[(row * heads + head) * (nope + rotary)..][..nope + rotary];
                let mut absorbed = vec![0.0; latent];
                multiply(&weights.key_up.slice(head * latent..(head + 1) * latent), &q[..nope], &mut absorbed);
                absorbed.extend(&q[nope..]);
                let seen: Vec<&[f32]> = (0..=position).map(|p| cache.row(span.pages, p)).collect();
                let scores = seen.iter().map(|row| dot(&absorbed, row) * scale).collect();
                let mut mixed = vec![0.0; latent];
                weigh(&softmax(scores), seen.iter().map(|row| &row[..latent]), &mut mixed);
                let first = head * (nope + value) + nope;
                let up = weights.key_value_up.slice(first..first + value);
                multiply(&up, &mixed, &mut out[(row * heads + head) * value..][..value]);
            }
        }
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
        let LatentShape { latent, nope, rotary, value, scale, .. } = *shape;
        let stride = heads.len() * (nope + value);
        for (span, row, position) in rows(std::slice::from_ref(span)) {
            for (nth, head) in heads.clone().enumerate() {
                let q = &q[(row * shape.heads + head) * (nope + rotary)..][..nope + rotary];
                let of = |p: usize| &keys_values[p * stride + nth * (nope + value)..][..nope + value];
                let score = |p: usize| {
                    let turned = &cache.row(span.pages, p)[latent..];
                    (dot(&q[..nope], &of(p)[..nope]) + dot(&q[nope..], turned)) * scale
                };
                let scores = (0..=position).map(score).collect();
                let out = &mut out[(row * shape.heads + head) * value..][..value];
                weigh(&softmax(scores), (0..=position).map(|p| &of(p)[nope..]), out);
            }
        }
    }
}

/// Each row of each span: the span, the row in the batch, the position in the sequence.
fn rows<'a, 'b>(spans: &'b [Placed<'a>]) -> impl Iterator<Item = (&'b Placed<'a>, usize, usize)> {
    spans.iter().flat_map(|span| (0..span.count).map(move |at| (span, span.row + at, span.start + at)))
}

/// `y[t, r] = sum over c of x[t, c] * weight[r, c]`
fn multiply(weight: &Matrix, x: &[f32], y: &mut [f32]) {
    let (rows, columns) = (weight.rows(), weight.columns());
    let mut numbers = vec![0.0; columns];
    for row in 0..rows {
        weight.widen_row(row, &mut numbers);
        for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(rows)) {
            y[row] = dot(x, &numbers);
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}

fn softmax(mut scores: Vec<f32>) -> Vec<f32> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - most).exp());
    let sum: f64 = scores.iter().map(|score| f64::from(*score)).sum();
    scores.iter_mut().for_each(|score| *score = (f64::from(*score) / sum) as f32);
    scores
}

/// `out = sum of weight * value`
fn weigh<'a>(weights: &[f32], values: impl Iterator<Item = &'a [f32]>, out: &mut [f32]) {
    out.fill(0.0);
    for (weight, value) in weights.iter().zip(values) {
        out.iter_mut().zip(value).for_each(|(out, value)| *out += weight * value);
    }
}

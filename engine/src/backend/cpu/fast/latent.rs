//! Absorbed latent attention: several heads of a row at a time, so that a page of latents is read from memory once for all
//! of them.

use std::ops::Range;

use super::super::quantised::Quantised;
use super::super::simd::{Job, Rounded, Shared};
use super::{Fast, for_each_page};
use crate::backend::{Absorbed, LatentShape, Placed};
use crate::cache::CacheView;
use crate::weights::Matrix;

impl Fast {
    /// See `Backend::latent_attention`. A head's numbers do not depend on the heads beside it.
    pub(super) fn attend_absorbed(
        &self,
        shape: &LatentShape,
        weights: &Absorbed<'_>,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    ) {
        let at_once = shape.heads.div_ceil(self.crew.threads());
        let out = Shared::new(out);
        self.for_each_row(spans, shape.heads.div_ceil(at_once), |span, row, position, group| {
            let heads = group * at_once..((group + 1) * at_once).min(shape.heads);
            let first = row * shape.heads + heads.start;
            let (size, count) = (shape.nope + shape.rotary, heads.len());
            let q = &q[first * size..(first + count) * size];
            let out = out.cut(first * shape.value, count * shape.value);
            self.attend_heads(shape, weights, cache, span.pages, position, heads, q, out);
        });
    }

    /// - `q`: `[heads.len(), nope + rotary]`
    /// - `out`: `[heads.len(), value]`
    #[allow(clippy::too_many_arguments, reason = "all are parts of one equation")]
    fn attend_heads(
        &self,
        shape: &LatentShape,
        weights: &Absorbed<'_>,
        cache: &CacheView<'_>,
        pages: &[u32],
        position: usize,
        heads: Range<usize>,
        q: &[f32],
        out: &mut [f32],
    ) {
        let LatentShape { latent, nope, rotary, value, .. } = *shape;
        let seen = position + 1;
        let mut absorbed = vec![0.0; heads.len() * (latent + rotary)];
        let each = absorbed.chunks_exact_mut(latent + rotary).zip(q.chunks_exact(nope + rotary));
        for (head, (absorbed, q)) in heads.clone().zip(each) {
            self.absorb(shape, weights, head, &q[..nope], &mut absorbed[..latent]);
            absorbed[latent..].copy_from_slice(&q[nope..]);
        }
        let mut scores = vec![0.0; heads.len() * seen];
        for_each_page(cache, pages, 0..seen, |nth, rows, width, count| {
            for (q, scores) in absorbed.chunks_exact(latent + rotary).zip(scores.chunks_exact_mut(seen)) {
                self.isa.scores(q, rows, width, 0, &mut scores[nth..nth + count]);
            }
        });
        scores.iter_mut().for_each(|score| *score *= shape.scale);
        let inverses: Vec<f32> = scores.chunks_exact_mut(seen).map(|scores| self.softmax(scores)).collect();
        let mut mixed = vec![0.0; heads.len() * latent];
        for_each_page(cache, pages, 0..seen, |nth, rows, width, count| {
            for (scores, mixed) in scores.chunks_exact(seen).zip(mixed.chunks_exact_mut(latent)) {
                self.isa.weigh(&scores[nth..nth + count], rows, width, 0, mixed);
            }
        });
        let each = mixed.chunks_exact_mut(latent).zip(out.chunks_exact_mut(value)).zip(inverses);
        for (head, ((mixed, out), inverse)) in heads.zip(each) {
            mixed.iter_mut().for_each(|mixed| *mixed *= inverse);
            let first = head * (nope + value) + nope;
            self.products(&weights.key_value_up.slice(first..first + value), mixed, out);
        }
    }

    /// `absorbed[l] += sum over n of q[n] * key_up[n, l]` of one head: from the rows as they lie where that reads less than
    /// the turned ones, which are `f32` where the file does not have them.
    ///
    /// - `q`: `[nope]`
    /// - `absorbed`: `[latent]`, zeros
    fn absorb(&self, shape: &LatentShape, weights: &Absorbed<'_>, head: usize, q: &[f32], absorbed: &mut [f32]) {
        let LatentShape { latent, nope, value, .. } = *shape;
        let turned = weights.key_up.slice(head * latent..(head + 1) * latent);
        let first = head * (nope + value);
        let keys = weights.key_value_up.slice(first..first + nope);
        let is_less = keys.size_bytes() < turned.size_bytes() && keys.row_scales(0).is_none();
        if !(is_less && self.isa.add_rows(keys.dtype(), keys.data(), q, absorbed)) {
            self.products(&turned, q, absorbed);
        }
    }

    /// Products of a matrix with one row that is not rounded so that one would see it, on this thread.
    fn products(&self, weight: &Matrix, x: &[f32], y: &mut [f32]) {
        let fine = weight.dtype().is_blocked().then(|| Quantised::<i16>::of_row(self.isa, x));
        let rounded = fine.as_ref().map_or(Rounded::Not, |fine| Rounded::Fine(fine, 0));
        Job::decode(weight, x, rounded, y).run_here(self.isa);
    }
}

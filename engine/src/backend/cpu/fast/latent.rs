//! Absorbed latent attention: all heads of a row together, so that latents are read from memory once for all of them, and
//! positions in pieces, which threads share out where there are few rows, and which stay in a core's own cache between scores
//! and sums.
//!
//! A piece's sums are made by its own greatest score, and pieces are joined in the order of positions. So the result
//! does not depend on who computes which piece, nor a head's on the heads beside it.

use std::ops::Range;

use super::super::quantised::Quantised;
use super::super::simd::{Job, Rounded, Shared};
use super::grouped::join;
use super::{Fast, for_each_page};
use crate::backend::{Absorbed, LatentShape, Placed};
use crate::cache::{CacheView, PAGE};
use crate::weights::Matrix;

/// Positions of a piece at least: few, so that threads end together, and enough that joining pieces costs little.
const PIECE: usize = 2 * PAGE;
/// Pieces of a row at most, so that what they leave behind is bounded.
const PIECES_MAX: usize = 32;
/// Below so many rows for each thread, pieces are tasks of their own; below so many pieces for each thread, so are heads.
const TASKS_FEW: usize = 2;

/// A row of the batch, and how many positions it sees.
struct Row<'a> {
    row: usize,
    pages: &'a [u32],
    seen: usize,
}

impl Row<'_> {
    /// Its pieces, which depend on its position alone.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let size = PIECE.max(self.seen.div_ceil(PIECES_MAX).next_multiple_of(PAGE));
        (0..self.seen).step_by(size).map(move |first| first..(first + size).min(self.seen))
    }
}

/// What attention of one layer looks at.
struct Seen<'a> {
    shape: &'a LatentShape,
    weights: &'a Absorbed<'a>,
    cache: &'a CacheView<'a>,
    /// `[rows, heads, nope + rotary]`
    q: &'a [f32],
}

impl Seen<'_> {
    /// Numbers of a head's part: the greatest score, the sum of the weights, and the weighted latents.
    fn part(&self) -> usize {
        self.shape.latent + 2
    }

    /// Numbers of an absorbed query, and of a cached row.
    fn width(&self) -> usize {
        self.shape.latent + self.shape.rotary
    }
}

impl Fast {
    /// See `Backend::latent_attention`.
    pub(super) fn attend_absorbed(
        &self,
        shape: &LatentShape,
        weights: &Absorbed<'_>,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    ) {
        let seen = Seen { shape, weights, cache, q };
        let rows: Vec<Row<'_>> = spans
            .iter()
            .flat_map(|span| {
                let Placed { pages, start, row, count } = *span;
                (0..count).map(move |at| Row { row: row + at, pages, seen: start + at + 1 })
            })
            .collect();
        let out = Shared::new(out);
        if rows.len() < TASKS_FEW * self.crew.threads() {
            return rows.iter().for_each(|row| self.share_out(&seen, row, &out));
        }
        let (heads, width, size) = (shape.heads, seen.width(), seen.part());
        self.crew.run(rows.len(), &|number| {
            // The longest rows come first, so that the threads end together.
            let row = &rows[rows.len() - 1 - number];
            let mut absorbed = vec![0.0; heads * width];
            let each = absorbed.chunks_exact_mut(width).enumerate();
            each.for_each(|(head, absorbed)| self.absorbed_query(&seen, row.row, head, absorbed));
            let mut whole = vec![0.0; heads * size];
            let mut part = whole.clone();
            for (nth, piece) in row.pieces().enumerate() {
                let into = if nth == 0 { &mut whole } else { &mut part };
                self.latent_piece(&seen, row.pages, piece, &absorbed, into);
                if nth > 0 {
                    join(shape.latent, &mut whole, &part);
                }
            }
            for (head, whole) in whole.chunks_exact_mut(size).enumerate() {
                self.tell_head(&seen, row.row, head, whole, &out);
            }
        });
    }

    /// One row, of which threads share out heads and pieces.
    fn share_out(&self, seen: &Seen<'_>, row: &Row<'_>, out: &Shared<'_, f32>) {
        let (heads, width, size) = (seen.shape.heads, seen.width(), seen.part());
        let mut absorbed = vec![0.0; heads * width];
        let places = Shared::new(&mut absorbed);
        self.crew.run(heads, &|head| self.absorbed_query(seen, row.row, head, places.cut(head * width, width)));
        let pieces: Vec<Range<usize>> = row.pieces().collect();
        let threads = self.crew.threads();
        let at_once = if pieces.len() < TASKS_FEW * threads { heads.div_ceil(threads) } else { heads };
        let groups = heads.div_ceil(at_once);
        let mut parts = vec![0.0; pieces.len() * heads * size];
        let places = Shared::new(&mut parts);
        self.crew.run(pieces.len() * groups, &|number| {
            let (nth, first) = (number / groups, number % groups * at_once);
            let some = at_once.min(heads - first);
            let queries = &absorbed[first * width..(first + some) * width];
            let parts = places.cut((nth * heads + first) * size, some * size);
            self.latent_piece(seen, row.pages, pieces[nth].clone(), queries, parts);
        });
        self.crew.run(heads, &|head| {
            let mut parts = parts.chunks_exact(size).skip(head).step_by(heads);
            let mut whole = parts.next().map_or_else(|| vec![0.0; size], <[f32]>::to_vec);
            parts.for_each(|part| join(seen.shape.latent, &mut whole, part));
            self.tell_head(seen, row.row, head, &mut whole, out);
        });
    }

    /// Attention of some heads to one piece.
    ///
    /// - `queries`: `[heads, latent + rotary]`, absorbed
    /// - `parts`: `[heads, latent + 2]`
    fn latent_piece(&self, seen: &Seen<'_>, pages: &[u32], piece: Range<usize>, queries: &[f32], parts: &mut [f32]) {
        let count = piece.len();
        let mut scores = vec![0.0; queries.len() / seen.width() * count];
        for_each_page(seen.cache, pages, piece.clone(), |nth, rows, width, some| {
            for (q, scores) in queries.chunks_exact(seen.width()).zip(scores.chunks_exact_mut(count)) {
                self.isa.scores(q, rows, width, 0, &mut scores[nth..nth + some]);
            }
        });
        for (scores, part) in scores.chunks_exact_mut(count).zip(parts.chunks_exact_mut(seen.part())) {
            scores.iter_mut().for_each(|score| *score *= seen.shape.scale);
            part.fill(0.0);
            part[0] = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            part[1] = self.isa.exp_from(part[0], scores);
        }
        for_each_page(seen.cache, pages, piece, |nth, rows, width, some| {
            for (scores, part) in scores.chunks_exact(count).zip(parts.chunks_exact_mut(seen.part())) {
                self.isa.weigh(&scores[nth..nth + some], rows, width, 0, &mut part[2..]);
            }
        });
    }

    /// A head's query as it meets latents: `[latent + rotary]`, of zeros before.
    fn absorbed_query(&self, seen: &Seen<'_>, row: usize, head: usize, absorbed: &mut [f32]) {
        let LatentShape { heads, latent, nope, rotary, .. } = *seen.shape;
        let q = &seen.q[(row * heads + head) * (nope + rotary)..][..nope + rotary];
        self.absorb(seen.shape, seen.weights, head, &q[..nope], &mut absorbed[..latent]);
        absorbed[latent..].copy_from_slice(&q[nope..]);
    }

    /// Writes a head of a row, from the part that all pieces make up.
    fn tell_head(&self, seen: &Seen<'_>, row: usize, head: usize, whole: &mut [f32], out: &Shared<'_, f32>) {
        let LatentShape { heads, nope, value, .. } = *seen.shape;
        let inverse = 1.0 / whole[1];
        let mixed = &mut whole[2..];
        mixed.iter_mut().for_each(|mixed| *mixed *= inverse);
        let first = head * (nope + value) + nope;
        let values = seen.weights.key_value_up.slice(first..first + value);
        self.products(&values, mixed, out.cut((row * heads + head) * value, value));
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

//! Grouped attention: the query heads that share keys and values together, so that these are read once for all of them, and
//! positions in pieces, which threads can share out where there are few rows.
//!
//! A piece's sums are made by its own greatest score, and pieces are joined in the order of positions. So the result
//! does not depend on who computes which piece.

use std::ops::Range;

use super::super::simd::Shared;
use super::{Fast, for_each_page};
use crate::backend::{GroupedShape, Placed};
use crate::cache::{CacheView, PAGE};

/// Positions of a piece: enough to be worth a thread's while, and few enough that its keys and values stay in the cache.
const PIECE: usize = 256;
/// Below so many tasks for each thread, pieces are tasks of their own.
const TASKS_FEW: usize = 4;

/// What attention of one layer looks at.
struct Seen<'a> {
    shape: &'a GroupedShape,
    cache: &'a CacheView<'a>,
    q: &'a [f32],
}

/// A row of the batch, and which positions it sees.
#[derive(Clone)]
struct Row<'a> {
    row: usize,
    pages: &'a [u32],
    positions: Range<usize>,
}

impl Row<'_> {
    /// The pieces that it sees, cut where positions are whole multiples of a piece.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let Range { start, end } = self.positions;
        (start / PIECE..end.div_ceil(PIECE)).map(move |at| (at * PIECE).max(start)..((at + 1) * PIECE).min(end))
    }
}

impl Seen<'_> {
    /// Query heads that share keys and values.
    fn group(&self) -> usize {
        self.shape.heads / self.shape.kv_heads
    }

    /// Numbers of a part: for each head of a group the greatest score, the sum of the weights, and the weighted values.
    fn part(&self) -> usize {
        self.group() * (self.shape.head + 2)
    }

    fn rows<'a>(&self, spans: &[Placed<'a>]) -> Vec<Row<'a>> {
        let of = |span: &Placed<'a>| {
            let Placed { pages, start, row, count } = *span;
            (0..count).map(move |at| (row + at, pages, start + at))
        };
        let row = |(row, pages, position)| Row { row, pages, positions: self.shape.first_seen(position)..position + 1 };
        spans.iter().flat_map(of).map(row).collect()
    }
}

impl Fast {
    /// See `Backend::grouped_attention`.
    pub(super) fn attend_grouped(
        &self,
        shape: &GroupedShape,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    ) {
        let seen = Seen { shape, cache, q };
        let rows = seen.rows(spans);
        let out = Shared::new(out);
        if rows.len() * shape.kv_heads < TASKS_FEW * self.crew.threads() {
            return self.attend_pieces(&seen, &rows, &out);
        }
        self.crew.run(rows.len() * shape.kv_heads, &|number| {
            // The longest rows come first, so that the threads end together.
            let (row, group) = (&rows[rows.len() - 1 - number / shape.kv_heads], number % shape.kv_heads);
            let mut whole = vec![0.0; seen.part()];
            let mut part = vec![0.0; seen.part()];
            for (nth, piece) in row.pieces().enumerate() {
                let into = if nth == 0 { &mut whole } else { &mut part };
                self.attend_piece(&seen, row, group, piece, into);
                if nth > 0 {
                    join(shape.head, &mut whole, &part);
                }
            }
            tell(&seen, row.row, group, &whole, &out);
        });
    }

    /// The same with a task for each piece of each row.
    fn attend_pieces(&self, seen: &Seen<'_>, rows: &[Row<'_>], out: &Shared<'_, f32>) {
        let pieces: Vec<(usize, Range<usize>)> =
            rows.iter().enumerate().flat_map(|(at, row)| row.pieces().map(move |piece| (at, piece))).collect();
        let (groups, size) = (seen.shape.kv_heads, seen.part());
        let mut parts = vec![0.0; pieces.len() * groups * size];
        let places = Shared::new(&mut parts);
        self.crew.run(pieces.len() * groups, &|number| {
            let (row, piece) = &pieces[number / groups];
            self.attend_piece(seen, &rows[*row], number % groups, piece.clone(), places.cut(number * size, size));
        });
        // Groups of the first piece of a row take in those of its other pieces.
        let mut rest = &mut parts[..];
        for mine in pieces.chunk_by(|one, next| one.0 == next.0) {
            let (of_row, after) = rest.split_at_mut(mine.len() * groups * size);
            rest = after;
            let (whole, others) = of_row.split_at_mut(groups * size);
            for other in others.chunks_exact(groups * size) {
                join(seen.shape.head, whole, other);
            }
            for (group, whole) in whole.chunks_exact(size).enumerate() {
                tell(seen, rows[mine[0].0].row, group, whole, out);
            }
        }
    }

    /// Attention of a group's heads to one piece.
    fn attend_piece(&self, seen: &Seen<'_>, row: &Row<'_>, group: usize, piece: Range<usize>, part: &mut [f32]) {
        let GroupedShape { heads, kv_heads, head: size, scale, .. } = *seen.shape;
        let first = row.row * heads + group * seen.group();
        let q = &seen.q[first * size..(first + seen.group()) * size];
        let (keys, values, count) = (group * size, (kv_heads + group) * size, piece.len());
        let mut scores = vec![0.0; seen.group() * count];
        for_each_page(seen.cache, row.pages, piece.clone(), |nth, rows, width, some| {
            // A row's part for one group is short and far from the next row's: no processor foresees it.
            if let Some(page) = row.pages[..piece.end.div_ceil(PAGE)].get((piece.start + nth) / PAGE + 2) {
                self.isa.ask_early(seen.cache.page(*page).0, width, keys, size);
            }
            self.isa.ask_early(rows, width, values, size);
            for (q, scores) in q.chunks_exact(size).zip(scores.chunks_exact_mut(count)) {
                self.isa.scores(q, rows, width, keys, &mut scores[nth..nth + some]);
            }
        });
        for (scores, part) in scores.chunks_exact_mut(count).zip(part.chunks_exact_mut(size + 2)) {
            scores.iter_mut().for_each(|score| *score *= scale);
            part.fill(0.0);
            part[0] = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            part[1] = self.isa.exp_from(part[0], scores);
        }
        for_each_page(seen.cache, row.pages, piece, |nth, rows, width, some| {
            for (scores, part) in scores.chunks_exact(count).zip(part.chunks_exact_mut(size + 2)) {
                self.isa.weigh(&scores[nth..nth + some], rows, width, values, &mut part[2..]);
            }
        });
    }
}

/// Takes a later piece's part into those before it.
pub(super) fn join(size: usize, whole: &mut [f32], part: &[f32]) {
    for (whole, part) in whole.chunks_exact_mut(size + 2).zip(part.chunks_exact(size + 2)) {
        let most = whole[0].max(part[0]);
        let (before, now) = ((whole[0] - most).exp(), (part[0] - most).exp());
        whole[0] = most;
        whole[1..].iter_mut().zip(&part[1..]).for_each(|(whole, part)| *whole = *whole * before + part * now);
    }
}

/// Writes a group's heads of a row.
fn tell(seen: &Seen<'_>, row: usize, group: usize, whole: &[f32], out: &Shared<'_, f32>) {
    let (size, first) = (seen.shape.head, row * seen.shape.heads + group * seen.group());
    let out = out.cut(first * size, seen.group() * size);
    for (out, whole) in out.chunks_exact_mut(size).zip(whole.chunks_exact(size + 2)) {
        let inverse = 1.0 / whole[1];
        out.iter_mut().zip(&whole[2..]).for_each(|(out, value)| *out = value * inverse);
    }
}

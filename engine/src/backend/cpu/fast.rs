//! The fast version: the processor's vectors, all its threads, weights read as they lie.

use std::ops::Range;

use super::quantised::{Quantised, Whole};
use super::simd::{Crew, Isa, Job, Rounded, Shared, multiply};
use crate::backend::{Absorbed, Backend, Gated, GroupedShape, LatentShape, Placed, Projection, Routes, silu};
use crate::cache::{CacheView, PAGE};
use crate::error::EngineError;
use crate::limits::THREADS_MAX;

mod experts;
mod grouped;
mod latent;

/// Names the best instructions to use.
const LIMIT: &str = "TIERWAY_CPU";

/// Computes with the best instructions that the processor has, on a fixed number of threads.
///
/// Weights of whole numbers meet rows that are rounded to 8 bits where few rows are decoded: that is as exact as such
/// weights are, about one part in 200 of a row's largest number. Where many rows share the weights, and for logits, rows
/// are rounded to 16 bits, of which nothing is seen in the result. All else is `f32`.
#[derive(Debug)]
pub struct Fast {
    isa: Isa,
    crew: Crew,
}

impl Fast {
    /// On so many threads; zero means as many as there are cores.
    pub fn new(threads: usize) -> Fast {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores } else { threads };
        Fast { isa: Isa::detect(), crew: Crew::new(threads.min(THREADS_MAX)) }
    }

    /// The same, with no better instructions than the environment's `TIERWAY_CPU` names, if it does: `portable`, `avx2`,
    /// `avx512`, `neon`, or `neon+dotprod`. That tells a fault of one set of instructions from others, and how fast a plainer processor is.
    ///
    /// # Errors
    /// `EngineError::Processor` where this processor has no instructions of that name.
    pub fn from_environment(threads: usize) -> Result<Fast, EngineError> {
        let fast = Fast::new(threads);
        match std::env::var_os(LIMIT) {
            Some(limit) if !limit.is_empty() => fast.up_to(&limit.to_string_lossy()),
            _ => Ok(fast),
        }
    }

    /// The same, with no better instructions than those of this name.
    fn up_to(self, limit: &str) -> Result<Fast, EngineError> {
        let isa = Isa::up_to(limit).map_err(|what| EngineError::Processor { what })?;
        Ok(Fast { isa, ..self })
    }

    /// One for each set of instructions that this processor has, the plainest first, to test what others run.
    pub fn every(threads: usize) -> Vec<Fast> {
        let one = |isa| Fast { isa, crew: Crew::new(threads.clamp(1, THREADS_MAX)) };
        Isa::all().into_iter().map(one).collect()
    }

    /// Calls `task` for each (row of a span, head).
    fn for_each_row(&self, spans: &[Placed<'_>], heads: usize, task: impl Fn(&Placed<'_>, usize, usize, usize) + Sync) {
        let rows: Vec<(usize, usize)> =
            spans.iter().enumerate().flat_map(|(span, placed)| (0..placed.count).map(move |at| (span, at))).collect();
        self.crew.run(rows.len() * heads, &|number| {
            // The longest rows come first, so that the threads end together.
            let (span, at) = rows[rows.len() - 1 - number / heads];
            let placed = &spans[span];
            task(placed, placed.row + at, placed.start + at, number % heads);
        });
    }

    /// Turns scores into weights that sum to one, and leaves what to multiply the sum's inverse with to the caller.
    fn softmax(&self, scores: &mut [f32]) -> f32 {
        let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        1.0 / self.isa.exp_from(most, scores)
    }
}

impl Backend for Fast {
    fn describe(&self) -> String {
        format!("cpu {}, {} threads", self.isa.name(), self.crew.threads())
    }

    fn project(&self, x: &[f32], outputs: &mut [Projection<'_>], decode: usize) {
        let Some(columns) = outputs.first().map(|output| output.weight.columns()) else { return };
        let (few, many) = x.split_at(decode * columns);
        let any = |is_exact: bool| outputs.iter().any(|o| o.exact == is_exact && o.weight.dtype().is_blocked());
        let coarse = (!few.is_empty() && any(false)).then(|| self.round::<i8>(few, columns));
        let fine = (!few.is_empty() && any(true)).then(|| self.round::<i16>(few, columns));
        let has_parts = outputs.iter().any(|output| output.weight.dtype().has_parts());
        let fine_many = (!many.is_empty() && has_parts).then(|| self.round::<i16>(many, columns));
        let mut jobs = Vec::with_capacity(2 * outputs.len());
        for output in outputs {
            let (y_few, y_many) = output.y.split_at_mut(decode * output.weight.rows());
            if !few.is_empty() {
                let rounded = match (&coarse, &fine) {
                    (Some(coarse), _) if !output.exact => Rounded::Coarse(coarse, 0),
                    (_, Some(fine)) if output.exact => Rounded::Fine(fine, 0),
                    _ => Rounded::Not,
                };
                jobs.push(Job::decode(output.weight, few, rounded, y_few));
            }
            if !many.is_empty() {
                let rounded = fine_many.as_ref().map_or(Rounded::Not, |rounded| Rounded::Fine(rounded, 0));
                jobs.push(Job::prefill(output.weight, many, rounded, y_many));
            }
        }
        multiply(&self.crew, self.isa, &jobs);
    }

    fn feed_forward(&self, weights: &Gated, x: &[f32], y: &mut [f32], decode: usize) {
        let (hidden, width) = (weights.gate.columns(), weights.gate.rows());
        let tokens = x.len() / hidden;
        let mut gate = vec![0.0; tokens * width];
        let mut up = vec![0.0; tokens * width];
        let mut outputs = [Projection::new(&weights.gate, &mut gate), Projection::new(&weights.up, &mut up)];
        self.project(x, &mut outputs, decode);
        self.gate(&mut gate, &up);
        self.project(&gate, &mut [Projection::new(&weights.down, y)], decode);
    }

    fn experts(&self, experts: &[Gated], x: &[f32], routes: &Routes, y: &mut [f32], decode: usize) {
        self.run_experts(experts, x, routes, y, decode);
    }

    fn grouped_attention(
        &self,
        shape: &GroupedShape,
        cache: &CacheView<'_>,
        spans: &[Placed<'_>],
        q: &[f32],
        out: &mut [f32],
    ) {
        self.attend_grouped(shape, cache, spans, q, out);
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
        self.attend_absorbed(shape, weights, cache, spans, q, out);
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
        let head_size = nope + value;
        let stride = heads.len() * head_size;
        let out = Shared::new(out);
        self.for_each_row(std::slice::from_ref(span), heads.len(), |span, row, position, nth_head| {
            let at = row * shape.heads + heads.start + nth_head;
            let q = &q[at * (nope + rotary)..][..nope + rotary];
            let own = nth_head * head_size;
            let mut scores = vec![0.0; position + 1];
            for_each_page(cache, span.pages, 0..position + 1, |nth, rows, width, count| {
                self.isa.scores(&q[nope..], rows, width, latent, &mut scores[nth..nth + count]);
            });
            let mut others = vec![0.0; position + 1];
            self.isa.scores(&q[..nope], keys_values, stride, own, &mut others);
            scores.iter_mut().zip(others).for_each(|(score, other)| *score = (*score + other) * scale);
            let inverse = self.softmax(&mut scores);
            let out = out.cut(at * value, value);
            out.fill(0.0);
            self.isa.weigh(&scores, keys_values, stride, own + nope, out);
            out.iter_mut().for_each(|out| *out *= inverse);
        });
    }
}

impl Fast {
    fn round<T: Whole>(&self, x: &[f32], columns: usize) -> Quantised<T> {
        Quantised::new(&self.crew, self.isa, x, columns)
    }

    /// `gate = silu(gate) * up`
    fn gate(&self, gate: &mut [f32], up: &[f32]) {
        const AT_ONCE: usize = 2_048;
        let tasks = gate.len().div_ceil(AT_ONCE);
        let length = gate.len();
        let gate = Shared::new(gate);
        self.crew.run(tasks, &|task| {
            let at = task * AT_ONCE;
            let count = AT_ONCE.min(length - at);
            gate.cut(at, count).iter_mut().zip(&up[at..at + count]).for_each(|(g, u)| *g = silu(*g) * u);
        });
    }
}

/// Calls `each` with the cached rows of these positions, a page at a time: how many came before, the rows, the numbers of
/// a row, and how many rows.
fn for_each_page(
    cache: &CacheView<'_>,
    pages: &[u32],
    positions: Range<usize>,
    mut each: impl FnMut(usize, &[f32], usize, usize),
) {
    let mut position = positions.start;
    while position < positions.end {
        let (rows, width) = cache.page(pages[position / PAGE]);
        let end = ((position / PAGE + 1) * PAGE).min(positions.end);
        each(position - positions.start, &rows[position % PAGE * width..], width, end - position);
        position = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_held_to_those_that_are_named() {
        for fast in Fast::every(1) {
            let name = fast.isa.name();
            assert_eq!(Fast::new(1).up_to(name).unwrap().describe(), format!("cpu {name}, 1 threads"));
        }
        assert_eq!(Fast::new(2).up_to("portable").unwrap().describe(), "cpu portable, 2 threads");
        #[cfg(target_arch = "x86_64")]
        if Isa::all().contains(&Isa::Avx2) {
            assert_eq!(Fast::new(1).up_to("avx2").unwrap().isa, Isa::Avx2);
        }
        let error = Fast::new(1).up_to("avx9").unwrap_err();
        assert!(matches!(error, EngineError::Processor { .. }));
        let text = error.to_string();
        assert!(text.contains("'avx9'") && text.contains("portable") && text.contains("TIERWAY_CPU"), "{text}");
    }
}

//! Rows times matrices, shared out among threads by rows of the matrices.

use super::panel::{LANES_MAX, Panels, TOKENS_MAX};
use super::wide::{ROWS, Wide};
use super::{Crew, Isa, Shared, TILE};
use crate::backend::cpu::quantised::Quantised;
use crate::weights::Matrix;

/// Bytes of widened weights that a task works on: they stay in the second-level cache while all tokens pass by.
const BLOCK_BYTES: usize = 192 << 10;

/// One product: `y[t, r] = sum over c of x[t, c] * weight[r, c]`.
#[derive(Debug)]
pub(in crate::backend::cpu) struct Job<'a> {
    weight: &'a Matrix,
    /// `[tokens, columns]`
    x: &'a [f32],
    rows: Rows<'a>,
    /// `[tokens, rows]`
    y: Shared<'a, f32>,
    rows_at_once: usize,
}

/// Which arithmetic a job takes.
#[derive(Debug)]
enum Rows<'a> {
    Many(Rounded<'a>),
    Few(Rounded<'a>),
}

/// `x` rounded to whole numbers, from a row on, for weights of whole numbers.
#[derive(Clone, Copy, Debug)]
pub(in crate::backend::cpu) enum Rounded<'a> {
    /// Not at all.
    Not,
    /// To 8 bits.
    Coarse(&'a Quantised<i8>, usize),
    /// To 16 bits.
    Fine(&'a Quantised<i16>, usize),
}

impl<'a> Job<'a> {
    /// By the arithmetic for many rows. `rounded` is fine or not at all.
    pub(in crate::backend::cpu) fn prefill(
        weight: &'a Matrix,
        x: &'a [f32],
        rounded: Rounded<'a>,
        y: &'a mut [f32],
    ) -> Job<'a> {
        let rounded = if weight.dtype().has_parts() { rounded } else { Rounded::Not };
        let (row_bytes, step) = match rounded {
            Rounded::Not => (4 * weight.columns(), ROWS),
            _ => (Panels::row_bytes(weight.columns()), LANES_MAX),
        };
        let fitting = BLOCK_BYTES / row_bytes / step * step;
        Job::new(weight, x, Rows::Many(rounded), y, fitting.max(step))
    }

    /// By the arithmetic for few rows.
    pub(in crate::backend::cpu) fn decode(
        weight: &'a Matrix,
        x: &'a [f32],
        rounded: Rounded<'a>,
        y: &'a mut [f32],
    ) -> Job<'a> {
        let rounded = if weight.dtype().is_blocked() { rounded } else { Rounded::Not };
        // Some ten microseconds of reading.
        let rows_at_once = ((64 << 10) / weight.row_bytes()).clamp(4, 512);
        Job::new(weight, x, Rows::Few(rounded), y, rows_at_once)
    }

    fn new(weight: &'a Matrix, x: &'a [f32], rows: Rows<'a>, y: &'a mut [f32], rows_at_once: usize) -> Job<'a> {
        assert_eq!(
            x.len() / weight.columns() * weight.rows(),
            y.len(),
            "a product has a number for each token and row"
        );
        Job { weight, x, rows, y: Shared::new(y), rows_at_once }
    }

    /// Does the whole job on this thread.
    pub(in crate::backend::cpu) fn run_here(&self, isa: Isa) {
        (0..self.tasks()).for_each(|task| self.run(isa, task));
    }

    fn tasks(&self) -> usize {
        self.weight.rows().div_ceil(self.rows_at_once)
    }

    fn run(&self, isa: Isa, task: usize) {
        let first = task * self.rows_at_once;
        let count = self.rows_at_once.min(self.weight.rows() - first);
        match &self.rows {
            Rows::Many(Rounded::Fine(rounded, at)) => self.run_panels(isa, rounded, *at, first, count),
            Rows::Many(_) if isa.is_wide() => self.run_wide(isa, first, count),
            Rows::Many(_) => self.run_tiles(isa, first, count),
            Rows::Few(rounded) => self.run_rows(isa, *rounded, first, count),
        }
    }

    /// Few tokens: weight rows are read as they are, and stay in the cache while every token passes by.
    fn run_rows(&self, isa: Isa, rounded: Rounded<'_>, first: usize, count: usize) {
        let (rows, columns) = (self.weight.rows(), self.weight.columns());
        let (dtype, stride) = (self.weight.dtype(), self.weight.row_bytes());
        let bytes = &self.weight.data()[first * stride..(first + count) * stride];
        for (token, x) in self.x.chunks_exact(columns).enumerate() {
            let y = self.y.cut(token * rows + first, count);
            match rounded {
                Rounded::Coarse(rounded, at) => isa.rows_blocks(dtype, bytes, rounded.row(at + token), y),
                Rounded::Fine(rounded, at) => isa.rows_blocks(dtype, bytes, rounded.row(at + token), y),
                Rounded::Not if self.weight.row_scales(first).is_some() => {
                    y.iter_mut().enumerate().for_each(|(at, y)| *y = self.scaled(isa, first + at, x));
                }
                Rounded::Not => isa.rows_plain(dtype, bytes, x, y),
            }
        }
    }

    /// The product of a row whose blocks of columns have scales.
    fn scaled(&self, isa: Isa, row: usize, x: &[f32]) -> f32 {
        let Some((scales, block)) = self.weight.row_scales(row) else { return f32::NAN };
        let dtype = self.weight.dtype();
        let parts = x.chunks(block).zip(self.weight.row(row).chunks(block * dtype.block().1)).zip(scales);
        parts.map(|((x, bytes), scale)| isa.dot_plain(dtype, bytes, x) * scale).sum()
    }

    /// Many tokens and weights of whole numbers: rows are laid side by side once, and some tokens pass by at a time.
    fn run_panels(&self, isa: Isa, rounded: &Quantised<i16>, at: usize, first: usize, count: usize) {
        let rows = self.weight.rows();
        let tokens = self.x.len() / self.weight.columns();
        let (lanes, at_once) = (isa.lanes(), isa.tokens());
        let panels = Panels::new(isa, self.weight, first, count);
        let mut products = [[0.0; LANES_MAX]; TOKENS_MAX];
        for start in (0..tokens).step_by(at_once) {
            let some = at_once.min(tokens - start);
            let x = rounded.rows(at + start, some);
            for (number, panel) in panels.iter().enumerate() {
                isa.panel(panel, x, some, &mut products);
                let wide = lanes.min(count - number * lanes);
                for (token, products) in products.iter().enumerate().take(some) {
                    let place = (start + token) * rows + first + number * lanes;
                    self.y.cut(place, wide).copy_from_slice(&products[..wide]);
                }
            }
        }
    }

    /// Many tokens: rows are widened and laid side by side once, and some tokens pass by at a time.
    fn run_wide(&self, isa: Isa, first: usize, count: usize) {
        let (rows, columns) = (self.weight.rows(), self.weight.columns());
        let wide = Wide::new(self.weight, first, count);
        let mut products = [[0.0; ROWS]; TOKENS_MAX];
        for (step, x) in self.x.chunks(TOKENS_MAX * columns).enumerate() {
            for (number, panel) in wide.iter().enumerate() {
                isa.wide(panel, x, columns, &mut products);
                let some = ROWS.min(count - number * ROWS);
                for (token, products) in products.iter().enumerate().take(x.len() / columns) {
                    let place = (step * TOKENS_MAX + token) * rows + first + number * ROWS;
                    self.y.cut(place, some).copy_from_slice(&products[..some]);
                }
            }
        }
    }

    /// Many tokens: a block of weight rows is widened once, and tokens pass by four at a time.
    fn run_tiles(&self, isa: Isa, first: usize, count: usize) {
        let (rows, columns) = (self.weight.rows(), self.weight.columns());
        let mut block = vec![0.0; count * columns];
        for (row, numbers) in block.chunks_exact_mut(columns).enumerate() {
            self.weight.widen_row(first + row, numbers);
        }
        for (step, x) in self.x.chunks(TILE.0 * columns).enumerate() {
            for (part, w) in block.chunks(TILE.1 * columns).enumerate() {
                let products = isa.tile(x, w, columns);
                let wide = w.len() / columns;
                for (token, products) in products.iter().enumerate().take(x.len() / columns) {
                    let at = (step * TILE.0 + token) * rows + first + part * TILE.1;
                    self.y.cut(at, wide).copy_from_slice(&products[..wide]);
                }
            }
        }
    }
}

/// Does all jobs. No two write to the same place, since each has a buffer of its own.
pub(in crate::backend::cpu) fn multiply(crew: &Crew, isa: Isa, jobs: &[Job<'_>]) {
    let mut starts = Vec::with_capacity(jobs.len());
    let mut tasks = 0;
    for job in jobs {
        starts.push(tasks);
        tasks += job.tasks();
    }
    crew.run(tasks, &|task| {
        let job = starts.partition_point(|start| *start <= task) - 1;
        jobs[job].run(isa, task - starts[job]);
    });
}

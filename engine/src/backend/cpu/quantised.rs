//! Rows rounded to whole numbers, so that products with whole-number weights are whole: to 8 bits where few rows are
//! decoded, to 16 where an error would count or where many rows share the weights.

use super::simd::{Crew, Isa, Shared};

/// Numbers that share a scale.
pub(super) const BLOCK: usize = 32;

/// A whole number that rows are rounded to.
pub(super) trait Whole: Copy + Default + Send + Sync {
    /// The largest; the smallest is its negative.
    const MOST: f32;

    /// The nearest, of equally near ones the even, of a number within the range.
    fn nearest(value: f32) -> Self;

    fn wide(self) -> i32;
}

/// Adding it puts the whole part of a small number into the lowest bits, rounded.
const SHIFT: f32 = 12_582_912.0;

#[inline(always)]
fn nearest(value: f32) -> i32 {
    (value + SHIFT).to_bits().wrapping_sub(SHIFT.to_bits()) as i32
}

impl Whole for i8 {
    const MOST: f32 = 127.0;

    #[inline(always)]
    fn nearest(value: f32) -> i8 {
        nearest(value) as i8
    }

    #[inline(always)]
    fn wide(self) -> i32 {
        i32::from(self)
    }
}

impl Whole for i16 {
    const MOST: f32 = 32_767.0;

    #[inline(always)]
    fn nearest(value: f32) -> i16 {
        nearest(value) as i16
    }

    #[inline(always)]
    fn wide(self) -> i32 {
        i32::from(self)
    }
}

/// Rows `[rows, columns]`: each number is about `scale * whole`.
#[derive(Clone, Debug, Default)]
pub(super) struct Quantised<T> {
    columns: usize,
    whole: Vec<T>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

/// One such row, or several.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuantisedRow<'a, T> {
    /// `[columns]`
    pub whole: &'a [T],
    /// `[columns / BLOCK]`
    pub scales: &'a [f32],
    /// `[columns / BLOCK]`: each block's numbers summed, as rounded.
    pub sums: &'a [f32],
}

impl<T: Whole> Quantised<T> {
    /// Rounds rows; `columns` is a multiple of the block, as it is for every weight of whole numbers.
    pub(super) fn new(crew: &Crew, isa: Isa, x: &[f32], columns: usize) -> Quantised<T> {
        debug_assert!(columns.is_multiple_of(BLOCK));
        let blocks = x.len() / BLOCK;
        let (mut whole, mut scales, mut sums) = (vec![T::default(); x.len()], vec![0.0; blocks], vec![0.0; blocks]);
        // Rounding few rows is done before another thread would have heard of it.
        const AT_ONCE: usize = 256;
        let (to_whole, to_scales, to_sums) =
            (Shared::new(&mut whole), Shared::new(&mut scales), Shared::new(&mut sums));
        crew.run(blocks.div_ceil(AT_ONCE), &|task| {
            let first = task * AT_ONCE;
            let count = AT_ONCE.min(blocks - first);
            let whole = to_whole.cut(first * BLOCK, count * BLOCK);
            isa.round(
                &x[first * BLOCK..][..count * BLOCK],
                whole,
                to_scales.cut(first, count),
                to_sums.cut(first, count),
            );
        });
        Quantised { columns, whole, scales, sums }
    }

    /// Rounds one row on this thread.
    pub(super) fn of_row(isa: Isa, x: &[f32]) -> Quantised<T> {
        let blocks = x.len() / BLOCK;
        let (mut whole, mut scales, mut sums) = (vec![T::default(); x.len()], vec![0.0; blocks], vec![0.0; blocks]);
        isa.round(x, &mut whole, &mut scales, &mut sums);
        Quantised { columns: x.len(), whole, scales, sums }
    }

    /// One row.
    pub(super) fn row(&self, row: usize) -> QuantisedRow<'_, T> {
        self.rows(row, 1)
    }

    /// Rows, one after the other.
    pub(super) fn rows(&self, first: usize, count: usize) -> QuantisedRow<'_, T> {
        let (columns, blocks) = (self.columns, self.columns / BLOCK);
        QuantisedRow {
            whole: &self.whole[first * columns..][..count * columns],
            scales: &self.scales[first * blocks..][..count * blocks],
            sums: &self.sums[first * blocks..][..count * blocks],
        }
    }
}

/// Rounds blocks. A number that is none makes its block's numbers any numbers, as it would make any product none.
#[inline(always)]
pub(super) fn round<T: Whole>(x: &[f32], whole: &mut [T], scales: &mut [f32], sums: &mut [f32]) {
    let blocks = x.chunks_exact(BLOCK).zip(whole.chunks_exact_mut(BLOCK));
    for ((x, whole), (scale, sum)) in blocks.zip(scales.iter_mut().zip(sums)) {
        let mut mosts = [0.0f32; 8];
        for part in x.chunks_exact(8) {
            for (most, x) in mosts.iter_mut().zip(part) {
                let size = x.abs();
                *most = if size > *most { size } else { *most };
            }
        }
        let most = mosts.iter().fold(0.0f32, |most, size| most.max(*size));
        let inverse = if most > 0.0 { T::MOST / most } else { 0.0 };
        let mut total = 0;
        for (whole, x) in whole.iter_mut().zip(x) {
            *whole = T::nearest(x * inverse);
            total += whole.wide();
        }
        *scale = most / T::MOST;
        *sum = *scale * total as f32;
    }
}

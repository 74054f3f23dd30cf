//! Rows rounded to whole numbers of 8 bits, so that products with whole-number weights are whole.

/// Numbers that share a scale.
pub(super) const BLOCK: usize = 32;

/// Rows `[rows, columns]`: each number is about `scale * whole`.
#[derive(Clone, Debug, Default)]
pub(super) struct Quantised {
    columns: usize,
    whole: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
}

/// One such row.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuantisedRow<'a> {
    /// `[columns]`
    pub whole: &'a [i8],
    /// `[columns / BLOCK]`
    pub scales: &'a [f32],
    /// `[columns / BLOCK]`: each block's numbers summed, as rounded.
    pub sums: &'a [f32],
}

impl Quantised {
    /// Rounds rows; `columns` is a multiple of the block, as it is for every weight of whole numbers.
    pub(super) fn new(x: &[f32], columns: usize) -> Quantised {
        debug_assert!(columns.is_multiple_of(BLOCK));
        let mut rounded = Quantised { columns, ..Quantised::default() };
        rounded.whole.reserve(x.len());
        for block in x.chunks_exact(BLOCK) {
            let most = block.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let scale = most / 127.0;
            let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
            let start = rounded.whole.len();
            // A cast cuts towards zero and saturates, so half is added first.
            rounded.whole.extend(block.iter().map(|x| (x * inverse + 0.5f32.copysign(*x)) as i8));
            let sum: i32 = rounded.whole[start..].iter().map(|whole| i32::from(*whole)).sum();
            rounded.scales.push(scale);
            rounded.sums.push(scale * sum as f32);
        }
        rounded
    }

    /// One row.
    pub(super) fn row(&self, row: usize) -> QuantisedRow<'_> {
        let (columns, blocks) = (self.columns, self.columns / BLOCK);
        QuantisedRow {
            whole: &self.whole[row * columns..(row + 1) * columns],
            scales: &self.scales[row * blocks..(row + 1) * blocks],
            sums: &self.sums[row * blocks..(row + 1) * blocks],
        }
    }
}

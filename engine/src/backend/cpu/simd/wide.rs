//! Weight rows as `f32` side by side, two vectors of them, for many tokens: one number of a token meets 32 rows at once,
//! and no sum has to be made across a vector.
//!
//! A product is added up in the order of the columns, so it depends on its row and its token alone.

use super::Isa;
#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::panel::TOKENS_MAX;
use crate::weights::Matrix;

/// Weight rows of a panel.
pub(super) const ROWS: usize = 32;

/// Products of tokens with the rows of a panel.
pub(super) type Products = [[f32; ROWS]; TOKENS_MAX];

/// Some rows of a matrix.
#[derive(Debug)]
pub(super) struct Wide {
    columns: usize,
    /// `[panels, columns, 32]`
    numbers: Vec<f32>,
}

impl Wide {
    /// Of these rows; rows that are missing to a whole panel are zeros.
    pub(super) fn new(weight: &Matrix, first: usize, count: usize) -> Wide {
        let columns = weight.columns();
        let mut numbers = vec![0.0; count.div_ceil(ROWS) * ROWS * columns];
        let mut row = vec![0.0; columns];
        for (at, panel) in numbers.chunks_exact_mut(ROWS * columns).enumerate() {
            for lane in 0..ROWS.min(count - at * ROWS) {
                weight.widen_row(first + at * ROWS + lane, &mut row);
                panel[lane..].iter_mut().step_by(ROWS).zip(&row).for_each(|(place, number)| *place = *number);
            }
        }
        Wide { columns, numbers }
    }

    /// Each panel: `[columns, 32]`.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.numbers.chunks_exact(ROWS * self.columns)
    }
}

impl Isa {
    /// Whether it has registers enough for `wide`.
    pub(super) fn is_wide(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => true,
            _ => false,
        }
    }

    /// Writes a panel's products with up to 12 rows of `x` to `out`.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables, reason = "no other processor has the registers"))]
    pub(super) fn wide(self, panel: &[f32], x: &[f32], columns: usize, out: &mut Products) {
        let tokens = x.len() / columns;
        assert!(tokens <= TOKENS_MAX && tokens * columns == x.len() && panel.len() == ROWS * columns);
        match self {
            // SAFETY: `Isa::all` alone makes this value, where the processor has the instructions; sizes were just checked.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::wide(panel, x, columns, out) },
            _ => unreachable!("only asked for where the registers are enough"),
        }
    }
}

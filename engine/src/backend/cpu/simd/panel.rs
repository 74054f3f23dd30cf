//! Weight rows side by side, as many as a vector has lanes, for many tokens: whole numbers in pairs, so that one
//! instruction multiplies a pair of columns of all these rows with a pair of a token's.
//!
//! The products of a block are whole and exact; scaled, they are added in the order of the blocks. So a number's value
//! depends on its row and its token alone.

use super::Isa;
#[cfg(target_arch = "aarch64")]
use super::neon;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::backend::cpu::quantised::{BLOCK, QuantisedRow};
use crate::weights::Matrix;
use crate::weights::whole::PART;

/// Weight rows of a panel at most; see `Isa::lanes`.
pub(super) const LANES_MAX: usize = 16;
/// Tokens that meet a panel at a time at most; see `Isa::tokens`.
pub(super) const TOKENS_MAX: usize = 12;

/// The same where vectors are no longer than 256 bits.
pub(super) const LANES: usize = 8;
pub(super) const TOKENS: usize = 6;

/// Products of tokens with the rows of a panel.
pub(super) type Products = [[f32; LANES_MAX]; TOKENS_MAX];

/// Some rows of a matrix as whole numbers.
#[derive(Debug, Default)]
pub(super) struct Panels {
    blocks: usize,
    lanes: usize,
    /// `[panels, blocks, 16, lanes]`: the lower half of each is an even column, the upper the odd one after it.
    pairs: Vec<i32>,
    /// `[panels, blocks, lanes]`
    scales: Vec<f32>,
    /// `[panels, blocks, lanes]`; empty where all are zero.
    offsets: Vec<f32>,
}

/// One panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel<'a> {
    pub pairs: &'a [i32],
    pub scales: &'a [f32],
    pub offsets: &'a [f32],
}

impl Panels {
    /// Of these rows; rows that are missing to a whole panel are zeros.
    pub(super) fn new(isa: Isa, weight: &Matrix, from: usize, count: usize) -> Panels {
        let lanes = isa.lanes();
        let (panels, blocks) = (count.div_ceil(lanes), weight.columns() / BLOCK);
        let has_offsets = weight.dtype().has_offsets();
        let scales = vec![0.0; panels * blocks * lanes];
        let offsets = if has_offsets { scales.clone() } else { Vec::new() };
        let mut made = Panels { blocks, lanes, pairs: vec![0; panels * blocks * (BLOCK / 2) * lanes], scales, offsets };
        let mut whole = [[0i16; PART]; LANES];
        for first in (0..count).step_by(LANES) {
            let (some, lane) = (LANES.min(count - first), first % lanes);
            whole[some..].fill([0; PART]);
            for block in 0..blocks {
                let place = first / lanes * blocks + block;
                for (nth, whole) in whole.iter_mut().enumerate().take(some) {
                    let (scale, offset) = weight.dtype().part(weight.row(from + first + nth), block, whole);
                    made.scales[place * lanes + lane + nth] = scale;
                    if has_offsets {
                        made.offsets[place * lanes + lane + nth] = offset;
                    }
                }
                let pairs = &mut made.pairs[place * (BLOCK / 2) * lanes..][..(BLOCK / 2) * lanes];
                isa.side_by_side(&whole, &mut pairs[lane..], lanes);
            }
        }
        made
    }

    /// Bytes that a row of so many columns takes.
    pub(super) fn row_bytes(columns: usize) -> usize {
        2 * columns + 8 * columns / BLOCK
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Panel<'_>> {
        let (pairs, scales) = (self.blocks * (BLOCK / 2) * self.lanes, self.blocks * self.lanes);
        (0..self.scales.len() / scales).map(move |at| Panel {
            pairs: &self.pairs[at * pairs..][..pairs],
            scales: &self.scales[at * scales..][..scales],
            offsets: if self.offsets.is_empty() { &[] } else { &self.offsets[at * scales..][..scales] },
        })
    }
}

impl Isa {
    /// Weight rows of a panel.
    pub(super) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => LANES_MAX,
            _ => LANES,
        }
    }

    /// Tokens that meet a panel at a time: so many that their sums fill the registers.
    pub(super) fn tokens(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => TOKENS_MAX,
            _ => TOKENS,
        }
    }

    /// Lays eight rows side by side: a pair of each in `LANES` of every `stride` numbers.
    fn side_by_side(self, rows: &[[i16; PART]; LANES], pairs: &mut [i32], stride: usize) {
        assert!(stride >= LANES && pairs.len() >= (PART / 2 - 1) * stride + LANES);
        match self {
            // SAFETY: `Isa::all` alone makes this value, where the processor has the instructions; sizes were just checked.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2::side_by_side(rows, pairs, stride) },
            _ => {
                for (lane, row) in rows.iter().enumerate() {
                    for (pair, whole) in pairs.chunks_mut(stride).zip(row.chunks_exact(2)) {
                        pair[lane] = i32::from(whole[0]) & 0xffff | i32::from(whole[1]) << 16;
                    }
                }
            }
        }
    }

    /// Writes a panel's products with up to `self.tokens()` tokens to `out`.
    pub(super) fn panel(self, panel: Panel<'_>, x: QuantisedRow<'_, i16>, tokens: usize, out: &mut Products) {
        let blocks = panel.scales.len() / self.lanes();
        assert!(tokens <= self.tokens() && panel.pairs.len() == blocks * (BLOCK / 2) * self.lanes());
        assert!(panel.offsets.is_empty() || panel.offsets.len() == panel.scales.len());
        assert_eq!((x.whole.len(), x.scales.len()), (tokens * blocks * BLOCK, tokens * blocks));
        assert_eq!(x.sums.len(), x.scales.len());
        match self {
            Isa::Portable => portable(panel, x, tokens, out),
            // SAFETY: `Isa::all` alone makes this value, where the processor has the instructions; sizes were just checked.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::panel(panel, x, tokens, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::panel(panel, x, tokens, out) },
            // SAFETY: every 64-bit ARM processor has the instructions; sizes were just checked.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon | Isa::NeonDot => unsafe { neon::panel(panel, x, tokens, out) },
        }
    }
}

fn portable(panel: Panel<'_>, x: QuantisedRow<'_, i16>, tokens: usize, out: &mut Products) {
    let blocks = panel.scales.len() / LANES;
    for (token, products) in out.iter_mut().enumerate().take(tokens) {
        products[..LANES].fill(0.0);
        for block in 0..blocks {
            let whole = &x.whole[(token * blocks + block) * BLOCK..][..BLOCK];
            let pairs = &panel.pairs[block * (BLOCK / 2) * LANES..][..(BLOCK / 2) * LANES];
            let mut sums = [0i32; LANES];
            for (pairs, x) in pairs.chunks_exact(LANES).zip(whole.chunks_exact(2)) {
                for (sum, pair) in sums.iter_mut().zip(pairs) {
                    *sum += i32::from(*pair as i16) * i32::from(x[0]) + (pair >> 16) * i32::from(x[1]);
                }
            }
            let (scale, sum) = (x.scales[token * blocks + block], x.sums[token * blocks + block]);
            for lane in 0..LANES {
                products[lane] += sums[lane] as f32 * (panel.scales[block * LANES + lane] * scale);
                if let Some(offset) = panel.offsets.get(block * LANES + lane) {
                    products[lane] += offset * sum;
                }
            }
        }
    }
}

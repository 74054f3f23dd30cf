//! A panel of eight weight rows with up to six tokens, and rows rounded to whole numbers.

use super::*;
use crate::backend::cpu::quantised::{Whole, round as round_blocks};
use crate::backend::cpu::simd::panel::{LANES, Panel, Products};
use crate::weights::whole::PART;

/// # Safety
/// The panel has as many blocks as each of the tokens, of which there are at most six.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn panel(panel: Panel<'_>, x: QuantisedRow<'_, i16>, tokens: usize, out: &mut Products) {
    // SAFETY: the caller's promise.
    unsafe {
        match (tokens, panel.offsets.is_empty()) {
            (6, true) => panel_of::<6, false>(panel, x, out),
            (5, true) => panel_of::<5, false>(panel, x, out),
            (4, true) => panel_of::<4, false>(panel, x, out),
            (3, true) => panel_of::<3, false>(panel, x, out),
            (2, true) => panel_of::<2, false>(panel, x, out),
            (_, true) => panel_of::<1, false>(panel, x, out),
            (6, false) => panel_of::<6, true>(panel, x, out),
            (5, false) => panel_of::<5, true>(panel, x, out),
            (4, false) => panel_of::<4, true>(panel, x, out),
            (3, false) => panel_of::<3, true>(panel, x, out),
            (2, false) => panel_of::<2, true>(panel, x, out),
            (_, false) => panel_of::<1, true>(panel, x, out),
        }
    }
}

/// Twelve registers hold whole and scaled sums, so that a pair of columns costs one load of weights and, for each token,
/// one broadcast, one product of pairs and one addition.
///
/// # Safety
/// The panel has as many blocks as each of the `T` tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn panel_of<const T: usize, const OFFSETS: bool>(
    panel: Panel<'_>,
    x: QuantisedRow<'_, i16>,
    out: &mut Products,
) {
    let blocks = panel.scales.len() / LANES;
    let mut sums = [_mm256_setzero_ps(); T];
    for block in 0..blocks {
        let mut whole = [_mm256_setzero_si256(); T];
        // SAFETY: a block has 16 vectors of pairs, and every token 32 numbers there; scales and sums are counted alike.
        unsafe {
            let pairs = panel.pairs.as_ptr().add(block * (BLOCK / 2) * LANES);
            let row = x.whole.as_ptr().add(block * BLOCK);
            for pair in 0..BLOCK / 2 {
                let weights = _mm256_loadu_si256(pairs.add(pair * LANES).cast());
                for (token, whole) in whole.iter_mut().enumerate() {
                    let two = row.add(token * blocks * BLOCK + 2 * pair).cast::<i32>().read_unaligned();
                    *whole = _mm256_add_epi32(*whole, _mm256_madd_epi16(weights, _mm256_set1_epi32(two)));
                }
            }
            let scales = _mm256_loadu_ps(panel.scales.as_ptr().add(block * LANES));
            for (token, (sum, whole)) in sums.iter_mut().zip(whole).enumerate() {
                let at = token * blocks + block;
                let scale = _mm256_mul_ps(scales, _mm256_set1_ps(*x.scales.get_unchecked(at)));
                *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, *sum);
                if OFFSETS {
                    let offsets = _mm256_loadu_ps(panel.offsets.as_ptr().add(block * LANES));
                    *sum = _mm256_fmadd_ps(offsets, _mm256_set1_ps(*x.sums.get_unchecked(at)), *sum);
                }
            }
        }
    }
    for (products, sum) in out.iter_mut().zip(sums) {
        // SAFETY: there are at least eight.
        unsafe { _mm256_storeu_ps(products.as_mut_ptr(), sum) };
    }
}

/// # Safety
/// None beyond the instructions.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn round<T: Whole>(x: &[f32], whole: &mut [T], scales: &mut [f32], sums: &mut [f32]) {
    round_blocks(x, whole, scales, sums);
}

/// Lays eight rows side by side: a pair of each in eight of every `stride` numbers.
///
/// # Safety
/// `pairs` has room for eight numbers after every `stride` of as many as a row has pairs.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn side_by_side(rows: &[[i16; PART]; LANES], pairs: &mut [i32], stride: usize) {
    for half in 0..2 {
        // SAFETY: half a row is one read.
        let read = |lane: usize| unsafe { _mm256_loadu_si256(rows[lane].as_ptr().add(half * PART / 2).cast()) };
        for (pair, lanes) in turned(std::array::from_fn(read)).into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { _mm256_storeu_si256(pairs.as_mut_ptr().add((half * LANES + pair) * stride).cast(), lanes) };
        }
    }
}

/// Eight vectors of eight numbers, rows made columns.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn turned(v: [__m256i; LANES]) -> [__m256i; LANES] {
    let twos: [__m256i; LANES] = std::array::from_fn(|at| {
        let (one, next) = (v[at / 2 * 2], v[at / 2 * 2 + 1]);
        if at % 2 == 0 { _mm256_unpacklo_epi32(one, next) } else { _mm256_unpackhi_epi32(one, next) }
    });
    // Columns 0 to 3 of four rows, each with the column that is four further in its upper half.
    let fours: [__m256i; LANES] = std::array::from_fn(|at| {
        let (one, next) = (twos[at / 4 * 4 + at % 4 / 2], twos[at / 4 * 4 + 2 + at % 4 / 2]);
        if at % 2 == 0 { _mm256_unpacklo_epi64(one, next) } else { _mm256_unpackhi_epi64(one, next) }
    });
    std::array::from_fn(|at| {
        let (one, next) = (fours[at % 4], fours[4 + at % 4]);
        if at < 4 { _mm256_permute2x128_si256::<0x20>(one, next) } else { _mm256_permute2x128_si256::<0x31>(one, next) }
    })
}

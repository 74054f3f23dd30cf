//! Every inner loop with AVX2, FMA and F16C.
//!
//! Callers have checked that the processor has them and that lengths agree; each function says which reads rest on that.

use std::arch::x86_64::*;

use super::{TILE, each_row};
use crate::backend::cpu::quantised::{BLOCK, QuantisedRow, Whole};
use crate::weights::Dtype;
use crate::weights::dtype::k_scale;

mod attend;
mod blocks;
mod groups;
mod panel;
mod rows;
mod turned;
pub(super) use attend::{scores, weigh};
pub(super) use groups::{Rounded, rows_blocks};
pub(super) use panel::{panel, round, side_by_side};
pub(super) use rows::rows_plain;
pub(super) use turned::{add_rows, is_read};

/// Weight rows at a time.
const ROWS: usize = 4;
/// Bytes ahead of a read that are asked for early: as far as memory is slow, and rows lie one after the other. The
/// processor's own look-ahead ends with each page of 4 kB.
const AHEAD: usize = 8 << 10;

/// Eight numbers from `at` on.
///
/// # Safety
/// `at + 8` is at most the length.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load(x: &[f32], at: usize) -> __m256 {
    // SAFETY: the caller's promise; the load needs no alignment.
    unsafe { _mm256_loadu_ps(x.as_ptr().add(at)) }
}

/// The sum of the eight lanes, always in the same order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum(v: __m256) -> f32 {
    let halves = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let quarters = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
    _mm_cvtss_f32(_mm_add_ss(quarters, _mm_shuffle_ps::<1>(quarters, quarters)))
}

/// Computes each weight row's product, `N` rows at a time; `products` is told where they begin. Beyond the last row the last is
/// taken again, so that every row's sum is made alike.
///
/// # Panics
/// Where `bytes` does not hold `y.len()` rows of `stride` bytes.
#[inline(always)]
pub(super) fn in_groups<const N: usize>(
    bytes: &[u8],
    stride: usize,
    y: &mut [f32],
    products: impl Fn([*const u8; N]) -> [f32; N],
) {
    assert!(bytes.len() >= stride * y.len(), "all rows are there");
    let last = y.len().saturating_sub(1);
    for (group, y) in y.chunks_mut(N).enumerate() {
        let begin = |row: usize| bytes.as_ptr().wrapping_add((group * N + row).min(last) * stride);
        y.copy_from_slice(&products(std::array::from_fn(begin))[..y.len()]);
    }
}

/// The sum of the lanes of each of four vectors, always in the same order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn totals(v: [__m256; ROWS]) -> [f32; ROWS] {
    let all = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
    let mut out = [0.0; ROWS];
    // SAFETY: there are four.
    unsafe {
        _mm_storeu_ps(out.as_mut_ptr(), _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps::<1>(all)));
    }
    out
}

/// # Safety
/// `a` and `b` have the same length.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [_mm256_setzero_ps(); 4];
    let mut at = 0;
    // SAFETY: every read ends at or before the common length.
    unsafe {
        while at + 32 <= a.len() {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum = _mm256_fmadd_ps(load(a, at + 8 * lane), load(b, at + 8 * lane), *sum);
            }
            at += 32;
        }
        while at + 8 <= a.len() {
            sums[0] = _mm256_fmadd_ps(load(a, at), load(b, at), sums[0]);
            at += 8;
        }
    }
    let tail: f32 = (at..a.len()).map(|at| a[at] * b[at]).sum();
    sum(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]))) + tail
}

/// # Safety
/// `value` and `out` have the same length.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn add_scaled(weight: f32, value: &[f32], out: &mut [f32]) {
    let weights = _mm256_set1_ps(weight);
    let mut at = 0;
    while at + 8 <= out.len() {
        // SAFETY: eight numbers lie from `at` on in both.
        unsafe {
            let added = _mm256_fmadd_ps(weights, load(value, at), load(out, at));
            _mm256_storeu_ps(out.as_mut_ptr().add(at), added);
        }
        at += 8;
    }
    for at in at..out.len() {
        out[at] = weight.mul_add(value[at], out[at]);
    }
}

/// `e^x` for x up to 0, within 2e-7: x is split into a whole power of two and a rest up to half of ln 2, for which the
/// series to the sixth power is enough.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn exp(x: __m256) -> __m256 {
    let x = _mm256_max_ps(x, _mm256_set1_ps(-87.0));
    let power = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm256_mul_ps(
        x,
        _mm256_set1_ps(std::f32::consts::LOG2_E),
    ));
    // ln 2 in two parts, the first with so few digits that its product with the power is exact.
    let rest = _mm256_fnmadd_ps(power, _mm256_set1_ps(0.693_359_4), x);
    let rest = _mm256_fnmadd_ps(power, _mm256_set1_ps(-2.121_944_4e-4), rest);
    let mut series = _mm256_set1_ps(1.0 / 720.0);
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = _mm256_fmadd_ps(series, rest, _mm256_set1_ps(factor));
    }
    let exponent = _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(power), _mm256_set1_epi32(127)));
    _mm256_mul_ps(series, _mm256_castsi256_ps(exponent))
}

/// # Safety
/// None beyond the instructions.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn exp_from(most: f32, scores: &mut [f32]) -> f32 {
    let mosts = _mm256_set1_ps(most);
    let mut sums = _mm256_setzero_ps();
    let mut chunks = scores.chunks_exact_mut(8);
    for chunk in &mut chunks {
        // SAFETY: a chunk has eight numbers.
        unsafe {
            let powers = exp(_mm256_sub_ps(_mm256_loadu_ps(chunk.as_ptr()), mosts));
            _mm256_storeu_ps(chunk.as_mut_ptr(), powers);
            sums = _mm256_add_ps(sums, powers);
        }
    }
    let mut tail = 0.0;
    for score in chunks.into_remainder() {
        *score = (*score - most).exp();
        tail += *score;
    }
    sum(sums) + tail
}

/// Eight numbers of a plain type from number `at` on.
///
/// # Safety
/// `bytes` holds at least `at + 8` numbers of the type.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load_plain<const TYPE: u8>(bytes: &[u8], at: usize) -> __m256 {
    // SAFETY: the caller's promise; no load needs alignment.
    unsafe {
        match TYPE {
            F32 => _mm256_loadu_ps(bytes.as_ptr().add(4 * at).cast()),
            F16 => _mm256_cvtph_ps(_mm_loadu_si128(bytes.as_ptr().add(2 * at).cast())),
            BF16 => {
                let upper = _mm256_cvtepu16_epi32(_mm_loadu_si128(bytes.as_ptr().add(2 * at).cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(upper))
            }
            _ => {
                // Exponent and fraction in a single's place are too small by 2^120, for subnormals as well.
                let codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.as_ptr().add(at).cast()));
                let size = _mm256_slli_epi32::<20>(_mm256_and_si256(codes, _mm256_set1_epi32(0x7f)));
                let sign = _mm256_slli_epi32::<24>(_mm256_and_si256(codes, _mm256_set1_epi32(0x80)));
                let small = _mm256_castsi256_ps(_mm256_or_si256(size, sign));
                _mm256_mul_ps(small, _mm256_set1_ps(f32::from_bits((127 + 120) << 23)))
            }
        }
    }
}

const F32: u8 = 0;
const F16: u8 = 1;
const BF16: u8 = 2;
const F8: u8 = 3;

/// # Safety
/// `bytes` holds as many numbers of the type as `x` has.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dot_plain(dtype: Dtype, bytes: &[u8], x: &[f32]) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => dot_typed::<F32>(dtype, bytes, x),
            Dtype::F16 => dot_typed::<F16>(dtype, bytes, x),
            Dtype::BF16 => dot_typed::<BF16>(dtype, bytes, x),
            Dtype::F8E4M3 => dot_typed::<F8>(dtype, bytes, x),
            _ => super::portable::dot_plain(dtype, bytes, x),
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn dot_typed<const TYPE: u8>(dtype: Dtype, bytes: &[u8], x: &[f32]) -> f32 {
    let mut sums = [_mm256_setzero_ps(); 4];
    let mut at = 0;
    // SAFETY: every read ends at or before the last of `x`, and `bytes` holds as many numbers.
    unsafe {
        while at + 32 <= x.len() {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum = _mm256_fmadd_ps(load_plain::<TYPE>(bytes, at + 8 * lane), load(x, at + 8 * lane), *sum);
            }
            at += 32;
        }
        while at + 8 <= x.len() {
            sums[0] = _mm256_fmadd_ps(load_plain::<TYPE>(bytes, at), load(x, at), sums[0]);
            at += 8;
        }
    }
    let mut rest = [0.0; 8];
    let rest = &mut rest[..x.len() - at];
    dtype.widen(&bytes[at * dtype.block().1..], rest);
    let tail: f32 = rest.iter().zip(&x[at..]).map(|(w, x)| w * x).sum();
    sum(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]))) + tail
}

/// # Safety
/// `x` has up to four rows and `w` up to three, of `columns` numbers.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn tile(x: &[f32], w: &[f32], columns: usize) -> [[f32; TILE.1]; TILE.0] {
    // SAFETY: the caller's promise.
    unsafe {
        match (x.len() / columns, w.len() / columns) {
            (4, 3) => tile_of::<4, 3>(x, w, columns),
            (4, 2) => tile_of::<4, 2>(x, w, columns),
            (4, 1) => tile_of::<4, 1>(x, w, columns),
            (3, 3) => tile_of::<3, 3>(x, w, columns),
            (2, 3) => tile_of::<2, 3>(x, w, columns),
            (1, 3) => tile_of::<1, 3>(x, w, columns),
            _ => {
                let mut products = [[0.0; TILE.1]; TILE.0];
                for (x, products) in x.chunks_exact(columns).zip(&mut products) {
                    for (w, product) in w.chunks_exact(columns).zip(products) {
                        *product = tile_of::<1, 1>(x, w, columns)[0][0];
                    }
                }
                products
            }
        }
    }
}

/// # Safety
/// `x` has `T` rows and `w` has `R`, of `columns` numbers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tile_of<const T: usize, const R: usize>(x: &[f32], w: &[f32], columns: usize) -> [[f32; TILE.1]; TILE.0] {
    let mut sums = [[_mm256_setzero_ps(); R]; T];
    let whole = columns / 8 * 8;
    let mut at = 0;
    // SAFETY: a row's read ends at or before its last number.
    unsafe {
        while at < whole {
            let mut ws = [_mm256_setzero_ps(); R];
            for (row, numbers) in ws.iter_mut().enumerate() {
                *numbers = load(w, row * columns + at);
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let numbers = load(x, row * columns + at);
                for (sum, w) in sums.iter_mut().zip(ws) {
                    *sum = _mm256_fmadd_ps(numbers, w, *sum);
                }
            }
            at += 8;
        }
    }
    let mut products = [[0.0; TILE.1]; TILE.0];
    for t in 0..T {
        for r in 0..R {
            let tail: f32 = (whole..columns).map(|at| x[t * columns + at] * w[r * columns + at]).sum();
            products[t][r] = sum(sums[t][r]) + tail;
        }
    }
    products
}

//! Inner loops with AVX-512 and its whole-number products (VNNI), where they gain over `avx2`; the others are shared with it.
//!
//! Callers have checked that the processor has them and that lengths agree; each function says which reads rest on that.

use std::arch::x86_64::*;

use super::avx2;
use crate::backend::cpu::quantised::{BLOCK, QuantisedRow};
use crate::weights::Dtype;

mod attend;
mod blocks;
mod panel;
mod plain;
mod turned;

pub(super) use attend::{scores, weigh};
pub(super) use blocks::{Rounded, rows_blocks};
pub(super) use panel::{panel, wide};
pub(super) use plain::rows_plain;
pub(super) use turned::add_rows;

/// Weight rows at a time.
const ROWS: usize = 4;
/// Bytes ahead of a read that are asked for early: as far as memory is slow, and rows lie one after the other. The rows of
/// a small model are shorter than that.
const AHEAD: usize = 8 << 10;

/// Whether this processor has what the loops here use.
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vnni")
}

/// The sum of the lanes of each of four vectors, always in the same order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
fn totals(v: [__m512; ROWS]) -> [f32; ROWS] {
    let half = |v| _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
    let (ab, cd) = (_mm256_hadd_ps(half(v[0]), half(v[1])), _mm256_hadd_ps(half(v[2]), half(v[3])));
    let all = _mm256_hadd_ps(ab, cd);
    let mut out = [0.0; ROWS];
    // SAFETY: there are four.
    unsafe {
        _mm_storeu_ps(out.as_mut_ptr(), _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps::<1>(all)));
    }
    out
}

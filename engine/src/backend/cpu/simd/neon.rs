//! Every inner loop with NEON, which every 64-bit ARM processor has, and with its dot product of bytes, which most have.
//!
//! Callers have checked that the processor has them and that lengths agree; each function says which reads rest on that.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{TILE, each_row};
use crate::backend::cpu::quantised::{BLOCK, QuantisedRow, Whole};
use crate::weights::Dtype;

mod panel;
mod plain;
mod rows;

pub(super) use panel::panel;
pub(super) use plain::{dot_plain, rows_plain};
pub(super) use rows::{Rounded, rows_blocks};

/// Whether this processor has the dot product of bytes.
pub(super) fn has_dot() -> bool {
    std::arch::is_aarch64_feature_detected!("dotprod")
}

/// # Safety
/// `a` and `b` have the same length.
#[target_feature(enable = "neon")]
pub(super) unsafe fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [vdupq_n_f32(0.0); 4];
    let mut at = 0;
    // SAFETY: every read ends at or before the common length.
    unsafe {
        while at + 16 <= a.len() {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = at + 4 * lane;
                *sum = vfmaq_f32(*sum, vld1q_f32(a.as_ptr().add(at)), vld1q_f32(b.as_ptr().add(at)));
            }
            at += 16;
        }
        while at + 4 <= a.len() {
            sums[0] = vfmaq_f32(sums[0], vld1q_f32(a.as_ptr().add(at)), vld1q_f32(b.as_ptr().add(at)));
            at += 4;
        }
    }
    let tail: f32 = (at..a.len()).map(|at| a[at] * b[at]).sum();
    vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3]))) + tail
}

/// # Safety
/// `value` and `out` have the same length.
#[target_feature(enable = "neon")]
pub(super) unsafe fn add_scaled(weight: f32, value: &[f32], out: &mut [f32]) {
    let weights = vdupq_n_f32(weight);
    let whole = out.len() / 4 * 4;
    for at in (0..whole).step_by(4) {
        // SAFETY: four numbers lie from `at` on in both.
        unsafe {
            let place = out.as_mut_ptr().add(at);
            vst1q_f32(place, vfmaq_f32(vld1q_f32(place), weights, vld1q_f32(value.as_ptr().add(at))));
        }
    }
    for at in whole..out.len() {
        out[at] = weight.mul_add(value[at], out[at]);
    }
}

/// `e^x` for x up to 0, within 2e-7: x is split into a whole power of two and a rest up to half of ln 2, for which the
/// series to the sixth power is enough.
#[inline]
#[target_feature(enable = "neon")]
fn exp(x: float32x4_t) -> float32x4_t {
    let x = vmaxq_f32(x, vdupq_n_f32(-87.0));
    let power = vrndnq_f32(vmulq_n_f32(x, std::f32::consts::LOG2_E));
    // ln 2 in two parts, the first with so few digits that its product with the power is exact.
    let rest = vfmsq_f32(x, power, vdupq_n_f32(0.693_359_4));
    let rest = vfmsq_f32(rest, power, vdupq_n_f32(-2.121_944_4e-4));
    let mut series = vdupq_n_f32(1.0 / 720.0);
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = vfmaq_f32(vdupq_n_f32(factor), series, rest);
    }
    let exponent = vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(power), vdupq_n_s32(127)));
    vmulq_f32(series, vreinterpretq_f32_s32(exponent))
}

/// # Safety
/// None beyond the instructions.
#[target_feature(enable = "neon")]
pub(super) unsafe fn exp_from(most: f32, scores: &mut [f32]) -> f32 {
    let mut sums = vdupq_n_f32(0.0);
    let mut chunks = scores.chunks_exact_mut(4);
    for chunk in &mut chunks {
        // SAFETY: a chunk has four numbers.
        unsafe {
            let powers = exp(vsubq_f32(vld1q_f32(chunk.as_ptr()), vdupq_n_f32(most)));
            vst1q_f32(chunk.as_mut_ptr(), powers);
            sums = vaddq_f32(sums, powers);
        }
    }
    let mut tail = 0.0;
    for score in chunks.into_remainder() {
        *score = (*score - most).exp();
        tail += *score;
    }
    vaddvq_f32(sums) + tail
}

/// # Safety
/// `x` has up to four rows and `w` up to three, of `columns` numbers.
#[target_feature(enable = "neon")]
pub(super) unsafe fn tile(x: &[f32], w: &[f32], columns: usize) -> [[f32; TILE.1]; TILE.0] {
    let mut products = [[0.0; TILE.1]; TILE.0];
    if (x.len(), w.len()) == (TILE.0 * columns, TILE.1 * columns) {
        // SAFETY: the rows were just counted.
        unsafe { tile_of::<{ TILE.0 }, { TILE.1 }>(x, w, columns, &mut products) };
        return products;
    }
    for (x, products) in x.chunks_exact(columns).zip(&mut products) {
        for (w, product) in w.chunks_exact(columns).zip(products) {
            let mut one = [[0.0; TILE.1]; TILE.0];
            // SAFETY: there is one row of each.
            unsafe { tile_of::<1, 1>(x, w, columns, &mut one) };
            *product = one[0][0];
        }
    }
    products
}

/// # Safety
/// `x` has `T` rows and `w` has `R`, of `columns` numbers.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn tile_of<const T: usize, const R: usize>(
    x: &[f32],
    w: &[f32],
    columns: usize,
    products: &mut [[f32; TILE.1]; TILE.0],
) {
    let mut sums = [[vdupq_n_f32(0.0); R]; T];
    let whole = columns / 4 * 4;
    for at in (0..whole).step_by(4) {
        // SAFETY: a row's read ends at or before its last number.
        unsafe {
            let ws: [float32x4_t; R] = std::array::from_fn(|row| vld1q_f32(w.as_ptr().add(row * columns + at)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let numbers = vld1q_f32(x.as_ptr().add(row * columns + at));
                for (sum, w) in sums.iter_mut().zip(ws) {
                    *sum = vfmaq_f32(*sum, numbers, w);
                }
            }
        }
    }
    for (t, sums) in sums.into_iter().enumerate() {
        for (r, sum) in sums.into_iter().enumerate() {
            let tail: f32 = (whole..columns).map(|at| x[t * columns + at] * w[r * columns + at]).sum();
            products[t][r] = vaddvq_f32(sum) + tail;
        }
    }
}

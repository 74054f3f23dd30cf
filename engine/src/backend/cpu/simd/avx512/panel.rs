//! Panels of weight rows with up to twelve tokens, whose sums fill the registers.

use super::*;
use crate::backend::cpu::simd::panel::{LANES_MAX as LANES, Panel, Products};
use crate::backend::cpu::simd::wide::{Products as WideProducts, ROWS as WIDE};

/// Calls a function that is made for each number of tokens.
macro_rules! for_tokens {
    ($tokens:expr, $call:ident $(::<$flag:literal>)? ($($argument:expr),*)) => {
        match $tokens {
            1 => $call::<1 $(, $flag)?>($($argument),*),
            2 => $call::<2 $(, $flag)?>($($argument),*),
            3 => $call::<3 $(, $flag)?>($($argument),*),
            4 => $call::<4 $(, $flag)?>($($argument),*),
            5 => $call::<5 $(, $flag)?>($($argument),*),
            6 => $call::<6 $(, $flag)?>($($argument),*),
            7 => $call::<7 $(, $flag)?>($($argument),*),
            8 => $call::<8 $(, $flag)?>($($argument),*),
            9 => $call::<9 $(, $flag)?>($($argument),*),
            10 => $call::<10 $(, $flag)?>($($argument),*),
            11 => $call::<11 $(, $flag)?>($($argument),*),
            12 => $call::<12 $(, $flag)?>($($argument),*),
            _ => {}
        }
    };
}

/// # Safety
/// The panel has as many blocks as each of the tokens, of which there are at most twelve.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(in super::super) unsafe fn panel(panel: Panel<'_>, x: QuantisedRow<'_, i16>, tokens: usize, out: &mut Products) {
    // SAFETY: the caller's promise.
    unsafe {
        match panel.offsets.is_empty() {
            true => for_tokens!(tokens, panel_of::<false>(panel, x, out)),
            false => for_tokens!(tokens, panel_of::<true>(panel, x, out)),
        }
    }
}

/// # Safety
/// The panel has as many blocks as each of the `T` tokens.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn panel_of<const T: usize, const OFFSETS: bool>(
    panel: Panel<'_>,
    x: QuantisedRow<'_, i16>,
    out: &mut Products,
) {
    let blocks = panel.scales.len() / LANES;
    let mut sums = [_mm512_setzero_ps(); T];
    for block in 0..blocks {
        let mut whole = [_mm512_setzero_si512(); T];
        // SAFETY: a block has 16 vectors of pairs, and every token 32 numbers there; scales and sums are counted alike.
        unsafe {
            let pairs = panel.pairs.as_ptr().add(block * (BLOCK / 2) * LANES);
            let row = x.whole.as_ptr().add(block * BLOCK);
            for pair in 0..BLOCK / 2 {
                let weights = _mm512_loadu_si512(pairs.add(pair * LANES).cast());
                for (token, whole) in whole.iter_mut().enumerate() {
                    let two = row.add(token * blocks * BLOCK + 2 * pair).cast::<i32>().read_unaligned();
                    *whole = _mm512_dpwssd_epi32(*whole, weights, _mm512_set1_epi32(two));
                }
            }
            let scales = _mm512_loadu_ps(panel.scales.as_ptr().add(block * LANES));
            for (token, (sum, whole)) in sums.iter_mut().zip(whole).enumerate() {
                let at = token * blocks + block;
                let scale = _mm512_mul_ps(scales, _mm512_set1_ps(*x.scales.get_unchecked(at)));
                *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, *sum);
                if OFFSETS {
                    let offsets = _mm512_loadu_ps(panel.offsets.as_ptr().add(block * LANES));
                    *sum = _mm512_fmadd_ps(offsets, _mm512_set1_ps(*x.sums.get_unchecked(at)), *sum);
                }
            }
        }
    }
    for (products, sum) in out.iter_mut().zip(sums) {
        // SAFETY: there are sixteen.
        unsafe { _mm512_storeu_ps(products.as_mut_ptr(), sum) };
    }
}

/// # Safety
/// The panel has 32 numbers for each column, and `x` at most twelve rows of so many columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(in super::super) unsafe fn wide(panel: &[f32], x: &[f32], columns: usize, out: &mut WideProducts) {
    // SAFETY: the caller's promise.
    unsafe { for_tokens!(x.len() / columns, wide_of(panel, x, columns, out)) }
}

/// # Safety
/// The panel has 32 numbers for each column, and `x` has `T` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn wide_of<const T: usize>(panel: &[f32], x: &[f32], columns: usize, out: &mut WideProducts) {
    let mut sums = [[_mm512_setzero_ps(); 2]; T];
    for column in 0..columns {
        // SAFETY: the caller's promise.
        unsafe {
            let numbers = panel.as_ptr().add(column * WIDE);
            let (first, second) = (_mm512_loadu_ps(numbers), _mm512_loadu_ps(numbers.add(16)));
            for (token, sums) in sums.iter_mut().enumerate() {
                let number = _mm512_set1_ps(*x.as_ptr().add(token * columns + column));
                sums[0] = _mm512_fmadd_ps(first, number, sums[0]);
                sums[1] = _mm512_fmadd_ps(second, number, sums[1]);
            }
        }
    }
    for (products, [first, second]) in out.iter_mut().zip(sums) {
        // SAFETY: there are thirty-two.
        unsafe {
            _mm512_storeu_ps(products.as_mut_ptr(), first);
            _mm512_storeu_ps(products.as_mut_ptr().add(16), second);
        }
    }
}

//! A panel of eight weight rows with up to six tokens.

use super::*;
use crate::backend::cpu::simd::panel::{LANES, Panel, Products};

/// # Safety
/// The panel has as many blocks as each of the tokens, of which there are at most six.
#[target_feature(enable = "neon")]
pub(in super::super) unsafe fn panel(panel: Panel<'_>, x: QuantisedRow<'_, i16>, tokens: usize, out: &mut Products) {
    // SAFETY: the caller's promise.
    unsafe {
        match tokens {
            6 => panel_of::<6>(panel, x, out),
            5 => panel_of::<5>(panel, x, out),
            4 => panel_of::<4>(panel, x, out),
            3 => panel_of::<3>(panel, x, out),
            2 => panel_of::<2>(panel, x, out),
            _ => panel_of::<1>(panel, x, out),
        }
    }
}

/// Even and odd columns have sums of their own, which are added at a block's end: 24 registers for six tokens.
///
/// # Safety
/// The panel has as many blocks as each of the `T` tokens.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn panel_of<const T: usize>(panel: Panel<'_>, x: QuantisedRow<'_, i16>, out: &mut Products) {
    let blocks = panel.scales.len() / LANES;
    let mut sums = [[vdupq_n_f32(0.0); 2]; T];
    for block in 0..blocks {
        let mut whole = [[vdupq_n_s32(0); 4]; T];
        // SAFETY: a block has 16 times eight pairs, and every token 32 numbers there; scales and sums are counted alike.
        unsafe {
            let pairs = panel.pairs.as_ptr().add(block * (BLOCK / 2) * LANES);
            let row = x.whole.as_ptr().add(block * BLOCK);
            for pair in 0..BLOCK / 2 {
                let weights = pairs.add(pair * LANES).cast::<i16>();
                let (first, second) = (vld1q_s16(weights), vld1q_s16(weights.add(8)));
                for (token, whole) in whole.iter_mut().enumerate() {
                    let two = row.add(token * blocks * BLOCK + 2 * pair).cast::<i32>().read_unaligned();
                    let two = vreinterpretq_s16_s32(vdupq_n_s32(two));
                    whole[0] = vmlal_s16(whole[0], vget_low_s16(first), vget_low_s16(two));
                    whole[1] = vmlal_high_s16(whole[1], first, two);
                    whole[2] = vmlal_s16(whole[2], vget_low_s16(second), vget_low_s16(two));
                    whole[3] = vmlal_high_s16(whole[3], second, two);
                }
            }
            for (token, (sums, whole)) in sums.iter_mut().zip(whole).enumerate() {
                let at = token * blocks + block;
                let (scale, total) = (*x.scales.get_unchecked(at), *x.sums.get_unchecked(at));
                for (half, sum) in sums.iter_mut().enumerate() {
                    let place = block * LANES + 4 * half;
                    let both = vcvtq_f32_s32(vpaddq_s32(whole[2 * half], whole[2 * half + 1]));
                    let scales = vmulq_n_f32(vld1q_f32(panel.scales.as_ptr().add(place)), scale);
                    *sum = vfmaq_f32(*sum, both, scales);
                    if !panel.offsets.is_empty() {
                        *sum = vfmaq_n_f32(*sum, vld1q_f32(panel.offsets.as_ptr().add(place)), total);
                    }
                }
            }
        }
    }
    for (products, sums) in out.iter_mut().zip(sums) {
        for (half, sum) in sums.into_iter().enumerate() {
            // SAFETY: there are at least eight.
            unsafe { vst1q_f32(products.as_mut_ptr().add(4 * half), sum) };
        }
    }
}

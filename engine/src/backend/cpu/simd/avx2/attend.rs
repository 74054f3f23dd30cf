//! Attention's two products over cached rows: eight keys at a time, and values added while the sums stay in registers.

use super::*;

/// Keys at a time.
const KEYS: usize = 8;

/// `out[p] = sum of q * rows[p * stride + at ..]`
///
/// # Safety
/// `rows` holds `q.len()` numbers from `p * stride + at` on for every `p` that `out` has; `q` is whole eights.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn scores(q: &[f32], rows: &[f32], stride: usize, at: usize, out: &mut [f32]) {
    let last = out.len().saturating_sub(1);
    for first in (0..out.len()).step_by(KEYS) {
        let mut sums = [_mm256_setzero_ps(); KEYS];
        // Beyond the last key the last is taken again, so that every key's sum is made alike.
        // SAFETY: the caller's promise, for keys up to the last.
        unsafe {
            let key = |nth: usize| rows.as_ptr().add((first + nth).min(last) * stride + at);
            let keys: [*const f32; KEYS] = std::array::from_fn(key);
            for part in (0..q.len()).step_by(8) {
                let some = load(q, part);
                for (sum, key) in sums.iter_mut().zip(keys) {
                    *sum = _mm256_fmadd_ps(some, _mm256_loadu_ps(key.add(part)), *sum);
                }
            }
        }
        let [a, b, c, d, e, f, g, h] = sums;
        let [few, more] = [totals([a, b, c, d]), totals([e, f, g, h])];
        out[first..].iter_mut().zip(few.into_iter().chain(more)).for_each(|(out, total)| *out = total);
    }
}

/// `out += sum of weights[p] * rows[p * stride + at ..]`, in the order of `p`.
///
/// # Safety
/// `rows` holds `out.len()` numbers from `p * stride + at` on for every `p` of `weights`; `out` is whole eights.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn weigh(weights: &[f32], rows: &[f32], stride: usize, at: usize, out: &mut [f32]) {
    let mut done = 0;
    // SAFETY: each part lies within `out`, and the caller's promise.
    unsafe {
        while out.len() - done >= 64 {
            weigh_part::<8>(weights, rows, stride, at + done, &mut out[done..done + 64]);
            done += 64;
        }
        while done < out.len() {
            weigh_part::<1>(weights, rows, stride, at + done, &mut out[done..done + 8]);
            done += 8;
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn weigh_part<const V: usize>(weights: &[f32], rows: &[f32], stride: usize, at: usize, out: &mut [f32]) {
    let mut sums = [_mm256_setzero_ps(); V];
    // SAFETY: the caller's promise.
    unsafe {
        for (part, sum) in sums.iter_mut().enumerate() {
            *sum = load(out, 8 * part);
        }
        for (p, weight) in weights.iter().enumerate() {
            let weight = _mm256_set1_ps(*weight);
            let value = rows.as_ptr().add(p * stride + at);
            for (part, sum) in sums.iter_mut().enumerate() {
                *sum = _mm256_fmadd_ps(weight, _mm256_loadu_ps(value.add(8 * part)), *sum);
            }
        }
        for (part, sum) in sums.into_iter().enumerate() {
            _mm256_storeu_ps(out.as_mut_ptr().add(8 * part), sum);
        }
    }
}

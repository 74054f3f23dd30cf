//! Attention's two products over cached rows, sixteen numbers at a time.

use super::*;

/// Keys at a time.
const KEYS: usize = 8;

/// `out[p] = sum of q * rows[p * stride + at ..]`
///
/// # Safety
/// `rows` holds `q.len()` numbers from `p * stride + at` on for every `p` that `out` has; `q` is whole sixteens.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(in super::super) unsafe fn scores(q: &[f32], rows: &[f32], stride: usize, at: usize, out: &mut [f32]) {
    let last = out.len().saturating_sub(1);
    for first in (0..out.len()).step_by(KEYS) {
        let mut sums = [_mm512_setzero_ps(); KEYS];
        // Beyond the last key the last is taken again, so that every key's sum is made alike.
        // SAFETY: the caller's promise, for keys up to the last.
        unsafe {
            let key = |nth: usize| rows.as_ptr().add((first + nth).min(last) * stride + at);
            let keys: [*const f32; KEYS] = std::array::from_fn(key);
            for part in (0..q.len()).step_by(16) {
                let some = _mm512_loadu_ps(q.as_ptr().add(part));
                for (sum, key) in sums.iter_mut().zip(keys) {
                    *sum = _mm512_fmadd_ps(some, _mm512_loadu_ps(key.add(part)), *sum);
                }
            }
        }
        let [a, b, c, d, e, f, g, h] = sums;
        let both = [totals([a, b, c, d]), totals([e, f, g, h])];
        let some = KEYS.min(out.len() - first);
        out[first..first + some].copy_from_slice(&both.as_flattened()[..some]);
    }
}

/// `out += sum of weights[p] * rows[p * stride + at ..]`, even and odd `p` in two sums.
///
/// # Safety
/// `rows` holds `out.len()` numbers from `p * stride + at` on for every `p` of `weights`; `out` is whole sixteens.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(in super::super) unsafe fn weigh(weights: &[f32], rows: &[f32], stride: usize, at: usize, out: &mut [f32]) {
    let mut done = 0;
    // SAFETY: each part lies within `out`, and the caller's promise.
    unsafe {
        while out.len() - done >= 128 {
            weigh_part::<8>(weights, rows, stride, at + done, &mut out[done..done + 128]);
            done += 128;
        }
        while out.len() - done >= 64 {
            weigh_part::<4>(weights, rows, stride, at + done, &mut out[done..done + 64]);
            done += 64;
        }
        while done < out.len() {
            weigh_part::<1>(weights, rows, stride, at + done, &mut out[done..done + 16]);
            done += 16;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn weigh_part<const V: usize>(weights: &[f32], rows: &[f32], stride: usize, at: usize, out: &mut [f32]) {
    let mut sums = [[_mm512_setzero_ps(); V]; 2];
    // SAFETY: the caller's promise.
    unsafe {
        let row = |p: usize| rows.as_ptr().add(p * stride + at);
        let (pairs, odd) = weights.as_chunks::<2>();
        for (pair, weights) in pairs.iter().enumerate() {
            for (nth, (sums, weight)) in sums.iter_mut().zip(weights).enumerate() {
                add_row(row(2 * pair + nth), *weight, sums);
            }
        }
        if let [weight] = odd {
            add_row(row(2 * pairs.len()), *weight, &mut sums[0]);
        }
        for (part, (even, odd)) in sums[0].iter().zip(sums[1]).enumerate() {
            let place = out.as_mut_ptr().add(16 * part);
            _mm512_storeu_ps(place, _mm512_add_ps(_mm512_loadu_ps(place), _mm512_add_ps(*even, odd)));
        }
    }
}

/// # Safety
/// `V` vectors lie there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn add_row<const V: usize>(row: *const f32, weight: f32, sums: &mut [__m512; V]) {
    let weight = _mm512_set1_ps(weight);
    for (part, sum) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *sum = unsafe { _mm512_fmadd_ps(weight, _mm512_loadu_ps(row.add(16 * part)), *sum) };
    }
}

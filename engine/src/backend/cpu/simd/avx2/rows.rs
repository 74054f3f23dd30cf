//! Few tokens: several weight rows at a time with one row of `x`, so that what belongs to `x` is loaded once, and each
//! row's chain of additions waits while the others go on.
//!
//! A row's sums are made in the same order however many rows are taken at a time.

use super::*;

/// Products of weight rows with one row; `y` has one place for each weight row.
///
/// # Safety
/// `bytes` holds `y.len()` rows of as many numbers as `x` has.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn rows_plain(dtype: Dtype, bytes: &[u8], x: &[f32], y: &mut [f32]) {
    let stride = bytes.len() / y.len();
    let mut at = 0;
    // SAFETY: the caller's promise; every group of rows lies within the bytes.
    unsafe {
        while at + ROWS <= y.len() {
            let rows = &bytes[at * stride..(at + ROWS) * stride];
            match dtype {
                Dtype::F32 => plain::<F32, ROWS>(dtype, rows, stride, x, &mut y[at..at + ROWS]),
                Dtype::F16 => plain::<F16, ROWS>(dtype, rows, stride, x, &mut y[at..at + ROWS]),
                Dtype::BF16 => plain::<BF16, ROWS>(dtype, rows, stride, x, &mut y[at..at + ROWS]),
                _ => plain::<F8, ROWS>(dtype, rows, stride, x, &mut y[at..at + ROWS]),
            }
            at += ROWS;
        }
        for at in at..y.len() {
            let row = &bytes[at * stride..(at + 1) * stride];
            match dtype {
                Dtype::F32 => plain::<F32, 1>(dtype, row, stride, x, &mut y[at..=at]),
                Dtype::F16 => plain::<F16, 1>(dtype, row, stride, x, &mut y[at..=at]),
                Dtype::BF16 => plain::<BF16, 1>(dtype, row, stride, x, &mut y[at..=at]),
                _ => plain::<F8, 1>(dtype, row, stride, x, &mut y[at..=at]),
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn plain<const TYPE: u8, const R: usize>(dtype: Dtype, rows: &[u8], stride: usize, x: &[f32], y: &mut [f32]) {
    let size = dtype.block().1;
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    let whole = x.len() / 16 * 16;
    let mut at = 0;
    // SAFETY: every read ends at or before a row's last number; what is asked for early is never read here.
    unsafe {
        while at < whole {
            let (first, second) = (load(x, at), load(x, at + 8));
            for (row, sums) in sums.iter_mut().enumerate() {
                let start = rows.as_ptr().add(row * stride);
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at * size + AHEAD).cast());
                let bytes = std::slice::from_raw_parts(start, stride);
                sums[0] = _mm256_fmadd_ps(load_plain::<TYPE>(bytes, at), first, sums[0]);
                sums[1] = _mm256_fmadd_ps(load_plain::<TYPE>(bytes, at + 8), second, sums[1]);
            }
            at += 16;
        }
    }
    for (row, (y, sums)) in y.iter_mut().zip(sums).enumerate() {
        let mut numbers = [0.0; 16];
        let numbers = &mut numbers[..x.len() - whole];
        dtype.widen(&rows[row * stride + whole * size..(row + 1) * stride], numbers);
        let tail: f32 = numbers.iter().zip(&x[whole..]).map(|(w, x)| w * x).sum();
        *y = sum(_mm256_add_ps(sums[0], sums[1])) + tail;
    }
}

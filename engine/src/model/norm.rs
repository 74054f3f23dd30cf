//! RMS norm. Source: Zhang and Sennrich, arXiv 1910.07467, equation 4.

/// `y = x / sqrt(mean(x^2) + eps) * weight`, for each row.
///
/// - `x`, `y`: `[rows, width]`
/// - `weight`: `[width]`
pub(super) fn rms(x: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(weight.len()).zip(y.chunks_exact_mut(weight.len())) {
        let factor = factor(x, eps);
        for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
            *y = x * factor * w;
        }
    }
}

/// The same in place.
pub(super) fn rms_in_place(x: &mut [f32], weight: &[f32], eps: f32) {
    for x in x.chunks_exact_mut(weight.len()) {
        let factor = factor(x, eps);
        x.iter_mut().zip(weight).for_each(|(x, w)| *x = *x * factor * w);
    }
}

/// Sums eight at a time, so that the compiler can; double precision keeps the order from mattering.
fn factor(x: &[f32], eps: f32) -> f32 {
    let mut sums = [0.0f64; 8];
    let chunks = x.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|x| f64::from(*x).powi(2)).sum();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    let mean = (sums.iter().sum::<f64>() + rest) / x.len() as f64;
    1.0 / (mean + f64::from(eps)).sqrt() as f32
}

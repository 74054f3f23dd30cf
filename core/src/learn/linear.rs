//! Systems of linear equations with a positive definite matrix.

/// Cholesky's factor of a positive definite matrix given by its lower half, in place.
pub(super) fn factor(gram: &mut [f64], width: usize) {
    for at in 0..width {
        for other in 0..=at {
            let mut sum = gram[at * width + other];
            for step in 0..other {
                sum -= gram[at * width + step] * gram[other * width + step];
            }
            gram[at * width + other] =
                if at == other { sum.max(1e-12).sqrt() } else { sum / gram[other * width + other] };
        }
    }
}

/// Solves `factor x factor' x = right` in place.
pub(super) fn solve(factor: &[f64], right: &mut [f64], width: usize) {
    for at in 0..width {
        for step in 0..at {
            right[at] -= factor[at * width + step] * right[step];
        }
        right[at] /= factor[at * width + at];
    }
    for at in (0..width).rev() {
        for step in at + 1..width {
            right[at] -= factor[step * width + at] * right[step];
        }
        right[at] /= factor[at * width + at];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let mut gram = [4.0, 0.0, 2.0, 3.0];
        factor(&mut gram, 2);
        // 4 x + 2 y = 10 and 2 x + 3 y = 9.
        let mut right = [10.0, 9.0];
        solve(&gram, &mut right, 2);
        assert!((right[0] - 1.5).abs() < 1e-12 && (right[1] - 2.0).abs() < 1e-12, "{right:?}");
    }
}

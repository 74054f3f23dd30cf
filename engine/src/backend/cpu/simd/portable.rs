//! Every inner loop in plain Rust, eight sums side by side so that the compiler can use what the processor has.

use super::TILE;
use crate::backend::cpu::quantised::{BLOCK, QuantisedRow, Whole};
use crate::weights::Dtype;

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (whole, rest) = (a.len() / 8 * 8, a.len() % 8);
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let tail: f32 = (whole..whole + rest).map(|at| a[at] * b[at]).sum();
    sums.iter().sum::<f32>() + tail
}

pub(super) fn add_scaled(weight: f32, value: &[f32], out: &mut [f32]) {
    out.iter_mut().zip(value).for_each(|(out, value)| *out += weight * value);
}

pub(super) fn exp_from(most: f32, scores: &mut [f32]) -> f32 {
    let mut sum = 0.0;
    for score in scores {
        *score = (*score - most).exp();
        sum += *score;
    }
    sum
}

pub(super) fn dot_plain(dtype: Dtype, bytes: &[u8], x: &[f32]) -> f32 {
    const AT_ONCE: usize = 256;
    let mut numbers = [0.0; AT_ONCE];
    let (block, size) = dtype.block();
    let parts = x.chunks(AT_ONCE).zip(bytes.chunks(AT_ONCE / block * size));
    parts
        .map(|(x, bytes)| {
            dtype.widen(bytes, &mut numbers[..x.len()]);
            dot(x, &numbers[..x.len()])
        })
        .sum()
}

/// Rounds the weights of a block to what they are, and the row to what it was rounded to.
pub(super) fn dot_blocks<T: Whole>(dtype: Dtype, bytes: &[u8], x: QuantisedRow<'_, T>) -> f32 {
    let (numbers, size) = dtype.block();
    let mut w = [0.0; 256];
    let mut sum = 0.0;
    for (at, bytes) in bytes.chunks_exact(size).enumerate() {
        dtype.widen(bytes, &mut w[..numbers]);
        for (part, w) in w[..numbers].chunks_exact(BLOCK).enumerate() {
            let block = at * (numbers / BLOCK) + part;
            let whole = &x.whole[block * BLOCK..(block + 1) * BLOCK];
            let product: f32 = w.iter().zip(whole).map(|(w, x)| w * x.wide() as f32).sum();
            sum += product * x.scales[block];
        }
    }
    sum
}

pub(super) fn tile(x: &[f32], w: &[f32], columns: usize) -> [[f32; TILE.1]; TILE.0] {
    let mut products = [[0.0; TILE.1]; TILE.0];
    for (x, products) in x.chunks_exact(columns).zip(&mut products) {
        for (w, product) in w.chunks_exact(columns).zip(products) {
            *product = dot(x, w);
        }
    }
    products
}

//! The inner loops, for each set of instructions that is detected when the program runs, and the threads that share them.
//!
//! `portable` says what each loop computes; `avx2` computes it eight numbers at a time, `avx512` sixteen, and `neon`,
//! on ARM, four. Every loop's result depends on its
//! arguments alone, never on who calls it or on what else is computed.
#![allow(unsafe_code)]

use super::quantised::{BLOCK, QuantisedRow, Whole, round};
use crate::weights::Dtype;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod crew;
mod multiply;
#[cfg(target_arch = "aarch64")]
mod neon;
mod panel;
mod portable;
mod shared;
mod wide;

pub(super) use crew::Crew;
pub(super) use multiply::{Job, Rounded, multiply};
pub(super) use shared::Shared;

// What rows are rounded to.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::quantised::Whole as Width;
#[cfg(target_arch = "x86_64")]
use avx512::Rounded as Width;
#[cfg(target_arch = "aarch64")]
use neon::Rounded as Width;

/// Tokens and weight rows of a tile.
pub(super) const TILE: (usize, usize) = (4, 3);

/// A set of instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isa {
    /// What every processor has.
    Portable,
    /// 256-bit vectors with fused multiply-add and half-precision loads.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same, and 512-bit vectors with products of whole numbers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 128-bit vectors, which every 64-bit ARM processor has.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// The same, and dot products of bytes.
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

impl Isa {
    /// The best that this processor has.
    pub(super) fn detect() -> Isa {
        Isa::all().pop().unwrap_or(Isa::Portable)
    }

    /// Every set that this processor has, the best last.
    pub(super) fn all() -> Vec<Isa> {
        let mut found = vec![Isa::Portable];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
            found.push(Isa::Avx2);
            if avx512::is_there() {
                found.push(Isa::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            found.push(Isa::Neon);
            if neon::has_dot() {
                found.push(Isa::NeonDot);
            }
        }
        found
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2+fma+f16c",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512+vnni",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => "neon+dotprod",
        }
    }

    /// The best up to the one that `limit` names, of those that this processor has; see `Fast::from_environment`.
    ///
    /// # Errors
    /// Where the processor has none of that name; says which it has.
    pub(super) fn up_to(limit: &str) -> Result<Isa, String> {
        let all = Isa::all();
        let named = all.iter().find(|isa| isa.name().split('+').next() == Some(limit) || isa.name() == limit);
        named.copied().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|isa| isa.name()).collect();
            format!("it has no instructions '{limit}'; it has {}", names.join(", "))
        })
    }

    /// `sum of a * b`
    pub(super) fn dot(self, a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        match self {
            Isa::Portable => portable::dot(a, b),
            // SAFETY: `all` alone makes this value, where the processor has the instructions; lengths are equal.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2::dot(a, b) },
            // SAFETY: every 64-bit ARM processor has the instructions; lengths are equal.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon | Isa::NeonDot => unsafe { neon::dot(a, b) },
        }
    }

    /// `out += weight * value`
    pub(super) fn add_scaled(self, weight: f32, value: &[f32], out: &mut [f32]) {
        assert_eq!(value.len(), out.len());
        match self {
            Isa::Portable => portable::add_scaled(weight, value, out),
            // SAFETY: as in `dot`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2::add_scaled(weight, value, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon | Isa::NeonDot => unsafe { neon::add_scaled(weight, value, out) },
        }
    }

    /// `scores = e^(scores - most)`; returns their sum.
    pub(super) fn exp_from(self, most: f32, scores: &mut [f32]) -> f32 {
        match self {
            Isa::Portable => portable::exp_from(most, scores),
            // SAFETY: as in `dot`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2::exp_from(most, scores) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon | Isa::NeonDot => unsafe { neon::exp_from(most, scores) },
        }
    }

    /// The product of numbers of a plain type with `x`.
    pub(super) fn dot_plain(self, dtype: Dtype, bytes: &[u8], x: &[f32]) -> f32 {
        assert_eq!(dtype.bytes(x.len()), Some(bytes.len()));
        match self {
            Isa::Portable => portable::dot_plain(dtype, bytes, x),
            // SAFETY: as in `dot`; the bytes are those of as many numbers as `x` has.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2::dot_plain(dtype, bytes, x) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon | Isa::NeonDot => unsafe { neon::dot_plain(dtype, bytes, x) },
        }
    }

    /// Products of rows of a plain type with `x`; `y` has a place for each row.
    pub(super) fn rows_plain(self, dtype: Dtype, bytes: &[u8], x: &[f32], y: &mut [f32]) {
        assert_eq!(dtype.bytes(x.len() * y.len()), Some(bytes.len()));
        match self {
            // SAFETY: as in `dot_plain`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if !y.is_empty() => unsafe { avx2::rows_plain(dtype, bytes, x, y) },
            // SAFETY: as in `dot_plain`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if !y.is_empty() => unsafe { avx512::rows_plain(dtype, bytes, x, y) },
            // SAFETY: as in `dot_plain`.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon | Isa::NeonDot => unsafe { neon::rows_plain(dtype, bytes, x, y) },
            _ => each_row(bytes, y, |row| portable::dot_plain(dtype, row, x)),
        }
    }

    /// Products of rows of a block type with a rounded row; `y` has a place for each row.
    fn rows_blocks<T: Width>(self, dtype: Dtype, bytes: &[u8], x: QuantisedRow<'_, T>, y: &mut [f32]) {
        assert_eq!(dtype.bytes(x.whole.len() * y.len()), Some(bytes.len()));
        assert_eq!((x.scales.len() * BLOCK, x.sums.len()), (x.whole.len(), x.scales.len()));
        match self {
            // SAFETY: as in `dot_plain`; blocks of `x` were counted.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { avx2::rows_blocks(dtype, bytes, x, y) },
            // SAFETY: as in `dot_plain`; blocks of `x` were counted.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { avx512::rows_blocks(dtype, bytes, x, y) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => unsafe { neon::rows_blocks::<T, false>(dtype, bytes, x, y) },
            // SAFETY: as above; `all` makes this value where the processor has the instruction.
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => unsafe { neon::rows_blocks::<T, true>(dtype, bytes, x, y) },
            Isa::Portable => each_row(bytes, y, |row| portable::dot_blocks(dtype, row, x)),
        }
    }

    /// Products of `q` with cached rows: `out[p] = sum of q * rows[p * stride + at ..]`.
    pub(super) fn scores(self, q: &[f32], rows: &[f32], stride: usize, at: usize, out: &mut [f32]) {
        assert!(out.is_empty() || (out.len() - 1) * stride + at + q.len() <= rows.len());
        match self {
            // SAFETY: as in `dot`; the last row's last number was just found.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if q.len().is_multiple_of(16) => unsafe { avx512::scores(q, rows, stride, at, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 if q.len().is_multiple_of(8) => unsafe { avx2::scores(q, rows, stride, at, out) },
            _ => {
                let row = |p: usize| &rows[p * stride + at..][..q.len()];
                out.iter_mut().enumerate().for_each(|(p, out)| *out = self.dot(q, row(p)));
            }
        }
    }

    /// `out += sum of weights[p] * rows[p * stride + at ..]`, in the order of `p`.
    pub(super) fn weigh(self, weights: &[f32], rows: &[f32], stride: usize, at: usize, out: &mut [f32]) {
        assert!(weights.is_empty() || (weights.len() - 1) * stride + at + out.len() <= rows.len());
        match self {
            // SAFETY: as in `scores`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if out.len().is_multiple_of(16) => unsafe { avx512::weigh(weights, rows, stride, at, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 if out.len().is_multiple_of(8) => unsafe {
                avx2::weigh(weights, rows, stride, at, out)
            },
            _ => {
                let row = |p: usize, count: usize| &rows[p * stride + at..][..count];
                for (p, weight) in weights.iter().enumerate() {
                    self.add_scaled(*weight, row(p, out.len()), out);
                }
            }
        }
    }

    /// Asks the memory for numbers that are read soon: `count` of each row from `at` on. Only how fast it goes depends on it.
    pub(super) fn ask_early(self, rows: &[f32], stride: usize, at: usize, count: usize) {
        /// Numbers of a cache line.
        const LINE: usize = 16;
        for row in rows.chunks_exact(stride) {
            for line in row[at..at + count].chunks(LINE) {
                // SAFETY: it names a place without reading it; every processor of this kind has the instruction.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
                }
                #[cfg(not(target_arch = "x86_64"))]
                let _ = line;
            }
        }
    }

    /// Adds a matrix's rows, each times its number of `x`, to `out`: `out[c] += sum of x[r] * rows[r, c]`. False, and nothing is
    /// done, where it is no gain over a matrix that was turned before.
    pub(super) fn add_rows(self, dtype: Dtype, bytes: &[u8], x: &[f32], out: &mut [f32]) -> bool {
        assert_eq!(dtype.bytes(x.len() * out.len()), Some(bytes.len()));
        match self {
            // SAFETY: as in `dot_plain`; rows are whole blocks of 32.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if avx2::is_read(dtype) && out.len().is_multiple_of(BLOCK) => unsafe {
                avx512::add_rows(dtype, bytes, x, out);
                true
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if avx2::is_read(dtype) && out.len().is_multiple_of(BLOCK) => unsafe {
                avx2::add_rows(dtype, bytes, x, out);
                true
            },
            _ => false,
        }
    }

    /// Rounds blocks of 32 to whole numbers with a scale each; see `quantised`.
    pub(super) fn round<T: Whole>(self, x: &[f32], whole: &mut [T], scales: &mut [f32], sums: &mut [f32]) {
        match self {
            Isa::Portable => round(x, whole, scales, sums),
            // The compiler makes of it what NEON has.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon | Isa::NeonDot => round(x, whole, scales, sums),
            // SAFETY: as in `dot`.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2::round(x, whole, scales, sums) },
        }
    }

    /// Products of up to four rows of `x` with up to three rows of `w`, each sum made in the same order whatever the tile.
    ///
    /// - `x`: up to 4 rows of `columns`, one after the other
    /// - `w`: up to 3 rows of `columns`, one after the other
    pub(super) fn tile(self, x: &[f32], w: &[f32], columns: usize) -> [[f32; TILE.1]; TILE.0] {
        let (rows, of) = (x.len() / columns, w.len() / columns);
        assert!(rows <= TILE.0 && of <= TILE.1 && rows * columns == x.len() && of * columns == w.len());
        match self {
            Isa::Portable => portable::tile(x, w, columns),
            // SAFETY: as in `dot`; the rows were just counted.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2::tile(x, w, columns) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Isa::Neon | Isa::NeonDot => unsafe { neon::tile(x, w, columns) },
        }
    }
}

/// `y = product of each row`
fn each_row(bytes: &[u8], y: &mut [f32], product: impl Fn(&[u8]) -> f32) {
    let stride = bytes.len() / y.len().max(1);
    y.iter_mut().zip(bytes.chunks_exact(stride.max(1))).for_each(|(y, row)| *y = product(row));
}

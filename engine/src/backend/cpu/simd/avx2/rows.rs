//! Few tokens: several weight rows at a time with one row of `x`, so that what belongs to `x` is loaded once, and each
//! row's chain of additions waits while the others go on.
//!
//! A row's sums are made in the same order however many rows are taken at a time.

use super::blocks::{fives, half, nibbles};
use super::*;

/// Rows at a time.
const ROWS: usize = 4;
/// Bytes ahead of a row's reads that are asked for early: the processor's own look-ahead ends with each page of 4 kB.
const AHEAD: usize = 2_048;

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

/// How the blocks of a type are read.
pub(in super::super) trait Block {
    const SIZE: usize;
    /// What is taken off each whole number.
    const LESS: i32;
    const HAS_OFFSET: bool;
    /// 32 whole numbers.
    fn whole(b: &[u8]) -> __m256i;
}

macro_rules! block {
    ($name:ident, $size:literal, $less:literal, $offset:literal, $read:expr) => {
        struct $name;
        impl Block for $name {
            const SIZE: usize = $size;
            const LESS: i32 = $less;
            const HAS_OFFSET: bool = $offset;
            #[inline(always)]
            fn whole(b: &[u8]) -> __m256i {
                // SAFETY: only functions that have these instructions call this.
                unsafe { $read(b) }
            }
        }
    };
}

block!(Q8_0, 34, 0, false, |b: &[u8]| super::blocks::eights(b));
block!(Q4_0, 18, 8, false, |b: &[u8]| nibbles(b, 2));
block!(Q4_1, 20, 0, true, |b: &[u8]| nibbles(b, 4));
block!(Q5_0, 22, 16, false, |b: &[u8]| fives(b, 2));
block!(Q5_1, 24, 0, true, |b: &[u8]| fives(b, 4));

/// As `rows_plain`, of a block type with a rounded row: several rows at a time where the type is made for that.
///
/// # Safety
/// `bytes` holds `y.len()` rows of as many numbers as `x` has.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn rows_blocks<T: Rounded>(
    dtype: Dtype,
    bytes: &[u8],
    x: QuantisedRow<'_, T>,
    y: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Q8_0 => groups::<Q8_0, T>(bytes, x, y),
            Dtype::Q4_0 => groups::<Q4_0, T>(bytes, x, y),
            Dtype::Q4_1 => groups::<Q4_1, T>(bytes, x, y),
            Dtype::Q5_0 => groups::<Q5_0, T>(bytes, x, y),
            Dtype::Q5_1 => groups::<Q5_1, T>(bytes, x, y),
            _ => each_row(bytes, y, |row| T::one_row(dtype, row, x)),
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn groups<B: Block, T: Rounded>(bytes: &[u8], x: QuantisedRow<'_, T>, y: &mut [f32]) {
    let stride = x.scales.len() * B::SIZE;
    let mut at = 0;
    // SAFETY: the caller's promise; every group of rows lies within the bytes.
    unsafe {
        while at + ROWS <= y.len() {
            blocks::<B, T, ROWS>(&bytes[at * stride..(at + ROWS) * stride], stride, x, &mut y[at..at + ROWS]);
            at += ROWS;
        }
        for at in at..y.len() {
            blocks::<B, T, 1>(&bytes[at * stride..(at + 1) * stride], stride, x, &mut y[at..=at]);
        }
    }
}

/// A block's whole numbers are summed exactly, what is taken off each counted with the sum of the row's block; scale and
/// offset come last.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn blocks<B: Block, T: Rounded, const R: usize>(
    rows: &[u8],
    stride: usize,
    x: QuantisedRow<'_, T>,
    y: &mut [f32],
) {
    let mut sums = [_mm256_setzero_ps(); R];
    let mut offsets = [0.0f32; R];
    for at in 0..x.scales.len() {
        // SAFETY: every row has that block, and so has `x`; what is asked for early is never read here.
        unsafe {
            let row_block = T::load(x.whole.as_ptr().add(at * BLOCK));
            let scale = _mm256_set1_ps(*x.scales.get_unchecked(at));
            let total = *x.sums.get_unchecked(at);
            for row in 0..R {
                let start = rows.as_ptr().add(row * stride + at * B::SIZE);
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(AHEAD).cast());
                let block = std::slice::from_raw_parts(start, B::SIZE);
                let products = T::products::<B>(B::whole(block), row_block);
                let halves = _mm256_cvtph_ps(_mm_set1_epi16(start.cast::<i16>().read_unaligned()));
                sums[row] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), _mm256_mul_ps(halves, scale), sums[row]);
                if B::HAS_OFFSET {
                    offsets[row] = half(&block[2..]).mul_add(total, offsets[row]);
                } else if B::LESS != 0 {
                    offsets[row] = _mm256_cvtss_f32(halves).mul_add(total, offsets[row]);
                }
            }
        }
    }
    for ((y, sums), offset) in y.iter_mut().zip(sums).zip(offsets) {
        *y = sum(sums) + if B::HAS_OFFSET { offset } else { -(B::LESS as f32) * offset };
    }
}

/// What a row was rounded to.
pub(in super::super) trait Rounded: Whole {
    type Loaded: Copy;

    /// # Safety
    /// 32 numbers lie there, and the processor has the instructions.
    unsafe fn load(start: *const Self) -> Self::Loaded;

    /// Products with 32 whole numbers, summed to eight.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn products<B: Block>(q: __m256i, x: Self::Loaded) -> __m256i;

    /// The product of one row of any block type.
    ///
    /// # Safety
    /// `bytes` holds as many numbers of the type as `x` has, and the processor has the instructions.
    unsafe fn one_row(dtype: Dtype, bytes: &[u8], x: QuantisedRow<'_, Self>) -> f32;
}

impl Rounded for i8 {
    type Loaded = __m256i;

    #[inline(always)]
    unsafe fn load(start: *const i8) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_loadu_si256(start.cast()) }
    }

    #[inline(always)]
    unsafe fn products<B: Block>(q: __m256i, x: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            // The instruction takes one factor without a sign: where `q` has one, it goes to the other.
            let is_signed = B::LESS == 0 && !B::HAS_OFFSET;
            let (q, x) = if is_signed { (_mm256_abs_epi8(q), _mm256_sign_epi8(x, q)) } else { (q, x) };
            _mm256_madd_epi16(_mm256_maddubs_epi16(q, x), _mm256_set1_epi16(1))
        }
    }

    unsafe fn one_row(dtype: Dtype, bytes: &[u8], x: QuantisedRow<'_, i8>) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { super::blocks::dot_blocks(dtype, bytes, x) }
    }
}

impl Rounded for i16 {
    type Loaded = [__m256i; 2];

    #[inline(always)]
    unsafe fn load(start: *const i16) -> [__m256i; 2] {
        // SAFETY: the caller's promise.
        unsafe { [_mm256_loadu_si256(start.cast()), _mm256_loadu_si256(start.add(16).cast())] }
    }

    #[inline(always)]
    unsafe fn products<B: Block>(q: __m256i, x: [__m256i; 2]) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            let low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(q));
            let high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(q));
            _mm256_add_epi32(_mm256_madd_epi16(low, x[0]), _mm256_madd_epi16(high, x[1]))
        }
    }

    unsafe fn one_row(dtype: Dtype, bytes: &[u8], x: QuantisedRow<'_, i16>) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { super::blocks::dot_blocks_fine(dtype, bytes, x) }
    }
}

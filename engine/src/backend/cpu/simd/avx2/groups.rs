//! Few tokens and block types: four weight rows at a time with one row of `x`, so that what belongs to `x` is loaded once and
//! each row's chain of additions waits while the others go on; scales of eight blocks together.
//!
//! A block's whole numbers are summed exactly; what is taken off each is counted with the sum of the row's block; scale and
//! offset come last. A row's sums are made in the same order whatever rows are beside it.

use super::blocks::{eights, fives, nibbles};
use super::*;

/// Blocks whose scales are read together.
const CHUNK: usize = 8;

/// How the blocks of a type are read.
pub(in super::super) trait Block {
    const SIZE: usize;
    /// What is taken off each whole number.
    const LESS: i32;
    const HAS_OFFSET: bool;

    /// 32 whole numbers.
    fn whole(b: &[u8]) -> __m256i;

    /// The same in 16 bits each.
    fn wide(b: &[u8]) -> [__m256i; 2];
}

macro_rules! block {
    ($name:ident, $size:literal, $less:literal, $offset:literal, $read:expr, $wide:expr) => {
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
            #[inline(always)]
            fn wide(b: &[u8]) -> [__m256i; 2] {
                // SAFETY: as above.
                unsafe { $wide(b) }
            }
        }
    };
}

block!(Q8_0, 34, 0, false, |b: &[u8]| eights(b), |b: &[u8]| widened(eights(b)));
block!(Q4_0, 18, 8, false, |b: &[u8]| nibbles(b, 2), |b: &[u8]| wide_nibbles(b, 2));
block!(Q4_1, 20, 0, true, |b: &[u8]| nibbles(b, 4), |b: &[u8]| wide_nibbles(b, 4));
block!(Q5_0, 22, 16, false, |b: &[u8]| fives(b, 2), |b: &[u8]| widened(fives(b, 2)));
block!(Q5_1, 24, 0, true, |b: &[u8]| fives(b, 4), |b: &[u8]| widened(fives(b, 4)));

/// 32 numbers of 8 bits in 16 bits each.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn widened(q: __m256i) -> [__m256i; 2] {
    [_mm256_cvtepi8_epi16(_mm256_castsi256_si128(q)), _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(q))]
}

/// 16 bytes from `at` on as 32 numbers of 4 bits, the low ones first, in 16 bits each.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn wide_nibbles(b: &[u8], at: usize) -> [__m256i; 2] {
    let b: &[u8; 16] = b[at..at + 16].try_into().expect("sixteen bytes");
    // SAFETY: sixteen bytes are read.
    let both = _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(b.as_ptr().cast()) });
    [_mm256_and_si256(both, _mm256_set1_epi16(15)), _mm256_srli_epi16::<4>(both)]
}

/// Products of rows of a block type with a rounded row; `y` has one place for each weight row.
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

/// # Safety
/// As `rows_blocks`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn groups<B: Block, T: Rounded>(bytes: &[u8], x: QuantisedRow<'_, T>, y: &mut [f32]) {
    // SAFETY: every row lies within the bytes, with as many blocks as `x` has.
    in_groups(bytes, x.scales.len() * B::SIZE, y, |rows| unsafe { products::<B, T>(rows, x) });
}

/// # Safety
/// Each of the rows has as many blocks as `x`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn products<B: Block, T: Rounded>(rows: [*const u8; ROWS], x: QuantisedRow<'_, T>) -> [f32; ROWS] {
    let blocks = x.scales.len();
    let mut sums = [_mm256_setzero_ps(); ROWS];
    let mut offsets = [_mm256_setzero_ps(); ROWS];
    let mut first = 0;
    // SAFETY: every row and `x` have so many blocks from the first on.
    unsafe {
        // Of a number that is known, so that nothing of it is computed each time.
        while first + CHUNK <= blocks {
            chunk::<B, T>(rows, x, first, CHUNK, &mut sums, &mut offsets);
            first += CHUNK;
        }
        if first < blocks {
            chunk::<B, T>(rows, x, first, blocks - first, &mut sums, &mut offsets);
        }
    }
    if B::HAS_OFFSET || B::LESS != 0 {
        let factor = _mm256_set1_ps(if B::HAS_OFFSET { 1.0 } else { -(B::LESS as f32) });
        sums = std::array::from_fn(|row| _mm256_fmadd_ps(factor, offsets[row], sums[row]));
    }
    totals(sums)
}

/// Adds the products of up to eight blocks.
///
/// # Safety
/// Each of the rows, and `x`, has so many blocks from the first on.
#[inline(always)]
unsafe fn chunk<B: Block, T: Rounded>(
    rows: [*const u8; ROWS],
    x: QuantisedRow<'_, T>,
    first: usize,
    count: usize,
    sums: &mut [__m256; ROWS],
    offsets: &mut [__m256; ROWS],
) {
    // SAFETY: the caller's promise; what is asked for early is never read here. Only functions that have these
    // instructions call this.
    unsafe {
        let x_scales = some(&x.scales[first..first + count]);
        let x_sums = some(&x.sums[first..first + count]);
        let starts = rows.map(|row| row.add(first * B::SIZE));
        let mut scales = [[0.0f32; CHUNK]; ROWS];
        for (row, start) in starts.into_iter().enumerate() {
            let own = halves::<B>(start, count);
            _mm256_storeu_ps(scales[row].as_mut_ptr(), _mm256_mul_ps(own, x_scales));
            if B::HAS_OFFSET {
                offsets[row] = _mm256_fmadd_ps(halves::<B>(start.add(2), count), x_sums, offsets[row]);
            } else if B::LESS != 0 {
                offsets[row] = _mm256_fmadd_ps(own, x_sums, offsets[row]);
            }
        }
        #[allow(clippy::needless_range_loop, reason = "scales are only one of the things that a block has")]
        for at in 0..count {
            let numbers = T::load(x.whole.as_ptr().add((first + at) * BLOCK));
            for row in 0..ROWS {
                let block = starts[row].add(at * B::SIZE);
                if at.is_multiple_of(64 / B::SIZE) {
                    _mm_prefetch::<_MM_HINT_T0>(block.wrapping_add(AHEAD).cast());
                }
                let whole = T::products::<B>(std::slice::from_raw_parts(block, B::SIZE), numbers);
                let scale = _mm256_broadcast_ss(&scales[row][at]);
                sums[row] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, sums[row]);
            }
        }
    }
}

/// Up to eight numbers; zero beyond.
#[inline(always)]
unsafe fn some(x: &[f32]) -> __m256 {
    // SAFETY: so many are read. Only functions that have these instructions call this.
    unsafe {
        if x.len() == CHUNK {
            return _mm256_loadu_ps(x.as_ptr());
        }
        _mm256_maskload_ps(x.as_ptr(), first_lanes(x.len()))
    }
}

/// The half at the start of each of up to eight blocks; zero beyond.
///
/// # Safety
/// So many blocks lie there, at least one.
#[inline(always)]
unsafe fn halves<B: Block>(start: *const u8, count: usize) -> __m256 {
    // SAFETY: the last block is the last that is read. Only functions that have these instructions call this.
    unsafe {
        let half = |nth: usize| start.add(nth.min(count - 1) * B::SIZE).cast::<i16>().read_unaligned();
        let halves = _mm_setr_epi16(half(0), half(1), half(2), half(3), half(4), half(5), half(6), half(7));
        let found = _mm256_cvtph_ps(halves);
        if count == CHUNK { found } else { _mm256_and_ps(found, _mm256_castsi256_ps(first_lanes(count))) }
    }
}

/// All bits of so many lanes.
#[inline(always)]
unsafe fn first_lanes(count: usize) -> __m256i {
    // SAFETY: only functions that have these instructions call this.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

/// What a row was rounded to.
pub(in super::super) trait Rounded: Whole {
    type Loaded: Copy;

    /// # Safety
    /// 32 numbers lie there, and the processor has the instructions.
    unsafe fn load(start: *const Self) -> Self::Loaded;

    /// Products with a block's whole numbers, summed to eight.
    ///
    /// # Safety
    /// The processor has the instructions.
    #[allow(private_bounds, reason = "the types of blocks are this file's own")]
    unsafe fn products<B: Block>(block: &[u8], x: Self::Loaded) -> __m256i;

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
    unsafe fn products<B: Block>(block: &[u8], x: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            let q = B::whole(block);
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
    unsafe fn products<B: Block>(block: &[u8], x: [__m256i; 2]) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            let [low, high] = B::wide(block);
            _mm256_add_epi32(_mm256_madd_epi16(low, x[0]), _mm256_madd_epi16(high, x[1]))
        }
    }

    unsafe fn one_row(dtype: Dtype, bytes: &[u8], x: QuantisedRow<'_, i16>) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { super::blocks::dot_blocks_fine(dtype, bytes, x) }
    }
}

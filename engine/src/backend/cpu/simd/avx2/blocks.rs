//! Products of block types with rounded rows: whole numbers of 8 bits multiplied in pairs, summed in 32 bits, scaled a
//! block at a time.
//!
//! A weight is `scale * q + offset` with a `q` that is not negative, so a block's product is
//! `scale * (whole product) + offset * (sum of the row's block)`. Only `Q8_0` has signed `q`.

use super::*;

/// # Safety
/// `bytes` holds as many numbers of the type as `x` has.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dot_blocks(dtype: Dtype, bytes: &[u8], x: QuantisedRow<'_, i8>) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Q4K => dot_k::<144>(bytes, x),
            Dtype::Q5K => dot_k::<176>(bytes, x),
            Dtype::Q6K => dot_q6k(bytes, x),
            _ => super::super::portable::dot_blocks(dtype, bytes, x),
        }
    }
}

/// The same with rows that are rounded so finely that no error counts.
///
/// # Safety
/// `bytes` holds as many numbers of the type as `x` has.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn dot_blocks_fine(dtype: Dtype, bytes: &[u8], x: QuantisedRow<'_, i16>) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Q6K => fine_q6k(bytes, x),
            _ => super::super::portable::dot_blocks(dtype, bytes, x),
        }
    }
}

/// 32 signed bytes after a half.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn eights(b: &[u8]) -> __m256i {
    let b: &[u8; 32] = b[2..34].try_into().expect("thirty-two bytes");
    // SAFETY: thirty-two bytes are read.
    unsafe { _mm256_loadu_si256(b.as_ptr().cast()) }
}

/// Products of 32 signed bytes with the block `at` of a row of 16 bits: `[low half, high half]`, summed in pairs.
///
/// # Safety
/// The row has that block.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn fine_products(q: __m256i, x: &QuantisedRow<'_, i16>, at: usize) -> [__m256i; 2] {
    // SAFETY: the caller's promise.
    let (low, high) = unsafe {
        let row = x.whole.as_ptr().add(at * BLOCK);
        (_mm256_loadu_si256(row.cast()), _mm256_loadu_si256(row.add(16).cast()))
    };
    let first = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(q));
    let second = _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(q));
    [_mm256_madd_epi16(first, low), _mm256_madd_epi16(second, high)]
}

/// # Safety
/// `bytes` holds as many numbers as `x` has.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn fine_q6k(bytes: &[u8], x: QuantisedRow<'_, i16>) -> f32 {
    let mut sums = _mm256_setzero_ps();
    for (at, block) in bytes.chunks_exact(210).enumerate() {
        let scale = half(&block[208..]);
        for part in 0..8 {
            let own = at * 8 + part;
            // SAFETY: the block has its 210 bytes, and the caller's promise.
            let [low, high] = unsafe { fine_products(q6k_part(block, part), &x, own) };
            let factors = &block[192 + 2 * part..];
            for (products, factor) in [(low, factors[0]), (high, factors[1])] {
                let scale = _mm256_set1_ps(f32::from(factor as i8) * (scale * x.scales[own]));
                sums = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scale, sums);
            }
        }
    }
    sum(sums)
}

/// The half at the start of `b`, by the processor's own conversion.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn half(b: &[u8]) -> f32 {
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(u16::from_le_bytes([b[0], b[1]])))))
}

/// A row's block of 32.
///
/// # Safety
/// The row has that block.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn block_of(x: &QuantisedRow<'_, i8>, block: usize) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_loadu_si256(x.whole.as_ptr().add(block * BLOCK).cast()) }
}

/// Products of 32 numbers 0 to 127 with 32 signed ones, summed four by four.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn products(q: __m256i, x: __m256i) -> __m256 {
    let pairs = _mm256_maddubs_epi16(q, x);
    _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

/// 16 bytes from `at` on as 32 numbers of 4 bits, the low ones first.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn nibbles(b: &[u8], at: usize) -> __m256i {
    let b: &[u8; 16] = b[at..at + 16].try_into().expect("sixteen bytes");
    // SAFETY: sixteen bytes are read.
    let twice = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(b.as_ptr().cast()) });
    _mm256_and_si256(_mm256_srlv_epi64(twice, _mm256_setr_epi64x(0, 0, 4, 4)), _mm256_set1_epi8(15))
}

/// 4 bytes of fifth bits from `at` on and 16 of nibbles as 32 numbers of 5 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn fives(b: &[u8], at: usize) -> __m256i {
    let bits = i32::from_le_bytes(b[at..at + 4].try_into().expect("four bytes"));
    // Each byte gets the byte of bits that its own is in, then keeps that bit alone.
    let spread = _mm256_shuffle_epi8(
        _mm256_set1_epi32(bits),
        _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303),
    );
    let own = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    let is_set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, own), own);
    _mm256_or_si256(nibbles(b, at + 4), _mm256_and_si256(is_set, _mm256_set1_epi8(16)))
}

/// `Q4K` (144 bytes) and `Q5K` (176): parts of 32 with scales and offsets of their own.
///
/// # Safety
/// `bytes` holds as many numbers as `x` has.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn dot_k<const SIZE: usize>(bytes: &[u8], x: QuantisedRow<'_, i8>) -> f32 {
    let start = SIZE - 128;
    let low = _mm256_set1_epi8(15);
    let mut sums = _mm256_setzero_ps();
    let mut offsets = 0.0;
    for (at, block) in bytes.chunks_exact(SIZE).enumerate() {
        let (scale, offset) = (half(block), half(&block[2..]));
        for part in 0..8 {
            // SAFETY: four times 32 bytes of nibbles lie from `start` on, 32 of fifth bits before them.
            let (both, fifths) = unsafe {
                let nibbles = _mm256_loadu_si256(block.as_ptr().add(start + 32 * (part / 2)).cast());
                (nibbles, _mm256_loadu_si256(block.as_ptr().add(16).cast()))
            };
            let shifted = if part % 2 == 0 { both } else { _mm256_srli_epi16::<4>(both) };
            let mut q = _mm256_and_si256(shifted, low);
            if SIZE == 176 {
                let bit = _mm256_set1_epi8((1u8 << part) as i8);
                let is_set = _mm256_cmpeq_epi8(_mm256_and_si256(fifths, bit), bit);
                q = _mm256_or_si256(q, _mm256_and_si256(is_set, _mm256_set1_epi8(16)));
            }
            let (s, m) = k_scale(part, &block[4..16]);
            let own = at * 8 + part;
            // SAFETY: the caller's promise.
            let products = products(q, unsafe { block_of(&x, own) });
            sums = _mm256_fmadd_ps(products, _mm256_set1_ps(scale * f32::from(s) * x.scales[own]), sums);
            offsets -= offset * f32::from(m) * x.sums[own];
        }
    }
    sum(sums) + offsets
}

/// # Safety
/// `bytes` holds as many numbers as `x` has.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn dot_q6k(bytes: &[u8], x: QuantisedRow<'_, i8>) -> f32 {
    let mut sums = _mm256_setzero_ps();
    for (at, block) in bytes.chunks_exact(210).enumerate() {
        let scale = half(&block[208..]);
        for part in 0..8 {
            // SAFETY: the block has its 210 bytes.
            let q = unsafe { q6k_part(block, part) };
            let own = at * 8 + part;
            // SAFETY: the caller's promise.
            let row_block = unsafe { block_of(&x, own) };
            let products = products(_mm256_abs_epi8(q), _mm256_sign_epi8(row_block, q));
            let factors = &block[192 + 2 * part..];
            let (first, second) = (f32::from(factors[0] as i8), f32::from(factors[1] as i8));
            let scales = _mm256_set_m128(_mm_set1_ps(second), _mm_set1_ps(first));
            let scales = _mm256_mul_ps(scales, _mm256_set1_ps(scale * x.scales[own]));
            sums = _mm256_fmadd_ps(products, scales, sums);
        }
    }
    sum(sums)
}

/// 32 numbers of a block of `Q6K`, -32 to 31.
///
/// # Safety
/// The block has 210 bytes, and `part` is below 8.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn q6k_part(block: &[u8], part: usize) -> __m256i {
    let (half, row) = (part / 4, part % 4);
    // SAFETY: 128 bytes of nibbles, then 64 of upper bits; each read of 32 lies within its half's part.
    let (both, upper) = unsafe {
        let nibbles = _mm256_loadu_si256(block.as_ptr().add(64 * half + 32 * (row % 2)).cast());
        (nibbles, _mm256_loadu_si256(block.as_ptr().add(128 + 32 * half).cast()))
    };
    let nibble = _mm256_and_si256(if row < 2 { both } else { _mm256_srli_epi16::<4>(both) }, _mm256_set1_epi8(15));
    let shift = _mm_cvtsi32_si128(2 * row as i32);
    let upper = _mm256_and_si256(_mm256_srl_epi16(upper, shift), _mm256_set1_epi8(3));
    _mm256_sub_epi8(_mm256_or_si256(nibble, _mm256_slli_epi16::<4>(upper)), _mm256_set1_epi8(32))
}

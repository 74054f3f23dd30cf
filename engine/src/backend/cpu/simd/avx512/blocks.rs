//! Few tokens and block types: two blocks in a vector, four weight rows at a time, scales of 16 blocks together.
//!
//! The products of a block are whole and exact. A nibble in the upper half of a byte stays there, so its product is 16
//! times too large; such products have lanes of their own all along, which are made smaller at the end.

use super::*;
use crate::backend::cpu::quantised::Whole;

/// Blocks whose scales are read together.
const CHUNK: usize = 16;

/// How the blocks of a type lie.
pub(in super::super) trait Block {
    const SIZE: usize;
    /// Where the whole numbers begin.
    const START: usize;
    /// Whether they are nibbles, the low ones first.
    const NIBBLES: bool;
    /// What is taken off each whole number.
    const LESS: i8;
    const HAS_OFFSET: bool;
    /// Blocks whose scales and offsets lie within 64 bytes of the first block's start.
    const NEAR: usize = (64 - 2 * (Self::HAS_OFFSET as usize + 1)) / Self::SIZE + 1;
    /// Where the first half of each of these blocks lies, in halves, over and over.
    const PLACES: [i16; 32] = {
        let mut places = [0; 32];
        let mut at = 0;
        while at < places.len() {
            places[at] = (at % Self::NEAR * Self::SIZE / 2) as i16;
            at += 1;
        }
        places
    };
}

struct Q8_0;
struct Q4_0;
struct Q4_1;

impl Block for Q8_0 {
    const SIZE: usize = 34;
    const START: usize = 2;
    const NIBBLES: bool = false;
    const LESS: i8 = 0;
    const HAS_OFFSET: bool = false;
}

impl Block for Q4_0 {
    const SIZE: usize = 18;
    const START: usize = 2;
    const NIBBLES: bool = true;
    const LESS: i8 = 8;
    const HAS_OFFSET: bool = false;
}

impl Block for Q4_1 {
    const SIZE: usize = 20;
    const START: usize = 4;
    const NIBBLES: bool = true;
    const LESS: i8 = 0;
    const HAS_OFFSET: bool = true;
}

/// Products of rows of a block type with a rounded row; `y` has one place for each weight row.
///
/// # Safety
/// `bytes` holds `y.len()` rows of as many numbers as `x` has, and the processor has the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
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
            _ => avx2::rows_blocks(dtype, bytes, x, y),
        }
    }
}

/// # Safety
/// As `rows_blocks`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn groups<B: Block, T: Rounded>(bytes: &[u8], x: QuantisedRow<'_, T>, y: &mut [f32]) {
    // SAFETY: every row lies within the bytes, with as many blocks as `x` has.
    avx2::in_groups(bytes, x.scales.len() * B::SIZE, y, |rows| unsafe { products::<B, T>(rows, x) });
}

/// # Safety
/// Each of the rows has as many blocks as `x`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn products<B: Block, T: Rounded>(rows: [*const u8; ROWS], x: QuantisedRow<'_, T>) -> [f32; ROWS] {
    let blocks = x.scales.len();
    let mut sums = [_mm512_setzero_ps(); ROWS];
    let mut offsets = [_mm512_setzero_ps(); ROWS];
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
    if B::NIBBLES {
        let sizes = T::nibble_sizes();
        sums = sums.map(|sum| _mm512_mul_ps(sum, sizes));
    }
    totals(std::array::from_fn(|row| if B::HAS_OFFSET { _mm512_add_ps(sums[row], offsets[row]) } else { sums[row] }))
}

/// Adds the products of up to 16 blocks.
///
/// # Safety
/// Each of the rows, and `x`, has so many blocks from the first on.
#[inline(always)]
unsafe fn chunk<B: Block, T: Rounded>(
    rows: [*const u8; ROWS],
    x: QuantisedRow<'_, T>,
    first: usize,
    count: usize,
    sums: &mut [__m512; ROWS],
    offsets: &mut [__m512; ROWS],
) {
    let mask = ((1u32 << count) - 1) as __mmask16;
    let starts = rows.map(|row| row.wrapping_add(first * B::SIZE));
    // SAFETY: the caller's promise; what is asked for early is never read here. Only functions that have these
    // instructions call this.
    unsafe {
        let x_scales = _mm512_maskz_loadu_ps(mask, x.scales.as_ptr().add(first));
        let mut scales = [_mm512_setzero_ps(); ROWS];
        for (scales, start) in scales.iter_mut().zip(starts) {
            *scales = _mm512_mul_ps(_mm512_cvtph_ps(halves::<B>(start, count, 0)), x_scales);
        }
        if B::HAS_OFFSET {
            let x_sums = _mm512_maskz_loadu_ps(mask, x.sums.as_ptr().add(first));
            for (offsets, start) in offsets.iter_mut().zip(starts) {
                let own = _mm512_cvtph_ps(halves::<B>(start, count, 1));
                *offsets = _mm512_fmadd_ps(own, x_sums, *offsets);
            }
        }
        let mut own = T::first_blocks();
        for at in (0..count).step_by(T::BLOCKS) {
            let has_all = at + T::BLOCKS <= count;
            let numbers = T::vector(x.whole.as_ptr().add((first + at) * BLOCK), has_all);
            let less = T::less::<B>(numbers);
            for row in 0..ROWS {
                let block = starts[row].add(at * B::SIZE);
                _mm_prefetch::<_MM_HINT_T0>(block.wrapping_add(AHEAD).cast());
                let whole = T::block_products::<B>(block, has_all, numbers, less);
                let scale = _mm512_permutexvar_ps(own, scales[row]);
                sums[row] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, sums[row]);
            }
            own = _mm512_add_epi32(own, _mm512_set1_epi32(T::BLOCKS as i32));
        }
    }
}

/// The halves number `nth` at the start of up to 16 blocks; zero beyond.
///
/// # Safety
/// So many blocks lie there.
#[inline(always)]
unsafe fn halves<B: Block>(start: *const u8, count: usize, nth: i16) -> __m256i {
    // SAFETY: the array has 64 bytes; a window reads no further than the last block.
    unsafe {
        let places = _mm512_loadu_si512(B::PLACES.as_ptr().cast());
        let places = _mm512_add_epi16(places, _mm512_set1_epi16(nth));
        let mut found = _mm512_setzero_si512();
        for at in (0..count).step_by(B::NEAR) {
            let window = start.add(at * B::SIZE);
            let left = (count - at) * B::SIZE;
            let bytes = match left >= 64 {
                true => _mm512_loadu_si512(window.cast()),
                false => _mm512_maskz_loadu_epi8((1u64 << left) - 1, window.cast()),
            };
            let mask = (((1u32 << B::NEAR) - 1) << at) & ((1u32 << count) - 1);
            found = _mm512_mask_permutexvar_epi16(found, mask, places, bytes);
        }
        _mm512_castsi512_si256(found)
    }
}

/// What a row was rounded to.
pub(in super::super) trait Rounded: Whole + avx2::Rounded {
    /// Blocks in a vector.
    const BLOCKS: usize;

    /// For each lane the block that it belongs to.
    fn first_blocks() -> __m512i;

    /// What products of nibbles are made smaller by.
    fn nibble_sizes() -> __m512;

    /// A vector of numbers, those beyond the first block zero unless all blocks are there.
    ///
    /// # Safety
    /// They lie there, and the processor has the instructions.
    unsafe fn vector(start: *const Self, has_all: bool) -> __m512i;

    /// What is taken off the products of the numbers with a type that is around zero.
    ///
    /// # Safety
    /// The processor has the instructions.
    #[allow(private_bounds, reason = "the types of blocks are this file's own")]
    unsafe fn less<B: Block>(numbers: __m512i) -> __m512i;

    /// Products of whole blocks with the numbers, summed within blocks to sixteen.
    ///
    /// # Safety
    /// A block lies there, or two where all are there, and the processor has the instructions.
    #[allow(private_bounds, reason = "the types of blocks are this file's own")]
    unsafe fn block_products<B: Block>(block: *const u8, has_all: bool, numbers: __m512i, less: __m512i) -> __m512i;
}

impl Rounded for i8 {
    const BLOCKS: usize = 2;

    #[inline(always)]
    fn first_blocks() -> __m512i {
        // SAFETY: only functions that have these instructions call this.
        unsafe { _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1) }
    }

    #[inline(always)]
    fn nibble_sizes() -> __m512 {
        const LOW: f32 = 1.0;
        const HIGH: f32 = 1.0 / 16.0;
        // SAFETY: as above.
        unsafe {
            let half = _mm256_setr_ps(LOW, LOW, LOW, LOW, HIGH, HIGH, HIGH, HIGH);
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(half), half)
        }
    }

    #[inline(always)]
    unsafe fn vector(start: *const i8, has_all: bool) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_maskz_loadu_epi8(if has_all { u64::MAX } else { u64::from(u32::MAX) }, start) }
    }

    #[inline(always)]
    unsafe fn less<B: Block>(numbers: __m512i) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = _mm512_setzero_si512();
            // Signed bytes get 128 added, which makes them what the instruction takes.
            let offset = match (B::NIBBLES, B::LESS) {
                (false, _) => _mm512_set1_epi8(-128),
                (true, 0) => return zero,
                (true, less) => nibble_bytes(less, less << 4),
            };
            _mm512_sub_epi32(zero, _mm512_dpbusd_epi32(zero, offset, numbers))
        }
    }

    #[inline(always)]
    unsafe fn block_products<B: Block>(block: *const u8, has_all: bool, numbers: __m512i, less: __m512i) -> __m512i {
        // SAFETY: the caller's promise. Where there is no second block the first is taken again: its numbers are zero.
        unsafe {
            let (first, second) = (block.add(B::START), block.add(B::START + if has_all { B::SIZE } else { 0 }));
            let whole = if B::NIBBLES {
                let both = _mm512_broadcast_i32x4(_mm_loadu_si128(first.cast()));
                let both = _mm512_mask_broadcast_i32x4(both, 0xff00, _mm_loadu_si128(second.cast()));
                _mm512_and_si512(both, nibble_bytes(15, -16))
            } else {
                let low = _mm512_castsi256_si512(_mm256_loadu_si256(first.cast()));
                let both = _mm512_inserti64x4::<1>(low, _mm256_loadu_si256(second.cast()));
                _mm512_xor_si512(both, _mm512_set1_epi8(-128))
            };
            _mm512_dpbusd_epi32(less, whole, numbers)
        }
    }
}

/// Sixteen bytes for low nibbles and sixteen for high ones, twice.
#[inline(always)]
unsafe fn nibble_bytes(low: i8, high: i8) -> __m512i {
    // SAFETY: only functions that have these instructions call this.
    unsafe { _mm512_broadcast_i64x4(_mm256_set_m128i(_mm_set1_epi8(high), _mm_set1_epi8(low))) }
}

impl Rounded for i16 {
    const BLOCKS: usize = 1;

    #[inline(always)]
    fn first_blocks() -> __m512i {
        // SAFETY: only functions that have these instructions call this.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn nibble_sizes() -> __m512 {
        // SAFETY: as above.
        unsafe {
            let (low, high) = (_mm256_set1_ps(1.0), _mm256_set1_ps(1.0 / 16.0));
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high)
        }
    }

    #[inline(always)]
    unsafe fn vector(start: *const i16, _: bool) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_si512(start.cast()) }
    }

    #[inline(always)]
    unsafe fn less<B: Block>(numbers: __m512i) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe {
            let zero = _mm512_setzero_si512();
            if B::LESS == 0 {
                return zero;
            }
            let less = -i16::from(B::LESS);
            _mm512_dpwssd_epi32(zero, nibble_pairs(less, less << 4), numbers)
        }
    }

    #[inline(always)]
    unsafe fn block_products<B: Block>(block: *const u8, _: bool, numbers: __m512i, less: __m512i) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe {
            let start = block.add(B::START);
            let whole = if B::NIBBLES {
                let both = _mm256_broadcastsi128_si256(_mm_loadu_si128(start.cast()));
                _mm512_and_si512(_mm512_cvtepu8_epi16(both), nibble_pairs(0x0f, 0xf0))
            } else {
                _mm512_cvtepi8_epi16(_mm256_loadu_si256(start.cast()))
            };
            _mm512_dpwssd_epi32(less, whole, numbers)
        }
    }
}

/// Sixteen numbers for low nibbles and sixteen for high ones.
#[inline(always)]
unsafe fn nibble_pairs(low: i16, high: i16) -> __m512i {
    // SAFETY: only functions that have these instructions call this.
    unsafe {
        let low = _mm512_castsi256_si512(_mm256_set1_epi16(low));
        _mm512_inserti64x4::<1>(low, _mm256_set1_epi16(high))
    }
}

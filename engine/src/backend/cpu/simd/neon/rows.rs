//! Few tokens and block types: several weight rows at a time with one rounded row.
//!
//! The products of a block are whole and exact; what is taken off each whole number is counted with the sum of the row's
//! block, and scale and offset come last.

use super::*;

/// Weight rows at a time.
const ROWS: usize = 4;

/// Thirty-two whole numbers.
type Thirty = [int8x16_t; 2];

/// How the blocks of a type are read.
trait Block {
    const SIZE: usize;
    /// What is taken off each whole number.
    const LESS: f32;
    const HAS_OFFSET: bool;

    /// # Safety
    /// A block lies there.
    unsafe fn whole(block: *const u8) -> Thirty;
}

macro_rules! block {
    ($name:ident, $size:literal, $less:literal, $offset:literal, $read:expr) => {
        struct $name;
        impl Block for $name {
            const SIZE: usize = $size;
            const LESS: f32 = $less;
            const HAS_OFFSET: bool = $offset;
            #[inline(always)]
            unsafe fn whole(block: *const u8) -> Thirty {
                // SAFETY: the caller's promise.
                unsafe { $read(block) }
            }
        }
    };
}

block!(Q8_0, 34, 0.0, false, |b: *const u8| [vld1q_s8(b.add(2).cast()), vld1q_s8(b.add(18).cast())]);
block!(Q4_0, 18, 8.0, false, |b: *const u8| nibbles(b.add(2)));
block!(Q4_1, 20, 0.0, true, |b: *const u8| nibbles(b.add(4)));
block!(Q5_0, 22, 16.0, false, |b: *const u8| fives(b.add(2)));
block!(Q5_1, 24, 0.0, true, |b: *const u8| fives(b.add(4)));

/// 16 bytes as 32 numbers of 4 bits, the low ones first.
///
/// # Safety
/// They lie there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn nibbles(start: *const u8) -> Thirty {
    // SAFETY: the caller's promise.
    let both = unsafe { vld1q_u8(start) };
    [vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15))), vreinterpretq_s8_u8(vshrq_n_u8::<4>(both))]
}

/// 4 bytes of fifth bits and 16 of nibbles as 32 numbers of 5 bits.
///
/// # Safety
/// They lie there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn fives(start: *const u8) -> Thirty {
    // SAFETY: the caller's promise; the tables have eight bytes.
    unsafe {
        let low = nibbles(start.add(4));
        let own = vld1_u8([1u8, 2, 4, 8, 16, 32, 64, 128].as_ptr());
        let own = vcombine_u8(own, own);
        std::array::from_fn(|half| {
            let bits = start.add(2 * half);
            let spread = vcombine_u8(vdup_n_u8(*bits), vdup_n_u8(*bits.add(1)));
            let fifth = vandq_u8(vtstq_u8(spread, own), vdupq_n_u8(16));
            vorrq_s8(low[half], vreinterpretq_s8_u8(fifth))
        })
    }
}

/// The half at the start of a block, or after so many bytes.
///
/// # Safety
/// It lies there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn half(start: *const u8) -> f32 {
    let wide: f32;
    // SAFETY: the caller's promise; it changes its result alone.
    unsafe {
        let bits = start.cast::<u16>().read_unaligned();
        asm!(
            "fcvt {wide:s}, {bits:h}",
            wide = lateout(vreg) wide,
            bits = in(vreg) bits,
            options(pure, nomem, nostack)
        );
    }
    wide
}

/// Products of rows of a block type with a rounded row; `y` has one place for each weight row.
///
/// # Safety
/// `bytes` holds `y.len()` rows of as many numbers as `x` has; with `DOT`, the processor has the dot product of bytes.
pub(in super::super) unsafe fn rows_blocks<T: Rounded, const DOT: bool>(
    dtype: Dtype,
    bytes: &[u8],
    x: QuantisedRow<'_, T>,
    y: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Q8_0 => T::groups::<Q8_0, DOT>(bytes, x, y),
            Dtype::Q4_0 => T::groups::<Q4_0, DOT>(bytes, x, y),
            Dtype::Q4_1 => T::groups::<Q4_1, DOT>(bytes, x, y),
            Dtype::Q5_0 => T::groups::<Q5_0, DOT>(bytes, x, y),
            Dtype::Q5_1 => T::groups::<Q5_1, DOT>(bytes, x, y),
            _ => each_row(bytes, y, |row| super::super::portable::dot_blocks(dtype, row, x)),
        }
    }
}

/// What a row was rounded to.
pub(in super::super) trait Rounded: Whole {
    /// Products with whole rows.
    ///
    /// # Safety
    /// As `rows_blocks`.
    #[allow(private_bounds, reason = "the types of blocks are this file's own")]
    unsafe fn groups<B: Block, const DOT: bool>(bytes: &[u8], x: QuantisedRow<'_, Self>, y: &mut [f32]);
}

impl Rounded for i8 {
    #[allow(private_bounds, reason = "the types of blocks are this file's own")]
    unsafe fn groups<B: Block, const DOT: bool>(bytes: &[u8], x: QuantisedRow<'_, i8>, y: &mut [f32]) {
        // SAFETY: the caller's promise.
        unsafe {
            if DOT { groups_dot::<B>(bytes, x, y) } else { groups::<B, i8>(bytes, x, y, |q, x| multiplied(q, x)) }
        }
    }
}

impl Rounded for i16 {
    #[allow(private_bounds, reason = "the types of blocks are this file's own")]
    unsafe fn groups<B: Block, const DOT: bool>(bytes: &[u8], x: QuantisedRow<'_, i16>, y: &mut [f32]) {
        // SAFETY: the caller's promise.
        unsafe { groups::<B, i16>(bytes, x, y, |q, x| multiplied_fine(q, x)) }
    }
}

#[target_feature(enable = "neon,dotprod")]
unsafe fn groups_dot<B: Block>(bytes: &[u8], x: QuantisedRow<'_, i8>, y: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { groups::<B, i8>(bytes, x, y, |q, x| dotted(q, x)) }
}

/// Products of 32 whole numbers with 32 bytes of a row, summed to four.
///
/// # Safety
/// The row has them, and the processor has the instruction.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn dotted(q: Thirty, x: *const i8) -> int32x4_t {
    let mut sum = vdupq_n_s32(0);
    // SAFETY: the caller's promise.
    unsafe {
        for (half, q) in q.into_iter().enumerate() {
            let x = vld1q_s8(x.add(16 * half));
            asm!(
                "sdot {sum:v}.4s, {q:v}.16b, {x:v}.16b",
                sum = inout(vreg) sum,
                q = in(vreg) q,
                x = in(vreg) x,
                options(pure, nomem, nostack)
            );
        }
    }
    sum
}

/// The same by products of 16 bits, added in pairs of 32.
///
/// # Safety
/// The row has them.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn multiplied(q: Thirty, x: *const i8) -> int32x4_t {
    let mut sum = vdupq_n_s32(0);
    for (half, q) in q.into_iter().enumerate() {
        // SAFETY: the caller's promise.
        let x = unsafe { vld1q_s8(x.add(16 * half)) };
        sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(q), vget_low_s8(x)));
        sum = vpadalq_s16(sum, vmull_high_s8(q, x));
    }
    sum
}

/// The same with a row of 16 bits.
///
/// # Safety
/// The row has 32 numbers there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn multiplied_fine(q: Thirty, x: *const i16) -> int32x4_t {
    let mut sums = [vdupq_n_s32(0); 2];
    for (half, q) in q.into_iter().enumerate() {
        let wide = [vmovl_s8(vget_low_s8(q)), vmovl_high_s8(q)];
        for (part, q) in wide.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            let x = unsafe { vld1q_s16(x.add(16 * half + 8 * part)) };
            sums[0] = vmlal_s16(sums[0], vget_low_s16(q), vget_low_s16(x));
            sums[1] = vmlal_high_s16(sums[1], q, x);
        }
    }
    vaddq_s32(sums[0], sums[1])
}

/// Beyond the last row the last is taken again, so that every row's sum is made alike.
///
/// # Safety
/// As `rows_blocks`; `products` reads the 32 numbers of a block.
#[inline(always)]
unsafe fn groups<B: Block, T: Whole>(
    bytes: &[u8],
    x: QuantisedRow<'_, T>,
    y: &mut [f32],
    products: impl Fn(Thirty, *const T) -> int32x4_t,
) {
    let stride = x.scales.len() * B::SIZE;
    let last = y.len().saturating_sub(1);
    for (group, y) in y.chunks_mut(ROWS).enumerate() {
        let starts: [usize; ROWS] = std::array::from_fn(|row| (group * ROWS + row).min(last) * stride);
        // SAFETY: every row, and `x`, has that block.
        unsafe {
            let mut sums = [vdupq_n_f32(0.0); ROWS];
            let mut offsets = [0.0f32; ROWS];
            for (at, (scale, total)) in x.scales.iter().zip(x.sums).enumerate() {
                let numbers = x.whole.as_ptr().add(at * BLOCK);
                for ((start, sum), offset) in starts.iter().zip(&mut sums).zip(&mut offsets) {
                    let block = bytes.as_ptr().add(start + at * B::SIZE);
                    let (whole, own) = (products(B::whole(block), numbers), half(block));
                    *sum = vfmaq_n_f32(*sum, vcvtq_f32_s32(whole), own * scale);
                    if B::HAS_OFFSET {
                        *offset = half(block.add(2)).mul_add(*total, *offset);
                    } else if B::LESS != 0.0 {
                        *offset = own.mul_add(*total, *offset);
                    }
                }
            }
            for ((y, sum), offset) in y.iter_mut().zip(sums).zip(offsets) {
                *y = vaddvq_f32(sum) + if B::HAS_OFFSET { offset } else { -B::LESS * offset };
            }
        }
    }
}

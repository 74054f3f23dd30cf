//! Few tokens and weights that are numbers by themselves: several weight rows at a time, widened to `f32`.

use super::*;

/// Weight rows at a time.
const ROWS: usize = 4;

const F32: u8 = 0;
const F16: u8 = 1;
const BF16: u8 = 2;
const F8: u8 = 3;

/// Four halves as singles.
#[inline]
#[target_feature(enable = "neon")]
fn widen_halves(halves: uint16x4_t) -> float32x4_t {
    let wide: float32x4_t;
    // SAFETY: it changes its result alone; the instruction is part of NEON.
    unsafe {
        asm!(
            "fcvtl {wide:v}.4s, {halves:v}.4h",
            wide = lateout(vreg) wide,
            halves = in(vreg) halves,
            options(pure, nomem, nostack)
        );
    }
    wide
}

/// Four numbers of a plain type.
///
/// # Safety
/// They lie there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load<const TYPE: u8>(start: *const u8) -> float32x4_t {
    // SAFETY: the caller's promise; no load needs alignment.
    unsafe {
        match TYPE {
            F32 => vreinterpretq_f32_u8(vld1q_u8(start)),
            F16 => widen_halves(vreinterpret_u16_u8(vld1_u8(start))),
            BF16 => vreinterpretq_f32_u32(vshll_n_u16::<16>(vreinterpret_u16_u8(vld1_u8(start)))),
            _ => {
                // Exponent and fraction in a single's place are too small by 2^120, for subnormals as well.
                let four = vcreate_u8(u64::from(start.cast::<u32>().read_unaligned()));
                let codes = vmovl_u16(vget_low_u16(vmovl_u8(four)));
                let size = vshlq_n_u32::<20>(vandq_u32(codes, vdupq_n_u32(0x7f)));
                let sign = vshlq_n_u32::<24>(vandq_u32(codes, vdupq_n_u32(0x80)));
                let small = vreinterpretq_f32_u32(vorrq_u32(size, sign));
                vmulq_n_f32(small, f32::from_bits((127 + 120) << 23))
            }
        }
    }
}

/// The product of numbers of a plain type with `x`.
///
/// # Safety
/// `bytes` holds as many numbers of the type as `x` has.
#[target_feature(enable = "neon")]
pub(in super::super) unsafe fn dot_plain(dtype: Dtype, bytes: &[u8], x: &[f32]) -> f32 {
    let mut y = [0.0];
    // SAFETY: the caller's promise.
    unsafe { rows_plain(dtype, bytes, x, &mut y) };
    y[0]
}

/// Products of weight rows with one row; `y` has one place for each weight row.
///
/// # Safety
/// `bytes` holds `y.len()` rows of as many numbers as `x` has.
#[target_feature(enable = "neon")]
pub(in super::super) unsafe fn rows_plain(dtype: Dtype, bytes: &[u8], x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => groups::<F32, 4>(dtype, bytes, x, y),
            Dtype::F16 => groups::<F16, 2>(dtype, bytes, x, y),
            Dtype::BF16 => groups::<BF16, 2>(dtype, bytes, x, y),
            Dtype::F8E4M3 => groups::<F8, 1>(dtype, bytes, x, y),
            _ => each_row(bytes, y, |row| super::super::portable::dot_plain(dtype, row, x)),
        }
    }
}

/// Beyond the last row the last is taken again, so that every row's sum is made alike.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn groups<const TYPE: u8, const SIZE: usize>(dtype: Dtype, bytes: &[u8], x: &[f32], y: &mut [f32]) {
    let stride = x.len() * SIZE;
    let last = y.len().saturating_sub(1);
    let whole = x.len() / 8 * 8;
    for (group, y) in y.chunks_mut(ROWS).enumerate() {
        let starts: [usize; ROWS] = std::array::from_fn(|row| (group * ROWS + row).min(last) * stride);
        let mut sums = [[vdupq_n_f32(0.0); 2]; ROWS];
        for at in (0..whole).step_by(8) {
            // SAFETY: every read ends at or before a row's last number.
            unsafe {
                let (first, second) = (vld1q_f32(x.as_ptr().add(at)), vld1q_f32(x.as_ptr().add(at + 4)));
                for (start, sums) in starts.iter().zip(&mut sums) {
                    let numbers = bytes.as_ptr().add(start + at * SIZE);
                    sums[0] = vfmaq_f32(sums[0], load::<TYPE>(numbers), first);
                    sums[1] = vfmaq_f32(sums[1], load::<TYPE>(numbers.add(4 * SIZE)), second);
                }
            }
        }
        for ((y, sums), start) in y.iter_mut().zip(sums).zip(starts) {
            let mut rest = [0.0; 8];
            let rest = &mut rest[..x.len() - whole];
            dtype.widen(&bytes[start + whole * SIZE..start + stride], rest);
            let tail: f32 = rest.iter().zip(&x[whole..]).map(|(w, x)| w * x).sum();
            *y = vaddvq_f32(vaddq_f32(sums[0], sums[1])) + tail;
        }
    }
}

//! Types of numbers in files, and how each becomes `f32`.
//!
//! The block types are those of the GGUF format: a few numbers share a scale, some an offset. Layouts follow the format's
//! public description (ggml's `block_*` structures); each is spelled out at its reader.

use std::fmt;

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of an IEEE single.
    BF16,
    /// Four bits of exponent, three of fraction; no infinities.
    F8E4M3,
    /// 32 whole numbers of 8 bits, one scale.
    Q8_0,
    /// 32 of 4 bits around 8, one scale.
    Q4_0,
    /// 32 of 4 bits, scale and offset.
    Q4_1,
    /// 32 of 5 bits around 16, one scale.
    Q5_0,
    /// 32 of 5 bits, scale and offset.
    Q5_1,
    /// 256 of 4 bits in 8 parts with scales and offsets of their own.
    Q4K,
    /// 256 of 5 bits in 8 parts with scales and offsets of their own.
    Q5K,
    /// 256 of 6 bits in 16 parts with scales of their own.
    Q6K,
    /// Whole, 32 bits.
    I32,
    /// Whole, 64 bits.
    I64,
    /// Bytes; also flags.
    U8,
}

impl Dtype {
    /// Numbers in a block, and the bytes it takes.
    pub const fn block(self) -> (usize, usize) {
        match self {
            Dtype::F32 | Dtype::I32 => (1, 4),
            Dtype::F16 | Dtype::BF16 => (1, 2),
            Dtype::F8E4M3 | Dtype::U8 => (1, 1),
            Dtype::I64 => (1, 8),
            Dtype::Q8_0 => (32, 34),
            Dtype::Q4_0 => (32, 18),
            Dtype::Q4_1 => (32, 20),
            Dtype::Q5_0 => (32, 22),
            Dtype::Q5_1 => (32, 24),
            Dtype::Q4K => (256, 144),
            Dtype::Q5K => (256, 176),
            Dtype::Q6K => (256, 210),
        }
    }

    /// Bytes of so many numbers; `None` where they fill no whole blocks or overflow.
    pub fn bytes(self, count: usize) -> Option<usize> {
        let (numbers, bytes) = self.block();
        if !count.is_multiple_of(numbers) {
            return None;
        }
        (count / numbers).checked_mul(bytes)
    }

    /// Whether numbers share scales, so that an inner product is made of whole-number products.
    pub const fn is_blocked(self) -> bool {
        self.block().0 > 1
    }

    /// Whether it can be a weight.
    pub const fn is_weight(self) -> bool {
        !matches!(self, Dtype::I32 | Dtype::I64 | Dtype::U8)
    }

    /// Writes the numbers in `bytes` to `out`.
    ///
    /// # Panics
    /// Where `bytes` has not the size that so many numbers take.
    pub fn widen(self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!(self.bytes(out.len()), Some(bytes.len()), "bytes and numbers of {self} belong together");
        let (numbers, size) = self.block();
        let blocks = bytes.chunks_exact(size).zip(out.chunks_exact_mut(numbers));
        match self {
            Dtype::F32 => blocks.for_each(|(b, o)| o[0] = f32::from_le_bytes(four(b))),
            Dtype::F16 => blocks.for_each(|(b, o)| o[0] = half(b)),
            Dtype::BF16 => blocks.for_each(|(b, o)| o[0] = f32::from_bits(u32::from(two(b)) << 16)),
            Dtype::F8E4M3 => blocks.for_each(|(b, o)| o[0] = E4M3[usize::from(b[0])]),
            Dtype::U8 => blocks.for_each(|(b, o)| o[0] = f32::from(b[0])),
            Dtype::I32 => blocks.for_each(|(b, o)| o[0] = i32::from_le_bytes(four(b)) as f32),
            Dtype::I64 => {
                blocks.for_each(|(b, o)| o[0] = i64::from_le_bytes(b.try_into().expect("eight bytes")) as f32)
            }
            Dtype::Q8_0 => blocks.for_each(|(b, o)| widen_q8_0(b, o)),
            Dtype::Q4_0 => blocks.for_each(|(b, o)| widen_nibbles(half(b), -8.0 * half(b), &b[2..], o)),
            Dtype::Q4_1 => blocks.for_each(|(b, o)| widen_nibbles(half(b), half(&b[2..]), &b[4..], o)),
            Dtype::Q5_0 => blocks.for_each(|(b, o)| widen_fives(half(b), -16.0 * half(b), &b[2..], o)),
            Dtype::Q5_1 => blocks.for_each(|(b, o)| widen_fives(half(b), half(&b[2..]), &b[4..], o)),
            Dtype::Q4K => blocks.for_each(|(b, o)| widen_q4k(b, o)),
            Dtype::Q5K => blocks.for_each(|(b, o)| widen_q5k(b, o)),
            Dtype::Q6K => blocks.for_each(|(b, o)| widen_q6k(b, o)),
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn two(b: &[u8]) -> u16 {
    u16::from_le_bytes([b[0], b[1]])
}

fn four(b: &[u8]) -> [u8; 4] {
    [b[0], b[1], b[2], b[3]]
}

/// The half-precision number at the start of `b`.
pub(crate) fn half(b: &[u8]) -> f32 {
    f16_to_f32(two(b))
}

/// An IEEE half as a single: exact.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    match exponent {
        0 => {
            let size = fraction as f32 * (1.0 / 16_777_216.0);
            if sign == 0 { size } else { -size }
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// The half nearest to a single, ties to even.
pub fn f32_to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let size = bits & 0x7fff_ffff;
    if size > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    if size >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if size < 0x3880_0000 {
        // Below the smallest normal half: the addition rounds to a multiple of the smallest half.
        let small = f32::from_bits(size) + 0.5;
        return sign | (small.to_bits() - 0x3f00_0000) as u16;
    }
    let odd = size >> 13 & 1;
    sign | ((size + 0xfff + odd - 0x3800_0000) >> 13) as u16
}

/// Every value of `F8_E4M3`: bias 7, no infinities, 0x7f and 0xff are no numbers.
pub(crate) const E4M3: [f32; 256] = e4m3_values();

const fn e4m3_values() -> [f32; 256] {
    let mut values = [0.0; 256];
    let mut code = 0;
    while code < 128 {
        let exponent = (code >> 3) as u32;
        let fraction = (code & 7) as u32;
        let size = if code == 0x7f {
            f32::NAN
        } else if exponent == 0 {
            fraction as f32 * (1.0 / 512.0)
        } else {
            f32::from_bits((exponent + 120) << 23 | fraction << 20)
        };
        values[code] = size;
        values[code + 128] = -size;
        code += 1;
    }
    values
}

/// `half` scale, 32 signed bytes.
fn widen_q8_0(b: &[u8], out: &mut [f32]) {
    let scale = half(b);
    for (o, q) in out.iter_mut().zip(&b[2..34]) {
        *o = scale * f32::from(*q as i8);
    }
}

/// 16 bytes: the low nibbles are numbers 0 to 15, the high ones 16 to 31.
fn widen_nibbles(scale: f32, offset: f32, q: &[u8], out: &mut [f32]) {
    let (low, high) = out.split_at_mut(16);
    for ((l, h), q) in low.iter_mut().zip(high).zip(&q[..16]) {
        *l = scale * f32::from(q & 15) + offset;
        *h = scale * f32::from(q >> 4) + offset;
    }
}

/// 4 bytes with the fifth bits, the first number's lowest; then 16 bytes of nibbles.
fn widen_fives(scale: f32, offset: f32, q: &[u8], out: &mut [f32]) {
    let fifth = u32::from_le_bytes(four(q));
    let (low, high) = out.split_at_mut(16);
    for (at, ((l, h), q)) in low.iter_mut().zip(high).zip(&q[4..20]).enumerate() {
        let (l5, h5) = ((fifth >> at & 1) << 4, (fifth >> (at + 16) & 1) << 4);
        *l = scale * (u32::from(q & 15) | l5) as f32 + offset;
        *h = scale * (u32::from(q >> 4) | h5) as f32 + offset;
    }
}

/// Scale and offset of one of 8 parts: 6 bits each, packed into 12 bytes; the last four parts keep their upper two bits
/// in the first eight bytes.
pub(crate) fn k_scale(part: usize, packed: &[u8]) -> (u8, u8) {
    if part < 4 {
        (packed[part] & 63, packed[part + 4] & 63)
    } else {
        let low = packed[part + 4];
        (low & 15 | packed[part - 4] >> 6 << 4, low >> 4 | packed[part] >> 6 << 4)
    }
}

/// `half` scale of scales, `half` scale of offsets, 12 bytes of both, 128 bytes: each 32 hold two parts, low nibbles first.
fn widen_q4k(b: &[u8], out: &mut [f32]) {
    let (scale, offset) = (half(b), half(&b[2..]));
    for (part, out) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = k_scale(part, &b[4..16]);
        let (s, m) = (scale * f32::from(s), offset * f32::from(m));
        let shift = 4 * (part % 2);
        for (o, q) in out.iter_mut().zip(&b[16 + 32 * (part / 2)..]) {
            *o = s * f32::from(q >> shift & 15) - m;
        }
    }
}

/// As `Q4K`, with 32 bytes of fifth bits before the nibbles: bit `part` of byte `i` is number `i` of that part.
fn widen_q5k(b: &[u8], out: &mut [f32]) {
    let (scale, offset) = (half(b), half(&b[2..]));
    for (part, out) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = k_scale(part, &b[4..16]);
        let (s, m) = (scale * f32::from(s), offset * f32::from(m));
        let shift = 4 * (part % 2);
        let nibbles = b[48 + 32 * (part / 2)..].iter();
        for ((o, q), fifth) in out.iter_mut().zip(nibbles).zip(&b[16..48]) {
            *o = s * f32::from((q >> shift & 15) | (fifth >> part & 1) << 4) - m;
        }
    }
}

/// 128 bytes of low nibbles, 64 of upper pairs of bits, 16 signed scales, `half` scale of scales; in two halves of 128
/// numbers, each in four rows of 32: rows 0 and 2 share nibble bytes, and so do 1 and 3.
fn widen_q6k(b: &[u8], out: &mut [f32]) {
    let scale = half(&b[208..]);
    for (at, o) in out.iter_mut().enumerate() {
        let (part, row, column) = (at / 128, at % 128 / 32, at % 32);
        let low = b[64 * part + 32 * (row % 2) + column] >> (4 * (row / 2)) & 15;
        let high = b[128 + 32 * part + column] >> (2 * row) & 3;
        let factor = b[192 + 8 * part + 2 * row + column / 16] as i8;
        *o = scale * f32::from(factor) * f32::from((low | high << 4) as i8 - 32);
    }
}

#[cfg(test)]
mod tests;

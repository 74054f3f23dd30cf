//! Block types as whole numbers: 32 of them that share a scale and an offset, `number = scale * whole + offset`.

use super::Dtype;
use super::dtype::{half, k_scale};

/// Numbers of a part, whatever the type's own block.
pub(crate) const PART: usize = 32;

impl Dtype {
    /// Whether rows come in parts of 32 whole numbers with one scale and one offset each.
    pub(crate) const fn has_parts(self) -> bool {
        self.is_blocked() && !matches!(self, Dtype::Q6K)
    }

    /// Whether a part's offset can be other than zero.
    pub(crate) const fn has_offsets(self) -> bool {
        matches!(self, Dtype::Q4_1 | Dtype::Q5_1 | Dtype::Q4K | Dtype::Q5K)
    }

    /// Writes the whole numbers of part `at` of a row to `out`; returns scale and offset.
    ///
    /// # Panics
    /// Where the type has no parts, or the row not so many.
    pub(crate) fn part(self, row: &[u8], at: usize, out: &mut [i16; PART]) -> (f32, f32) {
        let (numbers, size) = self.block();
        let b = &row[at * PART / numbers * size..][..size];
        let part = at % (numbers / PART);
        match self {
            Dtype::Q8_0 => {
                out.iter_mut().zip(&b[2..34]).for_each(|(o, q)| *o = i16::from(*q as i8));
                (half(b), 0.0)
            }
            Dtype::Q4_0 => {
                nibbles(&b[2..], 8, out);
                (half(b), 0.0)
            }
            Dtype::Q4_1 => {
                nibbles(&b[4..], 0, out);
                (half(b), half(&b[2..]))
            }
            Dtype::Q5_0 => {
                fives(&b[2..], 16, out);
                (half(b), 0.0)
            }
            Dtype::Q5_1 => {
                fives(&b[4..], 0, out);
                (half(b), half(&b[2..]))
            }
            Dtype::Q4K | Dtype::Q5K => {
                let shift = 4 * (part % 2);
                let start = if self == Dtype::Q4K { 16 } else { 48 };
                let packed = b[start + 32 * (part / 2)..].iter();
                out.iter_mut().zip(packed).for_each(|(o, q)| *o = i16::from(q >> shift & 15));
                if self == Dtype::Q5K {
                    let fifths = b[16..48].iter();
                    out.iter_mut().zip(fifths).for_each(|(o, q)| *o += i16::from(q >> part & 1) << 4);
                }
                let (s, m) = k_scale(part, &b[4..16]);
                (half(b) * f32::from(s), -half(&b[2..]) * f32::from(m))
            }
            _ => panic!("{self} has no parts of 32"),
        }
    }
}

/// 16 bytes: the low nibbles are numbers 0 to 15, the high ones 16 to 31.
fn nibbles(q: &[u8], less: i16, out: &mut [i16; PART]) {
    let (low, high) = out.split_at_mut(16);
    for ((l, h), q) in low.iter_mut().zip(high).zip(&q[..16]) {
        *l = i16::from(q & 15) - less;
        *h = i16::from(q >> 4) - less;
    }
}

/// 4 bytes of fifth bits, then 16 of nibbles.
fn fives(q: &[u8], less: i16, out: &mut [i16; PART]) {
    let fifth = u32::from_le_bytes([q[0], q[1], q[2], q[3]]);
    nibbles(&q[4..], less, out);
    out.iter_mut().enumerate().for_each(|(at, o)| *o += ((fifth >> at & 1) as i16) << 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_the_row_is_widened_to() {
        let types = [Dtype::Q8_0, Dtype::Q4_0, Dtype::Q4_1, Dtype::Q5_0, Dtype::Q5_1, Dtype::Q4K, Dtype::Q5K];
        for dtype in types {
            assert!(dtype.has_parts());
            let mut bytes: Vec<u8> = (0..dtype.bytes(512).unwrap())
                .map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[1])
                .collect();
            for block in bytes.chunks_exact_mut(dtype.block().1) {
                block[..2].copy_from_slice(&[0x12, 0x2c]);
                if dtype.has_offsets() {
                    block[2..4].copy_from_slice(&[0x34, 0x29]);
                }
            }
            let mut expected = vec![0.0; 512];
            dtype.widen(&bytes, &mut expected);
            let mut whole = [0; PART];
            for (at, expected) in expected.chunks_exact(PART).enumerate() {
                let (scale, offset) = dtype.part(&bytes, at, &mut whole);
                for (expected, whole) in expected.iter().zip(whole) {
                    let number = scale * f32::from(whole) + offset;
                    assert!((number - expected).abs() <= 1e-6 * (1.0 + expected.abs()), "{dtype} part {at}");
                }
                assert!(dtype.has_offsets() || offset == 0.0, "{dtype}");
            }
        }
    }
}

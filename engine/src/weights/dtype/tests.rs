//! Each type's numbers, worked out by hand.

use super::*;

fn check(dtype: Dtype, bytes: &[u8], expected: &[(usize, f32)]) {
    let count = bytes.len() / dtype.block().1 * dtype.block().0;
    let mut values = vec![f32::NAN; count];
    dtype.widen(bytes, &mut values);
    for (at, value) in expected {
        assert!((values[*at] - value).abs() <= value.abs() * 1e-6, "{dtype}[{at}]: {} is not {value}", values[*at]);
    }
    assert!(values.iter().all(|value| value.is_finite()), "{dtype}");
}

/// A half of 1, or of 2.
const ONE: [u8; 2] = [0x00, 0x3c];
const TWO: [u8; 2] = [0x00, 0x40];

#[test]
fn plain_numbers() {
    check(Dtype::F32, &1.5f32.to_le_bytes(), &[(0, 1.5)]);
    check(Dtype::F16, &[0x00, 0xbe], &[(0, -1.5)]);
    check(Dtype::BF16, &[0xc0, 0x3f], &[(0, 1.5)]);
    check(
        Dtype::F8E4M3,
        &[0x38, 0xb8, 0x7e, 0x01, 0x08],
        &[(0, 1.0), (1, -1.0), (2, 448.0), (3, 1.0 / 512.0), (4, 1.0 / 64.0)],
    );
    assert!(E4M3[0x7f].is_nan() && E4M3[0xff].is_nan());
}

#[test]
fn halves_survive_the_way_there_and_back() {
    for bits in 0..=u16::MAX {
        let value = f16_to_f32(bits);
        if !value.is_nan() {
            assert_eq!(f32_to_f16(value), bits, "{value}");
        }
    }
    assert_eq!(f32_to_f16(65_520.0), 0x7c00);
    assert_eq!(f32_to_f16(1.0 + 1.0 / 2048.0), 0x3c00, "ties go to the even one");
    assert_eq!(f32_to_f16(1.0 + 3.0 / 2048.0), 0x3c02);
}

#[test]
fn blocks_of_32() {
    let mut q8 = TWO.to_vec();
    q8.extend((0..32).map(|at| if at == 5 { 0xfd } else { at as u8 }));
    check(Dtype::Q8_0, &q8, &[(0, 0.0), (5, -6.0), (31, 62.0)]);
    let mut nibbles = vec![0x80; 16];
    nibbles[3] = 0x2f;
    check(Dtype::Q4_0, &[TWO.to_vec(), nibbles.clone()].concat(), &[(0, -16.0), (16, 0.0), (3, 14.0), (19, -12.0)]);
    check(
        Dtype::Q4_1,
        &[TWO.to_vec(), ONE.to_vec(), nibbles.clone()].concat(),
        &[(0, 1.0), (16, 17.0), (3, 31.0), (19, 5.0)],
    );
    let fifths = (1u32 << 3 | 1 << 16).to_le_bytes().to_vec();
    check(
        Dtype::Q5_0,
        &[TWO.to_vec(), fifths.clone(), nibbles.clone()].concat(),
        &[(0, -32.0), (16, 16.0), (3, 30.0), (19, -28.0)],
    );
    check(Dtype::Q5_1, &[TWO.to_vec(), ONE.to_vec(), fifths, nibbles].concat(), &[(0, 1.0), (16, 49.0), (3, 63.0)]);
}

#[test]
fn blocks_of_256() {
    // Scales of parts 0 and 5 are 3 and 17, offsets 2 and 33: those of part 5 keep their upper bits in part 1's bytes.
    let mut scales = [0u8; 12];
    (scales[0], scales[4]) = (3, 2);
    scales[9] = 17 & 15 | (33 & 15) << 4;
    scales[1] = 17 >> 4 << 6;
    scales[5] = 33 >> 4 << 6;
    let mut nibbles = vec![0u8; 128];
    nibbles[7] = 0x0b;
    nibbles[64 + 7] = 0xc0;
    let head = [TWO.to_vec(), ONE.to_vec(), scales.to_vec()].concat();
    check(
        Dtype::Q4K,
        &[head.clone(), nibbles.clone()].concat(),
        &[(7, 64.0), (8, -2.0), (5 * 32 + 7, 375.0), (5 * 32, -33.0)],
    );
    let mut fifths = vec![0u8; 32];
    fifths[7] = 1 << 5;
    check(Dtype::Q5K, &[head, fifths, nibbles].concat(), &[(7, 64.0), (5 * 32 + 7, 919.0)]);
    let mut q6 = vec![0u8; 210];
    q6[64 + 32 + 9] = 0x5f;
    q6[128 + 32 + 9] = 0b10_00_01_00;
    q6[192 + 8 + 2] = 0xfe;
    q6[192 + 8 + 6] = 3;
    q6[208..].copy_from_slice(&TWO);
    check(Dtype::Q6K, &q6, &[(128 + 32 + 9, -4.0 * (31.0 - 32.0)), (128 + 96 + 9, 6.0 * (37.0 - 32.0)), (0, 0.0)]);
}

#[test]
fn counts_that_fill_no_block_have_no_size() {
    assert_eq!(Dtype::Q4K.bytes(128), None);
    assert_eq!(Dtype::Q8_0.bytes(64), Some(68));
    assert_eq!(Dtype::F32.bytes(usize::MAX), None);
}

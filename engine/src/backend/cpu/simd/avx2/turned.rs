//! A matrix's rows, each times a number, added up: the product with the matrix turned, without turning it.

use super::blocks::{eights, half, nibbles};
use super::*;

/// Whether `add_rows` reads this type.
pub(in super::super) fn is_read(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::Q8_0 | Dtype::Q4_0 | Dtype::Q4_1 | Dtype::BF16 | Dtype::F16)
}

/// `out[c] += sum over r of x[r] * rows[r, c]`, in the order of the rows.
///
/// # Safety
/// `bytes` holds `x.len()` rows of as many numbers as `out` has, whole thirty-twos, and the processor has the instructions.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn add_rows(dtype: Dtype, bytes: &[u8], x: &[f32], out: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Q8_0 => rows_of::<34>(bytes, x, out, |b| Thirty::scaled(b, widened(eights(b)))),
            Dtype::Q4_0 => rows_of::<18>(bytes, x, out, |b| {
                Thirty::scaled(b, widened(_mm256_sub_epi8(nibbles(b, 2), _mm256_set1_epi8(8))))
            }),
            Dtype::Q4_1 => rows_of::<20>(bytes, x, out, |b| Thirty {
                offset: half(&b[2..]),
                ..Thirty::scaled(b, widened(nibbles(b, 4)))
            }),
            Dtype::BF16 => rows_of::<64>(bytes, x, out, |b| Thirty::plain::<BF16>(b)),
            _ => rows_of::<64>(bytes, x, out, |b| Thirty::plain::<F16>(b)),
        }
    }
}

/// Calls `read` for each 32 numbers, which take `SIZE` bytes.
///
/// # Safety
/// As `add_rows`.
#[inline(always)]
unsafe fn rows_of<const SIZE: usize>(bytes: &[u8], x: &[f32], out: &mut [f32], read: impl Fn(&[u8; SIZE]) -> Thirty) {
    let (blocks, _) = bytes.as_chunks::<SIZE>();
    for (x, blocks) in x.iter().zip(blocks.chunks_exact(out.len() / BLOCK)) {
        for (block, out) in blocks.iter().zip(out.chunks_exact_mut(BLOCK)) {
            // SAFETY: 32 numbers lie in a part of `out`; what is asked for early is never read here. Only functions that
            // have these instructions call this.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD).cast());
                let thirty = read(block);
                let (scale, offset) = (_mm256_set1_ps(thirty.scale * x), _mm256_set1_ps(thirty.offset * x));
                for (nth, numbers) in thirty.numbers.into_iter().enumerate() {
                    let sum = _mm256_add_ps(load(out, 8 * nth), offset);
                    _mm256_storeu_ps(out.as_mut_ptr().add(8 * nth), _mm256_fmadd_ps(numbers, scale, sum));
                }
            }
        }
    }
}

/// 32 numbers, each `scale * number + offset`.
struct Thirty {
    numbers: [__m256; 4],
    scale: f32,
    offset: f32,
}

impl Thirty {
    /// With the half that the block begins with.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn scaled(b: &[u8], numbers: [__m256; 4]) -> Thirty {
        Thirty { numbers, scale: half(b), offset: 0.0 }
    }

    /// Of a plain type with two bytes.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn plain<const TYPE: u8>(b: &[u8; 64]) -> Thirty {
        // SAFETY: 32 numbers lie there.
        let numbers = std::array::from_fn(|nth| unsafe { load_plain::<TYPE>(b, 8 * nth) });
        Thirty { numbers, scale: 1.0, offset: 0.0 }
    }
}

/// Signed bytes as numbers.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn widened(q: __m256i) -> [__m256; 4] {
    let (low, high) = (_mm256_castsi256_si128(q), _mm256_extracti128_si256::<1>(q));
    [low, _mm_srli_si128::<8>(low), high, _mm_srli_si128::<8>(high)]
        .map(|eight| _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight)))
}

//! A matrix's rows, each times a number, added up: the product with the matrix turned, without turning it.

use super::*;

/// `out[c] += sum over r of x[r] * rows[r, c]`, in the order of the rows.
///
/// # Safety
/// `bytes` holds `x.len()` rows of as many numbers as `out` has, whole thirty-twos, and the processor has the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(in super::super) unsafe fn add_rows(dtype: Dtype, bytes: &[u8], x: &[f32], out: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::Q8_0 => rows_of(bytes, 34, x, out, q8_0),
            Dtype::Q4_0 => rows_of(bytes, 18, x, out, q4_0),
            Dtype::Q4_1 => rows_of(bytes, 20, x, out, q4_1),
            Dtype::BF16 => rows_of(bytes, 64, x, out, bf16),
            _ => rows_of(bytes, 64, x, out, f16),
        }
    }
}

/// Calls `read` for each 32 numbers; what it gives back is a scale and an offset for two vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn rows_of(bytes: &[u8], size: usize, x: &[f32], out: &mut [f32], read: unsafe fn(*const u8) -> Thirty) {
    let stride = out.len() / BLOCK * size;
    for (row, x) in x.iter().enumerate() {
        for block in 0..out.len() / BLOCK {
            // SAFETY: the caller's promise.
            unsafe {
                let thirty = read(bytes.as_ptr().add(row * stride + block * size));
                let scale = _mm512_set1_ps(thirty.scale * x);
                let offset = _mm512_set1_ps(thirty.offset * x);
                let place = out.as_mut_ptr().add(block * BLOCK);
                for (nth, numbers) in thirty.numbers.into_iter().enumerate() {
                    let place = place.add(16 * nth);
                    let sum = _mm512_add_ps(_mm512_loadu_ps(place), offset);
                    _mm512_storeu_ps(place, _mm512_fmadd_ps(numbers, scale, sum));
                }
            }
        }
    }
}

/// 32 numbers, each `scale * number + offset`.
struct Thirty {
    numbers: [__m512; 2],
    scale: f32,
    offset: f32,
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn half(start: *const u8) -> f32 {
    // SAFETY: the caller has two bytes there.
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(unsafe { start.cast::<u16>().read_unaligned() }))))
}

/// Signed bytes as numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
fn widened(low: __m128i, high: __m128i) -> [__m512; 2] {
    [low, high].map(|bytes| _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)))
}

/// The low nibbles of sixteen bytes, and the high ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn nibbles(start: *const u8) -> [__m128i; 2] {
    // SAFETY: the caller has sixteen bytes there.
    let both = unsafe { _mm_loadu_si128(start.cast()) };
    [both, _mm_srli_epi16::<4>(both)].map(|bytes| _mm_and_si128(bytes, _mm_set1_epi8(15)))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn q8_0(b: *const u8) -> Thirty {
    // SAFETY: a block lies there.
    unsafe {
        let numbers = widened(_mm_loadu_si128(b.add(2).cast()), _mm_loadu_si128(b.add(18).cast()));
        Thirty { numbers, scale: half(b), offset: 0.0 }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn q4_0(b: *const u8) -> Thirty {
    // SAFETY: a block lies there.
    unsafe {
        let [low, high] = nibbles(b.add(2)).map(|bytes| _mm_sub_epi8(bytes, _mm_set1_epi8(8)));
        Thirty { numbers: widened(low, high), scale: half(b), offset: 0.0 }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn q4_1(b: *const u8) -> Thirty {
    // SAFETY: a block lies there.
    unsafe {
        let [low, high] = nibbles(b.add(4));
        Thirty { numbers: widened(low, high), scale: half(b), offset: half(b.add(2)) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn bf16(b: *const u8) -> Thirty {
    // SAFETY: 32 numbers lie there.
    let numbers = unsafe { [plain::bf16(b), plain::bf16(b.add(32))] };
    Thirty { numbers, scale: 1.0, offset: 0.0 }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn f16(b: *const u8) -> Thirty {
    // SAFETY: 32 numbers lie there.
    let numbers = unsafe { [plain::f16(b), plain::f16(b.add(32))] };
    Thirty { numbers, scale: 1.0, offset: 0.0 }
}

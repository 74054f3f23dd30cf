//! Few tokens and weights that are numbers by themselves: four weight rows at a time.

use super::*;

const F32: u8 = 0;
const F16: u8 = 1;
const BF16: u8 = 2;
const F8: u8 = 3;

/// Products of weight rows with one row; `y` has one place for each weight row.
///
/// # Safety
/// `bytes` holds `y.len()` rows of as many numbers as `x` has, and the processor has the instructions.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(in super::super) unsafe fn rows_plain(dtype: Dtype, bytes: &[u8], x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => groups::<F32, 4>(bytes, x, y),
            Dtype::F16 => groups::<F16, 2>(bytes, x, y),
            Dtype::BF16 => groups::<BF16, 2>(bytes, x, y),
            Dtype::F8E4M3 => groups::<F8, 1>(bytes, x, y),
            _ => avx2::rows_plain(dtype, bytes, x, y),
        }
    }
}

/// # Safety
/// As `rows_plain`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn groups<const TYPE: u8, const SIZE: usize>(bytes: &[u8], x: &[f32], y: &mut [f32]) {
    // SAFETY: every row lies within the bytes, with as many numbers as `x` has.
    avx2::in_groups(bytes, x.len() * SIZE, y, |rows| unsafe { products::<TYPE, SIZE>(rows, x) });
}

/// # Safety
/// Each of the rows has as many numbers as `x`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn products<const TYPE: u8, const SIZE: usize>(rows: [*const u8; ROWS], x: &[f32]) -> [f32; ROWS] {
    let ahead = ROWS * x.len() * SIZE;
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    let mut at = 0;
    // SAFETY: every full read ends at or before a row's last number, the last one is masked to it; what is asked for
    // early, the same place of the next group, is never read here.
    unsafe {
        while at + 32 <= x.len() {
            let (first, second) = (_mm512_loadu_ps(x.as_ptr().add(at)), _mm512_loadu_ps(x.as_ptr().add(at + 16)));
            for (row, sums) in rows.iter().zip(&mut sums) {
                let start = row.add(at * SIZE);
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(ahead).cast());
                if SIZE == 4 {
                    _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(ahead + 64).cast());
                }
                sums[0] = _mm512_fmadd_ps(load::<TYPE>(start), first, sums[0]);
                sums[1] = _mm512_fmadd_ps(load::<TYPE>(start.add(16 * SIZE)), second, sums[1]);
            }
            at += 32;
        }
        while at < x.len() {
            let count = (x.len() - at).min(16);
            let numbers = _mm512_maskz_loadu_ps(first_lanes(count), x.as_ptr().add(at));
            for (row, sums) in rows.iter().zip(&mut sums) {
                let mut end = [0u8; 64];
                std::ptr::copy_nonoverlapping(row.add(at * SIZE), end.as_mut_ptr(), count * SIZE);
                sums[0] = _mm512_fmadd_ps(load::<TYPE>(end.as_ptr()), numbers, sums[0]);
            }
            at += count;
        }
    }
    totals(sums.map(|[first, second]| _mm512_add_ps(first, second)))
}

/// A mask of so many lanes, at most 16.
fn first_lanes(count: usize) -> __mmask16 {
    ((1u32 << count) - 1) as __mmask16
}

/// Sixteen numbers of a plain type.
///
/// # Safety
/// They lie there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
unsafe fn load<const TYPE: u8>(start: *const u8) -> __m512 {
    // SAFETY: the caller's promise; no load needs alignment.
    unsafe {
        match TYPE {
            F32 => _mm512_loadu_ps(start.cast()),
            F16 => _mm512_cvtph_ps(_mm256_loadu_si256(start.cast())),
            BF16 => {
                let upper = _mm512_cvtepu16_epi32(_mm256_loadu_si256(start.cast()));
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(upper))
            }
            _ => {
                // Exponent and fraction in a single's place are too small by 2^120, for subnormals as well.
                let codes = _mm512_cvtepu8_epi32(_mm_loadu_si128(start.cast()));
                let size = _mm512_slli_epi32::<20>(_mm512_and_si512(codes, _mm512_set1_epi32(0x7f)));
                let sign = _mm512_slli_epi32::<24>(_mm512_and_si512(codes, _mm512_set1_epi32(0x80)));
                let small = _mm512_castsi512_ps(_mm512_or_si512(size, sign));
                _mm512_mul_ps(small, _mm512_set1_ps(f32::from_bits((127 + 120) << 23)))
            }
        }
    }
}

/// # Safety
/// As `load`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) unsafe fn bf16(start: *const u8) -> __m512 {
    // SAFETY: the caller's promise.
    unsafe { load::<BF16>(start) }
}

/// # Safety
/// As `load`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")]
pub(super) unsafe fn f16(start: *const u8) -> __m512 {
    // SAFETY: the caller's promise.
    unsafe { load::<F16>(start) }
}

// What every kernel shares: number types, sums over a warp and a block, and the tensor cores' product.
//
// No header of NVIDIA's is needed: bf16 and E4M3 are read from their bits, and what has no plain C++ is one line of PTX.
// Where TIERWAY_SHIM is defined, the shim gives the same names bodies that run on a CPU.
#ifndef TIERWAY_COMMON
#define TIERWAY_COMMON

typedef unsigned short bf16;
typedef unsigned char f8;

// Types of weights, as the host numbers them.
enum { F32 = 0, F16 = 1, BF16 = 2, F8 = 3 };

#ifndef TIERWAY_SHIM
#define KERNEL extern "C" __global__
#define DEVICE __device__ __forceinline__
// Shared memory whose size the launch says.
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) float name[]

// The address within shared memory.
DEVICE unsigned shared_address(const void* at) { return (unsigned)__cvta_generic_to_shared(at); }

// Two numbers as bf16, rounded to nearest even, the first in the lower half.
DEVICE unsigned pack_bf16(float low, float high) {
    unsigned packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

DEVICE float half_to_float(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

// Products of pairs of bf16, rounded once; exact for powers of two.
DEVICE unsigned multiply_bf16x2(unsigned a, unsigned b) {
    unsigned product;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(product) : "r"(a), "r"(b), "r"(0x80008000u));
    return product;
}

// d[16, 8] += a[16, 16] * b[16, 8] by one warp. Source: PTX ISA, mma.m16n8k16 with .bf16, layouts of the fragments.
DEVICE void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
DEVICE float shuffle(float value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }
DEVICE void sync_warp() { __syncwarp(); }

struct alignas(16) Words4 { unsigned x, y, z, w; };
// Sixteen bytes that are read once: weights pass the caches by.
DEVICE Words4 load_streaming(const void* at) {
    Words4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(at));
    return v;
}
#endif

struct alignas(16) Floats4 { float x, y, z, w; };

DEVICE float bits_to_float(unsigned bits) {
    union { unsigned u; float f; } both;
    both.u = bits;
    return both.f;
}

// Minus infinity.
DEVICE float below_all() { return bits_to_float(0xff800000u); }

DEVICE float widen(float value) { return value; }
DEVICE float widen(bf16 bits) { return bits_to_float((unsigned)bits << 16); }
DEVICE void narrow(float value, float& out) { out = value; }
DEVICE void narrow(float value, bf16& out) { out = (bf16)(pack_bf16(value, 0.0f) & 0xffffu); }

// E4M3 as half: the same fields, the exponent's bias 8 less. Exact, subnormal numbers too; NaN reads as 480.
DEVICE float f8_to_float(f8 bits) {
    unsigned short half = (unsigned short)(((bits & 0x80u) << 8) | ((bits & 0x7fu) << 7));
    return half_to_float(half) * 256.0f;
}

// Two E4M3 numbers, in bits 8..15 and 24..31, as bf16: fields moved to their place, then the difference of the biases.
DEVICE unsigned f8x2_to_bf16x2(unsigned spread) {
    unsigned moved = (spread & 0x80008000u) | ((spread & 0x7f007f00u) >> 4);
    return multiply_bf16x2(moved, 0x7b807b80u);  // 2^120 twice
}

// The number at `at` of a weight of type KIND.
template <int KIND> DEVICE float weight_at(const void* w, long at) {
    if (KIND == F32) return ((const float*)w)[at];
    if (KIND == F16) return half_to_float(((const unsigned short*)w)[at]);
    if (KIND == BF16) return widen(((const bf16*)w)[at]);
    return f8_to_float(((const f8*)w)[at]);
}

#ifndef TIERWAY_SHIM
DEVICE float warp_sum(float value) {
    for (int mask = 16; mask > 0; mask >>= 1) value += shuffle_xor(value, mask);
    return value;
}

DEVICE float warp_max(float value) {
    for (int mask = 16; mask > 0; mask >>= 1) value = fmaxf(value, shuffle_xor(value, mask));
    return value;
}
#endif

// The sum over a block of at most 1,024 threads; every thread gets it. `scratch`: 32 numbers of shared memory.
DEVICE float block_sum(float value, float* scratch) {
    value = warp_sum(value);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    __syncthreads();
    if (lane == 0) scratch[warp] = value;
    __syncthreads();
    float sum = lane < (int)((blockDim.x + 31) / 32) ? scratch[lane] : 0.0f;
    return warp_sum(sum);
}

// A value and where it stands; the larger value wins, of equal ones the one that stands first.
struct Best { float value; int at; };

DEVICE Best better(Best a, Best b) {
    return (b.value > a.value || (b.value == a.value && b.at < a.at)) ? b : a;
}

DEVICE Best warp_best(Best best) {
    for (int mask = 16; mask > 0; mask >>= 1) {
        Best other;
        other.value = shuffle_xor(best.value, mask);
        other.at = (int)shuffle_xor((float)best.at, mask);  // exact below 2^24; vocabularies and experts are
        best = better(best, other);
    }
    return best;
}

// As `block_sum`; `scratch`: 64 numbers.
DEVICE Best block_best(Best best, float* scratch) {
    best = warp_best(best);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    __syncthreads();
    if (lane == 0) {
        scratch[warp] = best.value;
        scratch[32 + warp] = (float)best.at;
    }
    __syncthreads();
    bool live = lane < (int)((blockDim.x + 31) / 32);
    Best one;
    one.value = live ? scratch[lane] : below_all();
    one.at = live ? (int)scratch[32 + lane] : 0xffffff;
    return warp_best(one);
}

DEVICE float silu(float x) { return x / (1.0f + expf(-x)); }
#endif

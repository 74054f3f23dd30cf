// Runs the kernels on a CPU, for tests: the words of CUDA C++ that they use, with bodies over fibers.
//
// A thread of a block is a fiber; blocks run one after the other. A barrier or a shuffle hands over to the next fiber of the
// warp, and warps take turns at barriers of the block. It finds wrong indexing, wrong arithmetic and barriers that not all
// threads reach; it does not find races within a warp's step. Shared memory is filled with NaN before each block.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define TIERWAY_SHIM
#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)
#define KERNEL static
#define DEVICE static inline
#define DYNAMIC_SHARED(name) float* name = (float*)shim::dynamic

struct Index { unsigned x, y, z; };
struct alignas(16) Words4 { unsigned x, y, z, w; };

namespace shim {
enum { THREADS_MAX = 1024, STACK = 64 << 10, SHARED_BYTES = 227 << 10 };
// Where a block's dynamic shared memory begins within shared memory: 16 bytes are all that a kernel may count on.
enum : unsigned { SHARED_START = 1024 + 48 };

struct Fiber { void* stack_pointer; Index index; bool done; bool at_barrier; unsigned warp_turn; char* stack; };
struct Warp { unsigned arrived, turn, live; float values[2][32]; int at[2][32]; unsigned words[2][32][6]; };

extern Fiber fibers[THREADS_MAX];
extern Warp warps[THREADS_MAX / 32];
extern Fiber* self;
extern Index block, grid, block_size;
extern unsigned char dynamic[SHARED_BYTES];

// Shared memory that the launch asked for.
extern unsigned shared_bytes;
// Counts whatever lets a thread go on: a round in which it stays is the end.
extern unsigned long progress;

void yield();
// Ends the launch with an error that says why.
[[noreturn]] void fail(const char* why);

inline unsigned char* shared_at(unsigned address, unsigned bytes) {
    if (address < SHARED_START || address + bytes > SHARED_START + shared_bytes) fail("an address is outside of the block's shared memory");
    return dynamic + (address - SHARED_START);
}

inline unsigned lane() { return self->index.x % 32; }
inline Warp& warp() { return warps[self->index.x / 32]; }

// Waits until every lane of the warp is here; returns which of the two buffers the step used.
inline unsigned meet() {
    Warp& w = warp();
    unsigned mine = w.turn;
    ++progress;
    if (++w.arrived == w.live) {
        w.arrived = 0;
        ++w.turn;
    } else {
        while (w.turn == mine) yield();
    }
    return mine & 1;
}

inline float exchange(float value, int from) {
    Warp& w = warp();
    w.values[w.turn & 1][lane()] = value;
    unsigned buffer = meet();
    return w.values[buffer][from];
}

float bf16_value(unsigned bits);
unsigned bf16_bits(float value);
}  // namespace shim

#define threadIdx (shim::self->index)
#define blockIdx (shim::block)
#define blockDim (shim::block_size)
#define gridDim (shim::grid)

inline void __syncthreads() {
    shim::self->at_barrier = true;
    ++shim::progress;
    shim::yield();
}
inline unsigned shared_address(const void* at) { return (unsigned)((const unsigned char*)at - shim::dynamic) + shim::SHARED_START; }
inline void sync_warp() { shim::meet(); }
inline float shuffle_xor(float value, int mask) { return shim::exchange(value, (int)shim::lane() ^ mask); }
// All of a warp's numbers together, in the order of halves that shuffles make; one meeting instead of five.
template <typename F> inline float reduce(float value, F join) {
    shim::Warp& w = shim::warp();
    unsigned live = w.live;
    w.values[w.turn & 1][shim::lane()] = value;
    const float* all = w.values[shim::meet()];
    if (live != 32) shim::fail("a warp's sum needs all lanes");
    float part[32];
    memcpy(part, all, sizeof part);
    for (int half = 16; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) part[i] = join(part[i], part[i + half]);
    return part[0];
}
inline float warp_sum(float value) { return reduce(value, [](float a, float b) { return a + b; }); }
inline float warp_max(float value) { return reduce(value, [](float a, float b) { return a > b ? a : b; }); }
inline float shuffle(float value, int lane) { return shim::exchange(value, lane); }
inline int atomicAdd(int* at, int more) { int before = *at; *at += more; return before; }

inline unsigned pack_bf16(float low, float high) { return shim::bf16_bits(low) | shim::bf16_bits(high) << 16; }
inline unsigned multiply_bf16x2(unsigned a, unsigned b) {
    return pack_bf16(shim::bf16_value(a) * shim::bf16_value(b), shim::bf16_value(a >> 16) * shim::bf16_value(b >> 16));
}
inline float half_to_float(unsigned short bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float size = exponent == 0 ? std::ldexp((float)fraction, -24)
               : exponent == 31 ? (fraction ? NAN : INFINITY) : std::ldexp((float)(fraction | 1024), exponent - 25);
    return bits & 0x8000 ? -size : size;
}
inline Words4 load_streaming(const void* at) {
    if ((uintptr_t)at % 16 != 0) shim::fail("a load of 16 bytes is not aligned");
    return *(const Words4*)at;
}

// As PTX ISA lays out the fragments of mma.m16n8k16: lane 4g + t holds a(g, 2t..), a(g + 8, 2t..), a(g, 2t + 8..),
// a(g + 8, 2t + 8..); b(2t.., g), b(2t + 8.., g); d(g, 2t..), d(g + 8, 2t..).
inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    shim::Warp& w = shim::warp();
    unsigned lane = shim::lane();
    unsigned* mine = w.words[w.turn & 1][lane];
    memcpy(mine, a, 16);
    memcpy(mine + 4, b, 8);
    auto& all = w.words[shim::meet()];
    for (int i = 0; i < 4; ++i) {
        unsigned row = lane / 4, column = lane % 4 * 2 + i % 2;
        float sum = d[i];
        for (int k = 0; k < 16; ++k) {
            unsigned half = k / 8, t = k % 8 / 2, shift = k % 2 * 16;
            unsigned of_a = all[row * 4 + t][half * 2 + i / 2] >> shift, of_b = all[column * 4 + t][4 + half] >> shift;
            sum += shim::bf16_value(of_a) * shim::bf16_value(of_b);
        }
        d[i] = sum;
    }
}

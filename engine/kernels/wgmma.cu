// Products of many rows with weights by Hopper's tensor cores (wgmma), dense and by expert; for sm_90a alone.
//
// The weight is the product's first factor and the tokens its second: D[64 rows of the weight, 128 tokens]. So E4M3 weights go from
// shared memory to registers, become bf16 there, and are multiplied from there: nothing is written back. E4M3 is exact in
// bf16, and a block's scale is multiplied with the sum of its 128 columns in f32: what is lost is the activations' rounding alone,
// as in `matmul.cu`. FP8 products with activations in E4M3 would keep 4 bits of them, and sum up in fewer bits than f32.
//
// A block: one warp starts copies (TMA) into a ring of stages; two groups of four warps multiply. Each group has 64 rows of its
// own, of one matrix, or of gate and up. Activations come as bf16 rows in the order of the tiles (`terms`), in one term, or
// in three that sum up to all 24 bits, for checks. A token's sum has the same order whatever tile it is in.

// Rows of bf16: the rounded numbers, and twice what is left of them, or null.
struct TermRows { bf16* of[3]; };

DEVICE void write_terms(const TermRows& rows, long at, float value) {
#pragma unroll
    for (int term = 0; term < 3; ++term) {
        if (!rows.of[term]) return;
        bf16 rounded;
        narrow(value, rounded);
        rows.of[term][at] = rounded;
        value -= widen(rounded);
    }
}

struct TermsArgs {
    const float* x; const int* order; TermRows to; long x_stride; int width; int per_row;
};

// Rows of activations as bf16 terms: row `order[i] / per_row`, or `i` without an order, becomes row i. Grid: rows.
KERNEL void __launch_bounds__(256) terms(TermsArgs a) {
    long row = a.order ? a.order[blockIdx.x] / a.per_row : (long)blockIdx.x;
    for (int c = threadIdx.x; c < a.width; c += blockDim.x) write_terms(a.to, (long)blockIdx.x * a.width + c, a.x[row * a.x_stride + c]);
}

struct WgmmaArgs {
    TensorMap w; TensorMap w2; TensorMap x[3];
    const float* scales; const float* scales2; float* y; TermRows to;
    const int* tiles; const int* order; const int* tile_count;
    long scale_group; long y_stride;
    int rows; int columns; int tokens; int w_first; int w_group; int block_rows; int block_columns; int padding;
};

// Sizes of a stage. Rows of a tile in shared memory are always 128 bytes.
template <int KIND, int TERMS> struct Ring {
    enum {
        COLUMNS = KIND == F8 ? 128 : 64,   // of the weight in a stage
        HALVES = COLUMNS / 64,             // boxes of activations in a stage
        WEIGHT = 64 * 128,                 // bytes of one group's weights
        BOX = 128 * 128,                   // bytes of a box of activations
        STAGE = 2 * WEIGHT + TERMS * HALVES * BOX,
        STAGES = 196608 / STAGE,           // 192 KB
        BARRIERS = 1024                    // bytes before the first stage
    };
};

struct WgmmaTile { int group; int first; int count; };

// The block's tokens; a count of zero where there is none.
DEVICE WgmmaTile wgmma_tile(const WgmmaArgs& a) {
    WgmmaTile tile = {0, (int)blockIdx.y * 128, 0};
    if (!a.tiles) {
        tile.count = a.tokens - tile.first < 128 ? a.tokens - tile.first : 128;
    } else if ((int)blockIdx.y < *a.tile_count) {
        const int* at = a.tiles + 3 * blockIdx.y;
        tile.group = at[0];
        tile.first = at[1];
        tile.count = at[2];
    }
    return tile;
}

// Fills the ring, stage by stage, as the consumers empty it. One thread.
template <int KIND, bool GATED, int TERMS>
DEVICE void wgmma_fill(const WgmmaArgs& a, const WgmmaTile& tile, int row0, unsigned full, unsigned empty, unsigned stages) {
    typedef Ring<KIND, TERMS> R;
    int steps = (a.columns + R::COLUMNS - 1) / R::COLUMNS, row = a.w_first + tile.group * a.w_group + row0;
    for (int step = 0; step < steps; ++step) {
        int stage = step % R::STAGES, column = step * R::COLUMNS;
        unsigned at = stages + stage * R::STAGE, barrier = full + 8 * stage;
        // A fresh barrier counts as complete in the odd phase before its first.
        mbarrier_wait(empty + 8 * stage, (step / R::STAGES + 1) & 1);
        mbarrier_arrive_expect(barrier, R::STAGE);
        tma_load_2d(at, &a.w, column, row, barrier);
        tma_load_2d(at + R::WEIGHT, GATED ? &a.w2 : &a.w, column, GATED ? row : row + 64, barrier);
        at += 2 * R::WEIGHT;
        for (int half = 0; half < R::HALVES; ++half, at += TERMS * R::BOX) {
#pragma unroll
            for (int term = 0; term < TERMS; ++term) tma_load_2d(at + term * R::BOX, &a.x[term], column + 64 * half, tile.first, barrier);
        }
    }
}

// Gives a stage back: each warp once, since all lanes of a warp are done where its first is.
DEVICE void wgmma_release(unsigned barrier) {
    sync_warp();
    if (threadIdx.x % 32 == 0) mbarrier_arrive(barrier);
}

// Sums of one group's 64 rows for bf16 weights, both factors read from shared memory.
template <int TERMS> DEVICE void wgmma_sum_bf16(const WgmmaArgs& a, int group, unsigned full, unsigned empty, unsigned stages, float (&sums)[64]) {
    typedef Ring<BF16, TERMS> R;
    int steps = (a.columns + R::COLUMNS - 1) / R::COLUMNS;
    for (int step = 0; step < steps; ++step) {
        int stage = step % R::STAGES;
        unsigned at = stages + stage * R::STAGE;
        u64 w = wgmma_descriptor(at + group * R::WEIGHT), x = wgmma_descriptor(at + 2 * R::WEIGHT);
        mbarrier_wait(full + 8 * stage, (step / R::STAGES) & 1);
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            // Sixteen columns are 32 bytes; the swizzle goes by the address, so a start within a row is fine.
#pragma unroll
            for (int term = 0; term < TERMS; ++term) wgmma_128(sums, w + 2 * k, x + term * (R::BOX / 16) + 2 * k, 1);
        }
        wgmma_commit();
        // The step before is done: its stage is free. This one runs on.
        wgmma_wait<1>();
        if (step > 0) wgmma_release(empty + 8 * ((step - 1) % R::STAGES));
    }
    wgmma_wait<0>();
}

// Two E4M3 numbers as bf16. `row`: where the lane's row begins in shared memory; `k`: column, even.
DEVICE unsigned wgmma_pair(const unsigned char* row, int phase, int k) {
    unsigned two = *(const unsigned short*)(row + (((k / 16) ^ phase) * 16 + k % 16));
    return f8x2_to_bf16x2(((two & 0xffu) << 8) | ((two & 0xff00u) << 16));
}

// Sums of one group's 64 rows for E4M3 weights: 128 columns at a time, then times their scale.
template <int TERMS>
DEVICE void wgmma_sum_f8(const WgmmaArgs& a, int group, const float* scales, unsigned full, unsigned empty, unsigned stages,
                         const unsigned char* memory, float (&sums)[64]) {
    typedef Ring<F8, TERMS> R;
    // Products whose fragments are in registers at once, beside 128 sums; eight spill. Meanwhile the other group multiplies.
    const int EACH = 4;
    int steps = (a.columns + R::COLUMNS - 1) / R::COLUMNS, warp = threadIdx.x / 32 % 4, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    for (int step = 0; step < steps; ++step) {
        int stage = step % R::STAGES;
        unsigned at = stages + stage * R::STAGE + 2 * R::WEIGHT;
        const unsigned char* row = memory + stage * R::STAGE + group * R::WEIGHT + (16 * warp + g) * 128;
        float factor = scales ? scales[step * R::COLUMNS / a.block_columns] : 1.0f;
        mbarrier_wait(full + 8 * stage, (step / R::STAGES) & 1);
        float part[64];
#pragma unroll
        for (int begin = 0; begin < 8; begin += EACH) {
            unsigned w[EACH][4];
#pragma unroll
            for (int k = 0; k < EACH; ++k) {
                // Rows g and g + 8 have the same place in the swizzle's pattern.
                int column = 16 * (begin + k) + 2 * t;
                w[k][0] = wgmma_pair(row, g, column);
                w[k][1] = wgmma_pair(row + 8 * 128, g, column);
                w[k][2] = wgmma_pair(row, g, column + 8);
                w[k][3] = wgmma_pair(row + 8 * 128, g, column + 8);
            }
            wgmma_fence();
#pragma unroll
            for (int k = 0; k < EACH; ++k) {
                int step16 = begin + k;
                u64 x = wgmma_descriptor(at + step16 / 4 * TERMS * R::BOX) + step16 % 4 * 2;
#pragma unroll
                for (int term = 0; term < TERMS; ++term) wgmma_128(part, w[k], x + term * (R::BOX / 16), step16 + term > 0);
            }
            wgmma_commit();
            wgmma_wait<0>();
        }
        wgmma_release(empty + 8 * stage);
#pragma unroll
        for (int i = 0; i < 64; ++i) sums[i] += factor * part[i];
    }
}

// The row of the weight and the token of a lane's sum i. Source: PTX ISA, wgmma.mma_async.m64n128k16, fragment of D.
DEVICE int wgmma_row(int i) { return threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4 + i / 2 % 2 * 8; }
DEVICE int wgmma_token(int i) { return i / 4 * 8 + threadIdx.x % 4 * 2 + i % 2; }

// Writes a group's sums where each token's row goes.
DEVICE void wgmma_write(const WgmmaArgs& a, const WgmmaTile& tile, int row0, const float (&sums)[64]) {
#pragma unroll
    for (int i = 0; i < 64; ++i) {
        int row = row0 + wgmma_row(i), token = wgmma_token(i);
        if (row >= a.rows || token >= tile.count) continue;
        long to = tile.first + token;
        if (a.tiles) to = a.order[to];
        a.y[to * a.y_stride + row] = sums[i];
    }
}

// Writes silu(gate) * up as bf16 terms, in the order of the tiles.
DEVICE void wgmma_write_gated(const WgmmaArgs& a, const WgmmaTile& tile, int row0, const float (&gates)[64], const float* ups) {
#pragma unroll
    for (int i = 0; i < 64; ++i) {
        int row = row0 + wgmma_row(i), token = wgmma_token(i);
        if (row >= a.rows || token >= tile.count) continue;
        float value = silu(gates[i]) * ups[i * 128 + threadIdx.x % 128];
        write_terms(a.to, (long)(tile.first + token) * a.rows + row, value);
    }
}

// Grid: rows / 128, or / 64 where gated; tiles of 128 tokens. 384 threads; shared: Ring's barriers and stages and 1,024 bytes
// more, since the swizzle's pattern begins at multiples of 1,024 and the memory given need not.
template <int KIND, bool GATED, int TERMS> DEVICE void wgmma_block(const WgmmaArgs& a) {
    typedef Ring<KIND, TERMS> R;
    DYNAMIC_SHARED(shared);
    // Each role reads its tile itself, so that no register is held for it while products run.
    if (wgmma_tile(a).count == 0) return;
    unsigned start = shared_address(shared), full = (start + 1023u) & ~1023u, empty = full + 8 * R::STAGES;
    unsigned stages = full + R::BARRIERS;
    unsigned char* memory = (unsigned char*)shared + (stages - start);
    int row0 = blockIdx.x * (GATED ? 64 : 128);
    if (threadIdx.x == 0) {
        tma_prefetch(&a.w);
        tma_prefetch(&a.x[0]);
        for (int stage = 0; stage < R::STAGES; ++stage) {
            mbarrier_init(full + 8 * stage, 1);
            mbarrier_init(empty + 8 * stage, 8);
        }
        fence_mbarrier_init();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        give_registers<40>();
        if (threadIdx.x == 0) wgmma_fill<KIND, GATED, TERMS>(a, wgmma_tile(a), row0, full, empty, stages);
    } else {
        take_registers<232>();
        int group = threadIdx.x / 128 - 1, row = GATED ? row0 : row0 + 64 * group;
        float sums[64];
#pragma unroll
        for (int i = 0; i < 64; ++i) sums[i] = 0.0f;
        if (KIND == F8) {
            const float* scales = GATED && group == 1 ? a.scales2 : a.scales;
            // Rows beyond the last have no scales; nobody reads their sums.
            int last = row < a.rows ? row : a.rows - 1;
            if (scales) scales += wgmma_tile(a).group * a.scale_group + (long)(last / a.block_rows) * ((a.columns + a.block_columns - 1) / a.block_columns);
            wgmma_sum_f8<TERMS>(a, group, scales, full, empty, stages, memory, sums);
        } else {
            wgmma_sum_bf16<TERMS>(a, group, full, empty, stages, sums);
        }
        WgmmaTile tile = wgmma_tile(a);
        if (!GATED) {
            wgmma_write(a, tile, row, sums);
        } else {
            // The ring is empty and both groups are done with it: it holds what one hands to the other.
            float* ups = (float*)memory;
            sync_threads(1, 256);
            if (group == 1) {
#pragma unroll
                for (int i = 0; i < 64; ++i) ups[i * 128 + threadIdx.x % 128] = sums[i];
            }
            sync_threads(1, 256);
            if (group == 0) wgmma_write_gated(a, tile, row, sums, ups);
        }
    }
}

#define WGMMA(kind, KIND, name, TERMS) \
    KERNEL void __launch_bounds__(384, 1) wgmma_matmul_##kind##name(MAPPED_ARGS(WgmmaArgs) a) { wgmma_block<KIND, false, TERMS>(a); } \
    KERNEL void __launch_bounds__(384, 1) wgmma_gated_##kind##name(MAPPED_ARGS(WgmmaArgs) a) { wgmma_block<KIND, true, TERMS>(a); }
WGMMA(bf16, BF16, , 1)
WGMMA(bf16, BF16, _exact, 3)
WGMMA(f8, F8, , 1)
WGMMA(f8, F8, _exact, 3)

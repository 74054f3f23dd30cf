// Products of rows with weights, dense, by head, and by expert; gated pairs with silu between.
//
// One kernel serves all: the weight of group `g` (a head, an expert) starts `w_group` numbers after that of `g - 1`. Without
// `tiles`, rows of `x` are the tokens in order, and blockIdx.z is the group. With `tiles`, each is {expert, first, count}:
// pairs order[first..first + count] of token and expert, whose input row is pair / per_row and output row is the pair.
//
// `simt` is plain and takes any shape and type. `mma` runs on tensor cores: sixteen rows of the weight and eight tokens a
// product. Which k a lane holds is free as long as both factors agree, so each lane reads 16 bytes of a weight's row in one
// piece, straight to registers. Activations are kept as two bf16 terms, high and low, so that the product with bf16 or E4M3
// weights keeps 16 bits of them. A row's sum has the same order whatever tile it is in.

struct MatmulArgs {
    const float* x; const void* w; const void* w2; const float* scales; const float* scales2; float* y;
    const int* tiles; const int* order; const int* tile_count;
    long w_group; long scale_group;
    long x_stride; long y_stride; int x_group; int y_group;
    int rows; int columns; int tokens; int per_row;
    int block_rows; int block_columns; int scale_first; int scale_rows_group; int tile;
};

struct Tile { int group; int first; int count; };

// The block's tile; a count of zero where there is none.
DEVICE Tile tile_of(const MatmulArgs& a) {
    Tile tile;
    if (a.tiles) {
        bool live = (int)blockIdx.y < *a.tile_count;
        const int* at = a.tiles + 3 * blockIdx.y;
        tile.group = live ? at[0] : 0;
        tile.first = live ? at[1] : 0;
        tile.count = live ? at[2] : 0;
    } else {
        tile.group = blockIdx.z;
        tile.first = blockIdx.y * a.tile;
        int left = a.tokens - tile.first;
        tile.count = left < a.tile ? left : a.tile;
    }
    return tile;
}

DEVICE const float* input_row(const MatmulArgs& a, const Tile& tile, int nth) {
    int at = tile.first + nth;
    if (a.tiles) return a.x + (a.order[at] / a.per_row) * a.x_stride;
    return a.x + at * a.x_stride + (long)tile.group * a.x_group;
}

DEVICE float* output_row(const MatmulArgs& a, const Tile& tile, int nth) {
    int at = tile.first + nth;
    if (a.tiles) return a.y + a.order[at] * a.y_stride;
    return a.y + at * a.y_stride + (long)tile.group * a.y_group;
}

// The scales of a weight's row, one for each block of columns.
DEVICE const float* scale_row(const MatmulArgs& a, const float* scales, int group, int row) {
    int across = (a.columns + a.block_columns - 1) / a.block_columns;
    return scales + group * a.scale_group + (long)((a.scale_first + group * a.scale_rows_group + row) / a.block_rows) * across;
}

template <int KIND> DEVICE void simt_row(const MatmulArgs& a, const Tile& tile, const void* w, const float* scales, int row, float (&sums)[8]) {
    long base = tile.group * a.w_group + (long)row * a.columns;
    const float* factors = scales ? scale_row(a, scales, tile.group, row) : (const float*)0;
    for (int m = 0; m < 8; ++m) sums[m] = 0.0f;
    for (int c = threadIdx.x % 32; c < a.columns; c += 32) {
        float weight = weight_at<KIND>(w, base + c);
        if (factors) weight *= factors[c / a.block_columns];
        for (int m = 0; m < 8; ++m)
            if (m < tile.count) sums[m] += weight * input_row(a, tile, m)[c];
    }
    for (int m = 0; m < 8; ++m)
        if (m < tile.count) sums[m] = warp_sum(sums[m]);
}

// Grid: rows / 8, tiles of 8 tokens, groups; 256 threads, a warp a row.
template <int KIND, bool GATED> DEVICE void simt(MatmulArgs a) {
    Tile tile = tile_of(a);
    int row = blockIdx.x * 8 + threadIdx.x / 32;
    if (tile.count == 0 || row >= a.rows) return;
    float sums[8], ups[8];
    simt_row<KIND>(a, tile, a.w, a.scales, row, sums);
    if (GATED) simt_row<KIND>(a, tile, a.w2, a.scales2, row, ups);
    for (int m = 0; m < 8; ++m)
        if ((int)(threadIdx.x % 32) == m && m < tile.count)
            output_row(a, tile, m)[row] = GATED ? silu(sums[m]) * ups[m] : sums[m];
}

#define SIMT(kind, KIND) \
    KERNEL void __launch_bounds__(256) matmul_##kind(MatmulArgs a) { simt<KIND, false>(a); } \
    KERNEL void __launch_bounds__(256) gated_##kind(MatmulArgs a) { simt<KIND, true>(a); }
SIMT(f32, F32)
SIMT(f16, F16)
SIMT(bf16, BF16)
SIMT(f8, F8)

// 16 bytes of a weight's row as fragments: STEPS products' worth of two registers each.
template <int KIND> struct Step;
template <> struct Step<BF16> { enum { COLUMNS = 32, PRODUCTS = 2 }; };
template <> struct Step<F8> { enum { COLUMNS = 64, PRODUCTS = 4 }; };

template <int KIND> DEVICE void unpack(const Words4& words, unsigned* out) {
    unsigned all[4] = {words.x, words.y, words.z, words.w};
    if (KIND == BF16) {
        for (int i = 0; i < 4; ++i) out[i] = all[i];
    } else {
        for (int i = 0; i < 4; ++i) {
            unsigned word = all[i];
            out[2 * i] = f8x2_to_bf16x2(((word & 0xffu) << 8) | ((word & 0xff00u) << 16));
            out[2 * i + 1] = f8x2_to_bf16x2(((word >> 8) & 0xff00u) | (word & 0xff000000u));
        }
    }
}

DEVICE Words4 load_row(const void* w, long at, bool live) {
    Words4 zero = {0u, 0u, 0u, 0u};
    return live ? load_streaming((const char*)w + at) : zero;
}

// Four activations as fragments of high terms, and what is left of each as low terms.
template <int TERMS> DEVICE void split(const float* x, unsigned (&high)[2], unsigned (&low)[2]) {
    Floats4 v = *(const Floats4*)x;
    high[0] = pack_bf16(v.x, v.y);
    high[1] = pack_bf16(v.z, v.w);
    if (TERMS == 2) {
        low[0] = pack_bf16(v.x - bits_to_float(high[0] << 16), v.y - bits_to_float(high[0] & 0xffff0000u));
        low[1] = pack_bf16(v.z - bits_to_float(high[1] << 16), v.w - bits_to_float(high[1] & 0xffff0000u));
    }
}

// Sums of sixteen rows for NT * 8 tokens over the slice `slice` of SLICES of the columns.
template <int KIND, int NT, int SLICES, int TERMS, int WEIGHTS>
DEVICE void mma_slice(const MatmulArgs& a, const Tile& tile, int row0, int slice, float (&sums)[WEIGHTS][NT][4]) {
    const int COLUMNS = Step<KIND>::COLUMNS, PRODUCTS = Step<KIND>::PRODUCTS, SIZE = KIND == BF16 ? 2 : 1;
    int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    bool live0 = row0 + g < a.rows, live1 = row0 + g + 8 < a.rows;
    const float* x[NT];
    for (int n = 0; n < NT; ++n) x[n] = n * 8 + g < tile.count ? input_row(a, tile, n * 8 + g) : (const float*)0;
    long base = (tile.group * a.w_group + (long)(row0 + g) * a.columns) * SIZE;
    const float* factors[WEIGHTS];
    const void* w[WEIGHTS];
    for (int i = 0; i < WEIGHTS; ++i) {
        w[i] = i == 0 ? a.w : a.w2;
        const float* scales = i == 0 ? a.scales : a.scales2;
        factors[i] = KIND == F8 && scales ? scale_row(a, scales, tile.group, row0) : (const float*)0;
        for (int n = 0; n < NT; ++n)
            for (int j = 0; j < 4; ++j) sums[i][n][j] = 0.0f;
    }
    for (int k = slice * COLUMNS; k < a.columns; k += SLICES * COLUMNS) {
        unsigned rows[WEIGHTS][2][2 * PRODUCTS];
#pragma unroll
        for (int i = 0; i < WEIGHTS; ++i) {
            Words4 upper = load_row(w[i], base + (long)k * SIZE + t * 16, live0);
            Words4 lower = load_row(w[i], base + ((long)k + 8L * a.columns) * SIZE + t * 16, live1);
            unpack<KIND>(upper, rows[i][0]);
            unpack<KIND>(lower, rows[i][1]);
        }
#pragma unroll
        for (int n = 0; n < NT; ++n) {
            float part[WEIGHTS][4];
#pragma unroll
            for (int i = 0; i < WEIGHTS; ++i)
                for (int j = 0; j < 4; ++j) part[i][j] = KIND == F8 ? 0.0f : sums[i][n][j];
#pragma unroll
            for (int p = 0; p < PRODUCTS; ++p) {
                unsigned high[2] = {0u, 0u}, low[2] = {0u, 0u};
                if (x[n]) split<TERMS>(x[n] + k + t * (COLUMNS / 4) + 4 * p, high, low);
#pragma unroll
                for (int i = 0; i < WEIGHTS; ++i) {
                    unsigned fragment[4] = {rows[i][0][2 * p], rows[i][1][2 * p], rows[i][0][2 * p + 1], rows[i][1][2 * p + 1]};
                    mma_bf16(part[i], fragment, high);
                    if (TERMS == 2) mma_bf16(part[i], fragment, low);
                }
            }
#pragma unroll
            for (int i = 0; i < WEIGHTS; ++i) {
                float factor = factors[i] ? factors[i][k / a.block_columns] : 1.0f;
                for (int j = 0; j < 4; ++j) sums[i][n][j] = KIND == F8 ? sums[i][n][j] + factor * part[i][j] : part[i][j];
            }
        }
    }
}

// Grid: rows / (16 * 8 / SLICES), tiles of 8 * NT tokens, groups; 256 threads. Eight warps share out the columns where there
// are few tokens, so that enough is in flight to keep memory busy, and rows where there are many.
template <int KIND, int NT, int SLICES, int TERMS, bool GATED> DEVICE void mma(MatmulArgs a) {
    const int WEIGHTS = GATED ? 2 : 1;
    Tile tile = tile_of(a);
    if (tile.count == 0) return;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int slice = warp % SLICES, row0 = (blockIdx.x * (8 / SLICES) + warp / SLICES) * 16;
    float sums[WEIGHTS][NT][4];
    mma_slice<KIND, NT, SLICES, TERMS, WEIGHTS>(a, tile, row0, slice, sums);
    if (SLICES > 1) {
        DYNAMIC_SHARED(shared);
        const int EACH = WEIGHTS * NT * 4;
#pragma unroll
        for (int i = 0; i < WEIGHTS; ++i)
            for (int n = 0; n < NT; ++n)
                for (int j = 0; j < 4; ++j) shared[(warp * EACH + (i * NT + n) * 4 + j) * 32 + lane] = sums[i][n][j];
        __syncthreads();
        if (slice != 0) return;
#pragma unroll
        for (int i = 0; i < WEIGHTS; ++i)
            for (int n = 0; n < NT; ++n)
                for (int j = 0; j < 4; ++j)
                    for (int s = 1; s < SLICES; ++s)
                        sums[i][n][j] += shared[((warp + s) * EACH + (i * NT + n) * 4 + j) * 32 + lane];
    }
#pragma unroll
    for (int n = 0; n < NT; ++n)
        for (int j = 0; j < 4; ++j) {
            int row = row0 + lane / 4 + (j / 2) * 8, token = n * 8 + (lane % 4) * 2 + j % 2;
            if (row < a.rows && token < tile.count) {
                float value = sums[0][n][j];
                output_row(a, tile, token)[row] = GATED ? silu(value) * sums[WEIGHTS - 1][n][j] : value;
            }
        }
}

#define MMA(kind, KIND, name, NT, SLICES, TERMS) \
    KERNEL void __launch_bounds__(256) matmul_##kind##_##name(MatmulArgs a) { mma<KIND, NT, SLICES, TERMS, false>(a); } \
    KERNEL void __launch_bounds__(256) gated_##kind##_##name(MatmulArgs a) { mma<KIND, NT, SLICES, TERMS, true>(a); }
#define MMA_ALL(kind, KIND) \
    MMA(kind, KIND, few8, 1, 8, 2) \
    MMA(kind, KIND, few16, 2, 8, 2) \
    MMA(kind, KIND, few32, 4, 8, 2) \
    MMA(kind, KIND, many, 8, 1, 1) \
    MMA(kind, KIND, many_exact, 4, 1, 2)
MMA_ALL(bf16, BF16)
MMA_ALL(f8, F8)

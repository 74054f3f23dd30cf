// Attention of prompts on tensor cores (mma.sync): a block computes 64 queries of one head over the keys that they see, 64 at a time.
//
// Queries, keys, values and the weights between products are rounded to bf16; scores, their maximum and sum, and what is mixed are
// f32. Keys before a query's own, within its window, count. Which keys are taken together depends on their positions alone, and
// a key that a query does not see changes nothing in its row, bit for bit: so a row's numbers depend neither on its tile nor on
// where a prompt is cut. While scores are computed, values are copied; while values are mixed, the next keys are.
// Source: Dao, FlashAttention-2, arXiv 2307.08691, algorithm 1.

struct PromptArgs {
    const float* q; const bf16* k; const bf16* k1; const bf16* v; float* out; const int* table;
    long q_token; long out_token; long k_row; long v_row; int k1_row; int k_head; int v_head; int q_head;
    int dims; int dims1; int values; int share; int paged; int start; int count; int window; float scale;
};

// Queries and keys of a tile, threads of a block.
enum { PROMPT_TILE = 64, PROMPT_THREADS = 128 };

// Where piece `piece` of sixteen bytes of a row begins: pieces of eight rows that follow each other lie in different banks.
DEVICE unsigned prompt_piece(int row, int piece, int width) { return 2 * row * width + 16 * (piece ^ (row % 8)); }

// The place of a position in the cache.
DEVICE long prompt_slot(const PromptArgs& a, int position) { return (long)a.table[position / 16] * 16 + position % 16; }

// Starts to copy the keys from `base` on, their two parts side by side; what is not there is zero.
template <int DIMS> DEVICE void prompt_keys(const PromptArgs& a, unsigned to, int head, int base, int end) {
    int line = threadIdx.x / 8;
#pragma unroll
    for (int i = 0; i < PROMPT_TILE / 16; ++i) {
        int row = 16 * i + line, position = base + row;
        bool live = position < end;
        long slot = live && (a.paged || a.dims1 > 0) ? prompt_slot(a, position) : 0;
        const bf16* of_head = a.k + (a.paged ? slot : (long)position) * a.k_row + (long)(head / a.share) * a.k_head;
        const bf16* of_all = a.k1 + slot * a.k1_row - a.dims;
#pragma unroll
        for (int j = 0; j < DIMS / 64; ++j) {
            int piece = threadIdx.x % 8 + 8 * j, column = 8 * piece;
            bool there = live && column < a.dims + a.dims1;
            const bf16* from = there ? (column < a.dims ? of_head : of_all) + column : a.k;
            copy_async(to + prompt_piece(row, piece, DIMS), from, there);
        }
    }
}

template <int VALUES> DEVICE void prompt_values(const PromptArgs& a, unsigned to, int head, int base, int end) {
    int line = threadIdx.x / 8;
#pragma unroll
    for (int i = 0; i < PROMPT_TILE / 16; ++i) {
        int row = 16 * i + line, position = base + row;
        bool live = position < end;
        long at = live && a.paged ? prompt_slot(a, position) : (long)position;
        const bf16* of_head = a.v + at * a.v_row + (long)(head / a.share) * a.v_head;
#pragma unroll
        for (int j = 0; j < VALUES / 64; ++j) {
            int piece = threadIdx.x % 8 + 8 * j;
            bool there = live && 8 * piece < a.values;
            copy_async(to + prompt_piece(row, piece, VALUES), there ? of_head + 8 * piece : a.v, there);
        }
    }
}

// A warp's sixteen queries as fragments.
template <int DIMS> DEVICE void prompt_queries(const PromptArgs& a, int head, int row, unsigned (&q)[DIMS / 16][4]) {
    int t = threadIdx.x % 4, width = a.dims + a.dims1;
#pragma unroll
    for (int i = 0; i < DIMS / 16; ++i)
#pragma unroll
        for (int word = 0; word < 4; ++word) {
            int token = row + 8 * (word % 2), column = 16 * i + 8 * (word / 2) + 2 * t;
            bool there = token < a.count && column < width;
            const float* at = a.q + token * a.q_token + (long)head * a.q_head + column;
            q[i][word] = there ? pack_bf16(at[0], at[1]) : 0u;
        }
}

// scores[16 queries, 64 keys] = q k^T
template <int DIMS> DEVICE void prompt_scores(const unsigned (&q)[DIMS / 16][4], unsigned keys, float (&scores)[8][4]) {
    int lane = threadIdx.x % 32;
    // Matrices: keys 0..7, then 8..15, of two pieces each.
    unsigned row = keys + 2 * DIMS * (lane / 16 * 8 + lane % 8), piece = lane / 8 % 2 ^ lane % 8;
#pragma unroll
    for (int n = 0; n < 8; ++n)
        for (int j = 0; j < 4; ++j) scores[n][j] = 0.0f;
#pragma unroll
    for (int i = 0; i < DIMS / 16; ++i)
#pragma unroll
        for (int n = 0; n < 4; ++n) {
            unsigned words[4];
            load_fragments(words, row + 2 * DIMS * 16 * n + 16 * (2 * i ^ piece));
            unsigned first[2] = {words[0], words[1]}, second[2] = {words[2], words[3]};
            mma_bf16(scores[2 * n], q[i], first);
            mma_bf16(scores[2 * n + 1], q[i], second);
        }
}

// Takes out keys that the lane's two queries, at `position` and 8 later, do not see.
DEVICE void prompt_mask(const PromptArgs& a, int base, int position, float (&scores)[8][4]) {
#pragma unroll
    for (int n = 0; n < 8; ++n)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int key = base + 8 * n + threadIdx.x % 4 * 2 + j % 2, query = position + 8 * (j / 2);
            if (key > query || (a.window > 0 && key <= query - a.window)) scores[n][j] = below_all();
        }
}

// Scores become weights by a higher maximum, and what was mixed before shrinks to it. `factor`: from scores to powers of two.
template <int VALUES>
DEVICE void prompt_weigh(float factor, float (&scores)[8][4], float (&peak)[2], float (&sum)[2], float (&mixed)[VALUES / 8][4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        float higher = peak[half];
#pragma unroll
        for (int n = 0; n < 8; ++n) higher = fmaxf(higher, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
        higher = fmaxf(higher, shuffle_xor(higher, 1));
        higher = fmaxf(higher, shuffle_xor(higher, 2));
        // A query that has seen no key yet keeps zeros.
        float shift = higher == below_all() ? 0.0f : higher * factor;
        float shrink = power_of_two(peak[half] * factor - shift), more = 0.0f;
#pragma unroll
        for (int n = 0; n < 8; ++n)
#pragma unroll
            for (int j = 2 * half; j < 2 * half + 2; ++j) {
                scores[n][j] = power_of_two(scores[n][j] * factor - shift);
                more += scores[n][j];
            }
        sum[half] = sum[half] * shrink + more;
        peak[half] = higher;
#pragma unroll
        for (int n = 0; n < VALUES / 8; ++n) {
            mixed[n][2 * half] *= shrink;
            mixed[n][2 * half + 1] *= shrink;
        }
    }
}

// mixed[16 queries, values] += weights[16, 64 keys] v
template <int VALUES> DEVICE void prompt_mix(const float (&weights)[8][4], unsigned values, float (&mixed)[VALUES / 8][4]) {
    int lane = threadIdx.x % 32;
    // Matrices: of a piece keys 0..7, then 8..15; then of the next piece.
    unsigned row = values + 2 * VALUES * (lane / 8 % 2 * 8 + lane % 8), piece = lane / 16 ^ lane % 8;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float (&left)[4] = weights[2 * i], (&right)[4] = weights[2 * i + 1];
        unsigned p[4] = {pack_bf16(left[0], left[1]), pack_bf16(left[2], left[3]), pack_bf16(right[0], right[1]), pack_bf16(right[2], right[3])};
#pragma unroll
        for (int n = 0; n < VALUES / 16; ++n) {
            unsigned words[4];
            load_fragments_transposed(words, row + 2 * VALUES * 16 * i + 16 * (2 * n ^ piece));
            unsigned first[2] = {words[0], words[1]}, second[2] = {words[2], words[3]};
            mma_bf16(mixed[2 * n], p, first);
            mma_bf16(mixed[2 * n + 1], p, second);
        }
    }
}

template <int VALUES>
DEVICE void prompt_write(const PromptArgs& a, int head, int row, float (&sum)[2], const float (&mixed)[VALUES / 8][4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        float all = sum[half] + shuffle_xor(sum[half], 1);
        all += shuffle_xor(all, 2);
        int token = row + 8 * half;
        if (token >= a.count) continue;
        float* out = a.out + token * a.out_token + (long)head * a.values;
#pragma unroll
        for (int n = 0; n < VALUES / 8; ++n)
#pragma unroll
            for (int j = 0; j < 2; ++j) {
                int column = 8 * n + threadIdx.x % 4 * 2 + j;
                if (column < a.values) out[column] = mixed[n][2 * half + j] / all;
            }
    }
}

// `q`: f32, row i of it at position `start + i`; `out`: f32. Keys are of two parts where `dims1` is above zero: one of the head, and
// one that all heads share and that lies in the cache. Sizes of a head are multiples of 8, at most DIMS and VALUES, and
// each row of keys and values begins at a multiple of 16 bytes. Pages hold 16 positions.
// Grid: heads, tiles of 64 queries; shared: 128 * (DIMS + VALUES) bytes.
template <int DIMS, int VALUES> DEVICE void attend_prompt(const PromptArgs& a) {
    DYNAMIC_SHARED(shared);
    unsigned keys = shared_address(shared), values = keys + 2 * PROMPT_TILE * DIMS;
    // The tiles that see most keys first.
    int head = blockIdx.x, first = (gridDim.y - 1 - blockIdx.y) * PROMPT_TILE;
    int row = first + threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, position = a.start + row;
    int left = a.count - first, end = a.start + first + (left < PROMPT_TILE ? left : PROMPT_TILE);
    int seen = a.start + first + 1 - a.window, begin = a.window > 0 && seen > 0 ? seen / PROMPT_TILE * PROMPT_TILE : 0;
    unsigned q[DIMS / 16][4];
    prompt_keys<DIMS>(a, keys, head, begin, end);
    commit_copies();
    prompt_queries<DIMS>(a, head, row, q);
    float mixed[VALUES / 8][4], peak[2] = {below_all(), below_all()}, sum[2] = {0.0f, 0.0f};
    float factor = a.scale * 1.44269504f;
#pragma unroll
    for (int n = 0; n < VALUES / 8; ++n)
        for (int j = 0; j < 4; ++j) mixed[n][j] = 0.0f;
#pragma unroll 1
    for (int base = begin; base < end; base += PROMPT_TILE) {
        float scores[8][4];
        wait_copies<0>();
        // All keys are here, and nobody reads the values before any more.
        __syncthreads();
        prompt_values<VALUES>(a, values, head, base, end);
        commit_copies();
        prompt_scores<DIMS>(q, keys, scores);
        if (base + PROMPT_TILE > a.start + first + 1 || a.window > 0) prompt_mask(a, base, position, scores);
        prompt_weigh<VALUES>(factor, scores, peak, sum, mixed);
        wait_copies<0>();
        __syncthreads();
        if (base + PROMPT_TILE < end) prompt_keys<DIMS>(a, keys, head, base + PROMPT_TILE, end);
        commit_copies();
        prompt_mix<VALUES>(scores, values, mixed);
    }
    prompt_write<VALUES>(a, head, row, sum, mixed);
}

KERNEL void __launch_bounds__(PROMPT_THREADS, 3) attend_prompt_64_64(PromptArgs a) { attend_prompt<64, 64>(a); }
KERNEL void __launch_bounds__(PROMPT_THREADS, 2) attend_prompt_128_128(PromptArgs a) { attend_prompt<128, 128>(a); }
KERNEL void __launch_bounds__(PROMPT_THREADS, 2) attend_prompt_192_128(PromptArgs a) { attend_prompt<192, 128>(a); }

// Attention over the paged cache: of latents with all heads of a token together, and of keys and values.
//
// A long context is cut into splits of fixed length, each with a maximum and a sum of its own, and `merge` puts them
// together: the cut depends on the sequence alone, so neither does a result on the neighbours. Pages hold 16 positions.

struct LatentArgs {
    const float* q; const void* cache; const int* tables; const int* positions; float* mixed; float* peaks;
    int table_stride; int heads; int heads_block; int latent; int rotary; int splits; int split; float scale;
};

// Partial sums of latents for `heads_block` heads of a token over one split. `q`: [tokens, heads, latent + rotary], the key's
// projection absorbed. `mixed`: [tokens, heads, splits, latent], not yet divided; `peaks`: [.., 2]: maximum and sum.
// Grid: splits, heads / heads_block, tokens; 256 threads; shared: heads_block * (latent + rotary + split).
// Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.2; the splits: Dao, Flash-Decoding.
template <typename T> DEVICE void latent_decode(LatentArgs a) {
    DYNAMIC_SHARED(shared);
    int token = blockIdx.z, head0 = blockIdx.y * a.heads_block, split = blockIdx.x;
    int first = split * a.split, last = a.positions[token];
    if (first > last) return;
    int count = last - first + 1 < a.split ? last - first + 1 : a.split;
    int width = a.latent + a.rotary, heads = a.heads - head0 < a.heads_block ? a.heads - head0 : a.heads_block;
    float* q = shared;
    float* scores = shared + a.heads_block * width;
    const float* from = a.q + ((long)token * a.heads + head0) * width;
    for (int i = threadIdx.x; i < heads * width; i += blockDim.x) q[i] = from[i];
    __syncthreads();
    const int* table = a.tables + (long)token * a.table_stride;
    const T* cache = (const T*)a.cache;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, warps = blockDim.x / 32;
    for (int p = warp; p < count; p += warps) {
        int position = first + p;
        const T* row = cache + ((long)table[position / 16] * 16 + position % 16) * width;
        for (int h = 0; h < heads; ++h) {
            float sum = 0.0f;
            for (int i = lane; i < width; i += 32) sum += q[h * width + i] * widen(row[i]);
            sum = warp_sum(sum);
            if (lane == 0) scores[h * a.split + p] = sum * a.scale;
        }
    }
    __syncthreads();
    for (int h = warp; h < heads; h += warps) {
        float peak = below_all(), sum = 0.0f;
        for (int p = lane; p < count; p += 32) peak = fmaxf(peak, scores[h * a.split + p]);
        peak = warp_max(peak);
        for (int p = lane; p < count; p += 32) {
            float e = expf(scores[h * a.split + p] - peak);
            scores[h * a.split + p] = e;
            sum += e;
        }
        sum = warp_sum(sum);
        if (lane == 0) {
            float* out = a.peaks + (((long)token * a.heads + head0 + h) * a.splits + split) * 2;
            out[0] = peak;
            out[1] = sum;
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < a.latent; i += blockDim.x)
        for (int h0 = 0; h0 < heads; h0 += 8) {
            float sums[8];
#pragma unroll
            for (int h = 0; h < 8; ++h) sums[h] = 0.0f;
            for (int p = 0; p < count; ++p) {
                int position = first + p;
                float value = widen(cache[((long)table[position / 16] * 16 + position % 16) * width + i]);
#pragma unroll
                for (int h = 0; h < 8; ++h)
                    if (h0 + h < heads) sums[h] += scores[(h0 + h) * a.split + p] * value;
            }
#pragma unroll
            for (int h = 0; h < 8; ++h)
                if (h0 + h < heads)
                    a.mixed[(((long)token * a.heads + head0 + h0 + h) * a.splits + split) * a.latent + i] = sums[h];
        }
}
KERNEL void __launch_bounds__(256) latent_decode_f32(LatentArgs a) { latent_decode<float>(a); }
KERNEL void __launch_bounds__(256) latent_decode_bf16(LatentArgs a) { latent_decode<bf16>(a); }

struct MergeArgs { const float* parts; const float* peaks; const int* positions; float* out; int splits; int split; int width; int heads; int window; };

// Puts the splits of a head together. Grid: tokens * heads. `out`: [tokens, heads, width]
KERNEL void merge(MergeArgs a) {
    long head = blockIdx.x;
    int last = a.positions[blockIdx.x / a.heads];
    int begin = a.window > 0 && last + 1 > a.window ? (last + 1 - a.window) / a.split : 0, end = last / a.split + 1;
    float peak = below_all(), sum = 0.0f;
    for (int s = begin; s < end; ++s) peak = fmaxf(peak, a.peaks[(head * a.splits + s) * 2]);
    for (int s = begin; s < end; ++s)
        sum += expf(a.peaks[(head * a.splits + s) * 2] - peak) * a.peaks[(head * a.splits + s) * 2 + 1];
    for (int i = threadIdx.x; i < a.width; i += blockDim.x) {
        float mixed = 0.0f;
        for (int s = begin; s < end; ++s)
            mixed += expf(a.peaks[(head * a.splits + s) * 2] - peak) * a.parts[(head * a.splits + s) * a.width + i];
        a.out[head * a.width + i] = mixed / sum;
    }
}

struct AttendArgs {
    const float* q; const void* k; const void* k1; const void* v; float* out; float* peaks; const int* tables; const int* positions;
    long q_token; long out_token; long k_row; long v_row; int k1_row; int k_head; int v_head;
    int q_head; int dims; int dims1; int values; int share; int paged; int table_stride; int splits; int split; int window; float scale;
    int tables_shared; int heads;
};

// Attention of one query head over keys and values: a warp a head. Keys are of two parts where `dims1` is above zero: one of
// the head, and one (rotary) that all heads share and that lies in the cache. Grid: splits, tokens, heads / 4; 128 threads;
// shared: 4 * (dims + dims1). With more splits than one, `out` is [tokens, heads, splits, values], not yet divided.
template <typename T, typename T1> DEVICE void attend(AttendArgs a) {
    DYNAMIC_SHARED(shared);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, token = blockIdx.y, head = blockIdx.z * 4 + warp, split = blockIdx.x;
    bool live = head < a.heads;
    if (!live) head = 0;
    int last = a.positions[token], begin = a.window > 0 && last + 1 > a.window ? last + 1 - a.window : 0;
    int first = split * a.split, end = last + 1 < first + a.split || a.splits == 1 ? last + 1 : first + a.split;
    if (first < begin) first = begin;
    const float* from = a.q + token * a.q_token + (long)head * a.q_head;
    float* q = shared + warp * (a.dims + a.dims1);
    for (int i = lane; i < a.dims + a.dims1; i += 32) q[i] = from[i];
    sync_warp();
    const int* table = a.tables + (a.tables_shared ? 0 : (long)token * a.table_stride);
    const T* k = (const T*)a.k + (head / a.share) * (long)a.k_head;
    const T* v = (const T*)a.v + (head / a.share) * (long)a.v_head;
    float peak = below_all(), sum = 0.0f, mixed[16];
#pragma unroll
    for (int i = 0; i < 16; ++i) mixed[i] = 0.0f;
    for (int base = first; base < end; base += 32) {
        int position = base + lane;
        float score = below_all();
        if (position < end) {
            long slot = (long)table[position / 16] * 16 + position % 16;
            const T* row = k + (a.paged ? slot : (long)position) * a.k_row;
            score = 0.0f;
            for (int i = 0; i < a.dims; ++i) score += q[i] * widen(row[i]);
            const T1* turned = (const T1*)a.k1 + slot * a.k1_row;
            for (int i = 0; i < a.dims1; ++i) score += q[a.dims + i] * widen(turned[i]);
            score *= a.scale;
        }
        float higher = fmaxf(peak, warp_max(score)), shrink = expf(peak - higher);
        float weight = position < end ? expf(score - higher) : 0.0f;
        sum = sum * shrink + warp_sum(weight);
        peak = higher;
#pragma unroll
        for (int i = 0; i < 16; ++i) mixed[i] *= shrink;
        int count = end - base < 32 ? end - base : 32;
        for (int j = 0; j < count; ++j) {
            float w = shuffle(weight, j);
            int at = base + j;
            const T* row = v + (a.paged ? (long)table[at / 16] * 16 + at % 16 : (long)at) * a.v_row;
#pragma unroll
            for (int i = 0; i < 16; ++i)
                if (i * 32 + lane < a.values) mixed[i] += w * widen(row[i * 32 + lane]);
        }
    }
    if (!live || first >= end) return;
    float* out = a.out + token * a.out_token + ((long)head * a.splits + split) * a.values;
    float divisor = a.splits == 1 ? sum : 1.0f;
#pragma unroll
    for (int i = 0; i < 16; ++i)
        if (i * 32 + lane < a.values) out[i * 32 + lane] = mixed[i] / divisor;
    if (a.splits > 1 && lane == 0) {
        float* peaks = a.peaks + (((long)token * a.heads + head) * a.splits + split) * 2;
        peaks[0] = peak;
        peaks[1] = sum;
    }
}
KERNEL void __launch_bounds__(128) attend_f32_f32(AttendArgs a) { attend<float, float>(a); }
KERNEL void __launch_bounds__(128) attend_bf16_bf16(AttendArgs a) { attend<bf16, bf16>(a); }
KERNEL void __launch_bounds__(128) attend_f32_bf16(AttendArgs a) { attend<float, bf16>(a); }

// Kernels over rows of the hidden state: embedding, norms, biases, rotary position, the writing of the cache.

struct EmbedArgs { const void* table; const int* tokens; float* x; int hidden; int rows; };

// x[row] = table[tokens[row]]. Grid: rows.
template <int KIND> DEVICE void embed(EmbedArgs a) {
    long from = (long)a.tokens[blockIdx.x] * a.hidden, to = (long)blockIdx.x * a.hidden;
    for (int c = threadIdx.x; c < a.hidden; c += blockDim.x) a.x[to + c] = weight_at<KIND>(a.table, from + c);
}
KERNEL void embed_f32(EmbedArgs a) { embed<F32>(a); }
KERNEL void embed_f16(EmbedArgs a) { embed<F16>(a); }
KERNEL void embed_bf16(EmbedArgs a) { embed<BF16>(a); }

struct NormArgs { float* x; const float* add; const float* weight; float* y; long x_stride; long y_stride; int width; float eps; };

// x += add where there is one, then y = x / sqrt(mean(x^2) + eps) * weight. Grid: rows; `y` may be `x`.
// Source: Zhang and Sennrich, arXiv 1910.07467, equation 4.
KERNEL void rms_norm(NormArgs a) {
    __shared__ float scratch[32];
    float* x = a.x + blockIdx.x * a.x_stride;
    float sum = 0.0f;
    for (int c = threadIdx.x; c < a.width; c += blockDim.x) {
        float value = x[c];
        if (a.add) {
            value += a.add[blockIdx.x * a.x_stride + c];
            x[c] = value;
        }
        sum += value * value;
    }
    float factor = 1.0f / sqrtf(block_sum(sum, scratch) / a.width + a.eps);
    float* y = a.y + blockIdx.x * a.y_stride;
    for (int c = threadIdx.x; c < a.width; c += blockDim.x) y[c] = x[c] * factor * a.weight[c];
}

struct BiasArgs { float* y; const float* bias; float clip; int width; long count; };

// y += bias where there is one, then cut to [-clip, clip] where clip is above zero.
KERNEL void bias_clip(BiasArgs a) {
    for (long at = blockIdx.x * (long)blockDim.x + threadIdx.x; at < a.count; at += (long)gridDim.x * blockDim.x) {
        float value = a.y[at] + (a.bias ? a.bias[at % a.width] : 0.0f);
        a.y[at] = a.clip > 0.0f ? fminf(fmaxf(value, -a.clip), a.clip) : value;
    }
}

struct RopeArgs {
    float* x; const int* positions; const float* frequencies;
    long token_stride; int heads; int head_stride; int offset; int half; int interleaved; float amplitude;
};

// Turns pair `p` of one head at a position. Source: RoFormer, arXiv 2104.09864, equation 34.
DEVICE void turn(float* head, int p, int half, int interleaved, float angle, float amplitude) {
    float cosine = cosf(angle) * amplitude, sine = sinf(angle) * amplitude;
    int i = interleaved ? 2 * p : p, j = interleaved ? 2 * p + 1 : p + half;
    float x = head[i], y = head[j];
    head[i] = x * cosine - y * sine;
    head[j] = y * cosine + x * sine;
}

// Turns all heads of each token. Grid: tokens.
KERNEL void rope(RopeArgs a) {
    float position = (float)a.positions[blockIdx.x];
    for (int at = threadIdx.x; at < a.heads * a.half; at += blockDim.x) {
        int head = at / a.half, p = at % a.half;
        float* x = a.x + blockIdx.x * a.token_stride + head * a.head_stride + a.offset;
        turn(x, p, a.half, a.interleaved, position * a.frequencies[p], a.amplitude);
    }
}

struct LatentWriteArgs {
    float* c; const float* weight; void* cache; const int* slots; const int* positions; const float* frequencies;
    int latent; int rotary; int interleaved; float eps; float amplitude;
};

// Norms the latent, turns the rotary key, writes both to the cache. Grid: tokens. `c`: [tokens, latent + rotary], changed.
// Source: DeepSeek-V2, arXiv 2405.04434, section 2.1.
template <typename T> DEVICE void latent_write(LatentWriteArgs a) {
    __shared__ float scratch[32];
    int width = a.latent + a.rotary;
    float* c = a.c + (long)blockIdx.x * width;
    T* out = (T*)a.cache + (long)a.slots[blockIdx.x] * width;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < a.latent; i += blockDim.x) sum += c[i] * c[i];
    float factor = 1.0f / sqrtf(block_sum(sum, scratch) / a.latent + a.eps);
    for (int i = threadIdx.x; i < a.latent; i += blockDim.x) narrow(c[i] * factor * a.weight[i], out[i]);
    float position = (float)a.positions[blockIdx.x];
    for (int p = threadIdx.x; p < a.rotary / 2; p += blockDim.x)
        turn(c + a.latent, p, a.rotary / 2, a.interleaved, position * a.frequencies[p], a.amplitude);
    __syncthreads();
    for (int i = threadIdx.x; i < a.rotary; i += blockDim.x) narrow(c[a.latent + i], out[a.latent + i]);
}
KERNEL void latent_write_f32(LatentWriteArgs a) { latent_write<float>(a); }
KERNEL void latent_write_bf16(LatentWriteArgs a) { latent_write<bf16>(a); }

struct PairWriteArgs { const float* k; const float* v; void* cache; const int* slots; int width; };

// Writes keys and values, each [tokens, width], to rows of [keys, values]. Grid: tokens.
template <typename T> DEVICE void pair_write(PairWriteArgs a) {
    T* out = (T*)a.cache + (long)a.slots[blockIdx.x] * 2 * a.width;
    long from = (long)blockIdx.x * a.width;
    for (int i = threadIdx.x; i < a.width; i += blockDim.x) {
        narrow(a.k[from + i], out[i]);
        narrow(a.v[from + i], out[a.width + i]);
    }
}
KERNEL void pair_write_f32(PairWriteArgs a) { pair_write<float>(a); }
KERNEL void pair_write_bf16(PairWriteArgs a) { pair_write<bf16>(a); }

struct GatherArgs { const void* cache; const int* pages; float* out; int width; int taken; };

// The first `taken` numbers of each position's cache row. Grid: positions. `out`: [positions, taken]
template <typename T> DEVICE void gather(GatherArgs a) {
    int position = blockIdx.x;
    const T* row = (const T*)a.cache + ((long)a.pages[position / 16] * 16 + position % 16) * a.width;
    for (int i = threadIdx.x; i < a.taken; i += blockDim.x) a.out[(long)position * a.taken + i] = widen(row[i]);
}
KERNEL void gather_f32(GatherArgs a) { gather<float>(a); }
KERNEL void gather_bf16(GatherArgs a) { gather<bf16>(a); }

struct CopyRowsArgs { const float* x; const int* rows; float* y; int width; };

// y[i] = x[rows[i]]. Grid: rows wanted.
KERNEL void copy_rows(CopyRowsArgs a) {
    long from = (long)a.rows[blockIdx.x] * a.width, to = (long)blockIdx.x * a.width;
    for (int i = threadIdx.x; i < a.width; i += blockDim.x) a.y[to + i] = a.x[from + i];
}

struct CopyPartArgs { const float* x; float* y; long x_stride; long y_stride; int width; };

// The same part of many rows from one place to another. Grid: rows.
KERNEL void copy_part(CopyPartArgs a) {
    for (int i = threadIdx.x; i < a.width; i += blockDim.x)
        a.y[blockIdx.x * a.y_stride + i] = a.x[blockIdx.x * a.x_stride + i];
}

struct NarrowArgs { const float* x; bf16* y; long count; };

// Rounds to bf16, for the library's products.
KERNEL void narrow_rows(NarrowArgs a) {
    for (long at = blockIdx.x * (long)blockDim.x + threadIdx.x; at < a.count; at += (long)gridDim.x * blockDim.x)
        narrow(a.x[at], a.y[at]);
}

struct SiluArgs { float* gate; const float* up; long count; };

// gate = silu(gate) * up
KERNEL void silu_multiply(SiluArgs a) {
    for (long at = blockIdx.x * (long)blockDim.x + threadIdx.x; at < a.count; at += (long)gridDim.x * blockDim.x)
        a.gate[at] = silu(a.gate[at]) * a.up[at];
}

struct OpenArgs { float* y; const float* gates; int width; };

// y *= sigmoid(gate), for the gate of a shared expert. Grid: tokens.
KERNEL void open_gate(OpenArgs a) {
    float open = 1.0f / (1.0f + expf(-a.gates[blockIdx.x]));
    for (int i = threadIdx.x; i < a.width; i += blockDim.x) a.y[(long)blockIdx.x * a.width + i] *= open;
}

struct RandomArgs { void* out; long count; unsigned seed; float scale; int kind; };

// Seeded uniform numbers of deviation `scale`, for measuring without a checkpoint. Source: Wellons, "hash prospector", lowbias32.
KERNEL void random_fill(RandomArgs a) {
    for (long at = blockIdx.x * (long)blockDim.x + threadIdx.x; at < a.count; at += (long)gridDim.x * blockDim.x) {
        unsigned h = (unsigned)at * 0x9e3779b9u + a.seed + (unsigned)(at >> 32) * 0x85ebca6bu;
        h ^= h >> 16; h *= 0x7feb352du; h ^= h >> 15; h *= 0x846ca68bu; h ^= h >> 16;
        float uniform = ((float)(h >> 8) / 8388608.0f - 1.0f) * 1.7320508f * a.scale;
        if (a.kind == F32) ((float*)a.out)[at] = uniform;
        else if (a.kind == BF16) narrow(uniform, ((bf16*)a.out)[at]);
        else ((f8*)a.out)[at] = (f8)((h & 0x80u) | (0x28u + ((h >> 8) & 0x0fu)));  // magnitudes from 1/4 to 15/16
    }
}

// Which experts a token goes to, the grouping of tokens by expert, and the sum of what experts say.

struct RouteArgs {
    const float* logits; const float* bias; int* experts; float* weights;
    int count; int chosen; int groups; int kept; int summed; int sigmoid; int normalise; float scale;
};

// Scores, groups, the best experts and their weights, the heaviest first. Grid: tokens; 128 threads; shared: 2 * count +
// groups + 2 * chosen numbers. Sources: DeepSeek-V2, arXiv 2405.04434, section 2.2; DeepSeek-V3, arXiv 2412.19437, 2.1.2.
KERNEL void route(RouteArgs a) {
    DYNAMIC_SHARED(shared);
    __shared__ float scratch[64];
    float* scores = shared;
    float* wish = scores + a.count;
    float* of_groups = wish + a.count;
    float* picked = of_groups + a.groups;
    float* picked_score = picked + a.chosen;
    const float none = below_all();
    const float* logits = a.logits + (long)blockIdx.x * a.count;
    Best top = {none, 0};
    for (int e = threadIdx.x; e < a.count; e += blockDim.x) {
        Best one = {logits[e], e};
        top = better(top, one);
    }
    top = block_best(top, scratch);
    float sum = 0.0f;
    for (int e = threadIdx.x; e < a.count; e += blockDim.x) {
        scores[e] = a.sigmoid ? 1.0f / (1.0f + expf(-logits[e])) : expf(logits[e] - top.value);
        sum += scores[e];
    }
    sum = block_sum(sum, scratch);
    for (int e = threadIdx.x; e < a.count; e += blockDim.x) {
        if (!a.sigmoid) scores[e] /= sum;
        wish[e] = scores[e] + (a.bias ? a.bias[e] : 0.0f);
    }
    __syncthreads();
    int size = a.count / (a.groups > 0 ? a.groups : 1);
    for (int group = threadIdx.x; group < a.groups; group += blockDim.x) {
        float first = none, second = none;
        for (int e = group * size; e < (group + 1) * size; ++e) {
            if (wish[e] > first) { second = first; first = wish[e]; }
            else if (wish[e] > second) second = wish[e];
        }
        of_groups[group] = a.summed == 2 ? first + second : first;
    }
    __syncthreads();
    if (a.groups > 0) {
        // A group is dropped where `kept` others are better, or as good and before it.
        for (int e = threadIdx.x; e < a.count; e += blockDim.x) {
            int group = e / size, ahead = 0;
            for (int other = 0; other < a.groups; ++other)
                ahead += of_groups[other] > of_groups[group] || (of_groups[other] == of_groups[group] && other < group);
            if (ahead >= a.kept) wish[e] = none;
        }
        __syncthreads();
    }
    for (int nth = 0; nth < a.chosen; ++nth) {
        Best best = {none, 0xffffff};
        for (int e = threadIdx.x; e < a.count; e += blockDim.x) {
            // What is chosen already is marked by NaN, which is never better.
            Best one = {wish[e], e};
            if (wish[e] == wish[e]) best = better(best, one);
        }
        best = block_best(best, scratch);
        int at = best.at < a.count ? best.at : 0;
        if (threadIdx.x == 0) {
            picked[nth] = (float)at;
            picked_score[nth] = scores[at];
            wish[at] = bits_to_float(0x7fc00000u);
        }
        __syncthreads();
    }
    if (threadIdx.x != 0) return;
    for (int i = 1; i < a.chosen; ++i) {
        float score = picked_score[i], expert = picked[i];
        int j = i;
        for (; j > 0 && (picked_score[j - 1] < score || (picked_score[j - 1] == score && picked[j - 1] > expert)); --j) {
            picked_score[j] = picked_score[j - 1];
            picked[j] = picked[j - 1];
        }
        picked_score[j] = score;
        picked[j] = expert;
    }
    float all = 0.0f;
    for (int i = 0; i < a.chosen; ++i) all += picked_score[i];
    float divisor = a.normalise ? all + 1e-20f : 1.0f;
    for (int i = 0; i < a.chosen; ++i) {
        a.experts[(long)blockIdx.x * a.chosen + i] = (int)picked[i];
        a.weights[(long)blockIdx.x * a.chosen + i] = picked_score[i] / divisor * a.scale;
    }
}

struct GroupArgs { const int* experts; int* order; int* tiles; int* tile_count; int pairs; int count; int tile; };

// Counts pairs by expert, sets their places and cuts them into tiles of at most `tile`. One block of 1,024 threads; shared:
// 2 * count + 2,048 whole numbers. The order within an expert may differ between runs; no sum depends on it.
KERNEL void __launch_bounds__(1024) group_pairs(GroupArgs a) {
    DYNAMIC_SHARED(shared);
    int* counts = (int*)shared;
    int* next = counts + a.count;
    int* sums = next + a.count;
    int* tiles = sums + 1024;
    int me = threadIdx.x;
    for (int e = me; e < a.count; e += 1024) counts[e] = 0;
    __syncthreads();
    for (int p = me; p < a.pairs; p += 1024) atomicAdd(&counts[a.experts[p]], 1);
    __syncthreads();
    int each = (a.count + 1023) / 1024, begin = me * each, end = begin + each < a.count ? begin + each : a.count;
    int pairs = 0, cut = 0;
    for (int e = begin; e < end; ++e) {
        pairs += counts[e];
        cut += (counts[e] + a.tile - 1) / a.tile;
    }
    sums[me] = pairs;
    tiles[me] = cut;
    __syncthreads();
    for (int step = 1; step < 1024; step <<= 1) {
        int more = me >= step ? sums[me - step] : 0, more_cut = me >= step ? tiles[me - step] : 0;
        __syncthreads();
        sums[me] += more;
        tiles[me] += more_cut;
        __syncthreads();
    }
    int first = sums[me] - pairs, at = tiles[me] - cut;
    for (int e = begin; e < end; ++e) {
        next[e] = first;
        for (int done = 0; done < counts[e]; done += a.tile, ++at) {
            a.tiles[3 * at] = e;
            a.tiles[3 * at + 1] = first + done;
            a.tiles[3 * at + 2] = counts[e] - done < a.tile ? counts[e] - done : a.tile;
        }
        first += counts[e];
    }
    if (me == 1023) *a.tile_count = tiles[1023];
    __syncthreads();
    for (int p = me; p < a.pairs; p += 1024) a.order[atomicAdd(&next[a.experts[p]], 1)] = p;
}

struct CombineArgs { const float* parts; const int* experts; const float* weights; float* y; int hidden; int chosen; int add; };

// y = (y where `add`) + sum of weight * part, experts in ascending order. Grid: tokens. `parts`: [tokens * chosen, hidden].
// Source: DeepSeek-V3, arXiv 2412.19437, equation 12.
KERNEL void combine(CombineArgs a) {
    const int* experts = a.experts + (long)blockIdx.x * a.chosen;
    const float* weights = a.weights + (long)blockIdx.x * a.chosen;
    for (int c = threadIdx.x; c < a.hidden; c += blockDim.x) {
        float sum = 0.0f;
        int before = -1;
        for (int nth = 0; nth < a.chosen; ++nth) {
            int best = -1;
            for (int i = 0; i < a.chosen; ++i)
                if (experts[i] > before && (best < 0 || experts[i] < experts[best])) best = i;
            before = experts[best];
            sum += weights[best] * a.parts[((long)blockIdx.x * a.chosen + best) * a.hidden + c];
        }
        long at = (long)blockIdx.x * a.hidden + c;
        a.y[at] = a.add ? a.y[at] + sum : sum;
    }
}

// Reductions over logits.

struct ArgmaxArgs { const float* logits; int* tokens; int vocabulary; };

// The likeliest token of each row; of equal ones the first. Grid: rows; 1,024 threads.
KERNEL void __launch_bounds__(1024) argmax(ArgmaxArgs a) {
    __shared__ float scratch[64];
    const float* logits = a.logits + (long)blockIdx.x * a.vocabulary;
    Best best = {below_all(), 0xffffff};
    for (int i = threadIdx.x; i < a.vocabulary; i += blockDim.x) {
        Best one = {logits[i], i};
        best = better(best, one);
    }
    best = block_best(best, scratch);
    if (threadIdx.x == 0) a.tokens[blockIdx.x] = best.at < a.vocabulary ? best.at : 0;
}

struct StepArgs { const int* tokens; int* next; int* positions; int* slots; const int* tables; int table_stride; int count; };

// Makes the next step's inputs from the drawn tokens, so that steps follow each other without the host. Positions move on by one.
KERNEL void next_step(StepArgs a) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= a.count) return;
    int position = a.positions[at] + 1;
    a.next[at] = a.tokens[at];
    a.positions[at] = position;
    a.slots[at] = a.tables[(long)at * a.table_stride + position / 16] * 16 + position % 16;
}

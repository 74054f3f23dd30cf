// Small kernels that show what single instructions of `ampere.h` and `hopper.h` do, for the tests of the shim itself.

struct ProbeArgs {
    TensorMap map;
    const void* from; float* out;
    int bytes; int x; int y; int fault; int a; int b; int shift;
};

// Ways to be wrong, each of which has to fail.
enum { NO_FAULT, NO_EXPECT, TOO_FEW_BYTES, WRONG_PARITY, NO_INIT_FENCE, NO_PRODUCT_FENCE, NO_PRODUCT_WAIT, NO_COPY_WAIT, TWO_ARRIVALS,
       MISALIGNED, NO_BARRIER, OTHER_PRODUCTS, NO_COMMIT, ONE_GROUP_LESS, PLACE_GIVEN_BACK, OUTSIDE };

// The first address that the swizzle's pattern may begin at.
static unsigned char* probe_memory(unsigned& address) {
    unsigned start = shared_address(shim::dynamic);
    address = (start + 1023u) & ~1023u;
    return shim::dynamic + (address - start);
}

// Copies one box and shows the bytes of shared memory. 32 threads; shared: 18 KB.
KERNEL void probe_copy(ProbeArgs a) {
    unsigned at;
    unsigned char* memory = probe_memory(at);
    unsigned barrier = at;
    if (threadIdx.x == 0) {
        if (a.fault != NO_BARRIER) mbarrier_init(barrier, 1);
        if (a.fault != NO_INIT_FENCE) fence_mbarrier_init();
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        if (a.fault == NO_EXPECT) mbarrier_arrive(barrier);
        else mbarrier_arrive_expect(barrier, a.fault == TOO_FEW_BYTES ? a.bytes + 16 : a.bytes);
        if (a.fault == TWO_ARRIVALS) mbarrier_arrive(barrier);
        tma_load_2d(at + 1024 + (a.fault == MISALIGNED ? 16 : 0), &a.map, a.x, a.y, barrier);
    }
    if (a.fault != NO_COPY_WAIT) mbarrier_wait(barrier, 0);
    // The second phase never completes.
    if (a.fault == WRONG_PARITY) mbarrier_wait(barrier, 1);
    for (int i = threadIdx.x; i < a.bytes; i += 32) a.out[i] = memory[1024 + i];
}

// d = a b^T + 1, twice where `x`, from bytes laid out by the test: `a` and `b` are where the factors begin. 128 threads; out: a thread's
// 64 sums one after the other.
KERNEL void probe_product(ProbeArgs a) {
    unsigned at;
    unsigned char* memory = probe_memory(at);
    for (int i = threadIdx.x; i < a.bytes; i += 128) memory[i] = ((const unsigned char*)a.from)[i];
    __syncthreads();
    float sums[64];
    for (int i = 0; i < 64; ++i) sums[i] = 1.0f;
    u64 x = wgmma_descriptor(at + a.a + a.shift), y = wgmma_descriptor(at + a.b);
    if (a.fault == OTHER_PRODUCTS && threadIdx.x == 77) y += 2;
    if (a.fault != NO_PRODUCT_FENCE) wgmma_fence();
    for (int i = 0; i <= a.x; ++i) wgmma_128(sums, x, y, 1);
    wgmma_commit();
    if (a.fault != NO_PRODUCT_WAIT) wgmma_wait<0>();
    for (int i = 0; i < 64; ++i) a.out[threadIdx.x * 64 + i] = sums[i];
}

// The same with the first factor's fragments from memory: four words a thread, in the order of threads.
KERNEL void probe_registers(ProbeArgs a) {
    unsigned at;
    unsigned char* memory = probe_memory(at);
    for (int i = threadIdx.x; i < a.bytes; i += 128) memory[i] = ((const unsigned char*)a.from)[i];
    __syncthreads();
    float sums[64];
    unsigned words[4];
    memcpy(words, memory + a.a + 16 * threadIdx.x, 16);
    wgmma_fence();
    wgmma_128(sums, words, wgmma_descriptor(at + a.b), 0);
    wgmma_commit();
    wgmma_wait<0>();
    for (int i = 0; i < 64; ++i) a.out[threadIdx.x * 64 + i] = sums[i];
}

// Each lane copies sixteen bytes in two groups, of which those of lanes below `x` are there, and shows the bytes that the next lane
// copied. 32 threads; shared: 1 KB.
KERNEL void probe_pieces(ProbeArgs a) {
    unsigned start = shared_address(shim::dynamic) + (a.fault == MISALIGNED ? 8 : 0);
    const unsigned char* from = (const unsigned char*)a.from + 16 * threadIdx.x;
    for (int group = 0; group < 2; ++group) {
        copy_async(start + 512 * group + 16 * threadIdx.x, from + 512 * group, (int)threadIdx.x < a.x);
        if (a.fault != NO_COMMIT) commit_copies();
    }
    if (a.fault == ONE_GROUP_LESS) wait_copies<1>();
    else if (a.fault != NO_COPY_WAIT) wait_copies<0>();
    sync_warp();
    if (a.fault == PLACE_GIVEN_BACK) {
        copy_async(start + 16 * threadIdx.x, from, true);
        commit_copies();
        sync_warp();
    }
    for (int i = 0; i < 32; ++i) {
        unsigned at = 512 * (i / 16) + 16 * ((threadIdx.x + 1) % 32) + i % 16;
        a.out[32 * threadIdx.x + i] = ((const unsigned char*)shim::dynamic)[at];
    }
    wait_copies<0>();
}

// What ldmatrix gives of four matrices in the order of their rows, transposed where `x`: a lane's eight numbers one after the other.
// 32 threads; shared: 512 bytes.
KERNEL void probe_matrices(ProbeArgs a) {
    unsigned words[4], start = shared_address(shim::dynamic);
    for (int i = threadIdx.x; i < 512; i += 32) ((unsigned char*)shim::dynamic)[i] = ((const unsigned char*)a.from)[i];
    sync_warp();
    unsigned row = start + 16 * threadIdx.x + (a.fault == MISALIGNED ? 8 : 0) + (a.fault == OUTSIDE ? 16 : 0);
    if (a.x) load_fragments_transposed(words, row);
    else load_fragments(words, row);
    for (int i = 0; i < 8; ++i) a.out[8 * threadIdx.x + i] = words[i / 2] >> (16 * (i % 2)) & 0xffff;
}

#define PROBES K(probe_pieces, ProbeArgs), K(probe_matrices, ProbeArgs), K(probe_copy, ProbeArgs), K(probe_product, ProbeArgs), K(probe_registers, ProbeArgs),

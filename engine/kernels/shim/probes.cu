// Small kernels that show what single instructions of `hopper.h` do, for the tests of the shim itself.

struct ProbeArgs {
    TensorMap map;
    const void* from; float* out;
    int bytes; int x; int y; int fault; int a; int b; int shift;
};

// Ways to be wrong, each of which has to fail.
enum { NO_FAULT, NO_EXPECT, TOO_FEW_BYTES, WRONG_PARITY, NO_INIT_FENCE, NO_PRODUCT_FENCE, NO_PRODUCT_WAIT, NO_COPY_WAIT, TWO_ARRIVALS,
       MISALIGNED, NO_BARRIER, OTHER_PRODUCTS };

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

#define PROBES K(probe_copy, ProbeArgs), K(probe_product, ProbeArgs), K(probe_registers, ProbeArgs),

// What tensor-core kernels of sm_80 and later need beside `mma_bf16`, one function each: copies to shared memory that run beside
// the arithmetic (cp.async), fragments from shared memory (ldmatrix), and powers of two.
//
// Source of every form and of the fragments: PTX ISA, sections "cp.async", "ldmatrix" and "ex2". Where TIERWAY_SHIM is defined,
// `shim/ampere.h` gives the same names bodies that run on a CPU.
#ifndef TIERWAY_AMPERE
#define TIERWAY_AMPERE

#ifndef TIERWAY_SHIM
// Starts a copy of sixteen bytes; zeros where not `there`, and then nothing is read. Both are at multiples of 16 bytes.
DEVICE void copy_async(unsigned to, const void* from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" : : "r"(to), "l"(from), "r"(there ? 16 : 0) : "memory");
}

// Closes the group of copies that this thread started since the last.
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" : : : "memory"); }

// Waits until at most N of this thread's groups are still running. What other threads copied needs a barrier besides.
template <int N> DEVICE void wait_copies() { asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory"); }

// Four matrices of 8 rows of 16 bytes: lane i gives where row i % 8 of matrix i / 8 begins. Lane 4g + t gets, of each, numbers
// 2t and 2t + 1 of row g.
DEVICE void load_fragments(unsigned (&to)[4], unsigned row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(row) : "memory");
}

// The same transposed: numbers of rows 2t and 2t + 1 in column g.
DEVICE void load_fragments_transposed(unsigned (&to)[4], unsigned row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(row) : "memory");
}

// 2^x within 2^-22 of its size; zero for minus infinity.
DEVICE float power_of_two(float x) {
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
    return power;
}
#endif
#endif

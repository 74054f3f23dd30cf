// Hopper's instructions on a CPU, from the definitions in PTX ISA: what `../hopper.cuh` wraps.
//
// What is asynchronous stays so: a copy lands when nothing else can go on (some at once, the order drawn), and its place holds NaN
// until then; products run when they are waited for, and their sums are NaN until then. So a missing wait, a stage given back
// too early, bytes that were not announced, a phase mistaken and a fence left out are failures here, not luck. Blocks that wait for
// what never comes end with an error.
#pragma once

#define MAPPED_ARGS(type) type
struct TensorMap;

namespace shim {
enum : unsigned { GROUPS_MAX = THREADS_MAX / 128, OPERATIONS_MAX = 64 };

// A matrix and a box, as `shim_tensor_map` keeps them in the 128 bytes of a map.
struct Map {
    unsigned long long address, columns, rows, stride_bytes;
    unsigned element_bytes, box_columns, box_rows, swizzled, magic;
};
enum : unsigned { MAP_MAGIC = 0x54574d50 };

// PTX ISA, mbarrier: the phase, arrivals pending and expected, and the bytes still awaited, in 64 bits of shared memory.
struct Barrier {
    unsigned long long bits;
    static const unsigned long long COUNT = (1u << 20) - 1;
    unsigned phase() const { return bits & 1; }
    unsigned pending() const { return bits >> 1 & COUNT; }
    unsigned expected() const { return bits >> 21 & COUNT; }
    int bytes() const { return (int)(bits >> 41 & 0x1fffff) - (1 << 20); }
    void set(unsigned phase, unsigned pending, unsigned expected, int bytes) {
        bits = phase | (unsigned long long)pending << 1 | (unsigned long long)expected << 21 | (unsigned long long)(bytes + (1 << 20)) << 41;
    }
};

inline Barrier* barrier_at(unsigned address) {
    if (address % 8 != 0) fail("a barrier is not at a multiple of 8 bytes");
    Barrier* barrier = (Barrier*)shared_at(address, 8);
    if (barrier->bits == ~0ull) fail("a barrier is used that was not made");
    return barrier;
}

// Some arrivals and bytes more or fewer; the phase is complete when none of both are pending.
inline void barrier_count(unsigned address, unsigned arrivals, int bytes) {
    Barrier* barrier = barrier_at(address);
    unsigned phase = barrier->phase(), pending = barrier->pending(), expected = barrier->expected();
    if (arrivals > pending) fail("more arrive at a barrier than its phase expects");
    int left = barrier->bytes() + bytes;
    if (left < 0) fail("bytes come to a barrier that no phase awaits");
    if (left >= 1 << 20) fail("a barrier counts more bytes than it can");
    pending -= arrivals;
    if (pending == 0 && left == 0) {
        phase ^= 1;
        pending = expected;
    }
    barrier->set(phase, pending, expected, left);
    ++progress;
}

// PTX ISA, 128-byte swizzle: bits 4..6 of an address within shared memory are combined with its bits 7..9.
inline unsigned swizzled(unsigned address) { return address ^ (address >> 7 & 7) << 4; }

struct Copy { Map map; unsigned to; int x, y; unsigned barrier; };
extern Copy copies[OPERATIONS_MAX];
extern unsigned copies_count;
extern bool fence_is_due;

extern unsigned long long state;
inline unsigned drawn() {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return state >> 33;
}

inline void land(unsigned nth) {
    Copy copy = copies[nth];
    copies[nth] = copies[--copies_count];
    const Map& map = copy.map;
    for (unsigned r = 0; r < map.box_rows; ++r)
        for (unsigned b = 0; b < map.box_columns * map.element_bytes; ++b) {
            long row = (long)copy.y + r, column = (long)copy.x + b / map.element_bytes;
            bool inside = row >= 0 && row < (long)map.rows && column >= 0 && column < (long)map.columns;
            unsigned to = copy.to + r * map.box_columns * map.element_bytes + b;
            const unsigned char* from = (const unsigned char*)map.address + row * (long)map.stride_bytes + column * (long)map.element_bytes + b % map.element_bytes;
            *shared_at(map.swizzled ? swizzled(to) : to, 1) = inside ? *from : 0;
        }
    barrier_count(copy.barrier, 0, -(int)(map.box_rows * map.box_columns * map.element_bytes));
}

// Product `number` (from 1) of a group of four warps: what each thread gave, and how many have.
struct Product {
    unsigned number, arrived;
    unsigned long long a, b;
    bool from_registers, add, done;
    unsigned fragments[128][4];
    float kept[128][64];
    float* sums[128];
};
struct Group { Product products[OPERATIONS_MAX]; };
extern Group groups[GROUPS_MAX];

// What a thread has started: products, those it waited for, and where its committed groups end.
struct Started { unsigned products, waited, committed, ends[OPERATIONS_MAX]; bool fenced; };
extern Started started[THREADS_MAX];

inline unsigned thread() { return self->index.x; }

// Number (row, k) of a matrix in shared memory whose rows are along k, by its descriptor. PTX ISA, matrix descriptor and canonical
// layouts: bits 0..13 start, 32..45 the distance of eight rows, both without their last four bits; 49..51 the base offset; 62..63
// the swizzle, of which 1 (128 bytes) is known here. The other distance has no meaning in this layout.
inline float described(unsigned long long descriptor, unsigned row, unsigned k) {
    unsigned start = (descriptor & 0x3fff) << 4, eight_rows = (descriptor >> 32 & 0x3fff) << 4;
    if (descriptor >> 62 != 1) fail("a descriptor has another swizzle than 128 bytes");
    if ((descriptor >> 49 & 7) != (start >> 7 & 7)) fail("a matrix does not begin where the swizzle's pattern does");
    unsigned address = swizzled(start + row / 8 * eight_rows + row % 8 * 128 + k * 2);
    unsigned short bits;
    memcpy(&bits, shared_at(address, 2), 2);
    return bf16_value(bits);
}

// PTX ISA, fragments of wgmma.m64nNk16. A: as mma.m16n8k16 has it, warp w holding rows 16w..16w + 15.
// D: number i of lane 4g + t is row 16w + g + 8 (i / 2 % 2), column 8 (i / 4) + 2t + i % 2.
inline void multiply(Group& group, unsigned number) {
    static float a[64][16], b[128][16];
    Product &product = group.products[number % OPERATIONS_MAX], &after = group.products[(number + 1) % OPERATIONS_MAX];
    for (unsigned row = 0; row < 64; ++row)
        for (unsigned k = 0; k < 16; ++k) {
            unsigned lane = row / 16 * 32 + row % 8 * 4 + k % 8 / 2, word = k / 8 * 2 + row % 16 / 8;
            a[row][k] = product.from_registers ? bf16_value(product.fragments[lane][word] >> (k % 2 * 16) & 0xffff) : described(product.a, row, k);
        }
    for (unsigned column = 0; column < 128; ++column)
        for (unsigned k = 0; k < 16; ++k) b[column][k] = described(product.b, column, k);
    for (unsigned thread = 0; thread < 128; ++thread) {
        // Where the next product adds to the same sums, they are still nobody's to read.
        bool chained = after.number == number + 1 && after.sums[thread] == product.sums[thread];
        float* sums = chained ? after.kept[thread] : product.sums[thread];
        for (unsigned i = 0; i < 64; ++i) {
            unsigned row = thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + thread % 4 * 2 + i % 2;
            float sum = product.add ? product.kept[thread][i] : 0.0f;
            for (unsigned k = 0; k < 16; ++k) sum += a[row][k] * b[column][k];
            sums[i] = sum;
        }
    }
    product.done = true;
    ++progress;
}

inline void start_product(float (&d)[64], const unsigned* fragments, unsigned long long a, unsigned long long b, int add) {
    Started& mine = started[thread()];
    Group& group = groups[thread() / 128];
    if (!mine.fenced) fail("a product starts without a fence after its registers were free");
    unsigned number = ++mine.products, of_group = thread() % 128;
    Product& product = group.products[number % OPERATIONS_MAX];
    if (product.number != number) {
        if (product.number != 0 && !product.done) fail("more products were started than the shim keeps");
        memset(product.sums, 0, sizeof product.sums);
        product.number = number;
        product.arrived = 0;
        product.done = false;
        product.a = a;
        product.b = b;
        product.add = add != 0;
        product.from_registers = fragments != nullptr;
    }
    bool same = product.b == b && product.add == (add != 0) && product.from_registers == (fragments != nullptr);
    if (!same || (!fragments && product.a != a)) fail("threads of one group start different products");
    if (fragments) memcpy(product.fragments[of_group], fragments, 16);
    const Product& before = group.products[(number - 1) % OPERATIONS_MAX];
    bool chained = number > 1 && before.number == number - 1 && !before.done && before.sums[of_group] == d;
    if (!chained) memcpy(product.kept[of_group], d, sizeof d);
    product.sums[of_group] = d;
    for (float& sum : d) sum = NAN;
    ++product.arrived;
    ++progress;
}

// Waits until at most `left` of the thread's committed groups run.
inline void wait_products(unsigned left) {
    Started& mine = started[thread()];
    mine.fenced = false;
    if (mine.committed <= left) return;
    unsigned until = mine.ends[(mine.committed - 1 - left) % OPERATIONS_MAX];
    for (; mine.waited < until; ++mine.waited) {
        Group& group = groups[thread() / 128];
        Product& product = group.products[(mine.waited + 1) % OPERATIONS_MAX];
        while (product.arrived < 128) yield();
        if (!product.done) multiply(group, mine.waited + 1);
    }
}

// A barrier of some of a block's threads.
struct Named { unsigned arrived, turn; };
extern Named named[16];

// Before a block, and what is still running after it.
inline void begin_block() {
    copies_count = 0;
    state = 1 + block.x + 7 * block.y;
    fence_is_due = false;
    memset(named, 0, sizeof named);
    memset(started, 0, sizeof started);
    begin_pieces();
    for (auto& group : groups)
        for (auto& product : group.products) product.number = product.arrived = 0;
}
inline const char* left_running(unsigned threads) {
    if (copies_count > 0 || pieces_left(threads)) return "a block ends before its copies";
    for (unsigned i = 0; i < threads; ++i)
        if (started[i].waited != started[i].products) return "a block ends before its products";
    return nullptr;
}
}  // namespace shim

inline void mbarrier_init(unsigned barrier, unsigned arrivals) {
    if (barrier % 8 != 0) shim::fail("a barrier is not at a multiple of 8 bytes");
    if (arrivals == 0 || arrivals >= 1 << 20) shim::fail("a barrier expects no arrivals, or too many");
    ((shim::Barrier*)shim::shared_at(barrier, 8))->set(0, arrivals, arrivals, 0);
    shim::fence_is_due = true;
}
inline void fence_mbarrier_init() { shim::fence_is_due = false; }
inline void mbarrier_arrive(unsigned barrier) { shim::barrier_count(barrier, 1, 0); }
inline void mbarrier_arrive_expect(unsigned barrier, unsigned bytes) {
    shim::barrier_count(barrier, 0, (int)bytes);
    shim::barrier_count(barrier, 1, 0);
}
// The phase of this parity is complete where the current one has the other.
inline bool mbarrier_try_wait(unsigned barrier, unsigned parity) { return shim::barrier_at(barrier)->phase() != parity; }
inline void mbarrier_wait(unsigned barrier, unsigned parity) {
    if (parity > 1) shim::fail("a parity is neither 0 nor 1");
    while (!mbarrier_try_wait(barrier, parity)) shim::yield();
    ++shim::progress;
}

inline void tma_load_2d(unsigned to, const TensorMap* map, int x, int y, unsigned barrier) {
    shim::Copy copy = {{}, to, x, y, barrier};
    memcpy(&copy.map, map, sizeof copy.map);
    if ((uintptr_t)map % 64 != 0) shim::fail("a map is not at a multiple of 64 bytes");
    if (copy.map.magic != shim::MAP_MAGIC) shim::fail("a copy uses a map that was not made");
    if (shim::fence_is_due) shim::fail("a copy starts without a fence after its barrier was made");
    if (to % 128 != 0) shim::fail("a copy goes to no multiple of 128 bytes");
    unsigned bytes = copy.map.box_rows * copy.map.box_columns * copy.map.element_bytes;
    memset(shim::shared_at(to, bytes), 0xff, bytes);
    if (shim::copies_count == shim::OPERATIONS_MAX) shim::fail("more copies run than the shim keeps");
    shim::barrier_at(barrier);
    shim::copies[shim::copies_count++] = copy;
    ++shim::progress;
    if (shim::drawn() % 4 == 0) shim::land(shim::drawn() % shim::copies_count);
}
inline void tma_prefetch(const TensorMap*) {}

inline void sync_threads(int id, int threads) {
    if (id < 0 || id > 15 || threads % 32 != 0) shim::fail("a barrier of some threads has a wrong number");
    shim::Named& barrier = shim::named[id];
    unsigned turn = barrier.turn;
    ++shim::progress;
    if (++barrier.arrived == (unsigned)threads) {
        barrier.arrived = 0;
        ++barrier.turn;
    }
    while (barrier.turn == turn) shim::yield();
}

template <int N> inline void give_registers() { static_assert(N % 8 == 0 && N >= 24 && N <= 256, "as PTX ISA bounds it"); }
template <int N> inline void take_registers() { static_assert(N % 8 == 0 && N >= 24 && N <= 256, "as PTX ISA bounds it"); }

inline void wgmma_fence() { shim::started[shim::thread()].fenced = true; }
inline void wgmma_commit() {
    shim::Started& mine = shim::started[shim::thread()];
    mine.ends[mine.committed++ % shim::OPERATIONS_MAX] = mine.products;
}
template <int N> inline void wgmma_wait() { shim::wait_products(N); }
inline void wgmma_128(float (&d)[64], unsigned long long a, unsigned long long b, int add) { shim::start_product(d, nullptr, a, b, add); }
inline void wgmma_128(float (&d)[64], const unsigned (&a)[4], unsigned long long b, int add) { shim::start_product(d, a, 0, b, add); }

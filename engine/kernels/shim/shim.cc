// All kernels in one library for a CPU: `shim_launch` runs one by its name. Built by `engine/scripts/shim.sh`.
#include "shim.h"

#include <mutex>
#include <ucontext.h>

#include "../common.cuh"
#include "../rows.cu"
#include "../matmul.cu"
#include "../experts.cu"
#include "../attention.cu"
#include "../sample.cu"
#include "../ampere.cuh"
#include "ampere.h"
#include "../prompts.cu"
#include "../hopper.cuh"
#include "hopper.h"
#include "../wgmma.cu"
#include "probes.cu"

namespace shim {
Fiber fibers[THREADS_MAX];
Warp warps[THREADS_MAX / 32];
Fiber* self;
Index block, grid, block_size;
alignas(16) unsigned char dynamic[SHARED_BYTES];
unsigned shared_bytes;
unsigned long progress;
Copy copies[OPERATIONS_MAX];
unsigned copies_count;
bool fence_is_due;
unsigned long long state;
Group groups[GROUPS_MAX];
Started started[THREADS_MAX];
Pieces pieces[THREADS_MAX];
Named named[16];
static const char* failure;

// Between threads nobody can yield: whoever asked catches it.
void fail(const char* why) {
    failure = why;
    if (!self) throw why;
    for (;;) yield();
}

float bf16_value(unsigned bits) {
    unsigned wide = bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

unsigned bf16_bits(float value) {
    unsigned bits;
    memcpy(&bits, &value, 4);
    if (value != value) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static void (*body)(const void*);
static const void* arguments;

#if defined(__x86_64__)
static void* scheduler;
extern "C" void shim_switch(void** save, void* load);
asm(R"(
.text
.globl shim_switch
.hidden shim_switch
shim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
void yield() { shim_switch(&self->stack_pointer, scheduler); }
static void resume(Fiber& fiber) {
    self = &fiber;
    shim_switch(&scheduler, fiber.stack_pointer);
    self = nullptr;
}
static void entry() {
    body(arguments);
    self->done = true;
    for (;;) yield();
}
static void prepare(Fiber& fiber) {
    void** top = (void**)(((uintptr_t)fiber.stack + STACK) & ~(uintptr_t)15);
    top[-2] = (void*)entry;
    fiber.stack_pointer = top - 8;
}
#else
static ucontext_t scheduler, contexts[THREADS_MAX];
void yield() { swapcontext(&contexts[self - fibers], &scheduler); }
static void resume(Fiber& fiber) {
    self = &fiber;
    swapcontext(&scheduler, &contexts[&fiber - fibers]);
    self = nullptr;
}
static void entry() {
    body(arguments);
    self->done = true;
    for (;;) yield();
}
static void prepare(Fiber& fiber) {
    ucontext_t& context = contexts[&fiber - fibers];
    getcontext(&context);
    context.uc_stack.ss_sp = fiber.stack;
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}
#endif

// A lane that is done no longer counts for its warp's meetings.
static void retire(Warp& warp) {
    --warp.live;
    if (warp.live > 0 && warp.arrived == warp.live) {
        warp.arrived = 0;
        ++warp.turn;
    }
}

// Until every lane of the warp is done, at the block's barrier, or waits for others.
static void run_warp(unsigned w, unsigned threads) {
    for (unsigned idle = 0; idle < 2;) {
        unsigned long before = progress;
        bool open = false;
        for (unsigned i = w * 32; i < threads && i < w * 32 + 32; ++i) {
            Fiber& fiber = fibers[i];
            if (fiber.done || fiber.at_barrier) continue;
            open = true;
            resume(fiber);
            if (failure) return;
            if (!fiber.done) continue;
            retire(warps[w]);
            ++progress;
        }
        if (!open) return;
        idle = progress != before ? 0 : idle + 1;
    }
}

static bool run_block(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
        Fiber& fiber = fibers[i];
        if (!fiber.stack) fiber.stack = (char*)malloc(STACK);
        fiber.index = {i, 0, 0};
        fiber.done = fiber.at_barrier = false;
        prepare(fiber);
    }
    for (unsigned w = 0; w * 32 < threads; ++w) {
        warps[w].arrived = warps[w].turn = 0;
        warps[w].live = threads - w * 32 < 32 ? threads - w * 32 : 32;
    }
    begin_block();
    for (;;) {
        unsigned waiting = 0, done = 0;
        unsigned long before = progress;
        for (unsigned w = 0; w * 32 < threads; ++w) run_warp(w, threads);
        if (failure) return false;
        for (unsigned i = 0; i < threads; ++i) {
            done += fibers[i].done;
            waiting += fibers[i].at_barrier;
        }
        if (done == threads) {
            failure = left_running(threads);
            return !failure;
        }
        if (done + waiting == threads) {
            for (unsigned i = 0; i < threads; ++i) fibers[i].at_barrier = false;
        } else if (progress == before) {
            // Nobody can go on before a copy lands. Without one, lanes wait for what others never do.
            if (copies_count == 0) return false;
            try {
                land(drawn() % copies_count);
            } catch (const char*) {
                return false;
            }
        }
    }
}

template <typename A, void (*F)(A)> void call(const void* arguments) { F(*(const A*)arguments); }
struct Entry { const char* name; void (*body)(const void*); unsigned bytes, shared; };
#define K(name, A) {#name, call<A, name>, sizeof(A), 48 << 10}
#define LARGE(name) {#name, call<WgmmaArgs, name>, sizeof(WgmmaArgs), SHARED_BYTES}
#define BY_KIND(kind) K(matmul_##kind, MatmulArgs), K(gated_##kind, MatmulArgs)
#define BY_TILE(kind, tile) BY_KIND(kind##_##tile)
#define BY_TILES(kind) \
    BY_TILE(kind, few8), BY_TILE(kind, few16), BY_TILE(kind, few32), BY_TILE(kind, many), BY_TILE(kind, many_exact)
static const Entry entries[] = {
    K(embed_f32, EmbedArgs), K(embed_f16, EmbedArgs), K(embed_bf16, EmbedArgs), K(rms_norm, NormArgs),
    K(bias_clip, BiasArgs), K(rope, RopeArgs), K(latent_write_f32, LatentWriteArgs),
    K(latent_write_bf16, LatentWriteArgs), K(pair_write_f32, PairWriteArgs), K(pair_write_bf16, PairWriteArgs),
    K(gather_f32, GatherArgs), K(gather_bf16, GatherArgs), K(copy_rows, CopyRowsArgs), K(copy_part, CopyPartArgs), K(narrow_rows, NarrowArgs),
    K(silu_multiply, SiluArgs), K(open_gate, OpenArgs), K(random_fill, RandomArgs),
    BY_KIND(f32), BY_KIND(f16), BY_KIND(bf16), BY_KIND(f8), BY_TILES(bf16), BY_TILES(f8),
    K(route, RouteArgs), K(group_pairs, GroupArgs), K(combine, CombineArgs),
    K(terms, TermsArgs), LARGE(wgmma_matmul_bf16), LARGE(wgmma_gated_bf16), LARGE(wgmma_matmul_bf16_exact),
    LARGE(wgmma_gated_bf16_exact), LARGE(wgmma_matmul_f8), LARGE(wgmma_gated_f8), LARGE(wgmma_matmul_f8_exact),
    LARGE(wgmma_gated_f8_exact), PROBES
    K(latent_decode_f32, LatentArgs), K(latent_decode_bf16, LatentArgs), K(merge, MergeArgs),
    K(attend_f32_f32, AttendArgs), K(attend_bf16_bf16, AttendArgs), K(attend_f32_bf16, AttendArgs),
    K(attend_prompt_64_64, PromptArgs), K(attend_prompt_128_128, PromptArgs), K(attend_prompt_192_128, PromptArgs),
    K(argmax, ArgmaxArgs), K(next_step, StepArgs),
};
}  // namespace shim

// What the last launch of this thread did wrong.
static thread_local const char* told;

// Runs a kernel: 0, or 1 where there is none of this name, 2 where its arguments have another size, 3 where the launch is out
// of bounds, 4 where threads wait for each other forever, 5 where `shim_failure` says what is wrong.
extern "C" int shim_launch(const char* name, const unsigned grid[3], unsigned threads, unsigned shared, const void* arguments, unsigned bytes) {
    static std::mutex one_at_a_time;
    std::lock_guard<std::mutex> guard(one_at_a_time);
    for (const auto& entry : shim::entries) {
        if (strcmp(entry.name, name) != 0) continue;
        if (entry.bytes != bytes) return 2;
        if (threads == 0 || threads > shim::THREADS_MAX || threads % 32 != 0 || shared > entry.shared) return 3;
        if (grid[1] > 65535 || grid[2] > 65535) return 3;
        shim::body = entry.body;
        shim::arguments = arguments;
        shim::grid = {grid[0], grid[1], grid[2]};
        shim::block_size = {threads, 1, 1};
        shim::shared_bytes = shared;
        shim::failure = nullptr;
        for (unsigned z = 0; z < grid[2]; ++z)
            for (unsigned y = 0; y < grid[1]; ++y)
                for (unsigned x = 0; x < grid[0]; ++x) {
                    shim::block = {x, y, z};
                    memset(shim::dynamic, 0xff, shared);
                    if (shim::run_block(threads)) continue;
                    told = shim::failure;
                    return told ? 5 : 4;
                }
        return 0;
    }
    return 1;
}

extern "C" const char* shim_kernel(unsigned at) {
    return at < sizeof(shim::entries) / sizeof(*shim::entries) ? shim::entries[at].name : nullptr;
}

extern "C" const char* shim_failure() { return told; }

// Makes a map as cuTensorMapEncodeTiled does, whose bounds it keeps: 0, or 1 where one is broken. `stride`: bytes from row to row.
extern "C" int shim_tensor_map(void* map, unsigned long long address, unsigned element, unsigned long long columns,
                               unsigned long long rows, unsigned long long stride, unsigned box_columns, unsigned box_rows) {
    bool fits = address % 16 == 0 && stride % 16 == 0 && stride < 1ull << 40 && columns > 0 && rows > 0 && columns <= 1ull << 32 &&
                rows <= 1ull << 32 && box_columns > 0 && box_columns <= 256 && box_rows > 0 && box_rows <= 256 &&
                (element == 1 || element == 2) && box_columns * element <= 128;
    if (!fits) return 1;
    shim::Map made = {address, columns, rows, stride, element, box_columns, box_rows, 1, shim::MAP_MAGIC};
    memset(map, 0, sizeof(TensorMap));
    memcpy(map, &made, sizeof made);
    return 0;
}

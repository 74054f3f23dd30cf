// The instructions of `../ampere.cuh` on a CPU, from the definitions in PTX ISA.
//
// A copy's place holds NaN from its start until its thread waits for its group: so a missing wait or barrier, and a place given
// back while others still read it, are wrong numbers. A copy that nobody waits for ends the launch with an error.
#pragma once

namespace shim {
// Copies of one thread that have not landed, oldest first, and how many of them each open group holds.
struct Piece { unsigned to; const void* from; bool there; };
struct Pieces {
    enum : unsigned { MAX = 128 };
    Piece waiting[MAX];
    unsigned count, committed;  // `committed`: of these, how many are in a group
    unsigned groups[MAX], groups_count;
};
extern Pieces pieces[THREADS_MAX];

inline void begin_pieces() {
    for (auto& mine : pieces) mine.count = mine.committed = mine.groups_count = 0;
}
inline bool pieces_left(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i)
        if (pieces[i].count > 0) return true;
    return false;
}

// The oldest groups land until at most `left` are open.
inline void land_pieces(unsigned left) {
    Pieces& mine = pieces[self->index.x];
    unsigned landed = 0, groups = mine.groups_count > left ? mine.groups_count - left : 0;
    for (unsigned i = 0; i < groups; ++i) landed += mine.groups[i];
    for (unsigned i = 0; i < landed; ++i) {
        const Piece& piece = mine.waiting[i];
        unsigned char* to = shared_at(piece.to, 16);
        if (piece.there) memcpy(to, piece.from, 16);
        else memset(to, 0, 16);
    }
    mine.count -= landed;
    mine.committed -= landed;
    mine.groups_count -= groups;
    memmove(mine.waiting, mine.waiting + landed, mine.count * sizeof(Piece));
    memmove(mine.groups, mine.groups + groups, mine.groups_count * sizeof(unsigned));
    ++progress;
}

// The rows of four matrices: where each lane's begins. All lanes of the warp are needed.
inline void gather_rows(unsigned (&rows)[32], unsigned row) {
    if (row % 16 != 0) fail("a matrix' row does not begin at a multiple of 16 bytes");
    shared_at(row, 16);
    Warp& w = warp();
    if (w.live != 32) fail("a matrix needs all lanes of a warp");
    w.words[w.turn & 1][lane()][0] = row;
    auto& all = w.words[meet()];
    for (unsigned i = 0; i < 32; ++i) rows[i] = all[i][0];
}

inline unsigned half_word(unsigned address) {
    unsigned short bits;
    memcpy(&bits, shared_at(address, 2), 2);
    return bits;
}
}  // namespace shim

inline void copy_async(unsigned to, const void* from, bool there) {
    shim::Pieces& mine = shim::pieces[shim::self->index.x];
    if (to % 16 != 0 || (uintptr_t)from % 16 != 0) shim::fail("a copy of 16 bytes is not aligned");
    memset(shim::shared_at(to, 16), 0xff, 16);
    if (mine.count == shim::Pieces::MAX) shim::fail("a thread starts more copies than the shim keeps");
    mine.waiting[mine.count++] = {to, from, there};
}
inline void commit_copies() {
    shim::Pieces& mine = shim::pieces[shim::self->index.x];
    if (mine.groups_count == shim::Pieces::MAX) shim::fail("a thread opens more groups than the shim keeps");
    mine.groups[mine.groups_count++] = mine.count - mine.committed;
    mine.committed = mine.count;
}
template <int N> inline void wait_copies() { shim::land_pieces(N); }

inline void load_fragments(unsigned (&to)[4], unsigned row) {
    unsigned rows[32], lane = shim::lane();
    shim::gather_rows(rows, row);
    for (unsigned i = 0; i < 4; ++i) {
        unsigned at = rows[8 * i + lane / 4] + lane % 4 * 4;
        to[i] = shim::half_word(at) | shim::half_word(at + 2) << 16;
    }
}
inline void load_fragments_transposed(unsigned (&to)[4], unsigned row) {
    unsigned rows[32], lane = shim::lane();
    shim::gather_rows(rows, row);
    for (unsigned i = 0; i < 4; ++i) {
        unsigned upper = 8 * i + lane % 4 * 2, column = lane / 4 * 2;
        to[i] = shim::half_word(rows[upper] + column) | shim::half_word(rows[upper + 1] + column) << 16;
    }
}
inline float power_of_two(float x) { return std::exp2(x); }

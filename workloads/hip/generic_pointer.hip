//! Memory behind pointers of which the compiler does not know what they point to, and functions that are called.
//!
//! A pointer made of a number is generic (a pointer that a kernel is given, or finds in memory that it is given, the compiler takes for
//! one to global memory): reading through it is `flat_load`. gfx1030 code adds the field's offset inside that
//! instruction. gfx1010 ignores this offset on global memory (LLVM's FeatureFlatSegmentOffsetBug), so its code adds beforehand, and gfx1030
//! code that runs on a gfx1010 card reads the wrong field. The test `fields` is that case.
#include "check.h"

#include <algorithm>
#include <numeric>

namespace {

using check::Buffer;
using check::Random;
using check::report;
using check::same;
using std::to_string;

constexpr int block = 64;

/// Fields of every width that one load can have, none at the start but the first.
struct Record {
    int64_t first;
    int32_t word;
    float real;
    int16_t half_word;
    int8_t byte;
    uint8_t unsigned_byte;
    uint16_t unsigned_half_word;
    double wide;
    float vector[4];
    int32_t last;
};

/// A whole number made of all fields: any field read from elsewhere changes it. It wraps.
__host__ __device__ inline uint64_t digest(const Record &r) {
    uint64_t sum = static_cast<uint64_t>(r.first);
    const auto add = [&](int64_t value) { sum = sum * 31 + static_cast<uint64_t>(value); };
    add(r.word);
    add(static_cast<int64_t>(r.real));
    add(r.half_word);
    add(r.byte);
    add(r.unsigned_byte);
    add(r.unsigned_half_word);
    add(static_cast<int64_t>(r.wide));
    for (int i = 0; i < 4; ++i) add(static_cast<int64_t>(r.vector[i]));
    add(r.last);
    return sum;
}

std::vector<Record> records(size_t count, uint64_t seed) {
    Random random(seed);
    std::vector<Record> out(count);
    for (Record &r : out) {
        r = Record{};
        r.first = random.between(-1000, 1000);
        r.word = static_cast<int>(random.between(-1000000, 1000000));
        r.real = static_cast<float>(random.between(-1000, 1000));
        r.half_word = static_cast<int16_t>(random.between(-32768, 32767));
        r.byte = static_cast<int8_t>(random.between(-128, 127));
        r.unsigned_byte = static_cast<uint8_t>(random.between(0, 255));
        r.unsigned_half_word = static_cast<uint16_t>(random.between(0, 65535));
        r.wide = static_cast<double>(random.between(-1000000, 1000000));
        for (float &v : r.vector) v = static_cast<float>(random.between(-1000, 1000));
        r.last = static_cast<int>(random.between(-1000, 1000));
    }
    return out;
}

std::vector<uint64_t> digests(const std::vector<Record> &all) {
    std::vector<uint64_t> out;
    for (const Record &r : all) out.push_back(digest(r));
    return out;
}

// ---- global memory ----------------------------------------------------------------------------------------------------

/// Addresses come as numbers, so nothing says in which memory the records are.
__global__ void read_fields(const uint64_t *addresses, uint64_t *out, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = digest(*reinterpret_cast<const Record *>(addresses[i]));
}

__global__ void write_fields(const uint64_t *addresses, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    Record *r = reinterpret_cast<Record *>(addresses[i]);
    r->first = i;
    r->word = i * 3;
    r->real = static_cast<float>(i) / 2;
    r->half_word = static_cast<int16_t>(-i);
    r->byte = static_cast<int8_t>(i);
    r->unsigned_byte = static_cast<uint8_t>(i * 5);
    r->unsigned_half_word = static_cast<uint16_t>(i * 7);
    r->wide = i * 0.25;
    for (int j = 0; j < 4; ++j) r->vector[j] = static_cast<float>(i * 4 + j);
    r->last = ~i;
}

/// The addresses of all records, the last one first.
std::vector<uint64_t> addresses_in(const Record *start, size_t count) {
    std::vector<uint64_t> out;
    for (size_t i = 0; i < count; ++i) out.push_back(reinterpret_cast<uint64_t>(start + (count - 1 - i)));
    return out;
}

void fields() {
    const int count = 300;
    auto all = records(count, 1);
    Buffer<Record> memory(all);
    Buffer<uint64_t> addresses(addresses_in(memory.get(), count));
    Buffer<uint64_t> out(count);
    read_fields<<<check::blocks_for(count, block), block>>>(addresses.get(), out.get(), count);
    std::vector<uint64_t> want = digests(all);
    std::reverse(want.begin(), want.end());
    same("fields", "read", out.download(), want);
}

void stores() {
    const int count = 300;
    std::vector<Record> want(count);
    std::memset(static_cast<void *>(want.data()), 0, count * sizeof(Record));
    Buffer<Record> memory(want);
    Buffer<uint64_t> addresses(addresses_in(memory.get(), count));
    write_fields<<<check::blocks_for(count, block), block>>>(addresses.get(), count);
    for (int i = 0; i < count; ++i) {
        Record &r = want[count - 1 - i];
        r.first = i;
        r.word = i * 3;
        r.real = static_cast<float>(i) / 2;
        r.half_word = static_cast<int16_t>(-i);
        r.byte = static_cast<int8_t>(i);
        r.unsigned_byte = static_cast<uint8_t>(i * 5);
        r.unsigned_half_word = static_cast<uint16_t>(i * 7);
        r.wide = i * 0.25;
        for (int j = 0; j < 4; ++j) r.vector[j] = static_cast<float>(i * 4 + j);
        r.last = ~i;
    }
    // As bytes: what lies between the fields must not change either.
    const std::vector<Record> got = memory.download();
    std::vector<uint8_t> got_bytes(count * sizeof(Record)), want_bytes(got_bytes.size());
    std::memcpy(got_bytes.data(), got.data(), got_bytes.size());
    std::memcpy(want_bytes.data(), want.data(), want_bytes.size());
    same("stores", "bytes", got_bytes, want_bytes);
}

struct Node {
    int64_t padding[3];
    Node *next;
    int32_t value;
};

__global__ void walk(const uint64_t *heads, uint64_t *out) {
    uint64_t sum = 0;
    for (const Node *node = reinterpret_cast<const Node *>(heads[threadIdx.x]); node; node = node->next) sum = sum * 3 + static_cast<uint64_t>(int64_t{node->value});
    out[threadIdx.x] = sum;
}

/// Each lane follows its own list of its own length.
void linked_list() {
    const int lists = 64, nodes = 1000;
    Random random(2);
    Buffer<Node> memory(nodes);
    std::vector<Node> all(nodes);
    std::vector<Node *> heads(lists, nullptr);
    std::vector<std::vector<int>> values(lists);
    for (int i = 0; i < nodes; ++i) {
        const int list = static_cast<int>(random.between(0, lists / 2) + random.between(0, lists / 2 - 1));
        all[i] = Node{{-1, -2, -3}, heads[list], static_cast<int>(random.between(-50, 50))};
        heads[list] = memory.get() + i;
        values[list].push_back(all[i].value);
    }
    memory.upload(all);
    std::vector<uint64_t> addresses;
    for (const Node *head : heads) addresses.push_back(reinterpret_cast<uint64_t>(head));
    Buffer<uint64_t> starts(addresses);
    Buffer<uint64_t> out(lists);
    walk<<<1, lists>>>(starts.get(), out.get());
    std::vector<uint64_t> want;
    for (const auto &list : values) {
        uint64_t sum = 0; // wraps
        for (auto value = list.rbegin(); value != list.rend(); ++value) sum = sum * 3 + static_cast<uint64_t>(int64_t{*value});
        want.push_back(sum);
    }
    same("linked_list", "lists=64 nodes=1000", out.download(), want);
}

// ---- global, LDS and scratch through one pointer ----------------------------------------------------------------------

/// Lanes choose by a value that only the running kernel knows whether they look at LDS or at global memory.
__global__ void read_either(const Record *in, const int *choice, uint64_t *out) {
    __shared__ Record local[block];
    local[threadIdx.x] = in[block + threadIdx.x];
    __syncthreads();
    const int other = (threadIdx.x * 7 + 3) % block;
    const Record *where = choice[threadIdx.x] ? &local[other] : &in[other];
    out[threadIdx.x] = digest(*where);
}

__global__ void write_either(int *global, const int *choice, int *copy) {
    __shared__ int local[2 * block];
    local[threadIdx.x] = -1;
    local[block + threadIdx.x] = -2;
    __syncthreads();
    int *where = choice[threadIdx.x] ? local : global;
    where[block + threadIdx.x] = threadIdx.x * 11;
    __syncthreads();
    copy[threadIdx.x] = local[threadIdx.x];
    copy[block + threadIdx.x] = local[block + threadIdx.x];
}

__global__ void add_to_either(int *global, const int *choice, int *copy) {
    __shared__ int local[4];
    if (threadIdx.x < 4) local[threadIdx.x] = 100;
    __syncthreads();
    int *where = choice[threadIdx.x] ? local : global;
    atomicAdd(&where[threadIdx.x % 4], static_cast<int>(threadIdx.x));
    atomicMax(&where[3], static_cast<int>(threadIdx.x) * 40);
    __syncthreads();
    if (threadIdx.x < 4) copy[threadIdx.x] = local[threadIdx.x];
}

void either_memory() {
    Random random(3);
    const auto choice = check::fill<int>(block, [&] { return random.bits() & 1; });
    const auto all = records(2 * block, 4);
    Buffer<int> choices(choice);
    Buffer<Record> memory(all);
    Buffer<uint64_t> out(block);
    read_either<<<1, block>>>(memory.get(), choices.get(), out.get());
    std::vector<uint64_t> want;
    for (int i = 0; i < block; ++i) want.push_back(digest(all[(i * 7 + 3) % block + (choice[i] ? block : 0)]));
    same("either_memory", "read", out.download(), want);

    Buffer<int> global(std::vector<int>(2 * block, -3)), copy(2 * block);
    write_either<<<1, block>>>(global.get(), choices.get(), copy.get());
    std::vector<int> want_global(2 * block, -3), want_local(2 * block, -1);
    for (int i = 0; i < block; ++i) {
        want_local[block + i] = choice[i] ? i * 11 : -2;
        if (!choice[i]) want_global[block + i] = i * 11;
    }
    same("either_memory", "written_to_global", global.download(), want_global);
    same("either_memory", "written_to_lds", copy.download(), want_local);

    Buffer<int> sums(std::vector<int>(4, 200)), local_sums(4);
    add_to_either<<<1, block>>>(sums.get(), choices.get(), local_sums.get());
    // Adding and taking the greater meet only in the last word, where the order matters: it is left out.
    std::vector<int> got = sums.download(), got_local = local_sums.download(), want_sums(3, 200), want_local_sums(3, 100);
    for (int i = 0; i < block; ++i) {
        if (i % 4 < 3) (choice[i] ? want_local_sums : want_sums)[i % 4] += i;
    }
    got.resize(3);
    got_local.resize(3);
    same("either_memory", "atomics_on_global", got, want_sums);
    same("either_memory", "atomics_on_lds", got_local, want_local_sums);
}

// ---- calls and the stack ----------------------------------------------------------------------------------------------

/// Reads through a generic pointer into whatever memory the caller has.
__device__ __noinline__ unsigned sum_of(const int *values, int count) {
    unsigned sum = 0;
    for (int i = 0; i < count; ++i) sum = sum * 5 + static_cast<unsigned>(values[i]);
    return sum;
}

/// Writes into the caller's memory.
__device__ __noinline__ void scramble(int *values, int count, int seed) {
    for (int i = 0; i < count; ++i) values[(i * 5 + seed) % count] = seed * 100 + i;
}

unsigned sum_on_host(const std::vector<int> &values) {
    unsigned sum = 0;
    for (int value : values) sum = sum * 5 + static_cast<unsigned>(value);
    return sum;
}

/// The same function is given scratch, LDS and global memory.
__global__ void call_with_any_memory(const int *global, unsigned *out) {
    __shared__ int local[16];
    if (threadIdx.x < 16) local[threadIdx.x] = global[threadIdx.x] * 2;
    __syncthreads();
    int own[16];
    scramble(own, 16, static_cast<int>(threadIdx.x) % 7);
    out[3 * threadIdx.x] = sum_of(own, 16);
    out[3 * threadIdx.x + 1] = sum_of(local, 16);
    out[3 * threadIdx.x + 2] = sum_of(global + threadIdx.x % 4, 12);
}

/// Depth differs by lane, and every level has words of its own on the stack.
__device__ __noinline__ int descend(int depth, int seed) {
    int own[4] = {seed, seed + 1, seed + 2, seed + 3};
    if (depth > 0) own[depth & 3] += descend(depth - 1, seed * 3 + 1) - descend(depth / 2 - 1, seed + 7);
    return own[0] + 2 * own[1] + 3 * own[2] + own[seed & 3];
}
int descend_on_host(int depth, int seed) {
    std::vector<int> own = {seed, seed + 1, seed + 2, seed + 3};
    if (depth > 0) own[depth & 3] += descend_on_host(depth - 1, seed * 3 + 1) - descend_on_host(depth / 2 - 1, seed + 7);
    return own[0] + 2 * own[1] + 3 * own[2] + own[seed & 3];
}
__global__ void recurse(int *out) { out[threadIdx.x] = descend(static_cast<int>(threadIdx.x) % 6, static_cast<int>(threadIdx.x) % 5); }

__device__ __noinline__ int twice(int x) { return 2 * x; }
__device__ __noinline__ int square(int x) { return x * x; }
__device__ __noinline__ int negate(int x) { return -x; }
using Function = int (*)(int);

/// Lanes of one wave call different functions.
__global__ void call_by_pointer(const int *which, int *out) {
    const Function functions[] = {twice, square, negate};
    out[threadIdx.x] = functions[which[threadIdx.x]](static_cast<int>(threadIdx.x) + 3);
}

/// An array that the compiler cannot keep in registers, indexed by values.
__global__ void spin_scratch(const int *moves, unsigned *out, int count) {
    int own[40];
    for (int i = 0; i < 40; ++i) own[i] = i + static_cast<int>(threadIdx.x);
    int at = 0;
    for (int i = 0; i < count; ++i) {
        at = (at + moves[i] + own[at]) % 40;
        own[at] += i;
    }
    unsigned sum = 0;
    for (int i = 0; i < 40; ++i) sum = sum * 3 + static_cast<unsigned>(own[i]);
    out[threadIdx.x] = sum;
}

void calls() {
    Random random(5);
    const auto global = check::fill<int>(16, [&] { return random.between(0, 100); });
    Buffer<int> memory(global);
    Buffer<unsigned> out(3 * block);
    call_with_any_memory<<<1, block>>>(memory.get(), out.get());
    std::vector<unsigned> want;
    std::vector<int> doubled;
    for (int value : global) doubled.push_back(2 * value);
    for (int t = 0; t < block; ++t) {
        std::vector<int> own(16);
        for (int i = 0; i < 16; ++i) own[(i * 5 + t % 7) % 16] = t % 7 * 100 + i;
        want.push_back(sum_on_host(own));
        want.push_back(sum_on_host(doubled));
        want.push_back(sum_on_host(std::vector<int>(global.begin() + t % 4, global.begin() + t % 4 + 12)));
    }
    same("calls", "scratch,lds,global by one function", out.download(), want);
}

void recursion() {
    Buffer<int> out(block);
    recurse<<<1, block>>>(out.get());
    std::vector<int> want;
    for (int t = 0; t < block; ++t) want.push_back(descend_on_host(t % 6, t % 5));
    same("recursion", "", out.download(), want);
}

void function_pointers() {
    Random random(6);
    const auto which = check::fill<int>(block, [&] { return random.between(0, 2); });
    Buffer<int> choices(which), out(block);
    call_by_pointer<<<1, block>>>(choices.get(), out.get());
    std::vector<int> want;
    for (int t = 0; t < block; ++t) want.push_back(which[t] == 0 ? 2 * (t + 3) : which[t] == 1 ? (t + 3) * (t + 3) : -(t + 3));
    same("function_pointers", "", out.download(), want);
}

void scratch() {
    const int count = 50, threads = 300;
    Random random(7);
    const auto moves = check::fill<int>(count, [&] { return random.between(0, 39); });
    Buffer<int> steps(moves);
    Buffer<unsigned> out(threads);
    spin_scratch<<<1, threads>>>(steps.get(), out.get(), count);
    std::vector<unsigned> want;
    for (int t = 0; t < threads; ++t) {
        std::vector<int> own(40);
        std::iota(own.begin(), own.end(), t);
        int at = 0;
        for (int i = 0; i < count; ++i) {
            at = (at + moves[i] + own[at]) % 40;
            own[at] += i;
        }
        unsigned sum = 0; // wraps
        for (int value : own) sum = sum * 3 + static_cast<unsigned>(value);
        want.push_back(sum);
    }
    same("scratch", "words=40", out.download(), want);
}

bool record_has_fields_at_known_offsets() {
    // What the README says about the code: the fields' offsets within a record.
    return offsetof(Record, word) == 8 && offsetof(Record, real) == 12 && offsetof(Record, half_word) == 16 && offsetof(Record, byte) == 18 &&
           offsetof(Record, unsigned_byte) == 19 && offsetof(Record, unsigned_half_word) == 20 && offsetof(Record, wide) == 24 &&
           offsetof(Record, vector) == 32 && offsetof(Record, last) == 48 && sizeof(Record) == 56;
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "generic_pointer",
                      {{"fields", fields},
                       {"stores", stores},
                       {"linked_list", linked_list},
                       {"either_memory", either_memory},
                       {"calls", calls},
                       {"recursion", recursion},
                       {"function_pointers", function_pointers},
                       {"scratch", scratch}},
                      {{"record_has_fields_at_known_offsets", record_has_fields_at_known_offsets}});
}

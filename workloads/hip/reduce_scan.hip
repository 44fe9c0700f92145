//! Work between lanes, waves and blocks: moves within a wave, reductions, scans, histograms, atomics, random numbers, sorting
//! and transposition.
//!
//! Sums of floats are checked twice: with small whole numbers, whose sums are exact in any order (bound 0), and with real
//! numbers, where the bound is the number of terms in units of the sum of magnitudes (Higham, "Accuracy and Stability of
//! Numerical Algorithms", 4.2: any order of n terms errs by at most (n - 1) u times that sum).
#include "check.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace {

using check::Buffer;
using check::near;
using check::Random;
using check::same;
using std::to_string;

constexpr int block = 256;

template <class T> std::vector<T> whole_numbers(size_t count, int low, int high, uint64_t seed) {
    Random random(seed);
    return check::fill<T>(count, [&] { return random.between(low, high); });
}

template <class T> const char *name_of() {
    if (std::is_same_v<T, float>) return "f32";
    if (std::is_same_v<T, double>) return "f64";
    if (std::is_same_v<T, int>) return "i32";
    return sizeof(T) == 8 ? "u64" : "u32";
}

// ---- moves within a wave ----------------------------------------------------------------------------------------------

__device__ int lane_of_thread() { return threadIdx.x % warpSize; }

__global__ void shuffles(const int *in, int *out, int width) {
    const int i = threadIdx.x, n = blockDim.x;
    const int value = in[i];
    out[i] = __shfl(value, 1, width);
    out[n + i] = __shfl(value, in[i] & (width - 1), width);
    out[2 * n + i] = __shfl_up(value, 1, width);
    out[3 * n + i] = __shfl_down(value, 2, width);
    out[4 * n + i] = __shfl_xor(value, width / 2, width);
}

/// Lanes whose source is outside of their group keep their own value with `up` and `down`. (What an index beyond the width means
/// differs between versions of HIP: none is used.)
void shuffle() {
    const int n = 128;
    const auto in = whole_numbers<int>(n, 0, 1 << 20, 1);
    // Not 64 in waves of 64: see `value_of_lane`.
    for (int width = 2; width <= 32; width *= 2) {
        Buffer<int> source(in), out(5 * n);
        shuffles<<<1, n>>>(source.get(), out.get(), width);
        std::vector<int> want(5 * n);
        for (int i = 0; i < n; ++i) {
            const int group = i / width * width, lane = i % width;
            want[i] = in[group + 1];
            want[n + i] = in[group + in[i] % width];
            want[2 * n + i] = in[lane >= 1 ? i - 1 : i];
            want[3 * n + i] = in[lane + 2 < width ? i + 2 : i];
            want[4 * n + i] = in[group + (lane ^ width / 2)];
        }
        same("shuffle", "i32 width=" + to_string(width), out.download(), want);
    }
}

template <class T> __global__ void shuffle_wide(const T *in, T *out) { out[threadIdx.x] = __shfl_xor(in[threadIdx.x], 5); }

template <class T> void shuffle_wide_case() {
    const auto in = whole_numbers<T>(64, 0, 1 << 30, 2);
    Buffer<T> source(in), out(64);
    shuffle_wide<<<1, 64>>>(source.get(), out.get());
    std::vector<T> want;
    for (int i = 0; i < 64; ++i) want.push_back(in[i ^ 5]);
    same("shuffle", std::string(name_of<T>()) + " xor", out.download(), want);
}

void shuffle_types() {
    shuffle_wide_case<unsigned>();
    shuffle_wide_case<float>();
    shuffle_wide_case<double>();
    shuffle_wide_case<unsigned long long>();
}

#if defined(__AMDGCN__)
/// `value` as data parallel primitives move it; lanes whose source lies outside keep `old`, or get 0 with `zero`.
template <int control, bool zero> __device__ int move_dpp(int old, int value) {
    return __builtin_amdgcn_update_dpp(old, value, control, 0xf, 0xf, zero);
}
#endif

/// Controls of DPP16. Source: "RDNA 2" Instruction Set Architecture, section 13.3.9 (DPP16); LLVM's SIDefines.h (DppCtrl).
enum Dpp { quad_perm = 0x000, row_shl = 0x100, row_shr = 0x110, row_ror = 0x120, row_mirror = 0x140, row_half_mirror = 0x141, row_share = 0x150, row_xmask = 0x160 };

constexpr int dpp_moves = 12, other_moves = 7;

__global__ void dpp_kernel(const int *in, int *out) {
#if defined(__AMDGCN__)
    const int i = threadIdx.x, n = blockDim.x;
    const int value = in[i], old = -1 - i;
    const int moved[dpp_moves] = {move_dpp<quad_perm | 0x1b, false>(old, value),   move_dpp<quad_perm | 0x4e, false>(old, value),
                                  move_dpp<row_shl | 1, false>(old, value),        move_dpp<row_shl | 5, true>(old, value),
                                  move_dpp<row_shr | 1, false>(old, value),        move_dpp<row_shr | 15, true>(old, value),
                                  move_dpp<row_ror | 3, false>(old, value),        move_dpp<row_mirror, false>(old, value),
                                  move_dpp<row_half_mirror, false>(old, value),    move_dpp<row_share | 9, false>(old, value),
                                  move_dpp<row_xmask | 6, false>(old, value),      __builtin_amdgcn_update_dpp(old, value, row_shr | 4, 0x5, 0x3, false)};
    for (int m = 0; m < dpp_moves; ++m) out[m * n + i] = moved[m];
#else
    (void)in;
    (void)out;
#endif
}

__global__ void lane_kernel(const int *in, int *out) {
#if defined(__AMDGCN__)
    const int i = threadIdx.x, n = blockDim.x;
    const int value = in[i];
    out[i] = static_cast<int>(__builtin_amdgcn_permlane16(value, value, 0x76543210, 0x01234567, false, false));
    out[n + i] = static_cast<int>(__builtin_amdgcn_permlanex16(value, value, 0x13579bdf, 0xfdb97531, false, false));
    out[2 * n + i] = __builtin_amdgcn_ds_swizzle(value, 0x18 | 0x02 << 5 | 0x05 << 10);
    out[3 * n + i] = __builtin_amdgcn_ds_swizzle(value, 0x8000 | 0xb1);
    out[4 * n + i] = __builtin_amdgcn_readlane(value, 7) + __builtin_amdgcn_readfirstlane(value);
    out[6 * n + i] = __builtin_amdgcn_ds_bpermute(((i * 5 + 3) & 31) * 4, value);
    out[5 * n + i] = static_cast<int>(__builtin_amdgcn_mbcnt_hi(~0u, __builtin_amdgcn_mbcnt_lo(~0u, 0)));
#else
    (void)in;
    (void)out;
#endif
}

/// What the host expects of one control of DPP, for the lane `i` of a row of 16.
int expected_dpp(const std::vector<int> &in, int i, int control, int row_mask, int bank_mask, bool zero) {
    const int row = i / 16 * 16, lane = i % 16, amount = control & 15, old = -1 - i;
    if (!(row_mask >> (i / 16 % 4) & 1) || !(bank_mask >> (lane / 4) & 1)) return old;
    int from;
    if (control < 0x100) from = lane / 4 * 4 + (control >> (lane % 4 * 2) & 3);
    else if (control == row_mirror) from = 15 - lane;
    else if (control == row_half_mirror) from = lane / 8 * 8 + 7 - lane % 8;
    else switch (control & ~15) {
        case row_shl: from = lane + amount; break;
        case row_shr: from = lane - amount; break;
        case row_ror: from = (lane + 16 - amount) % 16; break;
        case row_share: from = amount; break;
        default: from = lane ^ amount;
        }
    if (from < 0 || from > 15) return zero ? 0 : old;
    return in[row + from];
}

void wave_moves() {
    hipDeviceProp_t properties;
    HIP_CHECK(hipGetDeviceProperties(&properties, 0));
    if (std::strncmp(properties.gcnArchName, "gfx10", 5) != 0) {
        std::printf("skip wave_moves: the moves are those of gfx10\n");
        return;
    }
    const int n = 128, wave = check::wave_size();
    const auto in = whole_numbers<int>(n, 1, 1 << 20, 3);
    Buffer<int> source(in), moved(dpp_moves * n), other(other_moves * n);
    dpp_kernel<<<1, n>>>(source.get(), moved.get());
    lane_kernel<<<1, n>>>(source.get(), other.get());
    struct Move {
        const char *name;
        int control, row_mask, bank_mask;
        bool zero;
    };
    const Move moves[dpp_moves] = {{"quad_perm:[3,2,1,0]", 0x1b, 15, 15, false},     {"quad_perm:[2,3,0,1]", 0x4e, 15, 15, false},
                                   {"row_shl:1", row_shl | 1, 15, 15, false},        {"row_shl:5 bound_ctrl", row_shl | 5, 15, 15, true},
                                   {"row_shr:1", row_shr | 1, 15, 15, false},        {"row_shr:15 bound_ctrl", row_shr | 15, 15, 15, true},
                                   {"row_ror:3", row_ror | 3, 15, 15, false},        {"row_mirror", row_mirror, 15, 15, false},
                                   {"row_half_mirror", row_half_mirror, 15, 15, false}, {"row_share:9", row_share | 9, 15, 15, false},
                                   {"row_xmask:6", row_xmask | 6, 15, 15, false},    {"row_shr:4 row_mask:5 bank_mask:3", row_shr | 4, 5, 3, false}};
    const std::vector<int> got = moved.download();
    for (int m = 0; m < dpp_moves; ++m) {
        std::vector<int> want;
        for (int i = 0; i < n; ++i) {
            // Rows are counted within the wave.
            const int row_mask = wave == 32 ? (moves[m].row_mask & 3) | (moves[m].row_mask & 3) << 2 : moves[m].row_mask;
            want.push_back(expected_dpp(in, i, moves[m].control, row_mask, moves[m].bank_mask, moves[m].zero));
        }
        same("wave_moves", std::string("dpp ") + moves[m].name, std::vector<int>(got.begin() + m * n, got.begin() + (m + 1) * n), want);
    }
    std::vector<int> want(other_moves * n);
    for (int i = 0; i < n; ++i) {
        const int row = i / 16 * 16, lane = i % 16, first = i / wave * wave;
        want[i] = in[row + (lane < 8 ? lane : 15 - lane)];
        const uint64_t select = 0xfdb9753113579bdfu;
        want[n + i] = in[(row ^ 16) + static_cast<int>(select >> (4 * lane) & 15)];
        want[2 * n + i] = in[i / 32 * 32 + ((((i % 32) & 0x18) | 0x02) ^ 0x05)];
        want[3 * n + i] = in[i / 4 * 4 + (0xb1 >> (2 * (i % 4)) & 3)];
        want[4 * n + i] = in[first + 7] + in[first];
        want[5 * n + i] = i % wave;
        want[6 * n + i] = in[i / 32 * 32 + (i * 5 + 3) % 32];
    }
    const std::vector<int> all = other.download();
    const char *names[other_moves] = {"permlane16", "permlanex16", "ds_swizzle masks", "ds_swizzle quad", "readlane", "mbcnt", "ds_bpermute"};
    for (int m = 0; m < other_moves; ++m) {
        same("wave_moves", names[m], std::vector<int>(all.begin() + m * n, all.begin() + (m + 1) * n),
             std::vector<int>(want.begin() + m * n, want.begin() + (m + 1) * n));
    }
}

__global__ void votes(const int *in, unsigned long long *masks, int *any, int *all, int *before) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const bool odd = in[i] & 1;
    const unsigned long long mask = __ballot(odd);
    masks[i] = mask;
    any[i] = __any(in[i] > 900) != 0;
    all[i] = __all(in[i] > 100) != 0;
    before[i] = __popcll(mask & ((1ull << lane_of_thread()) - 1));
}

/// With a last wave that is not full: lanes that do not exist vote for nothing.
void vote() {
    const int threads = 100, blocks = 5, wave = check::wave_size();
    const auto in = whole_numbers<int>(threads * blocks, 0, 1000, 4);
    Buffer<int> source(in), any(in.size()), all(in.size()), before(in.size());
    Buffer<unsigned long long> masks(in.size());
    votes<<<blocks, threads>>>(source.get(), masks.get(), any.get(), all.get(), before.get());
    std::vector<unsigned long long> want_masks;
    std::vector<int> want_any, want_all, want_before;
    for (int i = 0; i < threads * blocks; ++i) {
        const int start = i / threads * threads + i % threads / wave * wave;
        const int end = std::min(start + wave, (i / threads + 1) * threads);
        unsigned long long mask = 0;
        bool some = false, every = true;
        int lower = 0;
        for (int j = start; j < end; ++j) {
            if (in[j] & 1) {
                mask |= 1ull << (j - start);
                if (j < i) ++lower;
            }
            some |= in[j] > 900;
            every &= in[j] > 100;
        }
        want_masks.push_back(mask);
        want_any.push_back(some);
        want_all.push_back(every);
        want_before.push_back(lower);
    }
    same("vote", "ballot", masks.download(), want_masks);
    same("vote", "any", any.download(), want_any);
    same("vote", "all", all.download(), want_all);
    same("vote", "rank_among_set_lanes", before.download(), want_before);
}

// ---- reductions -------------------------------------------------------------------------------------------------------

template <class T> __device__ T sum_in_lds(T value) {
    __shared__ T sums[block];
    const int t = threadIdx.x;
    sums[t] = value;
    __syncthreads();
    for (int half = block / 2; half > 0; half /= 2) {
        if (t < half) sums[t] += sums[t + half];
        __syncthreads();
    }
    const T sum = sums[0];
    __syncthreads();
    return sum;
}

/// The value of one lane for all. Moves by shuffle (ds_bpermute) reach 32 lanes on gfx10, in waves of 64 too, where each half is on
/// its own; this reaches all. Source: "RDNA 2" Instruction Set Architecture, DS_BPERMUTE_B32.
template <class T> __device__ T value_of_lane(T value, int lane) {
#if defined(__AMDGCN__)
    constexpr int words = sizeof(T) / 4;
    int word[words];
    __builtin_memcpy(word, &value, sizeof(T));
    for (int w = 0; w < words; ++w) word[w] = __builtin_amdgcn_readlane(word[w], lane);
    __builtin_memcpy(&value, word, sizeof(T));
    return value;
#else
    return __shfl(value, lane);
#endif
}

/// The sum of the halves of a wide wave, each of which has its own sum in its first lane.
template <class T> __device__ T sum_of_halves(T value) {
    return warpSize == 64 ? value_of_lane(value, 0) + value_of_lane(value, 32) : value;
}

template <class T> __device__ T sum_in_wave_down(T value) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_down(value, distance);
    return sum_of_halves(value);
}
template <class T> __device__ T sum_in_wave_xor(T value) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor(value, distance);
    return sum_of_halves(value);
}
/// clang 15 moves a permlane into a branch behind it, where the lanes that it reads are off.
template <class T> __device__ void stay_here(T &value) {
#if defined(__AMDGCN__)
    asm volatile("" : "+v"(value));
#endif
}
/// Without LDS: rows of 16 by DPP, the two rows of a half by permlanex16.
__device__ int sum_in_wave_dpp(int value) {
#if defined(__AMDGCN__)
    value += move_dpp<row_xmask | 1, true>(0, value);
    value += move_dpp<row_xmask | 2, true>(0, value);
    value += move_dpp<row_xmask | 4, true>(0, value);
    value += move_dpp<row_xmask | 8, true>(0, value);
    value += static_cast<int>(__builtin_amdgcn_permlanex16(value, value, 0x76543210, 0xfedcba98, false, false));
    stay_here(value);
    return sum_of_halves(value);
#else
    return sum_in_wave_xor(value);
#endif
}
__device__ float sum_in_wave_dpp(float value) {
#if defined(__AMDGCN__)
    value += __int_as_float(move_dpp<row_xmask | 1, true>(0, __float_as_int(value)));
    value += __int_as_float(move_dpp<row_xmask | 2, true>(0, __float_as_int(value)));
    value += __int_as_float(move_dpp<row_xmask | 4, true>(0, __float_as_int(value)));
    value += __int_as_float(move_dpp<row_xmask | 8, true>(0, __float_as_int(value)));
    const unsigned bits = __float_as_int(value);
    value += __int_as_float(static_cast<int>(__builtin_amdgcn_permlanex16(bits, bits, 0x76543210, 0xfedcba98, false, false)));
    stay_here(value);
    return sum_of_halves(value);
#else
    return sum_in_wave_xor(value);
#endif
}

enum class Way { lds, down, exclusive_or, dpp };

template <Way way, class T> __device__ T sum_in_block(T value) {
    if constexpr (way == Way::lds) {
        return sum_in_lds(value);
    } else {
        __shared__ T sums[block];
        if constexpr (way == Way::down) value = sum_in_wave_down(value);
        if constexpr (way == Way::exclusive_or) value = sum_in_wave_xor(value);
        if constexpr (way == Way::dpp) value = sum_in_wave_dpp(value);
        if (lane_of_thread() == 0) sums[threadIdx.x / warpSize] = value;
        __syncthreads();
        T sum = 0;
        if (threadIdx.x == 0) {
            for (int wave = 0; wave < block / warpSize; ++wave) sum += sums[wave];
        }
        return sum;
    }
}

template <Way way, class T> __global__ void block_sums(const T *in, T *out, int count) {
    T value = 0;
    for (int i = blockIdx.x * block + threadIdx.x; i < count; i += gridDim.x * block) value += in[i];
    const T sum = sum_in_block<way>(value);
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

template <Way way, class T> T device_sum(const std::vector<T> &in) {
    Buffer<T> source(in), partial(13), total(1);
    block_sums<way><<<13, block>>>(source.get(), partial.get(), static_cast<int>(in.size()));
    block_sums<way><<<1, block>>>(partial.get(), total.get(), 13);
    return total.download()[0];
}

template <Way way, class T> void sum_case(const char *name) {
    for (size_t count : {size_t{1}, size_t{255}, size_t{20011}}) {
        const auto in = whole_numbers<T>(count, std::is_unsigned_v<T> ? 0 : -300, 300, 5);
        int64_t want = 0;
        for (T x : in) want += static_cast<int64_t>(x);
        same("reduce", std::string(name) + " " + name_of<T>() + " whole terms=" + to_string(count), std::vector<T>{device_sum<way>(in)},
             std::vector<T>{static_cast<T>(want)});
    }
    if constexpr (std::is_floating_point_v<T>) {
        Random random(6);
        const auto in = check::fill<T>(20011, [&] { return random.real(-1, 1); });
        long double want = 0, magnitude = 0;
        for (T x : in) {
            want += x;
            magnitude += std::fabs(x);
        }
        near("reduce", std::string(name) + " real", std::vector<T>{device_sum<way>(in)}, {want}, 20011, {magnitude});
    }
}

void reduce() {
    sum_case<Way::lds, int>("lds");
    sum_case<Way::lds, float>("lds");
    sum_case<Way::lds, double>("lds");
    sum_case<Way::down, int>("shuffle_down");
    sum_case<Way::down, float>("shuffle_down");
    sum_case<Way::down, unsigned long long>("shuffle_down");
    sum_case<Way::exclusive_or, int>("shuffle_xor");
    sum_case<Way::exclusive_or, float>("shuffle_xor");
    sum_case<Way::exclusive_or, double>("shuffle_xor");
    sum_case<Way::dpp, int>("dpp");
    sum_case<Way::dpp, float>("dpp");
}

// ---- scans ------------------------------------------------------------------------------------------------------------

/// Inclusive, by doubling distances in LDS.
template <class T> __device__ T scan_in_lds(T value) {
    __shared__ T sums[2][block];
    const int t = threadIdx.x;
    int now = 0;
    sums[0][t] = value;
    for (int distance = 1; distance < block; distance *= 2) {
        __syncthreads();
        const T sum = sums[now][t] + (t >= distance ? sums[now][t - distance] : T(0));
        now ^= 1;
        sums[now][t] = sum;
    }
    __syncthreads();
    const T result = sums[now][t];
    __syncthreads();
    return result;
}

/// Inclusive, by shuffles in the wave and LDS between waves.
template <class T> __device__ T scan_by_shuffle(T value) {
    __shared__ T totals[block];
    const int lane = lane_of_thread(), wave = threadIdx.x / warpSize;
    for (int distance = 1; distance < 32; distance *= 2) {
        const T below = __shfl_up(value, distance, 32);
        if (lane % 32 >= distance) value += below;
    }
    if (warpSize == 64) {
        const T lower_half = value_of_lane(value, 31);
        if (lane >= 32) value += lower_half;
    }
    if (lane == warpSize - 1) totals[wave] = value;
    __syncthreads();
    for (int before = 0; before < wave; ++before) value += totals[before];
    __syncthreads();
    return value;
}

template <bool shuffled, class T> __global__ void scan_blocks(const T *in, T *out, T *totals, int count) {
    const int i = blockIdx.x * block + threadIdx.x;
    const T value = i < count ? in[i] : T(0);
    const T sum = shuffled ? scan_by_shuffle(value) : scan_in_lds(value);
    if (i < count) out[i] = sum;
    if (totals && threadIdx.x == block - 1) totals[blockIdx.x] = sum;
}

template <class T> __global__ void add_before(T *values, const T *totals, int count) {
    const int i = blockIdx.x * block + threadIdx.x;
    if (blockIdx.x > 0 && i < count) values[i] += totals[blockIdx.x - 1];
}

/// Inclusive scan of any length: blocks, then the blocks' totals by the same means, then what lies before each block.
template <bool shuffled, class T> void scan_array(const T *in, T *out, int count) {
    const int blocks = check::blocks_for(count, block);
    if (blocks == 1) {
        scan_blocks<shuffled><<<1, block>>>(in, out, static_cast<T *>(nullptr), count);
        check::finish();
        return;
    }
    Buffer<T> totals(blocks), scanned(blocks);
    scan_blocks<shuffled><<<blocks, block>>>(in, out, totals.get(), count);
    scan_array<shuffled>(totals.get(), scanned.get(), blocks);
    add_before<<<blocks, block>>>(out, scanned.get(), count);
    check::finish();
}

template <bool shuffled, class T> void scan_case() {
    for (size_t count : {size_t{1}, size_t{100}, size_t{256}, size_t{257}, size_t{70003}}) {
        const auto in = whole_numbers<T>(count, std::is_unsigned_v<T> ? 0 : -100, 100, 7);
        Buffer<T> source(in), out(count);
        scan_array<shuffled>(source.get(), out.get(), static_cast<int>(count));
        std::vector<T> want;
        int64_t sum = 0;
        for (T x : in) want.push_back(static_cast<T>(sum += static_cast<int64_t>(x)));
        same("scan", std::string(shuffled ? "shuffle " : "lds ") + name_of<T>(), out.download(), want);
    }
}

void scan() {
    scan_case<false, int>();
    scan_case<false, float>();
    scan_case<true, int>();
    scan_case<true, unsigned long long>();
}

// ---- atomics ----------------------------------------------------------------------------------------------------------

__global__ void histogram_global(const uint8_t *in, unsigned *bins, int count) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) atomicAdd(&bins[in[i]], 1u);
}

__global__ void histogram_lds(const uint8_t *in, unsigned *bins, int count) {
    __shared__ unsigned local[256];
    for (int bin = threadIdx.x; bin < 256; bin += blockDim.x) local[bin] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) atomicAdd(&local[in[i]], 1u);
    __syncthreads();
    for (int bin = threadIdx.x; bin < 256; bin += blockDim.x) atomicAdd(&bins[bin], local[bin]);
}

void histogram() {
    const int count = 30011;
    Random random(8);
    // Uneven: low values are frequent, so that lanes of a wave often meet in one bin.
    const auto in = check::fill<uint8_t>(count, [&] { return random.between(0, 255) * random.between(0, 255) / 255; });
    std::vector<unsigned> want(256);
    for (uint8_t x : in) ++want[x];
    Buffer<uint8_t> source(in);
    Buffer<unsigned> bins(std::vector<unsigned>(256, 0));
    histogram_global<<<7, block>>>(source.get(), bins.get(), count);
    same("histogram", "global", bins.download(), want);
    bins.upload(std::vector<unsigned>(256, 0));
    histogram_lds<<<7, 192>>>(source.get(), bins.get(), count);
    same("histogram", "lds", bins.download(), want);
}

constexpr int atomic_results = 7;

/// Every operation by every thread on one word each: in global memory, or in LDS with the block's result added at the end.
template <bool in_lds, class T> __global__ void atomics_kernel(const T *in, T *words, T *tickets, int count) {
    __shared__ T local[atomic_results];
    T *target = in_lds ? local : words;
    if (in_lds) {
        if (threadIdx.x < atomic_results) local[threadIdx.x] = words[threadIdx.x];
        __syncthreads();
    }
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
        const T value = in[i];
        tickets[i] = atomicAdd(&target[0], T(1));
        atomicAdd(&target[1], value);
        atomicMin(&target[2], value);
        atomicMax(&target[3], value);
        // By compare-and-swap: adds twice the value.
        T seen = target[4], expected;
        do {
            expected = seen;
            seen = atomicCAS(&target[4], expected, expected + value + value);
        } while (seen != expected);
        // A chain of exchanges loses nothing: what was taken out is summed, the last one stays in the word.
        atomicAdd(&target[6], atomicExch(&target[5], value));
    }
    if (in_lds) {
        __syncthreads();
        if (threadIdx.x < atomic_results) words[threadIdx.x] = local[threadIdx.x];
    }
}

template <bool in_lds, class T> void atomic_case() {
    const int count = 2003;
    const auto in = whole_numbers<T>(count, std::is_unsigned_v<T> ? 0 : -500, 1000, 9);
    const T start[atomic_results] = {0, 5, 700, 300, 1, 0, 0};
    Buffer<T> source(in), words(std::vector<T>(start, start + atomic_results)), tickets(count);
    // One block where the words are in its LDS.
    atomics_kernel<in_lds><<<in_lds ? 1 : 5, block>>>(source.get(), words.get(), tickets.get(), count);
    const T sum = std::accumulate(in.begin(), in.end(), T(0));
    std::vector<T> got = words.download(), order = tickets.download(), want_order;
    std::sort(order.begin(), order.end());
    for (int i = 0; i < count; ++i) want_order.push_back(static_cast<T>(i));
    // The word of exchanges and the sum of what was taken out: together all that was put in.
    got[5] += got[6];
    got.pop_back();
    const std::string name = std::string(name_of<T>()) + (in_lds ? " lds" : " global");
    same("atomic", name + " add,sum,min,max,cas,exch", got,
         std::vector<T>{static_cast<T>(count), static_cast<T>(sum + 5), std::min(T(700), *std::min_element(in.begin(), in.end())),
                        std::max(T(300), *std::max_element(in.begin(), in.end())), static_cast<T>(1 + sum + sum), sum});
    same("atomic", name + " every_ticket_once", order, want_order);
}

template <bool in_lds, class T> __global__ void bit_atomics(const T *in, T *words, int count) {
    __shared__ T local[3];
    T *target = in_lds ? local : words;
    if (in_lds) {
        if (threadIdx.x < 3) local[threadIdx.x] = words[threadIdx.x];
        __syncthreads();
    }
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        atomicAnd(&target[0], in[i] | 0xff);
        atomicOr(&target[1], in[i] & ~T(0xff));
        atomicXor(&target[2], in[i]);
    }
    if (in_lds) {
        __syncthreads();
        if (threadIdx.x < 3) words[threadIdx.x] = local[threadIdx.x];
    }
}

template <bool in_lds, class T> void bit_case() {
    const int count = 251;
    Random random(10);
    const auto in = check::fill<T>(count, [&] { return random.bits(); });
    std::vector<T> want = {static_cast<T>(~T(0)), 0, 77};
    for (T x : in) {
        want[0] &= x | 0xff;
        want[1] |= x & ~T(0xff);
        want[2] ^= x;
    }
    Buffer<T> source(in), words(std::vector<T>{static_cast<T>(~T(0)), 0, 77});
    bit_atomics<in_lds><<<1, block>>>(source.get(), words.get(), count);
    same("atomic", std::string(name_of<T>()) + (in_lds ? " lds" : " global") + " and,or,xor", words.download(), want);
}

__global__ void wrapping_atomics(unsigned *words) {
    atomicInc(&words[0], 16);
    atomicDec(&words[1], 16);
    atomicSub(&words[2], threadIdx.x);
}

__global__ void add_doubles(const double *in, double *sum, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) atomicAdd(sum, in[i]);
}

void atomic() {
    atomic_case<false, int>();
    atomic_case<false, unsigned>();
    atomic_case<false, unsigned long long>();
    atomic_case<false, float>();
    atomic_case<true, int>();
    atomic_case<true, unsigned>();
    atomic_case<true, unsigned long long>();
    atomic_case<true, float>();
    bit_case<false, unsigned>();
    bit_case<false, unsigned long long>();
    bit_case<true, unsigned>();
    bit_case<true, unsigned long long>();
    Buffer<unsigned> words(std::vector<unsigned>{0, 0, 1000000});
    wrapping_atomics<<<3, 200>>>(words.get());
    // 600 steps around 17 values, up and down, from 0.
    same("atomic", "u32 inc,dec,sub", words.download(), std::vector<unsigned>{600 % 17, (17 - 600 % 17) % 17, 1000000 - 3 * 200 * 199 / 2});
    const auto in = whole_numbers<double>(1003, -1000, 1000, 11);
    Buffer<double> source(in), sum(std::vector<double>{0});
    add_doubles<<<4, block>>>(source.get(), sum.get(), 1003);
    same("atomic", "f64 add", sum.download(), std::vector<double>{std::accumulate(in.begin(), in.end(), 0.0)});
}

// ---- random numbers ---------------------------------------------------------------------------------------------------

/// Philox4x32-10. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011.
struct Philox {
    unsigned key[2];
    __device__ uint4 operator()(uint4 counter) const {
        unsigned k0 = key[0], k1 = key[1];
        for (int round = 0; round < 10; ++round) {
            const unsigned high0 = __umulhi(0xd2511f53u, counter.x), low0 = 0xd2511f53u * counter.x;
            const unsigned high1 = __umulhi(0xcd9e8d57u, counter.z), low1 = 0xcd9e8d57u * counter.z;
            counter = make_uint4(high1 ^ counter.y ^ k0, low1, high0 ^ counter.w ^ k1, low0);
            k0 += 0x9e3779b9u;
            k1 += 0xbb67ae85u;
        }
        return counter;
    }
};

__global__ void draw(Philox generator, unsigned *words, float *uniform, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const uint4 drawn = generator(make_uint4(i, i * 7, 3, 0xffffffff - i));
    words[4 * i] = drawn.x;
    words[4 * i + 1] = drawn.y;
    words[4 * i + 2] = drawn.z;
    words[4 * i + 3] = drawn.w;
    uniform[i] = static_cast<float>(drawn.x >> 8) * 0x1p-24f;
}

std::array<uint32_t, 4> philox_on_host(std::array<uint32_t, 4> c, uint64_t key) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t a = uint64_t{c[0]} * 0xd2511f53, b = uint64_t{c[2]} * 0xcd9e8d57;
        const uint32_t k0 = static_cast<uint32_t>(key) + static_cast<uint32_t>(round * 0x9e3779b9ull);
        const uint32_t k1 = static_cast<uint32_t>(key >> 32) + static_cast<uint32_t>(round * 0xbb67ae85ull);
        c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(b), static_cast<uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(a)};
    }
    return c;
}

void random_numbers() {
    const int count = 5003;
    Buffer<unsigned> words(4 * count);
    Buffer<float> uniform(count);
    draw<<<check::blocks_for(count, block), block>>>(Philox{{0xdeadbeef, 0x12345678}}, words.get(), uniform.get(), count);
    std::vector<unsigned> want;
    std::vector<float> want_uniform;
    for (uint32_t i = 0; i < count; ++i) {
        const auto drawn = philox_on_host({i, i * 7, 3, 0xffffffffu - i}, 0x12345678deadbeefu);
        want.insert(want.end(), drawn.begin(), drawn.end());
        want_uniform.push_back(std::ldexp(static_cast<float>(drawn[0] / 256), -24));
    }
    same("random_numbers", "philox4x32", words.download(), want);
    same("random_numbers", "uniform_f32", uniform.download(), want_uniform);
}

// ---- sorting ----------------------------------------------------------------------------------------------------------

template <class T, int size> __global__ void bitonic(T *values) {
    __shared__ T local[size];
    T *mine = values + blockIdx.x * size;
    for (int i = threadIdx.x; i < size; i += blockDim.x) local[i] = mine[i];
    for (int run = 2; run <= size; run *= 2) {
        for (int distance = run / 2; distance > 0; distance /= 2) {
            __syncthreads();
            for (int pair = threadIdx.x; pair < size / 2; pair += blockDim.x) {
                const int low = pair / distance * distance * 2 + pair % distance, high = low + distance;
                const bool ascending = (low & run) == 0;
                const T a = local[low], b = local[high];
                if ((a > b) == ascending) {
                    local[low] = b;
                    local[high] = a;
                }
            }
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < size; i += blockDim.x) mine[i] = local[i];
}

template <class T, int size> void bitonic_case(int blocks) {
    auto values = whole_numbers<T>(size * blocks, std::is_unsigned_v<T> ? 0 : -1000000, 1000000, 12);
    Buffer<T> sorted(values);
    bitonic<T, size><<<blocks, block>>>(sorted.get());
    for (int b = 0; b < blocks; ++b) std::stable_sort(values.begin() + b * size, values.begin() + (b + 1) * size);
    same("bitonic_sort", std::string(name_of<T>()) + " size=" + to_string(size), sorted.download(), values);
}

void bitonic_sort() {
    bitonic_case<int, 64>(3);
    bitonic_case<unsigned, 1024>(2);
    bitonic_case<float, 512>(2);
    bitonic_case<unsigned long long, 512>(2);
}

constexpr int digit_bits = 4, digits = 1 << digit_bits;

/// How often each digit is in each block, by digit first, so that a scan over all of it gives each block's places.
__global__ void count_digits(const unsigned *keys, int *counts, int shift, int count) {
    __shared__ int local[digits];
    if (threadIdx.x < digits) local[threadIdx.x] = 0;
    __syncthreads();
    const int i = blockIdx.x * block + threadIdx.x;
    if (i < count) atomicAdd(&local[keys[i] >> shift & (digits - 1)], 1);
    __syncthreads();
    if (threadIdx.x < digits) counts[threadIdx.x * gridDim.x + blockIdx.x] = local[threadIdx.x];
}

/// Puts each key after all of lower digits and after the equal ones before it: ranks in the wave come from ballots.
__global__ void scatter(const unsigned *keys, const int *payload, unsigned *keys_out, int *payload_out, const int *counts, const int *places,
                        int shift, int count) {
    __shared__ int in_wave[block][digits];
    const int i = blockIdx.x * block + threadIdx.x, wave = threadIdx.x / warpSize;
    const unsigned key = i < count ? keys[i] : 0;
    const int digit = i < count ? static_cast<int>(key >> shift & (digits - 1)) : -1;
    int rank = 0;
    for (int d = 0; d < digits; ++d) {
        const unsigned long long mask = __ballot(digit == d);
        if (digit == d) rank = __popcll(mask & ((1ull << lane_of_thread()) - 1));
        if (lane_of_thread() == 0) in_wave[wave][d] = __popcll(mask);
    }
    __syncthreads();
    if (i >= count) return;
    for (int before = 0; before < wave; ++before) rank += in_wave[before][digit];
    const int cell = digit * gridDim.x + blockIdx.x;
    const int place = places[cell] - counts[cell] + rank;
    keys_out[place] = key;
    payload_out[place] = payload[i];
}

void radix_sort() {
    const int count = 5003, blocks = check::blocks_for(count, block);
    Random random(13);
    const auto keys = check::fill<unsigned>(count, [&] { return random.bits() & (random.bits() & 1 ? 0xffffffff : 0xff00ff); });
    std::vector<int> payload(count);
    std::iota(payload.begin(), payload.end(), 0);
    Buffer<unsigned> a(keys), b(count);
    Buffer<int> payload_a(payload), payload_b(count), counts(digits * blocks), places(digits * blocks);
    Buffer<unsigned> *from = &a, *to = &b;
    Buffer<int> *payload_from = &payload_a, *payload_to = &payload_b;
    for (int shift = 0; shift < 32; shift += digit_bits) {
        count_digits<<<blocks, block>>>(from->get(), counts.get(), shift, count);
        scan_array<false>(counts.get(), places.get(), digits * blocks);
        scatter<<<blocks, block>>>(from->get(), payload_from->get(), to->get(), payload_to->get(), counts.get(), places.get(), shift, count);
        std::swap(from, to);
        std::swap(payload_from, payload_to);
    }
    // Stable: equal keys keep their order, which the payload shows.
    std::vector<int> order = payload;
    std::stable_sort(order.begin(), order.end(), [&](int x, int y) { return keys[x] < keys[y]; });
    std::vector<unsigned> sorted;
    for (int i : order) sorted.push_back(keys[i]);
    same("radix_sort", "u32 keys", from->download(), sorted);
    same("radix_sort", "u32 payload", payload_from->download(), order);
}

// ---- transposition ----------------------------------------------------------------------------------------------------

/// Tiles of 32 by 32 through LDS; the extra column keeps lanes that read a column in different banks.
template <class T> __global__ void transpose_tiles(const T *in, T *out, int rows, int columns) {
    __shared__ T tile[32][33];
    for (int y = threadIdx.y; y < 32; y += blockDim.y) {
        const int row = blockIdx.y * 32 + y, column = blockIdx.x * 32 + threadIdx.x;
        if (row < rows && column < columns) tile[y][threadIdx.x] = in[row * columns + column];
    }
    __syncthreads();
    for (int y = threadIdx.y; y < 32; y += blockDim.y) {
        const int row = blockIdx.x * 32 + y, column = blockIdx.y * 32 + threadIdx.x;
        if (row < columns && column < rows) out[row * rows + column] = tile[threadIdx.x][y];
    }
}

template <class T> void transpose_case(const char *name, int rows, int columns) {
    Random random(14);
    const auto in = check::fill<T>(size_t(rows) * columns, [&] { return random.bits() >> 20; });
    Buffer<T> source(in), out(in.size());
    transpose_tiles<<<dim3(check::blocks_for(columns, 32), check::blocks_for(rows, 32)), dim3(32, 8)>>>(source.get(), out.get(), rows, columns);
    std::vector<T> want;
    for (int c = 0; c < columns; ++c) {
        for (int r = 0; r < rows; ++r) want.push_back(in[r * columns + c]);
    }
    same("transpose", std::string(name) + " " + to_string(rows) + "x" + to_string(columns), out.download(), want);
}

void transpose() {
    transpose_case<float>("f32", 128, 96);
    transpose_case<float>("f32", 101, 67);
    transpose_case<double>("f64", 45, 70);
    transpose_case<uint8_t>("u8", 65, 130);
    transpose_case<uint16_t>("u16", 33, 31);
}

/// Source of the known answers: Random123's kat_vectors.
bool philox_gives_the_known_answers() {
    const auto zeros = philox_on_host({0, 0, 0, 0}, 0);
    const auto ones = philox_on_host({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, ~uint64_t{0});
    return zeros == std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8} &&
           ones == std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
}

bool dpp_is_expected_as_documented() {
    std::vector<int> in(32);
    std::iota(in.begin(), in.end(), 100);
    return expected_dpp(in, 20, row_shr | 1, 15, 15, false) == 119 && expected_dpp(in, 16, row_shr | 1, 15, 15, false) == -17 &&
           expected_dpp(in, 16, row_shr | 1, 15, 15, true) == 0 && expected_dpp(in, 0, row_ror | 1, 15, 15, false) == 115 &&
           expected_dpp(in, 1, 0x1b, 15, 15, false) == 102 && expected_dpp(in, 3, row_half_mirror, 15, 15, false) == 104;
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "reduce_scan",
                      {{"shuffle", shuffle},
                       {"shuffle_types", shuffle_types},
                       {"wave_moves", wave_moves},
                       {"vote", vote},
                       {"reduce", reduce},
                       {"scan", scan},
                       {"histogram", histogram},
                       {"atomic", atomic},
                       {"random_numbers", random_numbers},
                       {"bitonic_sort", bitonic_sort},
                       {"radix_sort", radix_sort},
                       {"transpose", transpose}},
                      {{"philox_gives_the_known_answers", philox_gives_the_known_answers},
                       {"dpp_is_expected_as_documented", dpp_is_expected_as_documented}});
}

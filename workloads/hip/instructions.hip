//! Instructions that the compiler makes seldom, or only when it is asked for by name: each against what the host computes.
//!
//! Sources of what they do: "RDNA 2 ISA" (AMD), "Vector ALU instructions" and "LDS instructions"; LLVM `IntrinsicsAMDGPU.td`.
#include "check.h"

#include <numeric>

// Intrinsics for which clang has no names of its own: loads, stores and atomics through a resource descriptor, and others.
typedef int descriptor __attribute__((ext_vector_type(4)));
extern "C" __device__ float load_through(descriptor, int offset, int scalar, int flags) __asm("llvm.amdgcn.raw.buffer.load.f32");
extern "C" __device__ void store_through(float, descriptor, int offset, int scalar, int flags) __asm("llvm.amdgcn.raw.buffer.store.f32");
extern "C" __device__ int add_through(int, descriptor, int offset, int scalar, int flags) __asm("llvm.amdgcn.raw.buffer.atomic.add.i32");
extern "C" __device__ float multiply_legacy(float, float) __asm("llvm.amdgcn.fmul.legacy");
extern "C" __device__ int write_lane(int value, int lane, int others) __asm("llvm.amdgcn.writelane");
extern "C" __device__ int wave_in_block() __asm("llvm.amdgcn.s.get.waveid.in.workgroup");

namespace {

using check::Buffer;
using check::Random;
using check::same;

constexpr int count = 512, block = 128;

/// Three words of input, among them small ones and those at the ends.
struct Words {
    uint32_t a, b, c;
};

std::vector<Words> words() {
    const uint32_t special[] = {0, 1, 2, 31, 32, 0x7fffffff, 0x80000000, 0xffffffff, 0x00ff00ff, 0x80808080};
    Random random(21);
    std::vector<Words> all(count);
    for (Words &w : all) {
        for (uint32_t *word : {&w.a, &w.b, &w.c}) {
            *word = random.between(0, 3) ? static_cast<uint32_t>(random.bits()) : special[random.between(0, 9)];
        }
    }
    return all;
}

template <class F> __global__ void apply(F f, const Words *in, uint64_t *out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = f(in[i].a, in[i].b, in[i].c);
}

/// One instruction, or a few, on the device and the same on the host.
template <class Device, class Host> void compare(const char *test, const char *name, Device device, Host host) {
    const std::vector<Words> in = words();
    Buffer<Words> source(in);
    Buffer<uint64_t> out(count);
    apply<<<count / block, block>>>(device, source.get(), out.get());
    std::vector<uint64_t> want;
    for (const Words &w : in) want.push_back(host(w.a, w.b, w.c));
    same(test, name, out.download(), want);
}

#define DEVICE [] __device__ (uint32_t a, uint32_t b, uint32_t c) -> uint64_t
#define HOST [](uint32_t a, uint32_t b, uint32_t c) -> uint64_t
/// Both from one expression.
#define BOTH(test, name, ...)                                                                                                          \
    compare(                                                                                                                           \
        test, name, DEVICE { (void)a, (void)b, (void)c; __VA_ARGS__ }, HOST { (void)a, (void)b, (void)c; __VA_ARGS__ })
/// The device by one expression, the host by another.
#define PAIR(test, name, device, host)                                                                                                 \
    compare(                                                                                                                           \
        test, name, DEVICE { (void)a, (void)b, (void)c; return device; }, HOST { (void)a, (void)b, (void)c; return host; })

template <class To, class From> __host__ __device__ To as(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
}

__host__ __device__ inline uint32_t byte(uint64_t word, int at) { return word >> (8 * at) & 255; }

// ---- bits -------------------------------------------------------------------------------------------------------------

/// A byte of the eight that `v_perm_b32` chooses from: its second source has the lower four.
uint32_t chosen(uint32_t high, uint32_t low, uint32_t selector) {
    const uint64_t both = uint64_t{high} << 32 | low;
    if (selector < 8) return byte(both, selector);
    if (selector < 12) return both >> (16 * (selector - 8) + 15) & 1 ? 255 : 0;
    return selector == 12 ? 0 : 255;
}

uint32_t permuted(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t result = 0;
    for (int at = 0; at < 4; ++at) result |= chosen(a, b, byte(c, at) & 15) << (8 * at);
    return result;
}

uint32_t field(uint32_t a, uint32_t offset, uint32_t width) { return (a >> (offset & 31)) & ((1ull << (width & 31)) - 1); }

uint32_t signed_field(uint32_t a, uint32_t offset, uint32_t width) {
    width &= 31;
    if (width == 0) return 0;
    const int64_t word = static_cast<int32_t>(a);
    return static_cast<uint32_t>(static_cast<int64_t>(static_cast<uint64_t>(word >> (offset & 31)) << (64 - width)) >> (64 - width));
}

uint64_t reversed(uint64_t word, int bits) {
    uint64_t result = 0;
    for (int at = 0; at < bits; ++at) result |= (word >> at & 1) << (bits - 1 - at);
    return result;
}

void bits() {
    PAIR("bits", "perm", __builtin_amdgcn_perm(a, b, c & 0x0f0f0f0f), permuted(a, b, c & 0x0f0f0f0f));
    PAIR("bits", "alignbit", __builtin_amdgcn_alignbit(a, b, c), static_cast<uint32_t>((uint64_t{a} << 32 | b) >> (c & 31)));
    PAIR("bits", "alignbyte", __builtin_amdgcn_alignbyte(a, b, c), static_cast<uint32_t>((uint64_t{a} << 32 | b) >> (8 * (c & 3))));
    PAIR("bits", "ubfe", __builtin_amdgcn_ubfe(a, b & 31, c & 31), field(a, b, c));
    PAIR("bits", "sbfe", static_cast<uint32_t>(__builtin_amdgcn_sbfe(a, b & 31, c & 31)), signed_field(a, b, c));
    PAIR("bits", "brev", __brev(a), reversed(a, 32));
    PAIR("bits", "brevll", __brevll(uint64_t{a} << 32 | b), reversed(uint64_t{a} << 32 | b, 64));
    BOTH("bits", "three_words", return (a & b) ^ (~a & c) ^ (a | (b & c)) ^ ~(b ^ c););
    BOTH("bits", "shift_and_add", return ((a << 3) + b) ^ ((a + b) << (c & 31)) ^ ((a << (b & 31)) | c) ^ (a + b + c););
    BOTH("bits", "counts", const uint64_t w = uint64_t{a} << 32 | b;
         return __builtin_popcountll(w) + 100 * (w ? __builtin_clzll(w) : 64) + 10000 * (w ? __builtin_ctzll(w) : 64) + 1000000 * __builtin_popcount(c););
    BOTH("bits", "shift_64", const uint64_t w = uint64_t{a} << 32 | b; const int by = c & 63;
         return (w << by) ^ (w >> by) ^ static_cast<uint64_t>(static_cast<int64_t>(w) >> by););
    BOTH("bits", "rotate", const int by = c & 31; return (a << by) | (a >> (-by & 31)););
    BOTH("bits", "shift_128", const unsigned __int128 w = static_cast<unsigned __int128>(uint64_t{a} << 32 | b) << 40 | c;
         const unsigned __int128 moved = (w << (a & 127)) ^ (w >> (c & 127)); return static_cast<uint64_t>(moved) ^ static_cast<uint64_t>(moved >> 64););
    BOTH("bits", "extend", return static_cast<uint64_t>(static_cast<int8_t>(a)) ^ static_cast<uint64_t>(static_cast<int16_t>(b)) << 7 ^
                                  static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(c))) ^ ((a >> 8 & 255) << 16););
}

// ---- integers ---------------------------------------------------------------------------------------------------------

uint32_t sum_of_differences(uint32_t a, uint32_t b, bool masked) {
    uint32_t sum = 0;
    for (int at = 0; at < 4; ++at) {
        const int x = byte(a, at), y = byte(b, at);
        if (!masked || y) sum += std::abs(x - y);
    }
    return sum;
}

/// The sums at four places; what is added is small enough for 16 bits.
uint64_t four_sums(uint64_t bytes, uint32_t against, uint64_t onto, bool masked) {
    uint64_t result = 0;
    for (int at = 0; at < 4; ++at) {
        const uint32_t sum = sum_of_differences(static_cast<uint32_t>(bytes >> (8 * at)), against, masked) + (onto >> (16 * at) & 0xffff);
        result |= uint64_t{sum} << (16 * at);
    }
    return result;
}

void differences() {
    PAIR("differences", "sad_u8", __builtin_amdgcn_sad_u8(a, b, c), sum_of_differences(a, b, false) + c);
    PAIR("differences", "msad_u8", __builtin_amdgcn_msad_u8(a, b, c), sum_of_differences(a, b, true) + c);
    PAIR("differences", "sad_hi_u8", __builtin_amdgcn_sad_hi_u8(a, b, c), static_cast<uint32_t>((sum_of_differences(a, b, false) << 16) + c));
    PAIR("differences", "sad_u16", __builtin_amdgcn_sad_u16(a, b, c),
         static_cast<uint32_t>(std::abs(int(a & 0xffff) - int(b & 0xffff)) + std::abs(int(a >> 16) - int(b >> 16)) + c));
    BOTH("differences", "sad_u32", return (a > b ? a - b : b - a) + c;);
    PAIR("differences", "qsad_pk_u16_u8", __builtin_amdgcn_qsad_pk_u16_u8(uint64_t{a} << 32 | b, c, uint64_t{b & 0x7fff7fff} << 32 | (c & 0x7fff7fff)),
         four_sums(uint64_t{a} << 32 | b, c, uint64_t{b & 0x7fff7fff} << 32 | (c & 0x7fff7fff), false));
    PAIR("differences", "mqsad_pk_u16_u8", __builtin_amdgcn_mqsad_pk_u16_u8(uint64_t{a} << 32 | b, c, uint64_t{b & 0x7fff7fff} << 32 | (c & 0x7fff7fff)),
         four_sums(uint64_t{a} << 32 | b, c, uint64_t{b & 0x7fff7fff} << 32 | (c & 0x7fff7fff), true));
    typedef unsigned four __attribute__((ext_vector_type(4)));
    compare(
        "differences", "mqsad_u32_u8",
        DEVICE {
            const four sums = __builtin_amdgcn_mqsad_u32_u8(uint64_t{a} << 32 | b, c, four{a, b, c, 7});
            return (uint64_t{sums.x ^ sums.z * 3} << 32) | (sums.y ^ sums.w * 5);
        },
        HOST {
            uint32_t sums[4];
            const uint32_t onto[4] = {a, b, c, 7};
            for (int at = 0; at < 4; ++at) sums[at] = sum_of_differences(static_cast<uint32_t>((uint64_t{a} << 32 | b) >> (8 * at)), c, true) + onto[at];
            return (uint64_t{sums[0] ^ sums[2] * 3} << 32) | (sums[1] ^ sums[3] * 5);
        });
    compare(
        "differences", "lerp", DEVICE { return __builtin_amdgcn_lerp(a, b, c); },
        HOST {
            uint32_t result = 0;
            for (int at = 0; at < 4; ++at) result |= ((byte(a, at) + byte(b, at) + (byte(c, at) & 1)) >> 1) << (8 * at);
            return result;
        });
}

typedef short pair __attribute__((ext_vector_type(2)));
typedef unsigned short unsigned_pair __attribute__((ext_vector_type(2)));

void integers() {
    PAIR("integers", "mul24", static_cast<uint32_t>(__mul24(static_cast<int>(a), static_cast<int>(b))),
         static_cast<uint32_t>(static_cast<int64_t>(static_cast<int32_t>(a << 8) >> 8) * (static_cast<int32_t>(b << 8) >> 8)));
    PAIR("integers", "umul24", __umul24(a, b) + c, static_cast<uint32_t>(uint64_t{a & 0xffffff} * (b & 0xffffff) + c));
    PAIR("integers", "umulhi", __umulhi(a, b), uint64_t{a} * b >> 32);
    PAIR("integers", "mulhi", static_cast<uint32_t>(__mulhi(static_cast<int>(a), static_cast<int>(b))),
         static_cast<uint32_t>(static_cast<int64_t>(static_cast<int32_t>(a)) * static_cast<int32_t>(b) >> 32));
    PAIR("integers", "umul64hi", __umul64hi(uint64_t{a} << 32 | b, uint64_t{c} << 32 | a),
         static_cast<uint64_t>(static_cast<unsigned __int128>(uint64_t{a} << 32 | b) * (uint64_t{c} << 32 | a) >> 64));
    BOTH("integers", "mad_64", return uint64_t{a} * b + (uint64_t{c} << 20););
    BOTH("integers", "mad_i64", return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(a)) * static_cast<int32_t>(b) - static_cast<int32_t>(c)););
    BOTH("integers", "divide_64", return (uint64_t{a} << 32 | b) / (c | 1) + (uint64_t{a} << 32 | b) % (uint64_t{c} << 8 | 1););
    BOTH("integers", "middle", const int x = static_cast<int>(a); const int y = static_cast<int>(b); const int z = static_cast<int>(c);
         const int low = x < y ? x : y; const int high = x < y ? y : x; const int top = high < z ? high : z;
         return static_cast<uint32_t>(low > top ? low : top););
    BOTH("integers", "least_of_three", const uint32_t least = a < b ? a : b; return least < c ? least : c;);
    PAIR("integers", "cvt_pk_u16", as<uint32_t>(__builtin_amdgcn_cvt_pk_u16(a, b)), std::min(a, 0xffffu) | std::min(b, 0xffffu) << 16);
    PAIR("integers", "cvt_pk_i16", as<uint32_t>(__builtin_amdgcn_cvt_pk_i16(static_cast<int>(a), static_cast<int>(b))),
         (static_cast<uint32_t>(std::clamp(static_cast<int32_t>(a), -32768, 32767)) & 0xffff) | static_cast<uint32_t>(std::clamp(static_cast<int32_t>(b), -32768, 32767)) << 16);
    BOTH("integers", "carries", const uint64_t x = uint64_t{a} << 32 | b; const uint64_t y = uint64_t{b} << 32 | c;
         return (x + y) ^ (x - y) * 3 ^ (x < y ? 1 : 0) ^ (static_cast<int64_t>(x) < static_cast<int64_t>(y) ? 2 : 0););
}

void packed() {
    BOTH("packed", "add,sub,mul", const unsigned_pair x = as<unsigned_pair>(a); const unsigned_pair y = as<unsigned_pair>(b); const unsigned_pair z = as<unsigned_pair>(c);
         return uint64_t{as<uint32_t>(x + y)} << 32 | as<uint32_t>(static_cast<unsigned_pair>(x * y + z - y)););
    BOTH("packed", "shifts", const unsigned_pair x = as<unsigned_pair>(a); const pair s = as<pair>(b); const unsigned_pair by = as<unsigned_pair>(c & 0x000f000f);
         return uint64_t{as<uint32_t>(x << by)} << 32 | (as<uint32_t>(x >> by) ^ as<uint32_t>(s >> as<pair>(by))););
    BOTH("packed", "min,max", const pair x = as<pair>(a); const pair y = as<pair>(b); const unsigned_pair u = as<unsigned_pair>(a); const unsigned_pair v = as<unsigned_pair>(c);
         return uint64_t{as<uint32_t>(x < y ? x : y) ^ as<uint32_t>(x > y ? x : y) * 3} << 32 | (as<uint32_t>(u < v ? u : v) ^ as<uint32_t>(u > v ? u : v) * 5););
    BOTH("packed", "bytes", typedef unsigned char bytes __attribute__((ext_vector_type(4))); const bytes x = as<bytes>(a); const bytes y = as<bytes>(b);
         return as<uint32_t>(static_cast<bytes>(x + y)) ^ uint64_t{as<uint32_t>(static_cast<bytes>(x * y))} << 32;);
}

// ---- floats -----------------------------------------------------------------------------------------------------------

/// A finite float from any word.
__host__ __device__ inline float finite(uint32_t word) { return as<float>((word >> 24 & 127) >= 127 ? word & 0xbfffffff : word); }
/// One between -8 and 8.
__host__ __device__ inline float small(uint32_t word) { return static_cast<float>(static_cast<int32_t>(word)) * 0x1p-28f; }
/// One of an odd number of 256ths: 32767 and 65535 times it are exact, and never halfway between two whole numbers.
__host__ __device__ inline float coarse(uint32_t word) { return small((word & 0xfff00000) | 0x100000); }

uint32_t truncated_half(float x) {
    // Toward zero: the half that is no larger.
    check::f16 half = check::half_of(x);
    if (std::fabs(check::value_of(half)) > std::fabs(double{x})) --half.bits;
    return half.bits;
}

int64_t norm(float x, double scale, double least) {
    return static_cast<int64_t>(std::nearbyint(std::clamp(double{x}, least, 1.0) * scale));
}

struct Face {
    float id, s, t, major;
};

Face face(float x, float y, float z) {
    const float ax = std::fabs(x), ay = std::fabs(y), az = std::fabs(z);
    if (az >= ax && az >= ay) return {z < 0 ? 5.0f : 4.0f, z < 0 ? -x : x, -y, 2 * z};
    if (ay >= ax) return {y < 0 ? 3.0f : 2.0f, x, y < 0 ? -z : z, 2 * y};
    return {x < 0 ? 1.0f : 0.0f, x < 0 ? z : -z, -y, 2 * x};
}

void floats() {
    PAIR("floats", "frexp", uint64_t{as<uint32_t>(__builtin_amdgcn_frexp_mantf(finite(a)))} << 32 | static_cast<uint32_t>(__builtin_amdgcn_frexp_expf(finite(a))),
         [&] { int e = 0; const float m = std::frexp(finite(a), &e); return uint64_t{as<uint32_t>(m)} << 32 | static_cast<uint32_t>(e); }());
    PAIR("floats", "ldexp", as<uint32_t>(__builtin_amdgcn_ldexpf(small(a), static_cast<int>(b % 200) - 100)), as<uint32_t>(std::ldexp(small(a), static_cast<int>(b % 200) - 100)));
    PAIR("floats", "ldexp_f64", as<uint64_t>(__builtin_amdgcn_ldexp(double{small(a)}, static_cast<int>(b % 1000) - 500)), as<uint64_t>(std::ldexp(double{small(a)}, static_cast<int>(b % 1000) - 500)));
    PAIR("floats", "class", __builtin_amdgcn_classf(as<float>(a), 0x204), std::isinf(as<float>(a)));
    PAIR("floats", "fmed3", as<uint32_t>(__builtin_amdgcn_fmed3f(small(a), small(b), small(c))),
         as<uint32_t>(std::max(std::min(small(a), small(b)), std::min(std::max(small(a), small(b)), small(c)))));
    PAIR("floats", "cvt_pkrtz", as<uint32_t>(__builtin_amdgcn_cvt_pkrtz(small(a), small(b))), truncated_half(small(a)) | truncated_half(small(b)) << 16);
    PAIR("floats", "cvt_pknorm_i16", as<uint32_t>(__builtin_amdgcn_cvt_pknorm_i16(coarse(a), coarse(b))),
         (static_cast<uint32_t>(norm(coarse(a), 32767, -1)) & 0xffff) | static_cast<uint32_t>(norm(coarse(b), 32767, -1)) << 16);
    PAIR("floats", "cvt_pknorm_u16", as<uint32_t>(__builtin_amdgcn_cvt_pknorm_u16(coarse(a), coarse(b))),
         static_cast<uint32_t>(norm(coarse(a), 65535, 0) | norm(coarse(b), 65535, 0) << 16));
    PAIR("floats", "cvt_pk_u8_f32", __builtin_amdgcn_cvt_pk_u8_f32(static_cast<float>(a & 0x1ff), b & 3, c),
         (c & ~(255u << (8 * (b & 3)))) | std::min(a & 0x1ff, 255u) << (8 * (b & 3)));
    BOTH("floats", "bytes_to_floats", return as<uint32_t>(static_cast<float>(a & 255) + static_cast<float>(a >> 8 & 255) * 256.0f + static_cast<float>(a >> 24)););
    PAIR("floats", "fmul_legacy", as<uint32_t>(multiply_legacy(a & 1 ? 0.0f : small(a), b & 1 ? INFINITY : small(b))),
         as<uint32_t>((a & 1) || small(a) == 0 || (!(b & 1) && small(b) == 0) ? 0.0f : small(a) * (b & 1 ? INFINITY : small(b))));
    const auto whole = [](float x) { return as<uint32_t>(x == 0 ? 0.0f : x); };
    PAIR("floats", "cubeid", as<uint32_t>(__builtin_amdgcn_cubeid(small(a), small(b), small(c))), as<uint32_t>(face(small(a), small(b), small(c)).id));
    compare(
        "floats", "cubesc,cubetc",
        DEVICE {
            const float s = __builtin_amdgcn_cubesc(small(a), small(b), small(c)), t = __builtin_amdgcn_cubetc(small(a), small(b), small(c));
            return uint64_t{as<uint32_t>(s == 0 ? 0.0f : s)} << 32 | as<uint32_t>(t == 0 ? 0.0f : t);
        },
        [=](uint32_t a, uint32_t b, uint32_t c) -> uint64_t { return uint64_t{whole(face(small(a), small(b), small(c)).s)} << 32 | whole(face(small(a), small(b), small(c)).t); });
    PAIR("floats", "cubema", as<uint32_t>(__builtin_amdgcn_cubema(small(a), small(b), small(c))), as<uint32_t>(face(small(a), small(b), small(c)).major));
}

// ---- lanes ------------------------------------------------------------------------------------------------------------

/// Results of every lane of a wave, of 32 lanes that work together.
constexpr int lane_results = 8;

__global__ void lanes_kernel(const int *in, int *out) {
    const int lane = threadIdx.x & 31, value = in[threadIdx.x];
    int at = threadIdx.x * lane_results;
    out[at++] = __builtin_amdgcn_ds_bpermute(4 * ((lane * 7 + 3) & 31), value);
    out[at++] = __builtin_amdgcn_ds_permute(4 * ((lane * 5 + 1) & 31), value);
    out[at++] = __builtin_amdgcn_readlane(value, in[0] & 31);
    out[at++] = __builtin_amdgcn_readfirstlane(value);
    out[at++] = write_lane(in[1], 6, value);
    out[at++] = __builtin_amdgcn_mov_dpp8(value, 0x53977); // [7, 6, 5, 4, 3, 2, 1, 0] would be 0x53977.
    out[at++] = __builtin_amdgcn_update_dpp(in[2], value, 0x111, 0xf, 0xf, false); // row_shr:1
    out[at++] = __popcll(__ballot(value & 1)) * 4 + (__any(value == in[3]) ? 2 : 0) + (__all(value < 2000) ? 1 : 0);
}

void lanes() {
    const int wave = check::wave_size();
    Random random(22);
    const auto in = check::fill<int>(wave, [&] { return random.between(0, 1000); });
    Buffer<int> source(in), out(wave * lane_results);
    lanes_kernel<<<1, wave>>>(source.get(), out.get());
    std::vector<int> want;
    const long odd = std::count_if(in.begin(), in.end(), [](int x) { return x & 1; });
    for (int i = 0; i < wave; ++i) {
        const int lane = i & 31, half = i - lane;
        int from = 0;
        while (((from * 5 + 1) & 31) != lane) ++from;
        want.push_back(in[half + ((lane * 7 + 3) & 31)]);
        want.push_back(in[half + from]);
        want.push_back(in[in[0] & 31]);
        want.push_back(in[0]);
        want.push_back(i == 6 ? in[1] : in[i]);
        want.push_back(in[(i & ~7) + (7 - (i & 7))]);
        want.push_back(i % 16 == 0 ? in[2] : in[i - 1]);
        want.push_back(static_cast<int>(odd) * 4 + 2 + 1);
    }
    same("lanes", "bpermute,permute,readlane,writelane,dpp8,dpp,ballot", out.download(), want);
}

// ---- memory -----------------------------------------------------------------------------------------------------------

#define IN_LDS(pointer) ((__attribute__((address_space(3))) decltype(+*pointer) *)(pointer))

__global__ void lds_kernel(const float *in, float *out, int *counts) {
    __shared__ float sums[3];
    __shared__ int appended;
    if (threadIdx.x < 3) sums[threadIdx.x] = 0;
    if (threadIdx.x == 0) appended = 100;
    __syncthreads();
    const float value = in[threadIdx.x];
    __builtin_amdgcn_ds_faddf(IN_LDS(&sums[0]), value, __ATOMIC_RELAXED, __ATOMIC_RELAXED, false);
    __builtin_amdgcn_ds_fminf(IN_LDS(&sums[1]), value, __ATOMIC_RELAXED, __ATOMIC_RELAXED, false);
    __builtin_amdgcn_ds_fmaxf(IN_LDS(&sums[2]), value, __ATOMIC_RELAXED, __ATOMIC_RELAXED, false);
    __syncthreads();
    if (threadIdx.x % 3 == 0) __builtin_amdgcn_ds_append(IN_LDS(&appended));
    if (threadIdx.x % 5 == 0) __builtin_amdgcn_ds_consume(IN_LDS(&appended));
    __syncthreads();
    if (threadIdx.x < 3) out[threadIdx.x] = sums[threadIdx.x];
    if (threadIdx.x == 0) counts[0] = appended;
}

/// A buffer of `bytes`, raw. Source: "RDNA 2 ISA" (AMD), "Buffer resource descriptor"; the last word is the format of 32 bits and `OOB_SELECT` 3.
__device__ descriptor buffer_at(const void *memory, unsigned bytes) {
    const uint64_t address = reinterpret_cast<uint64_t>(memory);
    return {static_cast<int>(address), static_cast<int>(address >> 32 & 0xffff), static_cast<int>(bytes), 0x31014000};
}

__global__ void buffer_kernel(const float *in, float *out, int *sum) {
    const int offset = 4 * threadIdx.x;
    // What is outside reads as 0, and is not written.
    const float value = load_through(buffer_at(in, 4 * 50), offset, 0, 0);
    store_through(value + 1, buffer_at(out, 4 * 60), offset, 0, 0);
    add_through(static_cast<int>(threadIdx.x), buffer_at(sum, 4), 0, 0, 0);
}

template <class T> __global__ void scoped_atomics(const T *in, T *words) {
    const T value = in[threadIdx.x];
    __hip_atomic_fetch_add(&words[0], value, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM);
    // Clang 15 compares floats as unsigned integers here.
    if constexpr (std::is_integral_v<T>) {
        __hip_atomic_fetch_min(&words[1], value, __ATOMIC_ACQ_REL, __HIP_MEMORY_SCOPE_AGENT);
        __hip_atomic_fetch_max(&words[2], value, __ATOMIC_SEQ_CST, __HIP_MEMORY_SCOPE_WORKGROUP);
    } else {
        atomicMin(&words[1], value);
        atomicMax(&words[2], value);
    }
    T seen = __hip_atomic_load(&words[3], __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
    while (!__hip_atomic_compare_exchange_strong(&words[3], &seen, static_cast<T>(seen + 2 * value), __ATOMIC_RELAXED, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT)) {
    }
    if (value == in[0]) __hip_atomic_exchange(&words[4], value, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM);
}

template <class T> void scoped_case(const char *type) {
    Random random(23);
    const auto in = check::fill<T>(block, [&] { return random.between(-1000, 1000); });
    Buffer<T> source(in), out(std::vector<T>(5, T(0)));
    scoped_atomics<<<1, block>>>(source.get(), out.get());
    const T sum = std::accumulate(in.begin(), in.end(), T(0));
    same("memory", std::string(type) + " atomics_with_scope", out.download(),
         std::vector<T>{sum, std::min(T(0), *std::min_element(in.begin(), in.end())), std::max(T(0), *std::max_element(in.begin(), in.end())), static_cast<T>(2 * sum), in[0]});
}

void memory() {
    Random random(24);
    const auto in = check::fill<float>(block, [&] { return random.between(-100, 100); });
    Buffer<float> source(in), out(std::vector<float>(block, -7.0f));
    Buffer<int> counts(std::vector<int>{0});
    lds_kernel<<<1, block>>>(source.get(), out.get(), counts.get());
    const std::vector<float> sums = out.download();
    same("memory", "ds_add,min,max_f32", std::vector<float>(sums.begin(), sums.begin() + 3),
         std::vector<float>{std::accumulate(in.begin(), in.end(), 0.0f), std::min(0.0f, *std::min_element(in.begin(), in.end())), std::max(0.0f, *std::max_element(in.begin(), in.end()))});
    same("memory", "ds_append,consume", counts.download(), std::vector<int>{100 + (block + 2) / 3 - (block + 4) / 5});
    out.upload(std::vector<float>(block, -7.0f));
    counts.upload({1});
    buffer_kernel<<<1, block>>>(source.get(), out.get(), counts.get());
    std::vector<float> want;
    for (int i = 0; i < block; ++i) want.push_back(i >= 60 ? -7.0f : i >= 50 ? 1.0f : in[i] + 1);
    same("memory", "buffer_load,store", out.download(), want);
    same("memory", "buffer_atomic_add", counts.download(), std::vector<int>{1 + block * (block - 1) / 2});
    scoped_case<int>("i32");
    scoped_case<unsigned>("u32");
    scoped_case<long long>("i64");
    scoped_case<unsigned long long>("u64");
    scoped_case<float>("f32");
    scoped_case<double>("f64");
}

// ---- registers of the hardware ----------------------------------------------------------------------------------------

constexpr int mode_rounding = 1 | 0 << 6 | 3 << 11, mode_denormals = 1 | 4 << 6 | 3 << 11;

__global__ void registers_kernel(int *out) {
    const uint64_t cycles = __builtin_amdgcn_s_memtime(), time = __builtin_amdgcn_s_memrealtime(), clock = clock64();
    __builtin_amdgcn_s_sleep(2);
    __builtin_amdgcn_s_setprio(1);
    __builtin_amdgcn_s_incperflevel(1);
    __builtin_amdgcn_s_decperflevel(1);
    __builtin_amdgcn_s_dcache_inv();
    __builtin_amdgcn_s_waitcnt(0);
    __builtin_amdgcn_sched_barrier(0);
    __builtin_amdgcn_wave_barrier();
    __threadfence_system();
    const bool onward = __builtin_amdgcn_s_memtime() >= cycles && __builtin_amdgcn_s_memrealtime() >= time && static_cast<uint64_t>(clock64()) >= clock;
    // RDNA 2 has no such instruction.
#if defined(__gfx1010__) || defined(__gfx1011__) || defined(__gfx1012__)
    const int wave_of_block = wave_in_block();
#else
    const int wave_of_block = threadIdx.x / warpSize;
#endif
    if (threadIdx.x % warpSize == 0) {
        int *of_wave = out + 4 * (threadIdx.x / warpSize);
        of_wave[0] = onward;
        of_wave[1] = __builtin_amdgcn_s_getreg(mode_rounding);
        of_wave[2] = __builtin_amdgcn_s_getreg(mode_denormals);
        of_wave[3] = wave_of_block;
    }
}

void registers() {
    const int waves = 4, wave = check::wave_size();
    Buffer<int> out(4 * waves);
    registers_kernel<<<1, waves * wave>>>(out.get());
    std::vector<int> want;
    for (int at = 0; at < waves; ++at) want.insert(want.end(), {1, 0, 15, at});
    same("registers", "times,mode,wave", out.download(), want);
}

// ---- control flow -----------------------------------------------------------------------------------------------------

template <class T> __host__ __device__ uint64_t many_ways(uint32_t a, uint32_t b, T table) {
    uint64_t result = 0;
    for (uint32_t step = 0; step < 20; ++step) {
        switch ((a >> step) % 11) {
        case 0: result += b; break;
        case 1: result ^= uint64_t{a} << 7; [[fallthrough]];
        case 2: result = result << 3 | result >> 61; break;
        case 3: if (b & 1) { b >>= 1; continue; } b = b / 3 + 1; break;
        case 4: result += table[(a ^ step) % 24]; break;
        case 5: table[step % 24] = result; break;
        case 6: result -= step * b; break;
        case 7: a = a * 1664525 + 1013904223; break;
        case 8: result = ~result; break;
        case 9: if (result > 1ull << 62) return result; break;
        default: result *= 0x9e3779b97f4a7c15; break;
        }
    }
    return result;
}

/// Nested in a function that calls itself, with an array of its own at every depth.
__host__ __device__ uint64_t deep(uint32_t n, uint32_t seed) {
    uint32_t own[8];
    for (int i = 0; i < 8; ++i) own[i] = seed = seed * 1103515245 + 12345;
    if (n == 0) return own[seed >> 29];
    return deep(n - 1, own[n % 8]) * 31 + own[seed >> 29];
}

void control_flow() {
    BOTH("control_flow", "switch", uint64_t table[24]; for (int i = 0; i < 24; ++i) table[i] = i * c; return many_ways(a, b, table););
    BOTH("control_flow", "recursion", return deep(a % 12, b););
    BOTH("control_flow", "loops", uint64_t sum = 0; for (uint32_t i = 0; i < (a & 15); ++i) { for (uint32_t j = i; j < (b & 15); ++j) { if ((i * j + c) % 7 == 3) break; sum += i * 1000 + j; } } return sum;);
    BOTH("control_flow", "lambdas", const auto twice = [](auto f, uint64_t x) { return f(f(x)); };
         return twice([=](uint64_t x) { return x * a + twice([=](uint64_t y) { return y ^ c; }, b); }, c););
    BOTH("control_flow", "indexed", uint32_t own[16]; for (int i = 0; i < 16; ++i) own[i] = a * i + b; for (int i = 0; i < 8; ++i) own[(c >> (4 * i)) & 15] += own[(a >> (4 * i)) & 15]; uint64_t sum = 0; for (int i = 0; i < 16; ++i) sum = sum * 3 + own[i]; return sum;);
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "instructions",
                      {{"bits", bits},
                       {"differences", differences},
                       {"integers", integers},
                       {"packed", packed},
                       {"floats", floats},
                       {"lanes", lanes},
                       {"memory", memory},
                       {"registers", registers},
                       {"control_flow", control_flow}});
}

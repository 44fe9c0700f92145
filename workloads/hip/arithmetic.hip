//! Arithmetic element by element: sums, integer division, wide products, bits, the elementary functions, halves, rounding,
//! conversions and denormals, each against the host's arithmetic of a wider type.
//!
//! Bounds: 0 where IEEE 754 or HIP promises the nearest value (sums, products, fma, division and square root, which hipcc
//! rounds correctly unless told otherwise). For elementary functions the bounds of OpenCL 3.0 (OpenCL C specification, section
//! "Relative Error as ULPs", full profile), because HIP's functions are those of AMD's OpenCL library (ocml).
#include "check.h"

#include <hip/hip_fp16.h>

#include <algorithm>

namespace {

using check::Buffer;
using check::f16;
using check::near;
using check::Random;
using check::same;
using check::value_of;

template <class F, class T, class R> __global__ void apply1(F f, const T *a, R *out, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = f(a[i]);
}
template <class F, class T, class U, class R> __global__ void apply2(F f, const T *a, const U *b, R *out, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = f(a[i], b[i]);
}
template <class F, class T, class R> __global__ void apply3(F f, const T *a, const T *b, const T *c, R *out, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = f(a[i], b[i], c[i]);
}

/// The type that a kernel sees where the host has `T`.
template <class T> struct OnDevice {
    using type = T;
};
template <> struct OnDevice<f16> {
    using type = __half;
};
template <class T> using Device = typename OnDevice<T>::type;

constexpr unsigned block = 256;

template <class R, class F, class T> std::vector<R> run1(F f, const std::vector<T> &a) {
    Buffer<T> first(a);
    Buffer<R> out(a.size());
    apply1<<<check::blocks_for(a.size(), block), block>>>(f, first.template as<Device<T>>(), out.template as<Device<R>>(),
                                                          static_cast<int>(a.size()));
    return out.download();
}
template <class R, class F, class T, class U> std::vector<R> run2(F f, const std::vector<T> &a, const std::vector<U> &b) {
    Buffer<T> first(a);
    Buffer<U> second(b);
    Buffer<R> out(a.size());
    apply2<<<check::blocks_for(a.size(), block), block>>>(f, first.template as<Device<T>>(), second.template as<Device<U>>(),
                                                          out.template as<Device<R>>(), static_cast<int>(a.size()));
    return out.download();
}
template <class R, class F, class T>
std::vector<R> run3(F f, const std::vector<T> &a, const std::vector<T> &b, const std::vector<T> &c) {
    Buffer<T> first(a), second(b), third(c);
    Buffer<R> out(a.size());
    apply3<<<check::blocks_for(a.size(), block), block>>>(f, first.template as<Device<T>>(), second.template as<Device<T>>(),
                                                          third.template as<Device<T>>(), out.template as<Device<R>>(),
                                                          static_cast<int>(a.size()));
    return out.download();
}

/// What the host computes for each element.
template <class R, class F, class T> std::vector<R> host1(F f, const std::vector<T> &a) {
    std::vector<R> out;
    for (const T &x : a) out.push_back(static_cast<R>(f(x)));
    return out;
}
template <class R, class F, class T, class U> std::vector<R> host2(F f, const std::vector<T> &a, const std::vector<U> &b) {
    std::vector<R> out;
    for (size_t i = 0; i < a.size(); ++i) out.push_back(static_cast<R>(f(a[i], b[i])));
    return out;
}

template <class T> std::vector<T> reals(size_t count, double low, double high, uint64_t seed) {
    Random random(seed);
    return check::fill<T>(count, [&] { return random.real(low, high); });
}

/// Every magnitude from 2^low to 2^high alike, both signs.
template <class T> std::vector<T> magnitudes(size_t count, int low, int high, uint64_t seed) {
    Random random(seed);
    return check::fill<T>(count, [&] {
        const double value = std::ldexp(random.real(1, 2), static_cast<int>(random.between(low, high)));
        return random.bits() & 1 ? value : -value;
    });
}

/// All bit patterns alike, the extremes first: zeros, ones, the least and greatest value.
template <class T> std::vector<T> integers(size_t count, uint64_t seed) {
    Random random(seed);
    const T edges[] = {0, 1, static_cast<T>(-1), std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), 2, 3,
                       static_cast<T>(std::numeric_limits<T>::max() - 1)};
    std::vector<T> values(edges, edges + 8);
    // A random number of leading zeros, so that small values are as frequent as large ones.
    while (values.size() < count) {
        const uint64_t bits = random.bits() & ((uint64_t{1} << (sizeof(T) * 8 - 1)) * 2 - 1);
        values.push_back(static_cast<T>(bits >> (random.bits() % (sizeof(T) * 8))));
    }
    return values;
}

template <class T> constexpr const char *integer_name() {
    constexpr bool is_signed = std::is_signed_v<T>;
    switch (sizeof(T)) {
    case 1: return is_signed ? "i8" : "u8";
    case 2: return is_signed ? "i16" : "u16";
    case 4: return is_signed ? "i32" : "u32";
    default: return is_signed ? "i64" : "u64";
    }
}

// ---- sums -------------------------------------------------------------------------------------------------------------

struct Add {
    template <class T> __device__ T operator()(T a, T b) const { return a + b; }
    __device__ __half operator()(__half a, __half b) const { return __hadd(a, b); }
    __device__ __half2 operator()(__half2 a, __half2 b) const { return __hadd2(a, b); }
};

template <class T> void add_integers() {
    const auto a = integers<T>(65536, 1), b = integers<T>(65536, 2);
    using U = std::make_unsigned_t<T>;
    // Sums wrap; the device's are made of the unsigned type, because overflow of a signed one has no meaning in C++.
    const auto got = run2<U>(Add{}, std::vector<U>(a.begin(), a.end()), std::vector<U>(b.rbegin(), b.rend()));
    std::vector<U> want(a.size());
    for (size_t i = 0; i < want.size(); ++i) {
        want[i] = static_cast<U>(static_cast<unsigned __int128>(static_cast<U>(a[i])) + static_cast<U>(b[b.size() - 1 - i]));
    }
    same("vector_add", integer_name<T>(), got, want);
}

template <class T> void add_reals(size_t count) {
    const auto a = magnitudes<T>(count, -8, 8, 3), b = magnitudes<T>(count, -8, 8, 4);
    near("vector_add", "", run2<T>(Add{}, a, b), host2<long double>([](T x, T y) { return static_cast<long double>(value_of(x)) + value_of(y); }, a, b), 0);
}

void vector_add() {
    add_reals<float>(65536);
    add_reals<double>(20001);
    add_reals<f16>(20001);
    add_integers<int32_t>();
    add_integers<int64_t>();

    const auto a = magnitudes<f16>(8192, -6, 6, 5), b = magnitudes<f16>(8192, -6, 6, 6);
    Buffer<f16> first(a), second(b), out(a.size());
    apply2<<<check::blocks_for(a.size() / 2, block), block>>>(Add{}, first.as<__half2>(), second.as<__half2>(), out.as<__half2>(),
                                                              static_cast<int>(a.size() / 2));
    near("vector_add", "packed", out.download(),
         host2<long double>([](f16 x, f16 y) { return value_of(x) + value_of(y); }, a, b), 0);
}

struct FusedSaxpy {
    float a;
    __device__ float operator()(float x, float y) const { return __builtin_fmaf(a, x, y); }
};
struct SeparateSaxpy {
    float a;
    __device__ float operator()(float x, float y) const {
#if defined(__clang__)
#pragma clang fp contract(off)
        return a * x + y;
#else
        return __fadd_rn(__fmul_rn(a, x), y);
#endif
    }
};

void saxpy() {
    const auto x = magnitudes<float>(30011, -8, 8, 7), y = magnitudes<float>(30011, -8, 8, 8);
    const float a = 1.7320508f;
    same("saxpy", "f32 fused", run2<float>(FusedSaxpy{a}, x, y), host2<float>([&](float u, float v) { return std::fma(a, u, v); }, x, y));
    // Each of the two operations rounds: done in double and rounded to float it is the same.
    const auto want = host2<float>(
        [&](float u, float v) {
            const float product = static_cast<float>(static_cast<double>(a) * u);
            return static_cast<float>(static_cast<double>(product) + v);
        },
        x, y);
    same("saxpy", "f32 separate", run2<float>(SeparateSaxpy{a}, x, y), want);
}

// ---- integers ---------------------------------------------------------------------------------------------------------

struct Divide {
    template <class T> __device__ T operator()(T a, T b) const { return static_cast<T>(a / b); }
};
struct Remainder {
    template <class T> __device__ T operator()(T a, T b) const { return static_cast<T>(a % b); }
};
/// By a constant: compilers make a product of it.
struct DivideBy10 {
    template <class T> __device__ T operator()(T a) const { return static_cast<T>(a / 10); }
};

template <class T> void divide_integers() {
    const size_t count = 5003;
    auto a = integers<T>(count, 9), b = integers<T>(count, 10);
    std::rotate(b.begin(), b.begin() + 3, b.end());
    for (size_t i = 0; i < count; ++i) {
        if (b[i] == 0) b[i] = 7;
        // The one quotient that does not fit.
        if (std::is_signed_v<T> && a[i] == std::numeric_limits<T>::min() && b[i] == static_cast<T>(-1)) b[i] = 1;
    }
    // By long division of magnitudes, bit by bit: not the operator that is checked.
    std::vector<T> quotients, remainders, tenths;
    const auto long_division = [](T x, T y) {
        const bool negative_x = x < 0, negative_y = y < 0;
        const uint64_t n = negative_x ? -static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
        const uint64_t d = negative_y ? -static_cast<uint64_t>(y) : static_cast<uint64_t>(y);
        unsigned __int128 rest = 0;
        uint64_t quotient = 0;
        for (int bit = 63; bit >= 0; --bit) {
            rest = rest << 1 | (n >> bit & 1);
            quotient <<= 1;
            if (rest >= d) {
                rest -= d;
                quotient |= 1;
            }
        }
        const uint64_t remainder = static_cast<uint64_t>(rest);
        return std::pair<T, T>(static_cast<T>(negative_x != negative_y ? -quotient : quotient),
                               static_cast<T>(negative_x ? -remainder : remainder));
    };
    for (size_t i = 0; i < count; ++i) {
        const auto [quotient, remainder] = long_division(a[i], b[i]);
        quotients.push_back(quotient);
        remainders.push_back(remainder);
        tenths.push_back(long_division(a[i], 10).first);
    }
    const std::string name = integer_name<T>();
    same("integer_divide", name + " quotient", run2<T>(Divide{}, a, b), quotients);
    same("integer_divide", name + " remainder", run2<T>(Remainder{}, a, b), remainders);
    same("integer_divide", name + " by_constant", run1<T>(DivideBy10{}, a), tenths);
}

void integer_divide() {
    divide_integers<int8_t>();
    divide_integers<uint8_t>();
    divide_integers<int16_t>();
    divide_integers<uint16_t>();
    divide_integers<int32_t>();
    divide_integers<uint32_t>();
    divide_integers<int64_t>();
    divide_integers<uint64_t>();
}

struct Product {
    template <class T> __device__ T operator()(T a, T b) const { return a * b; }
};
struct High {
    __device__ int32_t operator()(int32_t a, int32_t b) const { return __mulhi(a, b); }
    __device__ uint32_t operator()(uint32_t a, uint32_t b) const { return __umulhi(a, b); }
    __device__ int64_t operator()(int64_t a, int64_t b) const { return __mul64hi(a, b); }
    __device__ uint64_t operator()(uint64_t a, uint64_t b) const { return __umul64hi(a, b); }
};
struct Product24 {
    __device__ int32_t operator()(int32_t a, int32_t b) const { return __mul24(a, b); }
    __device__ uint32_t operator()(uint32_t a, uint32_t b) const { return __umul24(a, b); }
};
struct Widen {
    __device__ int64_t operator()(int32_t a, int32_t b) const { return static_cast<int64_t>(a) * b; }
    __device__ uint64_t operator()(uint32_t a, uint32_t b) const { return static_cast<uint64_t>(a) * b; }
};
struct MultiplyAdd {
    __device__ uint64_t operator()(uint64_t a, uint64_t b, uint64_t c) const { return static_cast<uint32_t>(a) * static_cast<uint64_t>(static_cast<uint32_t>(b)) + c; }
};

template <class T, class Wide> void multiply_width() {
    auto a = integers<T>(5003, 11), b = integers<T>(5003, 12);
    std::rotate(b.begin(), b.begin() + 5, b.end());
    using U = std::make_unsigned_t<T>;
    const std::string name = integer_name<T>();
    const auto low = [](T x, T y) { return static_cast<U>(static_cast<unsigned __int128>(x) * static_cast<unsigned __int128>(y)); };
    const auto high = [](T x, T y) { return static_cast<T>(static_cast<Wide>(x) * static_cast<Wide>(y) >> (sizeof(T) * 8)); };
    same("multiply", name + " low", run2<U>(Product{}, std::vector<U>(a.begin(), a.end()), std::vector<U>(b.begin(), b.end())),
         host2<U>(low, a, b));
    same("multiply", name + " high", run2<T>(High{}, a, b), host2<T>(high, a, b));
    if constexpr (sizeof(T) == 4) {
        same("multiply", name + " to_64_bits", run2<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>(Widen{}, a, b),
             host2<std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>([](T x, T y) { return static_cast<Wide>(x) * y; }, a, b));
        std::vector<T> small_a, small_b;
        for (size_t i = 0; i < a.size(); ++i) {
            small_a.push_back(static_cast<T>(a[i] % (1 << 23)));
            small_b.push_back(static_cast<T>(b[i] % (1 << 23)));
        }
        same("multiply", name + " 24_bits", run2<T>(Product24{}, small_a, small_b),
             host2<T>([&](T x, T y) { return static_cast<T>(low(x, y)); }, small_a, small_b));
    }
}

void multiply() {
    multiply_width<int32_t, __int128>();
    multiply_width<uint32_t, __int128>();
    multiply_width<int64_t, __int128>();
    multiply_width<uint64_t, unsigned __int128>();
    const auto a = integers<uint64_t>(3001, 13), b = integers<uint64_t>(3001, 14), c = integers<uint64_t>(3001, 15);
    std::vector<uint64_t> want;
    for (size_t i = 0; i < a.size(); ++i) {
        want.push_back(static_cast<uint64_t>(static_cast<unsigned __int128>(a[i] & 0xffffffff) * (b[i] & 0xffffffff) + c[i]));
    }
    same("multiply", "u32 wide_multiply_add", run3<uint64_t>(MultiplyAdd{}, a, b, c), want);
}

struct CountOnes {
    __device__ int operator()(uint32_t x) const { return __popc(x); }
    __device__ int operator()(uint64_t x) const { return __popcll(x); }
};
struct LeadingZeros {
    __device__ int operator()(uint32_t x) const { return __clz(static_cast<int>(x)); }
    __device__ int operator()(uint64_t x) const { return __clzll(static_cast<long long>(x)); }
};
struct FirstSet {
    __device__ int operator()(uint32_t x) const { return __ffs(static_cast<int>(x)); }
    __device__ int operator()(uint64_t x) const { return __ffsll(static_cast<long long int>(x)); }
};
struct Reverse {
    __device__ uint32_t operator()(uint32_t x) const { return __brev(x); }
    __device__ uint64_t operator()(uint64_t x) const { return __brevll(x); }
};
struct Rotate {
    template <class T> __device__ T operator()(T x, T by) const {
        const T bits = sizeof(T) * 8;
        return x << (by % bits) | x >> ((bits - by % bits) % bits);
    }
};
struct Shift {
    template <class T> __device__ T operator()(T x, T by) const {
        using S = std::make_signed_t<T>;
        return static_cast<T>(static_cast<S>(x) >> (by % (sizeof(T) * 8))) ^ (x << (by / 3 % (sizeof(T) * 8)));
    }
};
/// A field of up to 31 bits, zero extended and sign extended.
struct Field {
    __device__ uint32_t operator()(uint32_t x, uint32_t where) const {
        const uint32_t offset = where % 32, width = where / 32 % 31 + 1;
        const uint32_t field = x >> offset & ((1u << width) - 1);
        return field ^ static_cast<uint32_t>(static_cast<int32_t>(x << (where / 1024 % 32)) >> (32 - width));
    }
};
struct Permute {
    __device__ uint32_t operator()(uint32_t x, uint32_t y) const { return __byte_perm(x, y, 0x6140) ^ __byte_perm(y, x, 0x2573); }
};

template <class T> void bits_of() {
    const int width = sizeof(T) * 8;
    const auto x = integers<T>(5003, 16);
    const auto by = integers<T>(5003, 17);
    const std::string name = integer_name<T>();
    const auto at = [](T value, int bit) { return static_cast<int>(value >> bit & 1); };
    const auto ones = [&](T v) { int n = 0; for (int i = 0; i < width; ++i) n += at(v, i); return n; };
    const auto zeros = [&](T v) { int n = 0; while (n < width && !at(v, width - 1 - n)) ++n; return n; };
    const auto first = [&](T v) { for (int i = 0; i < width; ++i) if (at(v, i)) return i + 1; return 0; };
    const auto reversed = [&](T v) { T r = 0; for (int i = 0; i < width; ++i) r |= static_cast<T>(at(v, i)) << (width - 1 - i); return r; };
    const auto rotated = [&](T v, T n) { T r = 0; for (int i = 0; i < width; ++i) r |= static_cast<T>(at(v, i)) << ((i + n % width) % width); return r; };
    const auto shifted = [&](T v, T n) {
        T r = 0;
        for (int i = 0; i < width; ++i) {
            const int from = i + static_cast<int>(n % width), below = i - static_cast<int>(n / 3 % width);
            r |= static_cast<T>(at(v, std::min(from, width - 1)) ^ (below >= 0 ? at(v, below) : 0)) << i;
        }
        return r;
    };
    same("bits", name + " popcount", run1<int>(CountOnes{}, x), host1<int>(ones, x));
    same("bits", name + " leading_zeros", run1<int>(LeadingZeros{}, x), host1<int>(zeros, x));
    same("bits", name + " first_set", run1<int>(FirstSet{}, x), host1<int>(first, x));
    same("bits", name + " reverse", run1<T>(Reverse{}, x), host1<T>(reversed, x));
    same("bits", name + " rotate", run2<T>(Rotate{}, x, by), host2<T>(rotated, x, by));
    same("bits", name + " shifts", run2<T>(Shift{}, x, by), host2<T>(shifted, x, by));
}

void bits() {
    bits_of<uint32_t>();
    bits_of<uint64_t>();
    const auto x = integers<uint32_t>(5003, 18), where = integers<uint32_t>(5003, 19);
    const auto field = [](uint32_t v, uint32_t w) {
        const int offset = w % 32, width = w / 32 % 31 + 1, shift = w / 1024 % 32;
        uint32_t zero_extended = 0, sign_extended = 0;
        for (int i = 0; i < 32; ++i) {
            const auto bit = [&](int n) -> uint32_t { return n >= 0 && n < 32 ? v >> n & 1 : 0; };
            if (i < width) zero_extended |= bit(offset + i) << i;
            sign_extended |= bit(std::min(i + 32 - width, 31) - shift) << i;
        }
        return zero_extended ^ sign_extended;
    };
    same("bits", "u32 fields", run2<uint32_t>(Field{}, x, where), host2<uint32_t>(field, x, where));
    const auto permute = [](uint32_t a, uint32_t b, uint32_t selector) {
        uint32_t r = 0;
        for (int i = 0; i < 4; ++i) {
            const uint32_t n = selector >> (4 * i) & 7;
            r |= ((n < 4 ? a : b) >> (n % 4 * 8) & 255) << (8 * i);
        }
        return r;
    };
    same("bits", "u32 permute_bytes", run2<uint32_t>(Permute{}, x, where),
         host2<uint32_t>([&](uint32_t a, uint32_t b) { return permute(a, b, 0x6140) ^ permute(b, a, 0x2573); }, x, where));
}

// ---- real functions ---------------------------------------------------------------------------------------------------

struct Quotient {
    template <class T> __device__ T operator()(T a, T b) const { return a / b; }
    __device__ __half operator()(__half a, __half b) const { return __hdiv(a, b); }
};

/// Declares a functor for float and double out of HIP's two names of one function.
#define REAL_FUNCTION(NAME, SINGLE, DOUBLE)                                                                                             \
    struct NAME {                                                                                                                       \
        __device__ float operator()(float x) const { return SINGLE(x); }                                                                \
        __device__ double operator()(double x) const { return DOUBLE(x); }                                                              \
    }
#define REAL_FUNCTION_2(NAME, SINGLE, DOUBLE)                                                                                           \
    struct NAME {                                                                                                                       \
        __device__ float operator()(float x, float y) const { return SINGLE(x, y); }                                                    \
        __device__ double operator()(double x, double y) const { return DOUBLE(x, y); }                                                 \
    }
REAL_FUNCTION(Sqrt, sqrtf, sqrt);
REAL_FUNCTION(ReciprocalSqrt, rsqrtf, rsqrt);
REAL_FUNCTION(Cbrt, cbrtf, cbrt);
REAL_FUNCTION(Exp, expf, exp);
REAL_FUNCTION(Exp2, exp2f, exp2);
REAL_FUNCTION(Expm1, expm1f, expm1);
REAL_FUNCTION(Log, logf, log);
REAL_FUNCTION(Log2, log2f, log2);
REAL_FUNCTION(Log10, log10f, log10);
REAL_FUNCTION(Log1p, log1pf, log1p);
REAL_FUNCTION(Sin, sinf, sin);
REAL_FUNCTION(Cos, cosf, cos);
REAL_FUNCTION(Tan, tanf, tan);
REAL_FUNCTION(Tanh, tanhf, tanh);
REAL_FUNCTION(Erf, erff, erf);
REAL_FUNCTION(Floor, floorf, floor);
REAL_FUNCTION(Ceil, ceilf, ceil);
REAL_FUNCTION(Trunc, truncf, trunc);
REAL_FUNCTION(Rint, rintf, rint);
REAL_FUNCTION(Round, roundf, round);
REAL_FUNCTION_2(Pow, powf, pow);
REAL_FUNCTION_2(Atan2, atan2f, atan2);
REAL_FUNCTION_2(Fmod, fmodf, fmod);
REAL_FUNCTION_2(Min, fminf, fmin);
REAL_FUNCTION_2(Max, fmaxf, fmax);
REAL_FUNCTION_2(CopySign, copysignf, copysign);

using Reference = long double (*)(long double);
using Reference2 = long double (*)(long double, long double);

template <class F, class T>
void function_case(const char *test, const char *name, const std::vector<T> &x, Reference reference, double bound) {
    near(test, name, run1<T>(F{}, x), host1<long double>([&](T v) { return reference(v); }, x), bound);
}
template <class F, class T>
void function_case(const char *test, const char *name, const std::vector<T> &x, const std::vector<T> &y, Reference2 reference,
                   double bound) {
    near(test, name, run2<T>(F{}, x, y), host2<long double>([&](T v, T w) { return reference(v, w); }, x, y), bound);
}

template <class T> std::vector<T> with(std::vector<T> values, std::initializer_list<double> edges) {
    for (double edge : edges) values.push_back(static_cast<T>(edge));
    return values;
}

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class T> void divide_reals(double bound) {
    const bool half = std::is_same_v<T, f16>;
    const int range = half ? 7 : std::is_same_v<T, float> ? 70 : 600;
    auto a = magnitudes<T>(8009, -range, range, 20), b = magnitudes<T>(8009, -range, range, 21);
    if constexpr (!std::is_same_v<T, f16>) {
        a = with(a, {0, -0.0, 1, infinity, 1, not_a_number, infinity, 1, 0});
        b = with(b, {1, 1, 0, 2, infinity, 1, infinity, 3, 0});
    }
    near("divide", "", run2<T>(Quotient{}, a, b),
         host2<long double>([](T x, T y) { return static_cast<long double>(value_of(x)) / value_of(y); }, a, b), bound);
}

void divide() {
    divide_reals<float>(0);
    divide_reals<double>(0);
    divide_reals<f16>(1);
}

template <class T> void roots() {
    const int range = std::is_same_v<T, float> ? 120 : 1000;
    auto x = magnitudes<T>(4001, -range, range, 22);
    for (T &v : x) v = std::fabs(v);
    function_case<ReciprocalSqrt>("square_root", "reciprocal", x, [](long double v) { return 1 / std::sqrt(v); }, 2);
    function_case<Cbrt>("square_root", "cube_root", with(x, {0, -8, infinity}), [](long double v) { return std::cbrt(v); }, 2);
    function_case<Sqrt>("square_root", "sqrt", with(x, {0, 1, 4, 2, infinity, -1, not_a_number}), [](long double v) { return std::sqrt(v); }, 0);
}

void square_root() {
    roots<float>();
    roots<double>();
}

template <class T> void exponentials() {
    const double range = std::is_same_v<T, float> ? 87 : 700;
    const auto x = with(reals<T>(3001, -range, range, 23), {0, -0.0, 1, 1e-8, infinity, -infinity, not_a_number, 2 * range, -2 * range});
    function_case<Exp>("exponential", "exp", x, [](long double v) { return std::exp(v); }, 3);
    function_case<Exp2>("exponential", "exp2", x, [](long double v) { return std::exp2(v); }, 3);
    function_case<Expm1>("exponential", "expm1", x, [](long double v) { return std::expm1(v); }, 3);
}

void exponential() {
    exponentials<float>();
    exponentials<double>();
}

template <class T> void logarithms() {
    const int range = std::is_same_v<T, float> ? 120 : 1000;
    auto x = magnitudes<T>(2001, -range, range, 24);
    const auto close_to_1 = reals<T>(1000, 0.5, 2, 25);
    x.insert(x.end(), close_to_1.begin(), close_to_1.end());
    for (T &v : x) v = std::fabs(v);
    x = with(x, {1, 0, infinity, -1, not_a_number, 10, 1024});
    function_case<Log>("logarithm", "log", x, [](long double v) { return std::log(v); }, 3);
    function_case<Log2>("logarithm", "log2", x, [](long double v) { return std::log2(v); }, 3);
    function_case<Log10>("logarithm", "log10", x, [](long double v) { return std::log10(v); }, 3);
    function_case<Log1p>("logarithm", "log1p", x, [](long double v) { return std::log1p(v); }, 2);
}

void logarithm() {
    logarithms<float>();
    logarithms<double>();
}

template <class T> void circular() {
    // Small, ordinary and so large that the reduction needs many digits of pi.
    const int range = std::is_same_v<T, float> ? 100 : 900;
    auto x = reals<T>(1500, -10, 10, 26);
    const auto large = magnitudes<T>(1500, -20, range, 27);
    x.insert(x.end(), large.begin(), large.end());
    x = with(x, {0, -0.0, infinity, not_a_number, 3.14159265358979, 1.5707963267949});
    // The host's long double reduction holds for 64 bits of pi only; the double functions are exact to less than an ulp of double.
    const auto sine = [](long double v) -> long double { return std::fabs(v) < 1e4L ? std::sin(v) : std::sin(static_cast<double>(v)); };
    const auto cosine = [](long double v) -> long double { return std::fabs(v) < 1e4L ? std::cos(v) : std::cos(static_cast<double>(v)); };
    const auto tangent = [](long double v) -> long double { return std::fabs(v) < 1e4L ? std::tan(v) : std::tan(static_cast<double>(v)); };
    function_case<Sin>("trigonometry", "sin", x, sine, 4);
    function_case<Cos>("trigonometry", "cos", x, cosine, 4);
    function_case<Tan>("trigonometry", "tan", x, tangent, 5);
    const auto y = magnitudes<T>(x.size(), -20, 20, 28);
    function_case<Atan2>("trigonometry", "atan2", reals<T>(x.size(), -10, 10, 29), y, [](long double v, long double w) { return std::atan2(v, w); }, 6);
}

void trigonometry() {
    circular<float>();
    circular<double>();
}

template <class T> void powers() {
    auto x = reals<T>(3000, 0.001, 100, 30), y = reals<T>(3000, -8, 8, 31);
    x = with(x, {0, 1, 2, -2, -2, infinity, 10, 0, 1.5, -1});
    y = with(y, {0, 7, 10, 3, 2, -1, not_a_number, -2, 100, 1e6});
    function_case<Pow>("power", "pow", x, y, [](long double v, long double w) { return std::pow(v, w); }, 16);
}

void power() {
    powers<float>();
    powers<double>();
}

template <class T> void sigmoids() {
    auto x = reals<T>(2000, -8, 8, 32);
    const auto small = magnitudes<T>(1000, -30, 2, 33);
    x.insert(x.end(), small.begin(), small.end());
    x = with(x, {0, -0.0, infinity, -infinity, not_a_number, 30});
    function_case<Tanh>("sigmoid", "tanh", x, [](long double v) { return std::tanh(v); }, 5);
    function_case<Erf>("sigmoid", "erf", x, [](long double v) { return std::erf(v); }, 16);
}

void sigmoid() {
    sigmoids<float>();
    sigmoids<double>();
}

struct Fma {
    __device__ float operator()(float a, float b, float c) const { return fmaf(a, b, c); }
    __device__ double operator()(double a, double b, double c) const { return fma(a, b, c); }
};

template <class T> void fused() {
    const size_t count = 8009;
    auto a = magnitudes<T>(count, -20, 20, 34), b = magnitudes<T>(count, -20, 20, 35), c = magnitudes<T>(count, -40, 40, 36);
    // Half of them cancel: only a fused operation keeps what is left.
    for (size_t i = 0; i < count; i += 2) c[i] = -a[i] * b[i];
    std::vector<T> want(count);
    for (size_t i = 0; i < count; ++i) want[i] = std::fma(a[i], b[i], c[i]);
    same("fma", check::Format<T>::name, run3<T>(Fma{}, a, b, c), want);
}

void fma_test() {
    fused<float>();
    fused<double>();
}

template <class T> void roundings() {
    const auto x = with(magnitudes<T>(3001, -3, std::is_same_v<T, float> ? 25 : 54, 37),
                        {0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999997, 8388607.5, 4503599627370495.5, infinity, -infinity});
    const std::string name = check::Format<T>::name;
    same("rounding", name + " floor", run1<T>(Floor{}, x), host1<T>([](T v) { return std::floor(v); }, x));
    same("rounding", name + " ceil", run1<T>(Ceil{}, x), host1<T>([](T v) { return std::ceil(v); }, x));
    same("rounding", name + " trunc", run1<T>(Trunc{}, x), host1<T>([](T v) { return std::trunc(v); }, x));
    same("rounding", name + " rint", run1<T>(Rint{}, x), host1<T>([](T v) { return std::rint(v); }, x));
    // Up to clang 15 the expansion adds 0 or 1 to what it has cut off, so a zero loses its sign; later ones keep it. Either is let pass.
    const auto without_sign = [](std::vector<T> values) {
        for (T &value : values) value += T(0);
        return values;
    };
    same("rounding", name + " round", without_sign(run1<T>(Round{}, x)), host1<T>([](T v) { return std::round(v) + T(0); }, x));
    const auto a = magnitudes<T>(3001, -10, 20, 38), b = magnitudes<T>(3001, -10, 10, 39);
    same("rounding", name + " fmod", run2<T>(Fmod{}, a, b), host2<T>([](T v, T w) { return std::fmod(v, w); }, a, b));
}

void rounding() {
    roundings<float>();
    roundings<double>();
}

template <class T> void selections() {
    const auto a = with(magnitudes<T>(3001, -10, 10, 40), {not_a_number, 1, infinity, -infinity, 2});
    const auto b = with(magnitudes<T>(3001, -10, 10, 41), {1, not_a_number, 3, 4, 2});
    const std::string name = check::Format<T>::name;
    same("minimum", name + " fmin", run2<T>(Min{}, a, b), host2<T>([](T v, T w) { return std::fmin(v, w); }, a, b));
    same("minimum", name + " fmax", run2<T>(Max{}, a, b), host2<T>([](T v, T w) { return std::fmax(v, w); }, a, b));
    same("minimum", name + " copysign", run2<T>(CopySign{}, std::vector<T>(a.begin(), a.begin() + 3001), b),
         host2<T>([](T v, T w) { return std::copysign(v, w); }, std::vector<T>(a.begin(), a.begin() + 3001), b));
}

void minimum() {
    selections<float>();
    selections<double>();
}

// ---- conversions ------------------------------------------------------------------------------------------------------

template <class To> struct Convert {
    template <class From> __device__ To operator()(From x) const { return static_cast<To>(x); }
};

template <class To, class From> void convert_case(const std::string &facts, const std::vector<From> &x) {
    std::vector<To> want;
    // By way of long double, which holds every value of the types here; its own conversion then rounds or truncates once.
    for (From v : x) want.push_back(static_cast<To>(static_cast<long double>(v)));
    same("convert", facts, run1<To>(Convert<To>{}, x), want);
}

void convert() {
    // Only what the target type can hold: beyond, C++ gives no meaning.
    const auto f = with(magnitudes<float>(4001, -10, 30, 42), {0, -0.0, 0.99999994, -0.99999994, 2147483520, -2147483648.0, 16777217});
    const auto d = with(magnitudes<double>(4001, -10, 30, 43), {0, 0.9999999999999999, 2147483647.0, 2147483647.5, -2147483648.0, -2147483648.5});
    convert_case<int32_t>("f32 to i32", f);
    convert_case<int32_t>("f64 to i32", d);
    convert_case<int64_t>("f32 to i64", with(magnitudes<float>(4001, -5, 62, 44), {9223371487098961920.0, -9223372036854775808.0}));
    convert_case<int64_t>("f64 to i64", with(magnitudes<double>(4001, -5, 62, 45), {9223372036854774784.0, -9223372036854775808.0}));
    auto positive = magnitudes<float>(4001, -5, 31, 46);
    auto wide = magnitudes<double>(4001, -5, 63, 47);
    for (float &v : positive) v = std::fabs(v);
    for (double &v : wide) v = std::fabs(v);
    convert_case<uint32_t>("f32 to u32", with(positive, {4294967040.0, 0.5, -0.5}));
    convert_case<uint64_t>("f32 to u64", with(positive, {18446742974197923840.0}));
    convert_case<uint64_t>("f64 to u64", with(wide, {18446744073709549568.0, 0.5}));
    convert_case<float>("i32 to f32", integers<int32_t>(4001, 48));
    convert_case<float>("u32 to f32", integers<uint32_t>(4001, 49));
    convert_case<double>("i32 to f64", integers<int32_t>(4001, 50));
    convert_case<double>("u32 to f64", integers<uint32_t>(4001, 51));
    convert_case<float>("i64 to f32", integers<int64_t>(4001, 52));
    convert_case<float>("u64 to f32", integers<uint64_t>(4001, 53));
    convert_case<double>("i64 to f64", integers<int64_t>(4001, 54));
    convert_case<double>("u64 to f64", integers<uint64_t>(4001, 55));
    convert_case<double>("f32 to f64", magnitudes<float>(4001, -149, 127, 56));
    convert_case<float>("f64 to f32", with(magnitudes<double>(4001, -155, 130, 57), {1e39, 1e-46, 3.4028235677973366e38, 1.0000000596046448}));
    convert_case<float>("i8 to f32", integers<int8_t>(4001, 58));
    convert_case<float>("u8 to f32", integers<uint8_t>(4001, 59));
}

struct HalfToFloat {
    __device__ float operator()(__half x) const { return __half2float(x); }
};
struct FloatToHalf {
    __device__ __half operator()(float x) const { return __float2half(x); }
};
struct HalfToInt {
    __device__ int operator()(__half x) const { return __half2int_rz(x); }
};
struct IntToHalf {
    __device__ __half operator()(int x) const { return __int2half_rn(x); }
};

void half_convert() {
    std::vector<f16> all;
    for (unsigned i = 0; i < 65536; ++i) all.push_back({static_cast<uint16_t>(i)});
    near("half_convert", "from_f16 all_of_them", run1<float>(HalfToFloat{}, all), host1<long double>([](f16 x) { return value_of(x); }, all), 0);
    const auto x = with(magnitudes<float>(20001, -27, 17, 60),
                        {0, -0.0, 65504, 65519.996, 65520, 1e6, infinity, -infinity, 5.9604645e-8, 2.9802322e-8, 2.9802326e-8, 6.1035156e-5});
    same("half_convert", "f32 to f16", run1<f16>(FloatToHalf{}, x), host1<f16>([](float v) { return check::half_of(v); }, x));
    const auto finite = magnitudes<f16>(4001, -3, 14, 61);
    same("half_convert", "f16 to i32", run1<int>(HalfToInt{}, finite), host1<int>([](f16 v) { return std::trunc(value_of(v)); }, finite));
    const auto n = integers<int16_t>(4001, 62);
    const std::vector<int> ints(n.begin(), n.end());
    same("half_convert", "i32 to f16", run1<f16>(IntToHalf{}, ints), host1<f16>([](int v) { return check::half_of(v); }, ints));
}

struct HalfMultiply {
    __device__ __half2 operator()(__half2 a, __half2 b) const { return __hmul2(a, b); }
};
struct HalfFma {
    __device__ __half2 operator()(__half2 a, __half2 b, __half2 c) const { return __hfma2(a, b, c); }
};
struct HalfScalarFma {
    __device__ __half operator()(__half a, __half b, __half c) const { return __hfma(a, b, c); }
};

void half_math() {
    // Exponents close enough for double to hold every exact result, so that the host rounds once.
    const size_t count = 8192;
    const auto a = magnitudes<f16>(count, -6, 5, 63), b = magnitudes<f16>(count, -6, 5, 64), c = magnitudes<f16>(count, -6, 5, 65);
    Buffer<f16> first(a), second(b), third(c), out(count);
    const int pairs = count / 2;
    const unsigned grid = check::blocks_for(pairs, block);
    std::vector<long double> products, sums;
    for (size_t i = 0; i < count; ++i) {
        products.push_back(value_of(a[i]) * value_of(b[i]));
        sums.push_back(value_of(a[i]) * value_of(b[i]) + value_of(c[i]));
    }
    apply2<<<grid, block>>>(HalfMultiply{}, first.as<__half2>(), second.as<__half2>(), out.as<__half2>(), pairs);
    near("half_math", "packed_multiply", out.download(), products, 0);
    apply3<<<grid, block>>>(HalfFma{}, first.as<__half2>(), second.as<__half2>(), third.as<__half2>(), out.as<__half2>(), pairs);
    near("half_math", "packed_fma", out.download(), sums, 0);
    near("half_math", "fma", run3<f16>(HalfScalarFma{}, a, b, c), sums, 0);
}

struct DenormalMix {
    template <class T> __device__ T operator()(T a, T b) const { return a * static_cast<T>(0.75) + b; }
};

template <class T> void denormal_case() {
    const int least = check::Format<T>::least, digits = check::Format<T>::digits;
    const auto a = with(magnitudes<T>(4001, least - digits + 2, least + 2, 66), {std::numeric_limits<T>::denorm_min(), 0});
    const auto b = with(magnitudes<T>(4001, least - digits + 2, least + 2, 67), {std::numeric_limits<T>::denorm_min(), 0});
    near("denormals", "sum", run2<T>(Add{}, a, b), host2<long double>([](T x, T y) { return static_cast<long double>(x) + y; }, a, b), 0);
    std::vector<T> scales = magnitudes<T>(a.size(), -4, 4, 68);
    const auto exact = [](T x, T y) { return static_cast<long double>(x) * y; };
    near("denormals", "product", run2<T>(Product{}, a, scales), host2<long double>(exact, a, scales), 0);
    const auto quotient = [](T x, T y) { return static_cast<long double>(x) / y; };
    near("denormals", "quotient", run2<T>(Quotient{}, a, scales), host2<long double>(quotient, a, scales), 0);
    // Contracted or not, the error is at most one rounding more.
    near("denormals", "product_and_sum", run2<T>(DenormalMix{}, a, b),
         host2<long double>([](T x, T y) { return static_cast<long double>(x) * 0.75L + y; }, a, b), 1);
}

void denormals() {
    denormal_case<float>();
    denormal_case<double>();
    const auto a = magnitudes<f16>(4001, -23, -13, 69), b = magnitudes<f16>(4001, -23, -13, 70);
    near("denormals", "sum", run2<f16>(Add{}, a, b), host2<long double>([](f16 x, f16 y) { return value_of(x) + value_of(y); }, a, b), 0);
}

bool references_agree_on_known_values() {
    // Series and identities, not the functions that the tests call.
    long double series = 1, term = 1;
    for (int i = 1; i < 40; ++i) series += term *= 1.5L / i;
    const bool exponentials = std::fabs(std::exp(1.5L) - series) < 1e-18L && std::fabs(std::log(series) - 1.5L) < 1e-18L;
    series = term = 0.7L;
    for (int i = 1; i < 30; ++i) series += term *= -0.7L * 0.7L / (2 * i * (2 * i + 1));
    const bool sines = std::fabs(std::sin(0.7L) - series) < 1e-18L && std::fabs(std::cos(0.7L) - std::sqrt(1 - series * series)) < 1e-18L;
    const long double e = std::exp(1.4L);
    return exponentials && sines && std::fabs(std::tanh(0.7L) - (e - 1) / (e + 1)) < 1e-18L && std::pow(2.0L, 10.0L) == 1024;
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "arithmetic",
                      {{"vector_add", vector_add},
                       {"saxpy", saxpy},
                       {"integer_divide", integer_divide},
                       {"multiply", multiply},
                       {"bits", bits},
                       {"divide", divide},
                       {"square_root", square_root},
                       {"exponential", exponential},
                       {"logarithm", logarithm},
                       {"trigonometry", trigonometry},
                       {"power", power},
                       {"sigmoid", sigmoid},
                       {"fma", fma_test},
                       {"rounding", rounding},
                       {"minimum", minimum},
                       {"convert", convert},
                       {"half_convert", half_convert},
                       {"half_math", half_math},
                       {"denormals", denormals}},
                      {{"references_agree_on_known_values", references_agree_on_known_values}});
}

//! Matrix products: tiles in LDS, tiles in registers, halves with wide and with narrow sums, and dot products of packed bytes and
//! halves by the instructions that some targets have for them.
//!
//! `whole`: small whole numbers, whose sums are exact in the type that sums, so that every wrong operand shows (bound 0).
//! `real`: numbers in [-1, 1); the bound is the number of terms in units of the sum of magnitudes (Higham, "Accuracy and
//! Stability of Numerical Algorithms", 3.1).
//!
//! Largest: 256 x 256 x 256, 16.8 million multiply-adds, about a million wave instructions when tiled in registers.
#include "check.h"
#include "dot.h"

#include <hip/hip_fp16.h>

namespace {

using check::Buffer;
using check::f16;
using check::near;
using check::Random;
using check::same;
using check::value_of;
using std::to_string;

struct Shape {
    int m, n, k;
    std::string text() const { return to_string(m) + "x" + to_string(n) + "x" + to_string(k); }
};

// Around and on the tile's size, one long and thin each way, and square.
constexpr Shape shapes[] = {{1, 1, 1}, {16, 16, 16}, {17, 15, 33}, {64, 64, 64}, {100, 31, 77}, {3, 130, 5}, {130, 2, 200}};

template <class T> std::vector<T> whole(size_t count, int limit, uint64_t seed) {
    Random random(seed);
    return check::fill<T>(count, [&] { return random.between(-limit, limit); });
}
template <class T> std::vector<T> real(size_t count, uint64_t seed) {
    Random random(seed);
    return check::fill<T>(count, [&] { return random.real(-1, 1); });
}

template <class T> long double number(T x) {
    if constexpr (std::is_integral_v<T>) {
        return static_cast<long double>(x);
    } else {
        return value_of(x);
    }
}

/// The product and the sum of magnitudes, in double (which holds products of float, half and byte exactly); of double, in the
/// wider type.
template <class T> std::pair<std::vector<long double>, std::vector<long double>> multiply(const Shape &s, const std::vector<T> &a, const std::vector<T> &b) {
    using Sum = std::conditional_t<std::is_same_v<T, double>, long double, double>;
    std::vector<Sum> wide_a, wide_b;
    for (T x : a) wide_a.push_back(static_cast<Sum>(number(x)));
    for (T x : b) wide_b.push_back(static_cast<Sum>(number(x)));
    std::vector<Sum> product(size_t(s.m) * s.n), magnitude(product.size());
    // Row of A times rows of B: another order than the kernels'.
    for (int i = 0; i < s.m; ++i) {
        for (int l = 0; l < s.k; ++l) {
            const Sum left = wide_a[size_t(i) * s.k + l];
            for (int j = 0; j < s.n; ++j) {
                const Sum term = left * wide_b[size_t(l) * s.n + j];
                product[size_t(i) * s.n + j] += term;
                magnitude[size_t(i) * s.n + j] += std::fabs(term);
            }
        }
    }
    return {std::vector<long double>(product.begin(), product.end()), std::vector<long double>(magnitude.begin(), magnitude.end())};
}

// ---- tiles in LDS -----------------------------------------------------------------------------------------------------

template <class To, class From> __device__ To as_number(From x) {
    if constexpr (std::is_same_v<From, __half> && !std::is_same_v<To, __half>) {
        return __half2float(x);
    } else {
        return static_cast<To>(x);
    }
}
template <class T> __device__ T zero() { return static_cast<T>(0.0f); }

constexpr int tile = 16;

/// C = A B, row by row; each block makes a tile of C out of tiles of A and B in LDS. `Sum` is the type in which it adds.
template <class T, class Sum, class Result>
__global__ void tiled(const T *a, const T *b, Result *c, int m, int n, int k) {
    __shared__ T left[tile][tile], right[tile][tile];
    const int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * tile + y, column = blockIdx.x * tile + x;
    Sum sum = zero<Sum>();
    for (int start = 0; start < k; start += tile) {
        left[y][x] = row < m && start + x < k ? a[row * k + start + x] : zero<T>();
        right[y][x] = column < n && start + y < k ? b[(start + y) * n + column] : zero<T>();
        __syncthreads();
        for (int l = 0; l < tile; ++l) sum += as_number<Sum>(left[y][l]) * as_number<Sum>(right[l][x]);
        __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = as_number<Result>(sum);
}

template <class T, class Sum, class Result, class DeviceT>
void tiled_case(const char *name, const Shape &s, bool whole_numbers) {
    const auto a = whole_numbers ? whole<T>(size_t(s.m) * s.k, 8, 1) : real<T>(size_t(s.m) * s.k, 2);
    const auto b = whole_numbers ? whole<T>(size_t(s.k) * s.n, 8, 3) : real<T>(size_t(s.k) * s.n, 4);
    Buffer<T> left(a), right(b);
    Buffer<Result> out(size_t(s.m) * s.n);
    tiled<DeviceT, Sum, Result><<<dim3(check::blocks_for(s.n, tile), check::blocks_for(s.m, tile)), dim3(tile, tile)>>>(
        left.template as<DeviceT>(), right.template as<DeviceT>(), out.get(), s.m, s.n, s.k);
    const auto [want, magnitude] = multiply(s, a, b);
    if (whole_numbers) {
        near(name, "whole " + s.text(), out.download(), want, 0);
    } else {
        near(name, "real " + s.text(), out.download(), want, s.k, magnitude);
    }
}

void gemm_f32() {
    for (const Shape &s : shapes) {
        tiled_case<float, float, float, float>("gemm_f32", s, true);
        tiled_case<float, float, float, float>("gemm_f32", s, false);
    }
}

void gemm_f64() {
    for (const Shape &s : shapes) {
        tiled_case<double, double, double, double>("gemm_f64", s, true);
        tiled_case<double, double, double, double>("gemm_f64", s, false);
    }
}

void gemm_f16_wide() {
    for (const Shape &s : shapes) {
        tiled_case<f16, float, float, __half>("gemm_f16_wide", s, true);
        tiled_case<f16, float, float, __half>("gemm_f16_wide", s, false);
    }
}

// ---- tiles in registers -----------------------------------------------------------------------------------------------

constexpr int big_tile = 64, depth = 16, per_thread = 4;

/// Each of 256 threads makes 4 by 4 elements of a tile of 64 by 64.
template <class T> __global__ void blocked(const T *a, const T *b, T *c, int m, int n, int k) {
    __shared__ T left[depth][big_tile + 4], right[depth][big_tile + 4];
    const int t = threadIdx.x, x = t % 16 * per_thread, y = t / 16 * per_thread;
    const int row = blockIdx.y * big_tile, column = blockIdx.x * big_tile;
    T sum[per_thread][per_thread] = {};
    for (int start = 0; start < k; start += depth) {
        for (int i = t; i < big_tile * depth; i += 256) {
            const int r = i / depth, l = i % depth;
            left[l][r] = row + r < m && start + l < k ? a[(row + r) * k + start + l] : T(0);
        }
        for (int i = t; i < big_tile * depth; i += 256) {
            const int l = i / big_tile, r = i % big_tile;
            right[l][r] = column + r < n && start + l < k ? b[(start + l) * n + column + r] : T(0);
        }
        __syncthreads();
        for (int l = 0; l < depth; ++l) {
            for (int i = 0; i < per_thread; ++i) {
                for (int j = 0; j < per_thread; ++j) sum[i][j] += left[l][y + i] * right[l][x + j];
            }
        }
        __syncthreads();
    }
    for (int i = 0; i < per_thread; ++i) {
        for (int j = 0; j < per_thread; ++j) {
            if (row + y + i < m && column + x + j < n) c[(row + y + i) * n + column + x + j] = sum[i][j];
        }
    }
}

template <class T> void blocked_case(const Shape &s) {
    const auto a = whole<T>(size_t(s.m) * s.k, 8, 5), b = whole<T>(size_t(s.k) * s.n, 8, 6);
    Buffer<T> left(a), right(b), out(size_t(s.m) * s.n);
    blocked<<<dim3(check::blocks_for(s.n, big_tile), check::blocks_for(s.m, big_tile)), 256>>>(left.get(), right.get(), out.get(), s.m, s.n, s.k);
    near("gemm_blocked", "whole " + s.text(), out.download(), multiply(s, a, b).first, 0);
}

void gemm_blocked() {
    for (const Shape &s : {Shape{64, 64, 16}, Shape{65, 130, 33}, Shape{50, 70, 90}}) {
        blocked_case<float>(s);
        blocked_case<double>(s);
    }
}

/// The speed's measure, by name or with all: one tile in LDS, and tiles in registers.
void gemm_256() {
    const Shape s{256, 256, 256};
    tiled_case<float, float, float, float>("gemm_256", s, true);
    const auto a = real<float>(256 * 256, 7), b = real<float>(256 * 256, 8);
    Buffer<float> left(a), right(b), out(256 * 256);
    blocked<<<dim3(4, 4), 256>>>(left.get(), right.get(), out.get(), s.m, s.n, s.k);
    const auto [want, magnitude] = multiply(s, a, b);
    near("gemm_256", "blocked real 256x256x256", out.download(), want, s.k, magnitude);
}

// ---- packed halves ----------------------------------------------------------------------------------------------------

/// Rows of A times rows of B (B is transposed): two products at a time, added as halves.
__global__ void packed_halves(const __half2 *a, const __half2 *b, __half *c, int m, int n, int pairs) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
    if (column >= n || row >= m) return;
    __half2 sum = __float2half2_rn(0.0f);
    for (int l = 0; l < pairs; ++l) sum = __hfma2(a[row * pairs + l], b[column * pairs + l], sum);
    c[row * n + column] = __hadd(__low2half(sum), __high2half(sum));
}

__global__ void tell_dot(int *out) { *out = HAS_DOT; }

std::string dot_kind() {
    Buffer<int> out(1);
    tell_dot<<<1, 1>>>(out.get());
    return out.download()[0] ? "dot_instruction " : "plain ";
}

/// The same without signs.
__device__ unsigned dot_unsigned_bytes(unsigned a, unsigned b, unsigned sum) {
#if HAS_DOT
    return __builtin_amdgcn_udot4(a, b, sum, false);
#else
    for (int byte = 0; byte < 4; ++byte) sum += (a >> (8 * byte) & 255) * (b >> (8 * byte) & 255);
    return sum;
#endif
}
template <class Word, class Sum, class Dot> __global__ void dot_rows(Dot dot, const Word *a, const Word *b, Sum *c, int m, int n, int words) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
    if (column >= n || row >= m) return;
    Sum sum = 0;
    for (int l = 0; l < words; ++l) sum = dot(a[row * words + l], b[column * words + l], sum);
    c[row * n + column] = sum;
}

struct SignedBytes {
    __device__ int operator()(int a, int b, int sum) const { return dot_bytes(a, b, sum); }
};
struct UnsignedBytes {
    __device__ unsigned operator()(unsigned a, unsigned b, unsigned sum) const { return dot_unsigned_bytes(a, b, sum); }
};
struct Halves {
    __device__ float operator()(__half2 a, __half2 b, float sum) const { return dot_halves(a, b, sum); }
};

/// B from its transposed form.
template <class T> std::vector<T> transposed(const std::vector<T> &b, int n, int k) {
    std::vector<T> out(b.size());
    for (int j = 0; j < n; ++j) {
        for (int l = 0; l < k; ++l) out[size_t(l) * n + j] = b[size_t(j) * k + l];
    }
    return out;
}

template <class T, class Word, class Sum, class Dot> void dot_case(const char *name, const std::string &facts, Dot dot, const Shape &s, bool whole_numbers) {
    Random random(9);
    const auto make = [&](uint64_t seed, size_t count) {
        if constexpr (std::is_integral_v<T>) {
            Random bytes(seed);
            return check::fill<T>(count, [&] { return bytes.between(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()); });
        } else {
            return whole_numbers ? whole<T>(count, 8, seed) : real<T>(count, seed);
        }
    };
    const auto a = make(10, size_t(s.m) * s.k), b = make(11, size_t(s.n) * s.k);
    Buffer<T> left(a), right(b);
    Buffer<Sum> out(size_t(s.m) * s.n);
    dot_rows<<<dim3(check::blocks_for(s.n, 64), s.m), 64>>>(dot, left.template as<Word>(), right.template as<Word>(), out.get(), s.m, s.n,
                                                             static_cast<int>(s.k * sizeof(T) / sizeof(Word)));
    const auto [want, magnitude] = multiply(s, a, transposed(b, s.n, s.k));
    if constexpr (std::is_integral_v<Sum>) {
        same(name, facts + s.text(), out.download(), std::vector<Sum>(want.begin(), want.end()));
    } else if (whole_numbers) {
        near(name, facts + "whole " + s.text(), out.download(), want, 0);
    } else {
        // A dot product rounds three times for two terms at most.
        near(name, facts + "real " + s.text(), out.download(), want, 1.5 * s.k, magnitude);
    }
}

void gemm_i8() {
    for (const Shape &s : {Shape{1, 1, 4}, Shape{17, 33, 64}, Shape{64, 64, 256}}) {
        dot_case<int8_t, int, int>("gemm_i8", "i8 " + dot_kind(), SignedBytes{}, s, true);
        dot_case<uint8_t, unsigned, unsigned>("gemm_i8", "u8 " + dot_kind(), UnsignedBytes{}, s, true);
    }
}

void gemm_f16_dot() {
    for (const Shape &s : {Shape{1, 1, 2}, Shape{17, 33, 64}, Shape{64, 64, 128}}) {
        dot_case<f16, __half2, float>("gemm_f16_dot", dot_kind(), Halves{}, s, true);
        dot_case<f16, __half2, float>("gemm_f16_dot", dot_kind(), Halves{}, s, false);
    }
}

/// Numbers up to 3 and 64 terms at most for each half of a pair: every partial sum is a whole number below 2048, exact in a half.
void gemm_f16_packed() {
    for (const Shape &s : {Shape{1, 1, 2}, Shape{17, 33, 64}, Shape{40, 70, 128}}) {
        const auto a = whole<f16>(size_t(s.m) * s.k, 3, 12), b = whole<f16>(size_t(s.n) * s.k, 3, 13);
        Buffer<f16> left(a), right(b), out(size_t(s.m) * s.n);
        packed_halves<<<dim3(check::blocks_for(s.n, 64), s.m), 64>>>(left.as<__half2>(), right.as<__half2>(), out.as<__half>(), s.m, s.n, s.k / 2);
        near("gemm_f16_packed", "whole " + s.text(), out.download(), multiply(s, a, transposed(b, s.n, s.k)).first, 0);
    }
}

bool reference_agrees_with_a_product_by_hand() {
    const auto [product, magnitude] = multiply<float>({2, 2, 3}, {1, 2, 3, -4, 5, 6}, {7, 8, 9, 10, -11, 12});
    return product == std::vector<long double>{-8, 64, -49, 90} && magnitude == std::vector<long double>{58, 64, 139, 154};
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "gemm",
                      {{"gemm_f32", gemm_f32},
                       {"gemm_f64", gemm_f64},
                       {"gemm_f16_wide", gemm_f16_wide},
                       {"gemm_f16_packed", gemm_f16_packed},
                       {"gemm_f16_dot", gemm_f16_dot},
                       {"gemm_i8", gemm_i8},
                       {"gemm_blocked", gemm_blocked},
                       {"gemm_256", gemm_256}},
                      {{"reference_agrees_with_a_product_by_hand", reference_agrees_with_a_product_by_hand}});
}

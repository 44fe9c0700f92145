//! Convolutions of images by the ways that libraries use (direct, implicit matrix product, Winograd, depthwise), their gradients, and
//! pooling.
//!
//! The host adds in another order than the kernels: it scatters where they gather. `whole`: small whole numbers, whose sums are
//! exact (bound 0). `real`: numbers in [-1, 1); the bound is the number of terms in units of the sum of magnitudes.
//!
//! Shapes are small enough for an interpreter: 1.8 million multiply-adds at most (3x16x16x16 by 16 filters of 3x3), mostly below 0.1.
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

/// A convolution: images n, channels c, height h, width w; filters k of r by s. Layouts are NCHW and KCRS.
struct Shape {
    int n, c, h, w, k, r, s, stride = 1, pad = 0, dilation = 1, groups = 1;

    __host__ __device__ int out_h() const { return (h + 2 * pad - dilation * (r - 1) - 1) / stride + 1; }
    __host__ __device__ int out_w() const { return (w + 2 * pad - dilation * (s - 1) - 1) / stride + 1; }
    __host__ __device__ int group_c() const { return c / groups; }
    __host__ __device__ int group_k() const { return k / groups; }
    __host__ __device__ int x_size() const { return n * c * h * w; }
    __host__ __device__ int w_size() const { return k * group_c() * r * s; }
    __host__ __device__ int y_size() const { return n * k * out_h() * out_w(); }
    __host__ __device__ int x_at(int in, int ic, int ih, int iw) const { return ((in * c + ic) * h + ih) * w + iw; }
    __host__ __device__ int w_at(int ik, int ic, int ir, int is) const { return ((ik * group_c() + ic) * r + ir) * s + is; }
    __host__ __device__ int y_at(int in, int ik, int ih, int iw) const { return ((in * k + ik) * out_h() + ih) * out_w() + iw; }

    std::string text() const {
        std::string out = to_string(n) + "x" + to_string(c) + "x" + to_string(h) + "x" + to_string(w) + " k=" + to_string(k) + " " + to_string(r) +
                          "x" + to_string(s);
        if (stride != 1) out += " stride=" + to_string(stride);
        if (pad != 0) out += " pad=" + to_string(pad);
        if (dilation != 1) out += " dilation=" + to_string(dilation);
        if (groups != 1) out += " groups=" + to_string(groups);
        return out;
    }
};

const Shape shapes[] = {
    {1, 1, 5, 5, 1, 3, 3},
    {2, 3, 9, 11, 4, 3, 3, 1, 1},
    {1, 4, 13, 10, 6, 3, 3, 2, 1},
    {1, 3, 15, 15, 5, 5, 3, 1, 2},
    {1, 4, 12, 12, 4, 3, 3, 1, 2, 2},
    {2, 8, 7, 7, 8, 1, 1},
    {1, 6, 9, 9, 4, 3, 3, 1, 1, 1, 2},
    {1, 3, 19, 19, 8, 7, 7, 2, 3},
};
const Shape large{3, 16, 16, 16, 16, 3, 3, 1, 1};

template <class T> std::vector<T> numbers(size_t count, bool whole, uint64_t seed, int step = 1) {
    Random random(seed);
    return check::fill<T>(count, [&] { return whole ? static_cast<double>(step * random.between(-4, 4)) : random.real(-1, 1); });
}

/// What the host expects, with the sum of magnitudes and, where it differs by element, nothing else.
struct Expected {
    explicit Expected(size_t count) : sum(count), magnitude(count) {}
    std::vector<long double> sum, magnitude;
    void add(size_t at, double term) {
        sum[at] += term;
        magnitude[at] += std::fabs(term);
    }
};

/// Calls `visit` with the places in x, w and y of every product of the convolution, one image pixel after another.
template <class Visit> void each_product(const Shape &s, Visit visit) {
    for (int n = 0; n < s.n; ++n)
        for (int c = 0; c < s.c; ++c)
            for (int h = 0; h < s.h; ++h)
                for (int w = 0; w < s.w; ++w)
                    for (int r = 0; r < s.r; ++r)
                        for (int q = 0; q < s.s; ++q) {
                            // The output that sees this pixel under this weight, if there is one.
                            const int top = h + s.pad - r * s.dilation, left = w + s.pad - q * s.dilation;
                            if (top < 0 || left < 0 || top % s.stride || left % s.stride) continue;
                            const int y = top / s.stride, x = left / s.stride;
                            if (y >= s.out_h() || x >= s.out_w()) continue;
                            const int group = c / s.group_c();
                            for (int k = group * s.group_k(); k < (group + 1) * s.group_k(); ++k) {
                                visit(s.x_at(n, c, h, w), s.w_at(k, c % s.group_c(), r, q), s.y_at(n, k, y, x));
                            }
                        }
}

template <class T> Expected forward(const Shape &s, const std::vector<T> &x, const std::vector<T> &w) {
    Expected y(s.y_size());
    each_product(s, [&](int ix, int iw, int iy) { y.add(iy, static_cast<double>(value_of(x[ix])) * value_of(w[iw])); });
    return y;
}
template <class T> Expected backward_data(const Shape &s, const std::vector<T> &dy, const std::vector<T> &w) {
    Expected dx(s.x_size());
    each_product(s, [&](int ix, int iw, int iy) { dx.add(ix, static_cast<double>(value_of(dy[iy])) * value_of(w[iw])); });
    return dx;
}
template <class T> Expected backward_weights(const Shape &s, const std::vector<T> &x, const std::vector<T> &dy) {
    Expected dw(s.w_size());
    each_product(s, [&](int ix, int iw, int iy) { dw.add(iw, static_cast<double>(value_of(x[ix])) * value_of(dy[iy])); });
    return dw;
}

template <class T> void compare(const char *name, const Shape &s, bool whole, const std::vector<T> &got, const Expected &want, int terms) {
    if (whole) {
        near(name, "whole " + s.text(), got, want.sum, 0);
    } else {
        near(name, "real " + s.text(), got, want.sum, terms, want.magnitude);
    }
}

constexpr int block = 128;

__device__ float as_float(float x) { return x; }
__device__ float as_float(__half x) { return __half2float(x); }
template <class T> __device__ T from_float(float x) {
    if constexpr (std::is_same_v<T, __half>) {
        return __float2half(x);
    } else {
        return x;
    }
}

// ---- direct -----------------------------------------------------------------------------------------------------------

/// One thread for each output.
template <class T> __global__ void direct(const T *x, const T *w, T *y, Shape s) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.y_size()) return;
    const int ow = i % s.out_w(), oh = i / s.out_w() % s.out_h(), k = i / (s.out_w() * s.out_h()) % s.k, n = i / (s.out_w() * s.out_h() * s.k);
    const int first_c = k / s.group_k() * s.group_c();
    float sum = 0;
    for (int c = 0; c < s.group_c(); ++c) {
        for (int r = 0; r < s.r; ++r) {
            const int h = oh * s.stride - s.pad + r * s.dilation;
            if (h < 0 || h >= s.h) continue;
            for (int q = 0; q < s.s; ++q) {
                const int column = ow * s.stride - s.pad + q * s.dilation;
                if (column < 0 || column >= s.w) continue;
                sum += as_float(x[s.x_at(n, first_c + c, h, column)]) * as_float(w[s.w_at(k, c, r, q)]);
            }
        }
    }
    y[i] = from_float<T>(sum);
}

template <class T, class D> void direct_case(const char *name, const Shape &s, bool whole) {
    const auto x = numbers<T>(s.x_size(), whole, 1), w = numbers<T>(s.w_size(), whole, 2);
    Buffer<T> image(x), filter(w), out(s.y_size());
    direct<<<check::blocks_for(s.y_size(), block), block>>>(image.template as<D>(), filter.template as<D>(), out.template as<D>(), s);
    // A half is rounded once, out of a sum in float whose own error is far below.
    compare(name, s, whole, out.download(), forward(s, x, w), std::is_same_v<T, f16> ? 1 : s.group_c() * s.r * s.s);
}

void direct_f32() {
    for (const Shape &s : shapes) {
        direct_case<float, float>("direct_f32", s, true);
        direct_case<float, float>("direct_f32", s, false);
    }
    direct_case<float, float>("direct_f32", large, true);
}
void direct_f16() {
    for (const Shape &s : shapes) {
        direct_case<f16, __half>("direct_f16", s, true);
        direct_case<f16, __half>("direct_f16", s, false);
    }
}

/// On bytes, as quantised networks do it: four channels of a pixel at a time, one pixel after another.
__global__ void direct_bytes(const int *x, const int *w, int *y, Shape s) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.y_size()) return;
    const int ow = i % s.out_w(), oh = i / s.out_w() % s.out_h(), k = i / (s.out_w() * s.out_h()) % s.k, n = i / (s.out_w() * s.out_h() * s.k);
    const int quads = s.c / 4;
    int sum = 0;
    for (int r = 0; r < s.r; ++r) {
        const int h = oh * s.stride - s.pad + r * s.dilation;
        if (h < 0 || h >= s.h) continue;
        for (int q = 0; q < s.s; ++q) {
            const int column = ow * s.stride - s.pad + q * s.dilation;
            if (column < 0 || column >= s.w) continue;
            const int *pixel = x + ((n * s.h + h) * s.w + column) * quads, *weight = w + ((k * s.r + r) * s.s + q) * quads;
            for (int c = 0; c < quads; ++c) sum = dot_bytes(pixel[c], weight[c], sum);
        }
    }
    y[i] = sum;
}

/// Bytes in the order of `direct_bytes`, of numbers in the order of `Shape`.
std::vector<int> channels_last(const std::vector<float> &from, int outer, int c, int inner) {
    std::vector<int> to(from.size() / 4);
    for (int o = 0; o < outer; ++o)
        for (int i = 0; i < inner; ++i)
            for (int at = 0; at < c; ++at) {
                const unsigned byte = static_cast<uint8_t>(static_cast<int8_t>(from[(o * c + at) * inner + i]));
                to[((o * inner + i) * c + at) / 4] |= static_cast<int>(byte << (8 * (at % 4)));
            }
    return to;
}

void direct_i8() {
    for (const Shape &s : {Shape{1, 4, 5, 5, 2, 3, 3}, Shape{2, 8, 9, 11, 5, 3, 3, 1, 1}, Shape{1, 16, 13, 10, 6, 3, 3, 2, 1}}) {
        const auto x = numbers<float>(s.x_size(), true, 1, 25), w = numbers<float>(s.w_size(), true, 2, 30);
        Buffer<int> image(channels_last(x, s.n, s.c, s.h * s.w)), filter(channels_last(w, s.k, s.c, s.r * s.s)), out(s.y_size());
        direct_bytes<<<check::blocks_for(s.y_size(), block), block>>>(image.get(), filter.get(), out.get(), s);
        const auto expected = forward(s, x, w).sum;
        check::same("direct_i8", s.text(), out.download(), std::vector<int>(expected.begin(), expected.end()));
    }
}

// ---- implicit matrix product ------------------------------------------------------------------------------------------

constexpr int tile = 16;

/// Filters (k rows of c r s) times patches (c r s rows, one column for each output), in tiles; patches are made on the fly.
__global__ void implicit_gemm(const float *x, const float *w, float *y, Shape s) {
    __shared__ float filters[tile][tile + 1], patches[tile][tile + 1];
    const int tx = threadIdx.x, ty = threadIdx.y;
    const int k = blockIdx.y * tile + ty, column = blockIdx.x * tile + tx;
    const int depth = s.c * s.r * s.s, plane = s.out_h() * s.out_w(), columns = s.n * plane;
    const int n = column / plane, oh = column % plane / s.out_w(), ow = column % s.out_w();
    float sum = 0;
    for (int start = 0; start < depth; start += tile) {
        filters[ty][tx] = k < s.k && start + tx < depth ? w[k * depth + start + tx] : 0.0f;
        const int row = start + ty, c = row / (s.r * s.s), r = row / s.s % s.r, q = row % s.s;
        const int h = oh * s.stride - s.pad + r * s.dilation, v = ow * s.stride - s.pad + q * s.dilation;
        const bool inside = column < columns && row < depth && h >= 0 && h < s.h && v >= 0 && v < s.w;
        patches[ty][tx] = inside ? x[s.x_at(n, c, h, v)] : 0.0f;
        __syncthreads();
        for (int l = 0; l < tile; ++l) sum += filters[ty][l] * patches[l][tx];
        __syncthreads();
    }
    if (k < s.k && column < columns) y[s.y_at(n, k, oh, ow)] = sum;
}

void implicit_gemm_case(const Shape &s, bool whole) {
    const auto x = numbers<float>(s.x_size(), whole, 3), w = numbers<float>(s.w_size(), whole, 4);
    Buffer<float> image(x), filter(w), out(s.y_size());
    const dim3 grid(check::blocks_for(s.n * s.out_h() * s.out_w(), tile), check::blocks_for(s.k, tile));
    implicit_gemm<<<grid, dim3(tile, tile)>>>(image.get(), filter.get(), out.get(), s);
    compare("implicit_gemm", s, whole, out.download(), forward(s, x, w), s.c * s.r * s.s);
}

void implicit_gemm_test() {
    for (const Shape &s : shapes) {
        if (s.groups != 1) continue;
        implicit_gemm_case(s, true);
        implicit_gemm_case(s, false);
    }
    implicit_gemm_case(large, true);
}

// ---- Winograd ---------------------------------------------------------------------------------------------------------

// F(2x2, 3x3): y = A^T [(G g G^T) (B^T d B)] A for tiles d of 4 by 4, filters g of 3 by 3, outputs of 2 by 2.
// Source: Lavin, Gray, "Fast algorithms for convolutional neural networks", 2015, section 4.1.

/// G times a column of three.
__host__ __device__ inline void filter_column(const float *g, int step, float *out, int out_step) {
    const float ends = g[0] + g[2 * step];
    out[0] = g[0];
    out[out_step] = 0.5f * (ends + g[step]);
    out[2 * out_step] = 0.5f * (ends - g[step]);
    out[3 * out_step] = g[2 * step];
}
/// B^T times a column of four.
__host__ __device__ inline void data_column(const float *d, int step, float *out, int out_step) {
    out[0] = d[0] - d[2 * step];
    out[out_step] = d[step] + d[2 * step];
    out[2 * out_step] = d[2 * step] - d[step];
    out[3 * out_step] = d[step] - d[3 * step];
}

/// One thread for each filter and channel; `out` is 16 planes of k by c.
__global__ void winograd_filters(const float *w, float *out, int k, int c) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= k * c) return;
    float half[12], full[16];
    for (int column = 0; column < 3; ++column) filter_column(w + i * 9 + column, 3, half + column, 3);
    for (int row = 0; row < 4; ++row) filter_column(half + row * 3, 1, full + row * 4, 1);
    for (int e = 0; e < 16; ++e) out[e * k * c + i] = full[e];
}

/// One thread for each channel and tile; `out` is 16 planes of c by tiles.
__global__ void winograd_data(const float *x, float *out, Shape s, int tiles_h, int tiles_w) {
    const int tiles = s.n * tiles_h * tiles_w, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.c * tiles) return;
    const int c = i / tiles, t = i % tiles, n = t / (tiles_h * tiles_w), top = t / tiles_w % tiles_h * 2 - s.pad, left = t % tiles_w * 2 - s.pad;
    float d[16], half[16], full[16];
    for (int a = 0; a < 4; ++a) {
        for (int b = 0; b < 4; ++b) {
            const int h = top + a, w = left + b;
            d[a * 4 + b] = h >= 0 && h < s.h && w >= 0 && w < s.w ? x[s.x_at(n, c, h, w)] : 0.0f;
        }
    }
    for (int column = 0; column < 4; ++column) data_column(d + column, 4, half + column, 4);
    for (int row = 0; row < 4; ++row) data_column(half + row * 4, 1, full + row * 4, 1);
    for (int e = 0; e < 16; ++e) out[e * s.c * tiles + i] = full[e];
}

/// One thread for each filter and tile: 16 sums over the channels, and the way back to 2 by 2 outputs.
__global__ void winograd_outputs(const float *u, const float *v, float *y, Shape s, int tiles_h, int tiles_w) {
    const int tiles = s.n * tiles_h * tiles_w, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.k * tiles) return;
    const int k = i / tiles, t = i % tiles, n = t / (tiles_h * tiles_w), oh = t / tiles_w % tiles_h * 2, ow = t % tiles_w * 2;
    float m[16];
    for (int e = 0; e < 16; ++e) {
        float sum = 0;
        for (int c = 0; c < s.c; ++c) sum += u[(e * s.k + k) * s.c + c] * v[(e * s.c + c) * tiles + t];
        m[e] = sum;
    }
    float half[2][4];
    for (int column = 0; column < 4; ++column) {
        half[0][column] = m[column] + m[4 + column] + m[8 + column];
        half[1][column] = m[4 + column] - m[8 + column] - m[12 + column];
    }
    for (int a = 0; a < 2; ++a) {
        const float out[2] = {half[a][0] + half[a][1] + half[a][2], half[a][1] - half[a][2] - half[a][3]};
        for (int b = 0; b < 2; ++b) {
            if (oh + a < s.out_h() && ow + b < s.out_w()) y[s.y_at(n, k, oh + a, ow + b)] = out[b];
        }
    }
}

/// Magnitudes as they grow through the transforms: the same steps with every sign positive. Rounding errors follow these.
std::vector<long double> winograd_magnitudes(const Shape &s, const std::vector<float> &x, const std::vector<float> &w) {
    constexpr double g[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, {0, 0, 1}};
    constexpr double b[4][4] = {{1, 0, 1, 0}, {0, 1, 1, 0}, {0, 1, 1, 0}, {0, 1, 0, 1}};
    constexpr double a[2][4] = {{1, 1, 1, 0}, {0, 1, 1, 1}};
    std::vector<long double> out(s.y_size());
    std::vector<double> filters(size_t(s.k) * s.c * 16);
    for (int f = 0; f < s.k * s.c; ++f)
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j)
                for (int p = 0; p < 3; ++p)
                    for (int q = 0; q < 3; ++q) filters[f * 16 + i * 4 + j] += g[i][p] * g[j][q] * std::fabs(w[f * 9 + p * 3 + q]);
    for (int n = 0; n < s.n; ++n)
        for (int top = 0; top < s.out_h(); top += 2)
            for (int left = 0; left < s.out_w(); left += 2) {
                std::vector<double> data(size_t(s.c) * 16);
                for (int c = 0; c < s.c; ++c)
                    for (int i = 0; i < 4; ++i)
                        for (int j = 0; j < 4; ++j)
                            for (int p = 0; p < 4; ++p)
                                for (int q = 0; q < 4; ++q) {
                                    const int h = top + p - s.pad, v = left + q - s.pad;
                                    if (h < 0 || h >= s.h || v < 0 || v >= s.w) continue;
                                    data[c * 16 + i * 4 + j] += b[i][p] * b[j][q] * std::fabs(x[s.x_at(n, c, h, v)]);
                                }
                for (int k = 0; k < s.k; ++k)
                    for (int p = 0; p < 2 && top + p < s.out_h(); ++p)
                        for (int q = 0; q < 2 && left + q < s.out_w(); ++q)
                            for (int i = 0; i < 4; ++i)
                                for (int j = 0; j < 4; ++j)
                                    for (int c = 0; c < s.c; ++c)
                                        out[s.y_at(n, k, top + p, left + q)] += a[p][i] * a[q][j] * filters[(k * s.c + c) * 16 + i * 4 + j] * data[c * 16 + i * 4 + j];
            }
    return out;
}

void winograd_case(const Shape &s, bool whole) {
    // Filters that are multiples of 4 stay whole in the transform, which divides by 4.
    const auto x = numbers<float>(s.x_size(), whole, 5), w = numbers<float>(s.w_size(), whole, 6, 4);
    const int tiles_h = (s.out_h() + 1) / 2, tiles_w = (s.out_w() + 1) / 2, tiles = s.n * tiles_h * tiles_w;
    Buffer<float> image(x), filter(w), u(size_t(16) * s.k * s.c), v(size_t(16) * s.c * tiles), out(s.y_size());
    winograd_filters<<<check::blocks_for(s.k * s.c, block), block>>>(filter.get(), u.get(), s.k, s.c);
    winograd_data<<<check::blocks_for(s.c * tiles, block), block>>>(image.get(), v.get(), s, tiles_h, tiles_w);
    winograd_outputs<<<check::blocks_for(s.k * tiles, block), block>>>(u.get(), v.get(), out.get(), s, tiles_h, tiles_w);
    Expected want = forward(s, x, w);
    // Roundings on the longest way: 4 for the filter, 2 for the data, the products' sum, 4 on the way back.
    if (!whole) want.magnitude = winograd_magnitudes(s, x, w);
    compare("winograd", s, whole, out.download(), want, s.c + 10);
}

void winograd() {
    for (const Shape &s : {Shape{1, 1, 4, 4, 1, 3, 3}, Shape{2, 3, 9, 11, 4, 3, 3, 1, 1}, Shape{1, 5, 12, 7, 6, 3, 3, 1, 0}, Shape{1, 8, 8, 8, 8, 3, 3, 1, 1}}) {
        winograd_case(s, true);
        winograd_case(s, false);
    }
    winograd_case(large, true);
}

// ---- depthwise --------------------------------------------------------------------------------------------------------

/// A block for each image and filter, the channel's plane and the filter in LDS.
__global__ void depthwise(const float *x, const float *w, float *y, Shape s) {
    extern __shared__ float local[];
    float *plane = local, *filter = local + s.h * s.w;
    const int n = blockIdx.x / s.k, k = blockIdx.x % s.k, c = k / s.group_k();
    for (int i = threadIdx.x; i < s.h * s.w; i += blockDim.x) plane[i] = x[s.x_at(n, c, 0, 0) + i];
    for (int i = threadIdx.x; i < s.r * s.s; i += blockDim.x) filter[i] = w[k * s.r * s.s + i];
    __syncthreads();
    for (int i = threadIdx.x; i < s.out_h() * s.out_w(); i += blockDim.x) {
        const int top = i / s.out_w() * s.stride - s.pad, left = i % s.out_w() * s.stride - s.pad;
        float sum = 0;
        for (int r = 0; r < s.r; ++r) {
            for (int q = 0; q < s.s; ++q) {
                const int h = top + r * s.dilation, v = left + q * s.dilation;
                if (h >= 0 && h < s.h && v >= 0 && v < s.w) sum += plane[h * s.w + v] * filter[r * s.s + q];
            }
        }
        y[s.y_at(n, k, 0, 0) + i] = sum;
    }
}

void depthwise_case(const Shape &s, bool whole) {
    const auto x = numbers<float>(s.x_size(), whole, 7), w = numbers<float>(s.w_size(), whole, 8);
    Buffer<float> image(x), filter(w), out(s.y_size());
    depthwise<<<s.n * s.k, 64, (s.h * s.w + s.r * s.s) * sizeof(float)>>>(image.get(), filter.get(), out.get(), s);
    compare("depthwise", s, whole, out.download(), forward(s, x, w), s.r * s.s);
}

void depthwise_test() {
    for (const Shape &s : {Shape{2, 6, 14, 14, 6, 3, 3, 1, 1, 1, 6}, Shape{1, 4, 15, 13, 8, 5, 5, 2, 2, 1, 4}, Shape{1, 3, 20, 20, 3, 3, 3, 1, 2, 2, 3}}) {
        depthwise_case(s, true);
        depthwise_case(s, false);
    }
}

// ---- gradients --------------------------------------------------------------------------------------------------------

/// One thread for each pixel of the image's gradient.
__global__ void data_gradient(const float *dy, const float *w, float *dx, Shape s) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.x_size()) return;
    const int column = i % s.w, h = i / s.w % s.h, c = i / (s.w * s.h) % s.c, n = i / (s.w * s.h * s.c), group = c / s.group_c();
    float sum = 0;
    for (int r = 0; r < s.r; ++r) {
        const int top = h + s.pad - r * s.dilation;
        if (top < 0 || top % s.stride || top / s.stride >= s.out_h()) continue;
        for (int q = 0; q < s.s; ++q) {
            const int left = column + s.pad - q * s.dilation;
            if (left < 0 || left % s.stride || left / s.stride >= s.out_w()) continue;
            for (int k = group * s.group_k(); k < (group + 1) * s.group_k(); ++k) {
                sum += dy[s.y_at(n, k, top / s.stride, left / s.stride)] * w[s.w_at(k, c % s.group_c(), r, q)];
            }
        }
    }
    dx[i] = sum;
}

/// One block for each weight, which adds over all images and outputs.
__global__ void weight_gradient(const float *x, const float *dy, float *dw, Shape s) {
    __shared__ float sums[block];
    const int i = blockIdx.x, q = i % s.s, r = i / s.s % s.r, c = i / (s.s * s.r) % s.group_c(), k = i / (s.s * s.r * s.group_c());
    const int channel = k / s.group_k() * s.group_c() + c, plane = s.out_h() * s.out_w();
    float sum = 0;
    for (int j = threadIdx.x; j < s.n * plane; j += block) {
        const int n = j / plane, oh = j % plane / s.out_w(), ow = j % s.out_w();
        const int h = oh * s.stride - s.pad + r * s.dilation, v = ow * s.stride - s.pad + q * s.dilation;
        if (h >= 0 && h < s.h && v >= 0 && v < s.w) sum += x[s.x_at(n, channel, h, v)] * dy[s.y_at(n, k, oh, ow)];
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int half = block / 2; half > 0; half /= 2) {
        if (static_cast<int>(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) dw[i] = sums[0];
}

void backward_data_test() {
    for (const Shape &s : shapes) {
        for (bool whole : {true, false}) {
            const auto dy = numbers<float>(s.y_size(), whole, 9), w = numbers<float>(s.w_size(), whole, 10);
            Buffer<float> gradient(dy), filter(w), out(s.x_size());
            data_gradient<<<check::blocks_for(s.x_size(), block), block>>>(gradient.get(), filter.get(), out.get(), s);
            compare("backward_data", s, whole, out.download(), backward_data(s, dy, w), s.group_k() * s.r * s.s);
        }
    }
}

void backward_weights_test() {
    for (const Shape &s : shapes) {
        for (bool whole : {true, false}) {
            const auto x = numbers<float>(s.x_size(), whole, 11), dy = numbers<float>(s.y_size(), whole, 12);
            Buffer<float> image(x), gradient(dy), out(s.w_size());
            weight_gradient<<<s.w_size(), block>>>(image.get(), gradient.get(), out.get(), s);
            compare("backward_weights", s, whole, out.download(), backward_weights(s, x, dy), s.n * s.out_h() * s.out_w());
        }
    }
}

// ---- pooling ----------------------------------------------------------------------------------------------------------

/// Greatest value of each window and where in the plane it is, the first of equal ones.
__global__ void max_pool(const float *x, float *y, int *where, Shape s) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x, plane = s.out_h() * s.out_w();
    if (i >= s.n * s.c * plane) return;
    const int top = i % plane / s.out_w() * s.stride - s.pad, left = i % s.out_w() * s.stride - s.pad;
    const float *image = x + i / plane * s.h * s.w;
    float greatest = -INFINITY;
    int place = -1;
    for (int r = 0; r < s.r; ++r) {
        for (int q = 0; q < s.s; ++q) {
            const int h = top + r, v = left + q;
            if (h < 0 || h >= s.h || v < 0 || v >= s.w || image[h * s.w + v] <= greatest) continue;
            greatest = image[h * s.w + v];
            place = h * s.w + v;
        }
    }
    y[i] = greatest;
    where[i] = place;
}

__global__ void average_pool(const float *x, float *y, Shape s, bool count_padding) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x, plane = s.out_h() * s.out_w();
    if (i >= s.n * s.c * plane) return;
    const int top = i % plane / s.out_w() * s.stride - s.pad, left = i % s.out_w() * s.stride - s.pad;
    const int h_from = max(top, 0), h_to = min(top + s.r, s.h), w_from = max(left, 0), w_to = min(left + s.s, s.w);
    float sum = 0;
    for (int h = h_from; h < h_to; ++h) {
        for (int v = w_from; v < w_to; ++v) sum += x[(i / plane * s.h + h) * s.w + v];
    }
    const int count = count_padding ? s.r * s.s : (h_to - h_from) * (w_to - w_from);
    y[i] = sum / static_cast<float>(count);
}

void pooling() {
    for (const Shape &s : {Shape{2, 3, 8, 8, 3, 2, 2, 2}, Shape{1, 4, 13, 11, 4, 3, 3, 2, 1}, Shape{1, 2, 9, 9, 2, 3, 2, 1, 1}, Shape{2, 2, 7, 7, 2, 7, 7}}) {
        // Few different values, so that windows hold equal ones.
        const auto x = numbers<float>(s.x_size(), true, 13);
        std::vector<float> greatest;
        std::vector<int> where;
        std::vector<long double> with_padding, without;
        for (int plane = 0; plane < s.n * s.c; ++plane)
            for (int oh = 0; oh < s.out_h(); ++oh)
                for (int ow = 0; ow < s.out_w(); ++ow) {
                    std::vector<std::pair<float, int>> window;
                    long double sum = 0;
                    for (int h = 0; h < s.h; ++h)
                        for (int w = 0; w < s.w; ++w) {
                            const int r = h + s.pad - oh * s.stride, q = w + s.pad - ow * s.stride;
                            if (r < 0 || r >= s.r || q < 0 || q >= s.s) continue;
                            // Negative place: of equal values, the first one is the greatest pair.
                            window.emplace_back(x[(plane * s.h + h) * s.w + w], -(h * s.w + w));
                            sum += window.back().first;
                        }
                    const auto best = *std::max_element(window.begin(), window.end());
                    greatest.push_back(best.first);
                    where.push_back(-best.second);
                    with_padding.push_back(sum / (s.r * s.s));
                    without.push_back(sum / window.size());
                }
        const unsigned grid = check::blocks_for(greatest.size(), block);
        Buffer<float> image(x), out(greatest.size());
        Buffer<int> places(greatest.size());
        max_pool<<<grid, block>>>(image.get(), out.get(), places.get(), s);
        same("pooling", "max " + s.text(), out.download(), greatest);
        same("pooling", "max_places " + s.text(), places.download(), where);
        average_pool<<<grid, block>>>(image.get(), out.get(), s, true);
        near("pooling", "average count_padding " + s.text(), out.download(), with_padding, 0);
        average_pool<<<grid, block>>>(image.get(), out.get(), s, false);
        near("pooling", "average " + s.text(), out.download(), without, 0);
    }
}

// ---- the references themselves ----------------------------------------------------------------------------------------

/// A sliding window written out by hand.
bool forward_agrees_with_a_convolution_by_hand() {
    const Shape s{1, 1, 3, 3, 1, 2, 2};
    const Expected y = forward<float>(s, {1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, -1, 2, 0});
    const Shape padded{1, 1, 2, 2, 1, 3, 3, 1, 1};
    const Expected z = forward<float>(padded, {1, 2, 3, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
    return y.sum == std::vector<long double>{7, 9, 13, 15} && y.magnitude == std::vector<long double>{11, 15, 23, 27} &&
           z.sum == std::vector<long double>{77, 67, 47, 37};
}

/// The three are one trilinear form: <forward(x, w), dy> = <x, backward_data(dy, w)> = <w, backward_weights(x, dy)>.
bool gradients_are_adjoint() {
    for (const Shape &s : shapes) {
        const auto x = numbers<float>(s.x_size(), true, 14), w = numbers<float>(s.w_size(), true, 15), dy = numbers<float>(s.y_size(), true, 16);
        const auto dot = [](const std::vector<long double> &a, const std::vector<float> &b) {
            long double sum = 0;
            for (size_t i = 0; i < b.size(); ++i) sum += a[i] * b[i];
            return sum;
        };
        const long double form = dot(forward(s, x, w).sum, dy);
        if (form == 0 || form != dot(backward_data(s, dy, w).sum, x) || form != dot(backward_weights(s, x, dy).sum, w)) return false;
    }
    return true;
}

/// The transforms' own identity, on the host: one tile through them gives the four outputs of the direct sum.
bool winograd_transforms_agree() {
    const auto d = numbers<float>(16, true, 17), g = numbers<float>(9, true, 18, 4);
    float gh[12], u[16], dh[16], v[16], m[16];
    for (int i = 0; i < 3; ++i) filter_column(&g[i], 3, gh + i, 3);
    for (int i = 0; i < 4; ++i) filter_column(gh + i * 3, 1, u + i * 4, 1);
    for (int i = 0; i < 4; ++i) data_column(&d[i], 4, dh + i, 4);
    for (int i = 0; i < 4; ++i) data_column(dh + i * 4, 1, v + i * 4, 1);
    for (int i = 0; i < 16; ++i) m[i] = u[i] * v[i];
    const float a[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
    const Expected want = forward(Shape{1, 1, 4, 4, 1, 3, 3}, d, g);
    for (int p = 0; p < 2; ++p)
        for (int q = 0; q < 2; ++q) {
            long double sum = 0;
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 4; ++j) sum += a[p][i] * m[i * 4 + j] * a[q][j];
            if (sum != want.sum[p * 2 + q]) return false;
        }
    return true;
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "convolution",
                      {{"direct_f32", direct_f32},
                       {"direct_f16", direct_f16},
                       {"direct_i8", direct_i8},
                       {"implicit_gemm", implicit_gemm_test},
                       {"winograd", winograd},
                       {"depthwise", depthwise_test},
                       {"backward_data", backward_data_test},
                       {"backward_weights", backward_weights_test},
                       {"pooling", pooling}},
                      {{"forward_agrees_with_a_convolution_by_hand", forward_agrees_with_a_convolution_by_hand},
                       {"gradients_are_adjoint", gradients_are_adjoint},
                       {"winograd_transforms_agree", winograd_transforms_agree}});
}

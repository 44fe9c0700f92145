//! The arithmetic of workloads on a card without PyTorch: layers of given shapes and their gradients, compared with the host in double.
//!
//! Every result is a sum of products of two inputs, and is described once: the kernel adds its terms in float on the card, the
//! host in double. Bound on a simulated card: `budget=` multiply-adds for each result, by computing evenly spread elements
//! of it; the line then says how many. The host always looks at no more than it can afford.
//!
//! Products of halves use dot products where the target has them: a card that runs code of a newer target may lack them.
#include "dot.h"
#include "suite.h"

#include <hip/hip_fp16.h>

#include <chrono>
#include <fstream>
#include <set>

namespace {

using check::Buffer;
using check::f16;
using check::Random;
using check::value_of;
using suite::Bound;
using suite::Request;

suite::Results *results;
double budget = 1e12;
double most_memory = 1e18;
constexpr double host_budget = 1.5e7;
constexpr int block = 128;

__device__ float as_float(float x) { return x; }
__device__ float as_float(__half x) { return __half2float(x); }
__device__ void store(float *to, float x) { *to = x; }
__device__ void store(__half *to, float x) { *to = __float2half(x); }

/// Random multiples of scale / 1024 in [-scale, scale), with scale lowered to a power of two: a half holds them exactly, so that one
/// reference serves both types.
std::vector<double> numbers(int64_t count, uint64_t seed, double scale = 1) {
    Random random(seed);
    const double step = std::ldexp(1.0, std::ilogb(scale) - 10);
    std::vector<double> out(count);
    for (double &x : out) x = step * (static_cast<int>(random.bits() >> 53) - 1024);
    return out;
}
template <class T> std::vector<T> typed(const std::vector<double> &from) {
    size_t at = 0;
    return check::fill<T>(from.size(), [&] { return from[at++]; });
}

/// Which elements of a result are computed, and which the host looks at: all, or evenly spread ones.
struct Sample {
    Sample(int64_t all, double cost, double limit) : count(std::max<int64_t>(1, std::min<int64_t>(all, limit / std::max(cost, 1.0)))), all(all) {}
    __host__ __device__ int64_t at(int64_t i) const { return count == all ? i : i * (all / count) + i * (all % count) / count; }
    int64_t count, all;
    std::string text() const { return count == all ? "" : std::to_string(count) + " of " + std::to_string(all) + " elements"; }
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// ---- convolutions -----------------------------------------------------------------------------------------------------

/// A convolution, its input gradient (which is also the transposed convolution) or its weight gradient.
struct Convolution {
    int n, c, h, w, k, r, s, down, along, top, left, groups, oh, ow;
    enum Kind { forward, input_gradient, weight_gradient } kind;

    __host__ __device__ int64_t result_size() const {
        return kind == forward ? int64_t(n) * k * oh * ow : kind == input_gradient ? int64_t(n) * c * h * w : int64_t(k) * (c / groups) * r * s;
    }
    __host__ __device__ double terms() const {
        return kind == forward ? double(c / groups) * r * s : kind == input_gradient ? double(k / groups) * r * s / (down * along) : double(n) * oh * ow;
    }
    /// Adds the products that make element `i`: of places in the image, the filters and the output.
    template <class Sum, class A, class B> __host__ __device__ Sum element(int64_t i, A a, B b) const {
        Sum sum = 0;
        const int cg = c / groups, kg = k / groups;
        if (kind == forward) {
            const int x = i % ow, y = i / ow % oh, filter = i / (int64_t(ow) * oh) % k, image = i / (int64_t(ow) * oh * k), first = filter / kg * cg;
            for (int channel = 0; channel < cg; ++channel)
                for (int p = 0; p < r; ++p) {
                    const int row = y * down - top + p;
                    if (row < 0 || row >= h) continue;
                    for (int q = 0; q < s; ++q) {
                        const int column = x * along - left + q;
                        if (column >= 0 && column < w)
                            sum += Sum(a(((image * c + first + channel) * h + row) * w + column)) * Sum(b(((filter * cg + channel) * r + p) * s + q));
                    }
                }
        } else if (kind == input_gradient) {
            const int column = i % w, row = i / w % h, channel = i / (int64_t(w) * h) % c, image = i / (int64_t(w) * h * c), group = channel / cg;
            for (int p = 0; p < r; ++p) {
                const int y = row + top - p;
                if (y < 0 || y % down || y / down >= oh) continue;
                for (int q = 0; q < s; ++q) {
                    const int x = column + left - q;
                    if (x < 0 || x % along || x / along >= ow) continue;
                    for (int filter = group * kg; filter < (group + 1) * kg; ++filter)
                        sum += Sum(a(((image * k + filter) * oh + y / down) * ow + x / along)) * Sum(b(((filter * cg + channel % cg) * r + p) * s + q));
                }
            }
        } else {
            const int q = i % s, p = i / s % r, channel = i / (s * r) % cg, filter = i / (int64_t(s) * r * cg), source = filter / kg * cg + channel;
            for (int image = 0; image < n; ++image)
                for (int y = 0; y < oh; ++y) {
                    const int row = y * down - top + p;
                    if (row < 0 || row >= h) continue;
                    // A sum for each row keeps float's error small.
                    Sum part = 0;
                    for (int x = 0; x < ow; ++x) {
                        const int column = x * along - left + q;
                        if (column >= 0 && column < w)
                            part += Sum(a(((image * c + source) * h + row) * w + column)) * Sum(b(((image * k + filter) * oh + y) * ow + x));
                    }
                    sum += part;
                }
        }
        return sum;
    }
};

template <class D> __global__ void convolve(const D *a, const D *b, D *out, Convolution it, Sample sample) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= sample.count) return;
    store(out + i, it.element<float>(sample.at(i), [=](int64_t at) { return as_float(a[at]); }, [=](int64_t at) { return as_float(b[at]); }));
}

/// Compares what was computed with `want(i)`, for as many elements as the host can afford.
template <class T, class Want>
void compare(const std::string &name, const char *what, const Bound &bound, const std::vector<T> &got, const Sample &sample, double cost, double seconds, Want want) {
    suite::Error error;
    const Sample looked(sample.count, cost, host_budget);
    for (int64_t i = 0; i < looked.count; ++i) error.add(value_of(got[looked.at(i)]), want(sample.at(looked.at(i))));
    results->compared(name, what, bound, error.relative(), seconds, Sample(sample.all, cost, looked.count * std::max(cost, 1.0)).text());
}

template <class T, class D>
void convolution(const std::string &name, const char *what, const Bound &bound, const Convolution &it, const std::vector<double> &a, const std::vector<double> &b) {
    const Sample sample(it.result_size(), it.terms(), budget);
    Buffer<T> left(typed<T>(a)), right(typed<T>(b)), out(sample.count);
    const double start = now();
    convolve<D><<<check::blocks_for(sample.count, block), block>>>(left.template as<D>(), right.template as<D>(), out.template as<D>(), it, sample);
    check::finish();
    const double seconds = now() - start;
    compare(name, what, bound, out.download(), sample, it.terms(), seconds,
            [&](int64_t i) { return it.element<double>(i, [&](int64_t at) { return a[at]; }, [&](int64_t at) { return b[at]; }); });
}

template <class T, class D> void convolutions(const Request &request, const Bound &bound, bool transposed) {
    const auto x = request.list("input"), f = request.list("weight"), u = request.list("stride"), p = request.list("padding");
    const int groups = request.number("groups", 1);
    const std::string name = request.text("name");
    Convolution it{};
    it.n = x[0], it.r = f[2], it.s = f[3], it.down = u[0], it.along = u[1], it.top = p[0], it.left = p[1], it.groups = groups;
    if (transposed) {
        // The input gradient of the convolution that leads the other way.
        it.k = x[1], it.oh = x[2], it.ow = x[3], it.c = f[1] * groups;
        it.h = (it.oh - 1) * it.down - 2 * it.top + it.r, it.w = (it.ow - 1) * it.along - 2 * it.left + it.s;
    } else {
        it.c = x[1], it.h = x[2], it.w = x[3], it.k = f[0];
        it.oh = (it.h + 2 * it.top - it.r) / it.down + 1, it.ow = (it.w + 2 * it.left - it.s) / it.along + 1;
    }
    const auto images = numbers(int64_t(it.n) * it.c * it.h * it.w, 1), outputs = numbers(int64_t(it.n) * it.k * it.oh * it.ow, 2);
    const auto filters = numbers(int64_t(it.k) * (it.c / groups) * it.r * it.s, 3, 1 / std::sqrt(double(it.c / groups) * it.r * it.s));
    const bool gradients = request.number("gradients");
    const auto of = [&](Convolution::Kind kind, const char *what) {
        it.kind = kind;
        convolution<T, D>(name, what, bound, it, kind == Convolution::input_gradient ? outputs : images,
                          kind == Convolution::weight_gradient ? outputs : filters);
    };
    if (!transposed || gradients) of(Convolution::forward, transposed ? "input_gradient" : "forward");
    if (transposed || gradients) of(Convolution::input_gradient, transposed ? "forward" : "input_gradient");
    if (gradients) of(Convolution::weight_gradient, "weight_gradient");
}

// ---- products ---------------------------------------------------------------------------------------------------------

/// Rows of A times rows of B, a dot product for each element; of halves, two at a time.
__global__ void multiply(const float *a, const float *b, float *out, int n, int depth, Sample sample) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= sample.count) return;
    const int64_t row = sample.at(i) / n * depth, column = sample.at(i) % n * depth;
    float sum = 0;
    for (int l = 0; l < depth; ++l) sum += a[row + l] * b[column + l];
    out[i] = sum;
}
__global__ void multiply(const __half2 *a, const __half2 *b, __half *out, int n, int pairs, Sample sample) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= sample.count) return;
    const int64_t row = sample.at(i) / n * pairs, column = sample.at(i) % n * pairs;
    float sum = 0;
    for (int l = 0; l < pairs; ++l) sum = dot_halves(a[row + l], b[column + l], sum);
    store(out + i, sum);
}

/// A matrix by rows.
struct Matrix {
    int rows, columns;
    std::vector<double> values;
    Matrix transposed() const {
        Matrix out{columns, rows, std::vector<double>(values.size())};
        for (int i = 0; i < rows; ++i)
            for (int j = 0; j < columns; ++j) out.values[size_t(j) * rows + i] = values[size_t(i) * columns + j];
        return out;
    }
    /// With a column of zeros where their number is odd: halves go in pairs.
    Matrix even() const {
        if (columns % 2 == 0) return *this;
        Matrix out{rows, columns + 1, std::vector<double>(size_t(rows) * (columns + 1))};
        for (int i = 0; i < rows; ++i) std::copy_n(&values[size_t(i) * columns], columns, &out.values[size_t(i) * (columns + 1)]);
        return out;
    }
};

/// A times the transposed of B.
template <class T> void product(const std::string &name, const char *what, const Bound &bound, const Matrix &a_given, const Matrix &b_given) {
    constexpr bool half = std::is_same_v<T, f16>;
    const Matrix a = half ? a_given.even() : a_given, b = half ? b_given.even() : b_given;
    const Sample sample(int64_t(a.rows) * b.rows, a.columns, budget);
    Buffer<T> left(typed<T>(a.values)), right(typed<T>(b.values)), out(sample.count);
    const double start = now();
    const unsigned blocks = check::blocks_for(sample.count, block);
    if constexpr (half) {
        multiply<<<blocks, block>>>(left.template as<__half2>(), right.template as<__half2>(), out.template as<__half>(), b.rows, a.columns / 2, sample);
    } else {
        multiply<<<blocks, block>>>(left.get(), right.get(), out.get(), b.rows, a.columns, sample);
    }
    check::finish();
    const double seconds = now() - start;
    compare(name, what, bound, out.download(), sample, a.columns, seconds, [&](int64_t i) {
        const double *row = &a.values[i / b.rows * a.columns], *column = &b.values[i % b.rows * a.columns];
        double sum = 0;
        for (int l = 0; l < a.columns; ++l) sum += row[l] * column[l];
        return sum;
    });
}

template <class T> void products(const Request &request, const Bound &bound) {
    const auto x = request.list("input"), f = request.list("weight");
    const std::string name = request.text("name");
    const int m = x[0], depth = x[1], n = f[1];
    const Matrix a{m, depth, numbers(int64_t(m) * depth, 4)}, b{depth, n, numbers(int64_t(depth) * n, 5, 1 / std::sqrt(double(depth)))};
    product<T>(name, "forward", bound, a, b.transposed());
    // The product of the transposed sides, on its own: their sum shows no more.
    if (request.number("plus_transposed")) product<T>(name, "forward_transposed", bound, a.transposed(), b);
    if (request.number("gradients")) {
        const Matrix above{m, n, numbers(int64_t(m) * n, 6)};
        product<T>(name, "input_gradient", bound, above, b);
        product<T>(name, "weight_gradient", bound, a.transposed(), above.transposed());
    }
}

// ---- one thing at a time ----------------------------------------------------------------------------------------------

enum class Kind : int { scale, relu, leaky_relu, sigmoid };

template <class D> __global__ void each(const D *x, D *y, Kind kind, float slope, Sample sample) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= sample.count) return;
    const float v = as_float(x[sample.at(i)]);
    float out = 2 * v + 1;
    if (kind == Kind::relu) out = v > 0 ? v : 0;
    if (kind == Kind::leaky_relu) out = v > 0 ? v : slope * v;
    if (kind == Kind::sigmoid) out = 1 / (1 + expf(-v));
    store(y + i, out);
}

template <class T, class D> void elementwise(const Request &request, const Bound &bound, Kind kind) {
    int64_t count = 1;
    for (int64_t size : request.list("input")) count *= size;
    const float slope = request.number("slope");
    auto x = numbers(count, 7);
    // Whole numbers, as the earlier check had them.
    if (kind == Kind::scale && bound.dtype == "float32") {
        for (int64_t i = 0; i < count; ++i) x[i] = static_cast<double>(i);
    }
    const Sample sample(count, 1, budget / 16);
    Buffer<T> in(typed<T>(x)), out(sample.count);
    const double start = now();
    each<D><<<check::blocks_for(sample.count, 256), 256>>>(in.template as<D>(), out.template as<D>(), kind, slope, sample);
    check::finish();
    compare(request.text("name"), "forward", bound, out.download(), sample, 1, now() - start, [&](int64_t i) {
        const double v = x[i];
        switch (kind) {
        case Kind::relu: return v > 0 ? v : 0.0;
        case Kind::leaky_relu: return v > 0 ? v : slope * v;
        case Kind::sigmoid: return 1 / (1 + std::exp(-v));
        default: return 2 * v + 1;
        }
    });
}

/// Softmax of rows: a block for each, the largest and the sum through LDS.
template <class D> __global__ void softmax_rows(const D *x, D *y, int width, float scale) {
    __shared__ float shared[64];
    const int t = threadIdx.x;
    const int64_t row = int64_t(blockIdx.x) * width;
    float most = -3e38f, sum = 0;
    for (int i = t; i < width; i += 64) most = fmaxf(most, as_float(x[row + i]) * scale);
    shared[t] = most;
    __syncthreads();
    for (int i = 0; i < 64; ++i) most = fmaxf(most, shared[i]);
    __syncthreads();
    for (int i = t; i < width; i += 64) sum += expf(as_float(x[row + i]) * scale - most);
    shared[t] = sum;
    __syncthreads();
    sum = 0;
    for (int i = 0; i < 64; ++i) sum += shared[i];
    for (int i = t; i < width; i += 64) store(y + row + i, expf(as_float(x[row + i]) * scale - most) / sum);
}

std::vector<double> softmax_of(const double *x, int width, double scale) {
    double most = -1e300, sum = 0;
    for (int i = 0; i < width; ++i) most = std::max(most, x[i] * scale);
    std::vector<double> out(width);
    for (int i = 0; i < width; ++i) sum += out[i] = std::exp(x[i] * scale - most);
    for (double &v : out) v /= sum;
    return out;
}

template <class T, class D> void softmax(const Request &request, const Bound &bound) {
    int64_t rows = 1;
    const auto shape = request.list("input");
    const int width = shape.back();
    for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
    const int64_t computed = std::min<int64_t>(rows, std::max(1.0, budget / 32 / width));
    const auto x = numbers(computed * width, 8, 4);
    Buffer<T> in(typed<T>(x)), out(computed * width);
    const double start = now();
    softmax_rows<D><<<computed, 64>>>(in.template as<D>(), out.template as<D>(), width, 1.0f);
    check::finish();
    const double seconds = now() - start;
    const auto got = out.download();
    suite::Error error;
    for (int64_t row = 0; row < computed; ++row) {
        const auto want = softmax_of(&x[row * width], width, 1);
        for (int i = 0; i < width; ++i) error.add(value_of(got[row * width + i]), want[i]);
    }
    const std::string part = computed == rows ? "" : std::to_string(computed) + " of " + std::to_string(rows) + " rows";
    results->compared(request.text("name"), "forward", bound, error.relative(), seconds, part);
}

/// Attention of one head of one sequence after the other, as many as the budget allows.
template <class T, class D> void attention(const Request &request, const Bound &bound) {
    const auto shape = request.list("input");
    const int length = shape[2], width = shape[3];
    const int64_t all = shape[0] * shape[1], heads = std::min<int64_t>(all, std::max(1.0, budget / (2.0 * length * length * width)));
    const auto scaled = [&](uint64_t seed) { return Matrix{length, width, numbers(int64_t(length) * width, seed)}; };
    suite::Error error;
    const double start = now();
    for (int64_t head = 0; head < heads; ++head) {
        const Matrix query = scaled(100 + head * 3), key = scaled(101 + head * 3), value = scaled(102 + head * 3).transposed();
        Buffer<T> q(typed<T>(query.values)), k(typed<T>(key.values)), v(typed<T>(value.values));
        Buffer<T> scores(size_t(length) * length), shares(size_t(length) * length), out(size_t(length) * width);
        const Sample square(int64_t(length) * length, 1, 1e18), flat(int64_t(length) * width, 1, 1e18);
        const unsigned first = check::blocks_for(square.count, block), second = check::blocks_for(flat.count, block);
        const float scale = 1 / std::sqrt(static_cast<float>(width));
        if constexpr (std::is_same_v<T, f16>) {
            multiply<<<first, block>>>(q.template as<__half2>(), k.template as<__half2>(), scores.template as<__half>(), length, width / 2, square);
            softmax_rows<D><<<length, 64>>>(scores.template as<D>(), shares.template as<D>(), length, scale);
            multiply<<<second, block>>>(shares.template as<__half2>(), v.template as<__half2>(), out.template as<__half>(), width, length / 2, flat);
        } else {
            multiply<<<first, block>>>(q.get(), k.get(), scores.get(), length, width, square);
            softmax_rows<D><<<length, 64>>>(scores.get(), shares.get(), length, scale);
            multiply<<<second, block>>>(shares.get(), v.get(), out.get(), width, length, flat);
        }
        check::finish();
        const auto got = out.download();
        if (head % std::max<int64_t>(1, heads / 4) != 0) continue;
        for (int i = 0; i < length; ++i) {
            std::vector<double> row(length);
            for (int j = 0; j < length; ++j)
                for (int l = 0; l < width; ++l) row[j] += query.values[i * width + l] * key.values[j * width + l];
            const auto share = softmax_of(row.data(), length, 1 / std::sqrt(static_cast<double>(width)));
            for (int l = 0; l < width; ++l) {
                double want = 0;
                for (int j = 0; j < length; ++j) want += share[j] * value.values[l * length + j];
                error.add(value_of(got[i * width + l]), want);
            }
        }
    }
    const std::string part = std::to_string(std::min<int64_t>(heads, 4)) + " of " + std::to_string(all) + " heads";
    results->compared(request.text("name"), "forward", bound, error.relative(), now() - start, part);
}

// ---- moving -----------------------------------------------------------------------------------------------------------

struct Order {
    int dims;
    int64_t sizes[6], steps[6];
};

/// Dimensions in another order: element `i` of the result comes from the place that `order` says.
template <class D> __global__ void move(const D *x, D *y, Order order, int64_t count) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    int64_t rest = i, from = 0;
    for (int d = order.dims - 1; d >= 0; --d) {
        from += rest % order.sizes[d] * order.steps[d];
        rest /= order.sizes[d];
    }
    y[i] = x[from];
}
template <class D> __global__ void square(D *x, int64_t count) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) store(x + i, as_float(x[i]) * as_float(x[i]));
}

template <class T, class D> void rearrange(const Request &request, const Bound &bound) {
    auto shape = request.list("input");
    int64_t count = 1;
    for (int64_t size : shape) count *= size;
    const auto x = numbers(count, 9);
    auto want = x;
    Buffer<T> first(typed<T>(x)), second(count);
    Buffer<T> *now_in = &first, *next = &second;
    const double start = now();
    std::istringstream steps(request.text("steps"));
    for (std::string step; std::getline(steps, step, '+');) {
        const auto list = Request::split(step.substr(1));
        if (step[0] == 'v') {
            shape = list;
            continue;
        }
        Order order{static_cast<int>(list.size()), {}, {}};
        std::vector<int64_t> strides(shape.size(), 1);
        for (size_t d = shape.size() - 1; d > 0; --d) strides[d - 1] = strides[d] * shape[d];
        for (size_t d = 0; d < list.size(); ++d) order.sizes[d] = shape[list[d]], order.steps[d] = strides[list[d]];
        move<D><<<check::blocks_for(count, 256), 256>>>(now_in->template as<D>(), next->template as<D>(), order, count);
        check::finish();
        std::swap(now_in, next);
        // The host counts up all places instead of taking a number apart.
        std::vector<int64_t> place(list.size());
        std::vector<double> moved(count);
        for (double &value : moved) {
            int64_t from = 0;
            for (size_t d = 0; d < list.size(); ++d) from += place[d] * order.steps[d];
            value = want[from];
            for (size_t d = list.size(); d-- > 0 && ++place[d] == order.sizes[d];) place[d] = 0;
        }
        want = moved;
        shape.assign(order.sizes, order.sizes + order.dims);
    }
    square<D><<<check::blocks_for(count, 256), 256>>>(now_in->template as<D>(), count);
    check::finish();
    const Sample all(count, 1, 1e18);
    compare(request.text("name"), "forward", bound, now_in->download(), all, 1, now() - start, [&](int64_t i) { return want[i] * want[i]; });
}

template <class D> __global__ void pool(const D *x, D *y, int h, int w, int size, Sample sample) {
    const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= sample.count) return;
    const int64_t at = sample.at(i), column = at % (w / size), row = at / (w / size) % (h / size), plane = at / (int64_t(w / size) * (h / size));
    float most = -3e38f;
    for (int p = 0; p < size; ++p)
        for (int q = 0; q < size; ++q) most = fmaxf(most, as_float(x[(plane * h + row * size + p) * w + column * size + q]));
    store(y + i, most);
}

template <class T, class D> void max_pool(const Request &request, const Bound &bound) {
    const auto shape = request.list("input");
    const int h = shape[2], w = shape[3], size = request.number("size");
    const auto x = numbers(shape[0] * shape[1] * h * w, 10);
    const Sample sample(static_cast<int64_t>(x.size()) / (size * size), size * size, budget / 8);
    Buffer<T> in(typed<T>(x)), out(sample.count);
    const double start = now();
    pool<D><<<check::blocks_for(sample.count, 256), 256>>>(in.template as<D>(), out.template as<D>(), h, w, size, sample);
    check::finish();
    compare(request.text("name"), "forward", bound, out.download(), sample, size * size, now() - start, [&](int64_t at) {
        const int64_t column = at % (w / size), row = at / (w / size) % (h / size), plane = at / (int64_t(w / size) * (h / size));
        double most = -1e300;
        for (int p = 0; p < size; ++p)
            for (int q = 0; q < size; ++q) most = std::max(most, x[(plane * h + row * size + p) * w + column * size + q]);
        return most;
    });
}

// ---- memory and libraries ---------------------------------------------------------------------------------------------

__device__ uint32_t pattern(uint64_t i) { return static_cast<uint32_t>(i * 2654435761u ^ i >> 20); }
__global__ void fill(uint32_t *memory, uint64_t count) {
    const uint64_t step = uint64_t(gridDim.x) * blockDim.x;
    for (uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) memory[i] = pattern(i);
}
__global__ void verify(const uint32_t *memory, uint64_t count, unsigned long long *wrong) {
    const uint64_t step = uint64_t(gridDim.x) * blockDim.x;
    for (uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step)
        if (memory[i] != pattern(i)) atomicAdd(wrong, 1ull);
}

void memory(const Request &request) {
    size_t free = 0, total = 0;
    HIP_CHECK(hipMemGetInfo(&free, &total));
    const double share = total * request.number("share");
    const uint64_t words = static_cast<uint64_t>(std::min(share, most_memory)) / 4;
    const std::string name = request.text("name");
    std::vector<uint32_t *> blocks(static_cast<size_t>(request.number("blocks", 1)));
    const double start = now();
    for (uint32_t *&block : blocks) {
        HIP_CHECK(hipMalloc(&block, words * 4));
        fill<<<1024, 256>>>(block, words);
    }
    check::finish();
    Buffer<unsigned long long> wrong(std::vector<unsigned long long>{0});
    for (uint32_t *block : blocks) verify<<<1024, 256>>>(block, words, wrong.get());
    suite::Error error;
    const double all = static_cast<double>(words) * blocks.size();
    error.add(all - static_cast<double>(wrong.download()[0]), all);
    for (uint32_t *block : blocks) HIP_CHECK(hipFree(block));
    const std::string part = share > most_memory ? std::to_string(words >> 18) + " MiB of " + std::to_string(static_cast<uint64_t>(share) >> 20) : "";
    results->compared(name, "contents", {"int32", 0}, error.relative(), now() - start, part);
}

/// Which libraries this process has mapped: each once, and from the folder that RMCP_CLAIMED names.
void libraries(const Request &request) {
    const std::string name = request.text("name");
    const char *claimed = std::getenv("RMCP_CLAIMED");
    std::map<std::string, std::set<std::string>> found;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        const size_t at = line.find('/');
        if (at == std::string::npos) continue;
        const std::string path = line.substr(at), file = path.substr(path.rfind('/') + 1), stem = file.substr(0, file.find(".so"));
        if (stem == "libamdhip64" || stem == "libhsa-runtime64") found[stem].insert(path);
    }
    for (const auto &[stem, paths] : found) {
        if (paths.size() > 1) return results->failed(name, stem + " is mapped more than once");
        if (paths.begin()->find(" (deleted)") != std::string::npos) return results->failed(name, stem + " was replaced on disk since it was loaded");
        if (claimed && paths.begin()->rfind(std::string(claimed) + "/", 0) != 0)
            return results->failed(name, std::string(claimed) + " is claimed, and " + *paths.begin() + " is what is loaded");
    }
    found.empty() ? results->skipped(name, "no library of ROCm is mapped") : results->passed(name, "libraries");
}

// ---- the program ------------------------------------------------------------------------------------------------------

template <class T, class D> void compute(const Request &request, const Bound &bound) {
    const std::string operation = request.text("operation");
    if (operation == "conv2d") return convolutions<T, D>(request, bound, false);
    if (operation == "conv_transpose2d") return convolutions<T, D>(request, bound, true);
    if (operation == "matmul") return products<T>(request, bound);
    if (operation == "scale") return elementwise<T, D>(request, bound, Kind::scale);
    if (operation == "relu") return elementwise<T, D>(request, bound, Kind::relu);
    if (operation == "leaky_relu") return elementwise<T, D>(request, bound, Kind::leaky_relu);
    if (operation == "sigmoid") return elementwise<T, D>(request, bound, Kind::sigmoid);
    if (operation == "softmax") return softmax<T, D>(request, bound);
    if (operation == "attention") return attention<T, D>(request, bound);
    if (operation == "rearrange") return rearrange<T, D>(request, bound);
    if (operation == "max_pool2d") return max_pool<T, D>(request, bound);
    results->failed(request.text("name"), "no operation is called " + operation);
}

} // namespace

int main(int argc, char **argv) {
    suite::Results lines;
    results = &lines;
    // A thread that waits by looking again and again keeps a processor busy, which is what a simulated card computes with.
    HIP_CHECK(hipSetDeviceFlags(hipDeviceScheduleBlockingSync));
    for (int i = 1; i < argc; ++i) {
        const Request request(argv[i]);
        const std::string operation = request.text("operation");
        if (operation.empty()) {
            budget = request.number("budget", budget);
            most_memory = request.number("memory", most_memory);
            continue;
        }
        lines.begin(request.text("name"));
        if (operation == "memory") {
            memory(request);
        } else if (operation == "libraries") {
            libraries(request);
        } else {
            for (const Bound &bound : suite::bounds(request)) {
                bound.dtype == "float16" ? compute<f16, __half>(request, bound) : compute<float, float>(request, bound);
            }
        }
    }
    lines.end();
    return lines.has_failed() ? 1 : 0;
}

//! Normalisation over rows and channels: softmax, its logarithm, layer norm, batch norm while training and afterwards.
//!
//! Bounds, in ulp of float. A row of n numbers is added by 128 threads, so a sum has n / 128 + 7 roundings; n is 1000 at most: 15.
//! - softmax: x - m is rounded at a magnitude of at most 16, which the exponential turns into 8 ulp; exp itself errs by 3 (OpenCL's
//!   bound for ocml), in the numerator and in the sum; the sum and the quotient round: 8 + 3 + 8 + 3 + 15 + 1, rounded up to 40.
//! - log_softmax: each of the three terms rounds at most at the sum of their magnitudes, where log of a sum with relative error e
//!   errs by e: 40 at the sum of magnitudes plus 1.
//! - layer and batch norm: mean and variance err by 15 roundings each, the reciprocal root by 2, five more operations follow: 40 at
//!   the sum of the magnitudes of the terms.
#include "check.h"

namespace {

using check::Buffer;
using check::near;
using check::Random;
using std::to_string;

constexpr int block = 128;
constexpr double bound = 40;

struct Sum {
    __device__ float operator()(float a, float b) const { return a + b; }
};
struct Greater {
    __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

/// Combines the values of a block's threads; all get the result.
template <class Combine> __device__ float across(float value, Combine combine) {
    __shared__ float values[block];
    values[threadIdx.x] = value;
    __syncthreads();
    for (int half = block / 2; half > 0; half /= 2) {
        if (static_cast<int>(threadIdx.x) < half) values[threadIdx.x] = combine(values[threadIdx.x], values[threadIdx.x + half]);
        __syncthreads();
    }
    const float result = values[0];
    __syncthreads();
    return result;
}

std::vector<float> reals(size_t count, double low, double high, uint64_t seed) {
    Random random(seed);
    return check::fill<float>(count, [&] { return random.real(low, high); });
}

// ---- softmax ----------------------------------------------------------------------------------------------------------

/// One block for each row.
template <bool logarithm> __global__ void softmax_rows(const float *x, float *y, int columns) {
    const float *row = x + blockIdx.x * columns;
    float greatest = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < columns; i += block) greatest = fmaxf(greatest, row[i]);
    greatest = across(greatest, Greater{});
    for (int i = threadIdx.x; i < columns; i += block) sum += expf(row[i] - greatest);
    sum = across(sum, Sum{});
    for (int i = threadIdx.x; i < columns; i += block) {
        y[blockIdx.x * columns + i] = logarithm ? row[i] - greatest - logf(sum) : expf(row[i] - greatest) / sum;
    }
}

struct Rows {
    std::vector<long double> softmax, logarithm, magnitude;
};

/// By the definition, without taking out the greatest value: long double has room for it.
Rows softmax_on_host(const std::vector<float> &x, int rows, int columns) {
    Rows out;
    for (int r = 0; r < rows; ++r) {
        long double sum = 0, greatest = x[r * columns];
        for (int i = 0; i < columns; ++i) {
            sum += std::exp(static_cast<long double>(x[r * columns + i]));
            greatest = std::max(greatest, static_cast<long double>(x[r * columns + i]));
        }
        for (int i = 0; i < columns; ++i) {
            const long double value = x[r * columns + i];
            out.softmax.push_back(std::exp(value) / sum);
            out.logarithm.push_back(value - std::log(sum));
            out.magnitude.push_back(1 + std::fabs(value) + std::fabs(greatest) + std::fabs(std::log(sum) - greatest));
        }
    }
    return out;
}

constexpr std::pair<int, int> row_shapes[] = {{1, 1}, {7, 10}, {3, 128}, {5, 129}, {4, 1000}};

template <bool logarithm> void softmax_cases(const char *name) {
    for (const auto &[rows, columns] : row_shapes) {
        const auto x = reals(size_t(rows) * columns, -8, 8, 1);
        Buffer<float> in(x), out(x.size());
        softmax_rows<logarithm><<<rows, block>>>(in.get(), out.get(), columns);
        const Rows want = softmax_on_host(x, rows, columns);
        const std::string facts = "rows=" + to_string(rows) + " columns=" + to_string(columns);
        if (logarithm) {
            near(name, facts, out.download(), want.logarithm, bound, want.magnitude);
        } else {
            near(name, facts, out.download(), want.softmax, bound);
        }
    }
}

void softmax() { softmax_cases<false>("softmax"); }
void log_softmax() { softmax_cases<true>("log_softmax"); }

// ---- layer norm -------------------------------------------------------------------------------------------------------

constexpr float epsilon = 1e-5f;

__global__ void layer_norm_rows(const float *x, const float *gain, const float *shift, float *y, int columns) {
    const float *row = x + blockIdx.x * columns;
    float sum = 0, squares = 0;
    for (int i = threadIdx.x; i < columns; i += block) sum += row[i];
    const float mean = across(sum, Sum{}) / columns;
    for (int i = threadIdx.x; i < columns; i += block) squares += (row[i] - mean) * (row[i] - mean);
    const float scale = rsqrtf(across(squares, Sum{}) / columns + epsilon);
    for (int i = threadIdx.x; i < columns; i += block) y[blockIdx.x * columns + i] = (row[i] - mean) * scale * gain[i] + shift[i];
}

struct Moments {
    long double mean, variance;
};

/// Variance as the mean of squares less the square of the mean, which is exact enough in long double.
template <class At> Moments moments(int count, At at) {
    long double sum = 0, squares = 0;
    for (int i = 0; i < count; ++i) {
        const long double value = at(i);
        sum += value;
        squares += value * value;
    }
    return {sum / count, squares / count - sum / count * (sum / count)};
}

void layer_norm() {
    for (const auto &[rows, columns] : row_shapes) {
        if (columns == 1) continue; // no variance
        const auto x = reals(size_t(rows) * columns, -2, 3, 2), gain = reals(columns, 0.5, 1.5, 3), shift = reals(columns, -1, 1, 4);
        Buffer<float> in(x), gains(gain), shifts(shift), out(x.size());
        layer_norm_rows<<<rows, block>>>(in.get(), gains.get(), shifts.get(), out.get(), columns);
        std::vector<long double> want, magnitude;
        for (int r = 0; r < rows; ++r) {
            const int width = columns;
            const Moments row = moments(width, [&](int i) { return x[r * width + i]; });
            const long double scale = 1 / std::sqrt(row.variance + epsilon);
            for (int i = 0; i < width; ++i) {
                const long double value = x[r * width + i];
                want.push_back((value - row.mean) * scale * gain[i] + shift[i]);
                magnitude.push_back((std::fabs(value) + std::fabs(row.mean)) * scale * gain[i] + std::fabs(shift[i]));
            }
        }
        near("layer_norm", "rows=" + to_string(rows) + " columns=" + to_string(columns), out.download(), want, bound, magnitude);
    }
}

// ---- batch norm -------------------------------------------------------------------------------------------------------

/// Images of `channels` planes of `plane` values.
struct Batch {
    int images, channels, plane;
    int per_channel() const { return images * plane; }
    size_t size() const { return size_t(images) * channels * plane; }
    std::string text() const { return to_string(images) + "x" + to_string(channels) + "x" + to_string(plane); }
};
constexpr Batch batches[] = {{2, 3, 25}, {4, 5, 64}, {8, 2, 121}};
constexpr float momentum = 0.1f;

/// One block for each channel: its mean and variance over the batch, the running ones moved towards them, and the result.
__global__ void batch_norm_train(const float *x, const float *gain, const float *shift, float *running_mean, float *running_variance, float *y, Batch b) {
    const int c = blockIdx.x, count = b.images * b.plane;
    float sum = 0, squares = 0;
    for (int i = threadIdx.x; i < count; i += block) sum += x[(i / b.plane * b.channels + c) * b.plane + i % b.plane];
    const float mean = across(sum, Sum{}) / count;
    for (int i = threadIdx.x; i < count; i += block) {
        const float centred = x[(i / b.plane * b.channels + c) * b.plane + i % b.plane] - mean;
        squares += centred * centred;
    }
    squares = across(squares, Sum{});
    const float scale = rsqrtf(squares / count + epsilon) * gain[c];
    for (int i = threadIdx.x; i < count; i += block) {
        const int at = (i / b.plane * b.channels + c) * b.plane + i % b.plane;
        y[at] = (x[at] - mean) * scale + shift[c];
    }
    if (threadIdx.x == 0) {
        running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean;
        running_variance[c] = (1 - momentum) * running_variance[c] + momentum * squares / (count - 1);
    }
}

__global__ void batch_norm_infer(const float *x, const float *gain, const float *shift, const float *mean, const float *variance, float *y, Batch b) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= b.images * b.channels * b.plane) return;
    const int c = i / b.plane % b.channels;
    y[i] = (x[i] - mean[c]) * rsqrtf(variance[c] + epsilon) * gain[c] + shift[c];
}

void batch_norm_training() {
    for (const Batch &b : batches) {
        const auto x = reals(b.size(), -1, 3, 5), gain = reals(b.channels, 0.5, 1.5, 6), shift = reals(b.channels, -1, 1, 7);
        const auto old_mean = reals(b.channels, -1, 1, 8), old_variance = reals(b.channels, 0.5, 2, 9);
        Buffer<float> in(x), gains(gain), shifts(shift), mean(old_mean), variance(old_variance), out(x.size());
        batch_norm_train<<<b.channels, block>>>(in.get(), gains.get(), shifts.get(), mean.get(), variance.get(), out.get(), b);
        std::vector<long double> want(b.size()), magnitude(b.size()), want_mean, want_variance, mean_magnitude;
        for (int c = 0; c < b.channels; ++c) {
            const auto place = [&](int i) { return (i / b.plane * b.channels + c) * b.plane + i % b.plane; };
            const Moments channel = moments(b.per_channel(), [&](int i) { return x[place(i)]; });
            const long double scale = gain[c] / std::sqrt(channel.variance + epsilon);
            for (int i = 0; i < b.per_channel(); ++i) {
                const long double value = x[place(i)];
                want[place(i)] = (value - channel.mean) * scale + shift[c];
                magnitude[place(i)] = (std::fabs(value) + std::fabs(channel.mean)) * scale + std::fabs(shift[c]);
            }
            const long double count = b.per_channel(), rate = momentum;
            want_mean.push_back((1 - rate) * old_mean[c] + rate * channel.mean);
            mean_magnitude.push_back(std::fabs(old_mean[c]) + 3); // |x| is 3 at most
            want_variance.push_back((1 - rate) * old_variance[c] + rate * channel.variance * count / (count - 1));
        }
        near("batch_norm_training", b.text(), out.download(), want, bound, magnitude);
        near("batch_norm_training", "running_mean " + b.text(), mean.download(), want_mean, bound, mean_magnitude);
        near("batch_norm_training", "running_variance " + b.text(), variance.download(), want_variance, bound);
    }
}

void batch_norm_inference() {
    for (const Batch &b : batches) {
        const auto x = reals(b.size(), -1, 3, 10), gain = reals(b.channels, 0.5, 1.5, 11), shift = reals(b.channels, -1, 1, 12);
        const auto mean = reals(b.channels, -1, 1, 13), variance = reals(b.channels, 0.5, 2, 14);
        Buffer<float> in(x), gains(gain), shifts(shift), means(mean), variances(variance), out(x.size());
        batch_norm_infer<<<check::blocks_for(b.size(), block), block>>>(in.get(), gains.get(), shifts.get(), means.get(), variances.get(), out.get(), b);
        std::vector<long double> want, magnitude;
        for (size_t i = 0; i < b.size(); ++i) {
            const int c = static_cast<int>(i / b.plane % b.channels);
            const long double scale = gain[c] / std::sqrt(static_cast<long double>(variance[c]) + epsilon);
            want.push_back((static_cast<long double>(x[i]) - mean[c]) * scale + shift[c]);
            magnitude.push_back((std::fabs(x[i]) + std::fabs(mean[c])) * scale + std::fabs(shift[c]));
        }
        // Six operations and a reciprocal root, none of them a long sum.
        near("batch_norm_inference", b.text(), out.download(), want, 8, magnitude);
    }
}

bool references_agree_with_small_cases() {
    const Rows rows = softmax_on_host({0, std::log(3.0f), 5, 5}, 2, 2);
    const auto close = [](long double a, long double b) { return std::fabs(a - b) < 1e-7L; };
    const float values[] = {1, 2, 3, 6};
    const Moments four = moments(4, [&](int i) { return values[i]; });
    return close(rows.softmax[0], 0.25L) && close(rows.softmax[1], 0.75L) && close(rows.softmax[2], 0.5L) && close(rows.logarithm[0], std::log(0.25L)) &&
           close(rows.logarithm[3], std::log(0.5L)) && four.mean == 3 && four.variance == 3.5L;
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "normalise",
                      {{"softmax", softmax},
                       {"log_softmax", log_softmax},
                       {"layer_norm", layer_norm},
                       {"batch_norm_training", batch_norm_training},
                       {"batch_norm_inference", batch_norm_inference}},
                      {{"references_agree_with_small_cases", references_agree_with_small_cases}});
}

//! The arithmetic of the workloads that `rmcp try` runs: one check for each process, with its shape on the command line.
//!
//! Usage: suite OPERATION name=NAME roundoff=U [KEY=VALUE...]; operations and keys are in `operations` below. A line of
//! JSON for each comparison goes to the file that RMCP_RESULTS names (standard output where it names none), and
//! {"end": N} when all are made. Every result is compared with the host's in double. Where a launch has more products
//! than products=N allows (for a simulated card, which computes some ten million a second), every n-th output is
//! computed; the line says so ("sampled": n).
//!
//! The error is the largest |got - want|, divided by the largest |want|. What is allowed grows with the root of the number
//! of products in a sum: 4 U sqrt(n), and 16 U at least. Source: Higham, "Accuracy and Stability of Numerical Algorithms",
//! 2.8: rounding errors add up as a random walk does. Exit codes as in check.h: 0 also where numbers
//! are wrong, which is for whoever reads the lines to say.

#include "check.h"
#include "dot.h"

#include <chrono>
#include <hip/hip_fp16.h>
#include <map>

namespace {

/// Outputs that the host computes too.
constexpr size_t compared = 3000;

// ---- arguments and results ----------------------------------------------------------------------------------------------

class Arguments {
  public:
    Arguments(int count, char **words) {
        for (int i = 2; i < count; ++i) {
            const std::string word = words[i];
            const size_t at = word.find('=');
            if (at == std::string::npos) wrong(word);
            values[word.substr(0, at)] = word.substr(at + 1);
        }
    }
    int number(const std::string &key, int otherwise) const {
        const auto found = values.find(key);
        return found == values.end() ? otherwise : std::atoi(found->second.c_str());
    }
    int number(const std::string &key) const {
        if (!values.count(key)) wrong(key + "=");
        return number(key, 0);
    }
    std::string text(const std::string &key, const std::string &otherwise = "") const {
        const auto found = values.find(key);
        return found == values.end() ? otherwise : found->second;
    }

  private:
    [[noreturn]] static void wrong(const std::string &word) {
        std::fprintf(stderr, "suite: wrong or missing argument: %s\n", word.c_str());
        std::exit(3);
    }
    std::map<std::string, std::string> values;
};

/// Where lines go.
class Results {
  public:
    /// Products of one launch.
    const double affordable;

    explicit Results(const Arguments &arguments)
        : affordable(std::atof(arguments.text("products", "1e15").c_str())), name(arguments.text("name")),
          roundoff(std::atof(arguments.text("roundoff").c_str())) {
        const char *path = std::getenv("RMCP_RESULTS");
        file = path ? std::fopen(path, "a") : stdout;
        if (!file) {
            std::perror(path);
            std::exit(3);
        }
    }
    void add(const char *what, const std::string &dtype, double error, double terms, double seconds, size_t sampled) {
        const double tolerance = std::max(16.0, 4 * std::sqrt(terms)) * roundoff;
        // JSON has no infinity and no NaN; a number beyond every tolerance says as much.
        if (!(error < 1e30)) error = 1e30;
        std::fprintf(file, "{\"check\": \"%s\", \"what\": \"%s\", \"dtype\": \"%s\", \"max_rel_error\": %.6g, \"tolerance\": %.6g, "
                     "\"seconds\": %.4f", name.c_str(), what, dtype.c_str(), error, tolerance, seconds);
        if (sampled > 1) std::fprintf(file, ", \"sampled\": %zu", sampled);
        std::fprintf(file, "}\n");
        std::fflush(file);
        ++lines;
    }
    void end() {
        std::fprintf(file, "{\"end\": %d}\n", lines);
        std::fflush(file);
    }

  private:
    std::string name;
    double roundoff;
    FILE *file;
    int lines = 0;
};

/// Every n-th of so many outputs, of which each takes so many products; `outputs` of them.
struct Sample {
    size_t every, outputs;
    Sample(size_t all, double products_of_one, double affordable) {
        every = std::max<size_t>(1, static_cast<size_t>(std::ceil(all * products_of_one / affordable)));
        // No divisor of a width or a number of channels: the sample goes through all of them.
        while (every > 1 && (every % 2 == 0 || every % 3 == 0)) ++every;
        outputs = (all + every - 1) / every;
    }
};

/// Error of a sample of outputs against the host's.
template <class Want> double error_of(const std::vector<float> &got, const Sample &sample, Want want) {
    double error = 0, scale = 0;
    const size_t step = std::max<size_t>(1, got.size() / compared);
    for (size_t i = 0; i < got.size(); i += step) {
        const double expected = want(i * sample.every);
        scale = std::max(scale, std::fabs(expected));
        const double difference = std::fabs(got[i] - expected);
        error = std::isnan(difference) ? INFINITY : std::max(error, difference);
    }
    return scale > 0 ? error / scale : error;
}

double seconds_of(const std::function<void()> &work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    check::finish();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// ---- numbers: float, and half with the instruction for pairs where the target has it ------------------------------------

template <class T> struct Number;
template <> struct Number<float> {
    using Host = float;
    static constexpr const char *name = "float32";
};
template <> struct Number<__half> {
    using Host = check::f16;
    static constexpr const char *name = "float16";
};

__device__ inline float multiply_add(float a, float b, float sum) { return fmaf(a, b, sum); }
__device__ inline float multiply_add(__half a, __half b, float sum) {
#if HAS_DOT
    typedef _Float16 pair __attribute__((ext_vector_type(2)));
    return __builtin_amdgcn_fdot2(pair{static_cast<_Float16>(a), 0}, pair{static_cast<_Float16>(b), 0}, sum, false);
#else
    return fmaf(__half2float(a), __half2float(b), sum);
#endif
}

template <class T> struct Operands {
    std::vector<double> a, b;
    check::Buffer<typename Number<T>::Host> device_a, device_b;

    static std::vector<typename Number<T>::Host> values(size_t count, uint64_t seed, std::vector<double> &exact) {
        check::Random random(seed);
        auto made = check::fill<typename Number<T>::Host>(count, [&] { return random.real(-1, 1); });
        exact.resize(count);
        for (size_t i = 0; i < count; ++i) exact[i] = check::value_of(made[i]);
        return made;
    }
    Operands(size_t count_a, size_t count_b)
        : device_a(values(count_a, 1, a)), device_b(values(count_b, 2, b)) {}
    const T *pointer_a() { return device_a.template as<T>(); }
    const T *pointer_b() { return device_b.template as<T>(); }
};

// ---- convolution ---------------------------------------------------------------------------------------------------------

struct Convolution {
    int n, c, h, w, k, r, s, stride, padding, groups, p, q;
};

/// One output of the forward pass, from any kind of operands.
template <class Sum, class A, class B, class Multiply>
__host__ __device__ Sum forward(const Convolution &v, const A *x, const B *weight, size_t at, Multiply multiply) {
    const int column = at % v.q, row = at / v.q % v.p, k = at / v.q / v.p % v.k, n = at / v.q / v.p / v.k;
    const int of_group = v.c / v.groups, first = k / (v.k / v.groups) * of_group;
    Sum sum = 0;
    for (int c = 0; c < of_group; ++c) {
        for (int i = 0; i < v.r; ++i) {
            const int y = row * v.stride + i - v.padding;
            if (y < 0 || y >= v.h) continue;
            for (int j = 0; j < v.s; ++j) {
                const int z = column * v.stride + j - v.padding;
                if (z < 0 || z >= v.w) continue;
                sum = multiply(x[((size_t(n) * v.c + first + c) * v.h + y) * v.w + z],
                               weight[((size_t(k) * of_group + c) * v.r + i) * v.s + j], sum);
            }
        }
    }
    return sum;
}

/// One element of the gradient of the input; also one output of a transposed convolution.
template <class Sum, class A, class B, class Multiply>
__host__ __device__ Sum backward_data(const Convolution &v, const A *dy, const B *weight, size_t at, Multiply multiply) {
    const int z = at % v.w, y = at / v.w % v.h, c = at / v.w / v.h % v.c, n = at / v.w / v.h / v.c;
    const int in_group = v.c / v.groups, out_group = v.k / v.groups, first = c / in_group * out_group;
    Sum sum = 0;
    for (int k = first; k < first + out_group; ++k) {
        for (int i = 0; i < v.r; ++i) {
            const int row = y + v.padding - i;
            if (row < 0 || row % v.stride || row / v.stride >= v.p) continue;
            for (int j = 0; j < v.s; ++j) {
                const int column = z + v.padding - j;
                if (column < 0 || column % v.stride || column / v.stride >= v.q) continue;
                sum = multiply(dy[((size_t(n) * v.k + k) * v.p + row / v.stride) * v.q + column / v.stride],
                               weight[((size_t(k) * in_group + c % in_group) * v.r + i) * v.s + j], sum);
            }
        }
    }
    return sum;
}

/// One element of the gradient of the weights.
template <class Sum, class A, class B, class Multiply>
__host__ __device__ Sum backward_weights(const Convolution &v, const A *x, const B *dy, size_t at, Multiply multiply) {
    const int in_group = v.c / v.groups;
    const int j = at % v.s, i = at / v.s % v.r, c = at / v.s / v.r % in_group, k = at / v.s / v.r / in_group;
    const int channel = k / (v.k / v.groups) * in_group + c;
    Sum sum = 0;
    for (int n = 0; n < v.n; ++n) {
        for (int row = 0; row < v.p; ++row) {
            const int y = row * v.stride + i - v.padding;
            if (y < 0 || y >= v.h) continue;
            for (int column = 0; column < v.q; ++column) {
                const int z = column * v.stride + j - v.padding;
                if (z < 0 || z >= v.w) continue;
                sum = multiply(x[((size_t(n) * v.c + channel) * v.h + y) * v.w + z],
                               dy[((size_t(n) * v.k + k) * v.p + row) * v.q + column], sum);
            }
        }
    }
    return sum;
}

enum Direction { Forward, Data, Weights };

template <Direction direction, class Sum, class A, class B, class Multiply>
__host__ __device__ Sum one(const Convolution &v, const A *a, const B *b, size_t at, Multiply multiply) {
    if constexpr (direction == Forward) return forward<Sum>(v, a, b, at, multiply);
    if constexpr (direction == Data) return backward_data<Sum>(v, a, b, at, multiply);
    return backward_weights<Sum>(v, a, b, at, multiply);
}

template <Direction direction, class T>
__global__ void convolve(Convolution v, const T *a, const T *b, float *out, size_t every, size_t outputs) {
    const size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= outputs) return;
    out[i] = one<direction, float>(v, a, b, i * every, [](T x, T y, float sum) { return multiply_add(x, y, sum); });
}

double fused(double x, double y, double sum) { return sum + x * y; }

template <Direction direction, class T> void convolution_in(const Convolution &v, Results &results) {
    const size_t x = size_t(v.n) * v.c * v.h * v.w, y = size_t(v.n) * v.k * v.p * v.q;
    const size_t weight = size_t(v.k) * (v.c / v.groups) * v.r * v.s;
    const size_t all = direction == Forward ? y : direction == Data ? x : weight;
    const double products = direction == Forward ? double(v.c / v.groups) * v.r * v.s
                            : direction == Data  ? double(v.k / v.groups) * v.r * v.s
                                                 : double(v.n) * v.p * v.q;
    const Sample sample(all, products, results.affordable);
    Operands<T> operands(direction == Data ? y : x, direction == Weights ? y : weight);
    check::Buffer<float> out(sample.outputs);
    const double seconds = seconds_of([&] {
        convolve<direction, T><<<check::blocks_for(sample.outputs, 64), 64>>>(v, operands.pointer_a(), operands.pointer_b(), out.get(),
                                                                             sample.every, sample.outputs);
    });
    const double error = error_of(out.download(), sample, [&](size_t at) {
        return one<direction, double>(v, operands.a.data(), operands.b.data(), at, fused);
    });
    const char *names[] = {"forward", "input_gradient", "weight_gradient"};
    results.add(names[direction], Number<T>::name, error, products, seconds, sample.every);
}

template <class T> void convolution(const Arguments &arguments, Results &results) {
    Convolution v{arguments.number("n"), arguments.number("c"), arguments.number("h"), arguments.number("w"),
                  arguments.number("k"), arguments.number("r"), arguments.number("s"), arguments.number("stride", 1),
                  arguments.number("padding", 0), arguments.number("groups", 1), 0, 0};
    v.p = (v.h + 2 * v.padding - v.r) / v.stride + 1;
    v.q = (v.w + 2 * v.padding - v.s) / v.stride + 1;
    convolution_in<Forward, T>(v, results);
    if (arguments.number("gradients", 0)) {
        convolution_in<Data, T>(v, results);
        convolution_in<Weights, T>(v, results);
    }
}

// ---- matrix product ------------------------------------------------------------------------------------------------------

template <class T>
__global__ void product(int columns, int depth, const T *a, const T *b, float *out, size_t every, size_t outputs) {
    const size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= outputs) return;
    const size_t at = i * every, row = at / columns, column = at % columns;
    float sum = 0;
    for (int k = 0; k < depth; ++k) sum = multiply_add(a[row * depth + k], b[size_t(k) * columns + column], sum);
    out[i] = sum;
}

template <class T> void matrix_product(const Arguments &arguments, Results &results) {
    const int rows = arguments.number("m"), columns = arguments.number("n"), depth = arguments.number("k");
    const Sample sample(size_t(rows) * columns, depth, results.affordable);
    Operands<T> operands(size_t(rows) * depth, size_t(depth) * columns);
    check::Buffer<float> out(sample.outputs);
    const double seconds = seconds_of([&] {
        product<T><<<check::blocks_for(sample.outputs, 64), 64>>>(columns, depth, operands.pointer_a(), operands.pointer_b(), out.get(),
                                                                 sample.every, sample.outputs);
    });
    const double error = error_of(out.download(), sample, [&](size_t at) {
        double sum = 0;
        for (int k = 0; k < depth; ++k) {
            sum += operands.a[at / columns * depth + k] * operands.b[size_t(k) * columns + at % columns];
        }
        return sum;
    });
    results.add("forward", Number<T>::name, error, depth, seconds, sample.every);
}

// ---- memory --------------------------------------------------------------------------------------------------------------

__host__ __device__ inline uint32_t mixed(uint64_t at) {
    // Finaliser of MurmurHash3, by Austin Appleby, in the public domain: each bit of the place moves half of the result.
    at ^= at >> 33, at *= 0xff51afd7ed558ccdu, at ^= at >> 33;
    return static_cast<uint32_t>(at >> 16);
}

__global__ void mark(uint32_t *memory, size_t words, size_t every) {
    const size_t at = (size_t(blockIdx.x) * blockDim.x + threadIdx.x) * every;
    if (at < words) memory[at] = mixed(at);
}

__global__ void count_wrong(const uint32_t *memory, size_t words, size_t every, uint32_t *wrong) {
    const size_t at = (size_t(blockIdx.x) * blockDim.x + threadIdx.x) * every;
    if (at < words && memory[at] != mixed(at)) atomicAdd(wrong, 1);
}

/// Allocates a part of the memory at once, writes a number that depends on the place every `step` bytes, and looks
/// whether it is there.
void memory(const Arguments &arguments, Results &results) {
    size_t unused, total;
    HIP_CHECK(hipMemGetInfo(&unused, &total));
    const size_t words = total / 100 * arguments.number("percent") / sizeof(uint32_t);
    const size_t every = arguments.number("step", 65536) / sizeof(uint32_t) | 1;
    uint32_t *block;
    HIP_CHECK(hipMalloc(&block, words * sizeof(uint32_t)));
    check::Buffer<uint32_t> wrong(std::vector<uint32_t>{0});
    const unsigned blocks = check::blocks_for((words + every - 1) / every, 64);
    const double seconds = seconds_of([&] {
        mark<<<blocks, 64>>>(block, words, every);
        count_wrong<<<blocks, 64>>>(block, words, every, wrong.get());
    });
    HIP_CHECK(hipFree(block));
    results.add("contents", "uint32", wrong.download()[0], 1, seconds, every);
}

} // namespace

int main(int count, char **words) {
    const std::string operation = count > 1 ? words[1] : "";
    const Arguments arguments(count, words);
    Results results(arguments);
    const bool half = arguments.text("dtype", "float32") == "float16";
    const std::map<std::string, std::function<void()>> operations = {
        // n c h w k r s [stride padding groups gradients dtype]
        {"conv2d", [&] { half ? convolution<__half>(arguments, results) : convolution<float>(arguments, results); }},
        // m n k [dtype]
        {"matmul", [&] { half ? matrix_product<__half>(arguments, results) : matrix_product<float>(arguments, results); }},
        // percent [step]
        {"memory", [&] { memory(arguments, results); }},
    };
    const auto found = operations.find(operation);
    if (found == operations.end()) {
        std::fprintf(stderr, "suite: no operation is called `%s`\n", operation.c_str());
        return 3;
    }
    found->second();
    results.end();
    return 0;
}

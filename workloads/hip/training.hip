//! A training that can be interrupted: a small network learns, keeps checkpoints, and goes on from one.
//!
//! Usage: training STEPS. It computes on the first device, or on the processor where RMCP_DEVICE is `cpu`; keeps a
//! checkpoint every ten steps in RMCP_CHECKPOINT_DIR where that is set, and begins with the one that RMCP_RESUME
//! names. A line of output is a step and its loss, with all digits. Exit codes as in check.h.

#include "check.h"

#include <unistd.h>

namespace {

constexpr int batch = 32, inputs = 24, hidden = 48, outputs = 8;
constexpr int interval = 10;
constexpr float rate = 0.05f;

/// C[m][n] = sum over k of A(m,k) * B(k,n), each from a row-major matrix or its transpose.
struct Product {
    int m, n, k;
    bool transpose_a, transpose_b;
};

/// One element, in the same order of additions on both devices; `fmaf` on both, so that the bits agree.
__host__ __device__ inline float element(const Product &p, const float *a, const float *b, int row, int column) {
    float sum = 0;
    for (int i = 0; i < p.k; ++i) {
        const float x = p.transpose_a ? a[i * p.m + row] : a[row * p.k + i];
        const float y = p.transpose_b ? b[column * p.k + i] : b[i * p.n + column];
        sum = fmaf(x, y, sum);
    }
    return sum;
}

__global__ void product(Product p, const float *a, const float *b, float *c) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at < p.m * p.n) c[at] = element(p, a, b, at / p.n, at % p.n);
}

/// What happens to each element by itself.
enum class Step { relu, difference, masked, learn };

__host__ __device__ inline float changed(Step step, float x, float y) {
    switch (step) {
    case Step::relu: return x > 0 ? x : 0;
    // Gradient of the mean of squares.
    case Step::difference: return (x - y) * (2.0f / (batch * outputs));
    case Step::masked: return y > 0 ? x : 0;
    case Step::learn: return fmaf(-rate, y, x);
    }
    return 0;
}

__global__ void each(Step step, float *x, const float *y, int count) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at < count) x[at] = changed(step, x[at], y ? y[at] : 0);
}

/// The device or the processor, behind one set of names.
class Machine {
  public:
    Machine() {
        const char *device = std::getenv("RMCP_DEVICE");
        processor = device && std::string(device) == "cpu";
    }
    bool on_processor() const { return processor; }

    float *allocate(size_t count) const {
        if (processor) return new float[count]();
        float *memory;
        HIP_CHECK(hipMalloc(&memory, count * sizeof(float)));
        return memory;
    }
    void upload(float *to, const std::vector<float> &from) const {
        if (processor) {
            std::copy(from.begin(), from.end(), to);
        } else {
            HIP_CHECK(hipMemcpy(to, from.data(), from.size() * sizeof(float), hipMemcpyHostToDevice));
        }
    }
    std::vector<float> download(const float *from, size_t count) const {
        std::vector<float> values(count);
        if (processor) {
            std::copy(from, from + count, values.begin());
        } else {
            HIP_CHECK(hipMemcpy(values.data(), from, count * sizeof(float), hipMemcpyDeviceToHost));
        }
        return values;
    }
    void multiply(const Product &p, const float *a, const float *b, float *c) const {
        if (processor) {
            for (int at = 0; at < p.m * p.n; ++at) c[at] = element(p, a, b, at / p.n, at % p.n);
            return;
        }
        product<<<check::blocks_for(p.m * p.n, 64), 64>>>(p, a, b, c);
        check::finish();
    }
    void change(Step step, float *x, const float *y, int count) const {
        if (processor) {
            for (int at = 0; at < count; ++at) x[at] = changed(step, x[at], y ? y[at] : 0);
            return;
        }
        each<<<check::blocks_for(count, 64), 64>>>(step, x, y, count);
        check::finish();
    }

  private:
    bool processor;
};

/// Two layers that learn a fixed function of random inputs.
class Training {
  public:
    explicit Training(const Machine &machine) : machine(machine) {
        check::Random random(7);
        auto fill = [&](size_t count, double reach) {
            return check::fill<float>(count, [&] { return random.real(-reach, reach); });
        };
        first = machine.allocate(inputs * hidden);
        second = machine.allocate(hidden * outputs);
        machine.upload(first, fill(inputs * hidden, 0.2));
        machine.upload(second, fill(hidden * outputs, 0.2));
        target_weights = fill(inputs * outputs, 0.5);
        for (float **memory : {&x, &want, &h, &y, &dh, &d_first, &d_second}) *memory = machine.allocate(batch * 96);
    }

    /// One step, and the loss before it. The data of a step depend on its number alone.
    double step(int number) {
        check::Random random(1000 + number);
        std::vector<float> data = check::fill<float>(batch * inputs, [&] { return random.real(-1, 1); });
        std::vector<float> wanted(batch * outputs);
        const Product target{batch, outputs, inputs, false, false};
        for (int at = 0; at < batch * outputs; ++at) {
            wanted[at] = std::fmax(0.0f, element(target, data.data(), target_weights.data(), at / outputs, at % outputs));
        }
        machine.upload(x, data);
        machine.upload(want, wanted);
        machine.multiply({batch, hidden, inputs, false, false}, x, first, h);
        machine.change(Step::relu, h, nullptr, batch * hidden);
        machine.multiply({batch, outputs, hidden, false, false}, h, second, y);
        const std::vector<float> got = machine.download(y, batch * outputs);
        double loss = 0;
        for (int at = 0; at < batch * outputs; ++at) loss += double(got[at] - wanted[at]) * (got[at] - wanted[at]);
        machine.change(Step::difference, y, want, batch * outputs);
        machine.multiply({hidden, outputs, batch, true, false}, h, y, d_second);
        machine.multiply({batch, hidden, outputs, false, true}, y, second, dh);
        machine.change(Step::masked, dh, h, batch * hidden);
        machine.multiply({inputs, hidden, batch, true, false}, x, dh, d_first);
        machine.change(Step::learn, first, d_first, inputs * hidden);
        machine.change(Step::learn, second, d_second, hidden * outputs);
        return loss / (batch * outputs);
    }

    /// Writes the state under another name, then renames it: it is there whole or not at all.
    void save(const std::string &path, int next) const {
        const std::string unfinished = path + ".partial";
        FILE *file = std::fopen(unfinished.c_str(), "wb");
        bool good = file && std::fwrite(&next, sizeof next, 1, file) == 1;
        for (auto [memory, count] : weights()) {
            const std::vector<float> values = machine.download(memory, count);
            good = good && std::fwrite(values.data(), sizeof(float), count, file) == size_t(count);
        }
        good = good && std::fflush(file) == 0 && fsync(fileno(file)) == 0;
        if (file) good = std::fclose(file) == 0 && good;
        if (!good || std::rename(unfinished.c_str(), path.c_str()) != 0) {
            std::printf("error the checkpoint %s cannot be written\n", path.c_str());
            std::exit(3);
        }
    }

    /// Reads a state, and gives the step to go on with.
    int load(const char *path) {
        FILE *file = std::fopen(path, "rb");
        int next = 0;
        bool good = file && std::fread(&next, sizeof next, 1, file) == 1;
        for (auto [memory, count] : weights()) {
            std::vector<float> values(count);
            good = good && std::fread(values.data(), sizeof(float), count, file) == size_t(count);
            if (good) machine.upload(memory, values);
        }
        if (file) std::fclose(file);
        if (!good) {
            std::printf("error the checkpoint %s cannot be read\n", path);
            std::exit(3);
        }
        return next;
    }

  private:
    std::vector<std::pair<float *, int>> weights() const {
        return {{first, inputs * hidden}, {second, hidden * outputs}};
    }

    const Machine &machine;
    std::vector<float> target_weights;
    float *first, *second, *x, *want, *h, *y, *dh, *d_first, *d_second;
};

} // namespace

int main(int count, char **words) {
    const int steps = count == 2 ? std::atoi(words[1]) : 0;
    if (steps <= 0) {
        std::printf("usage: %s STEPS\n", words[0]);
        return 3;
    }
    const Machine machine;
    Training training(machine);
    const char *resume = std::getenv("RMCP_RESUME"), *folder = std::getenv("RMCP_CHECKPOINT_DIR");
    std::printf("# on the %s\n", machine.on_processor() ? "processor" : "device");
    for (int step = resume ? training.load(resume) : 0; step < steps; ++step) {
        std::printf("step %d loss %.17g\n", step, training.step(step));
        std::fflush(stdout);
        if (folder && (step + 1) % interval == 0) training.save(std::string(folder) + "/training.pt", step + 1);
    }
    return 0;
}

//! Faults, each planted in one kernel of its own, for the flight recorder: `faults NAME`.
//!
//! Before the fault a line says what was planted: `planted kernel=NAME`, and with `allocation=ADDRESS bytes=N` the memory to
//! which it belongs. A program that gets past its fault says so and exits with 1: then nothing was planted.
//! Exit code 2 is a call of HIP that failed, 3 wrong usage.
#include "../check.h"

#include <cassert>
#include <dlfcn.h>
#include <hsa/hsa_ext_amd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr unsigned count = 4096;

__global__ void write_beyond(int *out, int n) { out[n + threadIdx.x] = 1; }
__global__ void write_freed(int *out) { out[threadIdx.x] = 2; }
__global__ void write_wild(int *out) { out[threadIdx.x] = 3; }
__global__ void write_null(int *out) { out[threadIdx.x] = 4; }
__global__ void write_host(int *out) { out[threadIdx.x] = 5; }
__global__ void write_aperture(int *out) { out[threadIdx.x] = 6; }
__global__ void run_illegal() { asm volatile(".long 0xffffffff"); }
__global__ void fail_assert(int n) { assert(n < 0); }
__global__ void never_end(volatile int *flag) {
    while (*flag == 0) {
    }
}
__global__ void write_twice_freed(int *out) { out[threadIdx.x] = 7; }
__global__ void write_by_index(int *out, const int *index) { out[index[threadIdx.x]] = 8; }
__global__ void keep_busy(int *out, int turns) {
    int sum = out[threadIdx.x];
    for (int i = 0; i < turns; ++i) sum = sum * 31 + i;
    out[threadIdx.x] = sum;
}
__global__ void write_third(int *out) { out[threadIdx.x] = 9; }
__global__ void write_in_child(int *out) { out[threadIdx.x] = 10; }
__global__ void read_argument_table(int *const *table, int *out) { out[0] = *table[threadIdx.x]; }

void planted(const char *kernel, const void *allocation = nullptr, size_t bytes = 0) {
    std::printf("planted kernel=%s", kernel);
    if (allocation) std::printf(" allocation=%p bytes=%zu", allocation, bytes);
    std::printf("\n");
    std::fflush(stdout);
}

int *memory(size_t bytes = count * sizeof(int)) {
    void *made = nullptr;
    HIP_CHECK(hipMalloc(&made, bytes));
    HIP_CHECK(hipMemset(made, 0, bytes));
    HIP_CHECK(hipDeviceSynchronize());
    return static_cast<int *>(made);
}

/// Kernels that end well, so that there is something to tell apart.
void work_before() {
    int *out = memory();
    for (int i = 0; i < 3; ++i) keep_busy<<<1, 32>>>(out, 4);
    check::finish();
    HIP_CHECK(hipFree(out));
}

void overrun() {
    memory();
    const size_t bytes = 1000 * 256;
    int *out = memory(bytes);
    memory();
    planted("write_beyond", out, bytes);
    write_beyond<<<1, 32>>>(out, static_cast<int>(bytes / sizeof(int)));
}

void use_after_free() {
    const size_t bytes = 3 << 20;
    int *out = memory(bytes);
    HIP_CHECK(hipFree(out));
    memory();
    planted("write_freed", out, bytes);
    write_freed<<<1, 32>>>(out);
}

void wild_pointer() {
    planted("write_wild");
    write_wild<<<1, 32>>>(reinterpret_cast<int *>(0x123456789000));
}

void null_pointer() {
    planted("write_null");
    write_null<<<1, 32>>>(nullptr);
}

/// An argument that is an address of the host alone.
void bad_kernarg() {
    static int host[1024];
    planted("write_host");
    write_host<<<1, 32>>>(host);
}

/// A table of addresses, one of which was never filled in, in memory that both see.
void bad_table() {
    int **table = nullptr;
    HIP_CHECK(hipHostMalloc(&table, 32 * sizeof *table, hipHostMallocDefault));
    int *out = memory();
    for (int i = 0; i < 32; ++i) table[i] = i == 7 ? reinterpret_cast<int *>(0x223344556000) : out;
    planted("read_argument_table");
    read_argument_table<<<1, 32>>>(table, out);
}

void aperture() {
    planted("write_aperture");
    write_aperture<<<1, 32>>>(reinterpret_cast<int *>(0x8000000000001000));
}

void illegal_instruction() {
    planted("run_illegal");
    run_illegal<<<1, 32>>>();
}

void device_assert() {
    planted("fail_assert");
    fail_assert<<<1, 32>>>(1);
}

void hang() {
    int *flag = memory();
    planted("never_end", flag, count * sizeof(int));
    never_end<<<1, 1>>>(flag);
}

/// HIP sees a second `hipFree` itself; the runtime below it is asked here.
void double_free() {
    const size_t bytes = 5 << 20;
    int *out = memory(bytes);
    planted("write_twice_freed", out, bytes);
    if (hsa_amd_memory_pool_free(out) != HSA_STATUS_SUCCESS) std::printf("FAIL first free\n");
    if (hsa_amd_memory_pool_free(out) == HSA_STATUS_SUCCESS) std::printf("FAIL second free\n");
    write_twice_freed<<<1, 32>>>(out);
}

/// Indices come on one stream, and are used on another that does not wait.
void wrong_order() {
    hipStream_t first, second;
    HIP_CHECK(hipStreamCreateWithFlags(&first, hipStreamNonBlocking));
    HIP_CHECK(hipStreamCreateWithFlags(&second, hipStreamNonBlocking));
    int *out = memory(), *index = memory(), *pinned = nullptr;
    HIP_CHECK(hipMemset(index, 0x3f, count * sizeof(int)));
    HIP_CHECK(hipDeviceSynchronize());
    HIP_CHECK(hipHostMalloc(&pinned, count * sizeof(int), hipHostMallocDefault));
    std::memset(pinned, 0, count * sizeof(int));
    HIP_CHECK(hipStreamAddCallback(first, [](hipStream_t, hipError_t, void *) { sleep(2); }, nullptr, 0));
    HIP_CHECK(hipMemcpyAsync(index, pinned, count * sizeof(int), hipMemcpyHostToDevice, first));
    planted("write_by_index");
    write_by_index<<<1, 32, 0, second>>>(out, index);
}

void third_of_five() {
    const size_t bytes = 2 << 20;
    int *freed = memory(bytes);
    hipStream_t streams[5];
    int *outs[5];
    for (int i = 0; i < 5; ++i) {
        HIP_CHECK(hipStreamCreateWithFlags(&streams[i], hipStreamNonBlocking));
        outs[i] = memory();
    }
    HIP_CHECK(hipFree(freed));
    planted("write_third", freed, bytes);
    for (int i = 0; i < 5; ++i) {
        if (i == 2) {
            write_third<<<1, 32, 0, streams[i]>>>(freed);
        } else {
            keep_busy<<<1, 32, 0, streams[i]>>>(outs[i], 400000);
        }
    }
}

/// The third of five in one stream, of which HIP asks for no signal.
void third_in_a_row() {
    int *out = memory();
    planted("write_wild");
    keep_busy<<<1, 32>>>(out, 10);
    keep_busy<<<1, 32>>>(out, 10);
    write_wild<<<1, 32>>>(reinterpret_cast<int *>(0x123456789000));
    keep_busy<<<1, 32>>>(out, 10);
    keep_busy<<<1, 32>>>(out, 10);
}

void late_library() {
    const char *path = std::getenv("FAULTS_LATE");
    void *library = dlopen(path ? path : "./liblate.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        std::printf("error %s\n", dlerror());
        std::_Exit(2);
    }
    auto *launch = reinterpret_cast<void (*)(int *)>(dlsym(library, "launch_late"));
    planted("write_late");
    launch(reinterpret_cast<int *>(0x133456789000));
}

void in_child() {
    planted("write_in_child");
    write_in_child<<<1, 32>>>(reinterpret_cast<int *>(0x143456789000));
}

struct Fault {
    const char *name;
    void (*body)();
};

const Fault faults[] = {
    {"overrun", overrun},
    {"use_after_free", use_after_free},
    {"wild_pointer", wild_pointer},
    {"null_pointer", null_pointer},
    {"bad_kernarg", bad_kernarg},
    {"bad_table", bad_table},
    {"aperture", aperture},
    {"illegal_instruction", illegal_instruction},
    {"assert", device_assert},
    {"hang", hang},
    {"double_free", double_free},
    {"wrong_order", wrong_order},
    {"third_of_five", third_of_five},
    {"third_in_a_row", third_in_a_row},
    {"late_library", late_library},
    {"in_child", in_child},
};

int run(const Fault &fault) {
    work_before();
    fault.body();
    const hipError_t error = hipDeviceSynchronize();
    std::printf("FAIL %s survived: %s\n", fault.name, hipGetErrorName(error));
    return 1;
}

} // namespace

int main(int argc, char **argv) {
    for (const Fault &fault : faults) {
        if (argc != 2 || std::strcmp(argv[1], fault.name) != 0) continue;
        if (fault.body != in_child) return run(fault);
        // HIP is not yet at work here: the child is the first to use it.
        const pid_t child = fork();
        if (child == 0) return run(fault);
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) raise(WTERMSIG(status));
        return WEXITSTATUS(status);
    }
    std::printf("usage: faults NAME; names:");
    for (const Fault &fault : faults) std::printf(" %s", fault.name);
    std::printf("\n");
    return 3;
}

//! A library that a program loads when it is long under way. Its kernel writes where it is told to.
#include <hip/hip_runtime.h>

static __global__ void write_late(int *out) { out[threadIdx.x] = 11; }

extern "C" void launch_late(int *out) { write_late<<<1, 32>>>(out); }

/// Allocates memory of a size that is easy to find again. Returns what HIP said.
extern "C" int allocate_late() {
    void *made = nullptr;
    const hipError_t error = hipMalloc(&made, 7654321);
    return error == hipSuccess && made ? 0 : static_cast<int>(error) + 1000;
}

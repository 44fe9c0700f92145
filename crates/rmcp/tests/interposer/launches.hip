//! How long HIP takes to start a kernel, and to allocate and free: nanoseconds of the program's own thread.
#include <hip/hip_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

static __global__ void nothing() {}

static double now() {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1e9 * static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec);
}

static void demand(hipError_t error) {
    if (error == hipSuccess) return;
    std::printf("error %s\n", hipGetErrorName(error));
    std::exit(2);
}

int main() {
    constexpr int launches = 1000, allocations = 200, rounds = 15;
    double launch = 1e18, allocate = 1e18;
    for (int round = 0; round < rounds; ++round) {
        double start = now();
        for (int i = 0; i < launches; ++i) nothing<<<1, 1>>>();
        launch = std::min(launch, (now() - start) / launches);
        demand(hipDeviceSynchronize());
        start = now();
        for (int i = 0; i < allocations; ++i) {
            void *memory = nullptr;
            demand(hipMalloc(&memory, 1 << 16));
            demand(hipFree(memory));
        }
        allocate = std::min(allocate, (now() - start) / allocations);
    }
    std::printf("launch=%.0f allocate_and_free=%.0f\n", launch, allocate);
    return 0;
}

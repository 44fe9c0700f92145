//! Memory of the host that a kernel writes and the host reads when the kernel has ended: right in memory of any grain.
//! Nothing here calls the processor from a kernel.
#include "../check.h"

static __global__ void square(int *out, int n) {
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) out[i] = i * i;
}

int main() {
    // A size that no other allocation has.
    constexpr int count = 1234567;
    int *shared = nullptr;
    HIP_CHECK(hipHostMalloc(&shared, count * sizeof(int), hipHostMallocDefault));
    square<<<check::blocks_for(count, 256), 256>>>(shared, count);
    check::finish();
    for (int i = 0; i < count; ++i) {
        if (static_cast<unsigned>(shared[i]) != static_cast<unsigned>(i) * static_cast<unsigned>(i)) {
            std::printf("FAIL pinned at %d: %d\n", i, shared[i]);
            return 1;
        }
    }
    HIP_CHECK(hipHostFree(shared));
    std::printf("ok pinned n=%d\n", count);
    return 0;
}

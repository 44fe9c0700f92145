//! A process that goes on for long: what it takes of the machine follows what it holds. Each test but the first does one thing over
//! and over and compares the process's threads, open files, mappings and resident memory after a warm-up with those at the end.
//!
//! By name only: `leaks` fails, as it loses one of each in every turn, and `most_of_memory` is for several processes on one card.
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace {

using check::report;
using std::to_string;

constexpr size_t kib = 1 << 10, mib = 1 << 20, gib = 1 << 30;

/// What the process takes of the machine.
struct Footprint {
    long threads, files, mappings;
    /// Without files, of which what is here depends on other processes; a page that is mapped twice counts once.
    /// Source: Linux `Documentation/filesystems/proc.rst`, "Pss".
    long resident_kib;
};

long entries_of(const char *folder) {
    long count = 0;
    DIR *entries = opendir(folder);
    while (entries && readdir(entries)) ++count;
    if (entries) closedir(entries);
    return count;
}

/// The number behind a name such as `VmRSS:` in a file of Linux.
long number_in(const char *path, const std::string &name) {
    std::ifstream file(path);
    for (std::string word; file >> word;) {
        long number = 0;
        if (word == name && file >> number) return number;
    }
    return -1;
}

Footprint footprint() {
    std::ifstream maps("/proc/self/maps");
    long mappings = 0;
    for (std::string line; std::getline(maps, line);) ++mappings;
    const char *rollup = "/proc/self/smaps_rollup";
    return {entries_of("/proc/self/task"), entries_of("/proc/self/fd"), mappings,
            number_in(rollup, "Pss_Anon:") + number_in(rollup, "Pss_Shmem:")};
}

// ---- memory -----------------------------------------------------------------------------------------------------------

/// More than a process may take beside the device's memory that it uses.
constexpr long beside_kib = 200'000'000 / 1024;

long now_kib() { return number_in("/proc/self/status", "VmRSS:"); }

void bounded(const std::string &what, long resident_kib, size_t in_use) {
    const long most = static_cast<long>(in_use / kib) + beside_kib;
    report(resident_kib > 0 && resident_kib <= most, "memory_in_use",
           what + " resident_kib=" + to_string(resident_kib) + " in_use_kib=" + to_string(in_use / kib));
}

void *filled(size_t bytes) {
    void *memory = nullptr;
    HIP_CHECK(hipMalloc(&memory, bytes));
    HIP_CHECK(hipMemset(memory, 0x5a, bytes));
    return memory;
}

/// On a card, device memory is not the process's; simulated, it is, and no more than what has been written.
void memory_in_use() {
    HIP_CHECK(hipFree(filled(mib)));
    check::finish();
    const long at_first = now_kib();
    bounded("nothing", at_first, 0);

    std::vector<void *> many;
    for (int i = 0; i < 2000; ++i) many.push_back(filled(100 * kib));
    check::finish();
    bounded("many", now_kib(), many.size() * 100 * kib);
    for (void *memory : many) HIP_CHECK(hipFree(memory));
    const long freed = now_kib();
    report(freed <= at_first + 16 * 1024, "memory_in_use", "freed resident_kib=" + to_string(freed) + " at_first_kib=" + to_string(at_first));

    char *sparse = nullptr;
    HIP_CHECK(hipMalloc(&sparse, 3 * gib));
    for (size_t at : {size_t(0), 3 * gib - 16 * mib}) HIP_CHECK(hipMemset(sparse + at, 1, 16 * mib));
    check::finish();
    bounded("sparse", now_kib(), 32 * mib);
    HIP_CHECK(hipFree(sparse));

    void *large = filled(512 * mib);
    check::finish();
    bounded("large", now_kib(), 512 * mib);
    HIP_CHECK(hipFree(large));
    // The most that it ever was, of which this was the most that was in use.
    bounded("peak", number_in("/proc/self/status", "VmHWM:"), 512 * mib);
}

// ---- over and over ----------------------------------------------------------------------------------------------------

void level(const char *name, const char *what, long before, long after, long slack) {
    report(after <= before + slack, name, std::string(what) + "=" + to_string(after) + " after_warm_up=" + to_string(before));
}

/// Does it so often, after a warm-up half as long, and reports whether anything has grown since. One leaked page in four turns shows.
template <class Turn> void stays_level(const char *name, int turns, Turn turn) {
    for (int i = 0; i < turns / 2; ++i) turn(i);
    check::finish();
    const Footprint before = footprint();
    for (int i = 0; i < turns; ++i) turn(i);
    check::finish();
    // A thread that has ended is listed for a moment more.
    Footprint after = footprint();
    for (int wait = 0; wait < 100 && after.threads > before.threads; ++wait) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        after = footprint();
    }
    level(name, "threads", before.threads, after.threads, 0);
    level(name, "files", before.files, after.files, 0);
    level(name, "mappings", before.mappings, after.mappings, 8);
    level(name, "resident_kib", before.resident_kib, after.resident_kib, turns);
}

__global__ void sum_of_block(int *values, int count) {
    __shared__ int sums[256];
    // Private memory: the index is known only when it runs.
    int own[32];
    for (int i = 0; i < 32; ++i) own[i] = values[(threadIdx.x + i) % count];
    const int at = threadIdx.x;
    sums[at] = own[(values[at % count] & 31)];
    __syncthreads();
    for (int half = 128; half > 0; half /= 2) {
        if (at < half) sums[at] += sums[at + half];
        __syncthreads();
    }
    if (at == 0) values[blockIdx.x % count] = sums[0];
}

void kernels() {
    check::Buffer<int> values(1000);
    stays_level("kernels", 4000, [&](int) { sum_of_block<<<4, 256>>>(values.get(), 1000); });
}

void allocations() {
    stays_level("allocations", 2000, [](int i) { HIP_CHECK(hipFree(filled((4 * kib) << i % 8))); });
}

void host_memory() {
    std::vector<char> own(256 * kib);
    stays_level("host_memory", 1000, [&](int) {
        void *pinned = nullptr, *managed = nullptr;
        HIP_CHECK(hipHostMalloc(&pinned, 64 * kib));
        HIP_CHECK(hipMallocManaged(&managed, 64 * kib));
        HIP_CHECK(hipHostRegister(own.data(), own.size(), hipHostRegisterDefault));
        std::memset(pinned, 1, 64 * kib);
        HIP_CHECK(hipMemcpy(managed, pinned, 64 * kib, hipMemcpyDefault));
        HIP_CHECK(hipHostUnregister(own.data()));
        HIP_CHECK(hipFree(managed));
        HIP_CHECK(hipHostFree(pinned));
    });
}

void copies() {
    std::vector<char> own(mib);
    char *there = nullptr, *other = nullptr;
    HIP_CHECK(hipMalloc(&there, own.size()));
    HIP_CHECK(hipMalloc(&other, own.size()));
    stays_level("copies", 1000, [&](int i) {
        const size_t bytes = (4 * kib + i) << i % 8;
        HIP_CHECK(hipMemcpy(there, own.data(), bytes, hipMemcpyHostToDevice));
        HIP_CHECK(hipMemcpy(other, there, bytes, hipMemcpyDeviceToDevice));
        HIP_CHECK(hipMemcpy(own.data(), other, bytes, hipMemcpyDeviceToHost));
    });
    HIP_CHECK(hipFree(there));
    HIP_CHECK(hipFree(other));
}

void events() {
    check::Buffer<int> values(1000);
    stays_level("events", 2000, [&](int) {
        hipEvent_t start, end;
        HIP_CHECK(hipEventCreate(&start));
        HIP_CHECK(hipEventCreate(&end));
        HIP_CHECK(hipEventRecord(start));
        sum_of_block<<<1, 256>>>(values.get(), 1000);
        HIP_CHECK(hipEventRecord(end));
        HIP_CHECK(hipEventSynchronize(end));
        HIP_CHECK(hipEventDestroy(start));
        HIP_CHECK(hipEventDestroy(end));
    });
}

void one_on(hipStream_t stream, int *values) {
    sum_of_block<<<1, 256, 0, stream>>>(values, 1000);
    HIP_CHECK(hipStreamSynchronize(stream));
    HIP_CHECK(hipStreamDestroy(stream));
}

void streams() {
    check::Buffer<int> values(1000);
    stays_level("streams", 1000, [&](int) {
        hipStream_t stream;
        HIP_CHECK(hipStreamCreate(&stream));
        one_on(stream, values.get());
    });
}

/// Streams share a few queues of the hardware; one with a mask of compute units has its own, made and destroyed with it.
void queues() {
    check::Buffer<int> values(1000);
    stays_level("queues", 1000, [&](int) {
        const uint32_t units = 0xf;
        hipStream_t stream;
        HIP_CHECK(hipExtStreamCreateWithCUMask(&stream, 1, &units));
        one_on(stream, values.get());
    });
}

void leaks() {
    stays_level("leaks", 100, [](int) {
        std::thread([] { pause(); }).detach();
        (void)open("/dev/null", O_RDONLY);
        // Read-only and written ones in turn, which are not joined into one.
        const size_t bytes = 64 * kib;
        void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        std::memset(memory, 1, bytes);
        (void)mprotect(memory, bytes / 2, PROT_READ);
    });
}

/// Takes two thirds of the device's memory and holds it until the standard input ends.
void most_of_memory() {
    size_t unused = 0, total = 0;
    void *memory = nullptr;
    HIP_CHECK(hipMemGetInfo(&unused, &total));
    HIP_CHECK(hipMalloc(&memory, total / 3 * 2));
    report(true, "most_of_memory", "held");
    while (std::getchar() != EOF) {
    }
    HIP_CHECK(hipFree(memory));
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "endurance",
                      {{"memory_in_use", memory_in_use},
                       {"kernels", kernels},
                       {"allocations", allocations},
                       {"host_memory", host_memory},
                       {"copies", copies},
                       {"events", events},
                       {"streams", streams},
                       {"queues", queues},
                       {"leaks", leaks, true},
                       {"most_of_memory", most_of_memory, true}});
}

//! The runtime: what the device says of itself, memory of every kind, copies and fills of every kind, events, streams and
//! launches. Faults and the device's assert run by name only, because on hardware they end the process.
#include "check.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <numeric>

// Outside of the unnamed namespace: the runtime finds them by name.
__device__ int device_table[64];
__constant__ int constant_table[64];

namespace {

using check::Random;
using check::report;
using std::to_string;

std::vector<uint8_t> random_bytes(size_t count, uint64_t seed) {
    Random random(seed);
    return check::fill<uint8_t>(count, [&] { return random.bits() & 0xff; });
}

__global__ void add_to_each(int *values, int count, int amount) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) values[i] += amount;
}

__global__ void multiply_each(int *values, int count, int factor) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) values[i] *= factor;
}

void device_properties() {
    int devices = 0, driver = 0, runtime = 0, warp = 0, units = 0, block = 0;
    HIP_CHECK(hipGetDeviceCount(&devices));
    HIP_CHECK(hipDriverGetVersion(&driver));
    HIP_CHECK(hipRuntimeGetVersion(&runtime));
    size_t free_bytes = 0, total_bytes = 0;
    HIP_CHECK(hipMemGetInfo(&free_bytes, &total_bytes));
    for (int device = 0; device < devices; ++device) {
        hipDeviceProp_t p;
        HIP_CHECK(hipGetDeviceProperties(&p, device));
        std::printf("# device %d: %s\n", device, p.name);
        std::printf("#   gcnArchName %s\n", p.gcnArchName);
        std::printf("#   pci %04x:%02x:%02x\n", p.pciDomainID, p.pciBusID, p.pciDeviceID);
        std::printf("#   totalGlobalMem %zu\n", p.totalGlobalMem);
        std::printf("#   sharedMemPerBlock %zu\n", p.sharedMemPerBlock);
        std::printf("#   regsPerBlock %d\n", p.regsPerBlock);
        std::printf("#   warpSize %d (this code: %d)\n", p.warpSize, check::wave_size());
        std::printf("#   maxThreadsPerBlock %d\n", p.maxThreadsPerBlock);
        std::printf("#   multiProcessorCount %d\n", p.multiProcessorCount);
        std::printf("#   clockRate %d kHz, memoryClockRate %d kHz, memoryBusWidth %d\n", p.clockRate, p.memoryClockRate,
                    p.memoryBusWidth);
        std::printf("#   l2CacheSize %d\n", p.l2CacheSize);
        std::printf("#   isLargeBar %d, integrated %d, managedMemory %d, concurrentManagedAccess %d\n", p.isLargeBar, p.integrated,
                    p.managedMemory, p.concurrentManagedAccess);
    }
    hipDeviceProp_t p;
    HIP_CHECK(hipGetDeviceProperties(&p, 0));
    HIP_CHECK(hipDeviceGetAttribute(&warp, hipDeviceAttributeWarpSize, 0));
    HIP_CHECK(hipDeviceGetAttribute(&units, hipDeviceAttributeMultiprocessorCount, 0));
    HIP_CHECK(hipDeviceGetAttribute(&block, hipDeviceAttributeMaxThreadsPerBlock, 0));
    const bool sane = devices > 0 && p.multiProcessorCount > 0 && (p.warpSize == 32 || p.warpSize == 64) &&
                      p.maxThreadsPerBlock >= 256 && p.sharedMemPerBlock >= 32768 && p.clockRate > 0 && p.gcnArchName[0] != 0;
    report(sane, "device_properties", "values devices=" + to_string(devices) + " driver=" + to_string(driver) +
                                          " runtime=" + to_string(runtime) + " wave=" + to_string(check::wave_size()));
    report(warp == p.warpSize && units == p.multiProcessorCount && block == p.maxThreadsPerBlock, "device_properties",
           "attributes_agree");
    report(free_bytes > 0 && free_bytes <= total_bytes && total_bytes <= p.totalGlobalMem, "device_properties",
           "memory free=" + to_string(free_bytes) + " total=" + to_string(total_bytes));
}

void allocate() {
    std::vector<std::pair<uintptr_t, size_t>> places;
    std::vector<void *> pointers;
    bool aligned = true, known = true;
    for (size_t size : {size_t{1}, size_t{2}, size_t{255}, size_t{256}, size_t{4095}, size_t{4096}, size_t{65537}, (size_t{1} << 20) + 3,
                        size_t{5} << 20}) {
        void *pointer = nullptr;
        HIP_CHECK(hipMalloc(&pointer, size));
        aligned &= reinterpret_cast<uintptr_t>(pointer) % 256 == 0;
        hipPointerAttribute_t attributes;
        HIP_CHECK(hipPointerGetAttributes(&attributes, pointer));
        known &= attributes.devicePointer == pointer && attributes.device == 0;
        places.emplace_back(reinterpret_cast<uintptr_t>(pointer), size);
        pointers.push_back(pointer);
    }
    std::sort(places.begin(), places.end());
    bool apart = true;
    for (size_t i = 1; i < places.size(); ++i) apart &= places[i - 1].first + places[i - 1].second <= places[i].first;
    for (void *pointer : pointers) HIP_CHECK(hipFree(pointer));
    report(aligned && apart && known, "allocate",
           "device n=" + to_string(places.size()) + " aligned=" + to_string(aligned) + " apart=" + to_string(apart) +
               " known=" + to_string(known));

    void *nothing = &nothing;
    const hipError_t none = hipMalloc(&nothing, 0);
    report(none == hipSuccess && nothing == nullptr, "allocate", "zero_bytes");
    HIP_CHECK(hipFree(nullptr));

    void *huge = nullptr;
    const hipError_t error = hipMalloc(&huge, size_t{1} << 46);
    report(error == hipErrorOutOfMemory, "allocate", "too_much", std::string("got ") + hipGetErrorName(error));
    report(hipGetLastError() == hipErrorOutOfMemory && hipGetLastError() == hipSuccess, "allocate", "last_error_is_kept_once");

    // Memory that is freed can be had again: 64 rounds of a sixteenth of what is free would not fit otherwise.
    size_t free_bytes = 0, total_bytes = 0;
    HIP_CHECK(hipMemGetInfo(&free_bytes, &total_bytes));
    for (int round = 0; round < 64; ++round) {
        void *pointer = nullptr;
        HIP_CHECK(hipMalloc(&pointer, free_bytes / 16));
        HIP_CHECK(hipFree(pointer));
    }
    report(true, "allocate", "freed_memory_comes_back rounds=64");
}

/// Adds 5 to `host` (seen by the device as `device`) and looks at the result from the host.
void check_shared(const std::string &facts, int *host, int *device, int count) {
    for (int i = 0; i < count; ++i) host[i] = i * 3;
    add_to_each<<<check::blocks_for(count, 256), 256>>>(device, count, 5);
    check::finish();
    std::vector<int> want(count);
    for (int i = 0; i < count; ++i) want[i] = i * 3 + 5;
    check::same("host_memory", facts, std::vector<int>(host, host + count), want);
}

void host_memory() {
    const int count = 5003;
    const std::pair<const char *, unsigned> kinds[] = {{"default", hipHostMallocDefault},
                                                       {"mapped", hipHostMallocMapped},
                                                       {"coherent", hipHostMallocMapped | hipHostMallocCoherent},
                                                       {"non_coherent", hipHostMallocMapped | hipHostMallocNonCoherent},
                                                       {"write_combined", hipHostMallocMapped | hipHostMallocWriteCombined},
                                                       {"portable", hipHostMallocPortable}};
    for (const auto &[name, flags] : kinds) {
        void *host = nullptr, *device = nullptr;
        HIP_CHECK(hipHostMalloc(&host, count * sizeof(int), flags));
        HIP_CHECK(hipHostGetDevicePointer(&device, host, 0));
        check_shared(name, static_cast<int *>(host), static_cast<int *>(device), count);
        HIP_CHECK(hipHostFree(host));
    }
    std::vector<int> ordinary(count + 4096);
    void *device = nullptr;
    HIP_CHECK(hipHostRegister(ordinary.data(), ordinary.size() * sizeof(int), hipHostRegisterDefault));
    HIP_CHECK(hipHostGetDevicePointer(&device, ordinary.data(), 0));
    check_shared("registered", ordinary.data(), static_cast<int *>(device), count);
    HIP_CHECK(hipHostUnregister(ordinary.data()));
}

void managed_memory() {
    const int count = 5003;
    int *values = nullptr;
    HIP_CHECK(hipMallocManaged(reinterpret_cast<void **>(&values), count * sizeof(int), hipMemAttachGlobal));
    std::vector<int> want(count);
    for (int i = 0; i < count; ++i) values[i] = i;
    for (int round = 0; round < 3; ++round) {
        add_to_each<<<check::blocks_for(count, 256), 256>>>(values, count, 7);
        check::finish();
        for (int i = 0; i < count; ++i) values[i] -= 2;
    }
    for (int i = 0; i < count; ++i) want[i] = i + 15;
    check::same("managed_memory", "host_and_device_take_turns", std::vector<int>(values, values + count), want);
    HIP_CHECK(hipFree(values));
}

/// One end of a copy: memory on the device, pinned on the host, or pageable on the host.
enum class Side { device, pinned, pageable };
constexpr const char *name_of[] = {"device", "pinned", "pageable"};

class Memory {
  public:
    Memory(Side side, size_t size) : side(side), size(size) {
        if (side == Side::device) HIP_CHECK(hipMalloc(&memory, size));
        if (side == Side::pinned) HIP_CHECK(hipHostMalloc(&memory, size, hipHostMallocDefault));
        if (side == Side::pageable) memory = std::malloc(size);
    }
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;
    ~Memory() {
        if (side == Side::device) (void)hipFree(memory);
        if (side == Side::pinned) (void)hipHostFree(memory);
        if (side == Side::pageable) std::free(memory);
    }
    uint8_t *at(size_t offset) const { return static_cast<uint8_t *>(memory) + offset; }
    void set(const std::vector<uint8_t> &bytes) {
        if (side == Side::device) {
            HIP_CHECK(hipMemcpy(memory, bytes.data(), size, hipMemcpyHostToDevice));
        } else {
            std::memcpy(memory, bytes.data(), size);
        }
    }
    std::vector<uint8_t> get() const {
        std::vector<uint8_t> bytes(size);
        if (side == Side::device) {
            HIP_CHECK(hipMemcpy(bytes.data(), memory, size, hipMemcpyDeviceToHost));
        } else {
            std::memcpy(bytes.data(), memory, size);
        }
        return bytes;
    }
    hipMemcpyKind to(const Memory &target) const {
        if (side == Side::device) return target.side == Side::device ? hipMemcpyDeviceToDevice : hipMemcpyDeviceToHost;
        return target.side == Side::device ? hipMemcpyHostToDevice : hipMemcpyHostToHost;
    }

  private:
    Side side;
    size_t size;
    void *memory = nullptr;
};

/// Copies every size at several pairs of offsets, and looks at the whole target: what lies around the copy must not change.
void copy_case(Side from, Side to, bool async) {
    const size_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 63, 64, 65, 255, 1000, 4095, 4096, 4097, 65537, 300001};
    const std::pair<size_t, size_t> offsets[] = {{0, 0}, {1, 0}, {0, 3}, {5, 5}, {64, 128}, {4, 12}};
    const size_t room = 300001 + 256;
    Memory source(from, room), target(to, room);
    const std::vector<uint8_t> data = random_bytes(room, 11), background = random_bytes(room, 12);
    source.set(data);
    hipStream_t stream;
    HIP_CHECK(hipStreamCreate(&stream));
    size_t copies = 0, wrong = 0;
    std::string first;
    for (size_t size : sizes) {
        for (const auto &[source_at, target_at] : offsets) {
            if (size > 5000 && source_at > 1) continue; // enough of the slow ones
            target.set(background);
            if (async) {
                HIP_CHECK(hipMemcpyAsync(target.at(target_at), source.at(source_at), size, source.to(target), stream));
                HIP_CHECK(hipStreamSynchronize(stream));
            } else {
                HIP_CHECK(hipMemcpy(target.at(target_at), source.at(source_at), size, source.to(target)));
                // A copy within the device may return before it is done.
                HIP_CHECK(hipDeviceSynchronize());
            }
            std::vector<uint8_t> want = background;
            std::copy_n(data.begin() + source_at, size, want.begin() + target_at);
            const std::vector<uint8_t> got = target.get();
            ++copies;
            if (got != want && wrong++ == 0) {
                const size_t at = std::mismatch(got.begin(), got.end(), want.begin()).first - got.begin();
                first = "first wrong: size=" + to_string(size) + " from=" + to_string(source_at) + " to=" + to_string(target_at) +
                        " at byte " + to_string(at) + ": got " + to_string(got[at]) + ", expected " + to_string(want[at]);
            }
        }
    }
    HIP_CHECK(hipStreamDestroy(stream));
    report(wrong == 0, "copy",
           std::string(name_of[static_cast<int>(from)]) + "_to_" + name_of[static_cast<int>(to)] + (async ? " async" : " sync") +
               " copies=" + to_string(copies) + " wrong=" + to_string(wrong),
           first);
}

void copy() {
    for (bool async : {false, true}) {
        for (Side from : {Side::device, Side::pinned, Side::pageable}) {
            for (Side to : {Side::device, Side::pinned, Side::pageable}) copy_case(from, to, async);
        }
    }
}

/// Some MiB there and back through the device, by the ways that take different paths in the runtime.
void copy_large() {
    for (Side side : {Side::pinned, Side::pageable}) {
        const size_t size = (size_t{5} << 20) + 13;
        Memory source(side, size), first(Side::device, size), second(Side::device, size), target(side, size);
        const std::vector<uint8_t> data = random_bytes(size, 13);
        source.set(data);
        HIP_CHECK(hipMemcpy(first.at(0), source.at(0), size, hipMemcpyHostToDevice));
        HIP_CHECK(hipMemcpy(second.at(0), first.at(0), size, hipMemcpyDeviceToDevice));
        HIP_CHECK(hipMemcpy(target.at(0), second.at(0), size, hipMemcpyDefault));
        check::same("copy_large", std::string(name_of[static_cast<int>(side)]) + " there_and_back", target.get(), data);
    }
}

/// HIP 5.2 fills up to the next multiple of 8 bytes first. A fill that ends before it becomes one of minus 8 bytes, and the device
/// faults; seen in the sizes that the runtime logs with AMD_LOG_LEVEL=4. `all` keeps away from it.
void fill_before_boundary() {
    Memory target(Side::device, 64);
    std::vector<uint8_t> want(64, 0);
    target.set(want);
    HIP_CHECK(hipMemset(target.at(5), 0x5a, 1));
    HIP_CHECK(hipDeviceSynchronize());
    want[5] = 0x5a;
    check::same("fill_before_boundary", "bytes offset=5 count=1", target.get(), want);
}

void fill_memory() {
    const size_t room = 70000;
    Memory target(Side::device, room);
    const std::vector<uint8_t> background = random_bytes(room, 21);
    const auto fill_case = [&](const char *kind, size_t width, size_t offset, size_t count, uint32_t value, auto set) {
        target.set(background);
        HIP_CHECK(set(target.at(offset)));
        HIP_CHECK(hipDeviceSynchronize());
        std::vector<uint8_t> want = background;
        for (size_t i = 0; i < count; ++i) std::memcpy(&want[offset + i * width], &value, width);
        check::same("fill", std::string(kind) + " offset=" + to_string(offset) + " count=" + to_string(count), target.get(), want);
    };
    const auto pointer = [](uint8_t *at) { return reinterpret_cast<hipDeviceptr_t>(at); };
    for (size_t count : {1, 3, 16, 255, 4096, 65537}) {
        for (size_t offset : {0, 5}) {
            if (offset + count < 8 && offset != 0) continue; // see fill_before_boundary
            fill_case("bytes", 1, offset, count, 0xa7, [&](uint8_t *at) { return hipMemset(at, 0xa7, count); });
        }
    }
    fill_case("bytes_async", 1, 64, 1001, 0x13, [&](uint8_t *at) { return hipMemsetAsync(at, 0x13, 1001, nullptr); });
    for (size_t count : {1, 5, 64, 1023, 10000}) {
        if (count >= 5) fill_case("d8", 1, 3, count, 0x5c, [&](uint8_t *at) { return hipMemsetD8(pointer(at), 0x5c, count); });
        fill_case("d16", 2, 6, count, 0x1234, [&](uint8_t *at) { return hipMemsetD16(pointer(at), 0x1234, count); });
        fill_case("d32", 4, 12, count, 0x89abcdef,
                  [&](uint8_t *at) { return hipMemsetD32(pointer(at), static_cast<int>(0x89abcdef), count); });
    }
    target.set(background);
    const size_t pitch = 512, width = 300, height = 40;
    HIP_CHECK(hipMemset2D(target.at(256), pitch, 0x3d, width, height));
    HIP_CHECK(hipDeviceSynchronize());
    std::vector<uint8_t> want = background;
    for (size_t y = 0; y < height; ++y) std::fill_n(want.begin() + 256 + y * pitch, width, 0x3d);
    check::same("fill", "rectangle 300x40 pitch=512", target.get(), want);
}

void copy_2d_case(Side from, Side to, size_t width, size_t height, size_t source_pitch, size_t target_pitch) {
    Memory source(from, source_pitch * height), target(to, target_pitch * height);
    const std::vector<uint8_t> data = random_bytes(source_pitch * height, 31);
    std::vector<uint8_t> want = random_bytes(target_pitch * height, 32);
    source.set(data);
    target.set(want);
    HIP_CHECK(hipMemcpy2D(target.at(0), target_pitch, source.at(0), source_pitch, width, height, source.to(target)));
    HIP_CHECK(hipDeviceSynchronize());
    for (size_t y = 0; y < height; ++y) std::copy_n(data.begin() + y * source_pitch, width, want.begin() + y * target_pitch);
    check::same("copy_2d",
                std::string(name_of[static_cast<int>(from)]) + "_to_" + name_of[static_cast<int>(to)] + " " + to_string(width) + "x" +
                    to_string(height) + " pitches=" + to_string(source_pitch) + "," + to_string(target_pitch),
                target.get(), want);
}

void copy_2d() {
    for (Side host : {Side::pinned, Side::pageable}) {
        copy_2d_case(host, Side::device, 100, 37, 128, 256);
        copy_2d_case(Side::device, host, 100, 37, 256, 128);
        copy_2d_case(host, Side::device, 33, 9, 33, 47);
        copy_2d_case(Side::device, host, 33, 9, 47, 33);
    }
    copy_2d_case(Side::device, Side::device, 256, 64, 512, 256);
    copy_2d_case(Side::device, Side::device, 61, 17, 67, 79);

    void *memory = nullptr;
    size_t pitch = 0;
    HIP_CHECK(hipMallocPitch(&memory, &pitch, 301, 20));
    const std::vector<uint8_t> data = random_bytes(301 * 20, 33);
    std::vector<uint8_t> got(data.size());
    HIP_CHECK(hipMemcpy2D(memory, pitch, data.data(), 301, 301, 20, hipMemcpyHostToDevice));
    HIP_CHECK(hipMemcpy2D(got.data(), 301, memory, pitch, 301, 20, hipMemcpyDeviceToHost));
    HIP_CHECK(hipFree(memory));
    check::same("copy_2d", "there_and_back_with_the_allocator's_pitch", got, data);
    report(pitch >= 301 && pitch % 64 == 0, "copy_2d", "pitch=" + to_string(pitch));
}

__global__ void add_tables(int *out) { out[threadIdx.x] = device_table[threadIdx.x] + constant_table[63 - threadIdx.x]; }
__global__ void double_table() { device_table[threadIdx.x] *= 2; }

void symbols() {
    std::vector<int> first(64), second(64), sums(64), doubled(64), got(64);
    for (int i = 0; i < 64; ++i) {
        first[i] = i * i;
        second[i] = 1000 - i;
    }
    for (int i = 0; i < 64; ++i) {
        sums[i] = first[i] + second[63 - i];
        doubled[i] = first[i] * 2;
    }
    HIP_CHECK(hipMemcpyToSymbol(HIP_SYMBOL(device_table), first.data(), 256, 0, hipMemcpyHostToDevice));
    HIP_CHECK(hipMemcpyToSymbol(HIP_SYMBOL(constant_table), second.data(), 256, 0, hipMemcpyHostToDevice));
    check::Buffer<int> out(64);
    add_tables<<<1, 64>>>(out.get());
    check::same("symbols", "device_and_constant", out.download(), sums);
    double_table<<<1, 64>>>();
    HIP_CHECK(hipGetLastError());
    HIP_CHECK(hipMemcpyFromSymbol(got.data(), HIP_SYMBOL(device_table), 256, 0, hipMemcpyDeviceToHost));
    check::same("symbols", "written_by_a_kernel", got, doubled);
    void *address = nullptr;
    size_t size = 0;
    HIP_CHECK(hipGetSymbolAddress(&address, HIP_SYMBOL(device_table)));
    HIP_CHECK(hipGetSymbolSize(&size, HIP_SYMBOL(device_table)));
    HIP_CHECK(hipMemcpy(got.data(), address, 256, hipMemcpyDeviceToHost));
    check::same("symbols", "through_its_address size=" + to_string(size), got, doubled);
}

void events() {
    const int count = 1 << 14;
    check::Buffer<int> values(std::vector<int>(count, 0));
    hipEvent_t start, middle, stop, untimed;
    HIP_CHECK(hipEventCreate(&start));
    HIP_CHECK(hipEventCreate(&middle));
    HIP_CHECK(hipEventCreate(&stop));
    HIP_CHECK(hipEventCreateWithFlags(&untimed, hipEventDisableTiming));
    const auto before = std::chrono::steady_clock::now();
    HIP_CHECK(hipEventRecord(start, nullptr));
    add_to_each<<<count / 256, 256>>>(values.get(), count, 1);
    HIP_CHECK(hipEventRecord(middle, nullptr));
    for (int i = 0; i < 8; ++i) add_to_each<<<count / 256, 256>>>(values.get(), count, 1);
    HIP_CHECK(hipEventRecord(stop, nullptr));
    HIP_CHECK(hipEventRecord(untimed, nullptr));
    HIP_CHECK(hipEventSynchronize(stop));
    HIP_CHECK(hipEventSynchronize(untimed));
    const double wall = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - before).count();
    float one = -1, eight = -1, all = -1, none = -1;
    HIP_CHECK(hipEventElapsedTime(&one, start, middle));
    HIP_CHECK(hipEventElapsedTime(&eight, middle, stop));
    HIP_CHECK(hipEventElapsedTime(&all, start, stop));
    const std::string facts = "elapsed ms one=" + to_string(one) + " eight=" + to_string(eight) + " all=" + to_string(all) +
                              " wall=" + to_string(wall);
    // 0.1 ms for the two clocks, which differ.
    report(one >= 0 && eight >= 0 && all > 0 && std::fabs(one + eight - all) < 0.1 && all <= wall + 0.1, "events", facts);
    report(hipEventQuery(stop) == hipSuccess, "events", "query_after_the_end");
    const hipError_t refused = hipEventElapsedTime(&none, untimed, stop);
    (void)hipGetLastError();
    report(refused != hipSuccess, "events", std::string("no_time_without_timing error=") + hipGetErrorName(refused));
    check::same("events", "kernels_ran", values.download(), std::vector<int>(count, 9));
    for (hipEvent_t event : {start, middle, stop, untimed}) HIP_CHECK(hipEventDestroy(event));
}

/// Two streams take turns on the same memory, held in order by events alone. Adding and multiplying do not commute, so a
/// wrong order gives another number.
void streams() {
    const int count = 4099, rounds = 24;
    check::Buffer<int> values(std::vector<int>(count, 1));
    hipStream_t adds, multiplies;
    HIP_CHECK(hipStreamCreateWithFlags(&adds, hipStreamNonBlocking));
    HIP_CHECK(hipStreamCreateWithFlags(&multiplies, hipStreamNonBlocking));
    std::vector<hipEvent_t> events(2 * rounds);
    for (hipEvent_t &event : events) HIP_CHECK(hipEventCreateWithFlags(&event, hipEventDisableTiming));
    uint32_t want = 1;
    for (int round = 0; round < rounds; ++round) {
        if (round > 0) HIP_CHECK(hipStreamWaitEvent(adds, events[2 * round - 1], 0));
        add_to_each<<<check::blocks_for(count, 128), 128, 0, adds>>>(values.get(), count, round + 1);
        HIP_CHECK(hipEventRecord(events[2 * round], adds));
        HIP_CHECK(hipStreamWaitEvent(multiplies, events[2 * round], 0));
        multiply_each<<<check::blocks_for(count, 128), 128, 0, multiplies>>>(values.get(), count, 3);
        HIP_CHECK(hipEventRecord(events[2 * round + 1], multiplies));
        want = (want + round + 1) * 3;
    }
    HIP_CHECK(hipStreamSynchronize(multiplies));
    check::same("streams", "two_in_turns rounds=" + to_string(rounds), values.download(),
                std::vector<int>(count, static_cast<int>(want)));
    report(hipStreamQuery(adds) == hipSuccess && hipStreamQuery(multiplies) == hipSuccess, "streams", "query_after_the_end");
    for (hipEvent_t event : events) HIP_CHECK(hipEventDestroy(event));

    // Copies and kernels of four streams side by side, each on its own memory.
    std::array<hipStream_t, 4> parallel;
    std::array<int *, 4> host, device;
    for (int s = 0; s < 4; ++s) {
        HIP_CHECK(hipStreamCreate(&parallel[s]));
        HIP_CHECK(hipHostMalloc(reinterpret_cast<void **>(&host[s]), count * sizeof(int), hipHostMallocDefault));
        HIP_CHECK(hipMalloc(reinterpret_cast<void **>(&device[s]), count * sizeof(int)));
        for (int i = 0; i < count; ++i) host[s][i] = i * (s + 1);
    }
    for (int s = 0; s < 4; ++s) {
        HIP_CHECK(hipMemcpyAsync(device[s], host[s], count * sizeof(int), hipMemcpyHostToDevice, parallel[s]));
        multiply_each<<<check::blocks_for(count, 256), 256, 0, parallel[s]>>>(device[s], count, s + 2);
        HIP_CHECK(hipMemcpyAsync(host[s], device[s], count * sizeof(int), hipMemcpyDeviceToHost, parallel[s]));
    }
    check::finish();
    for (int s = 0; s < 4; ++s) {
        std::vector<int> expected(count);
        for (int i = 0; i < count; ++i) expected[i] = i * (s + 1) * (s + 2);
        check::same("streams", "side_by_side stream=" + to_string(s), std::vector<int>(host[s], host[s] + count), expected);
        HIP_CHECK(hipFree(device[s]));
        HIP_CHECK(hipHostFree(host[s]));
        HIP_CHECK(hipStreamDestroy(parallel[s]));
    }
    HIP_CHECK(hipStreamDestroy(adds));
    HIP_CHECK(hipStreamDestroy(multiplies));
}

/// Each thread writes who it is, at the place that follows from who it is.
__global__ void write_identity(uint64_t *out) {
    const uint64_t block = (static_cast<uint64_t>(blockIdx.z) * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const uint64_t thread = (static_cast<uint64_t>(threadIdx.z) * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const uint64_t threads = static_cast<uint64_t>(blockDim.x) * blockDim.y * blockDim.z;
    out[block * threads + thread] = static_cast<uint64_t>(threadIdx.x) | static_cast<uint64_t>(threadIdx.y) << 10 |
                                    static_cast<uint64_t>(threadIdx.z) << 20 | static_cast<uint64_t>(blockIdx.x) << 30 |
                                    static_cast<uint64_t>(blockIdx.y) << 40 | static_cast<uint64_t>(blockIdx.z) << 50;
}

__global__ void reverse_in_dynamic_lds(const int *in, int *out) {
    extern __shared__ int values[];
    values[threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    out[blockIdx.x * blockDim.x + threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
}

/// 256 bytes of arguments of mixed sizes, by value.
struct Many {
    char c;
    double d;
    short s[5];
    uint64_t u[24];
    float f;
};
__global__ void read_arguments(char first, Many many, short second, double third, double *out) {
    double sum = first + many.c + many.d + many.f + second + third;
    for (short s : many.s) sum += s;
    for (uint64_t u : many.u) sum += static_cast<double>(u);
    *out = sum;
}

void launch() {
    const std::pair<dim3, dim3> shapes[] = {{dim3(1), dim3(1)},          {dim3(3), dim3(31)},       {dim3(2), dim3(33)},
                                            {dim3(5), dim3(64)},         {dim3(2), dim3(1000)},     {dim3(1), dim3(1024)},
                                            {dim3(3, 2), dim3(7, 5)},    {dim3(2, 3, 4), dim3(4, 3, 2)},
                                            {dim3(1, 1, 70), dim3(1, 9)}, {dim3(300), dim3(16, 2, 4)}, {dim3(1), dim3(2, 2, 60)}};
    for (const auto &[grid, block] : shapes) {
        const size_t total = size_t{grid.x} * grid.y * grid.z * block.x * block.y * block.z;
        std::vector<uint64_t> want;
        want.reserve(total);
        for (uint64_t z = 0; z < grid.z; ++z)
            for (uint64_t y = 0; y < grid.y; ++y)
                for (uint64_t x = 0; x < grid.x; ++x)
                    for (uint64_t c = 0; c < block.z; ++c)
                        for (uint64_t b = 0; b < block.y; ++b)
                            for (uint64_t a = 0; a < block.x; ++a) want.push_back(a | b << 10 | c << 20 | x << 30 | y << 40 | z << 50);
        check::Buffer<uint64_t> out(total);
        write_identity<<<grid, block>>>(out.get());
        std::ostringstream facts;
        facts << "grid=" << grid.x << "x" << grid.y << "x" << grid.z << " block=" << block.x << "x" << block.y << "x" << block.z;
        check::same("launch", facts.str(), out.download(), want);
    }

    std::vector<int> in(1000), want(1000);
    std::iota(in.begin(), in.end(), 0);
    for (int i = 0; i < 1000; ++i) want[i] = i / 250 * 250 + 249 - i % 250;
    check::Buffer<int> source(in), target(1000);
    reverse_in_dynamic_lds<<<4, 250, 250 * sizeof(int)>>>(source.get(), target.get());
    check::same("launch", "dynamic_lds", target.download(), want);

    Many many{1, 2.5, {3, -4, 5, -6, 7}, {}, 0.25f};
    double sum = 9 + many.c + many.d + many.f + 300 + 0.125;
    for (short s : many.s) sum += s;
    for (int i = 0; i < 24; ++i) {
        many.u[i] = uint64_t{1} << i;
        sum += static_cast<double>(many.u[i]);
    }
    check::Buffer<double> out(1);
    read_arguments<<<1, 1>>>(9, many, 300, 0.125, out.get());
    check::same("launch", "arguments_by_value", out.download(), std::vector<double>{sum});

    write_identity<<<dim3(1), dim3(2048)>>>(nullptr);
    const hipError_t error = hipGetLastError();
    report(error != hipSuccess, "launch", std::string("block_too_large error=") + hipGetErrorName(error));

    check::Buffer<int> counter(std::vector<int>{0});
    for (int i = 0; i < 2000; ++i) add_to_each<<<1, 32>>>(counter.get(), 1, i);
    check::same("launch", "many_in_a_row launches=2000", counter.download(), std::vector<int>{2000 * 1999 / 2});
}

// ---- by name only -----------------------------------------------------------------------------------------------------

__global__ void fail_assert(int limit) { assert(static_cast<int>(threadIdx.x) < limit && "a thread beyond the limit"); }
__global__ void store(int *where, int value) { where[threadIdx.x] = value; }
__global__ void trap() { __builtin_trap(); }
__global__ void illegal() {
#if defined(__AMDGCN__)
    // SOP1 with opcode 255, which no target of gfx10 has. Source: "RDNA 2" Instruction Set Architecture, section 13.1.3 (SOP1).
    asm volatile(".long 0xbe80ff00");
#endif
}

/// On hardware the runtime aborts the process before this line says anything.
void report_survival(const char *name) {
    const hipError_t launch = hipGetLastError();
    const hipError_t end = hipDeviceSynchronize();
    report(false, name, std::string("launch=") + hipGetErrorName(launch) + " end=" + hipGetErrorName(end), "the process survived");
}

void device_assert() {
    fail_assert<<<1, 64>>>(64);
    check::finish();
    report(true, "assert", "true_one_is_silent");
    fail_assert<<<1, 64>>>(40);
    report_survival("assert");
}

/// Within the addresses that a process can have, 16 TiB below an allocation: nothing is mapped there.
void fault_unmapped() {
    check::Buffer<int> near_by(64);
    store<<<1, 32>>>(reinterpret_cast<int *>(reinterpret_cast<uintptr_t>(near_by.get()) - (uintptr_t{1} << 44)), 1);
    report_survival("fault_unmapped");
}

/// Neither in the process's addresses (bits 63 to 47 differ) nor in the windows of LDS and scratch: outside every aperture.
void fault_aperture() {
    check::Buffer<int> near_by(64);
    store<<<1, 32>>>(reinterpret_cast<int *>(reinterpret_cast<uintptr_t>(near_by.get()) | (uintptr_t{1} << 55)), 1);
    report_survival("fault_aperture");
}

/// Host pages that may only be read, shown to the device. A runtime may refuse to register them: that is said, and is no pass.
void fault_readonly() {
    const size_t size = 1 << 16;
    void *pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(pages, 1, size);
    mprotect(pages, size, PROT_READ);
    void *device = nullptr;
    const hipError_t registered = hipHostRegister(pages, size, hipHostRegisterMapped);
    if (registered != hipSuccess) {
        report(false, "fault_readonly", std::string("register=") + hipGetErrorName(registered), "the runtime refuses read-only pages");
        return;
    }
    HIP_CHECK(hipHostGetDevicePointer(&device, pages, 0));
    store<<<1, 32>>>(static_cast<int *>(device), 2);
    report_survival("fault_readonly");
}

void fault_illegal() {
    illegal<<<1, 32>>>();
    report_survival("fault_illegal");
}

void fault_trap() {
    trap<<<1, 32>>>();
    report_survival("fault_trap");
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "runtime",
                      {{"device_properties", device_properties},
                       {"allocate", allocate},
                       {"host_memory", host_memory},
                       {"managed_memory", managed_memory},
                       {"copy", copy},
                       {"copy_large", copy_large},
                       {"copy_2d", copy_2d},
                       {"fill", fill_memory},
                       {"symbols", symbols},
                       {"events", events},
                       {"streams", streams},
                       {"launch", launch},
                       {"fill_before_boundary", fill_before_boundary, true},
                       {"assert", device_assert, true},
                       {"fault_unmapped", fault_unmapped, true},
                       {"fault_aperture", fault_aperture, true},
                       {"fault_readonly", fault_readonly, true},
                       {"fault_illegal", fault_illegal, true},
                       {"fault_trap", fault_trap, true}});
}

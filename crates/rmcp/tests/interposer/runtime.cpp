// A runtime that does nothing, with tables as the real one has them, to see what the library in front of it does and costs.
//
// usage: runtime LIBRARY WHAT [NUMBER]
//   tables            which entries of tables of several versions and sizes the library replaces
//   dispatch N        nanoseconds for a doorbell with one packet, without and with the library
//   allocate N        nanoseconds for an allocation and its end, without and with the library
//   order N           48 threads on 12 queues ring N doorbells in all; the record is looked at by who started this
//   again             shuts down and starts again
//   load              what OnLoad returns
#include "empty.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace {

// ---- what is looked at ------------------------------------------------------------------------------------------------

/// Loads the library with tables of a version and size, and says which entries are others afterwards.
void show(const char *name, uint32_t root, uint32_t core, size_t core_entries, uint32_t ext, size_t ext_entries) {
    static void *core_place[256], *ext_place[256];
    auto make = [](void **place, uint32_t major, size_t many) {
        auto *version = reinterpret_cast<ApiTableVersion *>(place);
        *version = {major, static_cast<uint32_t>(sizeof(ApiTableVersion) + many * sizeof(void *)), 0, 0};
        for (size_t i = 2; i < 256; ++i) place[i] = reinterpret_cast<void *>(nothing);
    };
    make(core_place, core, core_entries);
    make(ext_place, ext, ext_entries);
    HsaApiTable all{};
    all.version = {root, sizeof all, 0, 0};
    all.core_ = reinterpret_cast<CoreApiTable *>(core_place);
    all.amd_ext_ = reinterpret_cast<AmdExtTable *>(ext_place);
    const bool loaded = on_load(&all, 1, 0, nullptr);
    std::printf("%s loaded=%d core:", name, loaded);
    for (int i = 2; i < 256; ++i) {
        if (core_place[i] != reinterpret_cast<void *>(nothing)) std::printf(" %d", i - 2);
    }
    std::printf(" ext:");
    for (int i = 2; i < 256; ++i) {
        if (ext_place[i] != reinterpret_cast<void *>(nothing)) std::printf(" %d", i - 2);
    }
    std::printf("\n");
}

void show_names() {
    make_tables();
    load();
    std::printf("names");
#define NAME(table, name) \
    if (reinterpret_cast<void *>(tables.table.name##_fn) != before_##table[offsetof(decltype(tables.table), name##_fn) / 8 - 2]) \
        std::printf(" " #name);
    HsaApiTableContainer plain;
    std::swap(plain.core, tables.core);
    std::swap(plain.amd_ext, tables.amd_ext);
    make_tables();
    void **before_core = entries(tables.core), **before_amd_ext = entries(tables.amd_ext);
    std::vector<void *> core(before_core, before_core + count(tables.core)), ext(before_amd_ext, before_amd_ext + count(tables.amd_ext));
    before_core = core.data(), before_amd_ext = ext.data();
    std::swap(plain.core, tables.core);
    std::swap(plain.amd_ext, tables.amd_ext);
    NAME(core, hsa_iterate_agents)
    NAME(core, hsa_queue_create)
    NAME(core, hsa_queue_destroy)
    NAME(core, hsa_memory_allocate)
    NAME(core, hsa_memory_free)
    NAME(core, hsa_memory_copy)
    NAME(core, hsa_signal_destroy)
    NAME(core, hsa_signal_store_relaxed)
    NAME(core, hsa_signal_store_screlease)
    NAME(core, hsa_signal_wait_relaxed)
    NAME(core, hsa_signal_wait_scacquire)
    NAME(core, hsa_executable_destroy)
    NAME(core, hsa_executable_symbol_get_info)
    NAME(core, hsa_code_object_reader_create_from_file)
    NAME(core, hsa_code_object_reader_create_from_memory)
    NAME(core, hsa_code_object_reader_destroy)
    NAME(core, hsa_executable_load_agent_code_object)
    NAME(amd_ext, hsa_amd_memory_pool_allocate)
    NAME(amd_ext, hsa_amd_memory_pool_free)
    NAME(amd_ext, hsa_amd_memory_async_copy)
    NAME(amd_ext, hsa_amd_memory_lock)
    NAME(amd_ext, hsa_amd_memory_unlock)
    NAME(amd_ext, hsa_amd_memory_fill)
    NAME(amd_ext, hsa_amd_ipc_memory_attach)
    NAME(amd_ext, hsa_amd_ipc_memory_detach)
    NAME(amd_ext, hsa_amd_register_system_event_handler)
    NAME(amd_ext, hsa_amd_memory_async_copy_rect)
    NAME(amd_ext, hsa_amd_memory_lock_to_pool)
    NAME(amd_ext, hsa_amd_svm_attributes_set)
    std::printf("\n");
}

double per_dispatch(Queue *queue, uint64_t many) {
    const auto start = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < many; ++i) {
        queue->taken.store(queue->written.load(std::memory_order_relaxed), std::memory_order_release);
        ring(queue, 0x1000);
    }
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / many;
}

double per_allocation(uint64_t many) {
    constexpr int held = 256;
    static void *memory[held];
    const auto start = std::chrono::steady_clock::now();
    for (uint64_t i = 0; i < many; ++i) {
        void *&place = memory[i % held];
        if (place) tables.amd_ext.hsa_amd_memory_pool_free_fn(place);
        tables.amd_ext.hsa_amd_memory_pool_allocate_fn({7}, 4096 * (1 + i % 5), 0, &place);
    }
    for (void *&place : memory) {
        if (place) tables.amd_ext.hsa_amd_memory_pool_free_fn(place);
        place = nullptr;
    }
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / many;
}

long resident_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
    }
    return 0;
}

/// The middle of several, without and with, in turns: what else the machine does falls on both.
template <class Measure> void compare(const char *what, Measure measure) {
    make_tables();
    const long before = resident_kib();
    Queue *plain = reinterpret_cast<Queue *>(make_queue());
    const HsaApiTableContainer without = tables;
    load();
    const HsaApiTableContainer with = tables;
    Queue *watched = reinterpret_cast<Queue *>(make_queue());
    double best[2] = {1e9, 1e9};
    for (int round = 0; round < 7; ++round) {
        std::memcpy(static_cast<void *>(&tables.core), &without.core, sizeof tables.core);
        std::memcpy(static_cast<void *>(&tables.amd_ext), &without.amd_ext, sizeof tables.amd_ext);
        best[0] = std::min(best[0], measure(plain));
        std::memcpy(static_cast<void *>(&tables.core), &with.core, sizeof tables.core);
        std::memcpy(static_cast<void *>(&tables.amd_ext), &with.amd_ext, sizeof tables.amd_ext);
        best[1] = std::min(best[1], measure(watched));
    }
    std::printf("%s without=%.1f with=%.1f more=%.1f resident_kib=%ld\n", what, best[0], best[1], best[1] - best[0],
                resident_kib() - before);
}

/// The runtime is shut down and started again; the memory of its first queue is gone then.
void again(OnUnload on_unload) {
    make_tables();
    load();
    Queue *first = reinterpret_cast<Queue *>(make_queue());
    ring(first, 0x1000);
    on_unload();
    munmap(first, 4096);
    make_tables();
    load();
    Queue *second = reinterpret_cast<Queue *>(make_queue());
    for (int i = 0; i < 3; ++i) ring(second, 0x1000);
    // A wait looks at all queues.
    tables.core.hsa_signal_wait_scacquire_fn(second->queue.doorbell_signal, HSA_SIGNAL_CONDITION_GTE, 0, 1, HSA_WAIT_STATE_BLOCKED);
    std::printf("again ended\n");
}

/// The kernel that a thread starts.
uint64_t kernel_of(unsigned thread) { return 0x1000 + 64 * thread; }

/// Threads share queues; a processor takes packets as a card does, and makes their headers invalid.
void order(uint64_t many) {
    constexpr unsigned threads = 48, queues = 12;
    make_tables();
    load();
    std::vector<Queue *> all;
    // Which kernels there are is known before any of them is started, as in every program.
    for (unsigned i = 0; i < threads; ++i) {
        uint64_t object;
        tables.core.hsa_executable_symbol_get_info_fn({kernel_of(i)}, HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_OBJECT, &object);
    }
    for (unsigned i = 0; i < queues; ++i) all.push_back(reinterpret_cast<Queue *>(make_queue()));
    std::atomic<bool> done{false};
    std::vector<std::thread> processors;
    for (unsigned half = 0; half < 2; ++half) {
        processors.emplace_back([&, half] {
            bool idle = false;
            while (!done.load() || !idle) {
                idle = true;
                for (unsigned i = half; i < queues; i += 2) {
                    Queue *queue = all[i];
                    auto *ring = static_cast<hsa_kernel_dispatch_packet_t *>(queue->queue.base_address);
                    const uint64_t taken = queue->taken.load();
                    uint16_t *header = &ring[taken % queue->queue.size].header;
                    // Only what the doorbell has told of.
                    if (queue->doorbell.load() < static_cast<int64_t>(taken) || taken >= queue->written.load()) continue;
                    if ((__atomic_load_n(header, __ATOMIC_ACQUIRE) & 0xff) != HSA_PACKET_TYPE_KERNEL_DISPATCH) continue;
                    __atomic_store_n(header, static_cast<uint16_t>(HSA_PACKET_TYPE_INVALID), __ATOMIC_RELEASE);
                    queue->taken.store(taken + 1);
                    idle = false;
                }
                if (idle) std::this_thread::yield();
            }
        });
    }
    std::vector<std::thread> users;
    for (unsigned i = 0; i < threads; ++i) {
        users.emplace_back([&, i] {
            for (uint64_t n = 0; n < many / threads; ++n) ring(all[i % queues], kernel_of(i));
        });
    }
    for (std::thread &user : users) user.join();
    // The last that was rung may not be the highest; one more ring tells of all.
    for (Queue *queue : all) {
        tables.core.hsa_signal_store_screlease_fn(queue->queue.doorbell_signal, static_cast<int64_t>(queue->written.load()) - 1);
    }
    done = true;
    for (std::thread &processor : processors) processor.join();
    std::printf("order queues=%u dispatches=%llu\n", queues, static_cast<unsigned long long>(many / threads * threads));
}

} // namespace

int main(int argc, char **argv) {
    void *library = argc >= 3 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
    on_load = library ? reinterpret_cast<OnLoad>(dlsym(library, "OnLoad")) : nullptr;
    if (!on_load) {
        std::printf("error %s\n", argc >= 3 ? dlerror() : "usage");
        return 2;
    }
    const std::string what = argv[2];
    const uint64_t many = argc >= 4 ? std::strtoull(argv[3], nullptr, 10) : 0;
    if (what == "tables") {
        show("rocr-5.2", 1, 1, 125, 1, 48);
        show("rocr-6.4", 3, 2, 125, 2, 75);
        show("longer", 3, 2, 200, 2, 200);
        show("unsure", 1, 1, 125, 1, 53);
        show("short", 1, 1, 10, 1, 14);
        show("newer-root", 9, 1, 125, 1, 48);
        show("newer-core", 1, 9, 125, 1, 48);
        show("newer-extensions", 1, 1, 125, 9, 48);
        std::printf("null loaded=%d\n", on_load(nullptr, 1, 0, nullptr));
        show_names();
    } else if (what == "dispatch") {
        compare("dispatch", [&](Queue *queue) { return per_dispatch(queue, many); });
    } else if (what == "allocate") {
        compare("allocate", [&](Queue *) { return per_allocation(many); });
    } else if (what == "order") {
        order(many);
    } else if (what == "again") {
        again(reinterpret_cast<OnUnload>(dlsym(library, "OnUnload")));
    } else if (what == "load") {
        make_tables();
        std::printf("loaded=%d\n", load());
    } else {
        return 2;
    }
    return 0;
}

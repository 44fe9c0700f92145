// A runtime that does nothing, with tables as the real one has them, for programs that see what the library in front of it
// does. Each of them uses a part of it.
#pragma once
#pragma GCC diagnostic ignored "-Wunused-function"
#include <new>

#include <hsa_api_trace.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace {

using OnUnload = void (*)();
using OnLoad = bool (*)(void *, uint64_t, uint64_t, const char *const *);

HsaApiTableContainer tables;
OnLoad on_load;

// ---- the runtime ------------------------------------------------------------------------------------------------------

struct Queue {
    hsa_queue_t queue;
    std::atomic<uint64_t> written{0}, taken{0};
    std::atomic<int64_t> doorbell{0};
};

bool last_has_callback;
hsa_status_t queue_create(hsa_agent_t, uint32_t size, hsa_queue_type32_t, void (*callback)(hsa_status_t, hsa_queue_t *, void *),
                          void *, uint32_t, uint32_t, hsa_queue_t **queue) {
    last_has_callback = callback != nullptr;
    // A page of its own, which can go away.
    void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto *made = new (page) Queue();
    made->queue.size = size;
    made->queue.base_address = std::aligned_alloc(64, size * 64);
    std::memset(made->queue.base_address, 0, size * 64);
    auto *packets = static_cast<hsa_kernel_dispatch_packet_t *>(made->queue.base_address);
    for (uint32_t i = 0; i < size; ++i) packets[i].header = HSA_PACKET_TYPE_INVALID;
    made->queue.doorbell_signal.handle = reinterpret_cast<uint64_t>(&made->doorbell);
    *queue = &made->queue;
    return HSA_STATUS_SUCCESS;
}
hsa_status_t queue_destroy(hsa_queue_t *) { return HSA_STATUS_SUCCESS; }
uint64_t read_index(const hsa_queue_t *queue) { return reinterpret_cast<const Queue *>(queue)->taken.load(std::memory_order_relaxed); }
/// 1 has the next thread that asks for a write index stay in there, which makes it 2, until it is 0.
std::atomic<int> hold{0};
uint64_t write_index(const hsa_queue_t *queue) {
    int wanted = 1;
    if (hold.load(std::memory_order_relaxed) == 1 && hold.compare_exchange_strong(wanted, 2)) {
        while (hold.load() == 2) usleep(1000);
    }
    return reinterpret_cast<const Queue *>(queue)->written.load(std::memory_order_relaxed);
}
// Of threads that share a queue the one with the lower number may come later: a doorbell never goes back.
void signal_store(hsa_signal_t signal, hsa_signal_value_t value) {
    auto *doorbell = reinterpret_cast<std::atomic<int64_t> *>(signal.handle);
    int64_t told = doorbell->load(std::memory_order_relaxed);
    while (told < value && !doorbell->compare_exchange_weak(told, value, std::memory_order_release)) {
    }
}
hsa_signal_value_t signal_load(hsa_signal_t signal) {
    return reinterpret_cast<std::atomic<int64_t> *>(signal.handle)->load(std::memory_order_relaxed);
}
// A signal that is destroyed is gone: who looks at it ends the program.
hsa_status_t signal_destroy(hsa_signal_t signal) {
    munmap(reinterpret_cast<void *>(signal.handle), 4096);
    return HSA_STATUS_SUCCESS;
}
std::atomic<uint64_t> next_address{0x700000000000};
std::atomic<uint64_t> last_pool{0};
void *last_allocated, *last_freed;
hsa_status_t pool_allocate(hsa_amd_memory_pool_t pool, size_t size, uint32_t, void **out) {
    last_pool.store(pool.handle, std::memory_order_relaxed);
    *out = reinterpret_cast<void *>(next_address.fetch_add((size + 4095) / 4096 * 4096, std::memory_order_relaxed));
    last_allocated = *out;
    return HSA_STATUS_SUCCESS;
}
hsa_status_t pool_free(void *address) {
    last_freed = address;
    return HSA_STATUS_SUCCESS;
}
hsa_status_t memory_lock(void *host, size_t, hsa_agent_t *, int, void **out) {
    *out = host;
    return HSA_STATUS_SUCCESS;
}
// One card, with a fine-grained and a coarse-grained pool.
hsa_status_t iterate_agents(hsa_status_t (*callback)(hsa_agent_t, void *), void *data) { return callback({1}, data); }
hsa_status_t agent_get_info(hsa_agent_t, hsa_agent_info_t what, void *out) {
    const uint32_t gpu = HSA_DEVICE_TYPE_GPU;
    if (what == HSA_AGENT_INFO_NAME) std::strcpy(static_cast<char *>(out), "gfx1010");
    else if (what == HSA_AGENT_INFO_DEVICE) std::memcpy(out, &gpu, sizeof gpu);
    else return HSA_STATUS_ERROR;
    return HSA_STATUS_SUCCESS;
}
hsa_status_t iterate_pools(hsa_agent_t, hsa_status_t (*callback)(hsa_amd_memory_pool_t, void *), void *data) {
    callback({7}, data);
    return callback({8}, data);
}
hsa_status_t pool_get_info(hsa_amd_memory_pool_t pool, hsa_amd_memory_pool_info_t what, void *out) {
    const uint32_t flags = pool.handle == 7 ? HSA_AMD_MEMORY_POOL_GLOBAL_FLAG_FINE_GRAINED : HSA_AMD_MEMORY_POOL_GLOBAL_FLAG_COARSE_GRAINED;
    const uint32_t number = what == HSA_AMD_MEMORY_POOL_INFO_GLOBAL_FLAGS ? flags : static_cast<uint32_t>(HSA_AMD_SEGMENT_GLOBAL);
    const size_t bytes = size_t{1} << 30;
    if (what == HSA_AMD_MEMORY_POOL_INFO_SIZE) std::memcpy(out, &bytes, sizeof bytes);
    else std::memcpy(out, &number, sizeof number);
    return HSA_STATUS_SUCCESS;
}
hsa_amd_system_event_callback_t on_event;
hsa_status_t register_events(hsa_amd_system_event_callback_t callback, void *) {
    if (!on_event) on_event = callback;
    return HSA_STATUS_SUCCESS;
}
hsa_signal_value_t signal_wait(hsa_signal_t signal, hsa_signal_condition_t, hsa_signal_value_t, uint64_t, hsa_wait_state_t) {
    return signal_load(signal);
}
// A symbol's handle is the address of its kernel.
hsa_status_t symbol_get_info(hsa_executable_symbol_t symbol, hsa_executable_symbol_info_t what, void *out) {
    char name[16];
    const int length = std::snprintf(name, sizeof name, "kernel%llx", static_cast<unsigned long long>(symbol.handle));
    switch (what) {
    case HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_OBJECT: std::memcpy(out, &symbol.handle, 8); break;
    case HSA_EXECUTABLE_SYMBOL_INFO_NAME: std::memcpy(out, name, static_cast<size_t>(length)); break;
    default: {
        const bool arguments = what == HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_KERNARG_SEGMENT_SIZE;
        const uint32_t number = what == HSA_EXECUTABLE_SYMBOL_INFO_NAME_LENGTH ? static_cast<uint32_t>(length) : arguments ? 8 : 0;
        std::memcpy(out, &number, 4);
    }
    }
    return HSA_STATUS_SUCCESS;
}
hsa_status_t reader_from_memory(const void *, size_t, hsa_code_object_reader_t *reader) {
    reader->handle = 5;
    return HSA_STATUS_SUCCESS;
}
hsa_status_t reader_destroy(hsa_code_object_reader_t) { return HSA_STATUS_SUCCESS; }
hsa_status_t load_agent_code(hsa_executable_t, hsa_agent_t, hsa_code_object_reader_t, const char *, hsa_loaded_code_object_t *loaded) {
    loaded->handle = 6;
    return HSA_STATUS_SUCCESS;
}
// Who asks the loader may be asked by it: here it closes the code object.
hsa_status_t code_get_info(hsa_loaded_code_object_t, uint32_t, void *out) {
    tables.core.hsa_code_object_reader_destroy_fn({5});
    const uint64_t number = 4096;
    std::memcpy(out, &number, sizeof number);
    return HSA_STATUS_SUCCESS;
}
hsa_status_t extension_table(uint16_t, uint16_t, size_t bytes, void *table) {
    void *functions[5] = {nullptr, nullptr, nullptr, nullptr, reinterpret_cast<void *>(code_get_info)};
    std::memcpy(table, functions, std::min(bytes, sizeof functions));
    return HSA_STATUS_SUCCESS;
}
hsa_status_t nothing() { return HSA_STATUS_ERROR; }

/// Entries of a table, behind its version.
template <class Table> void **entries(Table &table) { return reinterpret_cast<void **>(&table.version + 1); }
template <class Table> size_t count(const Table &table) { return (table.version.minor_id - sizeof(ApiTableVersion)) / sizeof(void *); }

void make_tables() {
    new (&tables) HsaApiTableContainer();
    for (size_t i = 0; i < count(tables.core); ++i) entries(tables.core)[i] = reinterpret_cast<void *>(nothing);
    for (size_t i = 0; i < count(tables.amd_ext); ++i) entries(tables.amd_ext)[i] = reinterpret_cast<void *>(nothing);
    tables.core.hsa_queue_create_fn = queue_create;
    tables.core.hsa_queue_destroy_fn = queue_destroy;
    tables.core.hsa_queue_load_read_index_relaxed_fn = read_index;
    tables.core.hsa_queue_load_write_index_relaxed_fn = write_index;
    tables.core.hsa_signal_store_relaxed_fn = signal_store;
    tables.core.hsa_signal_store_screlease_fn = signal_store;
    tables.core.hsa_signal_load_relaxed_fn = signal_load;
    tables.core.hsa_executable_symbol_get_info_fn = symbol_get_info;
    tables.core.hsa_signal_wait_scacquire_fn = signal_wait;
    tables.core.hsa_code_object_reader_create_from_memory_fn = reader_from_memory;
    tables.core.hsa_code_object_reader_destroy_fn = reader_destroy;
    tables.core.hsa_executable_load_agent_code_object_fn = load_agent_code;
    tables.core.hsa_system_get_major_extension_table_fn = extension_table;
    tables.core.hsa_signal_destroy_fn = signal_destroy;
    tables.core.hsa_iterate_agents_fn = iterate_agents;
    tables.core.hsa_agent_get_info_fn = agent_get_info;
    tables.amd_ext.hsa_amd_agent_iterate_memory_pools_fn = iterate_pools;
    tables.amd_ext.hsa_amd_memory_pool_get_info_fn = pool_get_info;
    tables.amd_ext.hsa_amd_memory_lock_fn = memory_lock;
    tables.amd_ext.hsa_amd_memory_unlock_fn = pool_free;
    tables.amd_ext.hsa_amd_register_system_event_handler_fn = register_events;
    tables.amd_ext.hsa_amd_memory_pool_allocate_fn = pool_allocate;
    tables.amd_ext.hsa_amd_memory_pool_free_fn = pool_free;
}

bool load() { return on_load(&tables.root, 1, 0, nullptr); }

hsa_queue_t *make_queue() {
    hsa_queue_t *queue = nullptr;
    tables.core.hsa_queue_create_fn({1}, 1024, 0, nullptr, nullptr, 0, 0, &queue);
    return queue;
}

/// A signal on a page of its own.
hsa_signal_t make_signal(int64_t value) {
    void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    new (page) std::atomic<int64_t>(value);
    return {reinterpret_cast<uint64_t>(page)};
}

/// Writes the packet of a number, its header last.
void write_packet(Queue *queue, uint64_t number, uint64_t kernel, hsa_signal_t signal = {0}) {
    auto *packet = static_cast<hsa_kernel_dispatch_packet_t *>(queue->queue.base_address) + number % queue->queue.size;
    packet->workgroup_size_x = 64;
    packet->grid_size_x = static_cast<uint32_t>(number);
    packet->kernel_object = kernel;
    packet->kernarg_address = reinterpret_cast<void *>(number);
    packet->completion_signal = signal;
    __atomic_store_n(&packet->header, static_cast<uint16_t>(HSA_PACKET_TYPE_KERNEL_DISPATCH | 1 << HSA_PACKET_HEADER_BARRIER),
                     __ATOMIC_RELEASE);
}

void doorbell(Queue *queue, uint64_t number) {
    tables.core.hsa_signal_store_screlease_fn(queue->queue.doorbell_signal, static_cast<hsa_signal_value_t>(number));
}

/// What every user of a queue does: takes a number, writes the packet and rings.
void ring(Queue *queue, uint64_t kernel, hsa_signal_t signal = {0}) {
    const uint64_t number = queue->written.fetch_add(1, std::memory_order_relaxed);
    // The ring has room only when the processor has taken what is there.
    while (number - queue->taken.load(std::memory_order_acquire) >= queue->queue.size) std::this_thread::yield();
    write_packet(queue, number, kernel, signal);
    doorbell(queue, number);
}

} // namespace

// Situations in which a program may bring the library, each with the runtime that does nothing. A record is looked at by who
// started this; what takes longer than it may is ended.
//
// usage: situations LIBRARY WHAT
#include "empty.hpp"

#include <cstddef>
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <vector>

namespace {

constexpr uint64_t kernel = 0x1000;

Queue *new_queue() { return reinterpret_cast<Queue *>(make_queue()); }
void set(hsa_signal_t signal, int64_t value) { reinterpret_cast<std::atomic<int64_t> *>(signal.handle)->store(value); }
void look_up(uint64_t which) {
    uint64_t object;
    tables.core.hsa_executable_symbol_get_info_fn({which}, HSA_EXECUTABLE_SYMBOL_INFO_KERNEL_OBJECT, &object);
}
hsa_status_t nobody(hsa_agent_t, void *) { return HSA_STATUS_SUCCESS; }

/// A thread that waits looks at all queues.
void look() {
    std::atomic<int64_t> over{0};
    tables.core.hsa_signal_wait_scacquire_fn({reinterpret_cast<uint64_t>(&over)}, HSA_SIGNAL_CONDITION_EQ, 0, 1, HSA_WAIT_STATE_BLOCKED);
}

/// The card takes packets, and makes their headers invalid.
void take(Queue *queue, uint64_t until) {
    auto *ring = static_cast<hsa_kernel_dispatch_packet_t *>(queue->queue.base_address);
    for (uint64_t at = queue->taken; at < until; ++at) ring[at % queue->queue.size].header = HSA_PACKET_TYPE_INVALID;
    queue->taken = until;
}

/// Some ring with the index that comes next, and nobody stops them from ringing with any other.
void beyond() {
    Queue *queue = new_queue();
    for (uint64_t number = 0; number < 3; ++number) {
        queue->written = number + 1;
        write_packet(queue, number, kernel);
        doorbell(queue, number + 1);
    }
    doorbell(queue, 1000);
    Queue *none = new_queue();
    none->queue.base_address = nullptr;
    none->written = 1;
    doorbell(none, 0);
}

void signals() {
    // The first three of five have ended.
    Queue *some = new_queue();
    for (int i = 0; i < 5; ++i) {
        hsa_signal_t signal = make_signal(1);
        ring(some, kernel, signal);
        if (i < 3) set(signal, 0);
    }
    // A signal may begin at 0; it has ended when it is less.
    Queue *zero = new_queue();
    hsa_signal_t first = make_signal(0);
    ring(zero, kernel, first);
    ring(zero, kernel, make_signal(0));
    look();
    set(first, -1);
    // One that was read is destroyed, and so is over.
    Queue *destroyed = new_queue();
    hsa_signal_t gone = make_signal(1);
    ring(destroyed, kernel, gone);
    tables.core.hsa_signal_destroy_fn(gone);
    // One that is destroyed before the doorbell was rung: the card looks at the index that is written as well.
    Queue *unread = new_queue();
    hsa_signal_t early = make_signal(1);
    unread->written = 1;
    write_packet(unread, 0, kernel, early);
    take(unread, 1);
    set(early, 0);
    tables.core.hsa_signal_destroy_fn(early);
    ring(unread, kernel);
    // One behind a packet that is not written yet.
    Queue *behind = new_queue();
    hsa_signal_t hidden = make_signal(1);
    behind->written = 2;
    write_packet(behind, 1, kernel, hidden);
    tables.core.hsa_signal_destroy_fn(hidden);
    write_packet(behind, 0, kernel);
    doorbell(behind, 1);
    look();
}

void overwritten() {
    Queue *queue = new_queue();
    queue->written = 1500;
    for (uint64_t number = 0; number < 1500; ++number) write_packet(queue, number, kernel);
    queue->taken = 1400;
    doorbell(queue, 1199);
}

void forked() {
    for (uint64_t which : {kernel, kernel + 64}) look_up(which);
    tables.core.hsa_iterate_agents_fn(nobody, nullptr);
    Queue *parents = new_queue();
    for (int i = 0; i < 3; ++i) ring(parents, kernel + 64);
    void *memory = nullptr;
    tables.amd_ext.hsa_amd_memory_pool_allocate_fn({7}, 8192, 0, &memory);
    // Another thread is in the middle of reading packets.
    hold = 1;
    std::thread reader([&] { ring(parents, kernel); });
    while (hold != 2) usleep(1000);
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        hold = 0;
        setenv("HSA_OVERRIDE_GFX_VERSION", "9.0.0", 1);
        tables.core.hsa_signal_destroy_fn(make_signal(1));
        doorbell(parents, 3);
        look();
        tables.core.hsa_queue_destroy_fn(&parents->queue);
        tables.core.hsa_iterate_agents_fn(nobody, nullptr);
        look_up(kernel + 64);
        tables.amd_ext.hsa_amd_memory_pool_free_fn(memory);
        tables.amd_ext.hsa_amd_memory_pool_allocate_fn({8}, 4096, 0, &memory);
        Queue *own = new_queue();
        for (int i = 0; i < 2; ++i) ring(own, kernel + 64);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    hold = 0;
    reader.join();
    std::printf("child %d status %d\n", child, status);
}

void callbacks() {
    new_queue();
    const bool none = last_has_callback;
    hsa_queue_t *queue = nullptr;
    tables.core.hsa_queue_create_fn({1}, 64, 0, [](hsa_status_t, hsa_queue_t *, void *) {}, nullptr, 0, 0, &queue);
    std::printf("callbacks none=%d given=%d\n", none, last_has_callback);
}

void pools() {
    tables.core.hsa_iterate_agents_fn(nobody, nullptr);
    void *memory;
    tables.amd_ext.hsa_amd_memory_pool_allocate_fn({7}, 1 << 20, 0, &memory);
    std::printf("pool %d\n", static_cast<int>(last_pool.load()));
}

/// Loads code with a kernel that calls the processor; memory that it polls must stay as it is.
void code() {
    static const char content[] = "hidden_hostcall_buffer";
    tables.core.hsa_iterate_agents_fn(nobody, nullptr);
    hsa_code_object_reader_t reader;
    tables.core.hsa_code_object_reader_create_from_memory_fn(content, sizeof content, &reader);
    tables.core.hsa_executable_load_agent_code_object_fn({3}, {1}, reader, nullptr, nullptr);
    pools();
}

/// Somebody else writes into the record: nothing that the program is given or gives comes from there.
void corrupted() {
    tables.core.hsa_iterate_agents_fn(nobody, nullptr);
    void *memory;
    tables.amd_ext.hsa_amd_memory_pool_allocate_fn({8}, 100, 0, &memory);
    void *const runtimes = last_allocated;
    FILE *record = std::fopen(std::getenv("RMCP_RECORD"), "r+b");
    // The table of allocations, as the guide has it.
    std::fseek(record, 375296, SEEK_SET);
    const std::vector<unsigned char> bytes(1423872 - 375296, 0x55);
    std::fwrite(bytes.data(), 1, bytes.size(), record);
    std::fclose(record);
    tables.amd_ext.hsa_amd_memory_pool_free_fn(memory);
    std::printf("guarded=%d same=%d\n", memory != runtimes, last_freed == runtimes);
}

void locked() {
    tables.core.hsa_iterate_agents_fn(nobody, nullptr);
    void *memory, *card;
    tables.amd_ext.hsa_amd_memory_pool_allocate_fn({7}, 8192, 0, &memory);
    tables.amd_ext.hsa_amd_memory_lock_fn(memory, 4096, nullptr, 0, &card);
    tables.amd_ext.hsa_amd_memory_unlock_fn(memory);
    tables.amd_ext.hsa_amd_memory_pool_free_fn(memory);
}

void fault() {
    hsa_amd_event_t event{};
    event.event_type = HSA_AMD_GPU_MEMORY_FAULT_EVENT;
    event.memory_fault.virtual_address = 0x7000;
    on_event(&event, nullptr);
}

/// The arguments of a kernel are nowhere; `denied` in a sandbox where the library may not ask.
void arguments(bool denied) {
    tables.core.hsa_iterate_agents_fn(nobody, nullptr);
    look_up(kernel);
    Queue *queue = new_queue();
    ring(queue, kernel);
    if (denied) {
        sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        sock_fprog program = {4, code};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) std::printf("no sandbox\n");
    }
    fault();
}

/// The row of a queue goes to another one.
void reused() {
    tables.core.hsa_iterate_agents_fn(nobody, nullptr);
    look_up(kernel);
    std::vector<Queue *> all;
    for (int i = 0; i < 64; ++i) all.push_back(new_queue());
    for (int i = 0; i < 3; ++i) ring(all[0], kernel);
    fault();
    tables.core.hsa_queue_destroy_fn(&all[0]->queue);
    ring(new_queue(), kernel);
}

/// Threads make all the queues that there is room for, at once.
void crowd() {
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 64; ++i) {
        threads.emplace_back([&] {
            while (!go) std::this_thread::yield();
            make_queue();
        });
    }
    go = true;
    for (std::thread &thread : threads) thread.join();
}

/// The runtime ends while a thread reads packets of a queue, whose memory is gone then.
void ending(OnUnload on_unload) {
    Queue *queue = new_queue();
    queue->written = 1;
    write_packet(queue, 0, kernel);
    hold = 1;
    std::thread reader([&] {
        // The doorbell is not the queue's any more when the runtime is asked to ring it.
        doorbell(queue, 0);
    });
    while (hold != 2) usleep(1000);
    std::thread releases([] {
        usleep(50000);
        hold = 0;
    });
    on_unload();
    mprotect(queue, 4096, hold == 0 ? PROT_READ | PROT_WRITE : PROT_NONE);
    releases.join();
    reader.join();
}

} // namespace

int main(int argc, char **argv) {
    alarm(60);
    void *library = argc == 3 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
    on_load = library ? reinterpret_cast<OnLoad>(dlsym(library, "OnLoad")) : nullptr;
    if (!on_load) return 2;
    const std::string what = argv[2];
    make_tables();
    load();
    if (what == "beyond") beyond();
    else if (what == "signals") signals();
    else if (what == "overwritten") overwritten();
    else if (what == "forked") forked();
    else if (what == "callbacks") callbacks();
    else if (what == "pools") pools();
    else if (what == "locked") locked();
    else if (what == "code") code();
    else if (what == "corrupted") corrupted();
    else if (what == "arguments") arguments(false);
    else if (what == "denied") arguments(true);
    else if (what == "reused") reused();
    else if (what == "crowd") crowd();
    else if (what == "ending") ending(reinterpret_cast<OnUnload>(dlsym(library, "OnUnload")));
    else return 2;
    std::printf("%s ended\n", what.c_str());
    return 0;
}

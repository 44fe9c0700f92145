/* Another tool of the runtime: counts allocations that pass it, and says so at the end. Its entry is the same in all versions. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>

typedef uint32_t (*allocate_fn)(uint64_t, size_t, uint32_t, void **);
static allocate_fn before;
static unsigned long counted;

static uint32_t count(uint64_t pool, size_t bytes, uint32_t flags, void **out) {
    uint32_t status = before(pool, bytes, flags, out);
    if (status == 0) __atomic_fetch_add(&counted, 1, __ATOMIC_RELAXED);
    return status;
}

__attribute__((destructor)) static void say(void) {
    if (before) fprintf(stderr, "second tool: %lu allocations\n", counted);
}

/* hsa_amd_memory_pool_allocate is entry 13 of the extensions, behind 16 bytes of version; the extensions' table is the second. */
bool OnLoad(void *tables, uint64_t runtime, uint64_t failed, const char *const *names) {
    (void)runtime, (void)failed, (void)names;
    void **extensions = *(void ***)((char *)tables + 24);
    before = (allocate_fn)extensions[2 + 13];
    extensions[2 + 13] = (void *)count;
    return true;
}

void OnUnload(void) {}

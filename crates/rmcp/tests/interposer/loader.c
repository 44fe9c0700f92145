/* Loads a library that uses HIP in the ways in which programs do: loader local|global LIBRARY. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 3) return 3;
    void *library = dlopen(argv[2], RTLD_NOW | (strcmp(argv[1], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL));
    int (*allocate)(void) = library ? (int (*)(void))dlsym(library, "allocate_late") : NULL;
    if (!allocate) {
        printf("error %s\n", dlerror());
        return 2;
    }
    int status = allocate();
    printf("allocated %d\n", status);
    return status == 0 ? 0 : 1;
}

/* Is linked with the library that uses HIP. */
#include <stdio.h>

int allocate_late(void);

int main(void) {
    int status = allocate_late();
    printf("allocated %d\n", status);
    return status == 0 ? 0 : 1;
}

/* Preloaded beside a sanitizer's library: keeps LD_PRELOAD from the programs that the process starts. */
#include <stdlib.h>

__attribute__((constructor)) static void forget(void)
{
    unsetenv("LD_PRELOAD");
}

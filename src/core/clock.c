#include "clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic double skipped;

double gr_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9 +
           atomic_load_explicit(&skipped, memory_order_relaxed);
}

double gr_unix_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void gr_clock_skip(double seconds)
{
    atomic_store(&skipped, atomic_load(&skipped) + seconds);
}

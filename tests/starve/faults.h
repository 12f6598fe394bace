/* faults: the calls that the core makes of other libraries, of which any can be made to fail.
 *
 * The programs test_starve_*.c are linked with the core as one object whose calls of the functions below
 * come by here (the linker's --wrap; only the core's own calls, and so libcurl's allocations, which go by
 * the functions the core has given it). Calls are counted by function. Any thread. */
#ifndef GROOVE_TEST_FAULTS_H
#define GROOVE_TEST_FAULTS_H

#include <stdbool.h>

/* Every function that is wrapped; wrapped.txt has the same ones for the linker. These are called again and
 * again, */
#define FAULTS_ALWAYS(X)     \
    X(asprintf)              \
    X(calloc)                \
    X(curl_easy_escape)      \
    X(curl_easy_getinfo)     \
    X(curl_easy_init)        \
    X(curl_easy_setopt)      \
    X(curl_multi_add_handle) \
    X(curl_multi_init)       \
    X(curl_multi_perform)    \
    X(curl_multi_poll)       \
    X(curl_multi_setopt)     \
    X(curl_multi_timeout)    \
    X(curl_multi_wait)       \
    X(curl_slist_append)     \
    X(curl_url)              \
    X(curl_url_get)          \
    X(curl_url_set)          \
    X(epoll_create1)         \
    X(epoll_ctl)             \
    X(eventfd)               \
    X(fopen)                 \
    X(fread)                 \
    X(fstat)                 \
    X(getaddrinfo)           \
    X(getcwd)                \
    X(getrandom)             \
    X(json_loadb)            \
    X(malloc)                \
    X(open)                  \
    X(pthread_attr_init)     \
    X(pthread_create)        \
    X(read)                  \
    X(realloc)               \
    X(socket)                \
    X(stat)                  \
    X(strdup)                \
    X(timerfd_create)        \
    X(timerfd_settime)       \
    X(tsearch)               \
    X(write)

/* and these when a process begins, or starts another. */
#define FAULTS_ONCE(X)                          \
    X(atexit)                                   \
    X(bind)                                     \
    X(curl_global_init)                         \
    X(curl_global_init_mem)                     \
    X(fcntl)                                    \
    X(getsockname)                              \
    X(listen)                                   \
    X(madvise)                                  \
    X(mkdtemp)                                  \
    X(mlock)                                    \
    X(mmap)                                     \
    X(pipe2)                                    \
    X(posix_spawn_file_actions_addclosefrom_np) \
    X(posix_spawn_file_actions_adddup2)         \
    X(posix_spawn_file_actions_addopen)         \
    X(posix_spawn_file_actions_init)            \
    X(posix_spawnattr_init)                     \
    X(posix_spawnp)                             \
    X(pthread_atfork)

enum fault {
#define FAULT_NUMBER(name) FAULT_##name,
    FAULTS_ALWAYS(FAULT_NUMBER) FAULTS_ONCE(FAULT_NUMBER)
#undef FAULT_NUMBER
        FAULT_COUNT,
    FAULT_ANY = FAULT_COUNT,
    FAULT_ONCE_FIRST = FAULT_atexit
};

/* Shares the totals with processes that are forked later. Once, first. */
void faults_init(void);

/* From now on the calls of `which` fail that are numbered first to first + count - 1 (from 1). */
void faults_set(enum fault which, unsigned long first, unsigned long count);
/* Nothing fails any more. */
void faults_clear(void);

/* Since faults_set: how many have failed, and how often that function has been called at all. */
unsigned long faults_hit(void);
unsigned long faults_called(enum fault which);
/* How often it has failed in this process and those that were forked. */
unsigned long faults_total(enum fault which);
const char *faults_name(enum fault which);

/* What the core and libcurl's allocations have not given back: blocks of memory, descriptors. */
long faults_blocks(void);
long faults_descriptors(void);

/* Adds to what the system's clock for people says: to clock_gettime(CLOCK_REALTIME) and time(). */
void faults_set_wall_clock(double seconds);

/* The name that getaddrinfo knows, as 127.0.0.1, besides those that the system knows. */
#define FAULTS_HOST "groove.test"

#endif

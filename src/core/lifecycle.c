#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "engine_state.h"
#include "port.h"
#include "prefetch.h"
#include "secret.h"

enum { EXIT_WAIT_S = 1, STOP_WAIT_S = 2 };

struct gr_engine_hooks gr_engine_hooks;
_Thread_local bool gr_engine_exiting;
_Thread_local bool gr_engine_lacked;

bool gr_engine_over(void)
{
    return gr_engine_exiting;
}

/* ---- the end ---- */

/* State lock; nobody drives. The handles are left to the caller. */
static void cancel_list(struct exchange_list *list, const char *code, const char *message)
{
    struct gr_exchange *exchange;
    while ((exchange = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, exchange, link);
        gr_error_set(&exchange->error, GR_E_CANCELLED, code, 0, true, "%s", message);
        gr_engine_finish(exchange);
    }
}

static void cancel_all(const char *code, const char *message)
{
    struct exchange_list all = TAILQ_HEAD_INITIALIZER(all);
    TAILQ_CONCAT(&all, &gr_engine.running, link);
    for (int i = 0; i < GR_CLASS_COUNT; i++) {
        struct gr_lane *lane;
        gr_engine.classes[i].running = 0;
        while ((lane = TAILQ_FIRST(&gr_engine.classes[i].lanes))) {
            TAILQ_CONCAT(&all, &lane->exchanges, link);
            gr_engine_leave_lane(lane);
        }
    }
    cancel_list(&all, code, message);
}

/* Nobody drives. Closing a TLS connection writes to it. */
static void clean_up(void)
{
    struct gr_exchange *exchange;
    struct gr_signals saved;
    gr_engine_lock_curl();
    gr_port_signals_block(&saved);
    TAILQ_FOREACH (exchange, &gr_engine.running, link)
        gr_engine_drop_handle(exchange);
    while (gr_engine.spares)
        curl_easy_cleanup(gr_engine.spare[--gr_engine.spares]);
    curl_multi_cleanup(gr_engine.multi);
    gr_engine.multi = NULL;
    gr_port_signals_restore(&saved);
    gr_engine_unlock_curl();
}

/* Whether nobody drives any more. Keeps callers from it until the caller of this resets `stopping`. */
static bool stop(void)
{
    double until = gr_now() + STOP_WAIT_S;
    gr_engine.stopping = true;
    gr_engine_wake();
    pthread_cond_signal(&gr_engine.parked);
    pthread_cond_broadcast(&gr_engine.role);
    while ((gr_engine.threaded || gr_engine.driving) && gr_now() < until)
        gr_port_cond_wait(&gr_engine.role, &gr_engine.lock, until - gr_now());
    return !gr_engine.threaded && !gr_engine.driving;
}

static void drain(double seconds)
{
    double until = gr_now() + seconds;
    const bool never = false;
    while (gr_engine.active && gr_now() < until)
        gr_engine_wait(&gr_engine.role, &never, fmin(until, gr_now() + 0.1));
}

bool gr_engine_shutdown(double seconds)
{
    if (gr_engine_exiting)
        return false;
    gr_engine_lock();
    drain(seconds);
    while (gr_engine.stopping) /* somebody else shuts it down, too */
        gr_port_cond_wait(&gr_engine.role, &gr_engine.lock, 1);
    bool clean = gr_engine.active == 0;
    bool stopped = stop();
    if (stopped) {
        gr_engine_unlock();
        clean_up();
        gr_engine_lock();
        cancel_all("shutdown", "the engine was shut down");
        gr_engine_hooks.stopped();
    }
    gr_engine.stopping = false;
    pthread_cond_broadcast(&gr_engine.role);
    gr_engine_unlock();
    return clean && stopped;
}

/* ---- fork and exit ---- */

/* Where the process was forked during init(), the child runs that again and has the handlers twice. */
static _Thread_local unsigned forking;

static void before_fork(void)
{
    if (forking++ > 0)
        return;
    if (!gr_engine_exiting) {
        pthread_mutex_lock(&gr_engine.curl_door); /* a child must not find it taken either */
        pthread_mutex_lock(&gr_engine.curl_lock);
    }
    gr_engine_lock();
    gr_secret_before_fork();
    gr_prefetch_before_fork();
}

static void unlock_after_fork(void)
{
    gr_engine_unlock();
    if (!gr_engine_exiting) {
        pthread_mutex_unlock(&gr_engine.curl_lock);
        pthread_mutex_unlock(&gr_engine.curl_door);
    }
}

static void in_parent(void)
{
    if (--forking > 0)
        return;
    gr_prefetch_after_fork();
    gr_secret_after_fork(false);
    unlock_after_fork();
}

struct left_handles {
    struct left_handles *next; /* the grandparent's */
    CURLM *multi;
    CURL *spare[SPARE_HANDLES];
};

/* volatile: nothing reads it but leak checkers. */
static void keep_reference(void)
{
    static struct left_handles *volatile left_behind;
    struct left_handles *left = malloc(sizeof *left);
    if (!left)
        return;
    left->next = left_behind;
    left->multi = gr_engine.multi;
    memcpy(left->spare, gr_engine.spare, sizeof left->spare);
    left_behind = left;
}

/* The libcurl handles are the parent's twins: using or freeing one would write to a connection that the
 * parent is using. They stay where they are, out of reach but referenced. */
static void leave_handles(void)
{
    struct gr_exchange *exchange;
    keep_reference();
    gr_engine.multi = NULL;
    gr_engine.spares = 0;
    TAILQ_FOREACH (exchange, &gr_engine.running, link)
        exchange->easy = NULL;
    for (size_t i = 0; i < gr_engine.socket_count; i++)
        if (gr_engine_holds(&gr_engine.sockets[i]))
            close(gr_engine.sockets[i].fd);
    gr_engine.socket_count = 0;
}

static void in_child(void)
{
    if (--forking > 0)
        return;
    gr_prefetch_after_fork();
    gr_secret_after_fork(true);
    leave_handles();
    if (gr_engine.ready) {
        close(gr_engine.wake_fd);
        close(gr_engine.timer_fd);
    }
    if (gr_engine.host_fd >= 0)
        close(gr_engine.host_fd); /* a copy: what it holds is the parent's */
    gr_engine.host_fd = -1;
    gr_engine.ready = gr_engine.threaded = gr_engine.driving = gr_engine.caller = false;
    gr_engine.untimed = gr_engine.asleep = gr_engine.stopping = gr_engine.watched =
        gr_engine.sockets_watched = false;
    gr_engine.timer_set = gr_engine.transfer = INFINITY;
    gr_engine.takers = 0;
    gr_engine.park_until = 0;
    gr_port_cond_init(&gr_engine.role);
    gr_port_cond_init(&gr_engine.parked);
    gr_engine_hooks.forked();
    cancel_all("forked", "the process was forked during the request");
    unlock_after_fork();
}

/* Both are kept: with the first nobody begins another step, with the second nobody is in one. */
static void at_exit(void)
{
    struct timespec until;
    if (gr_engine_exiting)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += EXIT_WAIT_S;
    gr_engine_exiting = pthread_mutex_clocklock(&gr_engine.curl_door, CLOCK_MONOTONIC, &until) == 0;
    if (gr_engine_exiting)
        (void)pthread_mutex_clocklock(&gr_engine.curl_lock, CLOCK_MONOTONIC, &until);
}

/* ---- once ---- */

static void zeroing_free(void *memory)
{
    if (memory)
        gr_zero(memory, malloc_usable_size(memory));
    free(memory);
}

static void *zeroing_realloc(void *memory, size_t size)
{
    size_t old = memory ? malloc_usable_size(memory) : 0;
    if (size <= old && size > old / 2)
        return memory;
    void *fresh = malloc(size);
    if (!fresh)
        return NULL;
    memcpy(fresh, memory ? memory : "", old < size ? old : size);
    zeroing_free(memory);
    return fresh;
}

/* libcurl's reset of a handle cannot say that it has lacked memory. */
static char *noting_strdup(const char *text)
{
    char *copy = strdup(text);
    gr_engine_lacked = gr_engine_lacked || !copy;
    return copy;
}

bool gr_engine_guard_process(void)
{
    static bool guarded;
    guarded = guarded || pthread_atfork(before_fork, in_parent, in_child) == 0;
    return guarded;
}

/* The exit handler comes after libcurl's own, and so is run before them. */
bool gr_engine_prepare_curl(void)
{
    static bool prepared;
    if (prepared)
        return true;
    /* Where the host has initialised libcurl before, its allocator stays; that cannot be told from here. */
    prepared = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, zeroing_free, zeroing_realloc,
                                    noting_strdup, calloc) == CURLE_OK &&
               /* one more: some clean up what they have not set up */
               curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && atexit(at_exit) == 0;
    return prepared;
}

/* The handlers for forks come first: a fork waits until all is ready, or the child would find locks of
 * libcurl's and of the system's held for ever. What fails here is tried again when it is needed; without memory
 * to pin the library, a host that unloads it at its end may crash. */
static void init_process(void)
{
    gr_engine_guard_process();
    gr_engine_lock_curl();
    gr_port_pin();
    gr_engine_prepare_curl();
    gr_engine_unlock_curl();
}

static void init(void)
{
    static const unsigned limits[GR_CLASS_COUNT] = {[GR_CLASS_TOKEN] = 32, [GR_CLASS_API] = 64};
    for (int i = 0; i < GR_CLASS_COUNT; i++) {
        TAILQ_INIT(&gr_engine.classes[i].lanes);
        gr_engine.classes[i].limit = limits[i];
    }
    TAILQ_INIT(&gr_engine.running);
    gr_port_cond_init(&gr_engine.role);
    gr_port_cond_init(&gr_engine.parked);
    init_process();
}

void gr_engine_init(const struct gr_engine_hooks *given)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    gr_engine_hooks = *given;
    pthread_once(&once, init);
}

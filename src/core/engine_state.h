/* engine_state: what the files of the engine share, and nobody else includes: engine.c (queues, timers,
 * who drives), step.c (libcurl, and one turn of the loop), lifecycle.c (shutdown, fork, exit). */
#ifndef GROOVE_ENGINE_STATE_H
#define GROOVE_ENGINE_STATE_H

#include <pthread.h>
#include <stdint.h>

#include "engine.h"

enum { SPARE_HANDLES = 16 };

TAILQ_HEAD(exchange_list, gr_exchange);
TAILQ_HEAD(lane_list, gr_lane);

struct class
{
    struct lane_list lanes; /* those with something queued */
    unsigned running, limit;
};

struct gr_socket {
    int fd;
    uint64_t id; /* as of gr_port_socket_id */
};

struct gr_engine {
    pthread_mutex_t lock;      /* the state lock */
    pthread_mutex_t curl_lock; /* the libcurl lock: gr_engine_lock_curl */
    pthread_mutex_t curl_door; /* held by who waits for it */
    pthread_cond_t role;       /* the driver's role is free, or an exchange has ended */
    pthread_cond_t parked;     /* the thread has to look again */
    struct class classes[GR_CLASS_COUNT];
    struct gr_timers timers;
    double timer_set;    /* what timer_fd is set to */
    double denied_until; /* no thread could be had: when to ask again */
    double transfer;     /* where a host polls: when libcurl wants to be called in any case */
    int wake_fd, timer_fd;
    int host_fd;       /* a set for hosts that poll, made when one first asks for it */
    unsigned users[2]; /* by whether they want a thread */
    bool ready;        /* the descriptors are there */
    bool untimed;      /* timer_fd could not be set */
    bool threaded;     /* there is a thread: what nobody waits for gets done, too */
    bool watched;      /* host_fd holds wake_fd and timer_fd: there is no thread */
    bool look_again;   /* a host's sign has been missed or taken while somebody drove */
    bool driving;      /* somebody is in gr_engine_step */
    bool asleep;       /* and polls, or is about to: wake it */
    bool caller;       /* a caller does, for as long as what it waits for is not done */
    bool ended;        /* something that may be waited for has ended since that began */
    unsigned takers;   /* callers that wait for the thread to leave it to them */
    double park_until; /* the thread leaves the role to callers until then */
    bool stopping;
    bool sweep;      /* a running exchange is marked `ending` */
    unsigned active; /* exchanges queued or running */

    /* the driver's own, under the libcurl lock */
    CURLM *multi;
    bool guarded; /* there was TLS, or a name to resolve */
    struct exchange_list running;
    CURL *spare[SPARE_HANDLES];
    unsigned spares;
    struct gr_socket *sockets;
    size_t socket_count, socket_capacity;
    bool sockets_watched; /* host_fd holds them, too */
};

extern struct gr_engine gr_engine;
extern struct gr_engine_hooks gr_engine_hooks;

/* This thread is in exit() and lets nobody have the libcurl lock again: it may not do I/O any more, and what
 * the host's other exit handlers call must not wait for that lock. */
extern _Thread_local bool gr_engine_exiting;

/* Set when libcurl has found no memory for a text in this thread. */
extern _Thread_local bool gr_engine_lacked;

/* ---- engine.c; state lock ---- */

/* Wakes whoever polls: the driver, or, where there is no thread and nobody drives, the host. */
void gr_engine_wake(void);
/* Makes the timer's descriptor fire for the earliest timer: perhaps too early, never too late. */
void gr_engine_set_timer(void);
void gr_engine_leave_lane(struct gr_lane *lane);
void gr_engine_dequeue(struct gr_exchange *exchange);
/* The end of an exchange that is in no list any more. */
void gr_engine_finish(struct gr_exchange *exchange);

/* The libcurl lock, taken before the state lock. Who waits for it is the next to have it: of a busy driver,
 * which takes it again as soon as it has given it back, a plain mutex would let others in by chance only. */
void gr_engine_lock_curl(void);
void gr_engine_unlock_curl(void);

/* ---- lifecycle.c ---- */

/* Sees to it that forks do no harm. false: no memory. Any lock. */
bool gr_engine_guard_process(void);
/* Initialises libcurl, and sees to it that an exit does no harm. false: no memory. Libcurl lock. */
bool gr_engine_prepare_curl(void);

/* ---- step.c ---- */

/* The body of the engine's loop: works, then waits for more, at most for `seconds`. No lock held. */
void gr_engine_step(double seconds, bool by_caller);
/* The step of a host that polls: works and does not wait. Whether libcurl could go on at once. */
bool gr_engine_glance(void);
/* Whether something queued may start. State lock. */
bool gr_engine_can_start(void);
/* Whether the descriptor still is that socket: libcurl from 7.88 to 8.2 closes one that has not been
 * connected yet without a word (its pull request 11439), and the number may be the host's by now. */
bool gr_engine_holds(const struct gr_socket *record);
/* Gives an exchange's libcurl handle back. Libcurl lock. */
void gr_engine_drop_handle(struct gr_exchange *exchange);
/* Keeps what host_fd holds right. false: it cannot hold what it should. State lock. */
bool gr_engine_watch_signs(void);
/* Makes host_fd not readable, before a step that sees to all there is. State lock. */
void gr_engine_take_signs(void);

#endif

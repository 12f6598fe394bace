/* engine: the one place of a process that does I/O.
 *
 * A thread of its own runs gr_engine_step() for ever; where none can be had (RLIMIT_NPROC 0, seccomp) or none is
 * wanted, whoever waits runs it, with the same results, and a host that polls runs one that does not wait
 * (gr_engine_pump) whenever gr_engine_fd is readable. A caller that waits while nothing else
 * is going on runs it, too, and the thread stays away meanwhile: two changes of threads for each of a
 * row of calls would cost more than the call. Nothing starts before the first use.
 *
 * Two locks. The state lock covers all that the layers above and the engine share: take it with
 * gr_engine_lock, hold it for a moment, never call libcurl under it. The libcurl lock is the driver's:
 * held whenever it is inside libcurl, never while it polls; always taken before the state lock. The fork
 * handlers take both, the exit handler takes the libcurl lock and keeps it, because OpenSSL's own exit
 * handler frees what a running transfer still uses.
 *
 * A forked child keeps what is in memory and none of the parent's connections: their descriptors are
 * closed, their libcurl handles are left alone for ever. */
#ifndef GROOVE_ENGINE_H
#define GROOVE_ENGINE_H

#include <stdbool.h>
#include <sys/queue.h>

#include "exchange.h"
#include "timers.h"

enum gr_class { GR_CLASS_TOKEN, GR_CLASS_API, GR_CLASS_COUNT };

/* One submitter's queue. The lanes of a class take turns, so that one that submits a thousand requests
 * does not keep the others waiting for all of them. Zero-initialise with gr_lane_init. */
struct gr_lane {
    unsigned class; /* enum gr_class */
    bool queued;
    TAILQ_HEAD(, gr_exchange) exchanges;
    TAILQ_ENTRY(gr_lane) link;
};

void gr_lane_init(struct gr_lane *lane, enum gr_class class);

/* Called under the state lock when the engine has stopped, or in the child right after a fork. */
struct gr_engine_hooks {
    void (*stopped)(void);
    void (*forked)(void);
};

/* Once per process, before anything else, without a lock: libcurl, the handlers, the hooks. */
void gr_engine_init(const struct gr_engine_hooks *hooks);

void gr_engine_lock(void);
void gr_engine_unlock(void);

/* ---- under the state lock ---- */

/* Sees to it that something drives. false: no descriptors or no memory left. */
bool gr_engine_start(void);

/* Counts a user who said whether a thread is wanted; change is 1 or, when the user goes, -1. One is
 * started at the next need unless some say no and none says yes. One that runs stays. */
void gr_engine_count(bool wanted, int change);

/* Whether a thread drives, so that timers fire by themselves. */
bool gr_engine_threaded(void);

/* Queues an exchange; its `finished` will be called once, unless it is aborted. Starts the engine. If
 * no caller is going to wait for it, gr_engine_attend sees to it that the thread does not stay away. */
bool gr_engine_submit(struct gr_exchange *exchange, struct gr_lane *lane);

/* Nobody wants it any more: the engine frees it when it can, and does not call `finished`. */
void gr_engine_abort(struct gr_exchange *exchange);

/* Ends it early, as cancelled; `finished` is called when it is out of libcurl, perhaps at once. */
void gr_engine_cancel(struct gr_exchange *exchange);

void gr_engine_attend(void);

/* To be called whenever something that gr_engine_wait may wait for is done: a caller that drives has to
 * look again, as it hears no condition. */
void gr_engine_ended(void);

/* A timer has joined before it is armed, and leaves at its end. false: no memory left. */
bool gr_engine_join(void);
void gr_engine_leave(struct gr_timer *timer);
void gr_engine_arm(struct gr_timer *timer, double at);
void gr_engine_disarm(struct gr_timer *timer);

/* A descriptor that is readable when gr_engine_pump has something to do; never where a thread does it.
 * Belongs to the engine; a forked child has another. -1: none left. */
int gr_engine_fd(void);

/* Waits until *done, at most until the moment `until`; gives the state lock back while it waits. */
void gr_engine_wait(pthread_cond_t *cond, const bool *done, double until);

/* ---- without a lock ---- */

/* Whether this thread is in exit(): nothing will be done for it any more. */
bool gr_engine_over(void);

/* Where there is no thread: one step that does not wait. Otherwise nothing. */
void gr_engine_pump(void);

/* Lets exchanges under way finish for at most `seconds`, ends the rest as cancelled, ends the thread.
 * The engine starts again when it is next needed. true: nothing had to be cut off. */
bool gr_engine_shutdown(double seconds);

#endif

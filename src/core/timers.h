/* timers: a heap of moments. Not locked: the engine's state lock covers it. No clock of its own. */
#ifndef GROOVE_TIMERS_H
#define GROOVE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>

/* Embedded in what it times. Zero-initialised is "not armed". Armed and disarmed as often as one likes between
 * gr_timers_join and gr_timers_leave. */
struct gr_timer {
    double at;
    size_t slot; /* in the heap, from 1; 0: not armed */
    void (*fire)(struct gr_timer *timer, double now);
};

struct gr_timers {
    struct gr_timer **heap; /* heap[0] is not used */
    size_t count;           /* of those armed */
    size_t members;         /* of those that may be */
    size_t capacity;
};

/* Makes room for one more timer, so that what has begun cannot lose its end for want of memory. false: there
 * is none. */
bool gr_timers_join(struct gr_timers *timers);
/* Disarms it and gives its room back. */
void gr_timers_leave(struct gr_timers *timers, struct gr_timer *timer);

/* Arms, or moves an armed timer. */
void gr_timers_arm(struct gr_timers *timers, struct gr_timer *timer, double at);
void gr_timers_disarm(struct gr_timers *timers, struct gr_timer *timer);

/* The earliest moment; INFINITY when none is armed. */
double gr_timers_first(const struct gr_timers *timers);

/* Fires, in order, those that are due at `now`; each is disarmed before it fires and may arm anew. */
void gr_timers_run(struct gr_timers *timers, double now);

#endif

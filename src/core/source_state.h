/* source_state: what the files of a source share, and nobody else includes: source.c (the registry,
 * handles, what callers ask and tell), attempt.c (the token, those who wait for it, and how it is got). */
#ifndef GROOVE_SOURCE_STATE_H
#define GROOVE_SOURCE_STATE_H

#include "policy.h"
#include "source.h"

struct gr_handle {
    uint64_t id;
    struct gr_source *source;
    struct gr_mailbox *events; /* NULL: nobody listens */
    enum gr_renewal renewal;
    bool thread;
    TAILQ_ENTRY(gr_handle) link;
};

struct gr_source {
    struct gr_config config;
    struct gr_schedule plan;
    struct gr_secret *secret; /* what is sent; of a file: the last that could be read */
    struct stat stamp;        /* of that file */
    double looked;            /* when the file was last looked at */
    struct gr_secret *token;  /* the last one, usable or not: to tell a new one from it */
    struct gr_hot *hot;
    uint64_t generation;
    enum gr_origin origin;
    struct gr_error *last_error;
    struct gr_exchange *attempt;
    double sent;           /* when the attempt under way was sent */
    enum gr_reason reason; /* of the attempt under way */
    enum gr_reason wanted; /* of the next one: REJECTED, REFRESH; COLD: nothing special */
    bool asked;            /* a caller found no usable token since the last attempt began */
    bool forgotten;
    struct gr_timer timer;
    struct gr_counts counts;
    struct gr_tally codes; /* of the failures */
    TAILQ_HEAD(, gr_handle) handles;
    TAILQ_HEAD(, gr_op) waiters;
    struct gr_source *next_same; /* the same identity with another secret */
    TAILQ_ENTRY(gr_source) link, lingering;
    bool lingers;
};

/* All of this under the engine's state lock. */

/* The lane of all token requests. */
extern struct gr_lane gr_source_lane;

/* Seconds until the last token kept expires. */
double gr_source_expires_in(const struct gr_source *source, double now);
/* Tells those who listen; error may be NULL, expires < 0: none. */
void gr_source_post(struct gr_source *source, enum gr_event_type type, const struct gr_error *error,
                    double expires);
bool gr_source_usable(const struct gr_source *source, double now);
/* Only a thread takes the word back in time, so without one callers have to look at the clock. */
void gr_source_publish(struct gr_source *source, double now);
/* Takes the token over: it is the current one from now on. */
void gr_source_hold(struct gr_source *source, struct gr_secret *token, enum gr_origin origin);
void gr_source_forget_error(struct gr_source *source);
void gr_source_forget_waiter(struct gr_op *op);
/* Ends a wait, with a copy of the token or with the error. */
void gr_source_answer(struct gr_op *op, const struct gr_secret *token,
                      const struct gr_error *error);
void gr_source_answer_all(struct gr_source *source, const struct gr_secret *token,
                          const struct gr_error *error);
/* What the most eager of its handles wants. */
enum gr_renewal gr_source_renewal(const struct gr_source *source);
/* An attempt starts by itself when someone waits, or where renewal is on. */
bool gr_source_attempts_by_itself(const struct gr_source *source);
/* To be called after whatever changes the plan, the word or who waits. */
void gr_source_set_timer(struct gr_source *source, double now);
/* Asks the service. The outcome goes to all who wait. */
void gr_source_start_attempt(struct gr_source *source, double now);
/* source.c: frees a source that is in no list any more. */
void gr_source_free(struct gr_source *source);

#endif

/* op: something that will be finished later, and the mailbox that hears of it.
 *
 * An op is a request to an API, a wait for a token, or a pause. Whoever started it may wait for it
 * (blocking), ask whether it is done, cancel it, or watch it: then it arrives in its mailbox. A Lua state
 * has one mailbox. A finished op does not change any more and may be read without a lock.
 * Every function may be called from any thread. */
#ifndef GROOVE_OP_H
#define GROOVE_OP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "engine.h"
#include "error.h"
#include "exchange.h"
#include "secret.h"

struct gr_mailbox;
struct gr_handle;

struct gr_op {
    unsigned refs;
    bool done;
    bool watched;
    bool awaited; /* somebody has waited, or waits, for its end: no others are worth a wake-up */
    bool mailed;  /* it is among the mailbox's finished ones */
    struct gr_mailbox *box;
    struct gr_error error;        /* once done: kind GR_OK, or what went wrong */
    struct gr_secret *token;      /* once done: of a wait for a token */
    struct gr_exchange *exchange; /* of a request; its answer is here once done */
    struct gr_handle *handle;     /* of a wait for a token: whose; NULL once done */
    double timeout;
    struct gr_timer deadline;
    void (*forget)(struct gr_op *op); /* takes it out of what it waits for */
    TAILQ_ENTRY(gr_op) waiting;       /* among the waiters of a source */
    TAILQ_ENTRY(gr_op) link; /* among the pending ops, then among the mailbox's finished ones */
};

/* What happened to a source; see source.h. */
enum gr_event_type {
    GR_EVENT_RENEWED,
    GR_EVENT_RENEW_FAILED,
    GR_EVENT_REFUSED,
    GR_EVENT_RECOVERED,
    GR_EVENT_INVALIDATED
};

struct gr_event {
    enum gr_event_type type;
    double time;       /* Unix time, seconds */
    uint64_t handle;   /* gr_handle_id of the handle it was for */
    double expires_in; /* seconds; < 0: none */
    unsigned dropped;  /* events lost before this one, because nobody fetched them */
    struct gr_error error;
};

/* ---- mailboxes ---- */

/* NULL: no memory. The caller owns one reference; each op holds another. */
struct gr_mailbox *gr_mailbox_new(void);
void gr_mailbox_release(struct gr_mailbox *box);

/* One more reference, and one less. State lock. */
void gr_mailbox_ref(struct gr_mailbox *box);
void gr_mailbox_unref(struct gr_mailbox *box);

/* A descriptor, readable while there is something to fetch, and where there is no thread also when
 * gr_engine_pump has something to do. Belongs to the mailbox, keeps its number over a fork; -1: none left.
 * Where the host has closed it all the same, the next call makes another; whatever has its number by then is
 * neither used nor closed. */
int gr_mailbox_fd(struct gr_mailbox *box);
/* Makes the descriptor readable; fetching until nothing is left clears it. */
void gr_mailbox_wake(struct gr_mailbox *box);

enum gr_mail { GR_MAIL_NONE, GR_MAIL_OP, GR_MAIL_EVENT };

/* The next finished op (with a reference for the caller) or event. Never waits. */
enum gr_mail gr_mailbox_next(struct gr_mailbox *box, struct gr_op **op, struct gr_event *event);

/* State lock. Keeps the last 64; older ones are dropped and counted. */
void gr_mailbox_post(struct gr_mailbox *box, const struct gr_event *event);

/* ---- ops ---- */

/* Starts one; NULL: no memory for it. What else is wrong is the op's own error. The caller owns a
 * reference. */
struct gr_op *gr_op_request(struct gr_mailbox *box, const struct gr_request *request);
struct gr_op *gr_op_sleep(struct gr_mailbox *box, double seconds);

void gr_op_release(struct gr_op *op);
bool gr_op_done(struct gr_op *op);
/* Waits at most that long (INFINITY: until it ends); drives the I/O itself where there is no thread. */
bool gr_op_wait(struct gr_op *op, double seconds);
/* true: it was still under way, and ends as "cancelled". What others share with it goes on. */
bool gr_op_cancel(struct gr_op *op);
/* Its end is to arrive in the mailbox; once, also if it has ended already. */
void gr_op_watch(struct gr_op *op);
/* Takes the answer of a finished request, NULL for others; the caller frees it. An op whose outcome has
 * been taken does not arrive in the mailbox any more. */
struct gr_exchange *gr_op_take(struct gr_op *op);

/* ---- for source.c; state lock ---- */

/* An op that waits for something, ended by gr_op_finish, its deadline or gr_op_cancel. NULL: no memory.
 * gr_op_no_resources fills in what ends it where the engine cannot start. */
void gr_op_no_resources(struct gr_error *error);
struct gr_op *gr_op_new(struct gr_mailbox *box, double timeout, void (*forget)(struct gr_op *));
void gr_op_finish(struct gr_op *op, const struct gr_error *error);

/* What the engine calls (gr_engine_hooks). */
void gr_op_stopped(void);
void gr_op_forked(void);

#endif

/* source: one credential, its token, and those who wait for it.
 *
 * Sources of the same identity and secret are one within a process, whoever opens them: one token, one
 * request at a time, one outcome for all who wait. A handle is one opener's share in a source.
 * Every function may be called from any thread; a handle is closed once, by its owner. */
#ifndef GROOVE_SOURCE_H
#define GROOVE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "error.h"
#include "hot.h"
#include "op.h"
#include "secret.h"
#include "tally.h"

struct gr_handle;

enum gr_origin {
    GR_ORIGIN_NONE,
    GR_ORIGIN_NETWORK,
    GR_ORIGIN_ADOPTED,
    GR_ORIGIN_INHERITED /* from the parent of a fork */
};

enum gr_state {
    GR_STATE_EMPTY,
    GR_STATE_READY,
    GR_STATE_RENEWING,
    GR_STATE_FAILING,
    GR_STATE_REFUSED
};

/* Who has a token replaced that is due. */
enum gr_renewal {
    GR_RENEWAL_NONE,      /* nobody: only a caller that waits for a token has one asked for */
    GR_RENEWAL_ON_DEMAND, /* whoever looks at the token then */
    GR_RENEWAL_AHEAD      /* the engine by itself */
};

/* Why a token is asked for. */
enum gr_reason {
    GR_REASON_COLD,     /* there is none that may be used, and nothing had gone wrong */
    GR_REASON_DUE,      /* the one held is due to be replaced */
    GR_REASON_REJECTED, /* the API refused it */
    GR_REASON_RETRY,    /* the attempt before brought none, or nothing new */
    GR_REASON_REFRESH,  /* a caller wanted a new one */
    GR_REASON_COUNT
};

struct gr_counts {
    uint64_t requests;                 /* token requests sent */
    uint64_t renewals;                 /* that brought a token */
    uint64_t failures;                 /* that brought none */
    uint64_t refusals;                 /* of these: refused for good */
    uint64_t waits;                    /* callers that found no usable token and had to wait */
    uint64_t invalidations;            /* tokens given up because the API refused them */
    uint64_t adoptions;                /* tokens taken over */
    uint64_t reasons[GR_REASON_COUNT]; /* of the requests */
};

struct gr_info {
    enum gr_state state;
    enum gr_origin origin;
    double age;        /* seconds since the usable token was asked for; NAN: no token */
    double expires_in; /* seconds until expiry; NAN: no token */
    double refresh_in; /* seconds until the next attempt; NAN: none planned */
    uint64_t generation;
    bool usable;
    struct gr_error last_error; /* kind GR_OK: none */
    struct gr_counts counts;
    struct gr_tally_entry codes[GR_TALLY_MAX]; /* failures by their error's code */
    size_t code_count;
};

/* Process-wide set-up; called by whoever opens the first mailbox. Any number of times, without a lock. */
void gr_source_init(void);

/* Opens a source. Reads the secret file, if there is one, and does not mind if it cannot be read: that is
 * the first attempt's error. Where the source is there already, what was read is its secret from now on.
 * For one without a thread also gr_prefetch. No other I/O. NULL: *error says why. Free with
 * gr_source_close. */
struct gr_handle *gr_source_open(const struct gr_options *options, struct gr_error *error);

/* Ends a handle; its waits end as cancelled. With the last one the source goes: at once with `forget`,
 * else it stays, unrenewed, until its token expires (at most 1,000 such), for the next opener. */
void gr_source_close(struct gr_handle *handle, bool forget);

/* The source's word, to be read with gr_hot_read as long as the handle lives. */
const struct gr_hot *gr_source_hot(const struct gr_handle *handle);

/* The usable token, without waiting or I/O. *generation: in, that of the copy at hand (0: none); out,
 * that of the usable token, 0 if there is none. *token: a copy, owned by the caller, where the
 * generation changed; else NULL. Sees to it that the engine runs, where renewals are due. */
void gr_source_peek(struct gr_handle *handle, uint64_t *generation, struct gr_secret **token);

/* Asks for a token: the usable one at once, or the outcome of the attempt under way, or of one that
 * starts now; between failed attempts the last error at once. forced: a new attempt though a token is
 * usable. timeout: seconds, this caller's own. NULL: no memory or descriptors. */
struct gr_op *gr_source_acquire(struct gr_handle *handle, struct gr_mailbox *box, double timeout,
                                bool forced);

/* Gives the token up if it is still the current and usable one: the API refused it. Whether it was. */
bool gr_source_invalidate(struct gr_handle *handle, const char *token, size_t len);

/* Says otherwise than when the handle was opened who renews. */
void gr_source_renew(struct gr_handle *handle, enum gr_renewal renewal);

/* Takes over a token that somebody else obtained `age` seconds ago, if it was issued later than the one
 * held and is usable. Whether it did. The bytes must be printable ASCII (RFC 6749 appendix A.12). */
bool gr_source_adopt(struct gr_handle *handle, const char *token, size_t len, double expires_in,
                     double age);

void gr_source_info(struct gr_handle *handle, struct gr_info *info);

/* From now on what happens to the source is posted to that mailbox. */
void gr_source_subscribe(struct gr_handle *handle, struct gr_mailbox *box);

uint64_t gr_source_id(const struct gr_handle *handle);

#endif

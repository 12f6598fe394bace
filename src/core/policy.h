/* policy: when a token is renewed, how long it is used, how failures are spaced.
 *
 * Pure: no I/O, no clock, no allocation, no randomness of its own. `now` is seconds on a clock that
 * counts suspend; `u` is a number drawn uniformly from [0, 1). So a month of a thousand hosts can
 * be simulated in a second, and source.c only does what this says. */
#ifndef GROOVE_POLICY_H
#define GROOVE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#define GR_LIFETIME_DEFAULT 300.0            /* the answer names none */
#define GR_LIFETIME_MAX     (30.0 * 86400.0) /* longer ones are cut to this */
#define GR_RETRY_AFTER_MAX  3600.0
#define GR_ATTEMPT_TIMEOUT  15.0

enum gr_verdict {
    GR_RENEWED,   /* a token with other bytes than the one held: publish it */
    GR_UNCHANGED, /* the same token again: nothing to publish; usable_until may have grown */
    GR_EPHEMERAL, /* lived too short to be kept: for the waiters of this attempt */
    GR_FAILED,    /* no token; worth another try */
    GR_REFUSED    /* no token; the answer will be the same until something changes */
};

/* The plan of one source. Begins with gr_schedule_init. */
struct gr_schedule {
    double issued;       /* when the request for the last token kept was sent */
    double lifetime;     /* of the last token kept, even when it has run out; 0: never one */
    double usable_until; /* issued + lifetime - min(10, lifetime / 10); earlier once invalidated */
    double next;         /* when an attempt is due; INFINITY: only when somebody asks */
    double not_before;   /* no attempt sooner, whoever wants it (Retry-After, ephemeral token) */
    double invalidated;  /* when the last renewal after an invalidation was due; or -INFINITY */
    uint32_t failures;   /* attempts without progress in a row; a refusal leaves it as it is */
    uint32_t refusals;   /* refusals in a row */
    bool spread;         /* the next token is the first, or first after a failure: renew early */
};

void gr_schedule_init(struct gr_schedule *s);

/* Whether the token held may be handed out at `now`. */
bool gr_schedule_usable(const struct gr_schedule *s, double now);

/* Whether an attempt may start at `now` for a caller without a usable token (next <= now, or none
 * planned). Does not know of an attempt under way. */
bool gr_schedule_due(const struct gr_schedule *s, double now);

/* A token came. sent: when its request was sent; expires_in: seconds, may be <= 0; refresh_in:
 * seconds, NAN if the answer has none; same: its bytes are those of the token held.
 *
 * GR_RENEWED: publish it. If it expires no later than the one held while that was usable, the next
 *   attempt is planned as after a failure all the same (failures > 0).
 *
 * GR_UNCHANGED: the next attempt is planned as after a failure, or by refresh_in where that is later
 *   and the token still usable then. A token held that was not usable any more (run out, or
 *   invalidated) is so again by the answer's times; one that is usable is so for longer, if the
 *   answer says so, never for less.
 *
 * GR_EPHEMERAL: lifetime under 0.1 s, or over before the answer came. With a usable token held, the
 *   next attempt is planned as after a failure; else none is, and none starts within 1 s. */
enum gr_verdict gr_schedule_token(struct gr_schedule *s, double now, double sent, double expires_in,
                                  double refresh_in, bool same, double u);

/* An attempt failed. retry_after: seconds, < 0 if not known; asked: callers without a token asked
 * since the last attempt. */
void gr_schedule_failure(struct gr_schedule *s, double now, double retry_after, bool asked,
                         double u);

/* A caller found no usable token and no attempt under way: plans an attempt if there is no plan (at
 * once, or when not_before has passed), and brings a retry, not a probe, to within 30 s. After it,
 * next <= now says: start now. */
void gr_schedule_ask(struct gr_schedule *s, double now);

/* The service refused for good: probes after 60 s, doubling to 1 h. */
void gr_schedule_refusal(struct gr_schedule *s, double now, double retry_after);

/* The API refused the token held: it is not usable any more, and an attempt is due at once, but no
 * sooner than 1 s after the last one for this reason. Does nothing if it was not usable anyway. */
void gr_schedule_invalidate(struct gr_schedule *s, double now);

/* Somebody wants an attempt now (refresh, a changed secret file): next is now, or not_before. */
void gr_schedule_expedite(struct gr_schedule *s, double now);

/* How long an attempt started at `now` may take: min(limit, max(2, a third of the usable life
 * left)) with a usable token, `limit` without one. limit: seconds, > 0, GR_ATTEMPT_TIMEOUT by
 * default. */
double gr_schedule_attempt_timeout(const struct gr_schedule *s, double now, double limit);

#endif

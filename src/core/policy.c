#include "policy.h"

#include <math.h>

#define LIFETIME_MIN     0.1 /* shorter ones cannot be renewed in time: as good as none */
#define EPHEMERAL_PAUSE  1.0
#define INVALIDATE_PAUSE 1.0
#define REFRESH_IN_MIN   1.0
#define RETRY_MIN        0.1
#define RETRY_MAX        300.0
#define RETRY_LEAST \
    0.2 /* of the back-off, without which the unlucky ask much more often than others */
#define RETRY_MAX_ASKED 30.0
#define PROBE_MIN       60.0
#define PROBE_MAX       3600.0

void gr_schedule_init(struct gr_schedule *s)
{
    *s = (struct gr_schedule){
        .usable_until = -INFINITY,
        .next = INFINITY,
        .not_before = -INFINITY,
        .invalidated = -INFINITY,
        .spread = true,
    };
}

bool gr_schedule_usable(const struct gr_schedule *s, double now)
{
    return now < s->usable_until;
}

bool gr_schedule_due(const struct gr_schedule *s, double now)
{
    return now >= s->not_before && (s->next <= now || isinf(s->next));
}

static double usable_end(double sent, double lifetime)
{
    return sent + lifetime - fmin(10, lifetime / 10);
}

static void hold(struct gr_schedule *s, double sent, double lifetime)
{
    s->issued = sent;
    s->lifetime = lifetime;
    s->usable_until = usable_end(sent, lifetime);
}

/* The wait that the service asked for; bounded, as whatever it says is. */
static double asked_wait(double retry_after)
{
    return retry_after > 0 ? fmin(retry_after, GR_RETRY_AFTER_MAX) : 0;
}

/* Relative to the token: tokens of 5 s recover from a short outage at once, and those of a day do
 * not hammer a long one. Once the token has run out, the distance to its end is the time without
 * one; with none ever, that is infinite, and nothing is capped. */
static double retry_cap(const struct gr_schedule *s, double now)
{
    return fmax(fmax(0.2, s->lifetime / 100), fabs(s->usable_until - now) / 4);
}

static void plan_retry(struct gr_schedule *s, double now, double retry_after, bool asked, double u)
{
    double delay;

    s->failures += s->failures < UINT32_MAX;
    s->refusals = 0;
    s->spread = true;
    delay = (RETRY_LEAST + (1 - RETRY_LEAST) * u) *
            fmin(RETRY_MAX, ldexp(1, (int)fmin(s->failures, 16)));
    delay = fmin(delay, retry_cap(s, now));
    if (asked && !gr_schedule_usable(s, now))
        delay = fmin(delay, RETRY_MAX_ASKED);
    s->not_before = now + fmax(RETRY_MIN, asked_wait(retry_after));
    s->next = fmax(now + delay, s->not_before);
}

static void plan_renewal(struct gr_schedule *s, double refresh_in, double u)
{
    double early = s->spread ? 0.05 : 0.5;
    double after = s->lifetime * (early + u * (0.6 - early));

    if (refresh_in > 0 && refresh_in < after) {
        /* A hint near zero must not turn into a loop. */
        after = fmax(refresh_in * (0.9 + 0.1 * u), fmin(REFRESH_IN_MIN, s->lifetime / 2));
    }
    s->failures = 0;
    s->refusals = 0;
    s->spread = false;
    s->not_before = -INFINITY;
    s->next = s->issued + after;
}

static enum gr_verdict pass_on(struct gr_schedule *s, double now, double u)
{
    if (gr_schedule_usable(s, now)) {
        plan_retry(s, now, -1, false, u);
        return GR_EPHEMERAL;
    }
    s->failures = 0;
    s->refusals = 0;
    s->not_before = now + EPHEMERAL_PAUSE;
    s->next = INFINITY;
    return GR_EPHEMERAL;
}

static enum gr_verdict keep_same(struct gr_schedule *s, double now, double sent, double lifetime,
                                 double refresh_in, double u)
{
    double hinted = sent + refresh_in * (0.9 + 0.1 * u);

    if (usable_end(sent, lifetime) > s->usable_until)
        hold(s, sent, lifetime);
    plan_retry(s, now, -1, false, u);
    /* Who hands out the token of another, as a broker does, knows when there will be a new one. */
    if (hinted > s->next && hinted < s->usable_until)
        s->next = hinted;
    return GR_UNCHANGED;
}

enum gr_verdict gr_schedule_token(struct gr_schedule *s, double now, double sent, double expires_in,
                                  double refresh_in, bool same, double u)
{
    double lifetime = fmin(expires_in, GR_LIFETIME_MAX);
    bool progress;

    if (!(expires_in >= LIFETIME_MIN) || now >= usable_end(sent, lifetime))
        return pass_on(s, now, u);
    if (same)
        return keep_same(s, now, sent, lifetime, refresh_in, u);
    progress = !gr_schedule_usable(s, now) || sent + lifetime > s->issued + s->lifetime;
    hold(s, sent, lifetime);
    if (progress)
        plan_renewal(s, refresh_in, u);
    else
        plan_retry(s, now, -1, false, u);
    return GR_RENEWED;
}

void gr_schedule_failure(struct gr_schedule *s, double now, double retry_after, bool asked,
                         double u)
{
    plan_retry(s, now, retry_after, asked, u);
}

void gr_schedule_refusal(struct gr_schedule *s, double now, double retry_after)
{
    double delay = fmin(PROBE_MAX, ldexp(PROBE_MIN, (int)fmin(s->refusals, 16)));

    s->refusals += s->refusals < UINT32_MAX;
    s->spread = true;
    s->not_before = now + fmax(RETRY_MIN, asked_wait(retry_after));
    s->next = fmax(now + delay, s->not_before);
}

void gr_schedule_ask(struct gr_schedule *s, double now)
{
    if (gr_schedule_usable(s, now))
        return;
    if (isinf(s->next))
        s->next = fmax(now, s->not_before);
    else if (s->refusals == 0)
        s->next = fmin(s->next, fmax(now + RETRY_MAX_ASKED, s->not_before));
}

void gr_schedule_invalidate(struct gr_schedule *s, double now)
{
    if (!gr_schedule_usable(s, now))
        return;
    s->usable_until = now;
    s->next = fmax(fmax(now, s->not_before), s->invalidated + INVALIDATE_PAUSE);
    s->invalidated = s->next;
}

void gr_schedule_expedite(struct gr_schedule *s, double now)
{
    s->next = fmin(s->next, fmax(now, s->not_before));
}

double gr_schedule_attempt_timeout(const struct gr_schedule *s, double now, double limit)
{
    if (!gr_schedule_usable(s, now))
        return limit;
    return fmin(limit, fmax(2, (s->usable_until - now) / 3));
}

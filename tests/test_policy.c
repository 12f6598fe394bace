/* policy: the rules of the token's life, and what must hold under any sequence of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define LOWEST   0.0
#define HIGHEST  (1 - 0x1p-53)
#define DAY      86400.0

/* Says which number was not as it should be. */
#define CHECK_NEAR(a, b) check_near((a), (b), #a, __LINE__)

static void check_near(double a, double b, const char *what, int line)
{
    if (fabs(a - b) <= 1e-6 * fmax(1, fabs(b)))
        return;
    print_error("line %d: %s is %.9g, not %.9g\n", line, what, a, b);
    fail();
}

static uint64_t random_state;

static uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(void)
{
    return (double)(random_bits() >> 11) * 0x1p-53;
}

/* From 0.1 s to 300 days, all magnitudes alike. */
static double any_lifetime(void)
{
    return 0.1 * pow(10, 8.4 * uniform());
}

/* A source at `now` that holds a token of that lifetime, which is not its first. */
static struct gr_schedule holding(double now, double lifetime)
{
    struct gr_schedule s;

    gr_schedule_init(&s);
    s.spread = false;
    assert_int_equal(gr_schedule_token(&s, now, now, lifetime, NAN, false, 0.5), GR_RENEWED);
    return s;
}

static void starts_empty(void **state)
{
    struct gr_schedule s;

    (void)state;
    gr_schedule_init(&s);
    assert_false(gr_schedule_usable(&s, 0));
    assert_true(gr_schedule_due(&s, 0));
    assert_true(isinf(s.next));
    gr_schedule_ask(&s, 5);
    CHECK_NEAR(s.next, 5);
    gr_schedule_init(&s);
    gr_schedule_expedite(&s, 7);
    CHECK_NEAR(s.next, 7);
}

/* Row: renewal due. */
static void renewal_is_drawn(void **state)
{
    static const struct {
        bool spread;
        double lifetime, refresh_in, u, after;
    } rows[] = {
        {false, 3600, NAN, LOWEST, 1800},   {false, 3600, NAN, HIGHEST, 2160},
        {false, 3600, NAN, 0.5, 1980},      {true, 3600, NAN, LOWEST, 180},
        {true, 3600, NAN, HIGHEST, 2160},   {true, 3600, NAN, 0.5, 1170},
        {false, 5, NAN, LOWEST, 2.5},       {false, 30 * DAY, NAN, LOWEST, 15 * DAY},
        {false, 3600, 1000, LOWEST, 900},   {false, 3600, 1000, HIGHEST, 1000},
        {false, 3600, 3000, 0.5, 1980},     {false, 3600, 1900, LOWEST, 1800},
        {true, 3600, 1000, LOWEST, 180},    {true, 3600, 1000, HIGHEST, 1000},
        {false, 3600, 0, 0.5, 1980},        {false, 3600, -5, 0.5, 1980},
        {false, 3600, 1e-9, 0.5, 1},        {false, 1, 1e-9, 0.5, 0.5},
        {false, 3600, INFINITY, 0.5, 1980},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gr_schedule s;
        gr_schedule_init(&s);
        s.spread = rows[i].spread;
        assert_int_equal(gr_schedule_token(&s, 100.5, 100, rows[i].lifetime, rows[i].refresh_in,
                                           false, rows[i].u),
                         GR_RENEWED);
        CHECK_NEAR(s.next, 100 + rows[i].after);
        assert_false(s.spread);
    }
}

static void first_token_and_first_after_a_failure_are_spread(void **state)
{
    struct gr_schedule s;

    (void)state;
    gr_schedule_init(&s);
    gr_schedule_token(&s, 0, 0, 1000, NAN, false, LOWEST);
    CHECK_NEAR(s.next, 50);
    gr_schedule_token(&s, 50, 50, 1000, NAN, false, LOWEST);
    CHECK_NEAR(s.next, 550);
    gr_schedule_failure(&s, 550, -1, false, 0.5);
    gr_schedule_token(&s, 600, 600, 1000, NAN, false, LOWEST);
    CHECK_NEAR(s.next, 650);
    gr_schedule_refusal(&s, 650, -1);
    gr_schedule_token(&s, 700, 700, 1000, NAN, false, LOWEST);
    CHECK_NEAR(s.next, 750);
    gr_schedule_token(&s, 750, 750, 1000, NAN, false, LOWEST);
    CHECK_NEAR(s.next, 1250);
}

/* Row: usable. */
static void usable_until_a_margin_before_the_end(void **state)
{
    static const struct {
        double lifetime, usable;
    } rows[] = {
        {0.1, 0.09},
        {1, 0.9},
        {5, 4.5},
        {60, 54},
        {100, 90},
        {3600, 3590},
        {DAY, DAY - 10},
        {30 * DAY, 30 * DAY - 10},
        {31 * DAY, 30 * DAY - 10},
        {1e300, 30 * DAY - 10},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gr_schedule s = holding(1000, rows[i].lifetime);
        CHECK_NEAR(s.usable_until, 1000 + rows[i].usable);
        assert_true(gr_schedule_usable(&s, 1000));
        assert_true(gr_schedule_usable(&s, 1000 + rows[i].usable * 0.999));
        assert_false(gr_schedule_usable(&s, 1000 + rows[i].usable * 1.001));
    }
}

static void age_counts_from_when_the_request_was_sent(void **state)
{
    struct gr_schedule s;

    (void)state;
    gr_schedule_init(&s);
    assert_int_equal(gr_schedule_token(&s, 110, 100, 60, NAN, false, 0.5), GR_RENEWED);
    CHECK_NEAR(s.usable_until, 154);
    CHECK_NEAR(s.issued, 100);
    CHECK_NEAR(s.lifetime, 60);
}

/* Row: renewal failed. The nth failure in a row, at a moment with much usable life left. */
static void retries_back_off(void **state)
{
    static const double range[] = {2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300};
    struct gr_schedule s = holding(0, DAY);
    double now = DAY / 2;

    (void)state;
    for (size_t n = 0; n < COUNT(range); n++) {
        struct gr_schedule high = s;
        gr_schedule_failure(&high, now, -1, true, HIGHEST);
        CHECK_NEAR(high.next, now + range[n]);
        struct gr_schedule low = s;
        gr_schedule_failure(&low, now, -1, true, 0);
        CHECK_NEAR(low.next, now + range[n] / 5);
        gr_schedule_failure(&s, now, -1, true, 0.5);
        CHECK_NEAR(s.next, now + range[n] * 0.6);
        assert_int_equal(s.failures, n + 1);
        assert_true(gr_schedule_usable(&s, now));
        now = s.next;
    }
}

/* The caps of the delay: of a 10th failure, drawn highest (300 s). */
static void retries_are_capped(void **state)
{
    static const struct {
        double lifetime, at; /* at: after the request for the token was sent */
        bool asked;
        double retry_after, delay;
    } rows[] = {
        {3600, 1990, false, -1, 300}, /* 1600 s of use left, a quarter is 400 */
        {3600, 2790, false, -1, 200}, /* 800 left */
        {3600, 3582, false, -1, 36},  /* 8 left: L/100 */
        {3600, 3598, false, -1, 36},  /* 8 s without */
        {3600, 3598, true, -1, 30},   /* and asked in vain */
        {3600, 3990, true, -1, 30},   /* 400 s without */
        {3600, 3990, false, -1, 100},
        {3600, 9000, false, -1, 300},
        {3600, 1990, true, -1, 300}, /* nobody asks in vain while there is a token */
        {5, 2.5, false, -1, 0.5},    /* 2 s left */
        {5, 4.4, false, -1, 0.2},
        {5, 4.6, true, -1, 0.2}, /* a short outage of short tokens ends quickly */
        {5, 44.5, true, -1, 10}, /* a long one is not hammered */
        {5, 1000, true, -1, 30},
        {30 * DAY, 30 * DAY - 11, false, -1, 300},
        {3600, 1990, false, 20, 300}, /* Retry-After is for longer waits only */
        {3600, 1990, false, 500, 500},
        {3600, 3990, true, 500, 500}, /* and stands when callers ask */
        {5, 2.5, false, 100, 100},
        {3600, 1990, false, 1e9, 3600},
        {3600, 1990, false, INFINITY, 3600},
        {3600, 1990, false, NAN, 300},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gr_schedule s = holding(100, rows[i].lifetime);
        double now = 100 + rows[i].at;
        s.failures = 9;
        gr_schedule_failure(&s, now, rows[i].retry_after, rows[i].asked, HIGHEST);
        CHECK_NEAR(s.next, now + rows[i].delay);
    }
}

static void without_any_token_ever_only_asking_caps(void **state)
{
    struct gr_schedule s;

    (void)state;
    gr_schedule_init(&s);
    gr_schedule_failure(&s, 10, -1, true, HIGHEST);
    CHECK_NEAR(s.next, 12);
    s.failures = 20;
    gr_schedule_failure(&s, 20, -1, false, HIGHEST);
    CHECK_NEAR(s.next, 320);
    gr_schedule_failure(&s, 20, -1, true, HIGHEST);
    CHECK_NEAR(s.next, 50);
    s.failures = UINT32_MAX;
    gr_schedule_failure(&s, 20, -1, false, HIGHEST);
    assert_int_equal(s.failures, UINT32_MAX);
    CHECK_NEAR(s.next, 320);
}

static void callers_in_vain_bring_a_retry_nearer(void **state)
{
    struct gr_schedule s;

    (void)state;
    gr_schedule_init(&s);
    s.failures = 20;
    gr_schedule_failure(&s, 0, -1, false, HIGHEST);
    assert_false(gr_schedule_due(&s, 100));
    gr_schedule_ask(&s, 100);
    CHECK_NEAR(s.next, 130);
    gr_schedule_ask(&s, 120); /* asking again does not put it off */
    CHECK_NEAR(s.next, 130);
    assert_true(gr_schedule_due(&s, 130));

    gr_schedule_failure(&s, 130, 200, false, HIGHEST); /* Retry-After stands */
    gr_schedule_ask(&s, 140);
    CHECK_NEAR(s.next, 330);

    s = holding(0, DAY); /* with a token nobody asks in vain */
    s.failures = 20;
    gr_schedule_failure(&s, 40000, -1, false, HIGHEST);
    gr_schedule_ask(&s, 40100);
    CHECK_NEAR(s.next, 40300);
}

static void progress_forgets_failures(void **state)
{
    struct gr_schedule s = holding(0, DAY);

    (void)state;
    for (int i = 0; i < 5; i++)
        gr_schedule_failure(&s, 50000, 3000, false, 0.5);
    gr_schedule_refusal(&s, 50000, 3000);
    assert_int_equal(gr_schedule_token(&s, 50010, 50010, DAY, NAN, false, 0.5), GR_RENEWED);
    assert_int_equal(s.failures, 0);
    assert_int_equal(s.refusals, 0);
    gr_schedule_expedite(&s, 50020); /* nor does the Retry-After of before hold */
    CHECK_NEAR(s.next, 50020);
}

static void attempt_timeout(void **state)
{
    static const struct {
        double at, limit, timeout;
    } rows[] = {
        {0, 15, 15},       {3590 - 45, 15, 15}, {3590 - 30, 15, 10}, {3590 - 6, 15, 2},
        {3590 - 1, 15, 2}, {3590, 15, 15},      {5000, 15, 15},      {0, 1, 1},
        {3590 - 1, 1, 1},  {0, 1000, 1000},     {5000, 60, 60},
    };
    struct gr_schedule s = holding(0, 3600);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        CHECK_NEAR(gr_schedule_attempt_timeout(&s, rows[i].at, rows[i].limit), rows[i].timeout);
    gr_schedule_init(&s);
    CHECK_NEAR(gr_schedule_attempt_timeout(&s, 0, 15), 15);
}

/* Row: the same token again, or one that expires no later. */
static void same_token_is_as_a_failure(void **state)
{
    struct gr_schedule s = holding(0, 3600);
    double next = 0;

    (void)state;
    /* A service that hands out its one token until the end, with the time that is left. */
    for (double now = 1980; now < 3500; now = next) {
        uint32_t failures = s.failures;
        assert_int_equal(gr_schedule_token(&s, now, now, 3600 - now, NAN, true, 0.5), GR_UNCHANGED);
        assert_int_equal(s.failures, failures + 1);
        CHECK_NEAR(s.usable_until, 3590);
        next = s.next;
        assert_true(next > now + 0.09);
    }
    assert_true(s.failures > 8 && s.failures < 40);
    assert_true(s.spread);
}

/* A broker says when it will have another token: asking before is in vain, and its hint may be early. */
static void same_token_with_a_hint_waits_for_it(void **state)
{
    struct gr_schedule s = holding(0, 3600);
    double renewed = 2000;
    int attempts = 0;

    (void)state;
    for (double now = 100; now < renewed; now = s.next, attempts++)
        gr_schedule_token(&s, now, now, 3600 - now, renewed + 5 - now, true, 0.5);
    assert_true(attempts <= 3);
    assert_true(s.next < renewed + 10);
    /* a hint near zero or beyond the token's end is none */
    gr_schedule_token(&s, 2100, 2100, 1500, 0, true, HIGHEST);
    assert_true(s.next > 2101);
    gr_schedule_token(&s, 2200, 2200, 1400, 1e9, true, HIGHEST);
    assert_true(s.next < 2600);
}

static void same_token_for_longer_is_used_for_longer(void **state)
{
    struct gr_schedule s = holding(0, 3600);

    (void)state;
    assert_int_equal(gr_schedule_token(&s, 2000, 2000, 3600, NAN, true, HIGHEST), GR_UNCHANGED);
    CHECK_NEAR(s.usable_until, 5590);
    CHECK_NEAR(s.next, 2002);
    assert_int_equal(gr_schedule_token(&s, 2002, 2002, 60, NAN, true, HIGHEST), GR_UNCHANGED);
    CHECK_NEAR(s.usable_until, 5590);
    CHECK_NEAR(s.next, 2006);
}

static void same_token_after_its_end_is_usable_again(void **state)
{
    struct gr_schedule s = holding(0, 3600);

    (void)state;
    assert_int_equal(gr_schedule_token(&s, 4000, 4000, 1000, NAN, true, HIGHEST), GR_UNCHANGED);
    assert_true(gr_schedule_usable(&s, 4000));
    CHECK_NEAR(s.usable_until, 4990);
    CHECK_NEAR(s.next, 4002);
    assert_int_equal(s.failures, 1);
}

static void another_token_that_expires_no_later(void **state)
{
    struct gr_schedule s = holding(0, 3600);

    (void)state;
    /* A session that ends at 3600, whatever is asked: published, but no loop. */
    for (uint32_t n = 1; n <= 3; n++) {
        double now = 2000 + n;
        assert_int_equal(gr_schedule_token(&s, now, now, 3600 - now, NAN, false, HIGHEST),
                         GR_RENEWED);
        assert_int_equal(s.failures, n);
        CHECK_NEAR(s.next, now + ldexp(1, (int)n));
        CHECK_NEAR(s.issued, now);
    }
    /* Once nothing usable is held, any token is progress. */
    assert_int_equal(gr_schedule_token(&s, 3600, 3600, 5, NAN, false, 0.5), GR_RENEWED);
    assert_int_equal(s.failures, 0);
}

/* Row: lifetime missing or unparsable; <= 0. */
static void ephemeral_tokens(void **state)
{
    static const struct {
        double took, lifetime;
    } rows[] = {
        {0, 0}, {0, -1}, {0, -1e300}, {0, 0.05}, {0, NAN}, {5, 5}, {4.5, 5}, {5, 1}, {3600, 3600},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gr_schedule s;
        double now = 100 + rows[i].took;
        gr_schedule_init(&s);
        assert_int_equal(gr_schedule_token(&s, now, 100, rows[i].lifetime, NAN, false, 0.5),
                         GR_EPHEMERAL);
        assert_false(gr_schedule_usable(&s, now));
        assert_true(isinf(s.next)); /* nothing happens unless somebody asks */
        assert_false(gr_schedule_due(&s, now + 0.99));
        assert_true(gr_schedule_due(&s, now + 1.01));
        gr_schedule_ask(&s, now + 0.5);
        CHECK_NEAR(s.next, now + 1);
        gr_schedule_expedite(&s, now + 0.6);
        CHECK_NEAR(s.next, now + 1);
        gr_schedule_ask(&s, now + 0.7);
        CHECK_NEAR(s.next, now + 1);
    }
}

static void ephemeral_token_does_not_stop_renewal_of_one_held(void **state)
{
    struct gr_schedule s = holding(0, 3600);

    (void)state;
    assert_int_equal(gr_schedule_token(&s, 2000, 2000, 0, NAN, false, HIGHEST), GR_EPHEMERAL);
    assert_true(gr_schedule_usable(&s, 2000));
    CHECK_NEAR(s.usable_until, 3590);
    CHECK_NEAR(s.next, 2002);
}

/* Row: refused for good. */
static void refusals_are_probed(void **state)
{
    static const double wait[] = {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600};
    struct gr_schedule s = holding(0, 30 * DAY);
    double now = 15 * DAY;

    (void)state;
    for (size_t n = 0; n < COUNT(wait); n++) {
        gr_schedule_refusal(&s, now, -1);
        CHECK_NEAR(s.next, now + wait[n]);
        assert_true(gr_schedule_usable(&s, now)); /* the old token is served on */
        now = s.next;
    }
    s.refusals = UINT32_MAX;
    gr_schedule_refusal(&s, now, 1e9);
    CHECK_NEAR(s.next, now + 3600);
    assert_int_equal(s.refusals, UINT32_MAX);
}

static void refusals_and_callers(void **state)
{
    struct gr_schedule s;

    (void)state;
    gr_schedule_init(&s);
    gr_schedule_refusal(&s, 0, 500);
    CHECK_NEAR(s.next, 500);
    gr_schedule_ask(&s, 10); /* callers do not bring a probe nearer */
    CHECK_NEAR(s.next, 500);
    gr_schedule_refusal(&s, 500, -1);
    gr_schedule_ask(&s, 501);
    CHECK_NEAR(s.next, 620);
    gr_schedule_expedite(&s, 510); /* a changed secret does */
    CHECK_NEAR(s.next, 510);
    gr_schedule_failure(&s, 510, -1, false, 0.5); /* not in a row any more */
    gr_schedule_refusal(&s, 520, -1);
    CHECK_NEAR(s.next, 580);
}

/* Row: the API says 401. */
static void invalidated_token_is_renewed_once_a_second(void **state)
{
    struct gr_schedule s = holding(0, 3600);
    double now = 100;

    (void)state;
    gr_schedule_invalidate(&s, now);
    assert_false(gr_schedule_usable(&s, now));
    CHECK_NEAR(s.next, 100); /* at once */
    gr_schedule_token(&s, 100.1, 100, 3600, NAN, false, 0.5);
    gr_schedule_invalidate(&s, 100.2);
    assert_false(gr_schedule_usable(&s, 100.2));
    assert_false(gr_schedule_due(&s, 100.9));
    CHECK_NEAR(s.next, 101);
    gr_schedule_invalidate(&s, 100.3); /* again by another caller: no change */
    CHECK_NEAR(s.next, 101);
    gr_schedule_token(&s, 101.1, 101, 3600, NAN, false, 0.5);
    gr_schedule_invalidate(&s, 500);
    CHECK_NEAR(s.next, 500);
}

static void invalidated_token_given_again(void **state)
{
    struct gr_schedule s = holding(0, 3600);
    double now = 100;
    int renewals = 0;

    (void)state;
    gr_schedule_invalidate(&s, now);
    assert_int_equal(gr_schedule_token(&s, now, now, 3500, NAN, true, HIGHEST), GR_UNCHANGED);
    assert_true(gr_schedule_usable(&s, now));
    CHECK_NEAR(s.next, now + 2);
    assert_int_equal(s.failures, 1);
    /* The API refuses it each time: once a second for ten seconds, not more. */
    for (; now < 110; now += 0.01) {
        gr_schedule_invalidate(&s, now);
        if (s.next <= now) {
            gr_schedule_token(&s, now, now, 3600 - now, NAN, true, 0.5);
            renewals++;
        }
    }
    assert_in_range(renewals, 8, 11);
}

static void retry_after_outlives_an_invalidation(void **state)
{
    struct gr_schedule s = holding(0, 3600);

    (void)state;
    gr_schedule_failure(&s, 2000, 300, false, 0.5);
    gr_schedule_invalidate(&s, 2010);
    CHECK_NEAR(s.next, 2300);
    gr_schedule_expedite(&s, 2020);
    CHECK_NEAR(s.next, 2300);
}

/* Properties. */

static void renewal_comes_before_the_end_of_use(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct gr_schedule s;
        double lifetime = any_lifetime();
        double refresh_in = random_bits() % 2 ? NAN : lifetime * 1.2 * uniform();
        double kept = fmin(lifetime, GR_LIFETIME_MAX);
        gr_schedule_init(&s);
        s.spread = random_bits() % 2;
        gr_schedule_token(&s, 1e6, 1e6, lifetime, refresh_in, false, uniform());
        assert_true(s.next > 1e6);
        assert_true(s.next < s.usable_until);
        assert_true(s.usable_until < 1e6 + kept);
        assert_true(s.usable_until > 1e6 + kept * 0.89);
    }
}

/* A service that is down for an hour while a token of any lifetime runs out: no rush, no long
 * sleep. */
static void outages_are_met_with_patience(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        double lifetime = any_lifetime();
        struct gr_schedule s = holding(0, lifetime);
        double from = s.next, now = from;
        int attempts = 0;
        while (now < from + 3600) {
            double before = now;
            gr_schedule_failure(&s, now, -1, true, uniform());
            now = s.next;
            attempts++;
            assert_true(now - before >= 0.1 - 1e-6);
            assert_true(now - before <= 300);
        }
        assert_in_range(attempts, 10, 250);
    }
}

/* Recovers from an outage within a fraction of it: an outage of d seconds costs at most d/3 + L/100
 * + 0.2 more, or 30 s, whichever is less, while callers ask. */
static void recovery_is_relative_to_the_outage(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        double lifetime = 1 + 600 * uniform();
        struct gr_schedule s = holding(0, lifetime);
        double dry = s.usable_until, back = dry + 300 * uniform(), now = s.next;
        while (now < back) {
            gr_schedule_failure(&s, now, -1, true, uniform());
            now = s.next;
        }
        assert_true(now - back <= fmin(30, (back - dry) / 3 + lifetime / 100 + 0.2) + 1e-6);
    }
}

static void check_sane(const struct gr_schedule *s, double now)
{
    double timeout = gr_schedule_attempt_timeout(s, now, 15);

    assert_true(!isnan(s->next));
    assert_true(!isnan(s->usable_until));
    assert_true(!isnan(s->not_before));
    assert_true(s->usable_until <= now + GR_LIFETIME_MAX);
    assert_true(isinf(s->next) || s->next <= now + GR_LIFETIME_MAX);
    assert_true(timeout >= 2 - 1e-9 && timeout <= 15);
    assert_true(s->lifetime >= 0 && s->lifetime <= GR_LIFETIME_MAX);
    /* While a token is held, there is always a plan. */
    assert_false(gr_schedule_usable(s, now) && isinf(s->next));
}

static double any_number(void)
{
    static const double odd[] = {0,      -1,   NAN, INFINITY, -INFINITY, 1e300, -1e300,
                                 1e-300, 0.05, 0.1, 1,        3600,      1e18};

    return random_bits() % 2 ? odd[random_bits() % COUNT(odd)] : any_lifetime();
}

static void answer_at_random(struct gr_schedule *s, double now)
{
    double u = uniform();

    switch (random_bits() % 4) {
    case 0: gr_schedule_failure(s, now, any_number(), random_bits() % 2, u); break;
    case 1: gr_schedule_refusal(s, now, any_number()); break;
    default:
        gr_schedule_token(s, now, now - 20 * uniform(), any_number(), any_number(),
                          random_bits() % 2, u);
        break;
    }
}

static void meddle_at_random(struct gr_schedule *s, double now)
{
    switch (random_bits() % 4) {
    case 0: gr_schedule_invalidate(s, now); break;
    case 1: gr_schedule_expedite(s, now); break;
    default: gr_schedule_ask(s, now);
    }
}

static void any_sequence_stays_sane(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct gr_schedule s;
        double now = 1e7 * uniform();
        gr_schedule_init(&s);
        for (int step = 0; step < 100; step++) {
            if (random_bits() % 2)
                answer_at_random(&s, now);
            else
                meddle_at_random(&s, now);
            check_sane(&s, now);
            now += any_lifetime() * 1e-3;
        }
    }
}

/* Whatever callers do, the service that fails is asked 10 times a second at most, and one that says
 * Retry-After not before that has passed. */
static void nothing_hurries_a_failing_service(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        struct gr_schedule s = holding(0, any_lifetime());
        double now = s.next, failed = -INFINITY, least = 0;
        for (int step = 0; step < 300; step++, now += uniform() * 0.1) {
            meddle_at_random(&s, now);
            if (s.next > now)
                continue;
            assert_true(now - failed >= least - 1e-6);
            least = random_bits() % 2 ? 0.1 : 5 * uniform();
            if (random_bits() % 2)
                gr_schedule_failure(&s, now, least, true, uniform());
            else
                gr_schedule_refusal(&s, now, least);
            failed = now;
            least = fmax(least, 0.1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),
        cmocka_unit_test(renewal_is_drawn),
        cmocka_unit_test(first_token_and_first_after_a_failure_are_spread),
        cmocka_unit_test(usable_until_a_margin_before_the_end),
        cmocka_unit_test(age_counts_from_when_the_request_was_sent),
        cmocka_unit_test(retries_back_off),
        cmocka_unit_test(retries_are_capped),
        cmocka_unit_test(without_any_token_ever_only_asking_caps),
        cmocka_unit_test(callers_in_vain_bring_a_retry_nearer),
        cmocka_unit_test(progress_forgets_failures),
        cmocka_unit_test(attempt_timeout),
        cmocka_unit_test(same_token_is_as_a_failure),
        cmocka_unit_test(same_token_with_a_hint_waits_for_it),
        cmocka_unit_test(same_token_for_longer_is_used_for_longer),
        cmocka_unit_test(same_token_after_its_end_is_usable_again),
        cmocka_unit_test(another_token_that_expires_no_later),
        cmocka_unit_test(ephemeral_tokens),
        cmocka_unit_test(ephemeral_token_does_not_stop_renewal_of_one_held),
        cmocka_unit_test(refusals_are_probed),
        cmocka_unit_test(refusals_and_callers),
        cmocka_unit_test(invalidated_token_is_renewed_once_a_second),
        cmocka_unit_test(invalidated_token_given_again),
        cmocka_unit_test(retry_after_outlives_an_invalidation),
        cmocka_unit_test(renewal_comes_before_the_end_of_use),
        cmocka_unit_test(outages_are_met_with_patience),
        cmocka_unit_test(recovery_is_relative_to_the_outage),
        cmocka_unit_test(any_sequence_stays_sane),
        cmocka_unit_test(nothing_hurries_a_failing_service),
    };

    random_state = 20;
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}

/* A month of a thousand hosts, in virtual time, driven by the real policy.
 *
 * The hosts start together, callers ask at random moments, each request takes 0.05 to 0.5 s.
 * Printed, and checked: how even the token requests are (peak to mean over bins of L/24, after the
 * start), how many callers found no usable token, and how many requests an outage of an hour costs.
 *
 * Usage: simulate [seed] */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

#define HOUR 3600.0
#define DAY  86400.0
#define BINS 20000

struct scenario {
    const char *name;
    double lifetime, length;
    int hosts;
    double ask_every; /* mean seconds between two callers of one host */
    double outage;    /* begins for each host, at worst, when its second renewal is due; 0: none */
};

struct totals {
    uint32_t bins[BINS];
    uint64_t requests, calls, waits;
    uint64_t outage_requests, outage_most; /* of all hosts; of the one with most */
};

struct host {
    struct gr_schedule plan;
    double busy_until; /* when the answer to the request under way comes */
    double call;       /* when the next caller comes */
    double outage_from, outage_until;
    uint64_t requests, outage_requests;
    bool asked;
};

/* splitmix64 */
static uint64_t random_state;

static double uniform(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static bool down(const struct host *h, double now)
{
    return now >= h->outage_from && now < h->outage_until;
}

static void count_request(const struct scenario *sc, struct totals *t, struct host *h, double now)
{
    size_t bin = (size_t)(now / (sc->lifetime / 24));

    t->requests++;
    if (bin < BINS)
        t->bins[bin]++;
    if (++h->requests == 3 && sc->outage > 0) {
        h->outage_from = now;
        h->outage_until = now + sc->outage;
    }
    h->outage_requests += down(h, now);
}

/* One token request, and its answer. */
static void attempt(const struct scenario *sc, struct totals *t, struct host *h, double now)
{
    count_request(sc, t, h, now);
    h->busy_until = now + 0.05 + 0.45 * uniform();
    if (down(h, now))
        gr_schedule_failure(&h->plan, h->busy_until, -1, h->asked, uniform());
    else
        gr_schedule_token(&h->plan, h->busy_until, now, sc->lifetime, NAN, false, uniform());
    h->asked = false;
}

static void call(const struct scenario *sc, struct totals *t, struct host *h, double now)
{
    t->calls++;
    h->call = now - log(1 - uniform()) * sc->ask_every;
    if (gr_schedule_usable(&h->plan, now))
        return;
    t->waits++;
    h->asked = true;
    if (now >= h->busy_until)
        gr_schedule_ask(&h->plan, now);
}

static void live(const struct scenario *sc, struct totals *t)
{
    struct host h = {.busy_until = -1, .outage_from = INFINITY};
    double now = 0;

    gr_schedule_init(&h.plan);
    attempt(sc, t, &h, now);
    h.call = h.busy_until; /* the callers of the start wait, and are not counted */
    while (now < sc->length) {
        double due = fmax(h.plan.next, h.busy_until);
        now = fmin(due, h.call);
        if (h.call < due)
            call(sc, t, &h, now);
        else
            attempt(sc, t, &h, now);
    }
    t->outage_requests += h.outage_requests;
    if (h.outage_requests > t->outage_most)
        t->outage_most = h.outage_requests;
}

/* Without the first bin: at the start all hosts ask at once, as they must. */
static double peak_to_mean(const struct scenario *sc, const struct totals *t)
{
    size_t end = (size_t)(sc->length / (sc->lifetime / 24));
    double peak = 0, sum = 0;

    for (size_t i = 1; i < end; i++) {
        peak = fmax(peak, t->bins[i]);
        sum += t->bins[i];
    }
    return peak * (double)(end - 1) / sum;
}

static void run(const struct scenario *sc, struct totals *t)
{
    memset(t, 0, sizeof *t);
    for (int host = 0; host < sc->hosts; host++)
        live(sc, t);
    printf("%s, %d hosts started together: %" PRIu64 " token requests, %" PRIu64 " calls\n",
           sc->name, sc->hosts, t->requests, t->calls);
}

static bool check(bool good, const char *what, double value, const char *bound)
{
    printf("  %-36s %8.2f  %s  %s\n", what, value, bound, good ? "ok" : "NOT OK");
    return good;
}

static bool run_calm(const struct scenario *sc)
{
    static struct totals t;
    double ratio;
    bool good;

    run(sc, &t);
    ratio = peak_to_mean(sc, &t);
    good = check(ratio <= 1.5, "peak to mean of requests", ratio, "<= 1.5");
    return check(t.waits == 0, "callers without a token", (double)t.waits, "== 0  ") && good;
}

/* token_outlives_it: nobody may notice. Else only told: with callers asking in vain, a retry comes
 * within 30 s, and that has its price. */
static bool run_outage(const struct scenario *sc, bool token_outlives_it)
{
    static struct totals t;
    double mean, most;
    bool good;

    run(sc, &t);
    mean = (double)t.outage_requests / sc->hosts;
    most = (double)t.outage_most;
    if (!token_outlives_it) {
        printf("  requests per host in the outage: mean %.1f, most %.0f\n", mean, most);
        return true;
    }
    printf("  requests per host in the outage: mean %.1f\n", mean);
    good = check(most < 40, "requests of one host, at most", most, "<  40  ");
    return check(t.waits == 0, "callers without a token", (double)t.waits, "== 0  ") && good;
}

int main(int argc, char **argv)
{
    /* 30 days of 1 h tokens have 17,280 bins: with 1,000 hosts the highest is 1.46 +- 0.03 by
     * chance alone, however even the plan. With 4,000 chance is halved, and what is left is the
     * plan. */
    static const struct scenario calm[] = {
        {"24 h tokens, 30 days", DAY, 30 * DAY, 1000, 900, 0},
        {"1 h tokens, 30 days", HOUR, 30 * DAY, 4000, 900, 0},
    };
    static const struct scenario outlived = {
        "24 h tokens, service down 1 h", DAY, 3 * DAY, 1000, 60, HOUR};
    static const struct scenario dry = {
        "1 h tokens, service down 1 h", HOUR, 6 * HOUR, 1000, 60, HOUR};
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20;
    bool good = true;

    random_state = seed;
    printf("seed %" PRIu64 "\n", seed);
    for (size_t i = 0; i < sizeof calm / sizeof *calm; i++)
        good &= run_calm(&calm[i]);
    good &= run_outage(&outlived, true);
    good &= run_outage(&dry, false);
    return good ? 0 : 1;
}

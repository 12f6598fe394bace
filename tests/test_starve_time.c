/* Time that does not pass as it should: the clock for people is set, hours go by in a suspend, and one
 * processor has to do for all. */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "engine_state.h"
#include "lack.h"

static void begin_work(void)
{
    trying.brief = LONG;
    struct gr_options made = options();
    gr_source_init();
    box = gr_mailbox_new();
    open_as(&made);
}

/* ---- the clock for people is set ---- */

#define DAY 86400.0

static unsigned asked(void)
{
    struct gr_info info;
    gr_source_info(handle, &info);
    REQUIRE(info.usable && info.expires_in > 3000 && info.expires_in <= 3600);
    return (unsigned)info.counts.requests;
}

/* Whether an op ends in about that time, and not in a day or at once. */
static void check_pause(void)
{
    double began = gr_now();
    REQUIRE(ends(gr_op_sleep(box, 0.02)));
    REQUIRE(gr_now() - began >= 0.02);
}

static int set_the_clock(void)
{
    static const double steps[] = {DAY, -DAY, 0, -DAY, DAY};
    begin_work();
    REQUIRE(ends(acquire()));
    for (size_t i = 0; i < COUNT(steps); i++) {
        double before = gr_unix_time() - gr_now();
        faults_set_wall_clock(steps[i]);
        double moved = gr_unix_time() - gr_now() - before;
        REQUIRE(i == 0 ? moved > DAY - 1 : moved > DAY - 1 || moved < 1 - DAY);
        check_pause();
        REQUIRE(ends(acquire()) && ends(call()));
        REQUIRE(asked() == 1);
    }
    return PASSED;
}

/* A date is meant by the clock of who has sent it. */
static int set_the_clock_of_a_date(void)
{
    faults_set_wall_clock(threaded ? DAY : -DAY);
    begin_work();
    struct gr_op *op = gr_source_acquire(handle, box, LONG, false);
    REQUIRE(gr_op_wait(op, LONG));
    REQUIRE(op->error.retry_after > 95 && op->error.retry_after < 101);
    gr_op_release(op);
    return PASSED;
}

static void *hold_the_lock(void *arg)
{
    gr_engine_lock_curl();
    *(volatile bool *)arg = true;
    for (;;)
        pause_for(1000);
    return NULL;
}

/* As one that has been set back by a day while the exit handler waits: what it has read is a day off. */
static int set_the_clock_at_the_exit(void)
{
    static volatile bool holds;
    pthread_t thread;
    gr_source_init();
    REQUIRE(pthread_create(&thread, NULL, hold_the_lock, (void *)(uintptr_t)&holds) == 0);
    while (!holds)
        pause_for(0.001);
    faults_set_wall_clock(DAY);
    return PASSED; /* and exit, which waits for a second at most */
}

static void wall_clock(void **state)
{
    (void)state;
    if (!FORKS)
        skip();
    run_both(set_the_clock);
    run_both(set_the_clock_at_the_exit);
    server_reply(tokens,
                 &(struct reply){.status = 503,
                                 .headers = "Date: Wed, 25 Nov 2015 10:00:00 GMT\r\n"
                                            "Retry-After: Wed, 25 Nov 2015 10:01:40 GMT\r\n"});
    run_both(set_the_clock_of_a_date);
}

/* ---- one processor, and others that use it ---- */

enum { MANY = 64, BUSY = 2 };

static void *want_a_token(void *arg)
{
    struct gr_op *op = gr_source_acquire(handle, box, LONG * 3, false);
    *(bool *)arg = op && gr_op_wait(op, LONG * 3) && op->error.kind == GR_OK;
    if (op)
        gr_op_release(op);
    return NULL;
}

static void keep_busy(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        continue;
}

/* Threads that are started later are bound to it, too. */
static void use_one_processor(const cpu_set_t *all)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, all))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

/* Many want a token at once: all are served, by one request more. */
static void serve_all(void)
{
    pthread_t threads[MANY];
    bool served[MANY] = {0};
    unsigned before = server_count(tokens);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, want_a_token, &served[i]), 0);
    for (size_t i = 0; i < MANY; i++) {
        pthread_join(threads[i], NULL);
        assert_true(served[i]);
    }
    assert_int_equal(server_count(tokens), before + 1);
    assert_true(asked() > 0);
}

/* At a cold start, and after hours of suspend, of which a token that has run out is not served. */
static void serve_cold_and_after_suspend(void)
{
    struct gr_secret *copy = NULL;
    uint64_t generation = 0;
    begin_work();
    serve_all();
    gr_clock_skip(5 * 3600);
    gr_source_peek(handle, &generation, &copy);
    assert_null(copy);
    serve_all();
    assert_int_equal(asked(), 2);
    gr_source_close(handle, true);
    gr_engine_shutdown(0);
    gr_mailbox_release(box);
}

static void one_processor(void **state)
{
    cpu_set_t all;
    int busy[BUSY];
    (void)state;
    server_reply(tokens, &(struct reply){.body = "{\"access_token\":\"t\",\"expires_in\":3600}",
                                         .delay = 0.05});
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    use_one_processor(&all);
    for (size_t i = 0; i < BUSY; i++)
        if ((busy[i] = settled_fork()) == 0)
            keep_busy();
    for (int i = 0; i < 2; i++) {
        threaded = i == 0;
        serve_cold_and_after_suspend();
    }
    for (size_t i = 0; i < BUSY; i++) {
        kill(busy[i], SIGKILL);
        waitpid(busy[i], NULL, 0);
    }
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_clock),
        cmocka_unit_test(one_processor), /* the first to use the core in this process */
    };
    faults_init();
    return cmocka_run_group_tests_name("starve_time", tests, begin_services, end_services);
}

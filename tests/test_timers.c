/* timers: the heap, against a plain list of what is armed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "timers.h"
#include "tools.h"

enum { MANY = 300 };

/* A timer that notes when it fired, and may arm itself or meddle with another. */
struct probe {
    struct gr_timer timer;
    bool member, armed;
    double at;
    unsigned fired;
};

static struct gr_timers timers;
static struct probe probes[MANY];
static uint64_t seed;
static double last_fired;
static unsigned fired;

static void on_fire(struct gr_timer *timer, double now)
{
    struct probe *probe = (struct probe *)timer;
    assert_int_equal(timer->slot, 0);
    assert_true(probe->armed);
    assert_true(probe->at <= now);
    assert_true(probe->at >= last_fired);
    last_fired = probe->at;
    probe->armed = false;
    probe->fired++;
    fired++;
}

static void arm(struct probe *probe, double at)
{
    probe->timer.fire = on_fire;
    probe->member = probe->member || gr_timers_join(&timers);
    assert_true(probe->member);
    gr_timers_arm(&timers, &probe->timer, at);
    probe->armed = true;
    probe->at = at;
}

static void disarm(struct probe *probe)
{
    gr_timers_disarm(&timers, &probe->timer);
    probe->armed = false;
}

static void leave(struct probe *probe)
{
    if (probe->member)
        gr_timers_leave(&timers, &probe->timer);
    probe->member = probe->armed = false;
}

static double first_of_all(void)
{
    double first = INFINITY;
    for (size_t i = 0; i < MANY; i++)
        if (probes[i].armed)
            first = fmin(first, probes[i].at);
    return first;
}

static void run(double now)
{
    last_fired = -INFINITY;
    gr_timers_run(&timers, now);
    for (size_t i = 0; i < MANY; i++)
        assert_false(probes[i].armed && probes[i].at <= now);
}

static int clear(void **state)
{
    (void)state;
    free(timers.heap);
    timers = (struct gr_timers){0};
    for (size_t i = 0; i < MANY; i++)
        probes[i] = (struct probe){0};
    fired = 0;
    return 0;
}

static void nothing_armed(void **state)
{
    (void)state;
    assert_true(isinf(gr_timers_first(&timers)));
    gr_timers_run(&timers, 1e9);
    disarm(&probes[0]);
    assert_true(isinf(gr_timers_first(&timers)));
}

static void fires_in_order_and_once(void **state)
{
    (void)state;
    for (int i = 0; i < MANY; i++)
        arm(&probes[i], (double)((i * 7919) % MANY));
    run(MANY / 2);
    assert_int_equal(fired, MANY / 2 + 1);
    run(MANY / 2);
    assert_int_equal(fired, MANY / 2 + 1);
    run(MANY);
    assert_int_equal(fired, MANY);
    assert_int_equal(timers.count, 0);
}

static void moves_an_armed_one(void **state)
{
    (void)state;
    arm(&probes[0], 10);
    arm(&probes[1], 20);
    arm(&probes[0], 30);
    assert_int_equal(timers.count, 2);
    run(25);
    assert_int_equal(probes[0].fired, 0);
    assert_int_equal(probes[1].fired, 1);
    arm(&probes[0], 5);
    run(25);
    assert_int_equal(probes[0].fired, 1);
}

static void random_operations(void **state)
{
    double now = 0;
    (void)state;
    for (int step = 0; step < 100000; step++) {
        struct probe *probe = &probes[random_bits(&seed) % MANY];
        uint64_t what = random_bits(&seed) % 9;
        if (what < 5)
            arm(probe, now + (double)(random_bits(&seed) % 1000));
        else if (what < 7)
            disarm(probe);
        else if (what < 8)
            leave(probe);
        else
            run(now += (double)(random_bits(&seed) % 30));
        assert_true(probe->armed == (probe->timer.slot != 0));
        assert_true(timers.count <= timers.members && timers.members < timers.capacity);
        if (step % 16 == 0)
            assert_true(gr_timers_first(&timers) == first_of_all() ||
                        isinf(first_of_all())); /* both infinite */
    }
    run(INFINITY);
    assert_int_equal(timers.count, 0);
    for (size_t i = 0; i < MANY; i++)
        leave(&probes[i]);
    assert_int_equal(timers.members, 0);
}

/* What a source does: it plans its next moment while it fires, and forgets others. */
static void on_fire_and_again(struct gr_timer *timer, double now)
{
    struct probe *probe = (struct probe *)timer;
    assert_int_equal(timer->slot, 0);
    probe->fired++;
    gr_timers_disarm(&timers, &probes[1].timer);
    if (probe->fired < 5)
        gr_timers_arm(&timers, timer, now + (probe->fired == 3 ? 10 : 0));
}

static void may_arm_and_disarm_while_firing(void **state)
{
    (void)state;
    arm(&probes[1], 2);
    arm(&probes[0], 1);
    probes[0].timer.fire = on_fire_and_again;
    gr_timers_run(&timers, 5);
    assert_int_equal(probes[0].fired, 3);
    assert_int_equal(probes[1].fired, 0);
    assert_true(gr_timers_first(&timers) == 15);
    gr_timers_run(&timers, 15);
    assert_int_equal(probes[0].fired, 5);
    assert_true(isinf(gr_timers_first(&timers)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_armed, clear),
        cmocka_unit_test_setup(fires_in_order_and_once, clear),
        cmocka_unit_test_setup(moves_an_armed_one, clear),
        cmocka_unit_test_setup(random_operations, clear),
        cmocka_unit_test_setup_teardown(may_arm_and_disarm_while_firing, clear, clear),
    };
    seed = 4;
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}

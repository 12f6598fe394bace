/* Each call that the core makes of another library fails in turn, the n-th of each function, in a
 * process that goes on: everything under way comes to one end of a known kind, nothing is left behind,
 * and as soon as nothing fails any more all works. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "engine_state.h"
#include "lack.h"
#include "prefetch.h"

/* Else so many are left out between two that are tried of one function. */
enum { SOME = SANITIZED ? 23 : 5 };

#define BRIEF 0.1 /* seconds for a request while something fails for good */

static char secret_file[] = "/tmp/groove-starve-XXXXXX", relative[4096];
static char named_url[64]; /* the token service by a name that has to be looked up */

/* ---- what scenarios are made of ---- */

static bool readable(int fd, int ms)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, ms) == 1;
}

/* Fetches from the mailbox until one of each of so many has come. */
static void fetch(unsigned count)
{
    struct gr_op *op = NULL;
    struct gr_event event;
    for (double until = gr_now() + LONG; count > 0; REQUIRE(gr_now() < until)) {
        int fd = gr_mailbox_fd(box);
        gr_engine_pump();
        switch (gr_mailbox_next(box, &op, &event)) {
        case GR_MAIL_OP:
            check_error(&op->error);
            gr_op_release(op);
            count--;
            break;
        case GR_MAIL_EVENT: check_error(&event.error); break;
        case GR_MAIL_NONE:
            if (fd < 0)
                pause_for(0.001); /* a host without a descriptor asks now and then */
            else
                REQUIRE(readable(fd, (int)LONG * 1000));
        }
    }
}

static bool watch(struct gr_op *op)
{
    if (!op)
        return false;
    gr_op_watch(op);
    gr_op_release(op);
    return true;
}

/* ---- scenarios ---- */

struct waiter {
    pthread_t thread;
    bool started, ended;
};

/* No assertion of cmocka's outside its own thread. */
static void *wait_aside(void *arg)
{
    struct waiter *waiter = arg;
    struct gr_op *op = acquire();
    waiter->ended = !op || (gr_op_wait(op, LONG) && is_known(&op->error));
    if (op)
        gr_op_release(op);
    return NULL;
}

/* A cold start, with callers in threads. */
static void waiters(void)
{
    struct waiter all[3] = {0};
    struct gr_options made = options();
    open_as(&made);
    for (size_t i = 0; i < COUNT(all); i++)
        all[i].started = pthread_create(&all[i].thread, NULL, wait_aside, &all[i]) == 0;
    ends(acquire());
    for (size_t i = 0; i < COUNT(all); i++) {
        REQUIRE(all[i].started && pthread_join(all[i].thread, NULL) == 0);
        REQUIRE(all[i].ended);
    }
}

/* One call after another, and two in the mailbox of a host that polls. */
static void calls(void)
{
    ends(call());
    if (box)
        fetch(watch(call()) + watch(call()));
    if (box)
        fetch(watch(gr_op_sleep(box, 0.001)));
    ends(box ? gr_op_sleep(box, 0.001) : NULL);
}

static struct gr_info info(void)
{
    struct gr_info told;
    gr_source_info(handle, &told);
    return told;
}

/* The engine renews by itself; the old token serves as long as it may. */
static void renewal(void)
{
    struct gr_options made = options();
    struct gr_secret *copy = NULL;
    uint64_t generation = 0;
    open_as(&made);
    if (!ends(acquire()))
        return;
    gr_clock_skip(3000);
    ends(box ? gr_op_sleep(box, 0) : NULL); /* as a suspend would, it wakes the engine */
    for (double until = gr_now() + LONG; info().counts.renewals + info().counts.failures < 2;
         REQUIRE(gr_now() < until)) {
        gr_engine_pump();
        pause_for(0.0005);
    }
    gr_source_peek(handle, &generation, &copy);
    REQUIRE(!generation == !copy);
    gr_secret_free(copy);
    REQUIRE(info().usable);
}

/* The service is down, and comes back. */
static void outage(void)
{
    struct gr_options made = options();
    open_as(&made);
    server_reply(tokens, &(struct reply){.status = 503});
    if (handle && box)
        gr_source_subscribe(handle, box);
    ends(acquire());
    ends(acquire());
    server_reply(tokens, &a_token);
    gr_clock_skip(LONG_AFTER);
    ends(acquire());
}

/* What a host without a thread does: a name to look up, a descriptor to poll. */
static void named(void)
{
    struct gr_options made = options();
    made.token_url = threaded ? made.token_url : named_url;
    made.allow_http = true;
    gr_prefetch("https://" FAULTS_HOST "/", NULL, secret_file); /* any file will do */
    open_as(&made);
    if (box)
        fetch(watch(acquire()));
    ends(acquire());
}

/* A secret that is read from its file at each request, and all that a token request may hold. */
static void from_file(void)
{
    struct gr_pair params[] = {{"audience", "x"}}, headers[] = {{"X-Test", "y"}};
    struct gr_options made = options();
    made.client_secret = NULL;
    made.secret_file = relative;
    made.auth = GR_AUTH_BASIC;
    made.scope = "a scope";
    made.params = params;
    made.headers = headers;
    made.param_count = made.header_count = 1;
    open_as(&made);
    server_reply(tokens, &(struct reply){.status = 401, .body = "{\"error\":\"invalid_client\"}"});
    ends(acquire());
    gr_clock_skip(2);
    ends(acquire()); /* has a look whether the file is another */
    server_reply(tokens, &a_token);
    gr_clock_skip(LONG_AFTER);
    ends(acquire());
    ends(handle && box ? gr_source_acquire(handle, box, LONG, true) : NULL);
}

/* What callers tell a source. */
static void told(void)
{
    struct gr_options made = options();
    open_as(&made);
    if (!handle)
        return;
    if (box)
        gr_source_subscribe(handle, box);
    bool adopted = gr_source_adopt(handle, "theirs", 6, 100, 1);
    REQUIRE(gr_source_invalidate(handle, "theirs", 6) == adopted);
    ends(acquire());
    if (box)
        fetch(watch(acquire()));
}

static void answer_slowly(bool slowly)
{
    struct reply token = a_token, answer = {.body = "an answer"};
    token.delay = answer.delay = slowly ? 0.02 : 0;
    server_reply(tokens, &token);
    server_reply(api, &answer);
}

/* Calls that are given up while they are under way. */
static void cancelled(void)
{
    struct gr_options made = options();
    answer_slowly(true);
    open_as(&made);
    struct gr_op *ops[] = {acquire(), call(), call(), call()};
    ends(box ? gr_op_sleep(box, 0.002) : NULL);
    for (size_t i = 0; i < COUNT(ops); i++) {
        if (ops[i] && i < 3)
            gr_op_cancel(ops[i]);
        else if (ops[i]) /* the last one is left to its mailbox's end */
            gr_op_watch(ops[i]);
        if (ops[i] && i < 3)
            ends(ops[i]);
        else if (ops[i])
            gr_op_release(ops[i]);
    }
    answer_slowly(false);
}

/* The source is closed and the engine shut down during calls. */
static void shut_down(void)
{
    struct gr_options made = options();
    answer_slowly(true);
    open_as(&made);
    struct gr_op *wait = acquire(), *request = call();
    ends(box ? gr_op_sleep(box, 0.002) : NULL);
    if (handle)
        gr_source_close(handle, true);
    handle = NULL;
    ends(wait);
    gr_engine_shutdown(0);
    answer_slowly(false);
    ends(request);
    ends(call());
}

/* A child goes on by itself, with what fails failing there, too. */
static void forked(void)
{
    struct gr_options made = options();
    open_as(&made);
    ends(acquire());
    if (box)
        gr_mailbox_fd(box);
    struct gr_op *pause = box ? gr_op_sleep(box, 0.01) : NULL, *request = call();
    int pid = settled_fork();
    if (pid == 0) {
        in_child = true;
        alarm(20);
        ends(pause);
        ends(request);
        ends(acquire());
        ends(call());
        _exit(0);
    }
    REQUIRE(pid > 0);
    ends(pause);
    ends(request);
    REQUIRE(await_child(pid) == 0);
}

/* ---- afterwards ---- */

static long left_blocks, left_descriptors;

static void settle(void)
{
    if (handle)
        gr_source_close(handle, true);
    handle = NULL;
    gr_engine_shutdown(0);
    if (box)
        gr_mailbox_release(box);
    box = NULL;
    REQUIRE(gr_secret_count() == 0);
    REQUIRE(gr_engine.timers.members == 0);
}

struct scenario {
    const char *name;
    void (*run)(void);
};

/* Those by which one hears that there is something to do. What fails once is made up for; what would
 * only be ended by its deadline has been forgotten. */
static bool is_sign(enum fault fault)
{
    static const enum fault signs[] = {
        FAULT_epoll_ctl,
        FAULT_curl_multi_perform,
        FAULT_curl_multi_poll,
        FAULT_curl_multi_wait,
        FAULT_curl_multi_timeout,
        FAULT_timerfd_settime,
        FAULT_write,
        FAULT_read,
    };
    for (size_t i = 0; i < COUNT(signs); i++)
        if (fault == signs[i])
            return true;
    return false;
}

/* Whether anything had to fail. */
static bool run(const struct scenario *scenario, enum fault fault, unsigned long first,
                unsigned long count)
{
    trying.what = scenario->name;
    trying.fault = fault;
    trying.first = first;
    trying.count = count;
    trying.brief = is_sign(fault) && count == 1 ? LONG : BRIEF;
    alarm(60);
    faults_set(fault, first, count);
    box = gr_mailbox_new();
    scenario->run();
    faults_clear();
    recover();
    settle();
    alarm(0);
    return faults_hit() > 0;
}

static bool run_checked(const struct scenario *scenario, enum fault fault, unsigned long first,
                        unsigned long count)
{
    bool hit = run(scenario, fault, first, count);
    REQUIRE(faults_blocks() <= left_blocks);
    REQUIRE(faults_descriptors() == left_descriptors);
    return hit;
}

static unsigned stride;

/* The first calls of a function are each tried; they differ more than the later ones. */
static void sweep(const struct scenario *scenario)
{
    enum { EACH = 3 };
    unsigned long called[FAULT_COUNT];
    for (int i = 0; i < 2; i++) /* what is made once is there, and grown */
        run(scenario, FAULT_ANY, 1, 0);
    for (int fault = 0; fault < FAULT_COUNT; fault++)
        called[fault] = faults_called((enum fault)fault);
    left_blocks = faults_blocks();
    left_descriptors = faults_descriptors();
    for (int fault = 0; fault < FAULT_COUNT; fault++)
        for (unsigned long n = 1; n <= called[fault]; n += n < EACH ? 1 : stride)
            run_checked(scenario, (enum fault)fault, n, 1);
    for (unsigned long n = 1; run_checked(scenario, FAULT_ANY, n, (unsigned long)-1);)
        n += n < EACH ? 1 : stride * 20;
}

static const struct scenario scenarios[] = {
    {"waiters", waiters}, {"calls", calls},         {"renewal", renewal},
    {"outage", outage},   {"named", named},         {"from_file", from_file},
    {"told", told},       {"cancelled", cancelled}, {"shut_down", shut_down},
    {"forked", forked},
};

/* After one that has failed. */
static int clean_up(void **state)
{
    (void)state;
    alarm(0);
    faults_clear();
    if (handle)
        gr_source_close(handle, true);
    gr_engine_shutdown(0);
    if (box)
        gr_mailbox_release(box);
    handle = NULL;
    box = NULL;
    answer_slowly(false);
    return 0;
}

static void starve(void **state)
{
    const struct scenario *scenario = *state;
    tell_of_signals(); /* cmocka's own know no other thread */
    use_thread(threaded = true);
    sweep(scenario);
    use_thread(threaded = false);
    sweep(scenario);
}

/* ---- */

/* The same file, by a path that begins where this process is. */
static void make_relative(void)
{
    char folder[2048];
    size_t len = 0;
    assert_non_null(getcwd(folder, sizeof folder));
    for (const char *at = folder; *at && len < sizeof relative - 64; at++)
        len += (size_t)(*at == '/' ? sprintf(relative + len, "../") : 0);
    strcpy(relative + len, secret_file + 1);
}

static int begin(void **state)
{
    stride = tries_all() ? 1 : SOME;
    begin_services(state);
    answer_slowly(false);
    snprintf(named_url, sizeof named_url, "http://" FAULTS_HOST ":%d/token", server_port(tokens));
    int fd = mkstemp(secret_file);
    make_relative();
    return fd >= 0 && write(fd, SECRET "\n", sizeof SECRET) == sizeof SECRET ? close(fd) : -1;
}

static int end(void **state)
{
    end_services(state);
    return unlink(secret_file);
}

static void each_has_failed(void **state)
{
    (void)state;
    check_totals(0, FAULT_ONCE_FIRST);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(scenarios) + 1] = {[COUNT(scenarios)] =
                                                         cmocka_unit_test(each_has_failed)};
    for (size_t i = 0; i < COUNT(scenarios); i++)
        tests[i] = (struct CMUnitTest){.name = scenarios[i].name,
                                       .test_func = starve,
                                       .teardown_func = clean_up,
                                       .initial_state = (void *)(uintptr_t)&scenarios[i]};
    faults_init();
    gr_source_init();
    return cmocka_run_group_tests_name("starve_calls", tests, begin, end);
}

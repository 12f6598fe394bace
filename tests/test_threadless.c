/* A host that polls one descriptor, without the engine's thread: everything happens by that alone. Who
 * gets a thread. */
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

/* A step takes no longer than this, seconds: what takes longer was found by chance. */
#define SOON (SANITIZED ? 3.0 : 0.8)

static unsigned wakes; /* of the host, since the last call of host() began */

static struct gr_op *start(const char *path, double timeout)
{
    char url[128];
    snprintf(url, sizeof url, "%s%s", server_url(server), path);
    struct gr_request request = request_to("GET", url);
    request.timeout = timeout;
    struct gr_op *op = gr_op_request(box, &request);
    assert_non_null(op);
    gr_op_watch(op);
    return op;
}

static struct gr_op *ask(void)
{
    struct gr_op *op = ask_of(handle);
    gr_op_watch(op);
    return op;
}

static bool readable(int milliseconds)
{
    struct pollfd poller = {.fd = gr_mailbox_fd(box), .events = POLLIN};
    return poll(&poller, 1, milliseconds) == 1;
}

/* A host: waits for the descriptor and for nothing else, until `count` ops have arrived. */
static bool host(unsigned count, double seconds)
{
    struct gr_op *op;
    struct gr_event event;
    double until = gr_now() + seconds;
    for (wakes = 0; count > 0; wakes++) {
        double left = until - gr_now();
        if (left <= 0 || !readable((int)ceil(left * 1000)))
            return false;
        gr_engine_pump();
        while (gr_mailbox_next(box, &op, &event) != GR_MAIL_NONE) {
            gr_op_release(op);
            count--;
        }
    }
    return true;
}

static void expect(struct gr_op *op, const char *code)
{
    assert_true(op->done);
    assert_string_equal(op->error.code, code);
    gr_op_release(op);
}

/* The host has nothing to do: it is woken for what it has done itself, or by a timer that was set for
 * something that has ended, and no more. */
static void assert_idle(void)
{
    assert_false(host(1, 0.1));
    assert_true(wakes <= 3);
    assert_false(readable(0));
}

static void token_and_request(void **state)
{
    (void)state;
    assert_idle();
    struct gr_op *op = ask();
    assert_true(host(1, SOON));
    expect(op, "");
    for (int i = 0; i < 5; i++) { /* on a connection that is there already */
        op = start("/", LONG);
        assert_true(host(1, SOON));
        assert_true(wakes < 20);
        expect(op, "");
    }
    assert_idle();
}

static void many_at_once(void **state)
{
    enum { MANY = 200 };
    struct gr_op *ops[MANY];
    (void)state;
    server_reply(server, &(struct reply){.delay = 0.002});
    for (int i = 0; i < MANY; i++)
        ops[i] = start("/", LONG);
    assert_true(host(MANY, 3 * SOON));
    for (int i = 0; i < MANY; i++)
        expect(ops[i], "");
    assert_idle();
}

/* libcurl leaves a part of it in the socket at each step, of which there is no second sign. */
static void big_answer(void **state)
{
    const size_t len = 1000 * 1000;
    char *body = malloc(len);
    (void)state;
    memset(body, 'x', len);
    server_reply(server, &(struct reply){.body = body, .len = len});
    struct gr_op *op = start("/", LONG);
    assert_true(host(1, 2 * SOON));
    assert_int_equal(op->exchange->answer.len, len);
    expect(op, "");
    assert_idle();
    free(body);
}

static void peer_hangs_up(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hang_up = true});
    for (int i = 0; i < 3; i++) {
        struct gr_op *op = start("/", LONG);
        assert_true(host(1, SOON));
        expect(op, "");
        pause_for(0.01);
        assert_idle();
    }
}

static void time_passes(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    double began = gr_now();
    struct gr_op *request = start("/", 0.1), *pause = gr_op_sleep(box, 0.05);
    gr_op_watch(pause);
    assert_true(host(1, SOON));
    expect(pause, "");
    assert_true(gr_now() - began >= 0.05);
    assert_true(host(1, SOON));
    expect(request, "timeout");
    assert_true(gr_now() - began >= 0.1);
    assert_true(wakes < 20);
    assert_idle();
}

static void cancelled(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    struct gr_op *op = start("/", LONG);
    assert_false(host(1, 0.05));
    gr_op_cancel(op);
    assert_true(host(1, SOON));
    expect(op, "cancelled");
    assert_idle();
}

/* The resolver has a thread of its own and no socket of ours. tests/test_prefetch.c is about names where
 * there is none. */
static void name_to_resolve(void **state)
{
    (void)state;
    struct gr_request request = request_to("GET", "https://groove.invalid/");
    request.timeout = 1;
    struct gr_op *op = gr_op_request(box, &request);
    gr_op_watch(op);
    assert_true(host(1, 1 + SOON));
    assert_int_not_equal(op->error.kind, GR_OK);
    gr_op_release(op);
    assert_true(wakes < 200);
    assert_idle();
}

static void renewal(void **state)
{
    (void)state;
    reply_with(200, TOKEN(1));
    struct gr_op *op = ask();
    assert_true(host(1, SOON));
    expect(op, "");
    for (double until = gr_now() + LONG; info().counts.renewals < 3; gr_engine_pump()) {
        assert_true(readable(2000));
        assert_true(gr_now() < until);
    }
    reply_with(200, TOKEN(3600));
}

static void descriptor_asked_for_late(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    struct gr_op *op = start("/", LONG);
    EVENTUALLY(server_held(server) == 1); /* the socket is open already */
    assert_false(host(1, 0.05));
    assert_true(wakes < 5);
    server_release(server);
    assert_true(host(1, SOON));
    expect(op, "");
    assert_idle();
}

/* ---- beside blocking callers ---- */

static void blocking_call_between(void **state)
{
    (void)state;
    server_reply_once(server, &(struct reply){.hold = true});
    struct gr_op *op = start("/slow", LONG);
    assert_false(host(1, 0.05));
    for (int i = 0; i < 3; i++) {
        struct gr_request request = request_to("GET", server_url(server));
        assert_string_equal(outcome(gr_op_request(box, &request)), "");
        assert_false(gr_op_wait(op, 0.01));
    }
    assert_false(host(1, 0.05));
    assert_true(wakes < 5);
    server_release(server);
    assert_true(host(1, SOON));
    expect(op, "");
    assert_idle();
}

static void *wait_for(void *op)
{
    return gr_op_wait(op, LONG) ? op : NULL;
}

/* One thread waits and drives; another is a host, which must neither spin meanwhile nor miss what the
 * first has left. */
static void somebody_else_drives(void **state)
{
    pthread_t thread;
    void *done;
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    struct gr_op *awaited = gr_op_sleep(box, 0.15), *op = start("/", LONG);
    assert_int_equal(pthread_create(&thread, NULL, wait_for, awaited), 0);
    pause_for(0.03);
    server_reply(server, &(struct reply){.hold = true, .body = "more"});
    struct gr_op *other = start("/", LONG);
    assert_false(host(1, 0.05));
    assert_true(wakes < 20);
    pthread_join(thread, &done);
    assert_non_null(done);
    EVENTUALLY(server_held(server) == 2);
    assert_false(host(1, 0.02));
    server_release(server);
    assert_true(host(2, SOON));
    expect(awaited, "");
    expect(op, "");
    expect(other, "");
    assert_idle();
}

enum { HOSTS = 4, ROUNDS = SANITIZED ? 50 : 300 };

/* Several hosts with one engine: each sees its own answers, whoever drove. */
static void *run_host(void *arg)
{
    struct gr_mailbox *own = gr_mailbox_new();
    struct pollfd poller = {.fd = gr_mailbox_fd(own), .events = POLLIN};
    struct gr_request request = request_to("GET", server_url(server));
    struct gr_op *op;
    struct gr_event event;
    for (int i = 0; arg && i < ROUNDS; i++) {
        op = i % 5 ? gr_op_request(own, &request) : gr_op_sleep(own, 0.001);
        gr_op_watch(op);
        gr_op_release(op);
        while (gr_mailbox_next(own, &op, &event) == GR_MAIL_NONE && arg) {
            if (poll(&poller, 1, 5000) != 1)
                arg = NULL;
            gr_engine_pump();
        }
        if (arg)
            gr_op_release(op);
    }
    gr_mailbox_release(own);
    return arg;
}

static void several_hosts(void **state)
{
    pthread_t threads[HOSTS];
    void *done;
    (void)state;
    for (int i = 0; i < HOSTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_host, threads), 0);
    for (int i = 0; i < HOSTS; i++) {
        pthread_join(threads[i], &done);
        assert_non_null(done);
    }
    assert_idle();
}

/* ---- fork ---- */

static void run_child(struct gr_op *op)
{
    int fd = gr_mailbox_fd(box);
    bool good = host(1, LONG) && op->done && !*op->error.code && wakes < 50;
    good = good && !host(1, 0.05) && !gr_engine_threaded();
    _exit(good && gr_mailbox_fd(box) == fd ? 0 : 1);
}

/* Somebody waits for a token: both go on by themselves, the child with connections of its own. */
static void both_go_on_after_a_fork(void **state)
{
    (void)state;
    server_reply_once(server, &(struct reply){.hold = true, .body = TOKEN(3600)});
    struct gr_op *op = ask();
    assert_false(host(1, 0.05));
    if (SANITIZED)
        pause_for(0.05);
    pid_t pid = fork();
    if (pid == 0)
        run_child(op);
    assert_int_equal(await_child(pid), 0);
    assert_false(host(1, 0.02));
    assert_true(wakes < 5); /* nothing of the child's */
    server_release(server);
    assert_true(host(1, SOON));
    expect(op, "");
    assert_idle();
}

/* ---- who gets a thread ---- */

static struct gr_handle *open_saying(bool thread, const char *id)
{
    struct gr_options options = options_for(server_url(server));
    options.client_id = id;
    options.thread = thread;
    return open_with(&options);
}

static void thread_is_started_later(void **state)
{
    (void)state;
    server_reply_once(server, &(struct reply){.hold = true});
    struct gr_op *op = start("/", LONG);
    assert_false(host(1, 0.05));
    struct gr_handle *other = open_saying(true, "other");
    assert_false(gr_engine_threaded());
    assert_string_equal(result(ask_of(other)), "token-2");
    assert_true(gr_engine_threaded());
    assert_idle();
    server_release(server);
    assert_true(readable(2000)); /* for the mail: by now it is the thread that does the work */
    assert_true(host(1, SOON));
    assert_int_equal(wakes, 1);
    expect(op, "");
    assert_idle();
    gr_source_close(other, true);
    assert_true(gr_engine_threaded()); /* for as long as it runs */
    gr_engine_shutdown(1);
    op = start("/", LONG);
    assert_false(gr_engine_threaded());
    assert_true(host(1, SOON));
    expect(op, "");
}

static void one_who_wants_a_thread_is_enough(void **state)
{
    (void)state;
    struct gr_handle *without = open_saying(false, "other");
    assert_string_equal(result(ask_of(without)), "token-1");
    assert_true(gr_engine_threaded());
    gr_engine_shutdown(1);
    gr_source_close(handle, true);
    handle = NULL;
    assert_string_equal(result(ask_of(without)), "token-1");
    gr_source_close(without, true);
    assert_false(gr_engine_threaded());
    handle = open_again(); /* nobody is left who wants none */
    assert_string_equal(token(), "token-2");
    assert_true(gr_engine_threaded());
}

#define THREADLESS(name)                         \
    {                                            \
#name, name, begin_threadless, end, NULL \
    }

#define THREADED(name)                         \
    {                                          \
#name, name, begin_threaded, end, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(token_and_request),
        BOTH(many_at_once),
        BOTH(big_answer),
        BOTH(peer_hangs_up),
        BOTH(time_passes),
        BOTH(cancelled),
        BOTH(blocking_call_between),
        BOTH(somebody_else_drives),
        BOTH(several_hosts),
        THREADLESS(renewal),
        THREADLESS(descriptor_asked_for_late),
        THREADLESS(both_go_on_after_a_fork),
        THREADLESS(thread_is_started_later),
        THREADED(name_to_resolve),
        THREADED(one_who_wants_a_thread_is_enough),
    };
    gr_source_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

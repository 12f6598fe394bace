/* engine and op: queues, ends of all kinds, who drives; everything with and without the thread. */
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

#include <cmocka.h>

#include "fixture.h"

enum { API_LIMIT = 64, TOKEN_LIMIT = 32 };

static const char *url_of(const char *path)
{
    static _Thread_local char url[128];
    snprintf(url, sizeof url, "%s%s", server_url(server), path);
    return url;
}

static struct gr_op *start_in(struct gr_mailbox *where, const char *path, double timeout)
{
    struct gr_request request = request_to("GET", url_of(path));
    request.timeout = timeout;
    struct gr_op *op = gr_op_request(where, &request);
    assert_non_null(op);
    gr_op_watch(op);
    return op;
}

static struct gr_op *start(const char *path)
{
    return start_in(box, path, LONG);
}

/* Where there is no thread, something has to be done for it. */
static void await_held(unsigned count)
{
    for (double until = gr_now() + LONG; server_held(server) < count; gr_engine_pump()) {
        server_wait_held(server, count, 0.002);
        assert_true(gr_now() < until);
    }
}

static void fetch_all(struct gr_mailbox *from, unsigned count)
{
    struct gr_op *op;
    struct gr_event event;
    double until = gr_now() + LONG;
    while (count > 0) {
        assert_true(gr_now() < until);
        gr_engine_pump();
        if (gr_mailbox_next(from, &op, &event) == GR_MAIL_NONE) {
            pause_for(0.0005);
            continue;
        }
        assert_string_equal(op->error.code, "");
        gr_op_release(op); /* the mail's */
        gr_op_release(op); /* ours */
        count--;
    }
}

static bool readable(int fd, int milliseconds)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, milliseconds) == 1;
}

/* ---- queues ---- */

static void api_limit_is_kept(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    for (int i = 0; i < 3 * API_LIMIT; i++)
        start("/");
    for (unsigned round = 1; round <= 3; round++) {
        await_held(API_LIMIT);
        linger(0.01);
        assert_int_equal(server_count(server), round * API_LIMIT);
        server_release(server);
    }
    fetch_all(box, 3 * API_LIMIT);
    assert_int_equal(server_most(server), API_LIMIT);
}

static void lanes_take_turns(void **state)
{
    struct gr_mailbox *other = gr_mailbox_new();
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    for (int i = 0; i < 4 * API_LIMIT; i++)
        start("/many");
    await_held(API_LIMIT);
    for (int i = 0; i < 3; i++)
        start_in(other, "/few", LONG);
    assert_int_equal(server_count_path(server, "/few"), 0);
    server_release(server);
    await_held(API_LIMIT);
    assert_int_equal(server_count_path(server, "/few"), 3);
    server_reply(server, &(struct reply){0});
    server_release(server);
    fetch_all(box, 4 * API_LIMIT);
    fetch_all(other, 3);
    gr_mailbox_release(other);
}

static void token_limit_is_kept(void **state)
{
    struct gr_handle *handles[TOKEN_LIMIT + 8];
    struct gr_op *ops[COUNT(handles)];
    struct gr_error error;
    char id[16];
    (void)state;
    server_reply(server, &(struct reply){.hold = true, .body = "{\"access_token\":\"token-@\"}"});
    for (size_t i = 0; i < COUNT(handles); i++) {
        struct gr_options options = options_for(server_url(server));
        snprintf(id, sizeof id, "id-%zu", i);
        options.client_id = id;
        handles[i] = gr_source_open(&options, &error);
        ops[i] = gr_source_acquire(handles[i], box, LONG, false);
    }
    await_held(TOKEN_LIMIT);
    gr_op_watch(start("/api")); /* another class, another limit */
    await_held(TOKEN_LIMIT + 1);
    linger(0.01);
    assert_int_equal(server_count(server), TOKEN_LIMIT + 1);
    server_reply(server, &(struct reply){.body = "{\"access_token\":\"token-@\"}"});
    server_release(server);
    for (size_t i = 0; i < COUNT(handles); i++) {
        assert_string_equal(outcome(ops[i]), "");
        gr_source_close(handles[i], true);
    }
    fetch_all(box, 1);
}

static void cancelled_while_queued(void **state)
{
    struct gr_op *running[API_LIMIT], *queued[10];
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    for (size_t i = 0; i < COUNT(running); i++)
        running[i] = start("/running");
    for (size_t i = 0; i < COUNT(queued); i++)
        queued[i] = start("/queued");
    await_held(API_LIMIT);
    for (size_t i = 0; i < COUNT(queued); i++) {
        if (i != 4)
            assert_true(gr_op_cancel(queued[i]));
        assert_int_equal(gr_op_done(queued[i]), i != 4);
    }
    server_reply(server, &(struct reply){0});
    server_release(server);
    for (size_t i = 0; i < COUNT(running); i++)
        assert_string_equal(outcome(running[i]), "");
    for (size_t i = 0; i < COUNT(queued); i++)
        assert_string_equal(outcome(queued[i]), i == 4 ? "" : "cancelled");
    assert_int_equal(server_count_path(server, "/queued"), 1);
}

static void cancelled_while_running(void **state)
{
    struct gr_op *ops[20];
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    for (size_t i = 0; i < COUNT(ops); i++)
        ops[i] = start("/");
    await_held(COUNT(ops));
    for (size_t i = 0; i < COUNT(ops); i += 2) {
        assert_true(gr_op_cancel(ops[i]));
        assert_false(gr_op_cancel(ops[i]));
    }
    server_reply(server, &(struct reply){0});
    server_release(server);
    for (size_t i = 0; i < COUNT(ops); i++)
        assert_string_equal(outcome(ops[i]), i % 2 ? "" : "cancelled");
    assert_string_equal(outcome(start("/")), "");
}

/* ---- ends ---- */

static void deadline_while_running(void **state)
{
    double began = gr_now();
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    struct gr_op *op = start_in(box, "/", 0.05);
    assert_true(gr_op_wait(op, INFINITY));
    assert_int_equal(op->error.kind, GR_E_TIMEOUT);
    assert_string_equal(outcome(op), "timeout");
    assert_true(gr_now() - began >= 0.05);
    assert_true(gr_now() - began < 2);
}

static void deadline_while_queued(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    for (int i = 0; i < API_LIMIT; i++)
        start("/");
    await_held(API_LIMIT);
    struct gr_op *late = start_in(box, "/late", 0.03);
    assert_true(gr_op_wait(late, INFINITY));
    assert_string_equal(outcome(late), "timeout");
    server_reply(server, &(struct reply){0});
    server_release(server);
    struct gr_event event;
    struct gr_op *first;
    assert_int_equal(gr_mailbox_next(box, &first, &event), GR_MAIL_OP);
    assert_ptr_equal(first, late);
    gr_op_release(first);
    fetch_all(box, API_LIMIT);
    assert_int_equal(server_count_path(server, "/late"), 0);
}

static void waiting_has_a_limit_of_its_own(void **state)
{
    double began = gr_now();
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    struct gr_op *op = start("/");
    assert_false(gr_op_wait(op, 0));
    assert_false(gr_op_wait(op, 0.03));
    assert_true(gr_now() - began >= 0.03);
    assert_int_equal(op->error.kind, GR_OK);
    await_held(1);
    server_release(server);
    assert_true(gr_op_wait(op, INFINITY));
    assert_true(gr_op_wait(op, 0));
    assert_string_equal(outcome(op), "");
}

static void pauses_end(void **state)
{
    double began = gr_now();
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct gr_op *op = gr_op_sleep(box, 0.01);
        assert_false(gr_op_done(op));
        assert_true(gr_op_wait(op, INFINITY)); /* nothing else would wake the driver */
        assert_int_equal(op->error.kind, GR_OK);
        gr_op_release(op);
    }
    assert_true(gr_now() - began >= 0.05);
    assert_true(gr_now() - began < 2);
    assert_string_equal(outcome(gr_op_sleep(box, 0)), "");
    struct gr_op *op = gr_op_sleep(box, 1000);
    assert_true(gr_op_cancel(op));
    assert_string_equal(outcome(op), "cancelled");
}

static void pauses_end_in_order(void **state)
{
    struct gr_op *ops[50], *op;
    struct gr_event event;
    (void)state;
    for (size_t i = 0; i < COUNT(ops); i++) {
        ops[i] = gr_op_sleep(box, 0.001 * (double)(1 + i * 7 % COUNT(ops)));
        gr_op_watch(ops[i]);
    }
    double last = 0;
    for (size_t i = 0; i < COUNT(ops);) {
        gr_engine_pump();
        if (gr_mailbox_next(box, &op, &event) == GR_MAIL_NONE)
            continue;
        assert_true(op->deadline.at >= last);
        last = op->deadline.at;
        gr_op_release(op);
        gr_op_release(op);
        i++;
    }
}

/* ---- mailboxes ---- */

static void descriptor_tells_of_ends(void **state)
{
    struct gr_event event;
    struct gr_op *op = start("/"), *mail;
    int fd = gr_mailbox_fd(box);
    (void)state;
    assert_int_equal(gr_mailbox_fd(box), fd);
    EVENTUALLY(gr_op_done(op));
    assert_true(readable(fd, 0));
    assert_int_equal(gr_mailbox_next(box, &mail, &event), GR_MAIL_OP);
    assert_ptr_equal(mail, op);
    assert_true(mail->done);
    gr_op_release(mail);
    assert_int_equal(gr_mailbox_next(box, &mail, &event), GR_MAIL_NONE);
    EVENTUALLY(!readable(fd, 0)); /* without the thread a socket may have something to say yet */
    gr_mailbox_wake(box);
    assert_true(readable(fd, 0));
    assert_int_equal(gr_mailbox_next(box, &mail, &event), GR_MAIL_NONE);
    EVENTUALLY(!readable(fd, 0));
    gr_op_release(op);
}

static void mail_arrives_once(void **state)
{
    struct gr_event event;
    struct gr_op *op = start("/"), *mail;
    (void)state;
    gr_op_watch(op);
    assert_true(gr_op_wait(op, LONG));
    gr_op_watch(op);
    assert_int_equal(gr_mailbox_next(box, &mail, &event), GR_MAIL_OP);
    gr_op_release(mail);
    assert_int_equal(gr_mailbox_next(box, &mail, &event), GR_MAIL_NONE);
    gr_op_release(op);

    op = gr_op_sleep(box, 0); /* watched only after its end, before there was a descriptor */
    assert_true(gr_op_wait(op, LONG));
    gr_op_watch(op);
    assert_true(readable(gr_mailbox_fd(box), 0));
    assert_int_equal(gr_mailbox_next(box, &mail, &event), GR_MAIL_OP);
    assert_ptr_equal(mail, op);
    gr_op_release(mail);
    gr_op_release(op);
}

static void mailbox_may_go_first(void **state)
{
    struct gr_mailbox *other = gr_mailbox_new();
    struct gr_op *running, *waiting;
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    running = start_in(other, "/", LONG);
    waiting = gr_op_sleep(other, 0.01);
    gr_op_watch(waiting);
    assert_string_equal(outcome(gr_op_sleep(box, 0.02)), ""); /* one is in the mailbox now */
    await_held(1);
    gr_mailbox_release(other);
    assert_true(gr_op_wait(waiting, LONG));
    gr_op_release(waiting);
    server_release(server);
    assert_string_equal(outcome(running), "");
}

static void op_may_go_first(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    gr_op_release(start("/"));
    await_held(1);
    server_release(server);
    struct gr_op *op;
    struct gr_event event;
    while (gr_mailbox_next(box, &op, &event) == GR_MAIL_NONE)
        linger(0.001);
    assert_string_equal(op->error.code, "");
    gr_op_release(op);
}

/* ---- several callers ---- */

struct waiter {
    pthread_t thread;
    struct gr_mailbox *box;
    struct gr_op *op;
    double seconds;
    bool done;
    double ended;
    const char *code;
};

static void *wait_for_op(void *arg)
{
    struct waiter *w = arg;
    w->done = gr_op_wait(w->op, w->seconds);
    w->ended = gr_now();
    return NULL;
}

static void wait_aside(struct waiter *w, struct gr_op *op, double seconds)
{
    *w = (struct waiter){.op = op, .seconds = seconds};
    assert_int_equal(pthread_create(&w->thread, NULL, wait_for_op, w), 0);
    pause_for(0.02); /* it drives now, or waits for who does */
}

/* A caller that drives for something long has to see to another's short pause. */
static void short_wait_beside_a_long_one(void **state)
{
    struct waiter slow;
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    wait_aside(&slow, start("/"), INFINITY);
    double began = gr_now();
    assert_string_equal(outcome(gr_op_sleep(box, 0.02)), "");
    assert_true(gr_now() - began < 0.9);
    await_held(1);
    began = gr_now();
    server_release(server);
    pthread_join(slow.thread, NULL);
    assert_true(slow.done);
    assert_true(slow.ended - began < 0.9);
    gr_op_release(slow.op);
}

static void long_wait_goes_on_when_the_driver_leaves(void **state)
{
    struct waiter first, second, third;
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    wait_aside(&first, gr_op_sleep(box, 1000), 0.05);
    wait_aside(&second, start("/"), INFINITY);
    wait_aside(&third, gr_op_sleep(box, 0.1), INFINITY);
    double began = gr_now();
    pthread_join(first.thread, NULL);
    assert_false(first.done);
    pthread_join(third.thread, NULL);
    assert_true(third.ended - began < 0.9);
    server_release(server);
    pthread_join(second.thread, NULL);
    assert_true(second.done);
    gr_op_release(first.op);
    gr_op_release(second.op);
    gr_op_release(third.op);
}

static void cancel_reaches_a_caller_that_drives(void **state)
{
    struct waiter pause, request;
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    wait_aside(&pause, gr_op_sleep(box, 1000), INFINITY);
    double began = gr_now();
    assert_true(gr_op_cancel(pause.op));
    pthread_join(pause.thread, NULL);
    assert_true(pause.ended - began < 0.9);
    gr_op_release(pause.op);
    wait_aside(&request, start("/"), INFINITY);
    began = gr_now();
    assert_true(gr_op_cancel(request.op));
    pthread_join(request.thread, NULL);
    assert_true(request.ended - began < 0.9);
    gr_op_release(request.op);
}

enum { CALLERS = 8, CALLS = SANITIZED ? 50 : 250 };

static void *call_often(void *arg)
{
    struct waiter *w = arg;
    unsigned watched = 0, fetched = 0;
    struct gr_op *op;
    struct gr_event event;
    w->box = gr_mailbox_new();
    w->code = "";
    for (unsigned i = 0; i < CALLS; i++) {
        struct gr_request request = request_to("GET", url_of("/"));
        op = i % 7 == 3 ? gr_op_sleep(w->box, 0.001) : gr_op_request(w->box, &request);
        if (i % 3 == 0) {
            gr_op_watch(op);
            gr_op_release(op);
            watched++;
        } else if (*outcome(op)) {
            w->code = "failed";
        }
    }
    for (double until = gr_now() + LONG; fetched < watched && gr_now() < until;) {
        gr_engine_pump();
        if (gr_mailbox_next(w->box, &op, &event) == GR_MAIL_NONE) {
            readable(gr_mailbox_fd(w->box), 1);
            continue;
        }
        fetched++;
        gr_op_release(op);
    }
    w->done = fetched == watched;
    gr_mailbox_release(w->box);
    return NULL;
}

static void many_callers(void **state)
{
    struct waiter waiters[CALLERS] = {0};
    unsigned requests = 0;
    (void)state;
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, call_often, &waiters[i]), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_true(waiters[i].done);
        assert_string_equal(waiters[i].code, "");
    }
    for (unsigned i = 0; i < CALLS; i++)
        requests += i % 7 != 3;
    assert_int_equal(server_count(server), requests * CALLERS);
}

/* ---- shutdown ---- */

static void check_shutdown(double seconds, bool clean)
{
    double began = gr_now();
    assert_int_equal(gr_engine_shutdown(seconds), clean);
    assert_true(gr_now() - began < seconds + 1);
}

static void shutdown_ends_everything(void **state)
{
    struct gr_op *ops[API_LIMIT + 10], *pause;
    (void)state;
    check_shutdown(0, true);
    server_reply(server, &(struct reply){.hold = true});
    for (size_t i = 0; i < COUNT(ops); i++)
        ops[i] = start("/");
    pause = gr_op_sleep(box, 1000);
    await_held(API_LIMIT);
    check_shutdown(0.01, false);
    for (size_t i = 0; i < COUNT(ops); i++)
        assert_string_equal(outcome(ops[i]), "shutdown");
    assert_string_equal(outcome(pause), "shutdown");
    server_reply(server, &(struct reply){0});
    assert_string_equal(outcome(start("/")), ""); /* it starts again */
    check_shutdown(1, true);
    check_shutdown(1, true);
    assert_string_equal(outcome(start("/")), "");
}

static void shutdown_lets_finish_what_can(void **state)
{
    struct gr_op *op;
    (void)state;
    server_reply(server, &(struct reply){.delay = 0.05});
    op = start("/");
    assert_string_equal(outcome(gr_op_sleep(box, 0.02)), "");
    check_shutdown(5, true);
    assert_string_equal(outcome(op), "");
}

static void shutdown_while_callers_wait(void **state)
{
    struct waiter waiters[4];
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    for (size_t i = 0; i < COUNT(waiters); i++)
        wait_aside(&waiters[i], i % 2 ? gr_op_sleep(box, 1000) : start("/"), INFINITY);
    check_shutdown(0.01, false);
    for (size_t i = 0; i < COUNT(waiters); i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_true(waiters[i].done);
        assert_string_equal(outcome(waiters[i].op), "shutdown");
    }
}

static void *shut_down(void *arg)
{
    gr_engine_shutdown(0.01);
    return arg;
}

static void shutdowns_beside_calls(void **state)
{
    pthread_t callers[3], closers[2];
    struct waiter waiters[3] = {0};
    (void)state;
    for (size_t i = 0; i < COUNT(callers); i++)
        pthread_create(&callers[i], NULL, call_often, &waiters[i]);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < COUNT(closers); i++)
            pthread_create(&closers[i], NULL, shut_down, NULL);
        for (size_t i = 0; i < COUNT(closers); i++)
            pthread_join(closers[i], NULL);
        pause_for(0.005);
    }
    for (size_t i = 0; i < COUNT(callers); i++) {
        pthread_join(callers[i], NULL);
        assert_true(waiters[i].done); /* whether answered or cut off, all came to an end */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(api_limit_is_kept),
        BOTH(lanes_take_turns),
        BOTH(token_limit_is_kept),
        BOTH(cancelled_while_queued),
        BOTH(cancelled_while_running),
        BOTH(deadline_while_running),
        BOTH(deadline_while_queued),
        BOTH(waiting_has_a_limit_of_its_own),
        BOTH(pauses_end),
        BOTH(pauses_end_in_order),
        BOTH(descriptor_tells_of_ends),
        BOTH(mail_arrives_once),
        BOTH(mailbox_may_go_first),
        BOTH(op_may_go_first),
        BOTH(short_wait_beside_a_long_one),
        BOTH(long_wait_goes_on_when_the_driver_leaves),
        BOTH(cancel_reaches_a_caller_that_drives),
        BOTH(many_callers),
        BOTH(shutdown_ends_everything),
        BOTH(shutdown_lets_finish_what_can),
        BOTH(shutdown_while_callers_wait),
        BOTH(shutdowns_beside_calls),
    };
    gr_source_init();
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}

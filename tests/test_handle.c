/* source: handles that share one, events, info, the end of the engine. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

/* ---- handles ---- */

static void source_outlives_a_collected_handle(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    gr_source_close(handle, false);
    handle = open_again();
    assert_string_equal(token(), "token-1");
    gr_source_close(handle, true);
    handle = open_again();
    assert_string_equal(peek(), "");
    assert_string_equal(token(), "token-2");
    gr_source_close(handle, false);
    sleep_through(3600);
    linger(0.01);
    handle = open_again();
    assert_string_equal(token(), "token-3");
}

static void unused_source_is_not_renewed(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    gr_source_close(handle, false);
    sleep_through(3500);
    linger(0.02);
    assert_int_equal(server_count(server), 1);
    handle = open_again();
    EVENTUALLY(strcmp(peek(), "token-2") == 0); /* now it is */
}

static void at_most_a_thousand_unused(void **state)
{
    enum { MANY = 1010 };
    struct gr_options options = options_for(server_url(server));
    size_t before = gr_secret_count();
    char id[16];
    (void)state;
    options.client_id = id;
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct gr_handle *other = open_with(&options);
        assert_true(gr_source_adopt(other, "theirs", 6, 1000, 0));
        gr_source_close(other, false);
    }
    assert_int_equal(gr_secret_count(), before + 2 * 1000);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct gr_handle *other = open_with(&options);
        assert_string_equal(peek_of(other), i < MANY - 1000 ? "" : "theirs");
        gr_source_close(other, true);
    }
    assert_int_equal(gr_secret_count(), before);
}

static void unused_sources_end_with_their_tokens(void **state)
{
    struct gr_options options = options_for(server_url(server));
    size_t before = gr_secret_count();
    char id[16];
    (void)state;
    options.client_id = id;
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct gr_handle *other = open_with(&options);
        assert_true(gr_source_adopt(other, "theirs", 6, 10 + i, 0));
        gr_source_close(other, false);
    }
    for (int i = 0; i < 11; i++)
        sleep_through(10);
    assert_int_equal(gr_secret_count(), before);
}

static void close_ends_only_that_handles_waits(void **state)
{
    struct gr_handle *other = open_again();
    struct gr_op *closed[3], *open[3];
    (void)state;
    server_reply(server, &(struct reply){.hold = true, .body = TOKEN(3600)});
    for (size_t i = 0; i < COUNT(open); i++) {
        closed[i] = ask_of(other);
        open[i] = ask_of(handle);
    }
    EVENTUALLY(server_held(server) == 1);
    gr_source_close(other, true);
    for (size_t i = 0; i < COUNT(closed); i++) {
        assert_true(gr_op_done(closed[i]));
        assert_int_equal(closed[i]->error.kind, GR_E_CANCELLED);
        assert_string_equal(result(closed[i]), "closed");
        assert_false(gr_op_done(open[i]));
    }
    server_release(server);
    for (size_t i = 0; i < COUNT(open); i++)
        assert_string_equal(result(open[i]), "token-1");
    assert_int_equal(server_count(server), 1);
}

static void close_during_an_attempt(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hold = true, .body = TOKEN(3600)});
    struct gr_op *op = ask_of(handle);
    EVENTUALLY(server_held(server) == 1);
    gr_source_close(handle, true);
    assert_string_equal(result(op), "closed");
    handle = open_again(); /* another source by now, though the same to look at */
    op = ask_of(handle);
    EVENTUALLY(server_held(server) == 2);
    server_release(server);
    assert_string_equal(result(op), "token-2");

    op = ask_anew(); /* before the attempt has even begun */
    gr_source_close(handle, true);
    assert_string_equal(result(op), "closed");
    handle = NULL;
    sleep_through(0);
}

static void attempt_outlives_the_last_handle(void **state)
{
    size_t before;
    (void)state;
    gr_source_close(handle, true);
    handle = NULL;
    sleep_through(0);
    before = gr_secret_count();
    handle = open_again();
    reply_with(200, TOKEN(1));
    assert_string_equal(token(), "token-1");
    server_reply(server, &(struct reply){.status = 503, .hold = true});
    gr_op_release(ask_anew());
    EVENTUALLY(server_held(server) == 1);
    gr_source_close(handle, false);
    handle = NULL;
    gr_clock_skip(
        2); /* the token ends while the attempt is under way, or after: it must not stay */
    server_release(server);
    sleep_through(0);
    EVENTUALLY(gr_secret_count() == before);
}

static void identity_and_secret(void **state)
{
    struct gr_options options = options_for(server_url(server));
    struct gr_handle *same = open_with(&options), *others[3];
    (void)state;
    options.client_secret = "secreT";
    others[0] = open_with(&options);
    options.secret_len = 5;
    others[1] = open_with(&options);
    options.client_secret = NULL;
    others[2] = open_with(&options);
    assert_string_equal(token(), "token-1");
    assert_string_equal(peek_of(same), "token-1");
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_string_equal(peek_of(others[i]), "");
        assert_string_not_equal(result(ask_of(others[i])), "token-1");
    }
    assert_int_equal(server_count(server), 4);
    assert_string_equal(peek(), "token-1");
    gr_source_close(same, true); /* not the last one */
    assert_string_equal(peek(), "token-1");
    gr_source_close(handle, true); /* the first of its identity: the others stay findable */
    handle = open_with(&options);
    assert_string_equal(peek(), peek_of(others[2]));
    gr_source_close(others[1], true);
    options = options_for(server_url(server));
    struct gr_handle *anew = open_with(&options);
    assert_string_equal(peek_of(anew), "");
    gr_source_close(anew, true);
    gr_source_close(others[0], true);
    gr_source_close(others[2], true);
}

static void callers_may_look_while_others_close(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct gr_handle *other = open_again();
        const struct gr_hot *hot = gr_source_hot(other);
        gr_source_adopt(other, "theirs", 6, 100, 0);
        uint64_t before = gr_hot_read(hot);
        gr_source_close(handle, i % 2);
        gr_source_close(other, true);
        assert_true(!before || gr_hot_read(hot) != before);
        handle = open_again();
    }
}

/* ---- what is told ---- */

static void check_event(enum gr_event_type type, unsigned dropped)
{
    struct gr_event event;
    struct gr_op *op;
    assert_int_equal(gr_mailbox_next(box, &op, &event), GR_MAIL_EVENT);
    assert_int_equal(event.type, type);
    assert_int_equal(event.dropped, dropped);
    assert_true(event.handle == gr_source_id(handle));
    assert_true(event.time > 1e9);
    bool bad = type == GR_EVENT_RENEW_FAILED || type == GR_EVENT_REFUSED;
    bool good = type == GR_EVENT_RENEWED || type == GR_EVENT_RECOVERED;
    assert_true((event.error.kind != GR_OK) == bad);
    assert_true((event.expires_in > 3500) == good);
}

static void check_no_event(void)
{
    struct gr_event event;
    struct gr_op *op;
    assert_int_equal(gr_mailbox_next(box, &op, &event), GR_MAIL_NONE);
}

static void events(void **state)
{
    (void)state;
    gr_source_subscribe(handle, box);
    gr_source_subscribe(handle, box);
    assert_string_equal(token(), "token-1");
    check_event(GR_EVENT_RENEWED, 0);
    assert_true(invalidate("token-1"));
    check_event(GR_EVENT_INVALIDATED, 0);
    assert_string_equal(token(), "token-2");
    check_event(GR_EVENT_RENEWED, 0);
    reply_with(500, "");
    gr_op_release(ask_anew());
    EVENTUALLY(info().counts.failures == 1);
    check_event(GR_EVENT_RENEW_FAILED, 0);
    reply_with(400, "{\"error\":\"invalid_scope\"}");
    sleep_through(36 * 5);
    EVENTUALLY(info().counts.failures == 2);
    check_event(GR_EVENT_REFUSED, 0);
    reply_with(200, TOKEN(3600));
    sleep_through(61);
    EVENTUALLY(info().counts.renewals == 3);
    check_event(GR_EVENT_RECOVERED, 0);
    check_event(GR_EVENT_RENEWED, 0);
    check_no_event();
}

static void events_that_nobody_fetches(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    gr_source_subscribe(handle, box);
    for (int i = 0; i < 70; i++) {
        assert_true(adopt(i % 2 ? "this" : "that", 100, 0));
        assert_true(invalidate(i % 2 ? "this" : "that"));
    }
    for (int i = 0; i < 64; i++)
        check_event(GR_EVENT_INVALIDATED, i ? 0 : 6);
    check_no_event();
}

static void information(void **state)
{
    (void)state;
    struct gr_info i = info();
    assert_int_equal(i.state, GR_STATE_EMPTY);
    assert_int_equal(i.origin, GR_ORIGIN_NONE);
    assert_false(i.usable);
    assert_true(isnan(i.expires_in));
    assert_true(isnan(i.refresh_in));
    assert_int_equal(i.last_error.kind, GR_OK);
    server_reply(server, &(struct reply){.hold = true, .body = TOKEN(3600)});
    struct gr_op *op = ask_of(handle);
    EVENTUALLY(server_held(server) == 1);
    assert_int_equal(info().state, GR_STATE_RENEWING);
    assert_int_equal(info().counts.waits, 1);
    server_release(server);
    assert_string_equal(result(op), "token-1");
    i = info();
    assert_int_equal(i.state, GR_STATE_READY);
    assert_int_equal(i.origin, GR_ORIGIN_NETWORK);
    assert_true(i.usable);
    assert_true(i.expires_in > 3590 && i.expires_in <= 3600);
    assert_true(i.refresh_in > 170 && i.refresh_in <= 2160);
    assert_true(i.generation > 0);
    assert_int_equal(i.counts.requests, 1);
    assert_int_equal(i.counts.renewals, 1);
    uint64_t generation = i.generation;
    struct gr_secret *copy;
    gr_source_peek(handle, &generation, &copy);
    assert_null(copy); /* the copy at hand is still good */
    assert_true(generation == i.generation);
}

/* ---- the engine ends ---- */

static void shutdown_and_on(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    gr_engine_shutdown(1);
    assert_int_equal(gr_hot_read(gr_source_hot(handle)), 0); /* nobody would take it back in time */
    assert_string_equal(peek(), "token-1");
    server_reply(server, &(struct reply){.hold = true, .body = TOKEN(3600)});
    struct gr_op *op = ask_anew();
    EVENTUALLY(server_held(server) == 1);
    gr_engine_shutdown(0.01);
    assert_string_equal(result(op), "shutdown");
    assert_int_equal(info().counts.failures, 0);
    reply_with(200, TOKEN(3600));
    assert_string_equal(token(), "token-1");
    EVENTUALLY(strcmp(peek(), "token-3") == 0); /* what was cut off is made up for */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(source_outlives_a_collected_handle),
        BOTH(unused_source_is_not_renewed),
        BOTH(at_most_a_thousand_unused),
        BOTH(unused_sources_end_with_their_tokens),
        BOTH(close_ends_only_that_handles_waits),
        BOTH(close_during_an_attempt),
        BOTH(attempt_outlives_the_last_handle),
        BOTH(identity_and_secret),
        BOTH(callers_may_look_while_others_close),
        BOTH(events),
        BOTH(events_that_nobody_fetches),
        BOTH(information),
        BOTH(shutdown_and_on),
    };
    gr_source_init();
    return cmocka_run_group_tests_name("handle", tests, NULL, NULL);
}

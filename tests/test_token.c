/* source: tokens that are refused, given twice, short-lived, or somebody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

/* ---- tokens that the API refuses ---- */

static void invalidation(void **state)
{
    (void)state;
    assert_false(invalidate(""));
    assert_string_equal(token(), "token-1");
    assert_false(invalidate("token-2"));
    assert_false(invalidate("token-"));
    assert_false(invalidate("token-11"));
    assert_string_equal(peek(), "token-1");
    assert_true(invalidate("token-1"));
    assert_false(invalidate("token-1"));
    assert_string_equal(token(), "token-2");
    assert_false(invalidate("token-1")); /* a newer one is not thrown away */
    assert_string_equal(token(), "token-2");
    assert_true(invalidate("token-2")); /* but not again within a second */
    assert_string_equal(peek(), "");
    struct gr_op *op = ask_of(handle);
    linger(0.03);
    assert_false(gr_op_done(op));
    assert_int_equal(server_count(server), 2);
    sleep_through(1);
    assert_string_equal(result(op), "token-3");
    assert_int_equal(info().counts.invalidations, 2);
}

static void renewed_without_being_asked(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    assert_true(invalidate("token-1"));
    EVENTUALLY(server_count(server) == 2);
}

static void same_token_does_not_loop(void **state)
{
    unsigned given = 0;
    (void)state;
    reply_with(200, "{\"access_token\":\"same\",\"expires_in\":100}");
    for (double until = gr_now() + 0.4; gr_now() < until; pause_for(0.001)) {
        gr_engine_pump();
        if (*peek()) {
            assert_true(invalidate("same"));
            given++;
        } else if (!given) {
            assert_string_equal(token(), "same");
        }
    }
    assert_in_range(server_count(server), 2, 3); /* the first, and one renewal a second */
    assert_in_range(given, 1, 2);
}

static void same_token_with_a_short_life_does_not_loop(void **state)
{
    (void)state;
    reply_with(200, "{\"access_token\":\"same\",\"expires_in\":0.4}");
    assert_string_equal(token(), "same");
    linger(0.6);
    assert_in_range(server_count(server), 2, 8);
    assert_int_equal(info().counts.renewals, 1);
}

/* ---- tokens that are not kept ---- */

static void ephemeral_tokens(void **state)
{
    struct gr_op *ops[8];
    (void)state;
    server_reply(server, &(struct reply){.body = TOKEN(0), .hold = true});
    for (size_t i = 0; i < COUNT(ops); i++)
        ops[i] = ask_of(handle);
    EVENTUALLY(server_held(server) == 1);
    server_release(server);
    for (size_t i = 0; i < COUNT(ops); i++)
        assert_string_equal(result(ops[i]), "token-1");
    assert_string_equal(peek(), "");
    assert_int_equal(info().state, GR_STATE_EMPTY);
    reply_with(200, TOKEN(-1));
    ops[0] = ask_of(handle);
    linger(0.03);
    assert_int_equal(server_count(server), 1); /* not before a second is over */
    sleep_through(1);
    assert_string_equal(result(ops[0]), "token-2");
    sleep_through(100);
    linger(0.03);
    assert_int_equal(server_count(server), 2); /* nobody asks */
}

static void ephemeral_token_after_a_failure(void **state)
{
    (void)state;
    reply_with(503, "");
    assert_string_equal(token(), "http_503");
    reply_with(200, TOKEN(0));
    sleep_through(3);
    EVENTUALLY(server_count(server) == 2);
    EVENTUALLY(info().state == GR_STATE_EMPTY);
    reply_with(200, TOKEN(100));
    struct gr_op *op = ask_anew();
    sleep_through(1);
    assert_string_equal(result(op), "token-3");
}

static void lifetimes_of_all_kinds(void **state)
{
    static const struct {
        const char *body;
        double lifetime;
    } rows[] = {
        {"{\"access_token\":\"t\"}", 300},
        {"{\"access_token\":\"t\",\"expires_in\":\"60\"}", 60},
        {"{\"access_token\":\"t\",\"expires_in\":1e7}", 30 * 86400.0},
        {"{\"access_token\":\"t\",\"expires_in\":\"soon\"}", 300},
    };
    char id[8];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gr_options options = options_for(server_url(server));
        snprintf(id, sizeof id, "%zu", i);
        options.client_id = id;
        use(open_with(&options));
        reply_with(200, rows[i].body);
        assert_string_equal(token(), "t");
        assert_true(info().expires_in > rows[i].lifetime - 2);
        assert_true(info().expires_in <= rows[i].lifetime);
    }
}

/* ---- tokens of others ---- */

static void adoption(void **state)
{
    (void)state;
    assert_false(adopt("dead", 100, 100));
    assert_false(adopt("dead", 100, 95)); /* in its last tenth */
    assert_false(adopt("dead", 0, 0));
    assert_string_equal(peek(), "");
    assert_true(adopt("theirs", 100, 10));
    assert_string_equal(token(), "theirs");
    assert_int_equal(info().origin, GR_ORIGIN_ADOPTED);
    assert_true(info().expires_in > 85 && info().expires_in <= 90);
    assert_false(adopt("older", 1000, 11));
    assert_false(adopt("theirs", 100, 10));
    assert_string_equal(token(), "theirs");
    assert_true(adopt("newer", 100, 9));
    assert_string_equal(token(), "newer");
    assert_int_equal(info().counts.adoptions, 2);
    assert_int_equal(server_count(server), 0);
}

static void adoption_serves_those_who_wait(void **state)
{
    struct gr_op *first, *second;
    (void)state;
    server_reply(server, &(struct reply){.hold = true, .body = TOKEN(3600)});
    first = ask_of(handle);
    second = ask_anew();
    EVENTUALLY(server_held(server) == 1);
    assert_true(adopt("theirs", 100, 0));
    assert_string_equal(result(first), "theirs");
    assert_string_equal(result(second), "theirs");
    server_release(server);
    EVENTUALLY(strcmp(peek(), "token-1") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(invalidation),
        BOTH(renewed_without_being_asked),
        BOTH(same_token_does_not_loop),
        BOTH(same_token_with_a_short_life_does_not_loop),
        BOTH(ephemeral_tokens),
        BOTH(ephemeral_token_after_a_failure),
        BOTH(lifetimes_of_all_kinds),
        BOTH(adoption),
        BOTH(adoption_serves_those_who_wait),
    };
    gr_source_init();
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}

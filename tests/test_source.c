/* source: one token and those who want it; everything with and without the engine's thread. */
#include <fcntl.h>
#include <math.h>
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

#include "clock.h"
#include "engine.h"
#include "server.h"
#include "tools.h"

#define TOKEN(lifetime) "{\"access_token\":\"token-@\",\"expires_in\":" #lifetime "}"

/* Waits for it, doing the I/O where there is no thread. */
#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        double until_ = gr_now() + LONG;                                                           \
        while (!(condition)) {                                                                     \
            gr_engine_pump();                                                                      \
            pause_for(0.0005);                                                                     \
            assert_true(gr_now() < until_);                                                        \
        }                                                                                          \
    } while (0)

static struct server *server;
static struct gr_mailbox *box;
static struct gr_handle *handle;
static char secret_file[] = "/tmp/groove-source-XXXXXX";

static struct gr_handle *open_with(const struct gr_options *options)
{
    struct gr_error error;
    struct gr_handle *opened = gr_source_open(options, &error);
    assert_non_null(opened);
    return opened;
}

static struct gr_handle *open_again(void)
{
    struct gr_options options = options_for(server_url(server));
    return open_with(&options);
}

static int begin(void)
{
    server = server_new();
    server_reply(server, &(struct reply){.body = TOKEN(3600)});
    box = gr_mailbox_new();
    handle = open_again();
    return 0;
}

static int begin_threaded(void **state)
{
    (void)state;
    use_thread(true);
    return begin();
}

static int begin_threadless(void **state)
{
    (void)state;
    use_thread(false);
    return begin();
}

static int end(void **state)
{
    (void)state;
    if (handle)
        gr_source_close(handle, true);
    gr_engine_shutdown(0);
    gr_mailbox_release(box);
    server_free(server);
    return (int)gr_secret_count(); /* nothing is left */
}

/* Ends it with the test, in place of the one that each test starts with. */
static void use(struct gr_handle *other)
{
    gr_source_close(handle, true);
    handle = other;
}

static struct gr_op *ask_of(struct gr_handle *of)
{
    struct gr_op *op = gr_source_acquire(of, box, LONG, false);
    assert_non_null(op);
    return op;
}

static struct gr_op *ask_anew(void)
{
    return gr_source_acquire(handle, box, LONG, true);
}

/* The token that the op brings, or the code of its error; releases it. */
static const char *result(struct gr_op *op)
{
    static _Thread_local char text[64];
    if (!gr_op_wait(op, LONG))
        return "running";
    snprintf(text, sizeof text, "%s", op->token ? op->token->bytes : op->error.code);
    gr_op_release(op);
    return text;
}

static const char *token(void)
{
    return result(ask_of(handle));
}

/* The usable token, "" where there is none. */
static const char *peek_of(struct gr_handle *of)
{
    static char text[64];
    uint64_t generation = 0;
    struct gr_secret *found;
    gr_source_peek(of, &generation, &found);
    assert_true(!generation == !found);
    snprintf(text, sizeof text, "%s", found ? found->bytes : "");
    gr_secret_free(found);
    return text;
}

static const char *peek(void)
{
    return peek_of(handle);
}

static struct gr_info info(void)
{
    struct gr_info i;
    gr_source_info(handle, &i);
    return i;
}

static bool invalidate(const char *text)
{
    return gr_source_invalidate(handle, text, strlen(text));
}

static bool adopt(const char *text, double expires_in, double age)
{
    return gr_source_adopt(handle, text, strlen(text), expires_in, age);
}

static void reply_with(int status, const char *body)
{
    server_reply(server, &(struct reply){.status = status, .body = body});
}

/* As a suspend would, until the engine has woken up. */
static void sleep_through(double seconds)
{
    gr_clock_skip(seconds);
    assert_string_equal(result(gr_op_sleep(box, 0)), "");
}

/* A moment for what must not happen. */
static void linger(double seconds)
{
    for (double until = gr_now() + seconds; gr_now() < until; pause_for(0.001))
        gr_engine_pump();
}

/* ---- many callers, one request ---- */

enum { CALLERS = 64 };

struct caller {
    pthread_t thread;
    struct gr_handle *handle;
    char text[64];
};

static pthread_barrier_t start_line;

static void *call_once(void *arg)
{
    struct caller *caller = arg;
    pthread_barrier_wait(&start_line);
    strcpy(caller->text, result(gr_source_acquire(caller->handle, box, LONG, false)));
    return NULL;
}

static void call_from_many_threads(const char *expected)
{
    static struct caller callers[CALLERS];
    pthread_barrier_init(&start_line, NULL, CALLERS);
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].handle = i % 2 ? handle : open_again();
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_once, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_string_equal(callers[i].text, expected);
        if (callers[i].handle != handle)
            gr_source_close(callers[i].handle, false);
    }
    pthread_barrier_destroy(&start_line);
    assert_int_equal(server_count(server), 1);
}

static void one_request_for_all(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.body = TOKEN(3600), .delay = 0.05});
    call_from_many_threads("token-1");
}

static void one_error_for_all(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.status = 503, .delay = 0.05, .headers = "Retry-After: 60\r\n"});
    call_from_many_threads("http_503");
    assert_int_equal(info().counts.failures, 1);
    assert_int_equal(info().counts.requests, 1);
}

static void leaving_does_not_disturb_others(void **state)
{
    struct gr_op *hasty, *cancelled, *patient;
    (void)state;
    server_reply(server, &(struct reply){.body = TOKEN(3600), .hold = true});
    hasty = gr_source_acquire(handle, box, 0.03, false);
    cancelled = ask_of(handle);
    patient = ask_of(handle);
    EVENTUALLY(server_held(server) == 1);
    assert_true(gr_op_cancel(cancelled));
    assert_string_equal(result(cancelled), "cancelled");
    assert_true(gr_op_wait(hasty, INFINITY));
    assert_int_equal(hasty->error.kind, GR_E_TIMEOUT);
    assert_string_equal(result(hasty), "timeout");
    assert_false(gr_op_done(patient));
    server_release(server);
    assert_string_equal(result(patient), "token-1");
    assert_int_equal(server_count(server), 1);
}

static void nobody_left_to_wait(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.body = TOKEN(3600), .hold = true});
    struct gr_op *op = ask_of(handle);
    EVENTUALLY(server_held(server) == 1);
    assert_true(gr_op_cancel(op));
    gr_op_release(op);
    server_release(server);
    EVENTUALLY(strcmp(peek(), "token-1") == 0); /* the attempt goes on all the same */
}

static void forced_calls_share(void **state)
{
    struct gr_op *ops[5];
    (void)state;
    assert_string_equal(token(), "token-1");
    server_reply(server, &(struct reply){.body = TOKEN(3600), .hold = true});
    for (size_t i = 0; i < COUNT(ops); i++)
        ops[i] = ask_anew();
    EVENTUALLY(server_held(server) == 1);
    assert_string_equal(token(), "token-1"); /* who did not force it has one at once */
    server_release(server);
    for (size_t i = 0; i < COUNT(ops); i++)
        assert_string_equal(result(ops[i]), "token-2");
    assert_string_equal(token(), "token-2");
    assert_int_equal(server_count(server), 2);
}

/* A caller that drives the I/O hears of a token that comes another way. */
static void *adopt_later(void *arg)
{
    pause_for(0.03);
    adopt("adopted", 100, 0);
    return arg;
}

static void adopted_token_reaches_a_caller_that_drives(void **state)
{
    pthread_t thread;
    double began = gr_now();
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    struct gr_op *op = ask_of(handle);
    assert_int_equal(pthread_create(&thread, NULL, adopt_later, NULL), 0);
    assert_string_equal(result(op), "adopted");
    assert_true(gr_now() - began < 2);
    pthread_join(thread, NULL);
    server_release(server);
}

static void *close_later(void *arg)
{
    pause_for(0.03);
    gr_source_close(arg, false);
    return NULL;
}

static void close_reaches_a_caller_that_drives(void **state)
{
    pthread_t thread;
    double began = gr_now();
    struct gr_handle *other = open_again();
    (void)state;
    server_reply(server, &(struct reply){.hold = true});
    struct gr_op *op = ask_of(other);
    assert_int_equal(pthread_create(&thread, NULL, close_later, other), 0);
    assert_string_equal(result(op), "closed");
    assert_true(gr_now() - began < 2);
    pthread_join(thread, NULL);
}

/* ---- renewal ---- */

static void renewed_before_it_is_needed(void **state)
{
    unsigned polls = 0;
    (void)state;
    reply_with(200, TOKEN(0.5));
    assert_string_equal(token(), "token-1");
    for (double until = gr_now() + 1.2; gr_now() < until; pause_for(0.001), polls++) {
        gr_engine_pump();
        assert_string_not_equal(peek(), "");
    }
    assert_in_range(server_count(server), 3, 45);
    assert_int_equal(info().counts.waits, 1);
    assert_int_equal(info().counts.failures, 0);
    assert_true(polls > 100);
}

static void only_on_demand(void **state)
{
    struct gr_options options = options_for(server_url(server));
    (void)state;
    options.renew = false;
    use(open_with(&options));
    reply_with(200, TOKEN(1000));
    assert_string_equal(token(), "token-1");
    sleep_through(601);
    linger(0.02);
    assert_int_equal(server_count(server), 1); /* it is due, but nobody asks */
    assert_string_equal(peek(), "token-1");    /* this call need not wait */
    EVENTUALLY(strcmp(peek(), "token-2") == 0);
    assert_int_equal(server_count(server), 2);
    sleep_through(2000);
    linger(0.02);
    assert_string_equal(peek(), "");
    linger(0.02);
    assert_int_equal(server_count(server), 2);
    assert_string_equal(token(), "token-3");
}

static void renewal_of_one_handle_serves_the_other(void **state)
{
    struct gr_options options = options_for(server_url(server));
    (void)state;
    options.renew = false;
    struct gr_handle *other = open_with(&options);
    reply_with(200, TOKEN(1000));
    assert_string_equal(token(), "token-1");
    sleep_through(601);
    EVENTUALLY(strcmp(peek_of(other), "token-2") == 0);
    gr_source_close(handle, false);
    handle = other;
    sleep_through(601);
    linger(0.02);
    assert_int_equal(server_count(server), 2); /* the one that wanted renewal has gone */
}

static void suspend(void **state)
{
    const struct gr_hot *hot = gr_source_hot(handle);
    (void)state;
    assert_string_equal(token(), "token-1");
    peek();
    assert_int_equal(gr_hot_read(hot), gr_engine_threaded() ? info().generation : 0);
    server_reply(server, &(struct reply){.hold = true});
    sleep_through(4000);
    assert_int_equal(gr_hot_read(hot), 0);
    assert_string_equal(peek(), "");
    assert_false(info().usable);
}

static void failure_keeps_the_token(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    reply_with(500, "");
    struct gr_op *op = ask_anew();
    assert_true(gr_op_wait(op, LONG));
    assert_int_equal(op->error.kind, GR_E_TOKEN);
    assert_int_equal(op->error.status, 500);
    assert_true(op->error.retryable);
    assert_true(op->error.retry_after > 0);
    gr_op_release(op);
    assert_string_equal(token(), "token-1");
    assert_int_equal(info().state, GR_STATE_FAILING);
    assert_true(info().usable);
    assert_int_equal(info().last_error.status, 500);
    reply_with(200, TOKEN(3600));
    sleep_through(3600 / 4);
    EVENTUALLY(strcmp(peek(), "token-3") == 0);
    assert_int_equal(info().state, GR_STATE_READY);
    assert_int_equal(info().last_error.kind, GR_OK);
}

static void last_error_between_attempts(void **state)
{
    (void)state;
    server_reply(server, &(struct reply){.status = 503, .headers = "Retry-After: 10\r\n"});
    assert_string_equal(token(), "http_503");
    for (int i = 0; i < 20; i++) {
        struct gr_op *op = i % 2 ? ask_anew() : ask_of(handle);
        assert_true(gr_op_done(op)); /* at once */
        assert_true(op->error.retry_after > 9 && op->error.retry_after <= 10);
        assert_string_equal(result(op), "http_503");
    }
    reply_with(200, TOKEN(3600));
    sleep_through(9.5);
    assert_string_equal(token(), "http_503");
    assert_int_equal(server_count(server), 1);
    sleep_through(0.6);
    assert_string_equal(token(), "token-2");
}

static void nobody_listens(void **state)
{
    struct server *gone = server_new();
    char url[64];
    (void)state;
    strcpy(url, server_url(gone));
    server_free(gone);
    struct gr_options options = options_for(url);
    use(open_with(&options));
    struct gr_op *op = ask_of(handle);
    assert_true(gr_op_wait(op, LONG));
    assert_int_equal(op->error.kind, GR_E_TRANSPORT);
    assert_true(op->error.retry_after > 0);
    assert_string_equal(result(op), "connect_failed");
}

static void attempt_has_a_deadline(void **state)
{
    struct gr_options options = options_for(server_url(server));
    (void)state;
    options.client_id = "hasty";
    options.timeout = 0.05;
    use(open_with(&options));
    server_reply_once(server, &(struct reply){.hold = true});
    struct gr_op *op = ask_of(handle);
    assert_true(gr_op_wait(op, LONG));
    assert_int_equal(op->error.kind, GR_E_TIMEOUT);
    assert_true(op->error.retry_after > 0); /* the attempt's, not the caller's */
    gr_op_release(op);
    sleep_through(3);
    assert_string_equal(token(), "token-2");
}

static void refusal(void **state)
{
    (void)state;
    reply_with(401, "{\"error\":\"invalid_client\"}");
    assert_string_equal(token(), "invalid_client");
    struct gr_op *op = ask_of(handle);
    assert_true(gr_op_done(op));
    assert_true(op->error.retry_after > 50);
    assert_string_equal(result(op), "invalid_client");
    assert_int_equal(info().state, GR_STATE_REFUSED);
    assert_int_equal(info().counts.refusals, 1);
    assert_int_equal(server_count(server), 1);
    sleep_through(30);
    assert_string_equal(token(), "invalid_client");
    assert_int_equal(server_count(server), 1);
    reply_with(200, TOKEN(3600));
    sleep_through(31);
    assert_string_equal(token(), "token-2"); /* a probe after a minute */
}

static void refusal_keeps_the_token(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    reply_with(400, "{\"error\":\"unauthorized_client\"}");
    assert_string_equal(result(ask_anew()), "unauthorized_client");
    assert_string_equal(token(), "token-1");
    sleep_through(3600);
    assert_string_equal(token(), "unauthorized_client");
}

/* ---- the secret file ---- */

static void write_secret(const char *text)
{
    int fd = open(secret_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void use_secret_file(void)
{
    struct gr_options options = options_for(server_url(server));
    options.client_secret = NULL;
    options.secret_file = secret_file;
    use(open_with(&options));
}

static bool sent_secret(const char *text)
{
    char field[64];
    snprintf(field, sizeof field, "client_secret=%s", text);
    return strstr(server_last(server), field) != NULL;
}

static void changed_secret_is_tried_at_once(void **state)
{
    (void)state;
    write_secret("first");
    use_secret_file();
    reply_with(401, "{\"error\":\"invalid_client\"}");
    assert_string_equal(token(), "invalid_client");
    assert_true(sent_secret("first"));
    assert_string_equal(token(), "invalid_client");
    sleep_through(1.1);
    assert_string_equal(token(), "invalid_client");
    assert_int_equal(server_count(server), 1); /* looked, and found the same file */
    reply_with(200, TOKEN(3600));
    pause_for(0.01); /* the file system's clock is coarse */
    write_secret("second");
    sleep_through(1.1);
    assert_string_equal(token(), "token-2");
    assert_true(sent_secret("second"));
}

static void secret_is_read_at_each_request(void **state)
{
    (void)state;
    write_secret("first\n");
    use_secret_file();
    assert_string_equal(token(), "token-1");
    assert_true(sent_secret("first"));
    write_secret("second\n");
    assert_string_equal(result(ask_anew()), "token-2");
    assert_true(sent_secret("second"));
    unlink(secret_file);
    assert_string_equal(result(ask_anew()), "token-3"); /* the last good value serves */
    assert_true(sent_secret("second"));
}

static void secret_that_cannot_be_read(void **state)
{
    (void)state;
    unlink(secret_file);
    use_secret_file();
    assert_string_equal(token(), "secret_unreadable");
    assert_int_equal(server_count(server), 0);
    assert_int_equal(info().counts.requests, 0);
    write_secret("there");
    sleep_through(3);
    assert_string_equal(token(), "token-1");
    assert_true(sent_secret("there"));
}

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
    struct gr_op *closed, *open;
    (void)state;
    server_reply(server, &(struct reply){.hold = true, .body = TOKEN(3600)});
    closed = ask_of(other);
    open = ask_of(handle);
    EVENTUALLY(server_held(server) == 1);
    gr_source_close(other, true);
    assert_true(gr_op_done(closed));
    assert_int_equal(closed->error.kind, GR_E_CANCELLED);
    assert_string_equal(result(closed), "closed");
    assert_false(gr_op_done(open));
    server_release(server);
    assert_string_equal(result(open), "token-1");
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
    gr_clock_skip(2); /* the token ends while the attempt is under way, or after: it must not stay */
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
    ask_anew();
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

#define BOTH(name)                                                                                 \
    {#name, name, begin_threaded, end, NULL},                                                      \
    {                                                                                              \
        #name " (no thread)", name, begin_threadless, end, NULL                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(one_request_for_all),
        BOTH(one_error_for_all),
        BOTH(leaving_does_not_disturb_others),
        BOTH(nobody_left_to_wait),
        BOTH(forced_calls_share),
        BOTH(adopted_token_reaches_a_caller_that_drives),
        BOTH(close_reaches_a_caller_that_drives),
        BOTH(renewed_before_it_is_needed),
        BOTH(only_on_demand),
        BOTH(renewal_of_one_handle_serves_the_other),
        BOTH(suspend),
        BOTH(failure_keeps_the_token),
        BOTH(last_error_between_attempts),
        BOTH(nobody_listens),
        BOTH(attempt_has_a_deadline),
        BOTH(refusal),
        BOTH(refusal_keeps_the_token),
        BOTH(changed_secret_is_tried_at_once),
        BOTH(secret_is_read_at_each_request),
        BOTH(secret_that_cannot_be_read),
        BOTH(invalidation),
        BOTH(renewed_without_being_asked),
        BOTH(same_token_does_not_loop),
        BOTH(same_token_with_a_short_life_does_not_loop),
        BOTH(ephemeral_tokens),
        BOTH(ephemeral_token_after_a_failure),
        BOTH(lifetimes_of_all_kinds),
        BOTH(adoption),
        BOTH(adoption_serves_those_who_wait),
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
    close(mkstemp(secret_file));
    int failed = cmocka_run_group_tests_name("source", tests, NULL, NULL);
    unlink(secret_file);
    return failed;
}

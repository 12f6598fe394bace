/* source: who asks, when it is renewed, what a failure does; with and without the engine's thread. */
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

#include "fixture.h"

static char secret_file[] = "/tmp/groove-source-XXXXXX";

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
    server_reply(server,
                 &(struct reply){.status = 503, .delay = 0.05, .headers = "Retry-After: 60\r\n"});
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
    for (double until = gr_now() + 0.8; gr_now() < until; pause_for(0.001), polls++) {
        gr_engine_pump();
        assert_string_not_equal(peek(), "");
    }
    assert_in_range(server_count(server), 3, 45);
    assert_int_equal(info().counts.waits, 1);
    assert_int_equal(info().counts.failures, 0);
    assert_true(polls > 50);
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

static struct gr_handle *open_with_secret_file(void)
{
    struct gr_options options = options_for(server_url(server));
    options.client_secret = NULL;
    options.secret_file = secret_file;
    return open_with(&options);
}

static void use_secret_file(void)
{
    use(open_with_secret_file());
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

static void secret_of_a_later_opener(void **state)
{
    (void)state;
    write_secret("first");
    use_secret_file();
    reply_with(401, "{\"error\":\"invalid_client\"}");
    assert_string_equal(token(), "invalid_client");
    reply_with(200, TOKEN(3600));
    write_secret("second");
    struct gr_handle *first = handle;
    handle = open_with_secret_file();
    unlink(secret_file); /* whoever asks may not be allowed to read it */
    sleep_through(1.1);
    assert_string_equal(token(), "token-2"); /* no refusal of the other one stands in the way */
    assert_true(sent_secret("second"));
    gr_source_close(first, false);
}

static void renewed_by_nobody(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    gr_source_renew(handle, GR_RENEWAL_NONE);
    sleep_through(3000);
    assert_string_equal(peek(), "token-1");
    linger(0.02);
    assert_string_equal(peek(), "token-1");
    assert_int_equal(server_count(server), 1);
    sleep_through(600);
    linger(0.02);
    assert_string_equal(peek(), "");
    assert_int_equal(server_count(server), 1);
    assert_string_equal(token(), "token-2"); /* who waits has one asked for */
}

static void renewed_again(void **state)
{
    (void)state;
    assert_string_equal(token(), "token-1");
    gr_source_renew(handle, GR_RENEWAL_NONE);
    sleep_through(3000);
    linger(0.02);
    gr_source_renew(handle, GR_RENEWAL_AHEAD);
    EVENTUALLY(strcmp(peek(), "token-2") == 0);
    gr_source_renew(handle, GR_RENEWAL_ON_DEMAND);
    sleep_through(3000);
    linger(0.02);
    assert_int_equal(server_count(server), 2);
    EVENTUALLY(strcmp(peek(), "token-3") == 0);
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
        BOTH(secret_of_a_later_opener),
        BOTH(renewed_by_nobody),
        BOTH(renewed_again),
    };
    gr_source_init();
    close(mkstemp(secret_file));
    int failed = cmocka_run_group_tests_name("source", tests, NULL, NULL);
    unlink(secret_file);
    return failed;
}

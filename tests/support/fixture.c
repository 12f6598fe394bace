#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "engine.h"

struct server *server;
struct gr_mailbox *box;
struct gr_handle *handle;

struct gr_handle *open_with(const struct gr_options *options)
{
    struct gr_error error;
    struct gr_handle *opened = gr_source_open(options, &error);
    assert_non_null(opened);
    return opened;
}

struct gr_handle *open_again(void)
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

int begin_threaded(void **state)
{
    (void)state;
    use_thread(true);
    return begin();
}

int begin_threadless(void **state)
{
    (void)state;
    use_thread(false);
    return begin();
}

int end(void **state)
{
    (void)state;
    if (handle)
        gr_source_close(handle, true);
    gr_engine_shutdown(0);
    gr_mailbox_release(box);
    server_free(server);
    return (int)gr_secret_count(); /* nothing is left */
}

void use(struct gr_handle *other)
{
    gr_source_close(handle, true);
    handle = other;
}

struct gr_op *ask_of(struct gr_handle *of)
{
    struct gr_op *op = gr_source_acquire(of, box, LONG, false);
    assert_non_null(op);
    return op;
}

struct gr_op *ask_anew(void)
{
    return gr_source_acquire(handle, box, LONG, true);
}

const char *result(struct gr_op *op)
{
    static _Thread_local char text[64];
    if (!gr_op_wait(op, LONG))
        return "running";
    snprintf(text, sizeof text, "%s", op->token ? op->token->bytes : op->error.code);
    gr_op_release(op);
    return text;
}

const char *token(void)
{
    return result(ask_of(handle));
}

const char *peek_of(struct gr_handle *of)
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

const char *peek(void)
{
    return peek_of(handle);
}

struct gr_info info(void)
{
    struct gr_info i;
    gr_source_info(handle, &i);
    return i;
}

bool invalidate(const char *text)
{
    return gr_source_invalidate(handle, text, strlen(text));
}

bool adopt(const char *text, double expires_in, double age)
{
    return gr_source_adopt(handle, text, strlen(text), expires_in, age);
}

void reply_with(int status, const char *body)
{
    server_reply(server, &(struct reply){.status = status, .body = body});
}

void sleep_through(double seconds)
{
    gr_clock_skip(seconds);
    assert_string_equal(result(gr_op_sleep(box, 0)), "");
}

void linger(double seconds)
{
    for (double until = gr_now() + seconds; gr_now() < until; pause_for(0.001))
        gr_engine_pump();
}

#include "lack.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"

struct attempt trying;
bool threaded, in_child;
struct server *tokens, *api;
const struct reply a_token = {.body = "{\"access_token\":\"token-@\",\"expires_in\":\"3600\"}"};

static char last_code[48]; /* of what ended last */

/* ---- what is told of a failure ---- */

static const char *attempted(void)
{
    static char text[192];
    const char *alone = threaded ? "" : " (no thread)";
    if (!trying.count)
        snprintf(text, sizeof text, "%s%s", trying.what ? trying.what : "", alone);
    else
        snprintf(text, sizeof text, "%s%s, %s number %lu%s", trying.what, alone,
                 faults_name(trying.fault), trying.first,
                 trying.count > 1 ? " and all after it" : "");
    return text;
}

void require(bool so, int line, const char *condition)
{
    if (so)
        return;
    if (!in_child)
        fail_msg("%s: not so at line %d: %s (%s)", attempted(), line, condition, last_code);
    printf("# in a child: %s: not so at line %d: %s (%s)\n", attempted(), line, condition,
           last_code);
    fflush(stdout);
    _exit(FAILED);
}

static void on_signal(int number)
{
    char text[256];
    int len = snprintf(text, sizeof text, "# signal %d: %s\n", number, attempted());
    ssize_t ignored = write(STDOUT_FILENO, text, (size_t)len);
    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

void tell_of_signals(void)
{
    const int fatal[] = {SIGALRM, SIGABRT, SIGSEGV, SIGBUS};
    for (size_t i = 0; i < COUNT(fatal); i++)
        signal(fatal[i], on_signal);
}

/* ---- outcomes ---- */

bool is_known(const struct gr_error *error)
{
    static const char *const known[] = {
        "out_of_memory",     "out_of_resources", "transfer_failed", "connect_failed",
        "resolve_failed",    "connect_timeout",  "timeout",         "connection_broken",
        "secret_unreadable", "invalid_response", "cancelled",       "closed",
        "shutdown",          "forked",           "http_503",        "invalid_client",
    };
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(error->code, known[i]) == 0)
            return error->kind != GR_OK && error->kind != GR_E_ARGUMENT;
    return error->kind == GR_OK && error->code[0] == '\0';
}

void check_error(const struct gr_error *error)
{
    memcpy(last_code, error->code, sizeof last_code);
    REQUIRE(is_known(error));
    REQUIRE(trying.brief < LONG || !strstr(error->code, "timeout"));
    REQUIRE(!strstr(error->message, "no token within")); /* forgotten until its own deadline */
    REQUIRE(!strstr(error->message, SECRET) && !strstr(error->message, "token-"));
}

bool ends(struct gr_op *op)
{
    if (!op)
        return false;
    REQUIRE(gr_op_wait(op, LONG));
    check_error(&op->error);
    bool good = op->error.kind == GR_OK;
    gr_op_release(op);
    return good;
}

/* ---- what there is to work with ---- */

struct gr_options options(void)
{
    struct gr_options made = options_for(server_url(tokens));
    made.client_secret = SECRET;
    made.secret_len = strlen(SECRET);
    made.timeout = made.connect_timeout = trying.brief;
    made.thread = threaded;
    return made;
}

void open_as(struct gr_options *made)
{
    struct gr_error error;
    handle = gr_source_open(made, &error);
    if (!handle)
        check_error(&error);
}

struct gr_op *acquire(void)
{
    return handle && box ? gr_source_acquire(handle, box, LONG, false) : NULL;
}

struct gr_op *call(void)
{
    struct gr_request request = request_to("GET", server_url(api));
    request.timeout = request.connect_timeout = trying.brief;
    return box ? gr_op_request(box, &request) : NULL;
}

/* What is under way still has its end; time that is skipped would cut it off. */
static void await_attempt(void)
{
    struct gr_info info;
    double until = gr_now() + LONG;
    for (gr_source_info(handle, &info); info.state == GR_STATE_RENEWING;
         gr_source_info(handle, &info)) {
        gr_engine_pump();
        pause_for(0.0005);
        REQUIRE(gr_now() < until);
    }
}

void recover(void)
{
    struct gr_options made = options();
    if (!box)
        box = gr_mailbox_new();
    if (!handle)
        open_as(&made);
    REQUIRE(box && handle);
    await_attempt();
    gr_clock_skip(LONG_AFTER);
    for (int tries = 1; !ends(acquire()); tries++) { /* brief may be too short on a busy machine */
        REQUIRE(strstr(last_code, "timeout") && tries < 50);
        gr_clock_skip(LONG_AFTER);
    }
    struct gr_request request = request_to("GET", server_url(api));
    REQUIRE(ends(gr_op_request(box, &request)));
    gr_engine_lock();
    REQUIRE(gr_engine_threaded() || !threaded); /* asked for again, where it was denied */
    gr_engine_unlock();
}

/* ---- processes ---- */

#define SANITIZERS __attribute__((visibility("default"))) /* called by their libraries */

/* The leak checker cannot stop the threads of the parent that a child does not have. */
SANITIZERS int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return in_child;
}

/* Nor has the other sanitizer to wait in each child for threads to end. */
SANITIZERS const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}

int run_in_child(int (*body)(void))
{
    fflush(NULL);
    int pid = settled_fork();
    if (pid == 0) {
        in_child = true;
        tell_of_signals();
        alarm(30);
        exit(body());
    }
    assert_true(pid > 0);
    return await_child(pid);
}

void run_both(int (*body)(void))
{
    trying = (struct attempt){0};
    for (int i = 0; i < 2; i++) {
        threaded = i == 0;
        assert_int_equal(run_in_child(body), PASSED);
    }
}

/* ---- around the tests ---- */

void check_totals(enum fault first, enum fault end)
{
    for (unsigned fault = first; fault < end; fault++)
        if (faults_total((enum fault)fault) == 0)
            fail_msg("%s has never failed", faults_name((enum fault)fault));
}

bool tries_all(void)
{
    const char *all = getenv("GROOVE_TEST_ALL");
    return all && *all == '1';
}

int begin_services(void **state)
{
    (void)state;
    tokens = server_new();
    api = server_new();
    server_reply(tokens, &a_token);
    return 0;
}

int end_services(void **state)
{
    (void)state;
    server_free(tokens);
    server_free(api);
    return 0;
}

/* What the core lacks while Lua has all it wants: each of its calls of other libraries fails in turn, below
 * the binding. */
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

#include "faults.h"
#include "host.h"
#include "secret.h"
#include "server.h"
#include "tools.h"

/* GROOVE_TEST_ALL=1: really each. Else so many are left out between two that are tried of one function. */
enum { SOME = SANITIZED ? 61 : 23 };

static struct server *tokens, *api;
static char attempted[128];
static unsigned stride;

static void on_alarm(int number)
{
    (void)number;
    ssize_t ignored = write(STDOUT_FILENO, attempted, strlen(attempted));
    (void)ignored;
    abort();
}

static int begin(void **state)
{
    const char *all = getenv("GROOVE_TEST_ALL");
    (void)state;
    signal(SIGALRM, on_alarm);
    stride = all && *all == '1' ? 1 : SOME;
    tokens = server_new();
    server_reply(tokens,
                 &(struct reply){.body = "{\"access_token\":\"token-@\",\"expires_in\":3600}"});
    api = server_new();
    server_reply(api, &(struct reply){.body = "{\"Name\":\"nobody\"}"});
    return 0;
}

static int end(void **state)
{
    (void)state;
    server_free(tokens);
    server_free(api);
    return 0;
}

static void check_call(lua_State *L, const char *function, long expected)
{
    long result = 0;
    if (!host_call(L, function, 0, &result))
        fail_msg("%s: %s: %s", attempted, function, host_problem());
    assert_int_equal(result, expected);
}

/* Whether anything had to fail. */
static bool try_one(lua_State *L, const char *function, enum fault fault, unsigned long number)
{
    snprintf(attempted, sizeof attempted, "# %s, %s number %lu\n", function, faults_name(fault),
             number);
    alarm(60);
    faults_set(fault, number, 1);
    check_call(L, function, 1);
    bool failed = faults_hit() > 0;
    faults_clear();
    check_call(L, "settle", 0);
    check_call(L, "works", 1);
    gr_engine_shutdown(0);
    alarm(0);
    return failed;
}

static void sweep(lua_State *L, const char *function)
{
    try_one(L, function, FAULT_ANY, (unsigned long)-1);
    long blocks = faults_blocks();
    for (int fault = 0; fault < FAULT_COUNT; fault++)
        for (unsigned long n = 1; try_one(L, function, (enum fault)fault, n); n += stride)
            assert_true(faults_blocks() <= blocks);
}

static void starve(void **state)
{
    struct host_script script = {.file = "tests/host/starve.lua"};
    (void)state;
    script.arguments[0] = server_url(tokens);
    script.arguments[1] = server_url(api);
    lua_State *L = host_open(&script, NULL);
    if (!L)
        fail_msg("%s", host_problem());
    sweep(L, "everything");
    sweep(L, "alone");
    lua_close(L);
    gr_engine_shutdown(0);
    assert_int_equal(gr_secret_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(starve)};
    faults_init();
    return cmocka_run_group_tests_name("starve", tests, begin, end);
}

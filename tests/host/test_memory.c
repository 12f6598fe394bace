/* Memory that fails: each allocation of a state in turn. */
#include <limits.h>
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

#include "host.h"
#include "secret.h"
#include "server.h"
#include "tools.h"

#if SANITIZED && defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define leaks() __lsan_do_recoverable_leak_check()
#else
#define leaks() 0
#endif

/* GROOVE_TEST_ALL=1: really each. Else so many are left out between two that are tried, and another part
 * at each of the ways to fail. */
enum { SOME = SANITIZED ? 97 : 31 };

static unsigned stride;

#define PAGE "{\"Artists\":{\"Items\":[{\"Name\":\"nobody\"}],\"TotalItemCount\":1}}"

static struct server *servers[4];

static volatile unsigned long trying;

/* A lock is held, or somebody waits for what will not come. */
static void on_alarm(int number)
{
    char text[64];
    (void)number;
    int len = snprintf(text, sizeof text, "# hangs after allocation %lu has failed\n", trying);
    ssize_t ignored = write(STDOUT_FILENO, text, (size_t)len);
    (void)ignored;
    abort();
}

static int begin(void **state)
{
    static const struct reply replies[] = {
        {.body = "{\"access_token\":\"token-@\",\"expires_in\":3600}"},
        {.body = PAGE, .headers = "X-One: 1\r\nX-One: 2\r\n"},
        {.status = 401, .body = "{\"error\":\"invalid_client\"}"},
        {.status = 404, .body = "{\"Error\":{\"ErrorCode\":\"CATALOG_NO_RESULT\"}}"},
    };
    const char *all = getenv("GROOVE_TEST_ALL");
    (void)state;
    signal(SIGALRM, on_alarm);
    stride = all && *all == '1' ? 1 : SOME;
    for (size_t i = 0; i < COUNT(servers); i++) {
        servers[i] = server_new();
        server_reply(servers[i], &replies[i]);
    }
    return host_has_allocators() ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(servers); i++)
        server_free(servers[i]);
    return 0;
}

static struct host_script script(void)
{
    struct host_script made = {.file = "tests/host/memory.lua"};
    for (size_t i = 0; i < COUNT(servers); i++)
        made.arguments[i] = server_url(servers[i]);
    return made;
}

static void fail_at(struct host_memory *memory, unsigned long number, unsigned long count)
{
    memory->asked = memory->failed = 0;
    memory->fail_from = trying = number;
    memory->fail_count = count;
    alarm(60);
}

/* Only what is the memory's fault may go wrong. */
static void check_outcome(const struct host_memory *memory, bool done, long result)
{
    if (!done && (!memory->failed || !strstr(host_problem(), "not enough memory")))
        fail_msg("at allocation %lu: %s", memory->fail_from, host_problem());
    if (done)
        assert_int_equal(result, 1);
}

/* Nothing is left of all the states: no token, no secret, and so no source and nobody who waits. */
static void check_remains(void)
{
    struct host_memory memory = {0};
    struct host_script whole = script();
    lua_State *L = host_open(&whole, &memory);
    long result;
    assert_non_null(L);
    assert_true(host_call(L, "everything", 0, &result)); /* ends what lingers, too */
    lua_close(L);
    assert_int_equal(memory.blocks, 0);
    gr_engine_shutdown(0);
    assert_int_equal(gr_secret_count(), 0);
    assert_int_equal(leaks(), 0);
    alarm(0);
}

/* A new state for each; it ends with what has failed. Returns whether anything had to. */
static bool try_new_state(unsigned long number, unsigned long count)
{
    struct host_memory memory = {0};
    struct host_script whole = script();
    long result = 0;
    lua_State *L = host_bare(&memory);
    assert_non_null(L);
    fail_at(&memory, number, count);
    bool done = host_load(L, &whole) && host_call(L, "everything", 0, &result);
    check_outcome(&memory, done, result);
    lua_close(L);
    if (memory.blocks)
        fail_msg("at allocation %lu: %zu blocks are left", number, memory.blocks);
    return memory.failed > 0;
}

static void sweep_new_states(unsigned long count, unsigned offset)
{
    for (unsigned long number = 1 + offset % stride; try_new_state(number, count);)
        number += stride;
    check_remains();
}

/* One state that lives through all of it. */
static bool try_again(lua_State *L, struct host_memory *memory, unsigned long number,
                      unsigned long count)
{
    long result;
    fail_at(memory, number, count);
    bool done = host_call(L, "everything", 0, &result);
    check_outcome(memory, done, result);
    bool failed = memory->failed > 0;
    memory->fail_from = 0;
    assert_true(host_call(L, "settle", 0, NULL));
    return failed;
}

static void sweep_one_state(unsigned long count, unsigned offset)
{
    struct host_memory memory = {0};
    struct host_script whole = script();
    lua_State *L = host_open(&whole, &memory);
    assert_non_null(L);
    for (unsigned long number = 1 + offset % stride; try_again(L, &memory, number, count);)
        number += stride;
    lua_close(L);
    assert_int_equal(memory.blocks, 0);
    check_remains();
}

/* From Lua 5.2 on a failed allocation is tried again after a full collection: that is why once is
 * something else than twice. */
static void new_states_fail_once(void **state)
{
    (void)state;
    sweep_new_states(1, 0);
}

static void new_states_fail_twice(void **state)
{
    (void)state;
    sweep_new_states(2, 11);
}

static void new_states_fail_for_good(void **state)
{
    (void)state;
    sweep_new_states(ULONG_MAX, 22);
}

static void a_state_fails_once(void **state)
{
    (void)state;
    sweep_one_state(1, 0);
}

static void a_state_fails_twice(void **state)
{
    (void)state;
    sweep_one_state(2, 11);
}

static void a_state_fails_until_the_end(void **state)
{
    (void)state;
    sweep_one_state(ULONG_MAX, 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_fails_once),          cmocka_unit_test(a_state_fails_twice),
        cmocka_unit_test(a_state_fails_until_the_end), cmocka_unit_test(new_states_fail_once),
        cmocka_unit_test(new_states_fail_twice),       cmocka_unit_test(new_states_fail_for_good),
    };
    if (!host_has_allocators()) {
        puts("1..0 # SKIP this Lua has no lua_newstate on this system");
        return 0;
    }
    return cmocka_run_group_tests_name("memory", tests, begin, end);
}

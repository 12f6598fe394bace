/* Lua states: many at once, closed at any moment, forked. */
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

#include "host.h"
#include "secret.h"
#include "server.h"
#include "tools.h"

enum { THREADS = 8, STATES = SANITIZED ? 80 : 200, CLOSES = SANITIZED ? 20 : 100 };

#define PAGE "{\"Artists\":{\"Items\":[{\"Name\":\"nobody\"}],\"TotalItemCount\":1}}"

static struct server *tokens, *api, *mute; /* the last one answers when it is told to */

static int begin(void **state)
{
    (void)state;
    tokens = server_new();
    api = server_new();
    mute = server_new();
    server_reply(tokens,
                 &(struct reply){.body = "{\"access_token\":\"token-@\",\"expires_in\":3600}"});
    server_reply(api, &(struct reply){.body = PAGE});
    server_reply(mute, &(struct reply){.body = PAGE, .hold = true});
    return 0;
}

static int servers_end(void **state)
{
    (void)state;
    server_free(tokens);
    server_free(api);
    server_free(mute);
    return 0;
}

static int end(void **state)
{
    gr_engine_shutdown(0);
    return servers_end(state);
}

static lua_State *open_state(struct host_memory *memory)
{
    struct host_script script = {
        .file = "tests/host/states.lua",
        .arguments = {server_url(tokens), server_url(api), server_url(mute)},
    };
    return host_open(&script, memory);
}

static lua_State *must_open(void)
{
    lua_State *L = open_state(NULL);
    if (!L)
        fail_msg("%s", host_problem());
    return L;
}

static long call(lua_State *L, const char *function, long argument)
{
    long result;
    if (!host_call(L, function, argument, &result))
        fail_msg("%s: %s", function, host_problem());
    return result;
}

/* ---- many states ---- */

/* In a thread nothing may be asserted. */
struct worker {
    pthread_t thread;
    int number;
    char problem[600];
};

static bool perform(struct worker *worker, lua_State *L, const char *function, long argument)
{
    long result = 0;
    if (host_call(L, function, argument, &result) &&
        (strcmp(function, "token") != 0 || result == 1))
        return true;
    snprintf(worker->problem, sizeof worker->problem, "%s(%ld) gave %ld: %s", function, argument,
             result, host_problem());
    return false;
}

static bool use_state(struct worker *worker, int number)
{
    struct host_memory memory = {0};
    /* half of them: LuaJIT compiles in the others */
    lua_State *L = open_state(number % 2 && host_has_allocators() ? &memory : NULL);
    if (!L) {
        snprintf(worker->problem, sizeof worker->problem, "open: %s", host_problem());
        return false;
    }
    bool good = perform(worker, L, "token", 0) && perform(worker, L, "search", 0) &&
                (number % 5 || perform(worker, L, "sandbox", 0)) &&
                (number % 3 || perform(worker, L, "event", 0)) &&
                (number % 2 || perform(worker, L, "leave", 4)) &&
                (number % 4 || perform(worker, L, "collect", 2)) && perform(worker, L, "token", 0);
    lua_close(L);
    if (good && memory.blocks)
        snprintf(worker->problem, sizeof worker->problem, "%zu blocks are left", memory.blocks);
    return good && !memory.blocks;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    for (int number = worker->number; number < STATES; number += THREADS)
        if (!use_state(worker, number))
            break;
    return NULL;
}

static void two_hundred_states_in_eight_threads(void **state)
{
    struct worker workers[THREADS];
    (void)state;
    lua_State *L = must_open(); /* keeps the source they share */
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.number = i};
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_string_equal(workers[i].problem, "");
    assert_int_equal(call(L, "token", 0), 1);
    lua_close(L);
    assert_int_equal(server_count_path(tokens, "/shared"), 1);
    assert_int_equal(server_count(api), STATES * 4);
}

/* ---- the end of a state, and of its clients ---- */

static void close_during_transfers(void **state)
{
    (void)state;
    for (int i = 0; i < CLOSES; i++) {
        lua_State *L = must_open();
        call(L, "leave", 8);
        if (i % 3 == 0)
            assert_true(server_wait_held(mute, 8, LONG));
        else
            pause_for(i * 1e-5);
        lua_close(L);
        server_release(mute);
    }
    lua_State *L = must_open();
    call(L, "token", 0);
    call(L, "search", 0);
    lua_close(L);
}

static void clients_collected_during_transfers(void **state)
{
    (void)state;
    lua_State *L = must_open();
    call(L, "collect", 5);
    assert_true(server_wait_held(mute, 5, LONG));
    server_release(mute);
    assert_int_equal(call(L, "collected", 5), 1);
    lua_close(L);
}

/* ---- forks ---- */

/* The check that failed is the child's exit status: nothing may be asserted there. */
#define CHILD(condition)               \
    do {                               \
        if (!(condition))              \
            _exit(__LINE__ % 200 + 1); \
    } while (0)

static bool gives(lua_State *L, const char *function, long expected)
{
    long result;
    return host_call(L, function, 0, &result) && result == expected;
}

/* A sanitizer's allocator stays locked in a child where another thread was in it: the server's threads
 * are given time to end. */
static pid_t fork_quietly(void)
{
    if (SANITIZED)
        pause_for(0.05);
    pid_t pid = fork();
    if (pid == 0)
        alarm(30);
    return pid;
}

static void *start_library(void *arg)
{
    gr_source_init();
    return arg;
}

/* A process that has not used the library, in which one thread forks while another begins to. */
static void fork_while_it_starts(int moment)
{
    pthread_t thread;
    CHILD(pthread_create(&thread, NULL, start_library, NULL) == 0);
    pause_for(moment * 5e-5);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10);
        lua_State *L = open_state(NULL);
        CHILD(L && host_call(L, "token", 0, NULL));
        _exit(0);
    }
    CHILD(pthread_join(thread, NULL) == 0);
    CHILD(await_child(pid) == 0);
    _exit(0);
}

static void forks_while_it_starts(void **state)
{
    (void)state;
    if (SANITIZED) /* their allocators stay locked in such a child */
        skip();
    for (int moment = 0; moment < 60; moment++) {
        pid_t pid = fork();
        if (pid == 0)
            fork_while_it_starts(moment);
        assert_int_equal(await_child(pid), 0);
    }
}

static void fork_before_the_request(void **state)
{
    (void)state;
    lua_State *L = must_open();
    pid_t pid = fork_quietly();
    if (pid == 0) {
        CHILD(gives(L, "token", 1));
        CHILD(gives(L, "token", 1));
        CHILD(gives(L, "origin", 0));
        CHILD(host_call(L, "search", 0, NULL));
        lua_close(L);
        _exit(0);
    }
    assert_int_equal(await_child(pid), 0);
    assert_int_equal(call(L, "token", 0), 2);
    call(L, "search", 0);
    assert_int_equal(call(L, "token", 0), 2);
    lua_close(L);
    assert_int_equal(server_count(tokens), 2);
    assert_int_equal(server_connections(tokens), 2);
}

static void fork_during_the_request(void **state)
{
    (void)state;
    lua_State *L = must_open();
    server_reply_once(tokens,
                      &(struct reply){.body = "{\"access_token\":\"token-@\",\"expires_in\":3600}",
                                      .hold = true});
    call(L, "begin", 0);
    assert_true(server_wait_held(tokens, 1, LONG));
    pid_t pid = fork_quietly();
    if (pid == 0) {
        CHILD(gives(L, "finish", 2));
        CHILD(host_call(L, "search", 0, NULL));
        lua_close(L);
        _exit(0);
    }
    assert_int_equal(await_child(pid), 0);
    server_release(tokens);
    assert_int_equal(call(L, "finish", 0), 1);
    lua_close(L);
    assert_int_equal(server_count(tokens), 3); /* and that of the child's search */
    assert_int_equal(server_connections(tokens), 3);
}

/* An API's connections are kept: the child must not use those of its parent, nor end them. */
static void fork_after_the_request(void **state)
{
    (void)state;
    lua_State *L = must_open();
    assert_int_equal(call(L, "token", 0), 1);
    call(L, "ask", 0);
    assert_int_equal(server_connections(api), 1);
    pid_t pid = fork_quietly();
    if (pid == 0) {
        CHILD(gives(L, "token", 1));
        CHILD(gives(L, "origin", 1));
        CHILD(host_call(L, "ask", 0, NULL));
        CHILD(host_call(L, "ask", 0, NULL));
        CHILD(gives(L, "renew", 2));
        CHILD(gives(L, "origin", 0));
        _exit(0);
    }
    assert_int_equal(await_child(pid), 0);
    assert_int_equal(call(L, "token", 0), 1); /* the child's renewal is its own */
    call(L, "ask", 0);
    assert_int_equal(server_connections(api), 2);
    assert_int_equal(call(L, "renew", 0), 3);
    lua_close(L);
    assert_int_equal(server_connections(tokens), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forks_while_it_starts, begin, servers_end),
        cmocka_unit_test_setup_teardown(two_hundred_states_in_eight_threads, begin, end),
        cmocka_unit_test_setup_teardown(close_during_transfers, begin, end),
        cmocka_unit_test_setup_teardown(clients_collected_during_transfers, begin, end),
        cmocka_unit_test_setup_teardown(fork_before_the_request, begin, end),
        cmocka_unit_test_setup_teardown(fork_during_the_request, begin, end),
        cmocka_unit_test_setup_teardown(fork_after_the_request, begin, end),
    };
    return cmocka_run_group_tests_name("states", tests, NULL, NULL);
}

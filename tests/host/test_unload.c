/* The module as a shared object: loaded, unloaded, and in use when it is. Nothing of groove is linked in. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "sanitized.h"

#define MODULE MODULES "/groove/core.so"

enum { THREADS = 8, ROUNDS = SANITIZED ? 5 : 25 };

/* ThreadSanitizer does not see the lock under which the system unloads libraries. */
#if defined(__SANITIZE_THREAD__)
#define UNLOAD_IN_PARALLEL false
#else
#define UNLOAD_IN_PARALLEL true
#endif

/* ---- who registers what ---- */

/* The linker finds these before the C library's. Counted is what lies in the module. */
static unsigned handlers;

#if !SANITIZED /* they have their own */
static void count_handler(void *handler)
{
    Dl_info info;
    if (handler && dladdr(handler, &info) && strstr(info.dli_fname, "groove/core.so"))
        __atomic_fetch_add(&handlers, 1, __ATOMIC_RELAXED);
}

union function {
    void *pointer;
    void (*handler)(void);
    void (*exit_handler)(void *);
    int (*atfork)(void (*)(void), void (*)(void), void (*)(void), void *);
    int (*atexit)(void (*)(void *), void *, void *);
};

#define SEEN __attribute__((visibility("default")))

SEEN int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
                           void *dso);
SEEN int __cxa_atexit(void (*handler)(void *), void *arg, void *dso);

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso)
{
    union function next = {dlsym(RTLD_NEXT, "__register_atfork")};
    count_handler(((union function){.handler = prepare}).pointer);
    return next.atfork(prepare, parent, child, dso);
}

int __cxa_atexit(void (*handler)(void *), void *arg, void *dso)
{
    union function next = {dlsym(RTLD_NEXT, "__cxa_atexit")};
    count_handler(((union function){.exit_handler = handler}).pointer);
    return next.atexit(handler, arg, dso);
}
#endif

static bool is_loaded(void)
{
    void *library = dlopen(MODULE, RTLD_NOW | RTLD_NOLOAD);
    if (library)
        dlclose(library);
    return library != NULL;
}

/* ---- states ---- */

/* A service that never answers: the system accepts for it. */
static int listener;
static char url[64];

static void listen_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        abort();
    snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(address.sin_port));
}

#define LOAD                                                                        \
    "package.path = 'lua/?.lua;lua/?/init.lua' package.cpath = '" MODULES "/?.so' " \
    "groove = require('groove') "

#define USE                                                               \
    LOAD "local core, url = require('groove.core'), ... "                 \
         "source = groove.token_source({ token_url = url }) "             \
         "waits = { source.async:token(), core.request({ url = url }) } " \
         "assert(not waits[1]:done()) core.sleep(0.001):wait()"

static bool run(lua_State *L, const char *text, char *problem, size_t size)
{
    luaL_openlibs(L);
    bool done = luaL_loadstring(L, text) == 0;
    lua_pushstring(L, url);
    done = done && lua_pcall(L, 1, 0, 0) == 0;
    if (!done)
        snprintf(problem, size, "%s", lua_tostring(L, -1));
    return done;
}

static lua_State *state_with(const char *text)
{
    char problem[300] = "";
    lua_State *L = luaL_newstate();
    if (!run(L, text, problem, sizeof problem))
        fail_msg("%s", problem);
    return L;
}

/* ---- threads ---- */

struct worker {
    pthread_t thread;
    const char *text;
    char problem[300];
};

static void *open_and_close(void *arg)
{
    struct worker *worker = arg;
    for (int i = 0; i < ROUNDS && !*worker->problem; i++) {
        lua_State *L = luaL_newstate();
        run(L, worker->text, worker->problem, sizeof worker->problem);
        lua_close(L);
    }
    return NULL;
}

/* Every other thread runs the one text. */
static void in_parallel(const char *one, const char *other)
{
    struct worker workers[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        workers[i].text = i % 2 ? one : other;
        pthread_create(&workers[i].thread, NULL, open_and_close, &workers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_string_equal(workers[i].problem, "");
}

/* ---- tests: in this order, as what is used once stays ---- */

static void await(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void leave_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        exit(7); /* with the exit handlers */
    await(pid);
}

static void what_is_not_used_is_unloaded(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        lua_State *L = state_with(LOAD);
        assert_true(is_loaded());
        lua_close(L);
        assert_false(is_loaded());
    }
    assert_int_equal(handlers, 0);
    leave_child();
}

static void a_library_is_closed_by_hand(void **state)
{
    (void)state;
    void *library = dlopen(MODULE, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    assert_non_null(dlsym(library, "luaopen_groove_core"));
    dlclose(library);
    assert_false(is_loaded());
    assert_int_equal(handlers, 0);
}

static void in_parallel_without_use(void **state)
{
    (void)state;
    if (!UNLOAD_IN_PARALLEL)
        skip();
    in_parallel(LOAD, LOAD);
    assert_false(is_loaded());
    assert_int_equal(handlers, 0);
    leave_child();
}

/* Some use it for the first time while others unload it. */
static void what_is_used_stays(void **state)
{
    (void)state;
    if (!UNLOAD_IN_PARALLEL)
        lua_close(state_with(USE));
    in_parallel(LOAD, USE);
    assert_true(is_loaded());
    assert_int_equal(handlers, SANITIZED ? 0 : 2); /* one for forks, one for the exit */
}

static void one_after_another(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        lua_State *L = state_with(i % 2 ? USE : LOAD);
        lua_close(L);
        assert_true(is_loaded());
    }
    assert_int_equal(handlers, SANITIZED ? 0 : 2);
    leave_child();
}

static void use_elsewhere(void)
{
    char folder[1024];
    lua_State *L = state_with(LOAD);
    bool good = getcwd(folder, sizeof folder) && chdir("/") == 0;
    lua_getglobal(L, "groove");
    lua_getfield(L, -1, "fd");
    good = good && lua_pcall(L, 0, 1, 0) == 0;
    lua_close(L);
    good = good && chdir(folder) == 0 && is_loaded();
    _exit(good ? 7 : 1);
}

/* The path of the module no longer leads to it: it must be the one in memory that is kept. */
static void used_after_a_change_of_folder(void **state)
{
    pid_t pid = fork();
    (void)state;
    if (pid == 0)
        use_elsewhere();
    await(pid);
}

static void exits_while_it_is_in_use(void **state)
{
    (void)state;
    lua_State *L = state_with(USE);
    leave_child();
    lua_close(L);
    leave_child();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_used_is_unloaded),
        cmocka_unit_test(a_library_is_closed_by_hand),
        cmocka_unit_test(in_parallel_without_use),
        cmocka_unit_test(used_after_a_change_of_folder),
        cmocka_unit_test(what_is_used_stays),
        cmocka_unit_test(one_after_another),
        cmocka_unit_test(exits_while_it_is_in_use),
    };
    listen_somewhere();
    return cmocka_run_group_tests_name("unload", tests, NULL, NULL);
}

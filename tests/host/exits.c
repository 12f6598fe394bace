/* The end of a process with transfers under way: by os.exit, by lua_close, by a signal, and by exit() with a
 * handler of the host's that waits for them. Each is a program of its own, started anew.
 * usage: exits COUNT [tls]: so many of each, with a sandbox's TLS */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "server.h"
#include "tools.h"

extern char **environ;

enum { STATUS = 42, UNFINISHED = 3, WRONG = 4, AT_ONCE = 4, HANGS_AFTER_S = 60 };

enum kind { EXIT, CLOSE, SIGNAL, HANDLER, KINDS };

static const char *const kind_names[KINDS] = {"os.exit", "lua_close", "a signal", "a handler"};

#define SCRIPT "tests/host/exits.lua"

/* ---- the child: exits child KIND SEED TOKEN_URL API_URL [CA_FILE] ---- */

static long call(lua_State *L, const char *function, long argument)
{
    long result;
    if (host_call(L, function, argument, &result))
        return result;
    fprintf(stderr, "# %s: %s\n", function, host_problem());
    _exit(WRONG);
}

/* Any moment: during the token's request and its handshake, or during the others. */
static void go_on_for_a_while(lua_State *L, uint64_t *random)
{
    bool early = random_bits(random) % 4 == 0;
    while (!early && !call(L, "ready", 0))
        pause_for(0.0002);
    for (uint64_t left = random_bits(random) % 16; left > 0; left--) {
        call(L, "dispatch", 0);
        pause_for(0.0002);
    }
}

/* While the main thread waits, and so may do the I/O itself. */
static void be_killed_while_waiting(lua_State *L, uint64_t *random)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
    struct itimerspec when = {.it_value.tv_nsec = 1 + (long)(random_bits(random) % 4000000)};
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &when, NULL) != 0)
        _exit(WRONG);
    call(L, "wait", 0);
}

static lua_State *waits_at_exit;

/* Registered before groove's own, and so run after it. */
static void wait_at_exit(void)
{
    if (waits_at_exit && !call(waits_at_exit, "finish", 0))
        _exit(WRONG);
}

static int run_child(enum kind kind, uint64_t seed, char **arguments)
{
    struct host_script script = {.file = SCRIPT,
                                 .arguments = {arguments[0], arguments[1], arguments[2]}};
    uint64_t random = seed;
    alarm(HANGS_AFTER_S);
    atexit(wait_at_exit);
    lua_State *L = host_open(&script, NULL);
    if (!L) {
        fprintf(stderr, "# %s\n", host_problem());
        return WRONG;
    }
    call(L, "begin", 0);
    go_on_for_a_while(L, &random);
    bool other_way = random_bits(&random) % 2;
    if (kind == SIGNAL && other_way)
        be_killed_while_waiting(L, &random);
    if (!call(L, "running", 0))
        return UNFINISHED;
    if (kind == SIGNAL)
        kill(getpid(), SIGTERM);
    if (kind == HANDLER) {
        waits_at_exit = L;
        exit(STATUS);
    }
    if (kind == EXIT)
        call(L, other_way ? "exit_closing" : "exit", STATUS);
    lua_close(L);
    return STATUS;
}

/* ---- the parent ---- */

static char *child_arguments[4]; /* TOKEN_URL API_URL [CA_FILE] */

static pid_t start_child(const char *self, enum kind kind, unsigned number)
{
    char which[12], seed[12];
    char *argv[] = {
        (char *)self,       "child", which, seed, child_arguments[0], child_arguments[1],
        child_arguments[2], NULL};
    pid_t pid;
    snprintf(which, sizeof which, "%d", (int)kind);
    snprintf(seed, sizeof seed, "%u", number);
    return posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0 ? pid : -1;
}

static bool ended_well(pid_t pid, enum kind kind, unsigned number)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    bool good = kind == SIGNAL ? WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM
                               : WIFEXITED(status) && WEXITSTATUS(status) == STATUS;
    if (!good)
        printf("# %s, seed %u: %s %d\n", kind_names[kind], number,
               WIFSIGNALED(status) ? "ended by signal" : "ended with status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return good;
}

static unsigned run_all(const char *self, enum kind kind, unsigned count)
{
    unsigned bad = 0;
    for (unsigned number = 0; number < count; number += AT_ONCE) {
        pid_t pids[AT_ONCE];
        unsigned some = count - number < AT_ONCE ? count - number : AT_ONCE;
        for (unsigned i = 0; i < some; i++)
            pids[i] = start_child(self, kind, number + i);
        for (unsigned i = 0; i < some; i++)
            bad += !ended_well(pids[i], kind, number + i);
    }
    return bad;
}

static int report(const char *self, unsigned count, const char *how)
{
    unsigned all = 0;
    printf("1..%d\n", KINDS);
    for (int kind = 0; kind < KINDS; kind++) {
        unsigned bad = run_all(self, (enum kind)kind, count);
        printf("%sok %d - %u times %s during transfers%s\n", bad ? "not " : "", kind + 1, count,
               kind_names[kind], how);
        fflush(stdout);
        all += bad;
    }
    return all > 0;
}

static int report_plain(const char *self, unsigned count)
{
    static char long_body[64 * 1024 + 1];
    struct server *tokens = server_new(), *api = server_new();
    memset(long_body, 'x', sizeof long_body - 1);
    server_reply(tokens,
                 &(struct reply){.body = "{\"access_token\":\"token-@\",\"expires_in\":3600}"});
    server_reply(api, &(struct reply){.body = long_body, .endless = true});
    setenv("EXITS_ID", "exits", 1);
    setenv("EXITS_SECRET", "exits' own", 1);
    child_arguments[0] = (char *)server_url(tokens);
    child_arguments[1] = (char *)server_url(api);
    int failed = report(self, count, "");
    server_free(tokens);
    server_free(api);
    return failed;
}

static char *global_text(lua_State *L, const char *name)
{
    lua_getglobal(L, name);
    return (char *)lua_tostring(L, -1); /* stays: it is a global variable */
}

/* nginx needs the Lua files on disk. */
static int report_tls(const char *self, unsigned count)
{
    struct host_script script = {.file = SCRIPT, .on_disk = true};
    lua_State *L = host_open(&script, NULL);
    if (!L || !host_call(L, "serve", 0, NULL)) {
        printf("not ok - %s\n", host_problem());
        return 1;
    }
    child_arguments[0] = global_text(L, "token_url");
    child_arguments[1] = global_text(L, "api_url");
    child_arguments[2] = global_text(L, "ca_file");
    setenv("EXITS_ID", global_text(L, "client_id"), 1);
    setenv("EXITS_SECRET", global_text(L, "client_secret"), 1);
    int failed = report(self, count, " with TLS");
    host_call(L, "stop", 0, NULL);
    lua_close(L);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc >= 6 && strcmp(argv[1], "child") == 0)
        return run_child((enum kind)atoi(argv[2]), strtoul(argv[3], NULL, 10), argv + 4);
    if (argc < 2 || atoi(argv[1]) <= 0) {
        fprintf(stderr, "usage: %s COUNT [tls]\n", argv[0]);
        return 2;
    }
    unsigned count = (unsigned)atoi(argv[1]);
    return argc > 2 ? report_tls(argv[0], count) : report_plain(argv[0], count);
}

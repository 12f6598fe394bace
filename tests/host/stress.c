/* All of it at once, at random: states that come and go in several threads, with calls under way, forks,
 * signals, the module loaded beside. usage: stress ITERATIONS [SEED]
 * What a seed does is the same at each run, when it does it is not. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "secret.h"
#include "server.h"
#include "tools.h"

enum { THREADS = 4, HANGS_AFTER_S = 60 };

static struct host_script script = {.file = "tests/host/stress.lua"};
static uint64_t the_seed = 1;
static atomic_uint failures;

/* ---- the services: in a process of their own, which ends with this one ---- */

enum { URL_LEN = 64 };

static char urls[HOST_ARGUMENTS][URL_LEN];

static void serve(int ready, int alive)
{
    static const struct reply replies[HOST_ARGUMENTS] = {
        {.body = "{\"access_token\":\"token-@\",\"expires_in\":3600}"},
        {.body = "{\"access_token\":\"token-@\",\"expires_in\":1}"},
        {.status = 500},
        {.status = 401, .body = "{\"error\":\"invalid_client\"}"},
        {.body = "{\"Artists\":{\"Items\":[{\"Name\":\"nobody\"}]}}"},
        {.body = "{\"Artists\":{\"Items\":[{\"Name\":\"nobody\"}]}}", .delay = 0.03},
        {.body = "{\"Artists\":", .cut = CUT_BODY},
        {.delay = 2}, /* to nearly all who ask, for ever; but its threads have an end */
    };
    char byte;
    for (int i = 0; i < HOST_ARGUMENTS; i++) {
        struct server *server = server_new();
        server_reply(server, &replies[i]);
        snprintf(urls[i], URL_LEN, "%s", server_url(server));
    }
    bool told = write(ready, urls, sizeof urls) == (ssize_t)sizeof urls;
    while (told && read(alive, &byte, 1) < 0 && errno == EINTR)
        continue;
    _exit(0);
}

static void start_services(void)
{
    int ready[2], alive[2];
    if (pipe(ready) != 0 || pipe(alive) != 0)
        abort();
    if (fork() == 0) {
        close(alive[1]);
        serve(ready[1], alive[0]);
    }
    if (read(ready[0], urls, sizeof urls) != (ssize_t)sizeof urls)
        abort();
    close(ready[0]);
    close(ready[1]);
    close(alive[0]);
    for (int i = 0; i < HOST_ARGUMENTS; i++)
        script.arguments[i] = urls[i];
}

/* ---- workers ---- */

struct worker {
    pthread_t thread;
    unsigned first, count;
    lua_State *L;
    struct host_memory memory;
    _Atomic(const char *) doing;
    atomic_uint done; /* iterations */
};

static struct worker workers[THREADS];

static void complain(unsigned iteration, const char *doing, const char *problem)
{
    printf("# seed %llu, iteration %u, %s: %s\n", (unsigned long long)the_seed, iteration, doing,
           problem);
    fflush(stdout);
    failures++;
}

static void open_worker_state(struct worker *worker)
{
    worker->memory = (struct host_memory){0};
    /* LuaJIT compiles only with its own allocator. */
    worker->L = host_open(&script, MODULES[strlen(MODULES) - 1] == 't' ? NULL : &worker->memory);
    if (!worker->L) {
        printf("# %s\n", host_problem());
        abort();
    }
}

static void close_worker_state(struct worker *worker, unsigned iteration)
{
    lua_close(worker->L);
    worker->L = NULL;
    if (worker->memory.blocks)
        complain(iteration, worker->doing, "the state has left memory behind");
}

/* ---- children ---- */

static bool is_child;

/* A child does not know the parent's threads, whose memory a leak checker would then miss. */
int __lsan_is_turned_off(void) __attribute__((visibility("default")));
int __lsan_is_turned_off(void)
{
    return is_child;
}

/* In a child what another thread held stays locked for ever: the system's loader and the list of exit
 * handlers while a library is loaded or unloaded, and a sanitizer's allocator. So nobody forks while a
 * state is opened or closed, or, with a sanitizer, while a worker does anything. The engine's thread, which
 * starts, ends and goes to sleep without a lock, is given time for that. */
static pthread_rwlock_t forking;

static void no_forks(bool needed)
{
    if (needed)
        pthread_rwlock_rdlock(&forking);
}

static void forks_again(bool needed)
{
    if (needed)
        pthread_rwlock_unlock(&forking);
}

static pid_t fork_here(void)
{
    forks_again(SANITIZED);
    pthread_rwlock_wrlock(&forking);
    if (SANITIZED)
        pause_for(0.005);
    pid_t pid = fork();
    if (pid == 0) {
        is_child = true;
        alarm(HANGS_AFTER_S);
        return pid;
    }
    pthread_rwlock_unlock(&forking);
    no_forks(SANITIZED);
    return pid;
}

enum { GOOD = 0, BAD = 50 };

enum way { LEAVE, EXIT, CLOSE_AND_EXIT, EXIT_IN_LUA, KILLED, SIGNALLED, AGAIN, WAYS };

static const char *const way_names[WAYS] = {
    "fork, _exit",   "fork, exit",      "fork, lua_close, exit",
    "fork, os.exit", "fork, be killed", "fork, handle signals",
    "fork, fork"};

static int expected(enum way way)
{
    return way == KILLED ? SIGTERM << 8 : GOOD;
}

/* The exit status; of one that was killed the signal, times 256. */
static int await(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFSIGNALED(status) ? WTERMSIG(status) << 8 : WEXITSTATUS(status);
}

static bool call(lua_State *L, const char *function, uint64_t *random)
{
    return host_call(L, function, (long)(random_bits(random) % 1000000000), NULL);
}

static void demand(bool good)
{
    if (good)
        return;
    printf("# in a child: %s\n", host_problem());
    fflush(stdout);
    _exit(BAD);
}

static void run_child(struct worker *worker, enum way way, uint64_t *random)
{
    lua_State *L = worker->L;
    if (random_bits(random) % 2)
        demand(call(L, "go_on", random));
    if (way != LEAVE || random_bits(random) % 2)
        demand(call(L, "begin", random));
    pause_for((double)(random_bits(random) % 30) / 10000);
    switch (way) {
    case AGAIN: {
        if (SANITIZED)
            pause_for(0.005);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(HANGS_AFTER_S);
            demand(call(L, "go_on", random));
            _exit(GOOD);
        }
        demand(await(pid) == GOOD);
        demand(call(L, "go_on", random));
        break;
    }
    case EXIT: exit(GOOD);
    case CLOSE_AND_EXIT: lua_close(L); exit(GOOD);
    case EXIT_IN_LUA: host_call(L, "exit", GOOD, NULL); break;
    case KILLED: kill(getpid(), SIGTERM); break;
    case SIGNALLED:
        for (int i = 0; i < 20; i++) {
            kill(getpid(), i % 2 ? SIGUSR1 : SIGCHLD);
            demand(call(L, "act", random));
        }
        break;
    default: break;
    }
    _exit(GOOD);
}

static void fork_once(struct worker *worker, unsigned iteration, uint64_t *random)
{
    enum way way = (enum way)(random_bits(random) % WAYS);
    char problem[80];
    worker->doing = way_names[way];
    pid_t pid = fork_here();
    if (pid == 0)
        run_child(worker, way, random);
    int status = pid > 0 ? await(pid) : -1;
    if (status == expected(way))
        return;
    snprintf(problem, sizeof problem, "the child ended with %d, signal %d", status & 255,
             status >> 8);
    complain(iteration, worker->doing, problem);
}

/* ---- other actions ---- */

static void act(struct worker *worker, unsigned iteration, const char *function, uint64_t *random)
{
    worker->doing = function;
    if (!call(worker->L, function, random))
        complain(iteration, function, host_problem());
}

static void renew_state(struct worker *worker, unsigned iteration, uint64_t *random)
{
    if (random_bits(random) % 2)
        act(worker, iteration, "begin", random);
    worker->doing = "lua_close";
    no_forks(!SANITIZED);
    close_worker_state(worker, iteration);
    open_worker_state(worker);
    forks_again(!SANITIZED);
}

/* The module, with an engine of its own, loaded by a state that comes and goes. */
static void load_module(struct worker *worker, unsigned iteration, uint64_t *random)
{
    struct host_script other = script;
    other.modules = MODULES;
    worker->doing = "the module";
    no_forks(!SANITIZED);
    lua_State *L = host_open(&other, NULL);
    bool good = L != NULL;
    for (uint64_t left = random_bits(random) % 4; good && left > 0; left--)
        good = call(L, left == 1 ? "begin" : "act", random);
    if (!good)
        complain(iteration, worker->doing, host_problem());
    if (L)
        lua_close(L);
    forks_again(!SANITIZED);
}

static void signal_another(struct worker *worker, uint64_t *random)
{
    worker->doing = "a signal";
    pthread_kill(workers[random_bits(random) % THREADS].thread, SIGUSR1);
}

static void iterate(struct worker *worker, unsigned iteration)
{
    uint64_t random = the_seed * 1000003 + iteration;
    unsigned what = (unsigned)(random_bits(&random) % 100);
    if (what < 15)
        fork_once(worker, iteration, &random);
    else if (what < 25)
        renew_state(worker, iteration, &random);
    else if (what < 27)
        load_module(worker, iteration, &random);
    else if (what < 35)
        signal_another(worker, &random);
    else
        act(worker, iteration, "act", &random);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    no_forks(true);
    open_worker_state(worker);
    forks_again(true);
    for (unsigned i = 0; i < worker->count && failures < 10; i++) {
        no_forks(SANITIZED);
        iterate(worker, worker->first + i * THREADS);
        forks_again(SANITIZED);
        worker->done++;
    }
    worker->doing = "the last lua_close";
    no_forks(true);
    close_worker_state(worker, worker->first);
    forks_again(true);
    worker->doing = NULL;
    return NULL;
}

/* ---- the whole ---- */

/* Ends the process where a thread has not come forward for a long time. */
static void watch(void)
{
    unsigned before[THREADS] = {0}, still[THREADS] = {0};
    bool busy = true;
    while (busy) {
        pause_for(0.1);
        busy = false;
        for (int i = 0; i < THREADS; i++) {
            unsigned done = workers[i].done;
            const char *doing = workers[i].doing;
            still[i] = done == before[i] && doing ? still[i] + 1 : 0;
            before[i] = done;
            busy = busy || doing;
            if (still[i] < HANGS_AFTER_S * 2 * 10)
                continue;
            complain(workers[i].first + done * THREADS, doing, "hangs");
            abort();
        }
    }
}

static void do_nothing(int number)
{
    (void)number;
}

static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = do_nothing}; /* without SA_RESTART */
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGCHLD, &action, NULL);
}

/* What is left when all have gone is forgotten; then there is no secret and no token any more. */
static void check_remains(unsigned iterations)
{
    lua_State *L = host_open(&script, NULL);
    if (!L || !host_call(L, "finish", 0, NULL))
        complain(iterations, "the end", host_problem());
    if (L)
        lua_close(L);
    gr_engine_shutdown(5);
    if (gr_secret_count() != 0)
        complain(iterations, "the end", "secrets or tokens are left");
}

static void run(unsigned iterations)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&forking, &attr);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].first = i;
        workers[i].count = (iterations - i + THREADS - 1) / THREADS;
        workers[i].doing = "the start";
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    watch();
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    check_remains(iterations);
}

int main(int argc, char **argv)
{
    unsigned iterations = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    if (iterations < THREADS) {
        fprintf(stderr, "usage: %s ITERATIONS [SEED]\n", argv[0]);
        return 2;
    }
    if (argc > 2)
        the_seed = strtoul(argv[2], NULL, 10);
    start_services();
    handle_signals();
    run(iterations);
    printf("1..1\n%sok 1 - %u iterations, seed %llu\n", failures ? "not " : "", iterations,
           (unsigned long long)the_seed);
    return failures > 0;
}

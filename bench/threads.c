/* threads: many threads with a Lua state each, and one source. Its options come in the environment:
 * BENCH_TOKEN_URL, BENCH_ID, BENCH_SECRET.
 *
 * threads cold: 64 threads ask for a token at the same moment, at a cold start, and go on to make 1,000
 *     calls each. Prints: calls served, calls failed, and how many seconds lay between the first and the
 *     last thread's first token.
 * threads read THREADS CALLS: they read the token at hand, CALLS times each. Prints: the seconds from the
 *     first one's start to the last one's end, and the seconds of a processor that all of them had. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLD_THREADS 64
#define COLD_CALLS   1000
#define MAX_THREADS  256

#define SOURCE                                                                         \
    "local groove, barrier, wall, busy, calls = require 'groove', ...\n"               \
    "local source = groove.token_source{\n"                                            \
    "    token_url = os.getenv 'BENCH_TOKEN_URL', client_id = os.getenv 'BENCH_ID',\n" \
    "    client_secret = os.getenv 'BENCH_SECRET', renew = false }\n"

/* Returns: calls served, the time when the first had been. */
static const char cold[] = SOURCE //
    "barrier()\n"
    "local served = source:token() and 1 or 0\n"
    "local first = wall()\n"
    "barrier()\n"
    "for _ = 2, calls do\n"
    "    if source:token() then served = served + 1 end\n"
    "end\n"
    "return served, first\n";

/* Returns: seconds of a processor, when it began, when it had ended. */
static const char reading[] = SOURCE //
    "assert(source:token())\n"
    "for _ = 1, 1000 do source:token() end\n"
    "barrier()\n"
    "local began, had = wall(), busy()\n"
    "for _ = 1, calls do source:token() end\n"
    "return busy() - had, began, wall()\n";

struct worker {
    pthread_t thread;
    const char *script;
    int calls;
    double results[3];
};

static pthread_barrier_t start_line;
static struct worker workers[MAX_THREADS];

static int push_clock(lua_State *L, clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    lua_pushnumber(L, (double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
    return 1;
}

static int wall(lua_State *L)
{
    return push_clock(L, CLOCK_MONOTONIC);
}

static int busy(lua_State *L)
{
    return push_clock(L, CLOCK_THREAD_CPUTIME_ID);
}

static int barrier(lua_State *L)
{
    (void)L;
    pthread_barrier_wait(&start_line);
    return 0;
}

static void *work(void *context)
{
    struct worker *worker = context;
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    lua_gc(L, LUA_GCSTOP, 0);
    if (luaL_loadstring(L, worker->script) != 0)
        exit(2);
    lua_pushcfunction(L, barrier);
    lua_pushcfunction(L, wall);
    lua_pushcfunction(L, busy);
    lua_pushinteger(L, worker->calls);
    if (lua_pcall(L, 4, 3, 0) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(2);
    }
    for (int i = 0; i < 3; i++)
        worker->results[i] = lua_tonumber(L, i - 3);
    lua_close(L);
    return NULL;
}

static void run(int threads, const char *script, int calls)
{
    pthread_barrier_init(&start_line, NULL, (unsigned)threads);
    for (int i = 0; i < threads; i++) {
        workers[i].script = script;
        workers[i].calls = calls;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            exit(2);
    }
    for (int i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
}

static double sum(int threads, int result)
{
    double sum = 0;

    for (int i = 0; i < threads; i++)
        sum += workers[i].results[result];
    return sum;
}

static double least(int threads, int result)
{
    double least = workers[0].results[result];

    for (int i = 1; i < threads; i++)
        least = workers[i].results[result] < least ? workers[i].results[result] : least;
    return least;
}

static double most(int threads, int result)
{
    double most = workers[0].results[result];

    for (int i = 1; i < threads; i++)
        most = workers[i].results[result] > most ? workers[i].results[result] : most;
    return most;
}

static int run_cold(void)
{
    double served;

    run(COLD_THREADS, cold, COLD_CALLS);
    served = sum(COLD_THREADS, 0);
    printf("%.0f %.0f %.6f\n", served, COLD_THREADS * COLD_CALLS - served,
           most(COLD_THREADS, 1) - least(COLD_THREADS, 1));
    return 0;
}

static int run_reading(int threads, int calls)
{
    if (threads < 1 || threads > MAX_THREADS)
        return 2;
    run(threads, reading, calls);
    printf("%.6f %.6f\n", most(threads, 2) - least(threads, 1), sum(threads, 0));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "cold") == 0)
        return run_cold();
    if (argc == 4 && strcmp(argv[1], "read") == 0)
        return run_reading(atoi(argv[2]), atoi(argv[3]));
    fprintf(stderr, "usage: threads cold | threads read THREADS CALLS\n");
    return 2;
}

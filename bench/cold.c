/* cold: 64 threads, each with a Lua state of its own, ask for a token at the same moment, at a cold
 * start, and go on to make 1,000 calls each. Prints: calls served, calls failed, and how many seconds
 * lay between the first and the last thread's first token. The source's options come in the
 * environment: COLD_TOKEN_URL, COLD_ID, COLD_SECRET. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 64
#define CALLS   1000

static const char script[] = //
    "local groove, barrier, calls = require 'groove', ...\n"
    "local source = groove.token_source{\n"
    "    token_url = os.getenv 'COLD_TOKEN_URL', client_id = os.getenv 'COLD_ID',\n"
    "    client_secret = os.getenv 'COLD_SECRET', renew = false }\n"
    "barrier()\n"
    "local served = source:token() and 1 or 0\n"
    "local first = barrier(true)\n"
    "barrier()\n"
    "for _ = 2, calls do\n"
    "    if source:token() then served = served + 1 end\n"
    "end\n"
    "return served, first\n";

struct worker {
    pthread_t thread;
    int served;
    double first; /* when its first call returned */
};

static pthread_barrier_t start_line;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* barrier(): waits for all threads; barrier(true): the time, without waiting. */
static int barrier(lua_State *L)
{
    if (!lua_toboolean(L, 1))
        pthread_barrier_wait(&start_line);
    lua_pushnumber(L, now());
    return 1;
}

static void *work(void *context)
{
    struct worker *worker = context;
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    lua_gc(L, LUA_GCSTOP, 0);
    if (luaL_loadstring(L, script) != 0)
        exit(2);
    lua_pushcfunction(L, barrier);
    lua_pushinteger(L, CALLS);
    if (lua_pcall(L, 2, 2, 0) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(2);
    }
    worker->served = (int)lua_tointeger(L, -2);
    worker->first = lua_tonumber(L, -1);
    lua_close(L);
    return NULL;
}

int main(void)
{
    static struct worker workers[THREADS];
    int served = 0;
    double earliest, latest;

    pthread_barrier_init(&start_line, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            return 2;
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    earliest = latest = workers[0].first;
    for (int i = 0; i < THREADS; i++) {
        served += workers[i].served;
        if (workers[i].first < earliest)
            earliest = workers[i].first;
        if (workers[i].first > latest)
            latest = workers[i].first;
    }
    printf("%d %d %.6f\n", served, THREADS * CALLS - served, latest - earliest);
    return 0;
}

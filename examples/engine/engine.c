/* An engine in C with groove linked in: no Lua file and no shared object of groove's is needed.
 *
 *     make engine && build/5.4/engine examples/engine/game.lua
 *
 * LUA=5.3, 5.2, 5.1 or jit takes another Lua. With GROOVE_TOKEN_URL, GROOVE_API_URL, GROOVE_CLIENT_ID and
 * GROOVE_CLIENT_SECRET in the environment (`make sandbox` prints them) the game talks to that service,
 * otherwise to a stand-in inside the program. GAME_SECONDS says how long it runs (5).
 *
 * What matters for an engine: the preload (open_lua), one call of groove.dispatch a frame (game.lua), and
 * the JSON library that the engine has anyway (json.c). docs/embedding.md says the rest. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "groove.h"
#include "json.h"

#define FRAME_SECONDS (1.0 / 60)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_until(double moment)
{
    double seconds = moment - now();
    if (seconds <= 0)
        return;
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* Runs in protected mode: all of it may raise. */
static int open_lua(lua_State *L)
{
    luaL_openlibs(L);
    groove_preload(L);
    open_json(L);
    lua_setglobal(L, "json");
    if (luaL_loadfile(L, lua_touserdata(L, 1)) != 0)
        return lua_error(L);
    lua_call(L, 0, 1); /* game.lua returns the function for a frame */
    return 1;
}

/* Calls the function at the top, which stays there, with the frame's number. Whether to go on. */
static bool run_frame(lua_State *L, int number)
{
    lua_pushvalue(L, -1);
    lua_pushinteger(L, number);
    if (lua_pcall(L, 1, 1, 0) != 0) {
        fprintf(stderr, "engine: %s\n", lua_tostring(L, -1));
        lua_pop(L, 1);
        return false;
    }
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

static void run_game(lua_State *L)
{
    int frames = 0, late = 0;
    double longest = 0, due = now();
    for (bool on = true; on; frames++) {
        double began = now();
        on = run_frame(L, frames);
        double took = now() - began;
        longest = took > longest ? took : longest;
        late += took > FRAME_SECONDS;
        due = due + FRAME_SECONDS > now() ? due + FRAME_SECONDS : now();
        sleep_until(due);
    }
    printf("frames %d, late %d, longest %.1f ms\n", frames, late, 1e3 * longest);
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    if (!L || argc != 2) {
        fprintf(stderr, "usage: engine GAME.lua\n");
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, open_lua);
    lua_pushlightuserdata(L, argv[1]);
    bool good = lua_pcall(L, 1, 1, 0) == 0;
    if (good)
        run_game(L);
    else
        fprintf(stderr, "engine: %s\n", lua_tostring(L, -1));
    lua_close(
        L); /* calls under way end; the I/O thread stays for other states until the process ends */
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

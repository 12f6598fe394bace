/* groove for programs that embed Lua and link it statically.
 *
 *     lua_State *L = luaL_newstate();
 *     luaL_openlibs(L);
 *     groove_preload(L);          // from now on require("groove") finds all of it, and no file
 *
 * `make static LUA=5.4` (5.3, 5.2, 5.1, jit) builds the archive; to link:
 *
 *     cc engine.c build/5.4/libgroove.a $(pkg-config --cflags --libs lua5.4 libcurl jansson) -pthread -lm
 *
 * What an engine has to know about threads, frames and the end: docs/embedding.md. */
#ifndef GROOVE_H
#define GROOVE_H

#ifdef __cplusplus
extern "C" {
#endif

struct lua_State; /* not by lua.h, which a C++ host includes in its own way */

/* Puts groove's C part and its Lua files into `package.preload` of a state. Nothing is run, started or
 * allocated outside Lua by it. To be called once a state, by the thread that the state belongs to, after
 * the `package` library has been opened (luaL_openlibs); any number of states, in any threads.
 * Leaves the stack as it was. Raises a Lua error when there is no `package`, or no memory. */
void groove_preload(struct lua_State *L);

/* The C part alone, a lua_CFunction: what require("groove.core") calls. */
int luaopen_groove_core(struct lua_State *L);

#ifdef __cplusplus
}
#endif

#endif

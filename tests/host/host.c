#include "host.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "groove.h"

static _Thread_local char problem[512];

const char *host_problem(void)
{
    return problem;
}

#if defined(__SANITIZE_THREAD__)
/* By default it sleeps a second at each exit. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "atexit_sleep_ms=0";
}
#endif

/* ---- memory ---- */

static bool is_refused(struct host_memory *memory)
{
    unsigned long number = ++memory->asked;
    bool refused = memory->fail_from && number >= memory->fail_from &&
                   number - memory->fail_from < memory->fail_count;
    memory->failed += refused;
    return refused;
}

static void *allocate(void *arg, void *block, size_t old, size_t size)
{
    struct host_memory *memory = arg;
    if (!block)
        old = 0; /* from Lua 5.2 on it is a type instead */
    if (size > old && is_refused(memory))
        return NULL;
    if (size == 0) {
        memory->blocks -= block != NULL;
        free(block);
        return NULL;
    }
    memory->blocks += block == NULL;
    return realloc(block, size);
}

bool host_has_allocators(void)
{
    struct host_memory memory = {0};
    lua_State *L = lua_newstate(allocate, &memory);
    if (L)
        lua_close(L);
    return L != NULL;
}

/* ---- protected calls ---- */

/* Without an allocation outside the protection. */
static int protect(lua_State *L, lua_CFunction function, void *arg)
{
#if LUA_VERSION_NUM >= 502
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, arg);
    return lua_pcall(L, 1, 0, 0);
#else
    return lua_cpcall(L, function, arg);
#endif
}

static bool succeeded(lua_State *L, int status)
{
    if (status == 0)
        return true;
    /* lua_tostring of a number would allocate */
    snprintf(problem, sizeof problem, "%s",
             lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error that is no string");
    lua_settop(L, 0);
    return false;
}

/* ---- scripts ---- */

lua_State *host_bare(struct host_memory *memory)
{
    lua_State *L = memory ? lua_newstate(allocate, memory) : luaL_newstate();
    if (L)
        luaL_openlibs(L);
    if (L && memory)
        (void)luaL_dostring(
            L, "local jit = rawget(_G, 'jit') if jit then jit.off() require('ffi') end");
    return L;
}

static void put_first(lua_State *L, const char *field, const char *before, const char *after)
{
    lua_getfield(L, -1, field);
    lua_pushfstring(L, "%s%s;%s", before, after, lua_tostring(L, -1));
    lua_setfield(L, -3, field);
    lua_pop(L, 1);
}

static void use_files(lua_State *L, const char *modules)
{
    lua_getglobal(L, "package");
    put_first(L, "path", "lua/?.lua;lua/?/init.lua", "");
    if (modules) {
        put_first(L, "cpath", modules, "/?.so");
    } else {
        lua_getfield(L, -1, "preload");
        lua_pushcfunction(L, luaopen_groove_core);
        lua_setfield(L, -2, "groove.core");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static int load_script(lua_State *L)
{
    const struct host_script *script = lua_touserdata(L, 1);
    if (script->on_disk || script->modules)
        use_files(L, script->modules);
    else
        groove_preload(L);
    if (luaL_loadfile(L, script->file) != 0)
        return lua_error(L);
    for (int i = 0; i < HOST_ARGUMENTS; i++)
        lua_pushstring(L, script->arguments[i]);
    lua_call(L, HOST_ARGUMENTS, 1);
    lua_setglobal(L, "script");
    return 0;
}

bool host_load(lua_State *L, const struct host_script *script)
{
    return succeeded(L, protect(L, load_script, (void *)script));
}

lua_State *host_open(const struct host_script *script, struct host_memory *memory)
{
    lua_State *L = host_bare(memory);
    if (!L || host_load(L, script))
        return L;
    lua_close(L);
    return NULL;
}

struct call {
    const char *function;
    long argument, result;
};

static int call_script(lua_State *L)
{
    struct call *call = lua_touserdata(L, 1);
    lua_getglobal(L, "script");
    lua_getfield(L, -1, call->function);
    lua_pushinteger(L, call->argument);
    lua_call(L, 1, 1);
    call->result = (long)lua_tointeger(L, -1);
    return 0;
}

bool host_call(lua_State *L, const char *function, long argument, long *result)
{
    struct call call = {function, argument, 0};
    bool done = succeeded(L, protect(L, call_script, &call));
    if (result)
        *result = call.result;
    return done;
}

/* A harness that is a Lua script (SCRIPT): it returns a function that is given each input, and raises where
 * something is not as it must be; and, optionally, a function that is given an input and a seed, and returns
 * another input, or nil. One state serves all inputs. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#include "fuzz.h"
#include "groove.h"

enum { RUN = 1, MUTATE }; /* on the state's stack */

static lua_State *state;

#ifdef GROOVE_FUZZING
/* libFuzzer sees the steps of C only: those from line to line of Lua are shown to it here. */
enum { STEPS = 1 << 15 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t steps[STEPS];

static uint32_t hash(const char *text)
{
    uint32_t value = 2166136261u;
    for (; *text; text++)
        value = (value ^ (uint8_t)*text) * 16777619u;
    return value;
}

static void on_line(lua_State *L, lua_Debug *where)
{
    static uint32_t last, file_hash;
    static const char *file;
    lua_getinfo(L, "S", where);
    if (where->source != file) {
        file = where->source; /* of code that stays */
        file_hash = hash(file);
    }
    uint32_t here = (file_hash + (uint32_t)where->currentline) * 2654435761u;
    uint8_t *step = &steps[(here ^ last) >> 17];
    *step += *step < UINT8_MAX;
    last = here >> 1;
}

static void watch(lua_State *L)
{
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
}
#else
static void watch(lua_State *L)
{
    (void)L;
}
#endif

static void fail(lua_State *L)
{
    const char *problem = lua_tostring(L, -1);
    fprintf(stderr, "%s\n", problem ? problem : "an error that is no text");
    abort();
}

static void open_state(void)
{
    if (state)
        return;
    state = luaL_newstate();
    FUZZ_CHECK(state);
    luaL_openlibs(state);
    groove_preload(state);
    if (luaL_loadfile(state, SCRIPT) != 0 || lua_pcall(state, 0, 2, 0) != 0)
        fail(state);
    FUZZ_CHECK(lua_isfunction(state, RUN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_state();
    watch(state);
    lua_pushvalue(state, RUN);
    lua_pushlstring(state, (const char *)data, size);
    if (lua_pcall(state, 1, 0, 0) != 0)
        fail(state);
    return 0;
}

#ifdef GROOVE_FUZZING
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    const char *text = NULL;
    size_t len = 0;
    open_state();
    if (seed % 2 == 0 || lua_isnil(state, MUTATE))
        return LLVMFuzzerMutate(data, size, max_size);
    lua_sethook(state, NULL, 0, 0);
    lua_pushvalue(state, MUTATE);
    lua_pushlstring(state, (const char *)data, size);
    lua_pushinteger(state, (lua_Integer)seed);
    if (lua_pcall(state, 2, 1, 0) != 0)
        fail(state);
    text = lua_tolstring(state, -1, &len);
    if (text && len <= max_size)
        memcpy(data, text, len);
    lua_pop(state, 1);
    return text && len <= max_size ? len : LLVMFuzzerMutate(data, size, max_size);
}
#endif

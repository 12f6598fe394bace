#include <lauxlib.h>
#include <lua.h>

#include "files.h"
#include "groove.h"

/* require() gives the module's name; the file is the upvalue. */
static int load_file(lua_State *L)
{
    const struct gr_file *file = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 1);
    if (luaL_loadbuffer(L, (const char *)file->text, file->len, file->chunk) != 0)
        return lua_error(L);
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static void push_preload(lua_State *L)
{
    lua_getglobal(L, "package");
    if (!lua_istable(L, -1))
        luaL_error(L, "groove_preload: the package library has not been opened");
    lua_getfield(L, -1, "preload");
    if (!lua_istable(L, -1))
        luaL_error(L, "groove_preload: package.preload is not a table");
    lua_remove(L, -2);
}

void groove_preload(lua_State *L)
{
    luaL_checkstack(L, 4, "groove_preload");
    push_preload(L);
    for (size_t i = 0; i < gr_file_count; i++) {
        lua_pushlightuserdata(L, (void *)&gr_files[i]);
        lua_pushcclosure(L, load_file, 1);
        lua_setfield(L, -2, gr_files[i].module);
    }
    lua_pushcfunction(L, luaopen_groove_core);
    lua_setfield(L, -2, "groove.core");
    lua_pop(L, 1);
}

#include "binding.h"

void gr_lua_setfuncs(lua_State *L, const luaL_Reg *functions, int upvalues)
{
    for (; functions->name; functions++) {
        for (int i = 0; i < upvalues; i++)
            lua_pushvalue(L, -upvalues);
        lua_pushcclosure(L, functions->func, upvalues);
        lua_setfield(L, -(upvalues + 2), functions->name);
    }
    lua_pop(L, upvalues);
}

/* Before 5.4 what a userdata can carry has to be a table. */
void gr_lua_anchor(lua_State *L, int index)
{
    lua_pushvalue(L, index);
    lua_insert(L, -2);
#if LUA_VERSION_NUM >= 504
    lua_setiuservalue(L, -2, 1);
#else
    lua_createtable(L, 1, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
#if LUA_VERSION_NUM >= 502
    lua_setuservalue(L, -2);
#else
    lua_setfenv(L, -2);
#endif
#endif
    lua_pop(L, 1);
}

void gr_lua_metatable(lua_State *L, const char *name, const luaL_Reg *methods,
                      const luaL_Reg *metamethods)
{
    luaL_newmetatable(L, name);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name"); /* Lua 5.1 and 5.2 do not set it */
    lua_pushliteral(L, "protected");
    lua_setfield(L, -2, "__metatable");
    gr_lua_setfuncs(L, metamethods, 0);
    lua_newtable(L);
    gr_lua_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
}

void gr_lua_weak_table(lua_State *L, const void *key)
{
    lua_pushlightuserdata(L, (void *)key);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

#include "binding.h"

#include <string.h>

void gr_lua_check_line(lua_State *L, const char *text, size_t len, const char *what)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\r' || text[i] == '\n' || text[i] == '\0')
            luaL_error(L, "%s must not hold a line break or a NUL", what);
}

const char *gr_lua_text(lua_State *L, int index, const char *field, bool line, size_t *len)
{
    const char *text = NULL;
    size_t length = 0;
    lua_getfield(L, index, field);
    /* Not lua_isstring: the text of a number would live on the stack alone. */
    if (lua_type(L, -1) == LUA_TSTRING)
        text = lua_tolstring(L, -1, &length);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "%s must be a string", field);
    if (text && line)
        gr_lua_check_line(L, text, length, field);
    lua_pop(L, 1);
    if (len)
        *len = length;
    return text;
}

double gr_lua_number(lua_State *L, int index, const char *field, double otherwise)
{
    lua_getfield(L, index, field);
    double number = lua_isnil(L, -1) ? otherwise : lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (!(number > 0))
        luaL_error(L, "%s must be a number above 0", field);
    return number;
}

bool gr_lua_flag(lua_State *L, int index, const char *field, bool otherwise)
{
    lua_getfield(L, index, field);
    bool flag = lua_isnil(L, -1) ? otherwise : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

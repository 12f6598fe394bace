#include "json.h"

#include <jansson.h>
#include <lauxlib.h>
#include <stdbool.h>

#define TREE "engine.json.tree"

/* A document that Lua owns: pushing its values may raise, and nothing is to be lost then. */
static json_t **new_tree(lua_State *L)
{
    json_t **tree = lua_newuserdata(L, sizeof *tree);
    *tree = NULL;
    luaL_getmetatable(L, TREE);
    lua_setmetatable(L, -2);
    return tree;
}

static int tree_gc(lua_State *L)
{
    json_t **tree = luaL_checkudata(L, 1, TREE);
    json_decref(*tree);
    *tree = NULL;
    return 0;
}

/* ---- decode ---- */

static void push_value(lua_State *L, const json_t *value);

static void push_object(lua_State *L, json_t *object)
{
    lua_createtable(L, 0, (int)json_object_size(object));
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        lua_pushstring(L, json_object_iter_key(at));
        push_value(L, json_object_iter_value(at));
        lua_rawset(L, -3);
    }
}

static void push_array(lua_State *L, const json_t *array)
{
    size_t count = json_array_size(array);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_value(L, json_array_get(array, i));
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static void push_value(lua_State *L, const json_t *value)
{
    luaL_checkstack(L, 4, "JSON too deep");
    switch (json_typeof(value)) {
    case JSON_OBJECT: push_object(L, (json_t *)value); break;
    case JSON_ARRAY: push_array(L, value); break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER: lua_pushinteger(L, (lua_Integer)json_integer_value(value)); break;
    case JSON_REAL: lua_pushnumber(L, json_real_value(value)); break;
    case JSON_NULL: lua_pushlightuserdata(L, NULL); break;
    default: lua_pushboolean(L, json_is_true(value));
    }
}

static int decode(lua_State *L)
{
    size_t len;
    json_error_t error;
    const char *text = luaL_checklstring(L, 1, &len);
    json_t **tree = new_tree(L);
    *tree = json_loadb(text, len, JSON_DECODE_ANY, &error);
    if (!*tree)
        return luaL_error(L, "no JSON: %s at byte %d", error.text, error.position);
    push_value(L, *tree);
    return 1;
}

/* ---- encode ---- */

static void put(lua_State *L, int index, json_t *into, const char *key);

/* Owned by `into` from the first moment on: an error further down loses nothing. key: NULL in an array. */
static json_t *add(json_t *into, const char *key, json_t *value)
{
    if (key)
        json_object_set_new(into, key, value);
    else
        json_array_append_new(into, value);
    return value;
}

static void put_table(lua_State *L, int index, json_t *into, const char *key)
{
    lua_rawgeti(L, index, 1);
    bool is_array = !lua_isnil(L, -1);
    lua_pop(L, 1);
    json_t *table = add(into, key, is_array ? json_array() : json_object());
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (!is_array && lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "the keys of an object have to be strings");
        put(L, lua_gettop(L), table, is_array ? NULL : lua_tostring(L, -2));
    }
}

static json_t *number(double value)
{
    bool whole = value == (double)(json_int_t)value;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

static void put(lua_State *L, int index, json_t *into, const char *key)
{
    luaL_checkstack(L, 4, "table too deep");
    switch (lua_type(L, index)) {
    case LUA_TTABLE: put_table(L, index, into, key); break;
    case LUA_TSTRING: add(into, key, json_string(lua_tostring(L, index))); break;
    case LUA_TBOOLEAN: add(into, key, json_boolean(lua_toboolean(L, index))); break;
    case LUA_TNUMBER: add(into, key, number(lua_tonumber(L, index))); break;
    default: add(into, key, json_null());
    }
}

static int encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    json_t **tree = new_tree(L);
    *tree = json_array();
    put(L, 1, *tree, NULL);
    const json_t *value = json_array_get(*tree, 0);
    size_t len = json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *text = lua_newuserdata(L, len + 1);
    json_dumpb(value, text, len, JSON_COMPACT | JSON_ENCODE_ANY);
    lua_pushlstring(L, text, len);
    return 1;
}

void open_json(lua_State *L)
{
    luaL_newmetatable(L, TREE);
    lua_pushcfunction(L, tree_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, decode);
    lua_setfield(L, -2, "decode");
    lua_pushcfunction(L, encode);
    lua_setfield(L, -2, "encode");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}

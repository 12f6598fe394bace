/* json: the engine's JSON library, jansson here, for Lua. */
#ifndef ENGINE_JSON_H
#define ENGINE_JSON_H

#include <lua.h>

/* Pushes { decode = function(text), encode = function(value), null = value }: groove's option `json`. */
void open_json(lua_State *L);

#endif

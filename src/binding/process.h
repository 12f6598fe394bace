/* The Lua face of process.h: require("groove.core").process, for groove.sandbox. */
#ifndef GROOVE_BINDING_PROCESS_H
#define GROOVE_BINDING_PROCESS_H

#include <lua.h>

/* Pushes one table of functions: folder, listen, spawn, is_root. */
int gr_open_process(lua_State *L);

#endif

/* binding: what the files of groove.core share. Only this folder knows Lua.
 *
 * Rules: a userdata gets its metatable while it is still closed, then acquires. No allocation of ours is
 * held across a Lua call that can raise, unless a userdata owns it. Nothing is pushed under a lock. */
#ifndef GROOVE_BINDING_H
#define GROOVE_BINDING_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "op.h"

#define GR_SOURCE "groove.source"
#define GR_OP     "groove.op"
#define GR_STATE  "groove.state"
#define GR_ERROR  "groove.error"

/* ---- compat.c: what the Luas call differently ---- */

#if LUA_VERSION_NUM >= 502
#define gr_lua_len lua_rawlen
#else
#define gr_lua_len lua_objlen
#endif

void gr_lua_setfuncs(lua_State *L, const luaL_Reg *functions, int upvalues);
/* Ties the value at the top to the userdata at `index`, for as long as that lives; pops it. */
void gr_lua_anchor(lua_State *L, int index);
/* A new metatable by that name with `metamethods`, and `methods` as its __index; left on the stack. */
void gr_lua_metatable(lua_State *L, const char *name, const luaL_Reg *methods,
                      const luaL_Reg *metamethods);

/* Puts a new table with weak values into the registry, under that address. */
void gr_lua_weak_table(lua_State *L, const void *key);

/* ---- core.c ---- */

/* This Lua state's mailbox, made at the first use. Raises when the state is closing. */
struct gr_mailbox *gr_lua_mailbox(lua_State *L);
/* Pushes an error table with its metatable. */
void gr_lua_push_error(lua_State *L, const struct gr_error *error);

/* ---- op.c ---- */

/* A closed op userdata at the top of the stack; fill in *result, with a reference of its own. */
struct gr_op **gr_lua_new_op(lua_State *L);
/* Raises "not enough memory" where there is no op. */
int gr_lua_return_op(lua_State *L, struct gr_op **box, struct gr_op *op);
/* Pushes the userdata of a watched op; false, and nothing pushed: it has been collected. */
bool gr_lua_push_watched(lua_State *L, const struct gr_op *op);
int gr_lua_request(lua_State *L);
int gr_lua_sleep(lua_State *L);
void gr_lua_open_op(lua_State *L);

/* ---- fields.c: reading option tables that groove's Lua files have checked ---- */

/* The string in a field of the table at `index`; NULL: nil. It lives as long as the table holds it.
 * Raises for another type, and for CR, LF or NUL inside where `line` is set. */
const char *gr_lua_text(lua_State *L, int index, const char *field, bool line, size_t *len);
double gr_lua_number(lua_State *L, int index, const char *field, double otherwise);
/* nil: `otherwise`. */
bool gr_lua_flag(lua_State *L, int index, const char *field, bool otherwise);
/* Raises if the bytes hold CR, LF or NUL. */
void gr_lua_check_line(lua_State *L, const char *text, size_t len, const char *what);

/* ---- source.c ---- */

int gr_lua_open(lua_State *L);
int gr_lua_token_method(lua_State *L);
int gr_lua_current(lua_State *L);
int gr_lua_word_reader(lua_State *L);
/* Pushes the open handle of that id, or nil. */
void gr_lua_push_handle(lua_State *L, uint64_t id);
void gr_lua_open_source(lua_State *L);

#endif

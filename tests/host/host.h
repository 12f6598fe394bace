/* host: what the programs of this folder have in common: they embed Lua, with groove linked in. */
#ifndef GROOVE_TEST_HOST_H
#define GROOVE_TEST_HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* A state's memory. Of its allocations (those that ask for more; the others must not fail) the ones
 * numbered from fail_from on fail, `fail_count` of them; 0 of fail_from: none. */
struct host_memory {
    size_t blocks; /* held now. Not their size: LuaJIT gives some back as smaller than they are */
    unsigned long asked, fail_from, fail_count, failed;
};

/* What a script is given: strings, NULL for the rest. */
enum { HOST_ARGUMENTS = 8 };

struct host_script {
    const char *file; /* returns a table of functions */
    const char *arguments[HOST_ARGUMENTS];
    bool on_disk; /* groove's Lua files are read from lua/, as the sandbox's nginx does */
    const char
        *modules; /* and its C part is loaded from that folder; NULL: it is the one linked in */
};

/* A state with the standard libraries, groove and what the script returned; NULL: host_problem says why.
 * memory: NULL for Lua's own allocator. */
lua_State *host_open(const struct host_script *script, struct host_memory *memory);

/* Whether lua_newstate works; LuaJIT has it on some systems only. */
bool host_has_allocators(void);

/* The two parts of host_open, for a state whose memory runs out: what does not survive that by itself, and
 * the rest. Lua 5.1 closes the process's standard output when memory fails while it makes `io`; LuaJIT crashes
 * in compiled code, and while it makes `ffi`. With `memory` nothing is compiled. */
lua_State *host_bare(struct host_memory *memory);
bool host_load(lua_State *L, const struct host_script *script);

/* Calls a function of the script with a number and leaves nothing on the stack. false: it raised, see
 * host_problem. *result: the integer it returned, else 0. */
bool host_call(lua_State *L, const char *function, long argument, long *result);

/* What went wrong last in this thread. */
const char *host_problem(void);

#endif

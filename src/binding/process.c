#include "process.h"

#include "../core/process.h"
#include "binding.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define CHILD    "groove.process.child"
#define LISTENER "groove.process.listener"
#define FOLDER   "groove.process.folder"

/* How long the end of a child may hold up a garbage collection. */
#define COLLECT_SECONDS 0.1

struct listener {
    int fd;
    unsigned port;
};

struct folder {
    pid_t owner; /* 0: none */
    char path[PATH_MAX];
};

static int push_failure(lua_State *L, int err)
{
    lua_pushnil(L);
    lua_pushstring(L, strerror(err));
    return 2;
}

/* A zeroed userdata of a class, which its finalizer already accepts. */
static void *new_object(lua_State *L, size_t size, const char *class)
{
    void *object = lua_newuserdata(L, size);

    memset(object, 0, size);
    luaL_getmetatable(L, class);
    lua_setmetatable(L, -2);
    return object;
}

/* --- folder ----------------------------------------------------------------------------------------- */

/* folder() -> folder | nil, message: a new 0700 folder, removed with its content when closed. */
static int folder_new(lua_State *L)
{
    struct folder *folder = new_object(L, sizeof *folder, FOLDER);
    int err = gr_folder_make(folder->path, sizeof folder->path);

    if (err != 0)
        return push_failure(L, err);
    folder->owner = getpid();
    return 1;
}

/* folder:path() -> string */
static int folder_path(lua_State *L)
{
    const struct folder *folder = luaL_checkudata(L, 1, FOLDER);

    lua_pushstring(L, folder->path);
    return 1;
}

/* folder:close(). In a fork of the process that made it: leaves it alone. */
static int folder_close(lua_State *L)
{
    struct folder *folder = luaL_checkudata(L, 1, FOLDER);

    if (folder->owner != 0 && folder->owner == getpid())
        gr_folder_remove(folder->path);
    folder->owner = 0;
    return 0;
}

/* --- listener --------------------------------------------------------------------------------------- */

/* listen() -> listener | nil, message: a socket that listens on 127.0.0.1, at a free port. */
static int listener_new(lua_State *L)
{
    struct listener *listener = lua_newuserdata(L, sizeof *listener);
    int err;

    listener->fd = -1;
    luaL_getmetatable(L, LISTENER);
    lua_setmetatable(L, -2);
    err = gr_listen_loopback(&listener->fd, &listener->port);
    return err == 0 ? 1 : push_failure(L, err);
}

/* listener:port() -> integer */
static int listener_port(lua_State *L)
{
    const struct listener *listener = luaL_checkudata(L, 1, LISTENER);

    lua_pushinteger(L, (lua_Integer)listener->port);
    return 1;
}

/* listener:close(). A child that was given the socket keeps it. */
static int listener_close(lua_State *L)
{
    struct listener *listener = luaL_checkudata(L, 1, LISTENER);

    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    return 0;
}

/* --- child ------------------------------------------------------------------------------------------ */

/* The list of strings in field `name` of the table at 1, as a NULL-terminated vector in a userdata that
 * stays on the stack; the strings stay the table's. */
static char **check_strings(lua_State *L, const char *name)
{
    size_t count;
    char **list;

    lua_getfield(L, 1, name);
    luaL_checktype(L, -1, LUA_TTABLE);
    count = gr_lua_len(L, -1);
    list = lua_newuserdata(L, (count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -2, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "%s: a list of strings is needed", name);
        list[i] = (char *)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    list[count] = NULL;
    return list;
}

static size_t check_listeners(lua_State *L, int *fds)
{
    size_t count;

    lua_getfield(L, 1, "listeners");
    count = lua_istable(L, -1) ? gr_lua_len(L, -1) : 0;
    luaL_argcheck(L, count <= GR_CHILD_FDS, 1, "too many listeners");
    for (size_t i = 0; i < count; i++) {
        const struct listener *listener;

        lua_rawgeti(L, -1, (int)i + 1);
        listener = luaL_checkudata(L, -1, LISTENER);
        fds[i] = listener->fd;
        lua_pop(L, 1);
    }
    return count;
}

/* spawn{ argv, env, listeners, lifeline, output } -> child | nil, message
 * argv, env: lists of strings, the program is looked for along PATH; listeners: become descriptors 3,
 * 4, ... of the child; lifeline (boolean): one more after those, which reads end of file when this
 * process is gone; output: file that standard output and error are appended to (default: none). */
static int child_new(lua_State *L)
{
    struct gr_child_spec spec = {0};
    int fds[GR_CHILD_FDS] = {0};
    struct gr_child *child;
    int err;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    spec.argv = check_strings(L, "argv");
    luaL_argcheck(L, spec.argv[0] != NULL, 1, "argv is empty");
    spec.env = check_strings(L, "env");
    spec.fd_count = check_listeners(L, fds);
    spec.fds = fds;
    lua_getfield(L, 1, "lifeline");
    spec.lifeline = lua_toboolean(L, -1);
    lua_getfield(L, 1, "output");
    spec.output = luaL_optstring(L, -1, NULL);
    child = new_object(L, sizeof *child, CHILD);
    child->lifeline = -1;
    err = gr_child_start(child, &spec);
    return err == 0 ? 1 : push_failure(L, err);
}

/* child:wait(seconds) -> code | nil: the exit code, 128 + signal, -1 where it is not known; nil where
 * it still runs after `seconds`. Blocks. */
static int child_wait(lua_State *L)
{
    struct gr_child *child = luaL_checkudata(L, 1, CHILD);
    double seconds = luaL_checknumber(L, 2);

    if (!gr_child_wait(child, seconds))
        return 0;
    lua_pushinteger(L, child->code);
    return 1;
}

/* child:pid() -> integer */
static int child_pid(lua_State *L)
{
    const struct gr_child *child = luaL_checkudata(L, 1, CHILD);

    lua_pushinteger(L, (lua_Integer)child->pid);
    return 1;
}

/* child:stop(seconds): closes the lifeline, SIGTERM, after `seconds` SIGKILL. */
static int child_stop(lua_State *L)
{
    struct gr_child *child = luaL_checkudata(L, 1, CHILD);

    gr_child_stop(child, luaL_optnumber(L, 2, COLLECT_SECONDS));
    return 0;
}

static int child_close(lua_State *L)
{
    gr_child_stop(luaL_checkudata(L, 1, CHILD), COLLECT_SECONDS);
    return 0;
}

/* is_root() -> boolean: whether this process may become other users. */
static int is_root(lua_State *L)
{
    lua_pushboolean(L, geteuid() == 0);
    return 1;
}

/* --- registration ----------------------------------------------------------------------------------- */

static const luaL_Reg folder_methods[] = {{"path", folder_path},
                                          {"close", folder_close},
                                          {NULL, NULL}};

static const luaL_Reg listener_methods[] = {{"port", listener_port},
                                            {"close", listener_close},
                                            {NULL, NULL}};

static const luaL_Reg child_methods[] = {{"wait", child_wait},
                                         {"stop", child_stop},
                                         {"pid", child_pid},
                                         {"close", child_close},
                                         {NULL, NULL}};

static const luaL_Reg functions[] = {{"folder", folder_new},
                                     {"listen", listener_new},
                                     {"spawn", child_new},
                                     {"is_root", is_root},
                                     {NULL, NULL}};

/* One function ends an object, however it comes to that. */
static void new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction end)
{
    const luaL_Reg metamethods[] = {{"__gc", end}, {"__close", end}, {NULL, NULL}};

    gr_lua_metatable(L, name, methods, metamethods);
    lua_pop(L, 1);
}

int gr_open_process(lua_State *L)
{
    new_class(L, FOLDER, folder_methods, folder_close);
    new_class(L, LISTENER, listener_methods, listener_close);
    new_class(L, CHILD, child_methods, child_close);
    lua_newtable(L);
    gr_lua_setfuncs(L, functions, 0);
    return 1;
}

/* The handle userdata of a source, and the token string that was last handed out. source.lua puts it
 * into a table, which is what users hold: a table can have a field like `async` of its own without
 * making each look-up of a method dearer. */
#include "source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

struct source_box {
    const char *magic;
    struct gr_handle *handle; /* NULL: closed */
    const struct gr_hot *hot;
    uint64_t generation; /* of the token string that `string` refers to; 0: none */
    int string;          /* a registry slot */
    struct gr_secret
        *copying; /* between the core and the string; owned here, as pushing may raise */
};

/* The handles of a Lua state by their id, weakly, for events: a table in the registry. */
static const char handles_key;

/* A userdata of this size that begins with this address is ours: nobody else can write it there. */
static const char magic;

static struct source_box *check_box(lua_State *L)
{
    return luaL_checkudata(L, 1, GR_SOURCE);
}

static struct source_box *check_open(lua_State *L)
{
    struct source_box *box = check_box(L);
    if (!box->handle)
        luaL_error(L, "the source is closed");
    return box;
}

/* ---- opening ---- */

static struct gr_pair *read_pairs(lua_State *L, int index, const char *field, size_t *count)
{
    size_t n = 0;
    *count = 0;
    lua_getfield(L, index, field);
    int table = lua_gettop(L);
    if (!lua_istable(L, table))
        return NULL;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        n++;
    struct gr_pair *pairs = lua_newuserdata(L, (n + 1) * sizeof *pairs);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        size_t name_len, value_len;
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "%s must map strings to strings", field);
        pairs[*count] =
            (struct gr_pair){lua_tolstring(L, -2, &name_len), lua_tolstring(L, -1, &value_len)};
        if (strlen(pairs[*count].name) != name_len || strlen(pairs[*count].value) != value_len)
            luaL_error(L, "%s must not hold a NUL", field);
        ++*count;
    }
    return pairs; /* stays on the stack, and so alive, until the function returns */
}

static enum gr_auth read_auth(lua_State *L, int index)
{
    const char *auth = gr_lua_text(L, index, "auth", true, NULL);
    if (!auth || strcmp(auth, "post") == 0)
        return GR_AUTH_POST;
    if (strcmp(auth, "none") == 0)
        return GR_AUTH_NONE;
    if (strcmp(auth, "basic") != 0)
        luaL_error(L, "auth must be \"post\", \"basic\" or \"none\"");
    return GR_AUTH_BASIC;
}

/* getenv here, in the thread that called: the environment may change under any other. */
static bool read_secret(lua_State *L, struct gr_options *options)
{
    const char *variable = gr_lua_text(L, 1, "client_secret_env", true, NULL);
    options->secret_file = gr_lua_text(L, 1, "client_secret_file", true, NULL);
    options->client_secret = gr_lua_text(L, 1, "client_secret", false, &options->secret_len);
    if (!variable)
        return true;
    options->client_secret = getenv(variable);
    options->secret_len = options->client_secret ? strlen(options->client_secret) : 0;
    return options->secret_len > 0;
}

static bool read_options(lua_State *L, struct gr_options *options)
{
    options->token_url = gr_lua_text(L, 1, "token_url", true, NULL);
    options->client_id = gr_lua_text(L, 1, "client_id", false, NULL);
    options->scope = gr_lua_text(L, 1, "scope", false, NULL);
    options->ca_file = gr_lua_text(L, 1, "ca_file", true, NULL);
    options->proxy = gr_lua_text(L, 1, "proxy", true, NULL);
    options->user_agent = gr_lua_text(L, 1, "user_agent", true, NULL);
    options->timeout = gr_lua_number(L, 1, "timeout", 15);
    options->connect_timeout = gr_lua_number(L, 1, "connect_timeout", 5);
    options->allow_http = gr_lua_flag(L, 1, "allow_http", false);
    options->renew = gr_lua_flag(L, 1, "renew", true);
    options->thread = gr_lua_flag(L, 1, "thread", true);
    options->auth = read_auth(L, 1);
    options->params = read_pairs(L, 1, "params", &options->param_count);
    options->headers = read_pairs(L, 1, "headers", &options->header_count);
    if (!options->token_url)
        luaL_error(L, "token_url is missing");
    return read_secret(L, options);
}

static struct source_box *new_box(lua_State *L)
{
    struct source_box *box = lua_newuserdata(L, sizeof *box);
    *box = (struct source_box){.magic = &magic, .string = LUA_NOREF};
    luaL_getmetatable(L, GR_SOURCE);
    lua_setmetatable(L, -2);
    return box;
}

static int missing_variable(lua_State *L)
{
    struct gr_error error;
    gr_error_set(&error, GR_E_ARGUMENT, "secret_missing", 0, false,
                 "the environment variable named by client_secret_env is not set");
    lua_pushnil(L);
    gr_lua_push_error(L, &error);
    return 2;
}

static void push_handles(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&handles_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

static void remember_handle(lua_State *L, int index, const struct gr_handle *handle)
{
    push_handles(L);
    lua_pushnumber(L, (lua_Number)gr_source_id(handle));
    lua_pushvalue(L, index);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void gr_lua_push_handle(lua_State *L, uint64_t id)
{
    push_handles(L);
    lua_pushnumber(L, (lua_Number)id);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

/* core.open(options) -> source, or nil and an error */
int gr_lua_open(lua_State *L)
{
    struct gr_options options = {0};
    struct gr_error error;
    luaL_checktype(L, 1, LUA_TTABLE);
    gr_lua_mailbox(L);
    if (!read_options(L, &options))
        return missing_variable(L);
    struct source_box *box = new_box(L);
    int index = lua_gettop(L);
    lua_pushboolean(L, false);
    box->string = luaL_ref(L, LUA_REGISTRYINDEX);
    box->handle = gr_source_open(&options, &error);
    if (!box->handle) {
        lua_pushnil(L);
        gr_lua_push_error(L, &error);
        return 2;
    }
    box->hot = gr_source_hot(box->handle);
    remember_handle(L, index, box->handle);
    lua_pushvalue(L, index);
    return 1;
}

/* ---- the token ---- */

static void push_string(lua_State *L, const struct source_box *box)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, box->string);
}

/* The slower way: under a lock, with a look at the clock. Pushes the token, or nothing. */
static bool push_current(lua_State *L, struct source_box *box)
{
    uint64_t generation = box->generation;
    gr_secret_free(box->copying);
    gr_source_peek(box->handle, &generation, &box->copying);
    if (generation == 0)
        return false;
    if (box->copying) {
        box->generation = 0;
        lua_pushlstring(L, box->copying->bytes, box->copying->len);
        lua_rawseti(L, LUA_REGISTRYINDEX, box->string);
        gr_secret_free(box->copying);
        box->copying = NULL;
        box->generation = generation;
    }
    if (box->generation != generation)
        return false; /* no memory for the copy */
    push_string(L, box);
    return true;
}

static bool push_token(lua_State *L, struct source_box *box)
{
    uint64_t word = gr_hot_read(box->hot);
    if (word != 0 && word == box->generation) {
        push_string(L, box);
        return true;
    }
    return push_current(L, box);
}

/* source:peek() -> token or nil: never waits. */
static int source_peek(lua_State *L)
{
    if (!push_token(L, check_open(L)))
        lua_pushnil(L);
    return 1;
}

/* The box in field 1 of the table that is argument 1; leaves that field on the stack. Cheaper than a
 * comparison of metatables. */
static struct source_box *box_of_face(lua_State *L)
{
    lua_rawgeti(L, 1, 1);
    struct source_box *box = lua_touserdata(L, -1);
    return box && gr_lua_len(L, -1) == sizeof *box && box->magic == &magic ? box : NULL;
}

/* core.current(value) -> the usable token and its generation, if the value is an open source that has
 * one; else nothing. */
int gr_lua_current(lua_State *L)
{
    struct source_box *box = lua_type(L, 1) == LUA_TTABLE ? box_of_face(L) : NULL;
    if (!box || !box->handle || !push_token(L, box))
        return 0;
    lua_pushnumber(L, (lua_Number)box->generation);
    return 2;
}

/* What compiled code calls by its address (LuaJIT's FFI): a load of the word itself would be moved out of
 * loops. A double holds every generation there will be. */
static double read_word(const struct gr_hot *hot)
{
    return (double)gr_hot_read(hot);
}

/* core.word_reader() -> the address of `double read(const void *word)` */
int gr_lua_word_reader(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)(uintptr_t)read_word);
    return 1;
}

/* source:word() -> the address of its word, which stays readable for ever */
static int source_word(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)(uintptr_t)check_open(L)->hot);
    return 1;
}

#if LUA_VERSION_NUM >= 502 /* before that what a C function calls cannot yield: see token.lua */

#if LUA_VERSION_NUM >= 503
static int finish_token(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    return lua_gettop(L);
}
#else
static int finish_token(lua_State *L)
{
    return lua_gettop(L);
}
#endif

/* source:token([options]): the hot path here; with options, or where it may have to wait, what was given
 * to core.token_method. */
static int source_token(lua_State *L)
{
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TTABLE) {
        struct source_box *box = box_of_face(L);
        if (box && box->handle && push_token(L, box))
            return 1;
        lua_settop(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, finish_token);
    return lua_gettop(L);
}

/* core.token_method(slow) -> the method `token` of tables whose field 1 is a handle */
int gr_lua_token_method(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_pushcclosure(L, source_token, 1);
    return 1;
}
#endif

/* source:acquire(timeout, forced) -> op */
static int source_acquire(lua_State *L)
{
    struct source_box *box = check_open(L);
    double timeout = luaL_optnumber(L, 2, INFINITY);
    bool forced = lua_toboolean(L, 3);
    struct gr_mailbox *mailbox = gr_lua_mailbox(L);
    struct gr_op **op = gr_lua_new_op(L);
    lua_pushvalue(L, 1); /* a wait keeps its source's handle alive */
    gr_lua_anchor(L, lua_gettop(L) - 1);
    return gr_lua_return_op(L, op, gr_source_acquire(box->handle, mailbox, timeout, forced));
}

/* source:invalidate(token) -> boolean */
static int source_invalidate(lua_State *L)
{
    struct source_box *box = check_open(L);
    size_t len;
    const char *token = luaL_checklstring(L, 2, &len);
    lua_pushboolean(L, gr_source_invalidate(box->handle, token, len));
    return 1;
}

/* source:adopt(token, expires_in, age) -> boolean */
static int source_adopt(lua_State *L)
{
    struct source_box *box = check_open(L);
    size_t len;
    const char *token = luaL_checklstring(L, 2, &len);
    double expires_in = luaL_checknumber(L, 3);
    double age = luaL_optnumber(L, 4, 0);
    bool good = len > 0 && isfinite(expires_in) && isfinite(age) && age >= 0;
    for (size_t i = 0; i < len; i++) /* RFC 6749 appendix A.12 */
        good = good && token[i] >= 0x20 && token[i] <= 0x7e;
    lua_pushboolean(L, good && gr_source_adopt(box->handle, token, len, expires_in, age));
    return 1;
}

/* source:renew("none" | "on_demand" | "ahead") */
static int source_renew(lua_State *L)
{
    static const char *const names[] = {"none", "on_demand", "ahead", NULL};
    struct source_box *box = check_open(L);
    gr_source_renew(box->handle, (enum gr_renewal)luaL_checkoption(L, 2, NULL, names));
    return 0;
}

/* ---- info ---- */

static void set_number(lua_State *L, const char *name, double number)
{
    if (isnan(number))
        return;
    lua_pushnumber(L, number);
    lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

static void push_reasons(lua_State *L, const struct gr_counts *counts)
{
    static const char *const names[GR_REASON_COUNT] = {"cold", "due", "rejected", "retry",
                                                       "refresh"};
    lua_createtable(L, 0, GR_REASON_COUNT);
    for (size_t i = 0; i < GR_REASON_COUNT; i++)
        set_count(L, names[i], counts->reasons[i]);
}

static void push_codes(lua_State *L, const struct gr_info *info)
{
    lua_createtable(L, 0, (int)info->code_count);
    for (size_t i = 0; i < info->code_count; i++)
        set_count(L, info->codes[i].code, info->codes[i].count);
}

static void push_counts(lua_State *L, const struct gr_counts *counts)
{
    lua_createtable(L, 0, 7);
    set_count(L, "requests", counts->requests);
    set_count(L, "renewals", counts->renewals);
    set_count(L, "failures", counts->failures);
    set_count(L, "refusals", counts->refusals);
    set_count(L, "waits", counts->waits);
    set_count(L, "invalidations", counts->invalidations);
    set_count(L, "adoptions", counts->adoptions);
}

static void push_info(lua_State *L, const struct gr_info *info)
{
    static const char *const states[] = {"empty", "ready", "renewing", "failing", "refused"};
    static const char *const origins[] = {NULL, "network", "adopted", "inherited"};
    lua_createtable(L, 0, 10);
    lua_pushstring(L, states[info->state]);
    lua_setfield(L, -2, "state");
    if (origins[info->origin]) {
        lua_pushstring(L, origins[info->origin]);
        lua_setfield(L, -2, "origin");
    }
    set_number(L, "age", info->age);
    set_number(L, "expires_in", info->expires_in);
    set_number(L, "refresh_in", info->refresh_in);
    set_count(L, "generation", info->generation);
    push_counts(L, &info->counts);
    lua_setfield(L, -2, "counts");
    push_reasons(L, &info->counts);
    lua_setfield(L, -2, "reasons");
    push_codes(L, info);
    lua_setfield(L, -2, "codes");
    if (info->last_error.kind != GR_OK) {
        gr_lua_push_error(L, &info->last_error);
        lua_setfield(L, -2, "last_error");
    }
}

/* source:info() -> table; of a closed one { state = "closed" } */
static int source_info(lua_State *L)
{
    struct source_box *box = check_box(L);
    struct gr_info info;
    if (!box->handle) {
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "closed");
        lua_setfield(L, -2, "state");
        return 1;
    }
    gr_source_info(box->handle, &info);
    push_info(L, &info);
    return 1;
}

static int source_subscribe(lua_State *L)
{
    struct source_box *box = check_open(L);
    gr_source_subscribe(box->handle, gr_lua_mailbox(L));
    return 0;
}

/* ---- the end ---- */

static void close_box(lua_State *L, struct source_box *box, bool forget)
{
    struct gr_handle *handle = box->handle;
    int string = box->string;
    gr_secret_free(box->copying);
    box->copying = NULL;
    box->handle = NULL;
    box->generation = 0;
    box->string = LUA_NOREF;
    if (handle)
        gr_source_close(handle, forget);
    luaL_unref(L, LUA_REGISTRYINDEX, string); /* last: before Lua 5.4 it may raise, for memory */
}

static int source_close(lua_State *L)
{
    close_box(L, check_box(L), true);
    return 0;
}

static int source_gc(lua_State *L)
{
    close_box(L, check_box(L), false);
    return 0;
}

static int source_closed(lua_State *L)
{
    lua_pushboolean(L, !check_box(L)->handle);
    return 1;
}

void gr_lua_open_source(lua_State *L)
{
    static const luaL_Reg methods[] = {{"peek", source_peek},
                                       {"acquire", source_acquire},
                                       {"invalidate", source_invalidate},
                                       {"adopt", source_adopt},
                                       {"renew", source_renew},
                                       {"info", source_info},
                                       {"subscribe", source_subscribe},
                                       {"close", source_close},
                                       {"closed", source_closed},
                                       {"word", source_word},
                                       {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", source_gc}, {NULL, NULL}};
    gr_lua_weak_table(L, &handles_key);
    gr_lua_metatable(L, GR_SOURCE, methods, metamethods);
    lua_pop(L, 1);
}

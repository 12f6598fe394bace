/* The op userdata: a request, a wait for a token, or a pause. */
#include "binding.h"

#include <math.h>
#include <string.h>

struct op_box {
    struct gr_op *op; /* first: gr_lua_new_op gives its address */
    bool bare;
    struct gr_exchange *answer; /* between the core and Lua; owned here, as pushing may raise */
};

static struct op_box *check_box(lua_State *L)
{
    struct op_box *box = luaL_checkudata(L, 1, GR_OP);
    luaL_argcheck(L, box->op, 1, "op without content");
    return box;
}

static struct gr_op *check_op(lua_State *L)
{
    return check_box(L)->op;
}

struct gr_op **gr_lua_new_op(lua_State *L)
{
    struct op_box *box = lua_newuserdata(L, sizeof *box);
    *box = (struct op_box){NULL, false, NULL};
    luaL_getmetatable(L, GR_OP);
    lua_setmetatable(L, -2);
    return &box->op;
}

int gr_lua_return_op(lua_State *L, struct gr_op **box, struct gr_op *op)
{
    if (!op)
        return luaL_error(L, "not enough memory");
    *box = op;
    return 1;
}

/* op:wait([seconds]) -> boolean: blocks until it has finished, at most that long; whether it has. */
static int op_wait(lua_State *L)
{
    struct gr_op *op = check_op(L);
    double seconds = luaL_optnumber(L, 2, INFINITY);
    lua_pushboolean(L, gr_op_wait(op, seconds));
    return 1;
}

static int op_done(lua_State *L)
{
    lua_pushboolean(L, gr_op_done(check_op(L)));
    return 1;
}

/* op:glance() -> boolean: done or not. Whoever asks again and again gets somewhere, also where there is
 * no thread. */
static int op_glance(lua_State *L)
{
    if (!gr_op_done(check_op(L)))
        gr_engine_pump();
    return op_done(L);
}

static int op_cancel(lua_State *L)
{
    lua_pushboolean(L, gr_op_cancel(check_op(L)));
    return 1;
}

/* The watched ops of a Lua state, weakly, by their address: a table in the registry. */
static const char watched_key;

static void push_watched(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&watched_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

static void push_address(lua_State *L, const struct gr_op *op)
{
    lua_pushnumber(L, (lua_Number)(uintptr_t)op);
}

bool gr_lua_push_watched(lua_State *L, const struct gr_op *op)
{
    push_watched(L);
    push_address(L, op);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (!lua_isnil(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

/* op:watch(): when it has finished, core.next() returns it, once. */
static int op_watch(lua_State *L)
{
    struct gr_op *op = check_op(L);
    push_watched(L);
    push_address(L, op);
    lua_pushvalue(L, 1);
    lua_rawset(L, -3);
    gr_op_watch(op);
    return 0;
}

/* ---- results ---- */

static void push_field(lua_State *L, const char *line, size_t len)
{
    static const char encoding[] = "content-encoding";
    const char *colon = memchr(line, ':', len);
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    if (colon - line == sizeof encoding - 1 && memcmp(line, encoding, sizeof encoding - 1) == 0)
        return; /* the body has been decoded */
    lua_pushlstring(L, line, (size_t)(colon - line));
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, value, (size_t)(end - value));
    } else { /* RFC 9110 5.3: several of a name are one list */
        lua_pushliteral(L, ", ");
        lua_pushlstring(L, value, (size_t)(end - value));
        lua_concat(L, 3);
    }
    lua_rawset(L, -3);
}

static void push_fields(lua_State *L, const struct gr_buffer *fields)
{
    const char *at = fields->data, *end = at + fields->len;
    lua_createtable(L, 0, 8);
    while (at && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        push_field(L, at, (size_t)(stop - at));
        at = stop + 1;
    }
}

static void push_answer(lua_State *L, const struct gr_exchange *exchange, bool bare)
{
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, exchange->status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, exchange->answer.data ? exchange->answer.data : "", exchange->answer.len);
    lua_setfield(L, -2, "body");
    if (!bare) {
        push_fields(L, &exchange->fields);
        lua_setfield(L, -2, "headers");
    }
    if (exchange->retry_after >= 0) {
        lua_pushnumber(L, exchange->retry_after);
        lua_setfield(L, -2, "retry_after");
    }
}

static void push_value(lua_State *L, const struct op_box *box)
{
    if (box->answer)
        push_answer(L, box->answer, box->bare);
    else if (box->op->token)
        lua_pushlstring(L, box->op->token->bytes, box->op->token->len);
    else
        lua_pushboolean(L, true);
}

static int push_failure(lua_State *L, const struct gr_error *error)
{
    lua_pushnil(L);
    gr_lua_push_error(L, error);
    return 2;
}

/* op:result() -> value, or nil and an error: kind "pending" before the end. An answer is given once:
 * a big one does not wait for the garbage collector, which sees a small userdata only. */
static int op_result(lua_State *L)
{
    struct op_box *box = check_box(L);
    struct gr_error pending;
    if (!gr_op_done(box->op)) {
        gr_error_set(&pending, GR_E_PENDING, "pending", 0, true, "not finished yet");
        return push_failure(L, &pending);
    }
    gr_exchange_free(box->answer);
    box->answer = gr_op_take(box->op);
    if (box->op->error.kind == GR_OK)
        push_value(L, box);
    gr_exchange_free(box->answer);
    box->answer = NULL;
    return box->op->error.kind == GR_OK ? 1 : push_failure(L, &box->op->error);
}

static int op_gc(lua_State *L)
{
    struct op_box *box = luaL_checkudata(L, 1, GR_OP);
    if (box->op) {
        gr_op_cancel(box->op);
        gr_op_release(box->op);
    }
    gr_exchange_free(box->answer);
    *box = (struct op_box){NULL, false, NULL};
    return 0;
}

/* ---- starting ---- */

static const char **read_headers(lua_State *L, size_t *count)
{
    lua_getfield(L, 1, "headers");
    *count = lua_istable(L, -1) ? gr_lua_len(L, -1) : 0;
    if (*count == 0)
        return NULL; /* what was pushed stays: it holds the place of the array */
    const char **headers = lua_newuserdata(L, *count * sizeof *headers);
    for (size_t i = 0; i < *count; i++) {
        size_t len = 0;
        lua_rawgeti(L, -2, (int)i + 1);
        headers[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
        if (!headers[i])
            luaL_error(L, "headers must be a list of strings");
        gr_lua_check_line(L, headers[i], len, "a header");
        lua_pop(L, 1);
    }
    return headers;
}

/* What many requests have in common may stand in a table of its own, `options`. */
static void read_options(lua_State *L, struct gr_request *request)
{
    int at = 1;
    lua_getfield(L, 1, "options");
    if (lua_istable(L, -1))
        at = lua_gettop(L);
    request->ca_file = gr_lua_text(L, at, "ca_file", true, NULL);
    request->proxy = gr_lua_text(L, at, "proxy", true, NULL);
    request->user_agent = gr_lua_text(L, at, "user_agent", true, NULL);
    request->connect_timeout = gr_lua_number(L, at, "connect_timeout", 5);
    request->allow_http = gr_lua_flag(L, at, "allow_http", false);
}

/* core.request{ ... } -> op. `bare`: the answer's headers are not wanted. */
int gr_lua_request(lua_State *L)
{
    struct gr_request request = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    read_options(L, &request);
    request.method = gr_lua_text(L, 1, "method", true, NULL);
    request.url = gr_lua_text(L, 1, "url", true, NULL);
    request.body = gr_lua_text(L, 1, "body", false, &request.body_len);
    request.timeout = gr_lua_number(L, 1, "timeout", 30);
    request.max_body = (size_t)gr_lua_number(L, 1, "max_body", 16 * 1024 * 1024);
    bool bare = gr_lua_flag(L, 1, "bare", false);
    request.headers = read_headers(L, &request.header_count);
    if (!request.url)
        return luaL_error(L, "url is missing");
    if (!request.method)
        request.method = "GET";
    struct gr_mailbox *mailbox = gr_lua_mailbox(L);
    struct gr_op **box = gr_lua_new_op(L);
    ((struct op_box *)box)->bare = bare;
    return gr_lua_return_op(L, box, gr_op_request(mailbox, &request));
}

/* core.sleep(seconds) -> op */
int gr_lua_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0, 1, "seconds must not be negative");
    struct gr_mailbox *mailbox = gr_lua_mailbox(L);
    struct gr_op **box = gr_lua_new_op(L);
    return gr_lua_return_op(L, box, gr_op_sleep(mailbox, seconds));
}

void gr_lua_open_op(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"wait", op_wait},     {"done", op_done},   {"glance", op_glance}, {"result", op_result},
        {"cancel", op_cancel}, {"watch", op_watch}, {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {{"__gc", op_gc}, {NULL, NULL}};
    gr_lua_metatable(L, GR_OP, methods, metamethods);
    lua_pop(L, 1);
    gr_lua_weak_table(L, &watched_key);
}

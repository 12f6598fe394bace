/* groove.core: the C module. Its users are groove's own Lua files, which check all arguments first. */
#include "binding.h"

#include <curl/curl.h>
#include <string.h>

#include "clock.h"
#include "prefetch.h"
#include "process.h"
#include "source.h"
#include "url.h"
#include "version.h"

#define GROOVE_API __attribute__((visibility("default")))

struct state_box {
    struct gr_mailbox *mailbox; /* NULL: not made yet, or closed */
    struct gr_op *fetched;      /* between the mailbox and Lua; owned here, as pushing may raise */
    bool closed;
};

/* The state's userdata, by this address in the registry. */
static const char state_key;

static struct state_box *state_of(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&state_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    struct state_box *state = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return state;
}

struct gr_mailbox *gr_lua_mailbox(lua_State *L)
{
    struct state_box *state = state_of(L);
    if (!state || state->closed) {
        luaL_error(L, "this Lua state is closing");
        return NULL; /* not reached */
    }
    if (!state->mailbox) {
        gr_source_init();
        state->mailbox = gr_mailbox_new();
    }
    if (!state->mailbox)
        luaL_error(L, "not enough memory");
    return state->mailbox;
}

static int state_gc(lua_State *L)
{
    struct state_box *state = luaL_checkudata(L, 1, GR_STATE);
    state->closed = true;
    if (state->fetched)
        gr_op_release(state->fetched);
    state->fetched = NULL;
    if (state->mailbox)
        gr_mailbox_release(state->mailbox);
    state->mailbox = NULL;
    return 0;
}

static void make_state(lua_State *L)
{
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", state_gc}, {NULL, NULL}};
    if (state_of(L))
        return; /* loaded a second time into the same state */
    lua_pushlightuserdata(L, (void *)&state_key);
    struct state_box *state = lua_newuserdata(L, sizeof *state);
    *state = (struct state_box){NULL, NULL, false};
    gr_lua_metatable(L, GR_STATE, none, metamethods);
    lua_setmetatable(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

/* ---- errors ---- */

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

void gr_lua_push_error(lua_State *L, const struct gr_error *error)
{
    lua_createtable(L, 0, 6);
    set_text(L, "kind", gr_kind_name(error->kind));
    set_text(L, "code", error->code);
    set_text(L, "message", error->message);
    lua_pushboolean(L, error->retryable);
    lua_setfield(L, -2, "retryable");
    if (error->status) {
        lua_pushinteger(L, error->status);
        lua_setfield(L, -2, "status");
    }
    if (error->retry_after >= 0) {
        lua_pushnumber(L, error->retry_after);
        lua_setfield(L, -2, "retry_after");
    }
    luaL_getmetatable(L, GR_ERROR);
    lua_setmetatable(L, -2);
}

/* ---- events ---- */

static void push_event(lua_State *L, const struct gr_event *event)
{
    static const char *const names[] = {[GR_EVENT_RENEWED] = "renewed",
                                        [GR_EVENT_RENEW_FAILED] = "renew_failed",
                                        [GR_EVENT_REFUSED] = "refused",
                                        [GR_EVENT_RECOVERED] = "recovered",
                                        [GR_EVENT_INVALIDATED] = "invalidated"};
    lua_createtable(L, 0, 6);
    set_text(L, "type", names[event->type]);
    lua_pushnumber(L, event->time);
    lua_setfield(L, -2, "time");
    if (event->expires_in >= 0) {
        lua_pushnumber(L, event->expires_in);
        lua_setfield(L, -2, "expires_in");
    }
    if (event->dropped) {
        lua_pushinteger(L, (lua_Integer)event->dropped);
        lua_setfield(L, -2, "dropped");
    }
    if (event->error.kind != GR_OK) {
        gr_lua_push_error(L, &event->error);
        lua_setfield(L, -2, "error");
    }
    gr_lua_push_handle(L, event->handle);
    lua_setfield(L, -2, "source");
}

/* ---- the module's functions ---- */

/* core.next([still]) -> op, event or nil. An op is the userdata that was watched. Where there is no thread
 * it does I/O first, unless `still`. */
static int core_next(lua_State *L)
{
    struct gr_mailbox *mailbox = gr_lua_mailbox(L);
    struct state_box *state = state_of(L);
    struct gr_event event;
    if (!lua_toboolean(L, 1))
        gr_engine_pump();
    for (;;) {
        enum gr_mail mail = gr_mailbox_next(mailbox, &state->fetched, &event);
        if (mail == GR_MAIL_EVENT)
            push_event(L, &event);
        else if (mail == GR_MAIL_NONE)
            lua_pushnil(L);
        if (mail != GR_MAIL_OP)
            return 1;
        bool known = gr_lua_push_watched(L, state->fetched);
        gr_op_release(state->fetched);
        state->fetched = NULL;
        if (known)
            return 1; /* else nobody holds it any more */
    }
}

static int core_fd(lua_State *L)
{
    lua_pushinteger(L, gr_mailbox_fd(gr_lua_mailbox(L)));
    return 1;
}

static int core_wake(lua_State *L)
{
    gr_mailbox_wake(gr_lua_mailbox(L));
    return 0;
}

static int core_now(lua_State *L)
{
    lua_pushnumber(L, gr_now());
    return 1;
}

/* core.time() -> Unix time, seconds */
static int core_time(lua_State *L)
{
    lua_pushnumber(L, gr_unix_time());
    return 1;
}

/* core.date(text) -> Unix time of an HTTP date, or nil */
static int core_date(lua_State *L)
{
    time_t when = curl_getdate(luaL_checkstring(L, 1), NULL);
    if (when == -1)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (lua_Number)when);
    return 1;
}

/* core.prefetch{ url =, proxy =, ca_file = }: what requests to that URL will need once no name can be resolved
 * and no file read any more. Blocks; what fails is tried again by the first request. */
static int core_prefetch(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *url = gr_lua_text(L, 1, "url", true, NULL);
    const char *proxy = gr_lua_text(L, 1, "proxy", true, NULL);
    const char *ca_file = gr_lua_text(L, 1, "ca_file", true, NULL);
    luaL_argcheck(L, url, 1, "url is missing");
    gr_lua_mailbox(L);
    gr_prefetch(url, proxy, ca_file);
    return 0;
}

static int core_shutdown(lua_State *L)
{
    double seconds = luaL_optnumber(L, 1, 0);
    gr_lua_mailbox(L);
    lua_pushboolean(L, gr_engine_shutdown(seconds));
    return 1;
}

/* ---- URLs ---- */

struct url_box {
    struct gr_url url;
};

static int url_gc(lua_State *L)
{
    struct url_box *box = lua_touserdata(L, 1);
    gr_url_clear(&box->url);
    return 0;
}

static void push_url(lua_State *L, const struct gr_url *url)
{
    lua_createtable(L, 0, 8);
    set_text(L, "scheme", url->scheme);
    set_text(L, "host", url->host);
    set_text(L, "port", url->port);
    set_text(L, "path", url->path);
    if (url->query)
        set_text(L, "query", url->query);
    lua_pushfstring(L, "%s://%s:%s", url->scheme, url->host, url->port);
    lua_setfield(L, -2, "origin");
    lua_pushboolean(L, url->userinfo);
    lua_setfield(L, -2, "userinfo");
    lua_pushboolean(L, url->loopback);
    lua_setfield(L, -2, "loopback");
}

/* core.url(text [, allow_http]) -> parts, or nil and why a request may not go there (a text that
 * begins with a verb: "must be https") */
static int core_url(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct url_box *box = lua_newuserdata(L, sizeof *box);
    memset(box, 0, sizeof *box);
    luaL_getmetatable(L, "groove.url");
    lua_setmetatable(L, -2);
    const char *wrong = strlen(text) == len ? gr_url_parse(&box->url, text) : "holds a NUL";
    if (!wrong)
        wrong = gr_url_refusal(&box->url, lua_toboolean(L, 2));
    if (wrong == gr_url_no_memory)
        return luaL_error(L, "not enough memory");
    if (wrong) {
        lua_pushnil(L);
        lua_pushstring(L, wrong);
        return 2;
    }
    push_url(L, &box->url);
    return 1;
}

static void make_url(lua_State *L)
{
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", url_gc}, {NULL, NULL}};
    gr_lua_metatable(L, "groove.url", none, metamethods);
    lua_pop(L, 1);
}

/* ---- the module ---- */

static void set_error_table(lua_State *L)
{
    luaL_newmetatable(L, GR_ERROR);
    lua_setfield(L, -2, "error_metatable");
}

GROOVE_API int luaopen_groove_core(lua_State *L);
GROOVE_API int loveopen_groove_core(lua_State *L);

/* Registers functions and nothing else: no thread, no file, no libcurl before the first use. */
GROOVE_API int luaopen_groove_core(lua_State *L)
{
    static const luaL_Reg functions[] = {{"open", gr_lua_open},
                                         {"current", gr_lua_current},
                                         {"word_reader", gr_lua_word_reader},
                                         {"sleep", gr_lua_sleep},
                                         {"request", gr_lua_request},
                                         {"next", core_next},
                                         {"fd", core_fd},
                                         {"wake", core_wake},
                                         {"now", core_now},
                                         {"time", core_time},
                                         {"date", core_date},
                                         {"url", core_url},
                                         {"prefetch", core_prefetch},
                                         {"shutdown", core_shutdown},
                                         {NULL, NULL}};
    make_state(L);
    make_url(L);
    gr_lua_open_op(L);
    gr_lua_open_source(L);
    lua_newtable(L);
    gr_lua_setfuncs(L, functions, 0);
#if LUA_VERSION_NUM >= 502
    lua_pushcfunction(L, gr_lua_token_method);
    lua_setfield(L, -2, "token_method");
#endif
    set_text(L, "_VERSION", GROOVE_VERSION);
    set_error_table(L);
    gr_open_process(L);
    lua_setfield(L, -2, "process");
    return 1;
}

/* The name that LOVE looks for first. */
GROOVE_API int loveopen_groove_core(lua_State *L)
{
    return luaopen_groove_core(L);
}

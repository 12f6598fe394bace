--- nginx: every proxied request carries a valid token.
--
--     init_by_lua_block {
--         groove = require("groove")
--         groove.nginx.setup({ token_url = "...", client_id = "...", client_secret_file = "..." })
--     }
--     ...
--     access_by_lua_block { groove.nginx.authorize() }
--     proxy_pass https://api.example.com;
--
-- Nothing here makes a worker wait: a request that needs a token that is not there yet gives the
-- worker back meanwhile.
--
-- @module groove.nginx

local answer = require("groove.nginx.answer")
local board = require("groove.nginx.board")
local check = require("groove.check")
local errors = require("groove.errors")
local hooks = require("groove.nginx.hook")
local source = require("groove.source")
local token = require("groove.token")

local M = {}

local DEFAULT = "default"
local HTTP_UNAUTHORIZED = 401

--- Options of `groove.nginx.setup` besides those of `groove.token_source`.
M.options = {
    { name = "name", type = "string", default = DEFAULT, doc =
        "Tells several credentials apart." },
    { name = "shared_dict", type = "string", doc =
        "Name of a `lua_shared_dict`: one worker asks for tokens, and all use them. All Lua code "
        .. "of this nginx can read them there." },
    { name = "token_in", type = "string", choices = { "header", "query" }, default = "header", doc =
        "\"query\": as the parameter accessToken, which puts it into logs." },
    { name = "header", type = "string", default = "Authorization", doc =
        "The header that carries \"Bearer\" and the token." },
    { name = "on_unavailable", type = "function", doc =
        "`on_unavailable(err)`, where there is no token. Default: answers 503 with Retry-After." },
    { name = "deadline", type = "seconds", default = 3, doc =
        "How long a request waits for a token at most." },
    { name = "prefetch", type = "boolean", default = false, doc =
        "Asks for the first token at once: in init_by_lua the master, which waits for it for as "
        .. "long as a request would, and hands it to its workers; in init_worker_by_lua each "
        .. "worker, in the background. A failure is a line in the error log." },
}

-- What has no meaning here.
local LEFT_OUT = { suspend = true, origin = true }

local SOURCE_OPTIONS = {}
for _, descriptor in ipairs(source.options) do
    if not LEFT_OUT[descriptor.name] then
        SOURCE_OPTIONS[#SOURCE_OPTIONS + 1] = descriptor
    end
end

local OPTIONS = check.index(SOURCE_OPTIONS, M.options)

local made = {}

local function answer_unavailable(err)
    ngx.header["Retry-After"] = answer.retry_after(err)
    return ngx.exit(ngx.HTTP_SERVICE_UNAVAILABLE)
end

local function own_options(opts)
    local own = { on_unavailable = answer_unavailable }
    for _, descriptor in ipairs(M.options) do
        own[descriptor.name] = opts[descriptor.name]
        if own[descriptor.name] == nil then
            own[descriptor.name] = descriptor.default
        end
    end
    own.on_unavailable = own.on_unavailable or answer_unavailable
    return own
end

local function source_options(opts)
    local out = {}
    for _, descriptor in ipairs(SOURCE_OPTIONS) do
        out[descriptor.name] = opts[descriptor.name]
    end
    return out
end

-- The hook of a setup: that of an earlier one with the same options, or another in its place.
local function hook_for(own, of_source)
    local before = made[own.name]
    if before and before:takes(own, of_source) then
        return before
    end
    local hook = hooks.new(own, of_source)
    made[own.name] = hook
    if before then
        before:replace()
    end
    return hook
end

--- Says what a token is asked for with, and where it goes. In init_by_lua or init_worker_by_lua;
-- several times with different names. Asks for nothing (but see `prefetch`), starts nothing, and
-- does not fail for a secret or a dictionary that is missing: those are lines in the error log.
-- With the same options again it changes nothing but its functions.
-- @tparam table opts those of `groove.token_source`, and `M.options`
-- @raise on wrong types, unknown options, and an address that a secret must not be sent to
function M.setup(opts)
    local where = "groove.nginx.setup"
    check.argument(where, "options", "table", opts)
    check.options(where, OPTIONS, opts)
    local own, of_source = own_options(opts), source_options(opts)
    if not check.header_name(own.header) then
        check.fail(where .. ": header is no header's name")
    end
    source.check(where, of_source)
    local hook = hook_for(own, of_source)
    if own.prefetch and not hook:is_used() then
        board.attend(hook)
        hook:prefetch()
    end
end

local function hook_of(where, name)
    local hook = made[name or DEFAULT]
    if not hook then
        check.argument(where, "name", "string", name, true)
        check.fail(where .. ": there has been no groove.nginx.setup of this name")
    end
    board.attend(hook)
    return hook
end

-- --- the request's token -------------------------------------------------------------------------

-- Phases in which what is set still goes to the upstream, and those that can answer.
local SETS = {
    set = true, rewrite = true, server_rewrite = true, access = true, precontent = true,
    content = true,
}
local PARAMETER = "accessToken"

-- What is left of a query without the parameter, however that is written. Some servers take a ";"
-- for an "&".
local function without_parameter(args)
    local kept = args:gsub("([^&;]+)[&;]?", function(part)
        local name = ngx.unescape_uri(part:match("^[^=]*"))
        return name:lower() == PARAMETER:lower() and "" or nil
    end)
    return (kept:gsub("[&;]+$", ""))
end

-- value: nil takes away what the client has sent.
local function set_parameter(value)
    local args = without_parameter(ngx.var.args or "")
    if value then
        args = (args ~= "" and args .. "&" or "") .. PARAMETER .. "=" .. ngx.escape_uri(value)
    end
    ngx.req.set_uri_args(args)
end

-- In a query the token goes without a header: a client's own would contradict it.
local function place(hook, value)
    if hook.token_in == "query" then
        set_parameter(value)
        value = nil
    end
    if value then
        ngx.req.set_header(hook.header, value)
    else
        ngx.req.clear_header(hook.header)
    end
end

local function unavailable(hook, err, phase)
    hook:report(err)
    if phase ~= "set" then
        hook.options.on_unavailable(err)
    end
    return nil, err
end

local function authorize_slowly(name)
    local hook = hook_of("groove.nginx.authorize", name)
    local phase = ngx.get_phase()
    if not SETS[phase] then
        local err = errors.argument("phase", "must be one before the request is sent, not "
            .. phase)
        hook:report(err)
        return nil, err
    end
    local value, err = hook:authorization()
    place(hook, value)
    if not value then
        return unavailable(hook, err, phase)
    end
    return true
end

-- The warm hook does not ask for the phase, which would take longer than all the rest: where the
-- request has been sent already, the header is without effect.
local read = token.read

--- Gives the request its token, in place of what the client sent: in access_by_lua, or any other
-- phase before the request goes to the upstream. Waits where that is possible and there is no
-- token yet, for the hook's `deadline` at most. Where there is none, the client's own header is
-- taken away, and `on_unavailable` is called (not in set_by_lua, which cannot answer).
-- @tparam[opt="default"] string name
-- @treturn ?boolean true
-- @treturn ?table error, where `on_unavailable` returns
-- @raise if there has been no setup of this name
function M.authorize(name)
    local hook = made[name or DEFAULT]
    local generation = hook and hook.generation
    if generation and read(hook.word) == generation then
        ngx.req.set_header(hook.header, hook.value)
        return true
    end
    return authorize_slowly(name)
end

--- The value for a header, for `set_by_lua` and a variable; waits where that is possible.
--
--     set_by_lua_block $authorization { return groove.nginx.authorization() }
--     if ($authorization = "") { return 503; }
--     proxy_set_header Authorization $authorization;
--
-- In init_worker_by_lua it has the worker begin: to ask for a token where there is none, and to
-- renew. Otherwise it begins with the first request.
--
--     init_worker_by_lua_block { groove.nginx.authorization() }
--
-- @tparam[opt="default"] string name
-- @treturn ?string "Bearer ..."; nil makes an empty variable
-- @treturn ?table error
-- @raise if there has been no setup of this name
function M.authorization(name)
    local hook = made[name or DEFAULT]
    local generation = hook and hook.generation
    if generation and read(hook.word) == generation then
        return hook.value
    end
    hook = hook_of("groove.nginx.authorization", name)
    local value, err = hook:authorization()
    -- When a worker starts, nobody goes without.
    if not (err and err.kind == "pending" and ngx.get_phase() == "init_worker") then
        hook:report(err)
    end
    return value, err
end

-- --- what the upstream says ----------------------------------------------------------------------

local function carried_parameter()
    for part in (ngx.var.args or ""):gmatch("[^&]+") do
        local name, value = part:match("^([^=]*)=(.*)$")
        if name == PARAMETER then
            return ngx.unescape_uri(value)
        end
    end
end

local function carried_by(hook)
    if hook.token_in == "query" then
        return carried_parameter()
    end
    return ngx.var["http_" .. hook.header:lower():gsub("-", "_")]
end

-- Of several upstreams in turn the last has answered.
local function upstream_refused()
    local status = ngx.var.upstream_status
    return status ~= nil and tonumber(status:match("(%d+)%s*$")) == HTTP_UNAUTHORIZED
end

--- In header_filter_by_lua: where the upstream has answered 401, the token that this request
-- carried is given up, if it is still the current one, and another is asked for: once a second at
-- most. The answer goes to the client as it is.
-- @tparam[opt="default"] string name
-- @tparam[opt] string authorization what the request carried, where it is not in its headers:
-- the variable, with `set_by_lua`
-- @raise if there has been no setup of this name
function M.observe(name, authorization)
    if ngx.status ~= HTTP_UNAUTHORIZED then
        return
    end
    local hook = hook_of("groove.nginx.observe", name)
    if upstream_refused() then
        local carried = authorization or carried_by(hook)
        local text = carried and carried:match("^Bearer (.+)$")
        if text then
            hook:reject(text)
        end
    end
end

-- --- content handlers ----------------------------------------------------------------------------

--- In content_by_lua: a token endpoint for your own clients, who get the current token and never
-- see the secret. Answers POST over https, or from a loopback address, with the lifetime that is
-- left; 503 where there is no token. Who may ask is for the location to say.
-- @tparam[opt="default"] string name
-- @tparam[opt] table opts `allow_http = true`: over http too, where something in front of this
-- nginx ends the TLS
-- @raise if there has been no setup of this name
function M.broker(name, opts)
    local where = "groove.nginx.broker"
    return require("groove.nginx.broker").serve(hook_of(where, name), where, opts)
end

local function hooks_by_name()
    local list = {}
    for _, hook in pairs(made) do
        list[#list + 1] = hook
    end
    table.sort(list, function(a, b) return a.name < b.name end)
    return list
end

--- In content_by_lua: what all sources have done and how they are, as text for Prometheus. With a
-- `shared_dict` summed over the workers, and over those that have been replaced.
function M.metrics()
    return require("groove.nginx.exporter").serve(hooks_by_name())
end

--- In content_by_lua: the same as a page for people, which shows itself anew every five seconds.
function M.status_page()
    return require("groove.nginx.status").serve(hooks_by_name())
end

return M

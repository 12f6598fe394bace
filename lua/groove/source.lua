--- Sources of tokens: a table around a handle of the core, and what it has in common with static
-- tokens.
--
-- The core gives `token` while a usable token is at hand; everything that may have to wait is made
-- here, once, as flows (call.lua).
--
-- @module groove.source

local core = require("groove.core")
local address = require("groove.address")
local calls = require("groove.call")
local check = require("groove.check")
local errors = require("groove.errors")
local events = require("groove.events")
local hot = require("groove.token")

local M = {}

local DEFAULT_TIMEOUT = 30

--- Options of `groove.token_source`.
M.options = {
    { name = "token_url", type = "string", doc =
        "Where tokens are asked for: https, or http to a loopback address or with `allow_http`." },
    { name = "client_id", type = "string", doc = "Nothing is sent for it when absent." },
    { name = "client_secret", type = "string", secret = true, doc =
        "One of the three at most. A Lua string stays in the Lua heap until it is collected." },
    { name = "client_secret_file", type = "string", doc =
        "Read at creation and at each token request; the last good value serves while it cannot "
        .. "be read. Line breaks at its end are not part of the secret." },
    { name = "client_secret_env", type = "string", doc =
        "Name of an environment variable, read once, at creation." },
    { name = "scope", type = "string", doc = "Nothing is sent for it when absent." },
    { name = "auth", type = "string", choices = { "post", "basic", "none" }, default = "post", doc =
        "How id and secret are sent: as form fields, as HTTP Basic (RFC 6749, 2.3.1), or the id "
        .. "alone, as a form field." },
    { name = "params", type = "strings", doc =
        "Extra form fields, such as audience; none that the engine sends itself." },
    { name = "headers", type = "strings", doc = "Extra headers of the token request." },
    { name = "timeout", type = "seconds", default = 15, doc =
        "Of one token request; also how long `token` waits at most, 30 s when absent." },
    { name = "connect_timeout", type = "seconds", doc = "Of the connection within it." },
    { name = "ca_file", type = "string", doc =
        "Certificates to trust, PEM. Default: the system's." },
    { name = "proxy", type = "string", doc =
        "Of other than loopback addresses: an http or https URL, user and password in it where "
        .. "they are asked for. An https proxy is trusted as the system trusts: `ca_file` is not "
        .. "for it." },
    { name = "user_agent", type = "string", doc = "Header of that name." },
    { name = "allow_http", type = "boolean", default = false, doc =
        "Permits http to other than loopback addresses: anybody on the way reads the secret." },
    { name = "thread", type = "boolean", default = true, doc =
        "false: needs no I/O thread; `groove.dispatch`, whenever `groove.fd()` is readable, and "
        .. "blocking calls do the work. The thread is the process's: one is started all the same "
        .. "where another open source does not say false, and one that runs stays. Without it, "
        .. "whoever does the work looks host names up, and blocks: first at creation, where the "
        .. "certificates are read as well, so that a chroot and another user may follow; again, "
        .. "for a second or two, when no connection could be made, at most once a minute. "
        .. "Addresses found before serve while that fails." },
    { name = "renew", type = "boolean", default = true, doc =
        "false: a new token is asked for only when somebody needs one." },
    { name = "on_event", type = "function", doc =
        "`on_event(event)`, called from `groove.dispatch` and at the start of a blocking call." },
    { name = "origin", type = "string", doc =
        "Where `fetch` may send the token: the scheme, host and port of a URL." },
    { name = "suspend", type = "function", doc =
        "`suspend(call, seconds)`: how a coroutine host waits without blocking." },
}

local OPTIONS = check.index(M.options, {
    { name = "_owner", type = "any", doc = "Kept as long as the source is." },
})

local RESERVED = {
    grant_type = true, client_id = true, client_secret = true, scope = true,
}

local methods = {}
local mt = { __name = "groove.source", __index = methods }
local async_mt = { __name = "groove.source.async" }

local function check_secret(where, options)
    local given = 0
    for _, name in ipairs({ "client_secret", "client_secret_file", "client_secret_env" }) do
        given = given + (options[name] and 1 or 0)
    end
    if given > 1 then
        check.fail(where .. ": only one of client_secret, client_secret_file and "
            .. "client_secret_env may be given")
    end
end

local function check_texts(where, options)
    for _, name in ipairs({ "user_agent", "proxy", "ca_file", "client_secret_file" }) do
        local value = options[name]
        if value and not check.header_safe(value) then
            check.fail(where .. ": " .. name .. " has a line break or another control character")
        end
    end
    local problem = check.bad_header(options.headers or {})
    if problem then
        check.fail(where .. ": headers " .. problem)
    end
    for _, name in ipairs({ "client_id", "scope" }) do
        if (options[name] or ""):find("%z") then
            check.fail(where .. ": " .. name .. " has a NUL")
        end
    end
end

local function check_params(where, params)
    for name, value in pairs(params) do
        if RESERVED[name] then
            check.fail(where .. ": params must not name '" .. name .. "', which is sent anyway")
        elseif name:find("%z") or value:find("%z") then
            check.fail(where .. ": params has a NUL")
        end
    end
end

--- Raises unless the options of a token source are right.
-- @tparam string where
-- @tparam table options with known names and right types
function M.check(where, options)
    if not options.token_url then
        check.fail(where .. ": token_url is required")
    end
    address.check(where, "token_url", options.token_url, options.allow_http)
    check_secret(where, options)
    check_texts(where, options)
    check_params(where, options.params or {})
end

-- What a request of `fetch` takes over from the source's options.
local TAKEN_OVER = {
    "timeout", "connect_timeout", "ca_file", "proxy", "user_agent", "allow_http",
}
local NOTHING = {}

-- One table for the many sources that have none of these.
local function request_options(options)
    local taken
    for _, name in ipairs(TAKEN_OVER) do
        if options[name] ~= nil then
            taken = taken or {}
            taken[name] = options[name]
        end
    end
    return taken or NOTHING
end

-- Before Lua 5.4 a nil that is put into a table takes room as well.
local function keep(source, name, value)
    if value then
        source[name] = value
    end
end

-- Open sources of this Lua state, with the order of their opening. Those that nobody else holds are
-- not kept.
local opened, last_opened = setmetatable({}, { __mode = "k" }), 0

--- All open sources of this Lua state, the oldest first.
-- @treturn table list
function M.all()
    local list = {}
    for source in pairs(opened) do
        if not source:closed() then
            list[#list + 1] = source
        end
    end
    table.sort(list, function(a, b) return opened[a] < opened[b] end)
    return list
end

--- Opens a source with checked options.
-- @tparam string where
-- @tparam table options
-- @treturn ?table source
-- @treturn ?table error
function M.open(where, options)
    local origin = options.origin
        and address.check(where, "origin", options.origin, options.allow_http)
    local handle, err = core.open(options)
    if not handle then
        return nil, err
    end
    -- No more than most have, which a table is made for; there may be many.
    local source = setmetatable({
        handle,
        async = false,
        token_url = options.token_url,
        client_id = options.client_id,
        request = request_options(options),
    }, mt)
    keep(source, "origin", origin)
    keep(source, "_on_event", options.on_event)
    keep(source, "_suspend", options.suspend)
    keep(source, "_owner", options._owner)
    keep(source, "_threadless", options.thread == false)
    if origin and source._threadless then
        core.prefetch({ url = origin.origin, proxy = options.proxy, ca_file = options.ca_file })
    end
    source.async = setmetatable({ _source = source }, async_mt)
    hot.prepare(source, handle)
    if options.on_event then
        events.listen(handle, source)
    end
    last_opened = last_opened + 1
    opened[source] = last_opened
    return source
end

--- A token source: the token engine alone, for any OAuth 2.0 server.
--
-- Sources of the same identity (token_url, client_id, secret, auth, scope, params, headers, proxy,
-- ca_file, allow_http) are one within a process. Reads no environment variable of its own accord.
-- @tparam table opts `source.options`
-- @treturn ?table source. A secret file that cannot be read is the first request's error
-- @treturn ?table error, of an environment variable that is not set
-- @raise on wrong types, unknown options, and an address that a secret must not be sent to
function M.new(opts)
    local where = "groove.token_source"
    check.argument(where, "options", "table", opts)
    check.options(where, OPTIONS, opts)
    M.check(where, opts)
    return M.open(where, opts)
end

--- Whether a value is a token source of the core (not a static token).
-- @param value
-- @treturn boolean
function M.is(value)
    return type(value) == "table" and getmetatable(value) == mt
end

-- Flows. A static token, which has no handle, obtains at once.

local function left(deadline)
    return deadline - core.now()
end

local function closed_meanwhile()
    return nil, errors.cancelled("the source was closed while the call was under way")
end

--- A token, from the source or from its service.
-- @tparam function await
-- @param source
-- @tparam number deadline on `core.now`
-- @tparam boolean force a new one, even though one is usable
-- @treturn ?string token
-- @treturn ?table error
function M.obtain(await, source, deadline, force)
    if source:closed() then
        return closed_meanwhile()
    end
    local token = not force and source:peek()
    if token then
        return token
    end
    local seconds = left(deadline)
    if seconds <= 0 then
        return nil, errors.timeout("no token in time")
    end
    local handle = source[1]
    if not handle then
        return source:_obtain(force)
    end
    return await(handle:acquire(seconds, force or false))
end

-- Starts what is needed for a token, without waiting for it.
local function glance(source)
    local handle = source[1]
    if not handle then
        return source:_obtain(false)
    end
    local op = handle:acquire(DEFAULT_TIMEOUT, false)
    if op:done() then
        return op:result()
    end
    return nil, errors.pending("no token yet; one has been asked for")
end

local function token_flow(await, source, seconds, wait)
    if source:closed() then
        return closed_meanwhile()
    end
    local token = source:peek()
    if token then
        return token
    elseif wait == false then
        return glance(source)
    end
    return M.obtain(await, source, core.now() + seconds, false)
end

local function authorization_flow(...)
    local token, err = token_flow(...)
    if not token then
        return nil, err
    end
    return "Bearer " .. token
end

local function refresh_flow(await, source, seconds)
    return M.obtain(await, source, core.now() + seconds, true)
end

local function ready_flow(await, source, seconds)
    local token, err = token_flow(await, source, seconds)
    if not token then
        return nil, err
    end
    return true
end

--- Headers as the core takes them.
-- @tparam ?table headers strings by name
-- @tparam[opt] string first a line that goes first
-- @treturn table list of "Name: value"
function M.header_lines(headers, first)
    local lines = { first }
    for name, value in pairs(headers or {}) do
        lines[#lines + 1] = name .. ": " .. value
    end
    return lines
end

-- One exchange of `fetch`.
local function exchange(await, request, token, deadline)
    local seconds = left(deadline)
    if seconds <= 0 then
        return nil, errors.timeout("no answer in time")
    end
    await() -- no further, where what the call has run has ended it
    return await(core.request({
        method = request.method,
        url = request.url,
        headers = M.header_lines(request.headers, "Authorization: Bearer " .. token),
        body = request.body,
        timeout = seconds,
        options = request.options,
    }))
end

local function fetch_flow(await, source, request)
    local deadline = core.now() + request.seconds
    local token, err = M.obtain(await, source, deadline, false)
    if not token then
        return nil, err
    end
    local response
    response, err = exchange(await, request, token, deadline)
    if not response or response.status ~= 401 or source:closed() then
        return response, err
    end
    source:invalidate(token)
    local renewed = M.obtain(await, source, deadline, false)
    if not renewed or renewed == token then
        return response
    end
    return exchange(await, request, renewed, deadline)
end

-- Methods: checks of arguments, in front of the flows.

local TOKEN_OPTIONS = check.index({
    { name = "timeout", type = "wait", doc = "How long to wait at most." },
    { name = "wait", type = "boolean", doc = "false: never waits." },
})
local REFRESH_OPTIONS = check.index({
    { name = "timeout", type = "wait", doc = "How long to wait at most." },
})
local FETCH_OPTIONS = check.index({
    { name = "method", type = "string", default = "GET", doc = "Any HTTP method." },
    { name = "headers", type = "strings", doc = "Not Authorization." },
    { name = "body", type = "string", doc = "Sent as it is." },
    { name = "timeout", type = "seconds", doc = "Of everything, with a renewal." },
})

local function default_timeout(source)
    return source.request.timeout or DEFAULT_TIMEOUT
end

--- Preparations by method (call.method); the client's methods of the same names use them too.
M.prepare = {}

--- `source:token(opts)`: the access token. Never waits while a usable token exists.
-- @tparam[opt] table opts `timeout` seconds to wait at most (default: the source's, or 30);
-- `wait = false` never waits and gives `kind = "pending"` when there is no token
-- @treturn ?string token
-- @treturn ?table error
function M.prepare.token(source, where, opts)
    opts = check.options(where, TOKEN_OPTIONS, opts)
    return token_flow, source, opts.timeout or default_timeout(source), opts.wait
end

--- `source:authorization(opts)`: "Bearer ...", ready for a header. Options as for `token`.
-- @tparam[opt] table opts
-- @treturn ?string
-- @treturn ?table error
function M.prepare.authorization(source, where, opts)
    opts = check.options(where, TOKEN_OPTIONS, opts)
    return authorization_flow, source, opts.timeout or default_timeout(source), opts.wait
end

--- `source:refresh(opts)`: a new token, although one may be usable.
-- @tparam[opt] table opts `timeout` seconds
-- @treturn ?string token
-- @treturn ?table error
function M.prepare.refresh(source, where, opts)
    opts = check.options(where, REFRESH_OPTIONS, opts)
    return refresh_flow, source, opts.timeout or default_timeout(source)
end

--- `source:wait_ready(seconds)`: waits until there is a usable token.
-- @tparam[opt] number seconds at most; default the source's timeout, or 30
-- @treturn ?boolean true
-- @treturn ?table error
function M.prepare.wait_ready(source, where, seconds)
    check.argument(where, "seconds", "wait", seconds, true)
    return ready_flow, source, seconds or default_timeout(source)
end

local function fetch_problem(opts)
    local problem = check.bad_header(opts.headers or {})
    if problem then
        return errors.argument("headers", problem)
    end
    for name in pairs(opts.headers or {}) do
        if name:lower() == "authorization" then
            return errors.argument("headers", "must not hold Authorization, which the source adds")
        end
    end
    if opts.method and not opts.method:find("^[A-Z]+$") then
        return errors.argument("method", "must be a method of HTTP, in capital letters")
    end
end

--- `source:fetch(url, opts)`: an authorized request to the source's `origin`. Renews the token and
-- repeats the request once when the answer is 401. Bodies are bounded (16 MiB), redirects not
-- followed.
-- @tparam string url a URL of the origin, or a path beginning with "/"
-- @tparam[opt] table opts `method` ("GET"), `headers` (strings by name, not Authorization), `body`,
-- `timeout` (seconds, of everything; default the source's, or 30)
-- @treturn ?table `{ status, headers, body }`, headers by lower-case name
-- @treturn ?table error
function M.prepare.fetch(source, where, url, opts)
    check.argument(where, "url", "string", url)
    opts = check.options(where, FETCH_OPTIONS, opts)
    if not source.origin then
        return nil, errors.argument("url", "cannot be fetched: the source was made without origin")
    end
    local whole, problem = address.within(url, source.origin)
    local err = not whole and errors.argument("url", problem) or fetch_problem(opts)
    if err then
        return nil, err
    end
    return fetch_flow, source, {
        url = whole,
        method = opts.method or "GET",
        headers = opts.headers,
        body = opts.body,
        seconds = opts.timeout or default_timeout(source),
        options = source.request,
    }
end

local function owner_of(source, where)
    if type(source) ~= "table" or not source.request then
        check.fail(where .. ": not a source; call it with a colon")
    elseif source:closed() then
        check.fail(where .. ": the source is closed")
    end
    return source
end

--- Adds what may have to wait to a class of sources.
-- @tparam table class gets the blocking forms
-- @tparam table proxies the metatable of what `source.async` is, `{ _source = source }`; gets the
-- asynchronous forms
function M.install(class, proxies)
    proxies.__index = {}
    for name, prepare in pairs(M.prepare) do
        local method, async = calls.method("source:" .. name, prepare, owner_of)
        class[name] = method
        proxies.__index[name] = function(proxy, ...)
            if getmetatable(proxy) ~= proxies then
                check.fail("source.async:" .. name .. ": call it with a colon")
            end
            return async(proxy._source, ...)
        end
    end
end

M.install(methods, async_mt)

-- The fast one calls the one made here when it cannot answer at once.
methods.token = hot.method(methods.token)

--- The usable token, if there is one. Never waits, sends nothing.
-- @treturn ?string token
function methods:peek()
    return owner_of(self, "source:peek")[1]:peek()
end

--- What is known, without the token: `state` ("empty", "ready", "renewing", "failing", "refused",
-- "closed"), `age`, `expires_in` and `refresh_in` (seconds), `generation`, `origin` ("network",
-- "adopted", "inherited"), `last_error`, `counts`, of these the requests by `reasons` and the
-- failures by `codes`.
-- @treturn table
function methods:info()
    return self[1]:info()
end

--- Gives a token up that the API has refused, if it is still the current one; a new one is asked
-- for, once a second at most for this reason.
-- @tparam string token
-- @treturn boolean whether it was
function methods:invalidate(token)
    local where = "source:invalidate"
    owner_of(self, where)
    check.argument(where, "token", "string", token)
    return self[1]:invalidate(token)
end

--- Takes over a token that somebody else obtained, if it was issued later than the current one and
-- can still be used.
-- @tparam string token
-- @tparam number expires_in seconds of its whole life
-- @tparam[opt=0] number age seconds since it was asked for
-- @treturn boolean whether it was taken over
function methods:adopt(token, expires_in, age)
    local where = "source:adopt"
    owner_of(self, where)
    check.argument(where, "token", "string", token)
    check.argument(where, "expires_in", "number", expires_in)
    check.argument(where, "age", "number", age, true)
    return self[1]:adopt(token, expires_in, age)
end

--- Whether the source has been closed.
-- @treturn boolean
function methods:closed()
    return self[1]:closed()
end

--- Ends this source. Sources of the same identity share one token, counted; the last one's end
-- forgets it. Later use raises; calls under way end as cancelled. Idempotent.
function methods:close()
    if not self[1]:closed() then
        self[1]:close()
        hot.forget(self)
        calls.cancel_all(self)
    end
end

mt.__close = methods.close

--- State, for people: the token service's host and the state, nothing secret.
-- @treturn string "groove.source (login.live.com, ready)"
function mt.__tostring(source)
    local url = core.url(source.token_url, true)
    return "groove.source (" .. (url and url.host or "?") .. ", " .. source:info().state .. ")"
end

--- The class, for checking the documentation against it.
M.methods = methods

return M

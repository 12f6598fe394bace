--- The client of the Groove API: thin methods over the rows of `groove.endpoints`.
--
-- @module groove.client

local core = require("groove.core")
local batch = require("groove.batch")
local calls = require("groove.call")
local check = require("groove.check")
local endpoints = require("groove.endpoints")
local errors = require("groove.errors")
local pages = require("groove.pages")
local request = require("groove.request")
local response = require("groove.response")
local settings = require("groove.settings")
local source = require("groove.source")
local static = require("groove.static")
local transfer = require("groove.transfer")

local M = {}

local methods = {}
local mt = { __name = "groove.client", __index = methods }

local async_methods = {}
local async_mt = { __name = "groove.client.async", __index = async_methods }

local WITH_OPTIONS = check.index(settings.call_defaults)

-- A user's token as a source; functions keep theirs, so that what they gave is not asked for anew.
-- A source holds its function: where weak keys are no ephemerons, that would be for ever.
local wrapped = setmetatable({}, { __mode = _VERSION == "Lua 5.1" and "kv" or "k" })

local function user_source(value)
    if not value or settings.is_source(value) then
        return value or nil
    elseif type(value) == "string" then
        return static.new(value)
    end
    local made = wrapped[value]
    if not made or made:closed() then
        made = static.new(value)
        wrapped[value] = made
    end
    return made
end

local function set_defaults(client, options)
    for _, name in ipairs({ "language", "country", "client_instance_id" }) do
        if options[name] ~= nil then
            client._defaults[name] = options[name]
        end
    end
    if options.user_token ~= nil then
        client._user = user_source(options.user_token)
    end
    client._token_in = options.token_in or client._token_in
    client._timeout = options.timeout or client._timeout
    client._suspend = options.suspend or client._suspend
    client._on_event = options.on_event or client._on_event
    client.async = setmetatable({ _client = client }, async_mt)
    return setmetatable(client, mt)
end

local function open_source(where, options, url)
    if options.source then
        return options.source
    elseif not options.token_url then
        return user_source(options.user_token)
    end
    local own = { origin = options.origin or url.origin }
    for _, descriptor in ipairs(source.options) do
        if own[descriptor.name] == nil then
            own[descriptor.name] = options[descriptor.name]
        end
    end
    -- `timeout` is the call's here; an attempt of the engine serves other calls as well.
    own.timeout = nil
    local made, err = source.open(where, own)
    if err and err.code == "secret_missing" and options.paired then
        own.client_id, own.client_secret_env = nil, nil
        return source.open(where, own)
    end
    return made, err
end

--- A client of the Groove API.
--
-- GROOVE_CLIENT_ID with GROOVE_CLIENT_SECRET_FILE or GROOVE_CLIENT_SECRET, GROOVE_TOKEN_URL and
-- GROOVE_API_URL fill in what is absent; id and secret only as a pair.
-- @tparam[opt] table opts `profile`, or `token_url` and `api_url`; the options of
-- `groove.token_source`, or a ready `source`; `user_token`, `token_in`, `language`, `country`,
-- `client_instance_id`, `timeout`, `transport`, `json`, `suspend`, `on_event`
-- @treturn ?table client
-- @treturn ?table error, for example of a secret file that cannot be read
-- @raise on wrong types, unknown options, and an address that a secret must not be sent to
function M.new(opts)
    local where = "groove.new"
    local options, url = settings.read(where, opts)
    local err = settings.bad_default(options)
    if err then
        return nil, err
    end
    local made
    made, err = open_source(where, options, url)
    if not made then
        return nil, err
    end
    if (options.thread == false or made._threadless) and not options.transport then
        core.prefetch({ url = url.origin, proxy = options.proxy, ca_file = options.ca_file })
    end
    return set_defaults({
        _source = made,
        _owns = not options.source and options.token_url ~= nil,
        _base = (options.api_url:gsub("/+$", "")),
        _host = url.host,
        _transport = options.transport,
        _json = options.json,
        _owner = options._owner,
        _request = {
            connect_timeout = options.connect_timeout,
            ca_file = options.ca_file,
            proxy = options.proxy,
            user_agent = options.user_agent,
            allow_http = options.allow_http,
        },
        _calls = calls.set(),
        _life = { closed = false },
        _defaults = {},
        _token_in = "header",
        _timeout = settings.default_timeout,
    }, options)
end

local function owner_of(client, where)
    if getmetatable(client) ~= mt then
        check.fail(where .. ": not a client; call it with a colon")
    elseif client._life.closed then
        check.fail(where .. ": the client is closed")
    elseif client._source:closed() then
        check.fail(where .. ": the client's source is closed")
    end
    return client
end

-- Gives a method both of its forms.
local function define(name, prepare)
    local method, async = calls.method("client:" .. name, prepare, owner_of)
    methods[name] = method
    async_methods[name] = function(proxy, ...)
        if getmetatable(proxy) ~= async_mt then
            check.fail("client.async:" .. name .. ": call it with a colon")
        end
        return async(proxy._client, ...)
    end
end

--- The same client with other defaults: another user's token, country, ...; everything else is
-- shared. `user_token = false` goes back to the application's token.
-- @tparam table opts `settings.call_defaults`
-- @treturn ?table client
-- @treturn ?table error of kind "argument"
function methods:with(opts)
    local where = "client:with"
    owner_of(self, where)
    check.argument(where, "options", "table", opts)
    check.options(where, WITH_OPTIONS, opts)
    local err = settings.bad_default(opts)
    if err then
        return nil, err
    end
    local client = { _defaults = {} }
    for name, value in pairs(self) do
        if name ~= "_defaults" then
            client[name] = value
        end
    end
    for name, value in pairs(self._defaults) do
        client._defaults[name] = value
    end
    return set_defaults(client, opts)
end

-- Adds to a plan who pays and until when.
local function ready(client, where, plan, options)
    local user = options.user_token
    if type(user) == "string" and not static.fit(user) then
        return nil, errors.argument("user_token", settings.token_problem)
    end
    if user == nil then
        plan.source = client._user or client._source
    else
        plan.source = user_source(user) or client._source
    end
    if plan.source:closed() then
        check.fail(where .. ": the source of the user's token is closed")
    end
    plan.renewable = source.is(plan.source) or plan.source._renewable
    if plan.needs_user and client._owns and plan.source == client._source then
        -- An application's token is refused there however new it is.
        plan.renewable = false
    end
    plan.seconds = options.timeout or client._timeout
    return plan
end

local function planned(client, where, row, positional)
    local plan, options = request.plan(where, row, client._defaults, positional)
    if not plan then
        return nil, options
    end
    return ready(client, where, plan, options)
end

for name, row in pairs(endpoints.rows) do
    define(name, function(client, where, ...)
        local plan, err = planned(client, where, row, { ... })
        if not plan then
            return nil, err
        elseif plan.parts and plan.format == "xml" then
            return nil, errors.argument(row.splits, "are too many for one answer in XML")
        end
        return batch.flow(plan), client, plan
    end)
end

local function build_flow(await, client, plan)
    local token, err = plan.source:peek(), nil
    if not token then
        token, err = source.obtain(await, plan.source, core.now() + plan.seconds, false)
    end
    if not token then
        return nil, err
    end
    return pages.sign(transfer.message(client, plan, plan, token), plan)
end

local function row_named(where, name)
    check.argument(where, "name", "string", name)
    local row = endpoints.rows[name]
    if not row then
        check.fail(where .. ": there is no method '" .. name .. "'")
    end
    return row
end

-- What messages call the method that a request is built of.
local BUILDING = {}
for name in pairs(endpoints.rows) do
    BUILDING[name] = "client:build (" .. name .. ")"
end

--- A method's request, with the token, for any other HTTP stack; waits for a token if need be.
-- @function client:build
-- @tparam string name the method's, "search"
-- @param ... the method's arguments
-- @treturn ?table `{ method, url, headers, body }`, headers by name
-- @treturn ?table error
define("build", function(client, where, name, ...)
    local row = row_named(where, name)
    local plan, err = planned(client, BUILDING[name], row, { ... })
    if not plan then
        return nil, err
    elseif plan.parts then
        return nil, errors.argument(row.splits, "are too many for one request")
    end
    return build_flow, client, plan
end)

--- Reads the answer to a request of `build`.
-- @tparam string name the method's
-- @tparam table answer `{ status, headers, body }`, headers by name
-- @tparam[opt] table built what `build` returned; with it, the answer's lists can be continued
-- @return value as the method returns it
-- @treturn ?table error
function methods:parse(name, answer, built)
    local where = "client:parse"
    owner_of(self, where)
    local row = row_named(where, name)
    check.argument(where, "response", "table", answer)
    check.argument(where, "response.status", "integer", answer.status)
    check.argument(where, "response.headers", "table", answer.headers, true)
    check.argument(where, "response.body", "string", answer.body, true)
    check.argument(where, "request", "table", built, true)
    local plan = built and pages.plan_of(built)
    local format = plan and plan.format or response.format(answer)
    local token = plan and request.token_of(built)
    local value, err = response.read(answer, self._json, format, token)
    return batch.finish(value, plan or { row = row }), err
end

local SEND_OPTIONS = check.index({
    { name = "method", type = "string", choices = { "GET", "POST" }, default = "GET",
        doc = "A GET may be repeated, a POST is not." },
    { name = "path", type = "string", doc = "Begins with \"/\", percent-encoded." },
    { name = "query", type = "table", doc = "Values by name; a list is joined by \"+\"." },
    { name = "body", type = "any", doc = "A table is sent as JSON, a string as it is." },
    { name = "format", type = "string", choices = { "json", "xml" }, default = "json",
        doc = "\"xml\": the text is returned." },
}, request.call_options)

--- Calls a path that no method covers, with everything that they have: token, repeats, decoding.
-- @function client:send
-- @tparam table opts `path` (begins with "/", percent-encoded), `method` ("GET", or "POST", which
-- is not repeated), `query` (values by name; a list is joined by "+"), `body` (a table is sent as
-- JSON, a string as it is), `format`, `user_token`, `timeout`
-- @return value the answer, as of a method
-- @treturn ?table error
define("send", function(client, where, opts)
    check.argument(where, "options", "table", opts)
    check.options(where, SEND_OPTIONS, opts)
    check.argument(where, "path", "string", opts.path)
    if opts.body ~= nil and type(opts.body) ~= "string" then
        check.argument(where, "body", "table", opts.body)
    end
    local problem = request.path_problem(opts.path)
    if problem then
        return nil, errors.argument("path", problem)
    elseif opts.query and opts.query.accessToken ~= nil then
        return nil, errors.argument("query", "must not hold accessToken: the client adds its own")
    end
    local defaults = { language = client._defaults.language, country = client._defaults.country }
    local query = request.free_query(opts.query or {}, defaults)
    local body = opts.body
    if type(body) == "table" then
        body = response.json(client._json).encode(body)
    end
    local plan, err = ready(client, where, {
        row = { method = opts.method or "GET" },
        path = opts.path,
        target = opts.path .. query,
        body = body,
        format = opts.format,
    }, opts)
    if not plan then
        return nil, err
    end
    return batch.flow(plan), client, plan
end)

-- Paging.

local function continuation_flow(await, client, page, name)
    local continuation, err = pages.next(page, name)
    if not continuation then
        return nil, err
    end
    local plan = continuation.plan
    local target = request.continuation(continuation.path, continuation.token)
    local value
    value, err = transfer.exchange(await, client, plan, { target = target },
        core.now() + plan.seconds)
    if not value then
        return nil, err
    end
    local adopted, problem = pages.adopt(continuation, value)
    return adopted, problem or err
end

local function check_list(where, name, page, optional)
    if type(name) ~= "string" then
        check.argument(where, "list", "table", name)
    end
    check.argument(where, "page", "table", page, optional)
end

--- The page that holds the next items of a list, found there by the same name.
-- @function client:next_page
-- @tparam string|table list "Tracks", "Artists.1.Albums", or the list itself
-- @tparam table page an answer of this client
-- @treturn ?table page; nil, without an error, at the end
-- @treturn ?table error
define("next_page", function(client, where, name, page)
    check_list(where, name, page)
    return continuation_flow, client, page, name
end)

local function gather(items, more, limit)
    for _, item in ipairs(more) do
        if limit and #items >= limit then
            return true
        end
        items[#items + 1] = item
    end
    return limit ~= nil and #items >= limit
end

local function collect_flow(await, client, name, page, err, limit)
    local items = {}
    while page do
        if gather(items, pages.items(pages.find(page, name)), limit) then
            break
        end
        local problem
        page, problem = continuation_flow(await, client, page, name)
        err = err or problem
    end
    return items, err
end

local COLLECT_OPTIONS = check.index({
    { name = "limit", type = "integer", doc = "Items wanted at most." },
})

--- All items of a list, as one table, fetching as needed. Takes what a method has returned:
-- `client:collect("Tracks", client:search("x"))`.
-- @function client:collect
-- @tparam string|table list as for `each`
-- @tparam ?table page
-- @tparam[opt] table err
-- @tparam[opt] table opts `limit`, items wanted at most
-- @treturn table items, so far where there is an error
-- @treturn ?table error
define("collect", function(client, where, name, page, err, opts)
    -- What a call returns in the middle of an argument list is cut to its first value.
    if opts == nil and type(err) == "table" and not errors.is(err) then
        err, opts = nil, err
    end
    check_list(where, name, page, err ~= nil)
    opts = check.options(where, COLLECT_OPTIONS, opts)
    if opts.limit and opts.limit < 1 then
        return nil, errors.argument("limit", "must be at least 1")
    end
    return collect_flow, client, name, page, err, opts.limit
end)

--- Iterates over a list to its end, fetching as needed. Takes what a method has returned:
-- `for track in client:each("Tracks", client:search("x")) do ... end`.
-- @tparam string|table list "Tracks", "Artists.1.Albums", or the list itself
-- @tparam ?table page
-- @tparam[opt] table err raised at once where there is no page, else after the items
-- @treturn function iterator
-- @raise the error of a call that fails, as `io.lines` does
function methods:each(list, page, err)
    local where = "client:each"
    owner_of(self, where)
    check_list(where, list, page, err ~= nil)
    if not page then
        error(err, 0)
    end
    local items, i = pages.items(pages.find(page, list)), 0
    return function()
        i = i + 1
        while page and items[i] == nil do
            local problem
            page, problem = calls.perform(self, continuation_flow, self, page, list)
            items, i = page and pages.items(pages.find(page, list)) or {}, 1
            err = err or problem
        end
        if items[i] == nil and err then
            error(err, 0)
        end
        return items[i]
    end
end

-- What the client has of its source.

for _, name in ipairs({ "token", "authorization", "refresh", "wait_ready" }) do
    local prepare = source.prepare[name]
    define(name, function(client, where, ...)
        return prepare(client._source, where, ...)
    end)
end

--- Its source's state, never the token (`source:info`).
-- @treturn table
function methods:info()
    if getmetatable(self) ~= mt then
        check.fail("client:info: not a client; call it with a colon")
    elseif self._life.closed then
        return { state = "closed" }
    end
    return self._source:info()
end

--- Forgets a token that the API has refused, if it is still the current one.
-- @tparam string token
-- @treturn boolean
function methods:invalidate(token)
    owner_of(self, "client:invalidate")
    check.argument("client:invalidate", "token", "string", token)
    return self._source:invalidate(token)
end

--- Whether the client has been closed.
-- @treturn boolean
function methods:closed()
    return self._life.closed
end

--- Ends the client and all that `with` made of it: calls under way end as cancelled, later use
-- raises. Its source is closed unless it was given ready. Idempotent.
function methods:close()
    if getmetatable(self) ~= mt then
        check.fail("client:close: not a client; call it with a colon")
    elseif self._life.closed then
        return
    end
    self._life.closed = true
    calls.cancel_all(self)
    if self._owns then
        self._source:close()
    end
end

mt.__close = methods.close

--- State, for people: the API's host, nothing secret.
-- @treturn string "groove.client (music.xboxlive.com)"
function mt.__tostring(client)
    local closed = client._life.closed and ", closed" or ""
    return "groove.client (" .. client._host .. closed .. ")"
end

async_mt.__tostring = function(proxy)
    return tostring(proxy._client) .. ".async"
end

return M

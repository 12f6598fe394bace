--- Settings: the options of `groove.new` and `client:with`, what fills them in, and what is wrong
-- with them.
--
-- @module groove.settings

local address = require("groove.address")
local check = require("groove.check")
local errors = require("groove.errors")
local source = require("groove.source")
local static = require("groove.static")

local M = {}

M.default_timeout = 30

local function is_source(value)
    return source.is(value) or static.is(value)
end

M.is_source = is_source

check.add_type("source", "a source", is_source)
check.add_type("user_token", "a string, a function, a source or false", function(value)
    local kind = type(value)
    return kind == "string" or kind == "function" or value == false or is_source(value)
end)

--- Options of `client:with`, and of `groove.new`: what the calls of a client have in common.
M.call_defaults = {
    { name = "user_token", type = "user_token", secret = true, doc =
        "A user's token, sent instead of the application's: a string, a function as of "
        .. "`groove.static_token`, or a source. false: none." },
    { name = "token_in", type = "string", choices = { "header", "query" }, default = "header", doc =
        "Where the token goes; \"query\" puts it into URLs, and so into logs." },
    { name = "language", type = "string", doc = "Two letters. Default: the service's guess." },
    { name = "country", type = "string", doc = "Two letters. Default: the service's guess." },
    { name = "client_instance_id", type = "string", doc =
        "Names this installation to preview and stream: 32 to 128 characters, made once at random "
        .. "and kept by the program." },
    { name = "timeout", type = "seconds", default = M.default_timeout, doc =
        "Of the whole call, with the token and repeats." },
    { name = "suspend", type = "function", doc =
        "`suspend(call, seconds)`: how a coroutine host waits without blocking. Called until the "
        .. "call is done; `seconds` is a proposal." },
    { name = "on_event", type = "function", doc =
        "`on_event(event)`, called from `groove.dispatch` and at the start of a blocking call. Its "
        .. "source's too, where the client makes it." },
}

--- Options of `groove.new` besides those and `token_source`'s.
M.options = {
    { name = "profile", type = "string", choices = { "live", "azure" }, doc =
        "The documented URLs and scope of the service (\"live\"), or the older ones (\"azure\")." },
    { name = "api_url", type = "string", doc =
        "The API: https, or http to a loopback address or with `allow_http`." },
    { name = "source", type = "source", doc =
        "A ready source of tokens, instead of the options that make one. `close` leaves it open." },
    { name = "transport", type = "function", doc =
        "`transport(request) -> { status, headers, body }` or `nil, err`: sends API requests "
        .. "`{ method, url, headers, body, timeout }` instead of the core." },
    { name = "json", type = "json", doc =
        "`{ decode, encode, null }`. Default: lua-cjson, loaded at the first use." },
    { name = "_owner", type = "any", doc = "Kept as long as the client is." },
}

local NEW_OPTIONS = check.index(source.options, M.call_defaults, M.options)

local PROFILES = {
    live = {
        token_url = "https://login.live.com/accesstoken.srf",
        api_url = "https://music.xboxlive.com",
        scope = "app.music.xboxlive.com",
    },
    azure = {
        token_url = "https://datamarket.accesscontrol.windows.net/v2/OAuth2-13",
        api_url = "https://music.xboxlive.com",
        scope = "http://music.xboxlive.com",
    },
}

local function environment(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

local CREDENTIALS = { "client_id", "client_secret", "client_secret_file", "client_secret_env" }

-- Id and secret come from one place: an id of the program's must not meet the environment's secret.
local function fill_credentials(options)
    for _, name in ipairs(CREDENTIALS) do
        if options[name] then
            return
        end
    end
    local id = environment("GROOVE_CLIENT_ID")
    local file = environment("GROOVE_CLIENT_SECRET_FILE")
    if id and file then
        options.client_id, options.client_secret_file = id, file
    elseif id then
        -- By name, and not looked at: the secret must never become a Lua string. Where it turns out
        -- to be absent, the id does not count either (`paired`).
        options.client_id, options.client_secret_env = id, "GROOVE_CLIENT_SECRET"
        options.paired = true
    end
end

local function filled(opts)
    local options = {}
    for name, value in pairs(opts) do
        options[name] = value
    end
    local profile = PROFILES[options.profile] or {}
    options.api_url = options.api_url or profile.api_url or environment("GROOVE_API_URL")
    if not options.source then
        options.scope = options.scope or profile.scope
        options.token_url = options.token_url or profile.token_url
            or environment("GROOVE_TOKEN_URL")
    end
    if options.token_url then
        fill_credentials(options)
    end
    return options
end

local WITHOUT_URLS = " is missing: give token_url and api_url, or profile = \"live\", or try "
    .. "groove.sandbox():client()"

local function check_urls(where, options)
    if not options.api_url then
        check.fail(where .. ": api_url" .. WITHOUT_URLS)
    elseif not options.source and not options.token_url and not options.user_token then
        check.fail(where .. ": token_url" .. WITHOUT_URLS)
    end
    local url = address.check(where, "api_url", options.api_url, options.allow_http)
    if options.api_url:find("[?#]") then
        check.fail(where .. ": api_url must not hold a query or a fragment")
    end
    return url
end

-- With a ready source, what would make another one is a mistake.
local function check_source(where, options)
    if not options.source then
        return
    end
    for _, name in ipairs({ "token_url", "client_id", "client_secret", "client_secret_file",
        "client_secret_env", "scope", "auth", "params", "headers", "renew", "thread" }) do
        if options[name] ~= nil then
            check.fail(where .. ": " .. name .. " cannot be given together with source")
        end
    end
end

local function is_letters(value)
    return value:find("^%a%a$") ~= nil
end

local function is_instance_id(value)
    return #value >= 32 and #value <= 128
end

-- Defaults are checked when they are set: a call that fails for them would be hard to understand.
local DEFAULT_CHECKS = {
    language = { is_letters, "must be two letters" },
    country = { is_letters, "must be two letters" },
    client_instance_id = { is_instance_id, "must have 32 to 128 characters" },
    user_token = { function(value)
        return type(value) ~= "string" or static.fit(value)
    end, "is empty or has a line break or another control character" },
}

--- What is wrong with a default of the calls.
-- @tparam table options
-- @treturn ?table error of kind "argument"
function M.bad_default(options)
    for name, rule in pairs(DEFAULT_CHECKS) do
        if options[name] and not rule[1](options[name]) then
            return errors.argument(name, rule[2])
        end
    end
end

--- The options of `groove.new`, filled in from its profile and the environment.
-- @tparam string where
-- @tparam ?table opts never changed
-- @treturn table options
-- @treturn table parts of `api_url`
-- @raise on what `groove.new` raises on
function M.read(where, opts)
    check.argument(where, "options", "table", opts, true)
    check_source(where, check.options(where, NEW_OPTIONS, opts))
    local options = filled(opts or {})
    local url = check_urls(where, options)
    if options.token_url then
        source.check(where, options)
    end
    return options, url
end

M.token_problem = DEFAULT_CHECKS.user_token[2]

return M

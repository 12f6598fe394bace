--- The sandbox: a stand-in of the Groove service that behaves as its documentation says.
--
-- A child process (nginx with its Lua module) on a free loopback port, which ends with the program
-- that started it, however that ends. Or, with `in_process`, the same logic in the program itself,
-- as a transport function: quicker, and without nginx.
--
--     local sandbox = groove.sandbox()
--     local client = sandbox:client()
--     local theirs = sandbox:client({ user_token = sandbox:user_token() })
--     local fault = sandbox:fault({ on = "token", status = 503 })
--     ...
--     fault:clear()
--     sandbox:stop()
--
-- @module groove.sandbox

local core = require("groove.core")
local check = require("groove.check")
local errors = require("groove.errors")
local response = require("groove.response")
local launch = require("groove.sandbox.launch")

local M = {}

local methods = {}
local mt = { __name = "groove.sandbox", __index = methods }

local fault_methods = {}
local fault_mt = { __name = "groove.sandbox.fault", __index = fault_methods }

-- For one command, or until nginx has answered for the first time.
local COMMAND_SECONDS = 10
-- The log at its fullest is a few MB.
local COMMAND_BYTES = 16 * 1024 * 1024

check.add_type("lifetime", "a number of seconds, a text or false", function(value)
    return value == false or type(value) == "string"
        or check.is("number", value) and math.abs(value) < math.huge
end)
check.add_type("delay", "a number of seconds, not negative", function(value)
    return check.is("number", value) and value >= 0 and value < math.huge
end)
check.add_type("count", "a positive integer", function(value)
    return check.is("integer", value) and value >= 1
end)
check.add_type("catalogue", "an integer from 100 to 1000000", function(value)
    return check.is("integer", value) and value >= 100 and value <= 1000000
end)
check.add_type("status", "an HTTP status from 200 to 599", function(value)
    return check.is("integer", value) and value >= 200 and value <= 599
end)
check.add_type("close", "true or a number of bytes", function(value)
    return value == true or check.is("integer", value) and value >= 0
end)
check.add_type("body", "a string or a number of bytes", function(value)
    return type(value) == "string" or check.is("integer", value) and value >= 0
end)
check.add_type("retry_after", "a number of seconds or a text", function(value)
    return check.is("number", value) or type(value) == "string"
end)

--- Options of `groove.sandbox`.
M.options = {
    { name = "in_process", type = "boolean", default = false, doc =
        "No server: `options` gives a transport function and a static token. A fault's delay "
        .. "blocks the program; faults of the token endpoint are not possible." },
    { name = "tls", type = "boolean", default = false, doc =
        "https with HTTP/2, and a certificate authority made on the spot (`ca_file`); needs the "
        .. "openssl command, version 3 or later. A fault that closes ends a stream there." },
    { name = "json", type = "json", doc =
        "`{ decode, encode, null }` of this program and its clients. Default: lua-cjson." },
    { name = "lifetime", type = "lifetime", default = 86400, doc =
        "Of the tokens, as of `set_lifetime`." },
    { name = "refresh_in", type = "number", doc =
        "Seconds; the token's answer carries it. Default: left out." },
    { name = "answer_style", type = "string", choices = { "snake", "camel" }, default = "snake",
        doc = "Spelling of the token's answer: access_token (the documentation's examples) or "
            .. "accessToken (its prose)." },
    { name = "expires_as_string", type = "boolean", default = false, doc =
        "expires_in as a string, as the older service had it." },
    { name = "code_style", type = "string", choices = { "underscores", "dashes" },
        default = "underscores", doc = "Spelling of the API's error codes; both were seen." },
    { name = "client_id", type = "string", default = "sandbox-application", doc =
        "The only id that the token endpoint accepts." },
    { name = "client_secret", type = "string", doc = "Its secret. Default: made up at random." },
    { name = "scope", type = "string", default = "app.music.xboxlive.com", doc =
        "The only scope that the token endpoint accepts; a request may leave it out." },
    { name = "catalogue", type = "catalogue", doc =
        "How many tracks there are, 100 to 1,000,000: always the same ones of a number. Default: "
        .. "about 4,700." },
    { name = "collection_limit", type = "count", doc =
        "Tracks that a user's collection takes. Default: the service's 50,000." },
    { name = "playlist_limit", type = "count", doc =
        "Tracks that a playlist of a user's takes. Default: the service's 1,000." },
}

--- Options of `user_token`.
M.user_options = {
    { name = "subscription", type = "boolean", doc =
        "Whether the user has a subscription from now on. Default: as before; at first, yes." },
    { name = "lifetime", type = "seconds", doc =
        "Seconds for which the token will be accepted. Default: the sandbox's." },
}

--- Fields of a fault.
M.fault_options = {
    { name = "on", type = "string", choices = { "token", "api" }, doc = "What it meets." },
    { name = "status", type = "status", doc =
        "HTTP status. Default: 200 with `body`, 429 with `retry_after`, else the usual one." },
    { name = "delay", type = "delay", doc = "Seconds before the answer." },
    { name = "body", type = "body", doc =
        "Sent as it is; a number: so many bytes, made up as they go. Default: what a service says "
        .. "with that status." },
    { name = "close", type = "close", doc =
        "true: hangs up without an answer; a number: after so many bytes of the body." },
    { name = "retry_after", type = "retry_after", doc =
        "Retry-After: seconds, or a text such as an HTTP date." },
    { name = "headers", type = "strings", doc = "More headers, by name." },
    { name = "times", type = "count", doc = "Requests it meets. Default: all until cleared." },
}

local OPTIONS = check.index(M.options)
local FAULT_OPTIONS = check.index(M.fault_options)
local USER_OPTIONS = check.index(M.user_options)

local function random_bytes(n)
    local file = assert(io.open("/dev/urandom", "rb"))
    local bytes = file:read(n)
    file:close()
    return bytes
end

local function failure(code, message)
    return errors.new({ kind = "transport", code = code, message = message, retryable = false })
end

local function filled(opts)
    local out = {}
    for _, option in ipairs(M.options) do
        out[option.name] = opts[option.name]
        if out[option.name] == nil then
            out[option.name] = option.default
        end
    end
    return out
end

-- Random secrets hold "+", "/" and "=", which a client has to encode.
local function settings_of(options)
    local text = require("groove.sandbox.text")
    return {
        client_id = options.client_id,
        client_secret = options.client_secret or text.base64(random_bytes(31)),
        scope = options.scope, lifetime = options.lifetime, refresh_in = options.refresh_in,
        answer_style = options.answer_style, expires_as_string = options.expires_as_string,
        code_style = options.code_style, collection_limit = options.collection_limit,
        playlist_limit = options.playlist_limit,
        catalogue = options.catalogue and math.floor(options.catalogue),
    }
end

-- --- the server ----------------------------------------------------------------------------------

local function over_http(self, command)
    local op = core.request({
        method = "POST", url = self.api_url .. "/sandbox/control",
        body = self._json.encode(command),
        headers = { "Content-Type: application/json", "X-Sandbox-Key: " .. self._key },
        ca_file = self.ca_file, timeout = COMMAND_SECONDS, max_body = COMMAND_BYTES,
    })
    op:wait()
    local answer, err = op:result()
    if not answer then
        return nil, err
    elseif answer.status ~= 200 then
        return nil, failure("sandbox_failed", "the sandbox answers " .. answer.status)
    end
    return self._json.decode(answer.body)
end

local function in_server(self, settings, options)
    settings.key = require("groove.sandbox.text").base64url(random_bytes(24))
    local started, message = launch.start(settings, { tls = options.tls, json = self._json })
    if not started then
        return nil, failure("sandbox_unavailable", message)
    end
    self._started, self._key, self._command = started, settings.key, over_http
    self.api_url, self.ca_file = settings.api_url, started.ca_file
    self.token_url = self.api_url .. "/token"
    if not self._command(self, { op = "ping" }) then
        message = launch.explain(started)
        launch.stop(started)
        return nil, failure("sandbox_unavailable", message)
    end
    self._options = {
        token_url = self.token_url, api_url = self.api_url, ca_file = self.ca_file,
        client_id = settings.client_id, client_secret = settings.client_secret,
        scope = settings.scope, json = options.json,
    }
    return self
end

-- --- in the program ------------------------------------------------------------------------------

local function in_program(self, settings, options)
    local inside = require("groove.sandbox.inside")
    settings.random = random_bytes
    -- Nothing is ever sent there (RFC 6761, 6.4).
    settings.api_url = "https://sandbox.invalid"
    self.api_url = settings.api_url
    self._server = require("groove.sandbox.server").new(settings, self._json)
    self._command = function(_, command)
        return self._server:control(command, core.now())
    end
    self._options = {
        api_url = self.api_url,
        transport = inside.transport(self),
        source = require("groove.static").new(inside.token(self)), json = options.json,
    }
    return self
end

-- --- face ----------------------------------------------------------------------------------------

--- Starts a sandbox and waits until it answers (about 0.1 s), or makes one in the program.
-- @tparam[opt] table opts see `M.options`
-- @treturn[1] table sandbox, with `api_url`, `token_url` (not with `in_process`) and `ca_file`
-- (with `tls`). It lives until `stop`, or until neither it nor a client of it is referenced any
-- more
-- @treturn[2] nil
-- @treturn[2] table error: code "sandbox_unavailable", and what is missing
-- @raise on wrong types and unknown options
function M.new(opts)
    local where = "groove.sandbox"
    local options = filled(check.options(where, OPTIONS, opts))
    if options.in_process and options.tls then
        check.fail(where .. ": tls needs the server, and cannot go with in_process")
    end
    local found, json = pcall(response.json, options.json)
    if not found then
        errors.pass_on(json)
        return nil, failure("sandbox_unavailable", "the sandbox needs lua-cjson or the option json")
    end
    local self = setmetatable({ _json = json }, mt)
    local settings = settings_of(options)
    if options.in_process then
        return in_program(self, settings, options)
    end
    return in_server(self, settings, options)
end

local function open(self, where)
    if getmetatable(self) ~= mt then
        check.fail(where .. ": not a sandbox; call it with a colon")
    elseif self._stopped then
        check.fail(where .. ": the sandbox is stopped")
    end
end

--- Options for `groove.new`: `token_url`, `api_url`, `client_id`, `client_secret`, `scope`,
-- `ca_file`; with `in_process`: `api_url`, `transport`, `source`. What is made of them keeps the
-- sandbox alive.
-- @treturn table a new one every time
function methods:options()
    open(self, "sandbox:options")
    local out = {}
    for name, value in pairs(self._options) do
        out[name] = value
    end
    out._owner = self
    return out
end

-- What `preview` needs: 32 to 128 characters, which a real client keeps for ever.
local function instance_id()
    return require("groove.sandbox.text").base64url(random_bytes(24))
end

-- What the program gives takes the place of what would contradict it.
local REPLACED = {
    client_secret_file = { "client_secret" }, client_secret_env = { "client_secret" },
    source = { "token_url", "client_id", "client_secret", "scope" },
}

--- A client of the sandbox, which keeps it alive. It has a `client_instance_id`, made up.
-- @tparam[opt] table opts as of `groove.new`; they override the sandbox's
-- @treturn ?table client
-- @treturn ?table error
-- @raise as `groove.new`
function methods:client(opts)
    open(self, "sandbox:client")
    check.argument("sandbox:client", "options", "table", opts, true)
    local options = self:options()
    for name in pairs(opts or {}) do
        for _, other in ipairs(REPLACED[name] or {}) do
            options[other] = nil
        end
    end
    for name, value in pairs(opts or {}) do
        options[name] = value
    end
    options.client_instance_id = options.client_instance_id or instance_id()
    return require("groove.client").new(options)
end

local function check_fault(self, spec)
    local where = "sandbox:fault"
    check.argument(where, "fault", "table", spec)
    check.options(where, FAULT_OPTIONS, spec)
    check.argument(where, "on", "string", spec.on)
    local bad = check.bad_header(spec.headers or {})
    if bad then
        check.fail(where .. ": headers " .. bad)
    elseif type(spec.retry_after) == "string" and not check.header_safe(spec.retry_after) then
        check.fail(where .. ": retry_after has a control character")
    elseif self._server and spec.on == "token" then
        check.fail(where .. ": there is no token endpoint with in_process")
    end
end

--- Puts a fault in the way of requests, from now on. A request meets the faults of its endpoint in
-- the order of their creation: delays add up, the first that does more than delay decides the
-- answer, and later ones are kept for later requests.
-- @tparam table spec see `M.fault_options`; `on` is needed
-- @treturn[1] table fault, with `clear`
-- @treturn[2] nil
-- @treturn[2] table error, where the sandbox does not answer
-- @raise on wrong types and unknown fields
function methods:fault(spec)
    open(self, "sandbox:fault")
    check_fault(self, spec)
    local result, err = self._command(self, { op = "fault", fault = spec })
    if not result then
        return nil, err
    end
    return setmetatable({ _sandbox = self, _id = result.id }, fault_mt)
end

--- Takes the fault away; nothing happens where it is used up, cleared, or the sandbox stopped.
-- @treturn ?boolean true
-- @treturn ?table error, where the sandbox does not answer
function fault_methods:clear()
    local sandbox = self._sandbox
    if not sandbox._stopped then
        local done, err = sandbox._command(sandbox, { op = "clear", id = self._id })
        if not done then
            return nil, err
        end
    end
    return true
end

--- Sets the lifetime of the tokens issued from now on.
-- @tparam number|string|boolean seconds goes into the answer as it is, so that 0, negative and
-- fractional numbers and texts are possible; false: the answer names none. Tokens are good for so
-- long, for 5 s where it is not positive, for a day where it is no number
-- @treturn ?boolean true
-- @treturn ?table error, where the sandbox does not answer
-- @raise on another type
function methods:set_lifetime(seconds)
    open(self, "sandbox:set_lifetime")
    check.argument("sandbox:set_lifetime", "seconds", "lifetime", seconds)
    local done, err = self._command(self, { op = "lifetime", lifetime = seconds })
    if not done then
        return nil, err
    end
    return true
end

--- A token of a user's, for the option `user_token` of clients and their methods. A user has a
-- collection, playlists and radios, which last as long as the sandbox; there is no sign-in.
-- @tparam[opt] string name the same name is the same user. Default: "user"
-- @tparam[opt] table opts see `M.user_options`
-- @treturn[1] string token, another one every time
-- @treturn[2] nil
-- @treturn[2] table error, where the sandbox does not answer
-- @raise on wrong types and unknown options
function methods:user_token(name, opts)
    local where = "sandbox:user_token"
    open(self, where)
    check.argument(where, "name", "string", name, true)
    opts = check.options(where, USER_OPTIONS, opts)
    local result, err = self._command(self, {
        op = "user_token", name = name or "user", subscription = opts.subscription,
        lifetime = opts.lifetime,
    })
    if not result then
        return nil, err
    end
    return result.token
end

-- Where integers are a type of their own, JSON's numbers come as "200.0".
local function make_whole(fields, names)
    for _, name in ipairs(names) do
        fields[name] = fields[name] and math.floor(fields[name])
    end
    return fields
end

--- The latest requests, up to 2,000 of each endpoint, the earliest first. Secrets and tokens are
-- blotted out.
-- @treturn[1] table list of `{ number, time (Unix), on ("token" or "api"), method, path, query,
-- headers (by lower-case name), form (of a token request), body_bytes, status (nil: none was sent),
-- closed, delay, fault (the number of the fault that answered), connection (its serial number) and
-- protocol ("HTTP/1.1"; with tls also "HTTP/2.0"), both nil with `in_process` }`
-- @treturn[1] table `{ token = n, api = n }`: requests seen since the start
-- @treturn[2] nil
-- @treturn[2] table error, where the sandbox does not answer
function methods:log()
    open(self, "sandbox:log")
    local result, err = self._command(self, { op = "log" })
    if not result then
        return nil, err
    end
    for _, entry in ipairs(result.entries) do
        make_whole(entry, { "number", "status", "body_bytes", "fault", "connection" })
    end
    return result.entries, make_whole(result.counts, { "token", "api" })
end

--- Ends the sandbox and removes its files. Idempotent; other methods raise from now on.
function methods:stop()
    if not self._stopped then
        self._stopped = true
        if self._started then
            launch.stop(self._started)
        end
    end
end

mt.__close = methods.stop

function mt.__tostring(self)
    return ("groove.sandbox (%s%s)"):format(self.api_url, self._stopped and ", stopped" or "")
end

function fault_mt.__tostring(self)
    return ("groove.sandbox.fault (%d)"):format(self._id)
end

return M

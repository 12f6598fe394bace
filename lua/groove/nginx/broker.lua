--- The broker: a token endpoint that hands the current token on, to clients that never see the
-- secret.
--
-- It answers as RFC 6749 says (5.1, 5.2), with the lifetime that is left, and with a `refresh_in`
-- that has a client come back when there is another token. A client of groove's has
-- `groove.token_source{ token_url = "https://your.server/token", auth = "none", headers = ... }`.
--
-- Who may ask is the configuration's business: nothing here looks at a header.
--
-- @module groove.nginx.broker

local core = require("groove.core")
local answer = require("groove.nginx.answer")
local board = require("groove.nginx.board")
local check = require("groove.check")
local phases = require("groove.nginx.phases")

local M = {}

local JSON = "application/json;charset=UTF-8"
local AFTER_RENEWAL = 5
local LIFETIME_MIN = 1

--- Options of `groove.nginx.broker`.
M.options = {
    { name = "allow_http", type = "boolean", default = false, doc =
        "Answers over http to other than loopback addresses too: where something in front of "
        .. "this nginx ends the TLS." },
}

local OPTIONS = check.index(M.options)

-- A token is printable ASCII (RFC 6749, A.12).
local function json_string(text)
    return '"' .. text:gsub('["\\]', "\\%0") .. '"'
end

-- --- answers -------------------------------------------------------------------------------------

local function refuse(status, code, description, headers)
    return answer.send(status, JSON, ('{"error":"%s","error_description":"%s"}')
        :format(code, description), headers)
end

-- Why there is none is the operator's to know. With the code of what went wrong a client would give
-- up for good: "invalid_client" is not about it.
local function unavailable(hook, err)
    hook:report(err)
    return refuse(503, "temporarily_unavailable", "no token for the moment",
        { ["Retry-After"] = answer.retry_after(err) })
end

local function grant(hook, given)
    local parts = {
        '"access_token":' .. json_string(given.token), '"token_type":"bearer"',
        ('"expires_in":%d'):format(given.expires_in),
    }
    if given.refresh_in then
        parts[#parts + 1] = ('"refresh_in":%d'):format(given.refresh_in)
    end
    if hook.source_options.scope then
        parts[#parts + 1] = '"scope":' .. json_string(hook.source_options.scope)
    end
    return answer.send(200, JSON, "{" .. table.concat(parts, ",") .. "}")
end

-- --- the token -----------------------------------------------------------------------------------

-- The token at hand and its times, if it is worth handing on. Meanwhile another one may come.
local function at_hand(hook)
    local text, generation = core.current(hook.source)
    local info = hook.source:info()
    if not text or info.generation ~= generation or not info.expires_in
        or info.expires_in < LIFETIME_MIN then
        return nil
    end
    local refresh_in = board.refresh_in(hook, info)
    return {
        token = text, expires_in = math.floor(info.expires_in),
        refresh_in = refresh_in and math.ceil(refresh_in + AFTER_RENEWAL),
    }
end

-- A token is not used in the last tenth of its life, or the last 10 s, so one that is about to end
-- is one that never lived long. Then there is another one soon.
local function obtain(hook)
    local deadline = core.now() + hook.deadline
    local given, err
    phases.wait_until(function()
        local value
        value, err = hook:authorization()
        given = value and at_hand(hook)
        return given or err
    end, deadline - core.now())
    return given, err
end

-- --- the request ---------------------------------------------------------------------------------

local function is_loopback(address)
    return address == nil or address == "::1" or address == "unix:"
        or address:find("^127%.") ~= nil or address:find("^::ffff:127%.") ~= nil
end

-- Where real_ip replaces the address by what a header says, the connection's counts as well.
local function is_private()
    return ngx.var.scheme == "https"
        or is_loopback(ngx.var.remote_addr) and is_loopback(ngx.var.realip_remote_addr)
end

-- The grant type that a client asks by: none will do, as every answer is of the same kind.
local function grant_type()
    ngx.req.read_body()
    local form = ngx.req.get_post_args(100)
    return form and form.grant_type or "client_credentials"
end

--- Serves a request.
-- @tparam table hook
-- @tparam string where
-- @tparam[opt] table opts `allow_http`
function M.serve(hook, where, opts)
    opts = check.options(where, OPTIONS, opts)
    if ngx.req.get_method() ~= "POST" then
        return refuse(405, "invalid_request", "POST only", { Allow = "POST" })
    elseif not opts.allow_http and not is_private() then
        return refuse(403, "invalid_request", "https only")
    elseif grant_type() ~= "client_credentials" then
        return refuse(400, "unsupported_grant_type", "client_credentials only")
    end
    local given, err = obtain(hook)
    if not given then
        return unavailable(hook, err)
    end
    return grant(hook, given)
end

return M

--- Static tokens: anything that gives a token, with a source's face.
--
-- @module groove.static

local core = require("groove.core")
local address = require("groove.address")
local check = require("groove.check")
local errors = require("groove.errors")
local source = require("groove.source")
local calls = require("groove.call")

local M = {}

local methods = {}
local mt = { __name = "groove.static_token", __index = methods }
local async_mt = { __name = "groove.source.async" }

source.install(methods, async_mt)

-- The same margin as the core's (policy.h): a token is not handed out in its last seconds.
local function usable_for(lifetime)
    return lifetime - math.min(10, lifetime / 10)
end

--- Whether a text can be sent as a token.
-- @param token
-- @treturn boolean
function M.fit(token)
    return type(token) == "string" and token ~= "" and check.header_safe(token)
end

local function unfit()
    return errors.new({
        kind = "token",
        code = "invalid_token",
        message = "the token given is empty, no string, or has a control character",
        retryable = false,
    })
end

-- Asks the program's function. The cell keeps the token out of the object, and so out of any dump
-- of it.
local function ask(cell, give)
    local ok, token, expires_in = pcall(give)
    if not ok then
        cell.last_error = errors.raised(token)
        return nil, cell.last_error
    elseif token == nil or token == false then
        cell.last_error = errors.wrap(expires_in, "token")
        return nil, cell.last_error
    elseif not M.fit(token) then
        cell.last_error = unfit()
        return nil, cell.last_error
    end
    cell.asked = cell.asked + 1
    cell.last_error = nil
    cell.token, cell.until_, cell.expires = token, nil, nil
    if check.is("seconds", expires_in) then
        local now = core.now()
        cell.expires, cell.until_ = now + expires_in, now + usable_for(expires_in)
    end
    return token
end

local function current(cell)
    return cell.until_ and core.now() < cell.until_ and cell.token or nil
end

-- peek, obtain and forget of a function.
local function dynamic(cell, give)
    local function peek()
        return current(cell)
    end
    local function obtain(_, force)
        local token = not force and current(cell)
        if token then
            return token
        end
        return ask(cell, give)
    end
    local function invalidate(_, token)
        if token == nil or token ~= cell.token then
            return false
        end
        cell.token, cell.until_, cell.expires = nil, nil, nil
        return true
    end
    return peek, obtain, invalidate
end

-- The same of a string: nothing can renew it.
local function fixed(token)
    local function give()
        return token
    end
    local function never()
        return false
    end
    return give, give, never
end

local OPTIONS = check.index({
    { name = "origin", type = "string", doc = "Where `fetch` may send the token." },
    { name = "ca_file", type = "string", doc = "Certificates that `fetch` trusts." },
    { name = "allow_http", type = "boolean", doc = "Permits http to other than loopback hosts." },
})

--- A source that gives a token which somebody else obtained.
-- @tparam string|function given the token, or `function() return token, expires_in end`. With
-- `expires_in` (seconds) the function is asked again when the token is about to expire, without it
-- at every use; `return nil, err` when there is none
-- @tparam[opt] table opts `origin` (where `fetch` may send the token), `ca_file`, `allow_http`
-- @treturn table a source: token, authorization, fetch, info, invalidate, refresh, wait_ready,
-- adopt, close, async
-- @raise when it is neither, or a token that cannot be sent
function M.new(given, opts)
    local where = "groove.static_token"
    opts = check.options(where, OPTIONS, opts)
    local cell = { asked = 0 }
    local self = {
        _closed = false,
        _renewable = type(given) == "function",
        request = { ca_file = opts.ca_file, allow_http = opts.allow_http },
        origin = opts.origin and address.check(where, "origin", opts.origin, opts.allow_http),
    }
    if self._renewable then
        self._peek, self._obtain, self._invalidate = dynamic(cell, given)
    elseif type(given) ~= "string" then
        check.fail(where .. ": token must be a string or a function, got " .. type(given))
    elseif not M.fit(given) then
        check.fail(where .. ": token is empty or has a control character")
    else
        self._peek, self._obtain, self._invalidate = fixed(given)
    end
    function self._facts()
        return cell.expires, cell.asked, cell.last_error
    end
    self.async = setmetatable({ _source = self }, async_mt)
    return setmetatable(self, mt)
end

--- Whether a value is a static token.
-- @param value
-- @treturn boolean
function M.is(value)
    return type(value) == "table" and getmetatable(value) == mt
end

local function open(self, name)
    if self._closed then
        check.fail("source:" .. name .. ": the source is closed")
    end
end

function methods:peek()
    open(self, "peek")
    return self._peek()
end

function methods:closed()
    return self._closed
end

--- What is known, without the token: `state`, `expires_in`, `generation`, `origin`, `last_error`,
-- `counts`.
-- @treturn table
function methods:info()
    if self._closed then
        return { state = "closed" }
    end
    local expires, asked, last_error = self._facts()
    local ready = not self._renewable or self._peek() ~= nil
    return {
        state = ready and "ready" or last_error and "failing" or "empty",
        expires_in = expires and math.max(0, expires - core.now()),
        generation = self._renewable and asked or 1,
        origin = "adopted",
        last_error = last_error,
        counts = { requests = asked },
    }
end

--- Forgets a token that the API has refused, if it is still the current one.
-- @tparam string token
-- @treturn boolean always false for a string, which nothing can renew
function methods:invalidate(token)
    open(self, "invalidate")
    check.argument("source:invalidate", "token", "string", token)
    return self._invalidate(self, token)
end

--- Takes nothing over: the string or the function alone says what the token is.
-- @treturn boolean false
function methods:adopt()
    open(self, "adopt")
    return false
end

--- Ends the source; later use raises. Idempotent.
function methods:close()
    if not self._closed then
        self._closed = true
        calls.cancel_all(self)
    end
end

mt.__close = methods.close

function mt.__tostring(self)
    local kind = self._renewable and "function" or "string"
    return "groove.static_token (" .. kind .. (self._closed and ", closed)" or ")")
end

return M

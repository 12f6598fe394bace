--- What the sandbox saw: the latest requests, without secrets and tokens.
--
-- Token requests and API requests are kept apart: many of one kind do not push out the other.
--
-- @module groove.sandbox.log

local text = require("groove.sandbox.text")

local M = {}

--- Requests of each kind that are kept.
M.KEPT = 2000

local BLOT = "***"

local methods = {}
local mt = { __index = methods }

--- An empty log.
-- @param secrets list of texts that must not appear, in whatever encoding
-- @param prefixes list of the beginnings of tokens
function M.new(secrets, prefixes)
    local self = {
        rings = { token = {}, api = {} }, counts = { token = 0, api = 0 },
        patterns = {}, sequence = 0,
    }
    for _, secret in ipairs(secrets) do
        local basic = text.escape(secret):gsub("%%20", "+")
        for _, form in ipairs(secret ~= "" and { secret, text.escape(secret), basic } or {}) do
            table.insert(self.patterns, (form:gsub("%p", "%%%0")))
        end
    end
    for _, prefix in ipairs(prefixes) do
        table.insert(self.patterns, prefix .. "[%w+/%%_-]*=*")
    end
    return setmetatable(self, mt)
end

local function blot(self, value)
    for _, pattern in ipairs(self.patterns) do
        value = value:gsub(pattern, BLOT)
    end
    return value
end

local SECRET_HEADERS = {
    authorization = true, ["proxy-authorization"] = true, cookie = true, ["x-sandbox-key"] = true,
}

-- Of an Authorization header, the scheme is of interest.
local function headers_of(self, headers)
    local out = {}
    for name, value in pairs(headers) do
        if SECRET_HEADERS[name] then
            out[name] = (value:match("^%a+ ") or "") .. BLOT
        else
            out[name] = blot(self, value)
        end
    end
    return out
end

local SECRET_FIELDS = {
    accesstoken = true, access_token = true, client_secret = true, assertion = true,
    client_assertion = true, refresh_token = true, code = true, password = true,
}

local function query_of(self, query)
    local out = (query .. "&"):gsub("([^&=]*)(=?)([^&]*)&", function(name, equals, value)
        if SECRET_FIELDS[text.unform(name):lower()] then
            value = BLOT
        end
        return name .. equals .. value .. "&"
    end)
    return blot(self, out:sub(1, -2))
end

-- The fields of a token request, decoded.
local function form_of(self, request)
    local kind = request.headers["content-type"] or ""
    if not kind:find("form-urlencoded", 1, true) then
        return nil
    end
    local out = {}
    for name, value in pairs((text.fields(request.body or ""))) do
        out[blot(self, name)] = SECRET_FIELDS[name:lower()] and BLOT
            or blot(self, text.unform(value))
    end
    return out
end

--- Adds a request.
-- @param on "token" or "api"
-- @param request as the server's
-- @param entry what else is to be kept: `status`, `closed`, `delay`, `fault`
function methods:add(on, request, entry)
    self.sequence = self.sequence + 1
    entry.number = self.sequence
    entry.on = on
    entry.time = request.time
    entry.connection, entry.protocol = request.connection, request.protocol
    entry.method = request.method
    entry.path = blot(self, request.path)
    entry.query = query_of(self, request.query)
    entry.headers = headers_of(self, request.headers)
    entry.form = on == "token" and form_of(self, request) or nil
    entry.body_bytes = #(request.body or "")
    local count = self.counts[on] + 1
    self.counts[on] = count
    self.rings[on][(count - 1) % M.KEPT + 1] = entry
end

--- The requests kept, the earliest first.
function methods:list()
    local out = {}
    for _, ring in pairs(self.rings) do
        for _, entry in ipairs(ring) do
            out[#out + 1] = entry
        end
    end
    table.sort(out, function(a, b) return a.number < b.number end)
    return out
end

return M

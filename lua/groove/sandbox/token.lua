--- The token endpoint: client credentials in, tokens out (RFC 6749, 4.4), as the documentation of
-- the Groove service describes it. It also knows which tokens are still good, and issues those of
-- users, who have no sign-in here.
--
-- @module groove.sandbox.token

local body = require("groove.sandbox.body")
local text = require("groove.sandbox.text")

local M = {}

--- Every token of an application begins so, which lets a log blot tokens out wherever they turn up.
M.PREFIX = "EgSB"

--- The same, of a user.
M.USER_PREFIX = "EwSB"

-- Tokens remembered; the oldest are forgotten first.
local KEPT = 200000

-- Seconds that a token lives where the answer names no lifetime that can be read, and where it
-- names one that is over at once.
local DEFAULT = 86400
local GRACE = 5

local methods = {}
local mt = { __index = methods }

--- A token service.
-- @param settings `client_id`, `client_secret`, `scope` (strings), `random` (function(n) -> n
-- random bytes), `lifetime` (a number, a text that goes into the answer as it is, or false: left
-- out), `refresh_in` (seconds, optional), `answer_style` ("snake" or "camel"), `expires_as_string`
function M.new(settings)
    return setmetatable({
        settings = settings, lifetime = settings.lifetime,
        grants = {}, queue = {}, first = 1, last = 0,
    }, mt)
end

--- Sets the lifetime of tokens issued from now on.
function methods:set_lifetime(lifetime)
    self.lifetime = lifetime
end

local function lived(lifetime)
    local seconds = tonumber(lifetime)
    if not seconds or seconds ~= seconds then
        return DEFAULT
    end
    return seconds > 0 and seconds or GRACE
end

local function remember(self, token, grant)
    self.last = self.last + 1
    self.queue[self.last] = token
    self.grants[token] = grant
    if self.last - self.first >= KEPT then
        self.grants[self.queue[self.first]] = nil
        self.queue[self.first] = nil
        self.first = self.first + 1
    end
end

--- Issues a token.
-- @param now seconds
-- @param user of whom, nil: the application's
-- @param lifetime seconds, nil: what is set
-- @return the token, and the seconds for which it will be accepted
function methods:issue(now, user, lifetime)
    local prefix = user and M.USER_PREFIX or M.PREFIX
    local token = prefix .. text.base64(self.settings.random(112))
    local seconds = lifetime or lived(self.lifetime)
    remember(self, token, { expiry = now + seconds, user = user })
    return token, seconds
end

--- Whether a token may be used.
-- @return nil where it may, else an error code of the API
-- @return where it may, the user that was given to `issue`
function methods:refusal(token, now)
    local grant = self.grants[token]
    if not grant then
        return "ACCESS_TOKEN_INVALID"
    elseif now >= grant.expiry then
        return "ACCESS_TOKEN_EXPIRED"
    end
    return nil, grant.user
end

-- --- the request ---------------------------------------------------------------------------------

local function refuse(status, code, description, headers)
    return { status = status, error = code, description = description, headers = headers }
end

-- Credentials of the Basic scheme: both are form-encoded first (RFC 6749, 2.3.1).
local function basic_credentials(header)
    local encoded = header:match("^[Bb][Aa][Ss][Ii][Cc]%s+(.-)%s*$")
    local pair = encoded and text.unbase64(encoded)
    local id, secret = (pair or ""):match("^([^:]*):(.*)$")
    if not id then
        return nil
    end
    return text.unform(id), text.unform(secret)
end

local function invalid_client(header)
    local headers = header and { ["WWW-Authenticate"] = 'Basic realm="groove sandbox"' } or nil
    return refuse(401, "invalid_client", "Client authentication failed", headers)
end

local function check_client(self, form, header)
    local id, secret = form.client_id, form.client_secret
    if header then
        if secret then
            return refuse(400, "invalid_request", "Two ways of client authentication")
        end
        id, secret = basic_credentials(header)
    end
    if id ~= self.settings.client_id or secret ~= self.settings.client_secret then
        return invalid_client(header)
    end
end

local function check_grant(self, form)
    if not form.grant_type then
        return refuse(400, "invalid_request", "grant_type is missing")
    elseif form.grant_type ~= "client_credentials" then
        return refuse(400, "unsupported_grant_type", "Only client_credentials is supported")
    elseif form.scope and form.scope ~= self.settings.scope then
        return refuse(400, "invalid_scope", "The scope is not known")
    end
end

local function read_form(request)
    local kind = body.media_type(request)
    if request.method ~= "POST" then
        return nil, refuse(405, "invalid_request", "The method must be POST", { Allow = "POST" })
    elseif kind ~= "application/x-www-form-urlencoded" then
        return nil, refuse(400, "invalid_request", "The body must be a form")
    end
    local form, twice = text.fields(request.body or "")
    if twice then
        return nil, refuse(400, "invalid_request", "A parameter came twice")
    end
    for name, value in pairs(form) do
        form[name] = text.unform(value)
    end
    return form
end

local function answer(self, token)
    local settings, lifetime = self.settings, self.lifetime
    local camel = settings.answer_style == "camel"
    if lifetime == false then
        lifetime = nil
    elseif settings.expires_as_string and lifetime ~= nil then
        lifetime = type(lifetime) == "number" and ("%.14g"):format(lifetime) or lifetime
    end
    return {
        token_type = not camel and "bearer" or nil, tokenType = camel and "bearer" or nil,
        access_token = not camel and token or nil, accessToken = camel and token or nil,
        expires_in = not camel and lifetime or nil, expiresIn = camel and lifetime or nil,
        refresh_in = settings.refresh_in,
    }
end

--- Answers a token request.
-- @param request `method`, `headers` (lower-case names), `body`
-- @param now seconds
-- @return status, object, headers (may be nil)
function methods:handle(request, now)
    local form, refusal = read_form(request)
    refusal = refusal or check_client(self, form, request.headers.authorization)
        or check_grant(self, form)
    if refusal then
        local object = { error = refusal.error, error_description = refusal.description }
        return refusal.status, object, refusal.headers
    end
    return 200, answer(self, (self:issue(now)))
end

return M

--- The sandbox's logic: a request in, a response out. No I/O, no clock, no randomness of its own.
--
-- It runs inside nginx (`groove.sandbox.nginx`), and in the program's own process as a transport.
--
-- A request:  `method`, `path` (as it came, undecoded), `query` (the same, may be empty), `headers`
--             (by lower-case name), `body`, `now` (seconds, for lifetimes), `time` (Unix time), and
--             for the log `connection` (its serial number) and `protocol` ("HTTP/2.0"), which are
--             nil where there is no connection
-- A response: `status`, `headers` (by name), and `body` or `stream` (a number of bytes to make up);
--             `delay` (seconds before it is sent), `close` (true: hang up without an answer; a
--             number: hang up after that many bytes of the body); over HTTP/2 that ends the
--             stream, not the connection
--
-- @module groove.sandbox.server

local body = require("groove.sandbox.body")
local catalogue = require("groove.sandbox.catalogue")
local codes = require("groove.sandbox.codes")
local endpoints = require("groove.endpoints")
local faults = require("groove.sandbox.faults")
local log = require("groove.sandbox.log")
local params = require("groove.sandbox.params")
local routes = require("groove.sandbox.routes")
local sources = require("groove.sandbox.sources")
local streams = require("groove.sandbox.streams")
local text = require("groove.sandbox.text")
local tokens = require("groove.sandbox.token")
local users = require("groove.sandbox.users")
local xml = require("groove.sandbox.xml")

local M = {}

local methods = {}
local mt = { __index = methods }

-- Functions by the names of the rows of `groove.endpoints`: each gets the checked parameters and a
-- context, and returns the answer's object, or nil and `{ code, message }`. A second value beside
-- an object is an error that goes into the answer, next to what was found.
local HANDLERS = {}

local MODULES = {
    require("groove.sandbox.content"), require("groove.sandbox.edits"),
    require("groove.sandbox.radio"), streams, users,
}

for name in pairs(endpoints.rows) do
    for _, handlers in ipairs(MODULES) do
        HANDLERS[name] = handlers[name] or HANDLERS[name]
    end
end

-- --- answers -------------------------------------------------------------------------------------

local function json_response(self, status, object, headers)
    headers = headers or {}
    headers["Content-Type"] = headers["Content-Type"] or "application/json; charset=utf-8"
    return { status = status, headers = headers, body = self.json.encode(object) }
end

local function error_object(self, err)
    local code = err.code
    return {
        ErrorCode = self.settings.code_style == "dashes" and code:gsub("_", "-") or code,
        Description = codes[code].description,
        Message = err.message,
    }
end

local function xml_response(self, status, name, object, headers)
    headers["Content-Type"] = "application/xml; charset=utf-8"
    return { status = status, headers = headers, body = xml.write(name, object, self.json.null) }
end

local function wants_xml(request, raw)
    local format = text.unform(raw.contentType or ""):lower()
    local accept = request.headers.accept or ""
    return format == "xml" or format == "" and accept:find("application/xml", 1, true) ~= nil
end

-- What an endpoint has found, with an error beside it or alone.
local function api_response(self, request, raw, row, object, err)
    local status = object and 200 or codes[err.code].status
    local headers = { ["WWW-Authenticate"] = status == 401 and "Bearer" or nil }
    object = object or {}
    object.Error = err and error_object(self, err)
    if wants_xml(request, raw) then
        return xml_response(self, status, row and row.returns or "ContentResponse", object, headers)
    end
    return json_response(self, status, object, headers)
end

-- --- the API -------------------------------------------------------------------------------------

local function given_token(request, raw)
    local header, parameter = request.headers.authorization, raw.accessToken
    if header and parameter then
        return nil, { code = "INVALID_AUTHORIZATION_HEADER", message = "Two access tokens" }
    elseif not header and not parameter then
        return nil, { code = "ACCESS_TOKEN_MISSING" }
    end
    local token = (header or text.unform(parameter)):match("^[Bb]earer +(%S+)$")
    if not token then
        return nil, { code = "INVALID_AUTHORIZATION_HEADER" }
    end
    return token
end

-- The user where the token is a user's.
local function authorize(self, request, raw)
    local token, err = given_token(request, raw)
    if not token then
        return nil, err
    end
    local refusal, user = self.tokens:refusal(token, request.now)
    return user, refusal and { code = refusal }
end

local function in_collection(source)
    for _, value in ipairs(type(source) == "table" and source or { source }) do
        if value:lower() == "collection" then
            return true
        end
    end
    return false
end

-- The parameters, with what the body says; or nil and an error.
local function read_parameters(self, request, row, segments, raw, user)
    if row.auth == "user" and not user then
        return nil, sources.UNAUTHORIZED
    end
    local values, err = params.read(row, endpoints.common, segments, raw)
    if not values then
        return nil, err
    elseif row.collection_auth == "user" and not user and in_collection(values.source) then
        return nil, sources.UNAUTHORIZED
    end
    err = row.body and body.read(row, request, values, self.json)
    if err then
        return nil, err
    end
    return values
end

-- What the handlers get.
--   language, country, culture ("fr-FR")  of the request, or the defaults
--   user                  the user whose token came, or nil
--   catalogue, users      the records, and who has published playlists beside them
--   now, time, random     of the request, of the request, of the settings
--   api_url, null         for what the answer holds
--   error                 function({ code, message }) -> an error's object, for what is in answers
local function new_context(self, request, values, user)
    local language = (values.language or "en"):lower()
    local country = (values.country or "US"):upper()
    return {
        language = language, country = country, culture = language .. "-" .. country,
        user = user, users = self.users, catalogue = catalogue.get(self.settings.catalogue),
        now = request.now, time = request.time, random = self.settings.random,
        api_url = self.settings.api_url, null = self.json.null,
        error = function(err)
            return error_object(self, err)
        end,
    }
end

-- What an endpoint answers, or nil; and an error, or nil.
local function call_endpoint(self, request, route, segments, raw, user)
    local values, err = read_parameters(self, request, route.row, segments, raw, user)
    if not values then
        return nil, err
    end
    return HANDLERS[route.name](values, new_context(self, request, values, user))
end

local function handle_api(self, request)
    local raw = text.fields(request.query)
    local user, err = authorize(self, request, raw)
    local route, segments = routes.find(request.path)
    local row, object = route and route.row, nil
    if not err and not row then
        err = { code = "CATALOG_NO_RESULT", message = "No such address" }
    elseif not err and row.method ~= request.method then
        err = { code = "UNAUTHORIZED_API_METHOD" }
    elseif not err then
        object, err = call_endpoint(self, request, route, segments, raw, user)
    end
    return api_response(self, request, raw, row, object, err)
end

local function handle_token(self, request)
    local status, object, headers = self.tokens:handle(request, request.now)
    headers = headers or {}
    headers["Cache-Control"], headers.Pragma = "no-store", "no-cache"
    return json_response(self, status, object, headers)
end

local function handle_audio(_, request)
    return streams.play(request)
end

-- --- faults --------------------------------------------------------------------------------------

local function content_type(sent)
    return sent:find("^%s*<") and "text/html" or "application/json"
end

-- A fault without an answer of its own changes the usual one.
local function with_fault(self, fault, usual)
    local answer = faults.answer(fault)
    local response = answer.status and { status = answer.status, headers = {} } or usual()
    for name, value in pairs(answer.headers) do
        response.headers[name] = value
    end
    if answer.status then
        local sent = answer.body or answer.object and self.json.encode(answer.object)
        response.body = sent or not answer.stream and "" or nil
        response.stream = answer.stream
        response.headers["Content-Type"] = response.headers["Content-Type"]
            or content_type(sent or "")
    end
    response.close = fault.close or nil
    return response
end

local function handle_logged(self, on, request, handler)
    local delay, fault = self.faults:take(on)
    local function usual()
        return handler(self, request)
    end
    local response = fault and with_fault(self, fault, usual) or usual()
    response.delay = delay > 0 and delay or nil
    self.log:add(on, request, {
        status = response.close ~= true and response.status or nil,
        closed = response.close and true or nil,
        delay = response.delay,
        fault = fault and fault.id,
    })
    return response
end

-- --- controls ------------------------------------------------------------------------------------

local CONTROLS = {}

function CONTROLS.ping()
    return {}
end

function CONTROLS.fault(self, command)
    return { id = self.faults:add(command.fault) }
end

function CONTROLS.clear(self, command)
    self.faults:clear(command.id)
    return {}
end

function CONTROLS.lifetime(self, command)
    self.tokens:set_lifetime(command.lifetime)
    return {}
end

function CONTROLS.user_token(self, command, now)
    local user = self.users:get(command.name, command.subscription)
    return { token = (self.tokens:issue(now, user, command.lifetime)) }
end

function CONTROLS.log(self)
    return { entries = self.log:list(), counts = self.log.counts }
end

--- Carries out a control command.
-- @param command `{ op = "ping" }`, `{ op = "fault", fault = spec }`, `{ op = "clear", id }`,
-- `{ op = "lifetime", lifetime }`, `{ op = "user_token", name, subscription, lifetime }`,
-- `{ op = "log" }`
-- @param now seconds, for `user_token`
-- @return a table, or nil where there is no such command
function methods:control(command, now)
    local run = CONTROLS[command.op]
    return run and run(self, command, now)
end

-- The key is needed before anything of the body is looked at.
local function handle_control(self, request)
    if not self.settings.key or request.headers["x-sandbox-key"] ~= self.settings.key then
        return { status = 403, headers = {}, body = "" }
    end
    local read, command = pcall(self.json.decode, request.body or "")
    local result = read and type(command) == "table" and self:control(command, request.now)
    if not result then
        return { status = 400, headers = {}, body = "" }
    end
    return json_response(self, 200, result)
end

-- --- face ----------------------------------------------------------------------------------------

--- A server.
-- @param settings what `groove.sandbox.token` needs; `api_url`; `key` (of the controls; none: there
-- are no controls over HTTP); `code_style` ("underscores" or "dashes"); `catalogue` (a number of
-- tracks); `collection_limit`, `playlist_limit` (see `groove.sandbox.library`)
-- @param json `{ encode, decode, null }`
function M.new(settings, json)
    return setmetatable({
        settings = settings, json = json,
        faults = faults.new(), tokens = tokens.new(settings), users = users.new(settings),
        log = log.new({ settings.client_secret }, { tokens.PREFIX, tokens.USER_PREFIX }),
    }, mt)
end

--- Answers a request.
function methods:handle(request)
    local path = request.path
    if path == "/sandbox/control" then
        return handle_control(self, request)
    elseif path == "/token" then
        return handle_logged(self, "token", request, handle_token)
    elseif streams.is_address(path) then
        return handle_logged(self, "api", request, handle_audio)
    end
    return handle_logged(self, "api", request, handle_api)
end

return M

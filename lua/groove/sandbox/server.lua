--- The sandbox's logic: a request in, a response out. No I/O, no clock, no randomness of its own.
--
-- It runs inside nginx (`groove.sandbox.nginx`), and in the program's own process as a transport.
--
-- A request:  `method`, `path` (as it came, undecoded), `query` (the same, may be empty), `headers`
--             (by lower-case name), `body`, `now` (seconds, for lifetimes), and for the log `time`
--             (Unix time), `connection` (its serial number) and `protocol` ("HTTP/2.0"), which are
--             nil where there is no connection
-- A response: `status`, `headers` (by name), and `body` or `stream` (a number of bytes to make up);
--             `delay` (seconds before it is sent), `close` (true: hang up without an answer; a
--             number: hang up after that many bytes of the body); over HTTP/2 that ends the
--             stream, not the connection
--
-- @module groove.sandbox.server

local content = require("groove.sandbox.content")
local endpoints = require("groove.endpoints")
local faults = require("groove.sandbox.faults")
local log = require("groove.sandbox.log")
local params = require("groove.sandbox.params")
local text = require("groove.sandbox.text")
local tokens = require("groove.sandbox.token")
local tone = require("groove.sandbox.tone")
local xml = require("groove.sandbox.xml")

local M = {}

local methods = {}
local mt = { __index = methods }

-- Codes of the service's error table: status and what `Description` says.
local ERRORS = {
    MISSING_INPUT_PARAMETER = { 400, "Missing parameter" },
    INVALID_INPUT_PARAMETER = { 400, "Invalid parameter value" },
    INCOMPATIBLE_INPUT_PARAMETERS = { 400, "Parameters cannot be used together" },
    CONTINUATION_TOKEN_INVALID_ERROR = { 400, "The continuation token is invalid" },
    UNAUTHORIZED_API_METHOD = { 403, "This method is not available" },
    ACCESS_TOKEN_MISSING = { 401, "The access token is missing" },
    ACCESS_TOKEN_INVALID = { 401, "The access token is invalid" },
    ACCESS_TOKEN_EXPIRED = { 401, "The access token has expired" },
    INVALID_AUTHORIZATION_HEADER = { 401, "Missing or invalid authorization header" },
    CATALOG_NO_RESULT = { 404, "Item does not exist" },
    INTERNAL_SERVER_ERROR = { 500, "Internal error" },
}

-- --- routes --------------------------------------------------------------------------------------

-- "/1/content/{ids}/lookup" -> pieces; a placeholder keeps its name. Compared without case.
local function compile(path)
    local pieces = {}
    for piece in path:gmatch("[^/]+") do
        local name = piece:match("^{(.+)}$")
        pieces[#pieces + 1] = { name = name ~= "namespace" and name or nil,
            fixed = name == "namespace" and endpoints.namespace or piece:lower() }
    end
    return pieces
end

local routes = {}
for name, row in pairs(endpoints.rows) do
    routes[#routes + 1] = { name = name, row = row, pieces = compile(row.path) }
end

local function match(route, pieces)
    local segments = {}
    if #pieces ~= #route.pieces then
        return nil
    end
    for i, piece in ipairs(route.pieces) do
        if piece.name then
            segments[piece.name] = pieces[i]
        elseif pieces[i]:lower() ~= piece.fixed then
            return nil
        end
    end
    return segments
end

-- A path can fit two routes ("music" as an id): the one with fewer placeholders is meant.
local function find_route(path)
    local pieces = text.split(path, "/")
    local best, best_segments, best_count
    for _, route in ipairs(routes) do
        local segments = match(route, pieces)
        local count = 0
        for _ in pairs(segments or {}) do
            count = count + 1
        end
        if segments and (not best or count < best_count) then
            best, best_segments, best_count = route, segments, count
        end
    end
    return best, best_segments
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
        Description = ERRORS[code][2],
        Message = err.message,
    }
end

local function error_response(self, err)
    local status = ERRORS[err.code][1]
    local headers = status == 401 and { ["WWW-Authenticate"] = "Bearer" } or nil
    return json_response(self, status, { Error = error_object(self, err) }, headers)
end

local function content_response(self, request, values, row, object)
    local accept = request.headers.accept or ""
    if values.format == "xml" or not values.format and accept:find("application/xml", 1, true) then
        return {
            status = 200, headers = { ["Content-Type"] = "application/xml; charset=utf-8" },
            body = xml.write(row.returns, object, self.json.null),
        }
    end
    return json_response(self, 200, object)
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

-- The sandbox signs no users in, so what needs one is refused as the service refuses it.
local function needs_user(row, values)
    local collection = false
    for _, source in ipairs(row.collection_auth and values.source or {}) do
        collection = collection or source == "collection"
    end
    return row.auth == "user" or collection
end

local function authorize(self, request, raw)
    local token, err = given_token(request, raw)
    if not token then
        return err
    end
    local refusal = self.tokens:refusal(token, request.now)
    return refusal and { code = refusal }
end

local function culture(values)
    return (values.language or "en"):lower() .. "-" .. (values.country or "US"):upper()
end

local function call_endpoint(self, request, route, segments, raw)
    local values, err = params.read(route.row, endpoints.common, segments, raw)
    if err then
        return error_response(self, err)
    elseif needs_user(route.row, values) then
        return error_response(self, {
            code = "INVALID_AUTHORIZATION_HEADER",
            message = "You need user authentication to use this API",
        })
    end
    local context = {
        culture = culture(values), api_url = self.settings.api_url, null = self.json.null,
    }
    local object, failure = content[route.name](values, context)
    if not object then
        return error_response(self, failure)
    end
    object.Error = failure and error_object(self, failure)
    return content_response(self, request, values, route.row, object)
end

local function handle_api(self, request)
    local raw = text.fields(request.query)
    local route, segments = find_route(request.path)
    local err = authorize(self, request, raw)
    if err then
        return error_response(self, err)
    elseif not route then
        return error_response(self, { code = "CATALOG_NO_RESULT", message = "No such address" })
    elseif route.row.method ~= request.method or not content[route.name] then
        return error_response(self, { code = "UNAUTHORIZED_API_METHOD" })
    end
    return call_endpoint(self, request, route, segments, raw)
end

local function handle_token(self, request)
    local status, object, headers = self.tokens:handle(request, request.now)
    headers = headers or {}
    headers["Cache-Control"], headers.Pragma = "no-store", "no-cache"
    return json_response(self, status, object, headers)
end

local function handle_preview()
    return { status = 200, headers = { ["Content-Type"] = "audio/mpeg" }, body = tone.mp3() }
end

-- --- faults --------------------------------------------------------------------------------------

local function content_type(body)
    return body:find("^%s*<") and "text/html" or "application/json"
end

-- A fault without an answer of its own changes the usual one.
local function with_fault(self, fault, usual)
    local answer = faults.answer(fault)
    local response = answer.status and { status = answer.status, headers = {} } or usual()
    for name, value in pairs(answer.headers) do
        response.headers[name] = value
    end
    if answer.status then
        local body = answer.body or answer.object and self.json.encode(answer.object)
        response.body = body or not answer.stream and "" or nil
        response.stream = answer.stream
        response.headers["Content-Type"] = response.headers["Content-Type"]
            or content_type(body or "")
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

function CONTROLS.log(self)
    return { entries = self.log:list(), counts = self.log.counts }
end

--- Carries out a control command.
-- @param command `{ op = "ping" }`, `{ op = "fault", fault = spec }`, `{ op = "clear", id }`,
-- `{ op = "lifetime", lifetime }`, `{ op = "log" }`
-- @return a table, or nil where there is no such command
function methods:control(command)
    local run = CONTROLS[command.op]
    return run and run(self, command)
end

-- The key is needed before anything of the body is looked at.
local function handle_control(self, request)
    if not self.settings.key or request.headers["x-sandbox-key"] ~= self.settings.key then
        return { status = 403, headers = {}, body = "" }
    end
    local read, command = pcall(self.json.decode, request.body or "")
    local result = read and type(command) == "table" and self:control(command)
    if not result then
        return { status = 400, headers = {}, body = "" }
    end
    return json_response(self, 200, result)
end

-- --- face ----------------------------------------------------------------------------------------

--- A server.
-- @param settings what `groove.sandbox.token` needs; `api_url`; `key` (of the controls; none: there
-- are no controls over HTTP); `code_style` ("underscores" or "dashes")
-- @param json `{ encode, decode, null }`
function M.new(settings, json)
    return setmetatable({
        settings = settings, json = json,
        faults = faults.new(), tokens = tokens.new(settings),
        log = log.new({ settings.client_secret }, tokens.PREFIX),
    }, mt)
end

--- Answers a request.
function methods:handle(request)
    local path = request.path
    if path == "/sandbox/control" then
        return handle_control(self, request)
    elseif path == "/token" then
        return handle_logged(self, "token", request, handle_token)
    elseif path:find("^/preview/[^/]+%.mp3$") then
        return handle_logged(self, "api", request, handle_preview)
    end
    return handle_logged(self, "api", request, handle_api)
end

return M

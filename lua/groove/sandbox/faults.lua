--- Faults that a test puts in the way of requests.
--
-- A request meets the active faults of its endpoint in the order of their creation. Delays add up;
-- the first fault that does more than delay decides the answer, and later ones are not touched, so
-- that `{ status = 503, times = 1 }, { status = 429, times = 1 }` is a sequence.
--
-- @module groove.sandbox.faults

local M = {}

local methods = {}
local mt = { __index = methods }

--- No faults.
function M.new()
    return setmetatable({ list = {}, last_id = 0 }, mt)
end

--- Adds a fault.
-- @param spec see `sandbox:fault`
-- @return its number
function methods:add(spec)
    self.last_id = self.last_id + 1
    local fault = { id = self.last_id, left = spec.times or math.huge }
    for name, value in pairs(spec) do
        fault[name] = value
    end
    table.insert(self.list, fault)
    return fault.id
end

--- Removes a fault; one that is not there does not matter.
function methods:clear(id)
    for i, fault in ipairs(self.list) do
        if fault.id == id then
            table.remove(self.list, i)
            return
        end
    end
end

local function answers(fault)
    return fault.status or fault.body or fault.close or fault.retry_after or fault.headers
end

--- Uses up what meets one request.
-- @param on "token" or "api"
-- @return seconds of delay, and the fault that answers (or nil)
function methods:take(on)
    local delay, answering = 0, nil
    local i = 1
    while self.list[i] and not answering do
        local fault = self.list[i]
        if fault.on == on then
            fault.left = fault.left - 1
            delay = delay + (fault.delay or 0)
            answering = answers(fault) and fault or nil
        end
        if fault.left <= 0 then
            table.remove(self.list, i)
        else
            i = i + 1
        end
    end
    return delay, answering
end

local API_CODES = {
    [400] = "INVALID_INPUT_PARAMETER", [401] = "ACCESS_TOKEN_INVALID",
    [403] = "UNAUTHORIZED_API_METHOD", [404] = "CATALOG_NO_RESULT",
    [409] = "COLLECTION_CONCURRENT_UPDATE", [429] = "TOO_MANY_REQUESTS",
    [500] = "INTERNAL_SERVER_ERROR", [502] = "CATALOG_UNAVAILABLE",
}

local TOKEN_CODES = { [400] = "invalid_request", [401] = "invalid_client" }

-- What a service would say with this status; nil: nothing in JSON.
local function usual_object(on, status)
    if status < 400 then
        return nil
    elseif on == "token" then
        return { error = TOKEN_CODES[status] or "temporarily_unavailable" }
    end
    return API_CODES[status] and { Error = { ErrorCode = API_CODES[status] } }
end

--- The answer of a fault.
-- @param fault of `take`
-- @return `status`, `headers`, and one of `object` (for JSON), `body` (text) or `stream` (bytes to
-- send), none of them where the fault has only `close` or `headers`: the usual answer goes out then
function M.answer(fault)
    local usual = not (fault.status or fault.body or fault.retry_after)
    local status = fault.status or fault.retry_after and 429 or 200
    local headers = {}
    for name, value in pairs(fault.headers or {}) do
        headers[name] = value
    end
    if fault.retry_after then
        local after = fault.retry_after
        headers["Retry-After"] = type(after) == "number" and ("%.14g"):format(after) or after
    end
    if usual then
        return { headers = headers }
    end
    return {
        status = status, headers = headers,
        body = type(fault.body) == "string" and fault.body or nil,
        stream = type(fault.body) == "number" and fault.body or nil,
        object = fault.body == nil and usual_object(fault.on, status) or nil,
    }
end

return M

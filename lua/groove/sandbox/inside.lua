--- The sandbox in the program's own process: a transport and a token function for a client.
--
-- @module groove.sandbox.inside

local core = require("groove.core")
local errors = require("groove.errors")

local M = {}

-- The most that the core takes of an API's answer; it is not there to refuse more.
local BODY_MAX = 16 * 1024 * 1024

local function to_server(request)
    local target = request.url:gsub("^%a+://[^/?]*", "")
    local path, query = target:match("^([^?]*)%??(.*)$")
    local headers = {}
    for name, value in pairs(request.headers or {}) do
        headers[name:lower()] = value
    end
    return {
        method = request.method, path = path, query = query, headers = headers,
        body = request.body, now = core.now(), time = os.time(),
    }
end

-- Blocks, as every transport does.
local function sleep(seconds, timeout)
    local in_time = not timeout or seconds < timeout
    core.sleep(in_time and seconds or timeout):wait()
    return in_time
end

local function from_server(response)
    if response.close then
        return nil, errors.transport("connection_broken", "the sandbox hung up", true)
    elseif response.stream and response.stream > BODY_MAX then
        return nil, errors.transport("answer_too_large", "the answer is over 16 MiB", false)
    end
    local headers = {}
    for name, value in pairs(response.headers) do
        headers[name:lower()] = value
    end
    return {
        status = response.status, headers = headers,
        body = response.body or ("x"):rep(response.stream),
    }
end

--- A transport for `groove.new`.
-- @tparam table sandbox with `_server` and `_stopped`
-- @treturn function
function M.transport(sandbox)
    return function(request)
        if sandbox._stopped then
            return nil, errors.transport("connect_failed", "the sandbox is stopped", false)
        end
        local response = sandbox._server:handle(to_server(request))
        if response.delay and not sleep(response.delay, request.timeout) then
            return nil, errors.timeout("no answer in time")
        end
        return from_server(response)
    end
end

--- A function for `groove.static_token`.
-- @tparam table sandbox with `_server` and `_stopped`
-- @treturn function `function() return token, expires_in end`
function M.token(sandbox)
    return function()
        if sandbox._stopped then
            return nil, errors.transport("connect_failed", "the sandbox is stopped", false)
        end
        return sandbox._server.tokens:issue(core.now())
    end
end

return M

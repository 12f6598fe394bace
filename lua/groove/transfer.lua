--- Transfers: one request of the API from the token to the decoded answer, with the repeats that
-- are safe. Flows (call.lua); the client's methods are made of them.
--
-- @module groove.transfer

local core = require("groove.core")
local check = require("groove.check")
local errors = require("groove.errors")
local events = require("groove.events")
local request = require("groove.request")
local response = require("groove.response")
local source = require("groove.source")

local M = {}

local BACKOFF_FIRST, BACKOFF_MAX = 0.1, 5

local REPEATED_STATUS = { [429] = true, [502] = true, [503] = true }

-- Codes that a new token cures, whatever the status; and those of 401 that none does.
local STALE_TOKEN = {
    ACCESS_TOKEN_EXPIRED = true,
    ACCESS_TOKEN_INVALID = true,
    INVALID_AUTHORIZATION_HEADER = true,
}
local NOT_THE_TOKEN = {
    ACCESS_TOKEN_INVALID_SUBSCRIPTION = true,
    MSA_SCOPE_REQUIRES_USER_CONSENT = true,
}

local function own_transport(transport, message)
    local ok, answer, err = pcall(transport, message)
    if not ok then
        return nil, errors.raised(answer)
    elseif type(answer) ~= "table" then
        return nil, errors.wrap(err, "transport")
    elseif not check.is("integer", answer.status) then
        return nil, errors.transport("invalid_response", "the transport gave no status", false)
    elseif answer.body ~= nil and type(answer.body) ~= "string" then
        return nil, errors.transport("invalid_response", "the transport's body is no string", false)
    elseif answer.headers ~= nil and type(answer.headers) ~= "table" then
        return nil, errors.transport("invalid_response", "the transport's headers are no table",
            false)
    end
    return answer
end

-- Failures before anything of a request has gone out.
local NOT_SENT = { resolve_failed = true, connect_failed = true, tls_failed = true }

--- A part of a plan as a request.
-- @tparam table client
-- @tparam table plan
-- @tparam table part its `json` is encoded at the first use
-- @tparam string token
-- @treturn table of `request.authorize`
function M.message(client, plan, part, token)
    if part.json and not part.body then
        part.body = response.json(client._json).encode(part.json)
    end
    return request.authorize(client._base, part, token, client._token_in, plan)
end

-- One exchange: by the client's transport, or the core.
local function send(await, client, message, seconds)
    await() -- no further, where what the call has run has ended it
    if client._transport then
        message.timeout = seconds
        return own_transport(client._transport, message)
    end
    return await(core.request({
        method = message.method,
        url = message.url,
        headers = source.header_lines(message.headers),
        body = message.body,
        timeout = seconds,
        options = client._request,
        bare = true,
    }))
end

local function attempt(await, client, plan, part, deadline, token)
    local seconds = deadline - core.now()
    if seconds <= 0 then
        return nil, errors.timeout("no answer in time"), nil, false
    end
    local message = M.message(client, plan, part, token)
    local answer, err = send(await, client, message, seconds)
    if not answer then
        return nil, err, nil, not NOT_SENT[err.code]
    end
    local value
    value, err = response.read(answer, client._json, plan.format, token)
    return value, err, answer.status, err and (err.kind ~= "api" or answer.status >= 500)
end

-- Whether the answer says that the token is no longer good, and another one can be had.
local function is_stale(plan, err, status)
    if not err or not plan.renewable or plan.source:closed() then
        return false
    end
    return STALE_TOKEN[err.code] or status == 401 and not NOT_THE_TOKEN[err.code] or false
end

local function is_repeatable(plan, err, status)
    if not err or plan.row.method ~= "GET" then
        return false
    elseif status then
        return REPEATED_STATUS[status] or false
    end
    return err.retryable and err.code ~= "resolve_failed" and err.code ~= "raised"
        and (err.kind == "transport" or err.kind == "timeout") or false
end

-- math.random is the same in every process of a Lua before 5.4; hosts that failed together would
-- come back together. This is the minimal standard generator, exact in doubles.
local seed = (core.now() * 1e6 + (tonumber(tostring({}):match("0x(%x+)") or "1", 16))) % 2147483646

local function random()
    seed = (math.floor(seed) + 1) * 16807 % 2147483647 - 1
    return seed / 2147483646
end

-- Waits before a repeat; false when the deadline would pass, so that the error is better told now.
local function pause(await, client, err, repeats, deadline)
    -- A service that says 0 is still not to be asked in a loop.
    local backoff = math.min(BACKOFF_MAX, BACKOFF_FIRST * 2 ^ math.min(repeats, 10))
    local seconds = math.max(err.retry_after or 0, random() * backoff)
    if core.now() + seconds >= deadline then
        return false
    end
    events.emit(client, "retry", err)
    if seconds > 0 then
        await(core.sleep(seconds))
    end
    return true
end

--- Sends one request of a plan until its answer is final: once more with a new token after a 401
-- (a POST too: the service has refused it unread); a GET again on connection failures, 429, 502 and
-- 503, as long as the deadline admits.
-- @tparam function await
-- @tparam table client
-- @tparam table plan of `request.plan`, with `source` and `renewable`; never changed
-- @tparam table part of the plan, or `{ target }`
-- @tparam number deadline on `core.now`
-- @return value
-- @treturn ?table error; with a value too where the answer holds both
-- @treturn ?boolean whether the service may have done what was asked although there is an error
function M.exchange(await, client, plan, part, deadline)
    local renewed, repeats = false, 0
    while true do
        local token, problem = source.obtain(await, plan.source, deadline, false)
        if not token then
            return nil, problem
        end
        local value, err, status, done = attempt(await, client, plan, part, deadline, token)
        if not renewed and is_stale(plan, err, status) then
            renewed = true
            plan.source:invalidate(token)
            events.emit(client, "retry", err)
        elseif is_repeatable(plan, err, status)
            and pause(await, client, err, repeats, deadline) then
            repeats = repeats + 1
        else
            return value, err, done
        end
    end
end

return M

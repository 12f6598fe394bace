-- A sandbox for a spec file, and what its tests do with it again and again.

local core = require("groove.core")
local groove = require("groove")

local M = {}

--- Pauses without a call of groove's being made.
function M.pause(seconds)
    local op = core.sleep(seconds)
    op:wait()
end

--- Waits until `condition()` holds; false if it does not within `seconds` (5).
function M.eventually(condition, seconds)
    local deadline = core.now() + (seconds or 5)
    while not condition() do
        if core.now() > deadline then
            return false
        end
        M.pause(0.01)
    end
    return true
end

--- Dispatches until `condition()` holds; raises if it does not within 20 s. A loop that only looks
-- at what dispatch says would do as well.
function M.dispatch_until(condition)
    local deadline = core.now() + 20
    while not condition() do
        assert(core.now() < deadline, "dispatch came to nothing")
        if groove.dispatch() == 0 then
            M.pause(0.001)
        end
    end
end

--- How many token requests the sandbox has seen.
function M.token_requests(sandbox)
    local _, counts = sandbox:log()
    return counts.token
end

function M.api_requests(sandbox)
    local _, counts = sandbox:log()
    return counts.api
end

--- Faults that no test leaves behind: `add(spec)`, and `clear()` for after_each.
-- @tparam function sandbox `sandbox()`, as it is made in setup
function M.faults(sandbox)
    local active = {}
    local function add(spec)
        local fault = assert(sandbox():fault(spec))
        active[#active + 1] = fault
        return fault
    end
    local function clear()
        while #active > 0 do
            table.remove(active):clear()
        end
    end
    return add, clear
end

local serial = 0

--- Options for a source of the sandbox's that no other test shares.
function M.options(sandbox, more)
    local options = sandbox:options()
    serial = serial + 1
    local own = {
        token_url = options.token_url, client_id = options.client_id, scope = options.scope,
        client_secret = options.client_secret, ca_file = options.ca_file,
        params = { test = tostring(serial) },
    }
    for name, value in pairs(more or {}) do
        own[name] = value
    end
    return own
end

function M.source(sandbox, more)
    return assert(groove.token_source(M.options(sandbox, more)))
end

--- A token answer with other members than the sandbox's own.
function M.token_answer(members)
    return '{"token_type":"bearer",' .. members .. "}"
end

return M

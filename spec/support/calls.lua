-- Calls without a service, and dispatching until nothing waits.

local calls = require("groove.call")
local groove = require("groove")

local M = {}

local LONG = 20

--- What calls belong to, with more fields.
function M.owner(fields)
    fields = fields or {}
    function fields.closed() return false end
    return fields
end

--- A call that has finished.
function M.finished(it, value)
    return calls.start(it or M.owner(), function() return value end)
end

--- Runs everything that waits; how much that was.
function M.dispatch_all()
    local run, more
    local total = 0
    repeat
        run, more = groove.dispatch(LONG)
        total = total + run
    until not more
    return total
end

return M

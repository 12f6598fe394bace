--- The host: how its programs wait for an operation of the core, and where they may.
--
-- An ordinary program blocks its thread. Inside nginx that would stop all connections of a worker,
-- so there `groove.nginx.phases` takes this module's place.
--
-- @module groove.host

local ngx = rawget(_G, "ngx")

if type(ngx) == "table" and ngx.get_phase then
    return require("groove.nginx.phases")
end

local M = {}

--- Functions to run coroutines by.
M.coroutine = coroutine

--- Whether what is running here may wait.
-- @treturn boolean
function M.may_wait()
    return true
end

--- Waits for an operation of the core.
-- @param op
-- @tparam[opt] number seconds at most
function M.wait(op, seconds)
    op:wait(seconds)
end

return M

--- Waiting inside nginx: where it is possible, by giving the worker back meanwhile. Takes the place
-- of `groove.host` there.
--
-- A worker cannot watch a descriptor that is not a cosocket's, so whoever waits looks again and
-- again: after a millisecond first, then ever less often, an eighth late at most.
--
-- @module groove.nginx.phases

local core = require("groove.core")

local M = {}

local PAUSE_MIN, PAUSE_MAX = 0.001, 0.05
local PAUSE_PART = 8

-- Phases in which nginx can run something else meanwhile.
local YIELDS = {
    rewrite = true, server_rewrite = true, access = true, precontent = true, content = true,
    preread = true, timer = true, ssl_cert = true, ssl_client_hello = true,
    ssl_session_fetch = true,
}

-- nginx has put coroutines of its own in the place of Lua's. Those belong to one request and are
-- missing in some phases; calls of groove's are finished by whoever comes first.
M.own_coroutines = true
M.coroutine = { running = coroutine.running }
for _, name in ipairs({ "create", "resume", "yield", "status" }) do
    M.coroutine[name] = coroutine["_" .. name] or coroutine[name]
end

-- nginx's own variables.
local function variables()
    local ffi = require("ffi")
    pcall(ffi.cdef, "extern uintptr_t ngx_process; extern uintptr_t ngx_test_config;")
    return ffi.C
end

local SIGNALLER, WORKER = 2, 3

-- How nginx's request and the Lua module's context of it have always begun.
local DECLARATIONS = [[
    typedef struct { uint32_t signature; void *connection; void ***ctx; } groove_nginx_request;
    extern struct { uintptr_t ctx_index; } ngx_http_lua_module;
]]
local HTTP = 0x50545448

-- Whether the current request has a Lua state of its own.
local function has_own_state()
    local ffi = require("ffi")
    pcall(ffi.cdef, DECLARATIONS)
    local request = require("resty.core.base").get_request()
    request = request and ffi.cast("groove_nginx_request *", request)
    if not request or request.signature ~= HTTP then
        return false
    end
    local context = request.ctx[ffi.C.ngx_http_lua_module.ctx_index]
    return context ~= nil and context[0] ~= nil
end

--- Whether this is what the workers are forked from, and not only there to check the configuration
-- or to send a signal.
-- @treturn boolean
function M.before_fork()
    if ngx.get_phase() ~= "init" then
        return false
    end
    local C = variables()
    return tonumber(C.ngx_test_config) == 0 and tonumber(C.ngx_process) < SIGNALLER
end

--- Whether Lua states come and go with requests here (`lua_code_cache off`): nothing can be done
-- in the background then.
-- @treturn boolean
function M.short_lived()
    if ngx.get_phase() == "init" then
        return tonumber(variables().ngx_process) == WORKER
    end
    return has_own_state()
end

--- Whether what is running here may wait. Before the fork nobody else waits for this process.
-- @treturn boolean
function M.may_wait()
    return YIELDS[ngx.get_phase()] or M.before_fork()
end

-- How long to wait before the next look.
local function pause_after(waited, left)
    local pause = math.max(PAUSE_MIN, math.min(waited / PAUSE_PART, PAUSE_MAX))
    return math.min(pause, left or pause)
end

local function sleep(seconds)
    if YIELDS[ngx.get_phase()] then
        ngx.sleep(seconds)
    else
        core.sleep(seconds):wait()
    end
end

--- Waits until something holds; looks at it once at least.
-- @tparam function condition `condition()`
-- @tparam[opt] number seconds at most
-- @return what it gave last
function M.wait_until(condition, seconds)
    local began = core.now()
    local found = condition()
    while not found do
        local waited = core.now() - began
        local left = seconds and seconds - waited
        if left and left <= 0 then
            break
        end
        sleep(pause_after(waited, left))
        found = condition()
    end
    return found
end

--- Waits for an operation of the core, where that is possible.
-- @param op
-- @tparam[opt] number seconds at most
function M.wait(op, seconds)
    if not YIELDS[ngx.get_phase()] then
        if M.before_fork() then
            op:wait(seconds)
        end
        return
    end
    M.wait_until(function() return op:glance() end, seconds)
end

return M

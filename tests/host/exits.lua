-- What a child of exits.c has under way when it ends. Its services are the parent's.
local token_url, api_url, ca_file = ...
local groove = require("groove")

local M = {}

local source, calls

local function fetch(i)
    calls[i] = source.async:fetch("/things/" .. i):on_done(function() fetch(i) end)
end

--- Starts transfers, which start anew whenever they end.
function M.begin()
    calls = {}
    source = assert(groove.token_source({
        token_url = token_url, ca_file = ca_file, origin = api_url,
        client_id = os.getenv("EXITS_ID"), client_secret_env = "EXITS_SECRET",
    }))
    for i = 1, 4 do
        fetch(i)
    end
end

function M.dispatch()
    groove.dispatch()
end

--- Whether the token is there, and so requests of the API are under way.
function M.ready()
    groove.dispatch()
    return source:info().state == "ready" and 1 or 0
end

--- How many are under way. A call is asked without being brought forward.
function M.running()
    local count = 0
    for _, call in ipairs(calls) do
        count = count + (tostring(call):find("running") and 1 or 0)
    end
    return count
end

function M.exit(status)
    os.exit(status)
end

--- With lua_close, from Lua 5.2 on.
function M.exit_closing(status)
    os.exit(status, true)
end

--- Until a signal comes.
function M.wait()
    while true do
        calls[1]:wait()
        groove.dispatch()
    end
end

--- Waits for all of them, where nothing brings them forward any more: whether each has ended, if
-- not by itself before.
function M.finish()
    for _, call in ipairs(calls) do
        local _, err = call:wait()
        if err and err.kind == "pending" then
            return 0
        end
    end
    local _, err = source:refresh()
    return err and err.kind == "cancelled" and 1 or 0
end

-- --- the parent's --------------------------------------------------------------------------------

local sandbox

--- A sandbox with TLS, whose answers are long; what a child needs is left in global variables.
function M.serve()
    sandbox = assert(groove.sandbox({ tls = true }))
    assert(sandbox:fault({ on = "api", body = 12000000 }))
    for name, value in pairs(sandbox:options()) do
        _G[name] = value
    end
end

function M.stop()
    sandbox:stop()
end

return M

-- Run by token_spec.lua with LuaJIT, in a process of its own: is `source:token()` compiled, and
-- does compiled code see a renewal? Prints what happened, a line each.

local groove = require("groove")
local jit = require("jit")

local source = assert(groove.token_source({
    token_url = os.getenv("GROOVE_TOKEN_URL"), client_id = os.getenv("GROOVE_CLIENT_ID"),
    client_secret = os.getenv("GROOVE_CLIENT_SECRET"), scope = os.getenv("SPEC_SCOPE"),
}))
assert(source:token())

local stopped, aborted = 0, 0
local function on_trace(what)
    if what == "stop" then
        stopped = stopped + 1
    elseif what == "abort" then
        aborted = aborted + 1
    end
end

local function spin(times)
    local token
    for _ = 1, times do
        token = source:token()
    end
    return token
end

jit.flush()
jit.attach(on_trace, "trace")
local first = spin(100000)
print("loops compiled: " .. stopped)
print("traces aborted: " .. aborted)

-- From here on the loop is machine code, and leaves it only where its checks fail.
local deadline = os.time() + 20
local token
local before, rounds = stopped, 0
repeat
    token = spin(100000)
    rounds = rounds + 1
until token ~= first or os.time() > deadline
jit.attach(on_trace)
print("compiled before the renewal: " .. tostring(before > 0 and rounds > 0))
print("renewal seen: " .. tostring(token ~= first and token == source:peek()))

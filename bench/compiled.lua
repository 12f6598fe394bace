-- Run by run.lua with LuaJIT: prints the nanoseconds of a cached token() in a compiled loop, the
-- loop included, the median of some rounds; and how many traces were aborted.

local core = require "groove.core"
local groove = require "groove"
local jit = require "jit"

local CALLS, ROUNDS = 2e7, 9

local source = groove.token_source({
    token_url = os.getenv("BENCH_TOKEN_URL"), client_id = "bench", client_secret = "bench",
})
assert(source:token())

local aborted = 0
jit.attach(function(what)
    if what == "abort" then aborted = aborted + 1 end
end, "trace")

local function tokens(calls)
    local count = 0
    for _ = 1, calls do
        if source:token() then count = count + 1 end
    end
    return count
end

local rounds = {}
for i = 1, ROUNDS do
    local began = core.now()
    tokens(CALLS)
    rounds[i] = (core.now() - began) / CALLS * 1e9
end
table.sort(rounds)
print(rounds[math.floor(ROUNDS / 2) + 1], aborted)

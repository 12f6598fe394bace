-- groove under the measures of bench/peers.lua.

package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path

local groove = require "groove"
local core = require "groove.core"
local peer = require "peer"
package.cpath = peer.build .. "?.so;" .. package.cpath
local native = arg[1] == "renewal" and require "native" -- built for one Lua

local function open()
    return groove.new({
        token_url = peer.env("BENCH_TOKEN_URL"), client_id = "bench", client_secret = "bench",
        api_url = peer.env("BENCH_API_URL"):match("^%a+://[^/]+"),
        ca_file = os.getenv("BENCH_CA_FILE"),
    })
end

-- The handle of the measures that want a token alone.
local function open_source()
    return groove.token_source({
        token_url = peer.env("BENCH_TOKEN_URL"), client_id = "bench", client_secret = "bench",
        ca_file = os.getenv("BENCH_CA_FILE"),
    })
end

-- 64 threads with a Lua state each.
local function together()
    local pipe = io.popen("BENCH_ID=bench BENCH_SECRET=bench '" .. peer.build .. "threads' cold")
    local served = pipe:read("*n") / 1000
    pipe:close()
    return served
end

peer.run({
    open = arg[1] == "calls" and open or open_source,
    token = function(source) return source:token() end,
    call = function(client) return assert(client:search("x")) end,
    together = together,
    now = core.now,
    sleep = native and native.sleep,
})

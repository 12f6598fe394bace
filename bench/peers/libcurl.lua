-- A plain libcurl loop (bench/curl_loop.c) with a constant token: what a call costs at least.

package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
package.cpath = arg[0]:gsub("bench/peers/[^/]*$", "") .. "build/bench/?.so;" .. package.cpath

local cjson = require "cjson"
local native = require "native"
local peer = require "peer"

-- One loop for all calls of a round, as it keeps its connection; the clock stands in the last call.
local count, page = tonumber(arg[2]), nil
local asked = 0

local function call()
    if asked % count == 0 then
        native.curl(peer.env("BENCH_API_URL"), "Authorization: Bearer bench", function(body)
            page = cjson.decode(body)
        end, count, 1)
    end
    asked = asked + 1
    return page
end

peer.run({ open = function() return true end, call = call, now = native.now })

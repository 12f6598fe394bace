-- LuaSocket and LuaSec under the measures of bench/peers.lua, with a token cache as one writes it
-- by hand.

package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path

local cjson = require "cjson"
local http = require "socket.http"
local ltn12 = require "ltn12"
local peer = require "peer"
local socket = require "socket"
require "ssl.https" -- a real token service is asked with it; the one here speaks plain HTTP

local function request(options)
    local chunks = {}
    options.sink = ltn12.sink.table(chunks)
    local _, status = assert(http.request(options))
    assert(status == 200, status)
    return cjson.decode(table.concat(chunks))
end

local function fetch()
    local body = "grant_type=client_credentials&client_id=bench&client_secret=bench"
    local answer = request({
        url = peer.env("BENCH_TOKEN_URL"), method = "POST", source = ltn12.source.string(body),
        headers = {
            ["Content-Type"] = "application/x-www-form-urlencoded", ["Content-Length"] = #body,
        },
    })
    return answer.access_token, answer.expires_in
end

local url = peer.env("BENCH_API_URL")

peer.run({
    open = function() return peer.cache(fetch, socket.gettime) end,
    token = function(cache) return cache() end,
    call = function(cache)
        return request({ url = url, headers = { Authorization = "Bearer " .. cache() } })
    end,
    now = socket.gettime,
    sleep = socket.sleep,
})

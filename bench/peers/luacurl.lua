-- lua-curl under the measures of bench/peers.lua, with a token cache as one writes it by hand.
-- Debian has it for Lua 5.1.

package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path

local cjson = require "cjson"
local curl = require "curl"
local peer = require "peer"
local socket = require "socket" -- for its clock

local chunks

local function new_easy(url)
    local easy = curl.easy_init()
    easy:setopt(curl.OPT_URL, url)
    easy:setopt(curl.OPT_WRITEFUNCTION, function(text)
        chunks[#chunks + 1] = text
        return #text
    end)
    return easy
end

local function request(easy)
    chunks = {}
    assert(easy:perform())
    return cjson.decode(table.concat(chunks))
end

local function fetch()
    local easy = new_easy(peer.env("BENCH_TOKEN_URL"))
    easy:setopt(curl.OPT_POSTFIELDS,
        "grant_type=client_credentials&client_id=bench&client_secret=bench")
    local answer = request(easy)
    return answer.access_token, answer.expires_in
end

local easy = new_easy(peer.env("BENCH_API_URL"))

peer.run({
    open = function() return peer.cache(fetch, socket.gettime) end,
    token = function(cache) return cache() end,
    call = function(cache)
        easy:setopt(curl.OPT_HTTPHEADER, { "Authorization: Bearer " .. cache() })
        return request(easy)
    end,
    now = socket.gettime,
    sleep = socket.sleep,
})

-- Calls of the API with a body of 8.5 KB, decoded, beside plain libcurl with the same decoder.

local bench = require "bench"
local cjson = require "cjson"
local groove = require "groove"
local server = require "server"

local native, report = bench.native, bench.report

local M = {}

--- Looks at the page that the static server gives, so that both sides really decode the same.
function M.check(page)
    if #page.Tracks.Items ~= server.TRACKS then error("not the page that was served") end
end

function M.check_body(body)
    M.check(cjson.decode(body))
end

function M.client_of(site)
    return groove.new({
        token_url = site.token_url, api_url = site.api_url,
        client_id = "bench", client_secret = "bench",
    })
end

--- `count` searches, `width` of them in flight: the oldest is taken when there are so many.
function M.in_flight(client, count, width)
    local calls, search = {}, client.async.search
    for i = 1, count + width do
        if i > width then
            M.check(assert(calls[i - width]:wait()))
            calls[i - width] = nil
        end
        if i <= count then calls[i] = search(client.async, "x") end
    end
end

--- The same by a plain libcurl loop; width 1: an easy loop.
function M.plain(site, header, count, width)
    native.curl(site.api_url .. "/1/content/music/search?q=x", header, M.check_body, count, width)
end

function M.header_of(client)
    return "Authorization: " .. assert(client:authorization())
end

local function one_by_one(site, client, header)
    local count = 300
    local ours, theirs, noise = bench.alternate(bench.rounds, {
        bench.timed(function()
            for _ = 1, count do M.check(assert(client:search("x"))) end
        end),
        bench.timed(function() M.plain(site, header, count, 1) end),
    })
    report({ "API call after call / a libcurl easy loop", value = ours / theirs, noise = noise,
        measured = ("%.0f us / %.0f us"):format(ours / count * 1e6, theirs / count * 1e6),
        target = { "<=", 1.10 } })
end

local function many_in_flight(site, client, header)
    local count, width = 1000, 32
    local ours, theirs, noise = bench.alternate(bench.rounds, {
        bench.timed(function() M.in_flight(client, count, width) end),
        bench.timed(function() M.plain(site, header, count, width) end),
    })
    local cores = tonumber(bench.output_of("nproc"))
    report({ "32 calls in flight / a libcurl multi loop", value = theirs / ours, noise = noise,
        measured = ("%.0f /s / %.0f /s"):format(count / ours, count / theirs),
        target = { ">=", cores >= 4 and 1.2 or 1.1 } })
end

function M.run(site)
    local client = M.client_of(site)
    local header = M.header_of(client)
    one_by_one(site, client, header)
    many_in_flight(site, client, header)
    client:close()
end

return M

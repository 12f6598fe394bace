-- Cost against work: sources in one process, threads that read one token, calls in flight.

local bench = require "bench"
local calls = require "calls"
local server = require "server"
local tokens = require "tokens"

local M = {}

local SOURCES = { 1, 10, 100, 1000, 10000, 100000 }
local RENEWED = { 100, 1000, 10000, 100000 } -- with fewer, nothing happens in ten seconds
local THREADS = { 1, 2, 4, 8, 16, 32, 64 }
local WIDTHS = { 1, 2, 4, 8, 16, 32, 64, 128, 256 }

local function up_to(list, most)
    local out = {}
    for _, value in ipairs(list) do
        if value <= most then out[#out + 1] = value end
    end
    return out
end

local function idle_sources(site)
    local points = {}
    for _, count in ipairs(up_to(SOURCES, bench.quick and 10000 or 100000)) do
        local found = tokens.sources(site, "idle", count, bench.quick and 1 or 3)
        print(("%7d sources: %8.0f bytes each, idle %.3f %%"):format(count, found.bytes, found.cpu))
        points[#points + 1] = {
            sources = count, bytes = found.bytes, allocated = found.allocated, rss = found.rss,
            cpu = found.cpu,
        }
    end
    return points
end

local function renewed_sources(site)
    local points = {}
    for _, count in ipairs(up_to(RENEWED, bench.quick and 10000 or 100000)) do
        local found = tokens.sources(site, "renew", count, bench.quick and 4 or 10)
        print(("%7d sources: %8.1f renewals/s, busiest second %.2f x mean, %.0f us each"):format(
            count, found.rate, found.peak or 0, found.us or 0))
        points[#points + 1] = {
            sources = count, rate = found.rate, peak = found.peak, us = found.us,
        }
    end
    return points
end

local function read_by_threads(site, threads, each)
    local text = bench.output_of(("BENCH_TOKEN_URL='%s' BENCH_ID=bench BENCH_SECRET=bench "
        .. "'%sthreads' read %d %d"):format(site.token_url, bench.build, threads, each))
    local seconds, busy = text:match("(%S+) (%S+)")
    assert(seconds, "build/bench/threads failed")
    return threads * each / seconds, busy / threads / each * 1e9
end

local function read_by_go(threads, each)
    local text = bench.output_of(("'%soauth2' read %d %d"):format(bench.build, threads, each))
    local seconds, busy = text:match('"value":([%d.e-]+).*"value":([%d.e-]+)')
    return threads * each / seconds, busy / threads / each * 1e9
end

-- All points are measured once a round, so that a machine whose speed wanders bends no curve.

-- Reads a second of all threads together, the nanoseconds of a processor for one; the same of Go.
local function measure_threads(site, lists)
    for i, count in ipairs(THREADS) do
        local each = math.floor((bench.quick and 2e6 or 8e6) / count)
        local found, theirs = { read_by_threads(site, count, each) }, {}
        if bench.readable(bench.build .. "oauth2") then theirs = { read_by_go(count, each) } end
        for name, value in pairs({
            reads = found[1], ns = found[2], go_reads = theirs[1], go_ns = theirs[2],
        }) do
            table.insert(lists[i][name], value)
        end
    end
end

local function threads(site)
    local lists, points = {}, {}
    for i = 1, #THREADS do lists[i] = { reads = {}, ns = {}, go_reads = {}, go_ns = {} } end
    for _ = 1, bench.quick and 3 or 7 do measure_threads(site, lists) end
    for i, count in ipairs(THREADS) do
        local point = { threads = count }
        for name, list in pairs(lists[i]) do point[name] = bench.median(list) end
        print(("%7d threads: %6.1f million reads/s, %5.1f ns of a processor each; Go %.1f, %.1f ns")
            :format(count, point.reads / 1e6, point.ns, (point.go_reads or 0) / 1e6,
                point.go_ns or 0))
        points[i] = point
    end
    return points
end

local function in_flight(site)
    local runs, points, count = {}, {}, bench.quick and 512 or 1024
    local client = calls.client_of(site)
    local header = calls.header_of(client)
    for _, width in ipairs(WIDTHS) do
        runs[#runs + 1] = bench.timed(function() calls.in_flight(client, count, width) end)
        runs[#runs + 1] = bench.timed(function() calls.plain(site, header, count, width) end)
    end
    local lists = bench.collect(bench.quick and 3 or 11, runs)
    for i, width in ipairs(WIDTHS) do
        local ours, plain = lists[2 * i - 1], lists[2 * i]
        local point = {
            width = width, calls = count / bench.median(ours), plain = count / bench.median(plain),
            noise = math.max(bench.noise_of(ours), bench.noise_of(plain)),
        }
        print(("%7d in flight: %6.0f calls/s, plain libcurl %6.0f"):format(width, point.calls,
            point.plain))
        points[i] = point
    end
    client:close()
    return points
end

function M.run()
    local site = server.start(bench.native)
    local found = {
        idle = idle_sources(site), renewal = renewed_sources(site), threads = threads(site),
        in_flight = in_flight(site),
    }
    site.stop()
    return found
end

return M

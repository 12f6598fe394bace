-- Tokens: what having one costs, and how many requests it takes.

local bench = require "bench"
local groove = require "groove"

local native, report = bench.native, bench.report

local M = {}

local function source_of(site)
    return groove.token_source({
        token_url = site.token_url, client_id = "bench", client_secret = "bench",
    })
end

-- Nanoseconds that Go's cached token takes, or nil where it is not installed.
local function go_cached()
    local go = bench.build .. "oauth2"
    if not bench.readable(go) then return nil end
    return function()
        return tonumber(bench.output_of(go .. " cached"):match('"value":([%d.]+)'))
    end
end

local function bytes_allocated(run)
    run()
    collectgarbage()
    collectgarbage("stop")
    local before = collectgarbage("count")
    run()
    local allocated = (collectgarbage("count") - before) * 1024
    collectgarbage("restart")
    return allocated
end

local function cached(site)
    local calls = 2e6
    local source = source_of(site)
    assert(source:token())
    local empty = native.empty
    local function token_loop() for _ = 1, calls do source:token() end end
    local function empty_loop() for _ = 1, calls do empty(source) end end

    local allocated = bytes_allocated(token_loop)
    local go = go_cached()
    local runs = { bench.timed(token_loop), bench.timed(empty_loop), go }
    local results = { bench.alternate(bench.rounds, runs) }
    local token, nothing = results[1] / calls * 1e9, results[2] / calls * 1e9
    local noise = results[#results]
    report({ "token(), cached / an empty C function", value = token / nothing, target = { "<=", 5 },
        measured = ("%.1f ns / %.1f ns"):format(token, nothing), noise = noise })
    local what = "token(), cached / Go's ReuseTokenSource"
    if go then
        report({ what, value = token / results[3], target = { "<=", 0.5 },
            measured = ("%.1f ns / %.1f ns"):format(token, results[3]), noise = noise })
    else
        bench.skip(what, "go or golang.org/x/oauth2 is not installed (make deps-bench)")
    end
    report({ "token(), cached: allocated", measured = ("in %.0f calls"):format(calls),
        unit = "bytes", value = allocated, target = { "<=", 0 } })
    source:close()
end

local function compiled(site)
    local what = "token(), cached, on LuaJIT"
    if not bench.readable(bench.root .. "build/jit/groove/core.so") then
        return bench.skip(what, "there is no build for LuaJIT (make LUA=jit)")
    end
    local ns, aborted = bench.output_of(("BENCH_TOKEN_URL='%s' LUA_CPATH='%sbuild/jit/?.so;;' "
        .. "luajit '%sbench/compiled.lua'"):format(site.token_url, bench.root, bench.root))
        :match("(%S+)%s+(%d+)")
    report({ what, measured = "compiled", unit = "ns", value = tonumber(ns), target = { "<=", 5 } })
    report({ "  traces aborted", unit = "count", value = tonumber(aborted), target = { "<=", 0 } })
end

local function cold_process(site)
    local program = string.format("assert(require('groove').token_source({ token_url = %q, "
        .. "client_id = 'bench', client_secret = 'bench' }):token())", site.token_url)
    local function run(command)
        return function()
            local seconds, status = native.run(command)
            assert(status == 0, command[1] .. " failed")
            return seconds
        end
    end
    local ours, theirs, noise = bench.alternate(bench.quick and 10 or 60, {
        run({ bench.lua, "-e", program }),
        run({ "curl", "-sS", "--noproxy", "*", "--data-urlencode", "grant_type=client_credentials",
            "--data-urlencode", "client_id=bench", "--data-urlencode", "client_secret=bench",
            site.token_url }),
    })
    report({ "a cold process and its first token / curl", value = ours / theirs,
        measured = ("%.1f ms / %.1f ms"):format(ours * 1000, theirs * 1000), target = { "<=", 1.5 },
        noise = noise })
end

local function cold_start(site)
    site.mode({ delay = 0.3 })
    local served, failed, spread = bench.output_of(("BENCH_TOKEN_URL='%s' BENCH_ID=bench "
        .. "BENCH_SECRET=bench '%sthreads' cold"):format(site.token_url, bench.build))
        :match("(%d+) (%d+) (%S+)")
    local requests = site.mode({ delay = 0 })
    assert(served, "build/bench/threads failed")
    report({ "64 threads x 1,000 calls, cold: token requests", unit = "count", value = requests,
        measured = ("%d served, %d failed"):format(served, failed), target = { "<=", 1 } })
    report({ "  calls that failed", unit = "count", value = tonumber(failed),
        target = { "<=", 0 } })
    report({ "  from the first thread's answer to the last's", unit = "ms", value = spread * 1000,
        target = { "<=", 5 } })
end

--- Runs bench/sources.lua in a process of its own.
-- @tparam string how "idle" or "renew"
-- @tparam number count of sources
-- @tparam number seconds that are watched
-- @treturn table what it has printed, by name
function M.sources(site, how, count, seconds)
    local text = bench.output_of(("BENCH_TOKEN_URL='%s' '%s' '%sbench/sources.lua' %s %d %d")
        :format(site.token_url, bench.lua, bench.root, how, count, seconds))
    local out = {}
    for name, value in text:gmatch("(%S+) (%S+)\n") do out[name] = tonumber(value) end
    return out
end

-- "8,000" for 8000
local function commas(count)
    return (("%d"):format(count):reverse():gsub("(%d%d%d)(%d)", "%1,%2"):reverse())
end

local function many(site)
    local count = bench.quick and 10000 or 100000
    local idle = M.sources(site, "idle", count, bench.quick and 1 or 5)
    report({ "memory of a source, one of " .. commas(count), unit = "bytes", value = idle.bytes,
        measured = "RSS, with its handle, less the token", target = { "<=", 1024 } })
    report({ "  processor time while all have a token", unit = "%", value = idle.cpu })
    local renew = M.sources(site, "renew", count, bench.quick and 5 or 12)
    report({ "renewals of these, busiest second / mean", value = renew.peak,
        measured = ("%.0f /s for %d s, 60 s tokens"):format(renew.rate, renew.seconds),
        target = { "<=", 1.5 } })
    report({ "  processor time for a renewal", unit = "us", value = renew.us })
end

-- The rows of tests/simulate.c, which drives the real policy in virtual time.
local function simulated()
    local scenario, hosts
    for line in bench.output_of(bench.build .. "simulate"):gmatch("[^\n]+") do
        local name, count = line:match("^(%S.-), (%d+) hosts")
        if name then scenario, hosts = name, tonumber(count) end
        local what, value, sign, bound = line:match("^  (%S.-) +([%d.]+)  ([<=]+) +([%d.]+) ")
        if what then
            -- of counts: "<= 39" is "< 40", and "<= 0" is "== 0"
            report({ scenario .. ": " .. what, unit = what:find("mean of") and "ratio" or "count",
                measured = ("%s sources, virtual time"):format(commas(hosts)),
                value = tonumber(value),
                target = { "<=", tonumber(bound) - (sign == "<" and 1 or 0) } })
        end
    end
    assert(scenario, "build/bench/simulate failed")
end

function M.run(site)
    cached(site)
    compiled(site)
    cold_process(site)
    cold_start(site)
    many(site)
    simulated()
end

return M

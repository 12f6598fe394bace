-- Run by the benchmark in a process of its own, for many sources in one process:
--
--   sources.lua idle COUNT SECONDS    bytes: of memory for each source, its handle included, less
--                                     its token; allocated: the same by malloc, which knows
--                                     small numbers better, but not the pages of secrets and
--                                     tokens; rss: of all; cpu: of one processor, in percent,
--                                     while nothing is due
--   sources.lua renew COUNT SECONDS   rate: renewals a second, of tokens that live 60 s; peak: the
--                                     busiest second, by the mean; us: of a processor, for one
--
-- The token service's address comes in BENCH_TOKEN_URL. Prints lines of a name and a number.

local root = arg[0]:gsub("bench/[^/]*$", "")
package.cpath = root .. "build/bench/?.so;" .. package.cpath

local groove = require "groove"
local native = require "native"

local how, count, seconds = arg[1], tonumber(arg[2]), tonumber(arg[3])
local url = os.getenv("BENCH_TOKEN_URL")
local LIFETIME = how == "idle" and 86400 or 60
local TOKEN = ("t"):rep(16)

local function requests(settings)
    local found
    native.curl(url:gsub("token$", "mode?" .. (settings or "")), "Accept: */*",
        function(body) found = tonumber(body) end, 1, 1)
    return found
end

-- Seconds of a processor that this process has had, all threads together.
local processor = os.clock

local function open_all()
    local sources = {}
    for i = 1, count do sources[i] = false end
    -- what the first one brings with it is not one source's: threads, libcurl, TLS
    local first = assert(groove.token_source({
        token_url = url, client_id = "first", client_secret = "s" }))
    assert(first:token())
    collectgarbage()
    local before, allocated = native.rss(), native.allocated()
    for i = 1, count do
        sources[i] = groove.token_source({
            token_url = url, client_id = "c" .. i, client_secret = "s",
        })
        assert(sources[i]:adopt(TOKEN .. i, LIFETIME, 0))
    end
    collectgarbage()
    local token = #(TOKEN .. count)
    return sources, (native.rss() - before) / count - token,
        (native.allocated() - allocated) / count
end

local function say(name, value)
    print(("%s %.6g"):format(name, value))
end

local function idle()
    local sources, bytes, allocated = open_all()
    collectgarbage("stop")
    native.sleep(0.5)
    local began, had = native.now(), processor()
    native.sleep(seconds)
    local used = (processor() - had) / (native.now() - began)
    say("bytes", bytes)
    say("allocated", allocated)
    say("rss", native.rss())
    say("cpu", used * 100)
    return sources
end

-- Renewals, counted where they arrive, second by second. The first are due after a twentieth of the
-- lifetime: that second is waited for.
local function renew()
    local sources = open_all()
    native.sleep(LIFETIME / 20 + 1)
    collectgarbage("stop")
    requests("lifetime=" .. LIFETIME)
    local began, had = native.now(), processor()
    local total, peak = 0, 0
    for second = 1, seconds do
        native.sleep(math.max(0, began + second - native.now()))
        local now = requests()
        total = total + now
        peak = math.max(peak, now)
    end
    say("seconds", seconds)
    say("rate", total / seconds)
    if total > 0 then
        say("peak", peak / total * seconds)
        say("us", (processor() - had) / total * 1e6)
    end
    requests("lifetime=86400")
    return sources
end

local sources = how == "idle" and idle() or renew()
assert(#sources == count)
os.exit(0, false)

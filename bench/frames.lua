-- What a 60 Hz loop feels: how long the longest `dispatch` and `token()` of some seconds take, with
-- the engine's thread running, tokens renewed about once a second, and 64 calls in flight all the
-- time. Left out are decoding, which is the JSON library's, and Lua's garbage collector, which the
-- loop runs in what is left of each frame, as engines do; the callbacks only count.
--
-- The loop calls dispatch(0), which brings one call forward, again and again until nothing waits:
-- so the figure is that of one step; how many of them a frame has room for is the host's to say.

local bench = require "bench"
local cjson = require "cjson"
local groove = require "groove"

local native = bench.native

local M = {}

local RATE, IN_FLIGHT = 60, 64
-- Each call takes so long that about one ends in each frame.
local DELAY = IN_FLIGHT / RATE

-- A JSON library that tells how long it has worked, on both clocks.
local function watched()
    local spent = { wall = 0, busy = 0 }
    return {
        null = cjson.null, encode = cjson.encode,
        decode = function(body)
            local wall, busy = native.now(), native.busy()
            local value = cjson.decode(body)
            spent.wall = spent.wall + native.now() - wall
            spent.busy = spent.busy + native.busy() - busy
            return value
        end,
    }, spent
end

-- Seconds that a function takes without decoding, by the clock on the wall and by the thread's own,
-- and what it returns.
local function measure(spent, fn, arg)
    local wall0, busy0, decoded, computed = native.now(), native.busy(), spent.wall, spent.busy
    local a, b = fn(arg)
    local busy1, wall1 = native.busy(), native.now()
    return wall1 - wall0 - (spent.wall - decoded), busy1 - busy0 - (spent.busy - computed), a, b
end

-- Not from the first two seconds, in which all the calls are started.
local function keep(list, frame, wall, busy)
    if frame > 2 * RATE then
        table.insert(list.wall, wall)
        table.insert(list.busy, busy)
    end
end

-- A client of the sandbox with a source of its own, whose `token` is the fast one.
local function client_of(sandbox, json)
    local options = sandbox:options()
    local source = assert(groove.token_source({
        token_url = options.token_url, client_id = options.client_id,
        client_secret = options.client_secret, scope = options.scope,
    }))
    return assert(groove.new({ source = source, api_url = options.api_url, json = json })), source
end

-- A function that starts a call unless there are enough of them.
local function keeper(client, counts)
    local function on_done(page)
        counts.in_flight = counts.in_flight - 1
        counts[page and "finished" or "failed"] = counts[page and "finished" or "failed"] + 1
    end
    return function()
        if counts.in_flight < IN_FLIGHT then
            counts.in_flight = counts.in_flight + 1
            client.async:search("love"):on_done(on_done)
        end
    end
end

-- Runs the loop; two seconds more than are measured go by until all calls are in flight. Returns
-- lists of seconds (`dispatch.wall`, `dispatch.busy`, `token.wall`, `token.busy`) and counts
-- (`finished`, `failed`, `in_flight`, `renewals`).
local function loop(seconds)
    local sandbox = assert(groove.sandbox({ lifetime = 2 }))
    local json, spent = watched()
    local client, source = client_of(sandbox, json)
    local counts = { finished = 0, failed = 0, in_flight = 0 }
    local lists = { dispatch = { wall = {}, busy = {} }, token = { wall = {}, busy = {} } }
    local start = keeper(client, counts)
    assert(client:search("love"))
    assert(sandbox:fault({ on = "api", delay = DELAY }))
    collectgarbage("stop")
    local began = native.now()
    for frame = 1, (seconds + 2) * RATE do
        start()
        start() -- a call that ended with another in one frame is replaced, too
        keep(lists.token, frame, measure(spent, source.token, source))
        repeat
            local wall, busy, _, more = measure(spent, groove.dispatch, 0)
            keep(lists.dispatch, frame, wall, busy)
        until not more
        -- no more than that: a whole cycle of the collector may take longer than a frame
        repeat
            local over = collectgarbage("step", 10)
        until over or native.now() > began + (frame - 0.3) / RATE
        native.sleep(math.max(0, began + frame / RATE - native.now()))
    end
    collectgarbage("restart")
    counts.renewals = source:info().counts.renewals
    client:close()
    source:close()
    sandbox:stop()
    return lists, counts
end

-- What is compared with the target is the thread's own time: on two cores the longest of a thousand
-- times on the wall is another program's turn.
local function tell(name, list)
    local count = #list.busy
    bench.report({ "longest " .. name .. " in a 60 Hz loop", unit = "us",
        measured = ("of %d; 99 %% %.0f, half %.0f us"):format(count,
            bench.part_of(list.busy, 0.99) * 1e6, bench.part_of(list.busy, 0.5) * 1e6),
        value = bench.part_of(list.busy, 1) * 1e6, target = { "<=", 50 } })
    bench.report({ "  on the wall", unit = "us", value = bench.part_of(list.wall, 1) * 1e6,
        measured = ("99 %% %.0f us"):format(bench.part_of(list.wall, 0.99) * 1e6) })
end

function M.run()
    local lists, counts = loop(bench.quick and 5 or 20)
    tell("token", lists.token)
    tell("dispatch", lists.dispatch)
    bench.report({ "  calls that failed meanwhile", unit = "count", value = counts.failed,
        measured = ("%d in flight, %d done, %d renewals"):format(counts.in_flight, counts.finished,
            counts.renewals), target = { "<=", 0 } })
end

return M

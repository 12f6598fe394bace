-- What the Lua programs among the peers share: the measures of bench/peers.lua. A peer gives:
--
--   open() -> handle, token(handle), call(handle) -> a decoded page, together(handle) -> served
--
-- and M.run calls the one that the command line names. Runs on every Lua.

local M = {}

local root = arg[0]:gsub("bench/peers/[^/]*$", "")

--- Where what was built for the benchmark lies.
M.build = root .. "build/bench/"

function M.say(measure, value)
    print(('{"measure":"%s","value":%.9g}'):format(measure, value))
    io.stdout:flush()
end

--- The value of a variable of the environment, which the driver has set.
function M.env(name)
    return (assert(os.getenv(name), name .. " is not set"))
end

local function resident()
    for line in io.lines("/proc/self/status") do
        local kib = line:match("^VmRSS:%s+(%d+)")
        if kib then return kib * 1024 end
    end
end

local function check(page)
    if #page.Tracks.Items ~= 15 then error("not the page that was served") end
end

local function median_of(rounds, run)
    local times = {}
    for i = 1, rounds do times[i] = run() end
    table.sort(times)
    return times[math.floor(rounds / 2) + 1]
end

local function cached(peer)
    local handle, token, calls = peer.open(), peer.token, 200000
    assert(token(handle))
    M.say("cached", median_of(7, function()
        local began = os.clock()
        for _ = 1, calls do token(handle) end
        return (os.clock() - began) / calls * 1e9
    end))
end

local function calls(peer, now, count)
    local handle = peer.open()
    local function round()
        local began = now()
        for _ = 1, count do check(peer.call(handle)) end
        return (now() - began) / count * 1e6
    end
    round()
    M.say("calls", median_of(5, round))
    M.say("memory", resident())
end

local function renewal(peer, now, sleep, idle, busy)
    local handle = peer.open()
    assert(peer.token(handle))
    M.say("ready", 1)
    sleep(idle)
    M.say("idle", 1)
    sleep(0.2) -- the driver looks at the server
    local waits, longest, till = 0, 0, now() + busy
    while now() < till do
        local began = now()
        assert(peer.token(handle))
        local took = now() - began
        if took > 0.05 then waits = waits + 1 end
        longest = math.max(longest, took)
        sleep(0.005)
    end
    M.say("waits", waits)
    M.say("longest", longest * 1000)
end

--- peer: the functions above, `now` and `sleep`.
function M.run(peer)
    local measure, a, b = arg[1], tonumber(arg[2]), tonumber(arg[3])
    if measure == "first" then
        assert(peer.token(peer.open()))
    elseif measure == "cached" then
        cached(peer)
    elseif measure == "calls" then
        calls(peer, peer.now, a)
    elseif measure == "renewal" then
        renewal(peer, peer.now, peer.sleep, a, b)
    elseif measure == "together" then
        M.say("served", peer.together())
    end
end

--- A token cache as one writes it by hand: fetch() -> token, lifetime.
function M.cache(fetch, now)
    local token, expires = nil, 0
    return function()
        if now() >= expires - 10 then
            local lifetime
            token, lifetime = fetch()
            expires = now() + lifetime
        end
        return token
    end
end

return M

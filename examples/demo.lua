-- make demo: what this library is for, in 20 seconds.
--
-- It starts the sandbox, searches and looks up, and then makes a call every 50 ms while tokens that
-- live for 6 seconds are renewed in the background. In between the token service fails for 4
-- seconds, which no call notices. Exits 1 if any call failed. GROOVE_DEMO_SECONDS: how long (20).

local core = require "groove.core" -- for a clock and a nap, which plain Lua has not
local groove = require "groove"

local SECONDS = tonumber(os.getenv("GROOVE_DEMO_SECONDS")) or 20
local LIFETIME = 6
local OUTAGE = 4
local PAUSE = 0.05

local terminal = os.execute("test -t 1")
terminal = terminal == true or terminal == 0

local function say(...)
    print(string.format(...))
end

-- Cuts or fills to `width` characters, UTF-8 counted by its first bytes.
local function fit(text, width)
    local out, count = {}, 0
    for char in tostring(text or ""):gmatch("[^\128-\191][\128-\191]*") do
        if count == width then
            out[count] = "…"
            break
        end
        count = count + 1
        out[count] = char
    end
    return table.concat(out) .. (" "):rep(width - count)
end

local function row(...)
    local cells = { ... }
    for i, width in ipairs({ 7, 34, 26, 8 }) do cells[i] = fit(cells[i], width) end
    print("  " .. table.concat(cells, " "):gsub("%s+$", ""))
end

local function first_artist(item)
    local contributor = item.Artists and item.Artists[1]
    return contributor and contributor.Artist and contributor.Artist.Name
end

local function show_items(kind, list)
    for _, item in ipairs(list and list.Items or {}) do
        row(kind, item.Name, first_artist(item) or table.concat(item.Genres or {}, ", "),
            item.Duration)
    end
end

local function must(value, err)
    if value == nil then
        io.stderr:write("demo: " .. tostring(err) .. "\n")
        os.exit(1, true)
    end
    return value
end

local function search_and_look_up(client)
    local page = must(client:search("love", {
        filters = { "artists", "albums", "tracks" }, max_items = 4,
    }))
    say('search("love"):')
    row("kind", "name", "artist or genre", "length")
    show_items("artist", page.Artists)
    show_items("album", page.Albums)
    show_items("track", page.Tracks)

    local album = page.Albums.Items[1]
    local found = must(client:lookup(album.Id, { extras = { "tracks" } }))
    say("\nlookup(%q, { extras = { \"tracks\" } }):", album.Id)
    for _, item in ipairs(found.Albums.Items) do
        row("album", item.Name, first_artist(item), item.Duration)
        show_items("track", item.Tracks)
    end
end

-- What the run has seen; times in seconds.
local seen = { calls = 0, failed = 0, renewals = 0, refusals = 0, longest = 0, slowest = 0 }

local function on_event(event)
    if event.type == "renewed" then
        seen.renewals = seen.renewals + 1
    elseif event.type == "renew_failed" then
        seen.refusals = seen.refusals + 1
    end
end

-- Runs one call; the time it took; counts a failure.
local function measure(method, ...)
    local began = core.now()
    local value, err = method(...)
    local took = core.now() - began
    seen.calls = seen.calls + 1
    if value == nil then
        seen.failed = seen.failed + 1
        seen.last_error = tostring(err)
    end
    return took
end

local function status_line(client, elapsed, outage)
    local info = client:info()
    local left = math.max(0, info.expires_in or 0)
    local bar = ("#"):rep(math.floor(left + 0.5))
    return string.format(
        "%4.1f s  service %-4s  token [%s] %3.1f s left  %d renewed  %d calls  %d failed",
        elapsed, outage and "DOWN" or "up", fit(bar, LIFETIME), left, seen.renewals, seen.calls,
        seen.failed)
end

-- Starts an outage right after a renewal, the second one if there is time for it.
local function begin_outage(sandbox, client)
    local enough = SECONDS >= 15 and 2 or 1
    if seen.renewals < enough then return nil end
    local fault = sandbox:fault({ on = "token", status = 503 })
    seen.outage_after = LIFETIME - client:info().expires_in
    return { fault = fault, ends = core.now() + OUTAGE }
end

local function live(sandbox, client)
    local began = core.now()
    local printed, outage, over = -1, nil, false
    seen.renewals = 0
    local waits = client:info().counts.waits
    while true do
        local now = core.now()
        local elapsed = now - began
        if elapsed >= SECONDS then break end
        seen.longest = math.max(seen.longest, measure(client.token, client))
        seen.slowest = math.max(seen.slowest, measure(client.search, client, "love"))
        groove.dispatch()
        if outage and now >= outage.ends then
            outage.fault:clear()
            outage, over = nil, true
        elseif not outage and not over then
            outage = begin_outage(sandbox, client)
        end
        if terminal then
            io.write("\r\27[K", status_line(client, elapsed, outage))
        elseif math.floor(elapsed) > printed then
            printed = math.floor(elapsed)
            print(status_line(client, elapsed, outage))
        end
        io.flush()
        core.sleep(PAUSE):wait()
    end
    if outage then outage.fault:clear() end
    seen.waits = client:info().counts.waits - waits
    if terminal then print() end
end

local function summary()
    print()
    say("calls                     %d, %d failed%s", seen.calls, seen.failed,
        seen.last_error and " (" .. seen.last_error .. ")" or "")
    say("tokens renewed            %d, in the background; %d calls had to wait for one",
        seen.renewals, seen.waits)
    if seen.outage_after then
        say("outage of the service     %d s, begun %.2f s after a renewal; %d attempts failed",
            OUTAGE, seen.outage_after, seen.refusals)
    end
    say("longest wait for a token  %.3f ms", seen.longest * 1000)
    say("slowest search            %.1f ms", seen.slowest * 1000)
end

local sandbox = must(groove.sandbox())
sandbox:set_lifetime(LIFETIME)
local client = sandbox:client({ on_event = on_event })
say("The sandbox serves %s, tokens live for %d s.\n", sandbox.api_url, LIFETIME)

search_and_look_up(client)
say("\nNow a token() and a search() every %d ms for %g s:\n", PAUSE * 1000, SECONDS)
live(sandbox, client)
summary()

client:close()
sandbox:stop()
os.exit(seen.failed == 0 and 0 or 1, true)

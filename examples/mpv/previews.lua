-- Fills mpv's playlist with the previews of what a search finds, and plays them.
--
--     make LUA=5.2 && eval "$(make -s env LUA=5.2)"
--     mpv --no-video --idle=once --script=examples/mpv/previews.lua
--
-- --script-opts=groove-query=night,groove-count=5 looks for something else. With --idle=once mpv
-- ends after the last preview; with --idle it stays, and "script-message groove-search WORDS" in
-- its console searches again.
--
-- Take the build for the Lua that mpv was made with: 5.2 on Debian, or what print(_VERSION) says in
-- a script. mpv gives each script a thread and a Lua state of its own. One that waited for the
-- network would be deaf to mpv meanwhile, and hold up its end; so all calls here return at once,
-- and a timer runs groove.dispatch(), because mpv cannot watch groove.fd() for a script.

-- luacheck: globals mp

local groove = require "groove"
local options = require "mp.options"
local utils = require "mp.utils"

local LOOK_EVERY = 0.02 -- seconds, while calls are under way

-- Also read from script-opts/groove.conf in mpv's folder.
local wanted = { query = "love", count = 3, instance_id = "" }
options.read_options(wanted, "groove")

-- mpv's own JSON. It makes nil of null, as groove does, so there is no `null` to be named. (In a
-- list a null would leave a gap; no answer that is used here has one there.)
local json = { decode = utils.parse_json, encode = utils.format_json }

-- Names this installation, which the service wants to know for previews: made once, and kept in
-- script-opts/groove.conf (instance_id=...). Without it, one for this run.
local function instance_id()
    if wanted.instance_id ~= "" then return wanted.instance_id end
    local file = assert(io.open("/dev/urandom", "rb"))
    local bytes = file:read(16)
    file:close()
    return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function new_client()
    local given = { json = json, client_instance_id = instance_id() }
    if os.getenv("GROOVE_API_URL") then return assert(groove.new(given)) end
    return assert(groove.sandbox()):client(given) -- the stand-in service on this machine
end

local client = new_client()

-- --- calls ---------------------------------------------------------------------------------------

local under_way, looks, longest = 0, 0, 0
local timer

local function look()
    local began = mp.get_time()
    groove.dispatch()
    looks, longest = looks + 1, math.max(longest, mp.get_time() - began)
    if under_way == 0 then timer:kill() end
end

timer = mp.add_periodic_timer(LOOK_EVERY, look)

local function when_done(call, fn)
    under_way = under_way + 1
    timer:resume()
    call:on_done(function(value, err)
        under_way = under_way - 1
        fn(value, err)
    end)
end

-- --- search --------------------------------------------------------------------------------------

local function give_up(err)
    mp.msg.error(tostring(err))
    if mp.get_property("idle") == "once" then mp.command("quit 1") end
end

local function title_of(track)
    local artist = track.Artists and track.Artists[1] and track.Artists[1].Artist
    return artist and artist.Name .. " - " .. track.Name or track.Name
end

local function enqueue(track, preview)
    mp.command_native({
        name = "loadfile", url = preview.Url, flags = "append-play",
        options = { ["force-media-title"] = title_of(track) },
    })
end

-- Asks for all previews at once, and enqueues them in the order of the tracks when all have come.
local function add_previews(tracks)
    local left, previews = #tracks, {}
    for i, track in ipairs(tracks) do
        when_done(client.async:preview(track.Id), function(preview, err)
            if not preview then return give_up(err) end
            left, previews[i] = left - 1, preview
            if left > 0 then return end
            for k, each in ipairs(tracks) do enqueue(each, previews[k]) end
        end)
    end
end

local function search(query)
    local call = client.async:search(query, { filters = "tracks", max_items = wanted.count })
    when_done(call, function(page, err)
        if not page then return give_up(err) end
        print(("found: %d tracks with %q"):format(page.Tracks.TotalItemCount, query))
        add_previews(page.Tracks.Items)
    end)
end

-- --- mpv -----------------------------------------------------------------------------------------

local title, position

mp.observe_property("playback-time", "number", function(_, seconds)
    position = seconds or position
end)

mp.register_event("file-loaded", function()
    title, position = mp.get_property("media-title"), 0
    print(("playing: %s, %.1f s"):format(title, mp.get_property_number("duration", 0)))
end)

mp.register_event("end-file", function(event)
    if title then print(("played: %s, to %.1f s (%s)"):format(title, position, event.reason)) end
    title = nil
end)

mp.register_event("shutdown", function()
    print(("waited for calls: %d looks, the longest %.2f ms"):format(looks, longest * 1000))
    client:close()
end)

mp.register_script_message("groove-search", search)
search(wanted.query)

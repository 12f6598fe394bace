-- A game that shows what plays on its radio: the engine (engine.c) calls the function that this
-- file returns once a frame. Nothing in here waits.

local groove = require("groove")

local options = { json = json } -- luacheck: ignore 113 (the engine's)
local client
if os.getenv("GROOVE_API_URL") then
    client = assert(groove.new(options))
else
    client = groove.sandbox({ in_process = true, json = options.json }):client()
end

local seconds = tonumber(os.getenv("GAME_SECONDS")) or 5
local stations = { "daft punk", "love", "night", "river" }
local played, failed = 0, 0

local function play(number)
    local station = stations[number % #stations + 1]
    client.async:search(station, { filters = { "tracks" }, max_items = 3 })
        :on_done(function(page, err)
            if not page then
                failed = failed + 1
                print("the radio is silent: " .. tostring(err))
                return
            end
            played = played + 1
            local track = page.Tracks.Items[1]
            print(("on air: %s, %s"):format(track.Name, track.Artists[1].Artist.Name))
        end)
end

print("playing on " .. _VERSION)

return function(frame)
    if frame % 30 == 0 then
        play(frame / 30)
    end
    groove.dispatch(0.002) -- at most 2 ms of this frame: answers are decoded and callbacks run here
    if frame < seconds * 60 then
        return true
    end
    local info = client:info()
    print(("played %d, failed %d, tokens renewed %d"):format(played, failed,
        info.counts and info.counts.renewals or 0))
    return false
end

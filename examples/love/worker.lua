-- A thread of LÖVE's, with a Lua state of its own. Nothing is drawn from here, so it makes blocking
-- calls in an ordinary loop: it adds up how long everything that a search finds would play.

local options, queries, sums = ...

local groove = require "groove"

-- The same identity as in the main thread, so the same token: the two never ask for one each.
options.timeout = 5 -- of a call: the end of the program waits for the one under way
local client = assert(groove.new(options))

local function seconds_of(track)
    local h, m, s = (track.Duration or ""):match("^(%d+):(%d+):(%d+)")
    return h and h * 3600 + m * 60 + s or 0
end

local function add_up(query)
    local tracks, seconds = 0, 0
    local page, err = client:search(query, { filters = "tracks" })
    for track in client:each("Tracks", page, err) do
        tracks, seconds = tracks + 1, seconds + seconds_of(track)
        if queries:getCount() > 0 then return end -- there is something newer to do
    end
    sums:push({ query = query, tracks = tracks, seconds = seconds })
end

local query = queries:demand()
while query do -- false is the end
    local ok, err = pcall(add_up, query) -- each() raises what goes wrong on the way
    if not ok then sums:push({ query = query, problem = tostring(err) }) end
    query = queries:demand()
end
client:close()

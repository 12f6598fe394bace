-- The API client's own part, without a network: building requests, decoding, walking over pages.

local bench = require "bench"
local cjson = require "cjson"
local groove = require "groove"
local response = require "groove.response"

local M = {}

local PAGES, SIZE = 40, 25
local ALBUM = "music.B13EB907-0100-11DB-89CA-0019B92A3933"

local function track(i)
    return {
        Id = string.format("music.%08X-0100-11DB-89CA-0019B92A3933", i),
        Name = "A track of the benchmark " .. i, TrackNumber = i, IsExplicit = false,
        ImageUrl = "http://127.0.0.1/image/" .. i, Link = "http://127.0.0.1/Track/" .. i,
        Source = "Catalog", CompatibleSources = "Catalog", Duration = "00:04:09",
        ReleaseDate = "2013-05-17T00:00:00Z", Genres = { "Dance" }, Rights = { "Purchase" },
        Artists = { { Role = "Main", Artist = { Id = "music." .. i, Name = "An artist" } } },
    }
end

-- By continuation token: the answer.
local function make_pages()
    local pages = {}
    for page = 1, PAGES do
        local items = {}
        for i = 1, SIZE do items[i] = track((page - 1) * SIZE + i) end
        pages[page] = { status = 200, headers = {}, body = cjson.encode({
            Tracks = {
                Items = items, TotalItemCount = PAGES * SIZE,
                ContinuationToken = page < PAGES and "page" .. page + 1 or nil,
            },
            Culture = "en-US",
        }) }
    end
    return pages
end

local function transport_of(pages)
    return function(request)
        return pages[tonumber(request.url:match("continuationToken=page(%d+)") or 1)]
    end
end

local function client_of(transport)
    return groove.new({
        api_url = "https://bench.invalid", source = groove.static_token("bench-token"),
        transport = transport,
    })
end

-- Calls of client:build, each of which shall cost less than 5 us.
local BUILDS = {
    { "search", "daft punk" },
    { "search", "daft punk", { filters = { "artists", "albums" }, max_items = 10 } },
    { "lookup", ALBUM, { extras = "tracks" } },
    { "browse", "tracks", { order_by = "MostPopular" } },
    { "browse_items", "album", ALBUM, "tracks" },
    { "radio_next", "AwEAB1vJAALbEYnKABm5KjkzAAABAIfZxlXoJL1OpH4l", { max_items = 5 } },
    { "collection_add", ALBUM },
}

local function builds()
    local client, count = client_of(function() end), 20000
    for _, call in ipairs(BUILDS) do
        local name, a, b, c = call[1], call[2], call[3], call[4]
        local seconds, noise = bench.alternate(bench.rounds, { bench.timed(function()
            for _ = 1, count do client:build(name, a, b, c) end
        end) })
        local options = #call > 2 and type(call[#call]) == "table" and " with options" or ""
        bench.report({ "build: " .. name .. options, unit = "us", value = seconds / count * 1e6,
            target = { "<=", 5 }, noise = noise })
    end
end

local function nulls(pages)
    local body, count = pages[1].body, 300
    local ours, theirs, noise = bench.alternate(bench.rounds, {
        bench.timed(function() for _ = 1, count do response.decode(body) end end),
        bench.timed(function() for _ = 1, count do cjson.decode(body) end end),
    })
    bench.report({ "decoding without a null / cjson.decode", value = ours / theirs, noise = noise,
        measured = ("%.0f us / %.0f us"):format(ours / count * 1e6, theirs / count * 1e6),
        target = { "<=", 1.05 } })
end

local function by_hand(transport)
    local seen, token = 0, nil
    repeat
        local url = "https://bench.invalid/1/content/music/catalog/tracks/browse"
        local answer = transport({ url = token and url .. "?continuationToken=" .. token or url })
        local list = cjson.decode(answer.body).Tracks
        for _, item in ipairs(list.Items) do
            if item.Name then seen = seen + 1 end
        end
        token = list.ContinuationToken
    until not token
    return seen
end

local function by_each(client)
    local seen = 0
    for item in client:each("Tracks", client:browse("tracks")) do
        if item.Name then seen = seen + 1 end
    end
    return seen
end

local function each(pages)
    local transport = transport_of(pages)
    local client = client_of(transport)
    assert(by_hand(transport) == PAGES * SIZE and by_each(client) == PAGES * SIZE)
    local ours, theirs, noise = bench.alternate(bench.rounds, {
        bench.timed(function() by_each(client) end),
        bench.timed(function() by_hand(transport) end),
    })
    bench.report({ "client:each over 1,000 items / by hand", value = ours / theirs, noise = noise,
        measured = ("%.2f ms / %.2f ms"):format(ours * 1000, theirs * 1000),
        target = { "<=", 1.1 } })
end

function M.run()
    local pages = make_pages()
    builds()
    nulls(pages)
    each(pages)
end

return M

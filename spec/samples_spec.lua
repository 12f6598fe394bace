-- Real answers of the service and the requests that they answer, where they are at hand: in the
-- folder named by GROOVE_SAMPLES, or beside the repository.

local response = require("groove.response")
local api = require("spec.support.api")
local at_hand = require("spec.support.samples")

local read = at_hand.read

local ALBUM = "music.833FB507-0100-11DB-89CA-0019B92A3933"
local LUCKY = "music.A83EB907-0100-11DB-89CA-0019B92A3933"
local AWESOME = "music.playlist.88195f49-8008-00fe-a87e-5774b0384ad1"
local HUNDRED = {}
for i = 1, 100 do
    HUNDRED[i] = LUCKY
end

-- What a program would write to send each request, by the method and path that the sample shows
-- without "/1/content"; a POST has the name of its file behind it.
local REQUESTS = {
    ["/music/search?q=daft+punk"] = { "search", "daft punk" },
    ["/" .. ALBUM .. "/lookup?extras=Tracks"] = { "lookup", ALBUM, { extras = "Tracks" } },
    ["/" .. ALBUM .. "/lookup?continuationToken=AXHsdfMACQQIAAcCB7U-gwAB2xGJygAZuSo5MwEAAjI1"] = {
        "lookup", ALBUM,
        { continuation_token = "AXHsdfMACQQIAAcCB7U-gwAB2xGJygAZuSo5MwEAAjI1" },
    },
    ["/music.playlist.ae8d3746-8039-00fe-8f53-dcedda4728d4/lookup?source=catalog"] = {
        "lookup", "music.playlist.ae8d3746-8039-00fe-8f53-dcedda4728d4", { source = "catalog" },
    },
    ["/music.B13EB907-0100-11DB-89CA-0019B92A3933/lookup?source=collection"] = {
        "lookup", "music.B13EB907-0100-11DB-89CA-0019B92A3933", { source = { "collection" } },
    },
    ["/music.AQM2egu7ioD-AI-GF3usCeHQ/lookup?source=collection"] = {
        "lookup", "music.AQM2egu7ioD-AI-GF3usCeHQ", { source = "collection" },
    },
    ["/" .. LUCKY .. "/preview?clientInstanceId=fa624b17-412c-454a-a5a5-950bb06ae019"] = {
        "preview", LUCKY, { client_instance_id = "fa624b17-412c-454a-a5a5-950bb06ae019" },
    },
    ["/1/user/music/profile"] = { "profile" },
    ["/1/user/music/profile?country=fr"] = { "profile", { country = "fr" } },
    ["/music/catalog/artists/browse?orderBy=MostPopular"] = {
        "browse", "artists", { order_by = "MostPopular" },
    },
    ["/music/Catalog/Playlists/browse?country=US&language=en&mood=Sleepy"] = {
        "browse", "Playlists",
        { source = "Catalog", country = "US", language = "en", mood = "Sleepy" },
    },
    ["/music/catalog/tracks/browse?orderBy=AllTimePlayCount&country=FR"] = {
        "browse", "tracks", { order_by = "AllTimePlayCount", country = "FR" },
    },
    ["/music.2F531400-0200-11DB-89CA-0019B92A3933/catalog/artist/albums/browse"] = {
        "browse_items", "artist", "music.2F531400-0200-11DB-89CA-0019B92A3933", "albums",
    },
    ["/music.3E362806-0100-11DB-89CA-0019B92A3933/catalog/album/tracks/browse?maxItems=3"] = {
        "browse_items", "album", "music.3E362806-0100-11DB-89CA-0019B92A3933", "tracks",
        { max_items = 3 },
    },
    ["/music.C61C0000-0200-11DB-89CA-0019B92A3933/catalog/artist/toptracks/browse?maxItems=5"] = {
        "browse_items", "artist", "music.C61C0000-0200-11DB-89CA-0019B92A3933", "toptracks",
        { max_items = 5 },
    },
    ["/music/collection/artists/browse?orderBy=ArtistName"] = {
        "browse", "artists", { source = "collection", order_by = "ArtistName" },
    },
    ["/music/collection/albums/browse?orderBy=AlbumTitle"] = {
        "browse", "albums", { source = "collection", order_by = "AlbumTitle" },
    },
    ["/music/collection/tracks/browse?orderBy=TrackTitle"] = {
        "browse", "tracks", { source = "collection", order_by = "TrackTitle" },
    },
    ["/3/content/music/catalog/genres?country=us&language=en"] = {
        "genres", { country = "us", language = "en" },
    },
    ["/music/catalog/moods"] = { "moods" },
    ["/music/catalog/activities?country=fr&language=fr"] = {
        "activities", { country = "fr", language = "fr" },
    },
    ["/music/newreleases"] = { "new_releases" },
    ["/music/spotlight?country=FR&language=FR"] = {
        "spotlight", { country = "FR", language = "FR" },
    },
    ["/music/radio/AwEAB1vJAALbEYnKABm5KjkzAAABAIfZxlXoJL1OpH4l/next?maxItems=5"] = {
        "radio_next", "AwEAB1vJAALbEYnKABm5KjkzAAABAIfZxlXoJL1OpH4l", { max_items = 5 },
    },
    ["/music/radio/recentlyplayed?maxItems=5"] = { "radio_recent", { max_items = 5 } },
    ["/music/radio/create?maxItems=5 uri-create-radio.1.json"] = {
        "radio_create", { genre = "electronic / dance" }, { max_items = 5 },
    },
    ["/music/collection/add uri-add-track-collection.2.json"] = { "collection_add", HUNDRED },
    ["/music/collection/add uri-add-track-collection.3.json"] = { "collection_add", LUCKY },
    ["/music/collection/delete uri-delete-track-collection.1.json"] = {
        "collection_delete", {
            "music.9bb2c5c5-455c-4c15-827c-f9bfd759a458",
            "music.AQQfjl2zcVUd602kG1MvCy4e-Ae-QZkAAQ",
        },
    },
    ["/music/collection/playlists/create uri-create-playlist.1.json"] = {
        "playlist_create", { name = "Groove is awesome" },
    },
    ["/music/collection/playlists/create uri-create-playlist.2.json"] = {
        "playlist_create", {
            name = "Groove APIs rock!", published = false,
            tracks = { LUCKY, "music.9941BE07-0100-11DB-89CA-0019B92A3933" },
        },
    },
    ["/music/collection/playlists/update uri-update-playlist.1.json"] = {
        "playlist_update", { id = AWESOME, name = "Fill me up with love", published = true },
    },
    ["/music/collection/playlists/update uri-update-playlist.3.json"] = {
        "playlist_update", { id = AWESOME, delete = "music.E8AEDB01-23D6-4659-9916-2349BE9F9C26" },
    },
}
for _, id in ipairs({
    "music.C61C0000-0200-11DB-89CA-0019B92A3933", "music.B13EB907-0100-11DB-89CA-0019B92A3933",
    LUCKY, "music.isrc.GBDJQ8800006",
}) do
    REQUESTS["/" .. id .. "/lookup"] = { "lookup", { id } }
end

-- What the service refused, and so is refused before it is sent.
local REFUSED = {
    ["/music/collection/tracks/browse?maxItems=42"] = {
        "max_items", "browse", "tracks", { source = "collection", max_items = 42 },
    },
}

-- The request of a sample, without the token.
local function request_of(sample)
    local method, target = sample.request:match("^(%u+) (/.*)$")
    target = target and target:gsub("[?&]accessToken=.*$", "")
    local short = target and target:gsub("^/1/content/", "/")
    return method, target, method == "POST" and short .. " " .. sample.file or short
end

local samples = at_hand.index()

if not samples then
    describe("the samples", function()
        it("are checked where they are at hand", function()
            pending("no " .. at_hand.folder .. "; GROOVE_SAMPLES names another folder")
        end)
    end)
    return
end

describe("the samples", function()
    it("decode, all of them", function()
        assert.is_true(#samples > 50)
        for _, sample in ipairs(samples) do
            local body = assert(read(sample.file), sample.file)
            local value, problem = response.decode(body)
            assert.is_table(value, sample.file .. ": " .. tostring(problem))
            assert.is_truthy(next(value), sample.file)
        end
    end)

    it("are read as answers, with the errors that they hold", function()
        for _, sample in ipairs(samples) do
            local body = read(sample.file)
            local value, err = response.read({ status = sample.status, body = body })
            assert.is_truthy(value or err, sample.file)
            assert.equal(body:find('^{"Error"') ~= nil, value == nil, sample.file)
            if err then
                assert.equal("api", err.kind)
                assert.matches("^[A-Z_0-9]+$", err.code)
            end
        end
    end)

    it("are asked for by exactly the documented requests", function()
        local client = api.client({ "{}" })
        local checked = 0
        for _, sample in ipairs(samples) do
            local method, target, short = request_of(sample)
            if method and not REFUSED[short] then
                local call = REQUESTS[short]
                assert.is_table(call, sample.request .. " is checked by nothing")
                local built = assert(client:build((table.unpack or unpack)(call)))
                assert.equal("https://api.test" .. target, built.url)
                assert.equal(method, built.method)
                assert.same(sample.body, built.body and response.decode(built.body))
                assert.equal(built.body and "application/json", built.headers["Content-Type"])
                checked = checked + 1
            end
        end
        assert.is_true(checked >= 37, checked)
    end)

    it("are not asked for where the service refused them", function()
        local client = api.client({ "{}" })
        for short, call in pairs(REFUSED) do
            local built, err = client:build(select(2, (table.unpack or unpack)(call)))
            assert.is_nil(built, short)
            assert.equal("argument", err.kind)
            assert.equal(call[1], err.argument)
        end
    end)

    it("are what the methods return", function()
        for _, sample in ipairs(samples) do
            local _, _, short = request_of(sample)
            local call = REQUESTS[short]
            if call then
                local body = read(sample.file)
                local client = api.client({ { status = sample.status, headers = {}, body = body } })
                local method = client[call[1]]
                local value, err = method(client, select(2, (table.unpack or unpack)(call)))
                local expected = response.decode(body)
                local failed = expected.Error
                assert.equal(failed ~= nil, err ~= nil, sample.file)
                if failed then
                    assert.equal((failed.ErrorCode:gsub("-", "_")), err.code)
                end
                if not failed or next(expected, next(expected)) then
                    assert.same(expected, value)
                end
            end
        end
    end)

    it("continue a nested list as documented", function()
        local client, seen = api.client({
            read("json-paginatedlist.1.json"), read("json-paginatedlist.2.json"),
        })
        local page = client:lookup(ALBUM, { extras = "Tracks", country = "US" })
        local first = #page.Albums.Items[1].Tracks.Items
        local items = assert(client:collect("Albums.1.Tracks", page))
        assert.is_true(#items > first)
        assert.matches("/lookup%?continuationToken=[%w%-]+$", seen[2].url)
        assert.equal(1, items[1].TrackNumber)
        assert.is_true(items[first + 1].TrackNumber > 25)
    end)
end)

-- groove.sandbox.params: every parameter of every row, right and wrong.

local countries = require("groove.sandbox.countries")
local endpoints = require("groove.endpoints")
local params = require("groove.sandbox.params")
local text = require("groove.sandbox.text")

local ID = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

local function read(name, segments, raw)
    return params.read(endpoints.rows[name], endpoints.common, segments or {}, raw or {})
end

local function refused(code, name, segments, raw)
    local values, err = read(name, segments, raw)
    assert.is_nil(values)
    assert.equal(code, err.code)
    assert.is_string(err.message)
    return err.message
end

local BROWSE = { source = "catalog", type = "tracks" }

describe("parameters", function()
    it("are spelled as the row spells them", function()
        local values = assert(read("browse", { source = "CATALOG", type = "Tracks" }, {
            orderBy = "mostpopular", maxItems = "07", page = "2", genre = "R%26B+%2F+Soul",
            country = "fr", language = "Fr", contentType = "XML", jsonp = "f", other = "",
        }))
        assert.same({
            source = "catalog", type = "tracks", order_by = "MostPopular", max_items = 7, page = 2,
            genre = "R&B / Soul", country = "fr", language = "Fr", format = "xml",
        }, values)
    end)

    it("are lists where the row says so", function()
        local values = assert(read("lookup", { ids = ID .. "%2b" .. ID }, {
            extras = "TRACKS+toptracks", source = "Collection+catalog",
        }))
        assert.same({ ID, ID }, values.ids)
        assert.same({ "tracks", "topTracks" }, values.extras)
        assert.same({ "collection", "catalog" }, values.source)
        refused("INVALID_INPUT_PARAMETER", "lookup", { ids = ID }, { extras = "tracks+lyrics" })
        refused("INVALID_INPUT_PARAMETER", "lookup", { ids = ID }, { extras = "+" })
    end)

    it("are allowed by what the path says", function()
        local collection = { source = "collection", type = "tracks" }
        local values = read("browse", collection, { orderBy = "tracknumber" })
        assert.equal("TrackNumber", values.order_by)
        refused("INVALID_INPUT_PARAMETER", "browse", collection, { orderBy = "MostPopular" })
        refused("INVALID_INPUT_PARAMETER", "browse", BROWSE, { orderBy = "TrackNumber" })
        local offers = { source = "collection", type = "playlistsforyou" }
        assert.is_table(read("browse", offers))
        offers.source = "catalog"
        refused("INVALID_INPUT_PARAMETER", "browse", offers)
        local items = { id = ID, source = "catalog", parent_type = "album", extra = "albums" }
        refused("INVALID_INPUT_PARAMETER", "browse_items", items)
        items.parent_type = "Artist"
        assert.equal("albums", read("browse_items", items).extra)
    end)

    it("are missed", function()
        assert.equal("Parameter q is missing", refused("MISSING_INPUT_PARAMETER", "search"))
        refused("MISSING_INPUT_PARAMETER", "search", {}, { q = "" })
        refused("MISSING_INPUT_PARAMETER", "preview", { id = ID })
        assert.is_table(read("search", {}, { continuationToken = "x" }))
    end)

    it("have ranges", function()
        assert.equal("Parameter maxItems must have a value of at most 25",
            refused("INVALID_INPUT_PARAMETER", "search", {}, { q = "a", maxItems = "26" }))
        for _, number in ipairs({ "0", "-1", "1.5", "x", "0x1", "1e1", " 1", "+1",
            ("9"):rep(400) }) do
            refused("INVALID_INPUT_PARAMETER", "search", {}, { q = "a", maxItems = number })
        end
        assert.is_table(read("browse", BROWSE, { page = ("9"):rep(400) }))
        local instance = { clientInstanceId = ("é"):rep(31) }
        refused("INVALID_INPUT_PARAMETER", "preview", { id = ID }, instance)
        instance.clientInstanceId = ("é"):rep(128)
        assert.is_table(read("preview", { id = ID }, instance))
    end)

    it("exclude each other", function()
        refused("INCOMPATIBLE_INPUT_PARAMETERS", "browse", BROWSE, { genre = "a", mood = "b" })
        refused("INCOMPATIBLE_INPUT_PARAMETERS", "browse", BROWSE, { activity = "a", mood = "b" })
        refused("INCOMPATIBLE_INPUT_PARAMETERS", "browse",
            { source = "collection", type = "tracks" }, { genre = "a" })
    end)

    it("leave a continuation alone", function()
        for wire, value in pairs({ maxItems = "1", page = "0", orderBy = "ReleaseDate", mood = "a",
            country = "US", language = "en" }) do
            refused("INCOMPATIBLE_INPUT_PARAMETERS", "browse", BROWSE,
                { continuationToken = "x", [wire] = value })
        end
        assert.is_table(read("browse", BROWSE, { continuationToken = "x", contentType = "xml" }))
        assert.is_table(read("preview", { id = ID },
            { continuationToken = "x", clientInstanceId = ("x"):rep(32) }))
    end)

    it("know countries and languages", function()
        for _, country in ipairs({ "usa", "u", "xx", "1a", "%C3%A9" }) do
            refused("INVALID_COUNTRY", "moods", {}, { country = country })
        end
        for _, language in ipairs({ "eng", "e", "e1", "%C3%A9" }) do
            refused("INVALID_INPUT_PARAMETER", "moods", {}, { language = language })
        end
        local count = 0
        for code in pairs(countries) do
            count = count + 1
            assert.equal(code:lower(), read("moods", {}, { country = code:lower() }).country)
        end
        assert.equal(249, count)
    end)

    it("are told of in the same order every time", function()
        local raw = { maxItems = "x", orderBy = "x", country = "xx", genre = "a", mood = "b" }
        for _ = 1, 20 do
            assert.matches("orderBy", refused("INVALID_INPUT_PARAMETER", "browse", BROWSE, raw))
            assert.matches("source", refused("INVALID_INPUT_PARAMETER", "browse",
                { source = "x", type = "y" }, raw))
        end
    end)
end)

describe("ids", function()
    local function is_id(id)
        return (read("lookup", { ids = text.escape(id) })) ~= nil
    end

    it("are of the namespaces that the service documents", function()
        for _, id in ipairs({ ID, "music.AQM2egu7ioD-AI-GF3usCeHQ", "music.isrc.GBDJQ8800006",
            "music.icpn.4007708456123", "music.playlist.ae8d3746-8039-00fe-8f53-dcedda4728d4",
            "music.playlistforyou.x-1", "music.radio.2011c75e-adcc-4d8e-b7dd-27c6ce3d2f26",
            "music.onedrive.58E5A!123" }) do
            assert.is_true(is_id(id), id)
        end
        for _, id in ipairs({ "", "+", "music", "music.", "video.1", "Music.1", "MUSIC.1",
            "music.amg.P   168791", "music.amg.1", "music.isrc.", "music.lyrics.1", "music.a b",
            "music.1/..", "music.\n", "1", ID .. "+x" }) do
            assert.is_false(is_id(id), id)
        end
    end)

    it("of a session are anything", function()
        assert.equal("AwEA/+=x", read("radio_next", { id = "AwEA%2F%2B%3Dx" }).id)
    end)

    it("are 250 characters at most, all together", function()
        assert.is_true(is_id("music." .. ("x"):rep(244)))
        assert.is_false(is_id("music." .. ("x"):rep(245)))
    end)
end)

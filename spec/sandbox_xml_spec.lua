-- groove.sandbox.xml: well-formed, whatever it is that is written.

local json = require("cjson")
local catalogue = require("groove.sandbox.catalogue")
local stand_in = require("spec.support.stand_in")
local xml = require("groove.sandbox.xml")

local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = '"' }

local function plain(text)
    assert(not text:find("[<>\"]"), "a character that has to be escaped")
    assert(not text:find("[%z\1-\8\11\12\14-\31]"), "a character that XML does not have")
    return (text:gsub("&([^;]*;?)", function(reference)
        local name = reference:match("^(.*);$")
        local code = name and name:match("^#(%d+)$")
        return code and string.char(code) or assert(ENTITIES[name or ""], "no reference")
    end))
end

-- Reads XML without attributes, as strictly as it is written: elements are lists of
-- { name = ..., elements or text }.
local function parse(text)
    local at = select(2, text:find('^<%?xml version="1%.0" encoding="utf%-8"%?>')) + 1
    local root = {}
    local open = { root }
    while at <= #text do
        local content, slash, name, after = text:match("^([^<]*)<(/?)([^<>]*)>()", at)
        assert(name and name:find("^%a[%w._-]*$"), "no element")
        local top = open[#open]
        if slash == "" then
            assert(content == "", "text before an element")
            local element = { name = name }
            top[#top + 1], open[#open + 1] = element, element
        else
            assert(top.name == name, "ends another element")
            assert(content == "" or #top == 0, "text after an element")
            top.text = plain(content)
            open[#open] = nil
        end
        at = after
    end
    assert(#open == 1 and #root == 1, "not one element")
    return root[1]
end

local function child(element, ...)
    for _, name in ipairs({ ... }) do
        local found
        for _, inner in ipairs(element) do
            found = found or inner.name == name and inner
        end
        element = assert(found, name)
    end
    return element
end

local anybody

setup(function()
    anybody = stand_in.user(stand_in.new())
end)

local function get(target)
    local _, status, response = anybody:get(target)
    assert.equal(200, status)
    assert.equal("application/xml; charset=utf-8", response.headers["Content-Type"])
    return parse(response.body)
end

describe("XML", function()
    it("escapes what has to be", function()
        local nasty = '<a href="x">&amp;]]>\t\r\n\1\127\195\169'
        local root = parse(xml.write("A", { B = nasty }, json.null))
        assert.equal('<a href="x">&amp;]]>\t\r\n\239\191\189\239\191\189\195\169',
            child(root, "B").text)
    end)

    it("is refused by the test where it is not well-formed", function()
        local head = '<?xml version="1.0" encoding="utf-8"?>'
        for _, bad in ipairs({ "<A>&</A>", "<A>\"</A>", "<A><B></A></B>", "<A>", "<A></A><B></B>",
            "<A>x<B></B></A>", "<1></1>", "<A>\1</A>", "<A>&nbsp;</A>" }) do
            assert.is_false((pcall(parse, head .. bad)), bad)
        end
    end)

    it("has numbers, truth values, lists, and nothing of nulls", function()
        local root = parse(xml.write("R", {
            Count = 3.0, Part = 1.5, Large = 1e15, Yes = true, No = false, Gone = json.null,
            Genres = { "a", "b" }, Rights = {}, Tracks = { Items = { { Name = "x" }, json.null } },
        }, json.null))
        assert.equal("3", child(root, "Count").text)
        assert.equal("1.5", child(root, "Part").text)
        assert.equal("1000000000000000", child(root, "Large").text)
        assert.equal("true", child(root, "Yes").text)
        assert.equal("false", child(root, "No").text)
        assert.equal("b", child(root, "Genres")[2].text)
        assert.equal(0, #child(root, "Rights"))
        assert.equal(1, #child(root, "Tracks", "Items"))
        assert.is_false((pcall(child, root, "Gone")))
    end)

    it("is what search and lookup say in JSON", function()
        local album = "music.B13EB907-0100-11DB-89CA-0019B92A3933"
        local root = get(album .. "/lookup?extras=tracks&contentType=xml")
        assert.equal("ContentResponse", root.name)
        local object = anybody:get(album .. "/lookup?extras=tracks").Albums.Items[1]
        local element = child(root, "Albums", "Items", "Album")
        for _, name in ipairs({ "Id", "Name", "Duration", "Link" }) do
            assert.equal(object[name], child(element, name).text)
        end
        assert.equal("13", child(element, "TrackCount").text)
        assert.equal("false", child(element, "IsExplicit").text)
        local tracks = child(element, "Tracks", "Items")
        assert.equal(13, #tracks)
        for i, track in ipairs(tracks) do
            assert.equal("Track", track.name)
            assert.equal(object.Tracks.Items[i].Name, child(track, "Name").text)
        end
        assert.equal("Daft Punk", child(element, "Artists", "Contributor", "Artist", "Name").text)
        assert.equal(object.OtherIds["music.icpn"], child(element, "OtherIds", "music.icpn").text)
    end)

    it("is well-formed for every object of the catalogue", function()
        local all = catalogue.get()
        for _, kind in ipairs(catalogue.KINDS) do
            for i = 1, #all[kind], 40 do
                get(all[kind][i].id .. "/lookup?contentType=xml&extras=albums+topTracks+tracks")
            end
        end
        for _, target in ipairs({ "music/search?q=the&", "music/newreleases?", "music/spotlight?",
            "music/catalog/genres?", "music/catalog/moods?", "music/catalog/activities?",
            "music/catalog/playlists/browse?" }) do
            assert.is_true(#get(target .. "contentType=xml") >= 2)
        end
    end)

    it("names the elements of every list", function()
        for target, name in pairs({
            ["catalog/genres"] = "Genre", ["catalog/moods"] = "Mood",
            ["catalog/activities"] = "Activity",
        }) do
            local root = get("music/" .. target .. "?contentType=xml")
            for _, list in ipairs(root) do
                for _, element in ipairs(list) do assert.equal(name, element.name) end
            end
        end
        local root = get("music/newreleases?contentType=xml")
        assert.equal("ContentItem", child(root, "Results", "Items")[1].name)
    end)
end)

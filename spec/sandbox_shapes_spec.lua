-- The sandbox's answers have the members that the real service's have, of the same types; where
-- those are at hand.

local json = require("cjson")
local samples = require("spec.support.samples")
local stand_in = require("spec.support.stand_in")

local function read(name)
    return json.decode(samples.read(name .. ".json"))
end

local ARTIST = "music.C61C0000-0200-11DB-89CA-0019B92A3933"
local ALBUM = "music.B13EB907-0100-11DB-89CA-0019B92A3933"
local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

-- Samples, and what to ask the sandbox for to get the like.
local SAMPLES = {
    ["uri-browse-catalog.1"] = "music/catalog/artists/browse?orderBy=MostPopular",
    ["uri-browse-catalog.2"] = "music/Catalog/Playlists/browse?country=US&language=en&mood=Sleepy",
    ["uri-browse-catalog.4"] = "music/catalog/tracks/browse?orderBy=AllTimePlayCount&country=FR",
    ["uri-browse-sub-items.1"] = ARTIST .. "/catalog/artist/albums/browse?maxItems=1",
    ["uri-browse-sub-items.2"] = ALBUM .. "/catalog/album/tracks/browse?maxItems=3",
    ["uri-browse-sub-items.5"] = ARTIST .. "/catalog/artist/toptracks/browse?maxItems=5",
    ["uri-content-lookup.1"] = ARTIST .. "/lookup",
    ["uri-content-lookup.2"] = ALBUM .. "/lookup",
    ["uri-content-lookup.3"] = TRACK .. "/lookup",
    ["uri-get-activities.2"] = "music/catalog/activities?country=fr&language=fr",
    ["uri-get-genres.1"] = "music/catalog/genres?country=us&language=en",
    ["uri-get-moods.1"] = "music/catalog/moods",
    ["uri-get-new-releases.1"] = "music/newreleases",
    ["uri-get-spotlight.1"] = "music/spotlight?country=FR&language=FR",
    ["uri-get-preview.1"] = TRACK .. "/preview?clientInstanceId=" .. ("x"):rep(32),
    ["uri-search-content.1"] = "music/search?q=night",
}

-- Not every item has them.
local OPTIONAL = { Subtitle = true, ParentName = true, ContinuationToken = true }

-- Members of the reference's objects that no sample happens to show.
local UNSEEN = {
    Duration = true, TrackCount = true, Albums = true, RelatedArtists = true, Tracks = true,
    ["music.icpn"] = true, Results = true, Culture = true, ContinuationToken = true,
}

local function is_array(value)
    return #value > 0 or next(value) == nil
end

-- What of `real` is not in `made`.
local function lacking(real, made, path, out)
    if type(real) ~= type(made) then
        out[#out + 1] = path .. " is a " .. type(made)
    elseif type(real) == "table" and is_array(real) then
        if #real > 0 then
            lacking(real[1], made[1], path .. "[1]", out)
        end
    elseif type(real) == "table" then
        for name, member in pairs(real) do
            if not OPTIONAL[name] then
                lacking(member, made[name], path .. "." .. name, out)
            end
        end
    end
    return out
end

-- The names and types of all members of an answer, by the last name that leads to each.
local function collect(value, within, out)
    for name, member in pairs(value) do
        local key = type(name) == "string" and within .. "." .. name or within
        if type(name) == "string" then
            out[key] = out[key] or {}
            out[key][type(member)] = true
        end
        if type(member) == "table" then
            local inner = type(name) == "string" and name ~= "Items" and name or within
            collect(member, inner:gsub("^TopTracks$", "Tracks"), out)
        end
    end
    return out
end

describe("the shapes of the sandbox's answers", function()
    if not samples.index() then
        it("are checked where real answers are at hand", function()
            pending("no " .. samples.folder .. "; GROOVE_SAMPLES names another folder")
        end)
        return
    end

    local anybody, real, made = nil, {}, {}

    setup(function()
        anybody = stand_in.user(stand_in.new())
        for name, target in pairs(SAMPLES) do
            collect(read(name), "", real)
            collect((anybody:get(target)), "", made)
        end
        for _, name in ipairs({ "json-artist.1", "json-album.1", "json-track.1" }) do
            local list = name:match("^json%-(%l+)"):gsub("^%l", string.upper) .. "s"
            collect(read(name), list, real)
        end
        collect(read("json-contentitem.1"), "Results", real)
        collect(read("uri-content-lookup.7"), "", real)
    end)

    for name, target in pairs(SAMPLES) do
        it("have all that " .. name .. " has", function()
            local answer, status = anybody:get(target)
            assert.equal(200, status)
            assert.same({}, lacking(read(name), answer, "", {}))
        end)
    end

    it("have nothing that the service does not have", function()
        local checked = 0
        for path, types in pairs(made) do
            local known = real[path]
            local name = path:match("%.(music%..*)$") or path:match("[^.]*$")
            if known then
                for kind in pairs(types) do
                    assert.is_true(known[kind], path .. " is a " .. kind)
                end
                checked = checked + 1
            else
                assert.is_true(UNSEEN[name], path .. " is in no sample")
            end
        end
        assert.is_true(checked > 60)
    end)
end)

-- What the sandbox answers to users has all the members that the real service's answers have, where
-- those are at hand.

local json = require("cjson")
local samples = require("spec.support.samples")
local stand_in = require("spec.support.stand_in")
local text = require("groove.sandbox.text")

local ALBUM = "music.B13EB907-0100-11DB-89CA-0019B92A3933"
local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"
local OTHER = "music.A93EB907-0100-11DB-89CA-0019B92A3933"

-- Subtitles are not everybody's; in the documentation's oldest samples they are there, and empty.
local OPTIONAL = { Subtitle = true }

-- The paths of all members, "Tracks[].Album.Id".
local function members(value, path, out)
    for name, member in pairs(value) do
        local here = type(name) == "number" and path .. "[]" or path .. "." .. name
        if type(member) == "table" then
            members(member, here, out)
        elseif not OPTIONAL[name] then
            out[here] = type(member)
        end
    end
    return out
end

if not samples.index() then
    describe("the shapes of what users get", function()
        it("are checked where real answers are at hand", function()
            pending("no " .. samples.folder .. "; GROOVE_SAMPLES names another folder")
        end)
    end)
    return
end

describe("what users get has all that is in", function()
    local user, made, list, radio

    setup(function()
        user = stand_in.user(stand_in.new(), "ann")
        user:post("collection/add", { TrackIds = { TRACK, OTHER } })
        made = user:post("collection/playlists/create", { Name = "x", TrackActions = {
            { Id = TRACK, Action = "Add" }, { Id = OTHER, Action = "Add" },
        } })
        list = made.PlaylistActionResult.Id
        radio = user:post("radio/create?maxItems=25",
            { Seeds = { { Id = "electronic / dance", Type = "Genre" } } })
    end)

    local ASK = {
        ["uri-access-user-profile.1"] = function()
            return user:ask("GET", "/1/user/music/profile")
        end,
        ["uri-access-user-profile.4"] = function()
            return stand_in.user(user.server):ask("GET", "/1/user/music/profile")
        end,
        ["json-userprofileresponse.1"] = function()
            return user:ask("GET", "/1/user/music/profile")
        end,
        ["uri-add-track-collection.2"] = function()
            local ids = {}
            for i = 1, 101 do
                ids[i] = TRACK
            end
            return user:post("collection/add", { TrackIds = ids })
        end,
        ["uri-add-track-collection.3"] = function()
            return stand_in.user(user.server):post("collection/add", { TrackIds = { TRACK } })
        end,
        ["uri-delete-track-collection.1"] = function()
            return user:post("collection/delete", { TrackIds = { TRACK } })
        end,
        ["uri-browse-user-collection-playlist.1"] = function()
            return user:get("music/collection/artists/browse?orderBy=ArtistName")
        end,
        ["uri-browse-user-collection-playlist.3"] = function()
            return user:get("music/collection/albums/browse?orderBy=AlbumTitle")
        end,
        ["uri-browse-user-collection-playlist.7"] = function()
            return user:get("music/collection/tracks/browse?orderBy=TrackTitle")
        end,
        ["uri-browse-user-collection-playlist.8"] = function()
            return user:get("music/collection/tracks/browse?maxItems=42")
        end,
        ["uri-content-lookup.9"] = function()
            return user:get(ALBUM .. "/lookup?source=collection")
        end,
        ["uri-content-lookup.10"] = function()
            return user:get(list .. "/lookup?source=collection")
        end,
        ["json-playlist.1"] = function()
            return user:get(list .. "/lookup?source=collection").Playlists.Items[1]
        end,
        ["uri-create-playlist.1"] = function()
            return user:post("collection/playlists/create", { Name = "x" })
        end,
        ["uri-create-playlist.2"] = function()
            return made
        end,
        ["uri-update-playlist.1"] = function()
            return user:post("collection/playlists/update",
                { Id = list, Name = "y", IsPublished = true })
        end,
        ["uri-update-playlist.3"] = function()
            return user:post("collection/playlists/update",
                { Id = list, TrackActions = { { Id = "music.none", Action = "Delete" } } })
        end,
        ["uri-create-radio.1"] = function()
            return radio
        end,
        ["uri-next-radio.1"] = function()
            return user:get("music/radio/" .. text.escape(radio.SessionId) .. "/next")
        end,
        ["uri-recently-played-radio.1"] = function()
            return user:get("music/radio/recentlyplayed")
        end,
    }

    for name, ask in pairs(ASK) do
        it(name, function()
            local answer = members((ask()), "", {})
            for path, kind in pairs(members(json.decode(samples.read(name .. ".json")), "", {})) do
                assert.equal(kind, answer[path], path)
            end
        end)
    end
end)

-- A user's music: a playlist is made of a search, put in order, and played.
--
--     eval "$(make -s env)" && lua5.4 examples/collection.lua

local groove = require "groove"

local sandbox = assert(groove.sandbox())
-- With the real service: what the user's sign-in gave, or a function that renews it.
local client = sandbox:client{ user_token = sandbox:user_token("ada") }

local function show(title, playlist_id)
    print(title)
    local page = client:browse_items("playlist", playlist_id, "tracks", { source = "collection" })
    for track in client:each("Playlists.1.Tracks", page) do
        print(("    %-30s %s"):format(track.Name, track.Artists[1].Artist.Name))
    end
end

-- The five most popular tracks of two artists, in one playlist.
local ids = {}
for artist in client:each("Artists", client:browse("artists", { genre = "Jazz", max_items = 2 })) do
    local page = client:browse_items("artist", artist.Id, "topTracks", { max_items = 5 })
    for _, track in ipairs(client:collect("Artists.1.TopTracks", page, { limit = 5 })) do
        ids[#ids + 1] = track.Id
    end
    if #ids >= 8 then break end
end
local made = assert(client:playlist_create{ name = "Jazz for two", tracks = ids })
local playlist = made.PlaylistActionResult
show("as it was made", playlist.Id)

-- The last track goes to the front. Changed meanwhile by somebody else, it would be a 409.
local results = playlist.TrackActionResults
local state = assert(client:profile()).Collection.Token
assert(client:playlist_update{
    id = playlist.Id, move = results[#results].Id, insert_before = results[1].Id,
    collection_state_token = state,
})
show("the last one first", playlist.Id)

-- One of several that fails does not stop the others, and says so itself.
local added, err = client:collection_add{ ids[1], "music.no-such-track" }
print(err.code)
for _, result in ipairs(added.TrackActionResults) do
    print("    " .. result.InputId, result.Error and result.Error.ErrorCode or "added")
end

local stream = assert(client:stream(ids[1]))
print("plays until " .. stream.ExpiresOn, stream.ContentType)
assert(client:playlist_delete(playlist.Id))
print(("%.0f playlists left"):format(client:profile().Collection.PlaylistCount))

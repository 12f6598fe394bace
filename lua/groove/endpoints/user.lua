--- Rows of what belongs to a user; see `groove.endpoints`.
--
-- @module groove.endpoints.user

local shared = require("groove.endpoints.shared")

local M = {}

local TRACK_IDS = {
    name = "ids", wire = "TrackIds", type = "ids", required = true, max_items = 100,
    doc = "One id or a list of ids of tracks. More than 100 make several requests, one after "
        .. "another.",
}

local NAME = {
    name = "name", wire = "Name", type = "string", min_length = 1, max_length = 256,
    doc = "1 to 256 characters.",
}

local PUBLISHED = {
    name = "published", wire = "IsPublished", type = "boolean",
    doc = "Whether others may see it.",
}

local PLAYLIST_ID = {
    name = "id", wire = "Id", type = "id", required = true, doc = "The playlist's.",
}

local function with(descriptor, more)
    local copy = {}
    for _, fields in ipairs({ descriptor, more }) do
        for name, value in pairs(fields) do
            copy[name] = value
        end
    end
    return copy
end

M.stream = {
    method = "GET", path = "/1/content/{id}/stream",
    auth = "user",
    args = { "id" },
    segments = {
        id = { name = "id", type = "id", required = true, doc = "A track's id." },
    },
    params = { shared.CLIENT_INSTANCE_ID },
    returns = "StreamResponse",
    doc = "The address of a whole track, for users with a subscription: `Url`, `ContentType` (HLS "
        .. "or MP3) and `ExpiresOn` (ISO 8601).",
    errors = "NO_MUSIC_PASS_SUBSCRIPTION; DELIVERY_UNAVAILABLE_CONTENT where the track cannot be "
        .. "streamed; DELIVERY_CONCURRENT_STREAMING while another installation plays.",
    example = [[
local stream = assert(client:stream("music.A83EB907-0100-11DB-89CA-0019B92A3933"))
print(stream.Url, stream.ExpiresOn)]],
}

M.profile = {
    method = "GET", path = "/1/user/{namespace}/profile",
    auth = "app",
    params = {},
    returns = "UserProfileResponse",
    doc = "The user's subscription and collection; with an application's token, what there is in a "
        .. "country.",
    errors = "none of its own.",
    example = [[
local profile = assert(client:profile())
print(profile.HasSubscription, profile.Collection.RemainingTrackCount)]],
}

M.collection_add = {
    method = "POST", path = "/1/content/{namespace}/collection/add",
    auth = "user",
    args = { "ids" }, splits = "ids", results = { "TrackActionResults" },
    params = {},
    body = { TRACK_IDS },
    returns = "TrackActionResponse",
    doc = "Adds tracks of the catalogue to the user's collection. `TrackActionResults` has, in the "
        .. "order of the ids, `InputId` with `Id` (the track's in the collection) or `Error`.",
    errors = "COLLECTION_SOME_OPERATIONS_FAILED together with the results; COLLECTION_FULL.",
    example = [[
local done = assert(client:collection_add({ "music.A83EB907-0100-11DB-89CA-0019B92A3933" }))
print(done.TrackActionResults[1].Id)]],
}

M.collection_delete = {
    method = "POST", path = "/1/content/{namespace}/collection/delete",
    auth = "user",
    args = { "ids" }, splits = "ids", results = { "TrackActionResults" },
    params = {},
    body = { TRACK_IDS },
    returns = "TrackActionResponse",
    doc = "Takes tracks out of the user's collection, by their ids there. `TrackActionResults` as "
        .. "of `collection_add`, without `Id`.",
    errors = "COLLECTION_SOME_OPERATIONS_FAILED together with the results, COLLECTION_INVALID_ID "
        .. "where a track is not there.",
    example = [[
local added = assert(client:collection_add("music.A83EB907-0100-11DB-89CA-0019B92A3933"))
assert(client:collection_delete({ added.TrackActionResults[1].Id }))]],
}

M.playlist_create = {
    method = "POST", path = "/1/content/{namespace}/collection/playlists/create",
    auth = "user",
    takes = "playlist", splits = "tracks", rest = "playlist_update",
    results = { "PlaylistActionResult", "TrackActionResults" },
    params = {},
    body = {
        with(NAME, { required = true }),
        with(PUBLISHED, { default = false, doc = "Whether others may see it. Default: false." }),
        {
            name = "tracks", action = "Add", type = "ids", max_items = 100,
            doc = "Ids of tracks. More than 100 are added by further requests.",
        },
    },
    returns = "PlaylistActionResponse",
    doc = "Makes a playlist. `PlaylistActionResult` has its Id, Name, IsPublished, and "
        .. "TrackActionResults in the order of the tracks.",
    errors = "COLLECTION_SOME_OPERATIONS_FAILED together with the results.",
    example = [[
local made = assert(client:playlist_create({
    name = "Groove APIs rock!", tracks = { "music.A83EB907-0100-11DB-89CA-0019B92A3933" },
}))
print(made.PlaylistActionResult.Id)]],
}

M.playlist_update = {
    method = "POST", path = "/1/content/{namespace}/collection/playlists/update",
    auth = "user",
    takes = "playlist", splits = "tracks",
    one_of = { "name", "published", "add", "delete", "move" },
    results = { "PlaylistActionResult", "TrackActionResults" },
    params = {},
    body = {
        PLAYLIST_ID,
        NAME,
        PUBLISHED,
        {
            name = "insert_before", wire = "InsertBeforeTrackId", type = "id", needs = "move",
            doc = "Id, in the playlist, of the track before which those of `move` go. Default: "
                .. "they go to the end.",
        },
        {
            name = "collection_state_token", wire = "CollectionStateToken", type = "string",
            doc = "Of the playlist as it was read: refused where it has changed since.",
        },
        {
            name = "delete", action = "Delete", type = "ids", max_items = 100,
            exclusive = { "move" },
            doc = "Ids, in the playlist, of tracks to take out.",
        },
        {
            name = "add", action = "Add", type = "ids", max_items = 100, exclusive = { "move" },
            doc = "Ids, in the catalogue, of tracks to add, after those of `delete` are gone.",
        },
        {
            name = "move", action = "Move", type = "ids", max_items = 100,
            exclusive = { "add", "delete" },
            doc = "Ids, in the playlist, of tracks to move, which keep the order given here. Not "
                .. "together with `add` and `delete`.",
        },
    },
    returns = "PlaylistActionResponse",
    doc = "Changes a playlist: its name, who sees it, its tracks or their order. More than 100 "
        .. "tracks make several requests, one after another.",
    errors = "COLLECTION_SOME_OPERATIONS_FAILED together with the results; "
        .. "COLLECTION_CONCURRENT_UPDATE (409) where `collection_state_token` is out of date.",
    example = [[
local id = assert(client:playlist_create({ name = "Fill me up" })).PlaylistActionResult.Id
assert(client:playlist_update({
    id = id, published = true, add = { "music.A83EB907-0100-11DB-89CA-0019B92A3933" },
}))]],
}

M.playlist_delete = {
    method = "POST", path = "/1/content/{namespace}/collection/playlists/delete",
    auth = "user",
    args = { "id" },
    params = {},
    body = { PLAYLIST_ID },
    returns = "PlaylistActionResponse",
    doc = "Deletes a playlist of the user's.",
    errors = "COLLECTION_INVALID_ID where there is none.",
    example = [[
local id = assert(client:playlist_create({ name = "Not for long" })).PlaylistActionResult.Id
assert(client:playlist_delete(id))]],
}

M.radio_create = {
    method = "POST", path = "/1/content/{namespace}/radio/create",
    auth = "user",
    takes = "seed", one_of = { "artist", "genre" },
    params = { shared.MAX_ITEMS },
    body = {
        { name = "artist", seed = "Artist", type = "id", exclusive = { "genre" },
            doc = "The id of an artist of the catalogue." },
        { name = "genre", seed = "Genre", type = "string", min_length = 1,
            exclusive = { "artist" }, doc = "The name of a genre." },
    },
    returns = "RadioResponse",
    doc = "Starts a radio from an artist or a genre (one of them): `SessionId`, for `radio_next`, "
        .. "and `Tracks`, a plain array.",
    errors = "`no_result` where nothing is like it.",
    example = [[
local radio = assert(client:radio_create({ genre = "electronic / dance" }, { max_items = 5 }))
print(radio.Tracks[1].Name)]],
}

M.radio_next = {
    method = "GET", path = "/1/content/{namespace}/radio/{id}/next",
    auth = "user",
    args = { "id" },
    segments = {
        id = {
            name = "id", type = "id", required = true, session = true,
            doc = "The `SessionId` of the latest answer (good for about 24 h), or the id of a "
                .. "radio (\"music.radio. ...\").",
        },
    },
    params = { shared.MAX_ITEMS },
    returns = "RadioResponse",
    doc = "The next tracks of a radio, which has no end: `SessionId`, for the next call, and "
        .. "`Tracks`.",
    errors = "`no_result` where the session is over.",
    example = [[
local radio = assert(client:radio_create({ genre = "Jazz" }))
radio = assert(client:radio_next(radio.SessionId))
print(radio.Tracks[1].Name)]],
}

M.radio_recent = {
    method = "GET", path = "/1/content/{namespace}/radio/recentlyplayed",
    auth = "user",
    params = { shared.MAX_ITEMS, shared.PAGE },
    returns = "ContentResponse",
    doc = "The radios that the user has played last: `Radios`, a list with ids for `radio_next`.",
    errors = "`no_result` where there are none.",
    example = [[
assert(client:radio_create({ genre = "Jazz" }))
for radio in client:each("Radios", client:radio_recent()) do
    print(radio.Id, radio.Name)
end]],
}

return M

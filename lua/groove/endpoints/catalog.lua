--- Rows of what an application may ask for; see `groove.endpoints`.
--
-- @module groove.endpoints.catalog

local shared = require("groove.endpoints.shared")

local M = {}

M.search = {
    method = "GET", path = "/1/content/{namespace}/search",
    auth = "app", collection_auth = "user",
    args = { "query" },
    params = {
        {
            name = "query", wire = "q", type = "string", min_length = 1,
            required_unless = "continuation_token",
            doc = "What to look for. Not sent with `continuation_token`, which stands for it.",
        },
        shared.MAX_ITEMS,
        {
            name = "filters", wire = "filters", type = "list",
            values = { "artists", "albums", "tracks", "playlists" },
            doc = "What is wanted, one or a list: artists, albums, tracks, playlists. "
                .. "Default: all.",
        },
        shared.SOURCE,
    },
    returns = "ContentResponse",
    doc = "Searches the catalogue, the user's collection or both.",
    errors = "`no_result` where nothing is found.",
    example = [[
local page, err = client:search("daft punk", { filters = { "artists", "albums" }, max_items = 10 })
if not page then
    error(err)
end
print(page.Artists.Items[1].Name)]],
}

M.lookup = {
    method = "GET", path = "/1/content/{ids}/lookup",
    auth = "app", collection_auth = "user",
    args = { "ids" }, splits = "ids",
    segments = {
        ids = {
            name = "ids", type = "ids", required = true, max_length = 250,
            doc = "One id or a list of ids, \"music.isrc.\" and \"music.icpn.\" included; "
                .. "more than 250 characters of them make several requests, whose answers are put "
                .. "together in order.",
        },
    },
    params = {
        {
            name = "extras", wire = "extras", type = "list",
            values = {
                "albums", "topTracks", "relatedArtists", "tracks", "artistDetails", "albumDetails",
            },
            doc = "More to know, one or a list. Of artists: albums, topTracks, relatedArtists; of "
                .. "albums: tracks, artistDetails; of tracks: albumDetails, artistDetails.",
        },
        shared.SOURCE,
    },
    returns = "ContentResponse",
    doc = "Looks up artists, albums, tracks and playlists by id.",
    errors = "`no_result` where none of them exists; where some do not, CATALOG_NO_RESULT together "
        .. "with those that do.",
    example = [[
local page = assert(client:lookup("music.B13EB907-0100-11DB-89CA-0019B92A3933",
    { extras = "tracks" }))
for track in client:each("Albums.1.Tracks", page) do
    print(("%2d %s"):format(track.TrackNumber, track.Name))
end]],
}

M.browse = {
    method = "GET", path = "/1/content/{namespace}/{source}/{type}/browse",
    auth = "app", collection_auth = "user",
    args = { "type" },
    segments = {
        source = shared.WHERE,
        type = {
            name = "type", type = "string", required = true,
            values_by = {
                by = { "source" },
                catalog = { "albums", "artists", "tracks", "playlists" },
                collection = { "albums", "artists", "tracks", "playlists", "playlistsforyou" },
            },
            doc = "albums, artists, tracks or playlists; of a collection also playlistsforyou.",
        },
    },
    params = {
        shared.order_by("type"),
        shared.MAX_ITEMS,
        shared.PAGE,
        {
            name = "genre", wire = "genre", type = "string", min_length = 1, after = true,
            exclusive = { "mood", "activity" }, only_with = { "source", "catalog" },
            doc = "The name of a genre of `genres`; of the catalog, without mood and activity.",
        },
        {
            name = "mood", wire = "mood", type = "string", min_length = 1, after = true,
            exclusive = { "genre", "activity" }, only_with = { "source", "catalog" },
            doc = "The id of a mood of `moods`; of the catalog, without genre and activity.",
        },
        {
            name = "activity", wire = "activity", type = "string", min_length = 1, after = true,
            exclusive = { "genre", "mood" }, only_with = { "source", "catalog" },
            doc = "The id of an activity of `activities`; of the catalog, without genre and "
                .. "mood.",
        },
    },
    returns = "ContentResponse",
    doc = "Goes through the catalogue (1,000 items at most) or the user's collection.",
    errors = "`no_result` where there is nothing; DISCOVERY_INVALID_GENRE for a genre that does "
        .. "not exist.",
    example = [[
for track in client:each("Tracks", client:browse("tracks", { order_by = "MostPopular" })) do
    print(track.Name)
end]],
}

M.browse_items = {
    method = "GET", path = "/1/content/{id}/{source}/{parent_type}/{extra}/browse",
    auth = "app", collection_auth = "user",
    args = { "parent_type", "id", "extra" },
    segments = {
        parent_type = {
            name = "parent_type", type = "string", required = true,
            values = { "album", "artist", "playlist" },
            doc = "What the id is of: album, artist or playlist.",
        },
        id = { name = "id", type = "id", required = true, doc = "Id of that parent." },
        extra = {
            name = "extra", type = "string", required = true,
            values_by = {
                by = { "parent_type" },
                album = { "tracks" },
                artist = { "albums", "tracks", "topTracks" },
                playlist = { "tracks" },
            },
            doc = "What is wanted: of an artist albums, tracks or topTracks, else tracks.",
        },
        source = shared.WHERE,
    },
    params = { shared.order_by("extra"), shared.MAX_ITEMS, shared.PAGE },
    returns = "ContentResponse",
    doc = "Goes through what an album, an artist or a playlist holds. The answer is that of "
        .. "`lookup` with one of `extras`; here it has an order and pages.",
    errors = "`no_result` where there is no such item.",
    example = [[
local id = "music.C61C0000-0200-11DB-89CA-0019B92A3933"
local page = assert(client:browse_items("artist", id, "albums"))
for album in client:each("Artists.1.Albums", page) do
    print(album.ReleaseDate, album.Name)
end]],
}

M.genres = {
    -- The older /1/ answers with names alone.
    method = "GET", path = "/3/content/{namespace}/catalog/genres",
    auth = "app",
    params = {},
    returns = "ContentResponse",
    doc = "The genres of a country: `CatalogGenres`, a list of Name, ParentName (of a subgenre) "
        .. "and HasEditorialPlaylists.",
    errors = "none of its own.",
    example = [[
for _, genre in ipairs(assert(client:genres({ country = "US" })).CatalogGenres) do
    print(genre.Name, genre.ParentName)
end]],
}

M.moods = {
    method = "GET", path = "/1/content/{namespace}/catalog/moods",
    auth = "app",
    params = {},
    aliases = { Moods = "CatalogMoods" },
    returns = "ContentResponse",
    doc = "The moods that `browse` knows: `CatalogMoods`, a list of Id, Name, Description and "
        .. "ImageUrl. `Moods`, as some of the documentation has it, reads as the same list.",
    errors = "none of its own.",
    example = [[
for _, mood in ipairs(assert(client:moods()).CatalogMoods) do
    print(mood.Id, mood.Description)
end]],
}

M.activities = {
    method = "GET", path = "/1/content/{namespace}/catalog/activities",
    auth = "app",
    params = {},
    aliases = { Activities = "CatalogActivities" },
    returns = "ContentResponse",
    doc = "The activities that `browse` knows: `CatalogActivities`, a list of Id, Name, "
        .. "Description and ImageUrl. `Activities` reads as the same list.",
    errors = "none of its own.",
    example = [[
local activity = assert(client:activities()).CatalogActivities[1]
print(client:browse("playlists", { activity = activity.Id }).Playlists.Items[1].Name)]],
}

M.new_releases = {
    method = "GET", path = "/1/content/{namespace}/newreleases",
    auth = "app",
    params = {
        {
            name = "genre", wire = "genre", type = "string", min_length = 1,
            doc = "The name of a genre of `genres`. Default: all.",
        },
    },
    returns = "ContentResponse",
    doc = "What is new: `Results`, a list whose items have Type (Albums or Artists) and Album or "
        .. "Artist.",
    errors = "DISCOVERY_INVALID_GENRE for a genre that does not exist.",
    example = [[
for item in client:each("Results", client:new_releases({ genre = "Jazz" })) do
    print(item.Album and item.Album.Name or item.Artist.Name)
end]],
}

M.spotlight = {
    method = "GET", path = "/1/content/{namespace}/spotlight",
    auth = "app",
    params = {},
    returns = "ContentResponse",
    doc = "What the editors recommend: `Results`, as of `new_releases`.",
    errors = "`no_result` where there is nothing.",
    example = [[
for item in client:each("Results", client:spotlight({ country = "FR", language = "FR" })) do
    print(item.Type, (item.Album or item.Artist).Name)
end]],
}

M.preview = {
    method = "GET", path = "/1/content/{id}/preview",
    auth = "app",
    args = { "id" },
    segments = {
        id = { name = "id", type = "id", required = true, doc = "A track's id." },
    },
    params = { shared.CLIENT_INSTANCE_ID },
    returns = "StreamResponse",
    doc = "The address of a 30 s MP3 of a track: `Url` and `ContentType`.",
    errors = "`no_result` where there is no such track.",
    example = [[
print(assert(client:preview("music.A83EB907-0100-11DB-89CA-0019B92A3933")).Url)]],
}

return M

--- Parameters that several rows have.
--
-- @module groove.endpoints.shared

local M = {}

M.MAX_ITEMS = {
    name = "max_items", wire = "maxItems", type = "integer", min = 1, max = 25,
    doc = "Items of each list of the answer, 1 to 25. Default: 25.",
}

M.PAGE = {
    name = "page", wire = "page", type = "integer", min = 0, after = true,
    doc = "Which page of `max_items` items, from 0. Default: 0.",
}

--- A parameter.
M.SOURCE = {
    name = "source", wire = "source", type = "list", values = { "catalog", "collection" },
    doc = "Where to look, or a list of both; \"collection\" needs a user's token. Default: the "
        .. "catalog.",
}

--- A segment.
M.WHERE = {
    name = "source", type = "string", values = { "catalog", "collection" }, default = "catalog",
    doc = "\"catalog\" or \"collection\", which needs a user's token. Default: \"catalog\".",
}

M.CLIENT_INSTANCE_ID = {
    name = "client_instance_id", wire = "clientInstanceId", type = "string",
    min_length = 32, max_length = 128, required = true,
    default_from = "client_instance_id",
    doc = "Names this installation of the program, 32 to 128 characters: made once, at random, and "
        .. "kept by the program. Default: the client's.",
}

local CATALOG = { "ReleaseDate", "AllTimePlayCount", "MostPopular" }
local ARTISTS = { "ArtistName", "CollectionDate" }
local ALBUMS = { "AlbumTitle", "ArtistName", "GenreName", "ReleaseDate", "CollectionDate" }
local PLAYLISTS = { "CollectionDate" }
local TRACKS = {
    "TrackTitle", "AlbumTitle", "ArtistName", "GenreName", "ReleaseDate", "CollectionDate",
    "TrackNumber",
}

--- An order. The first of each list is the service's default.
-- @param kind name of the segment that says of what
function M.order_by(kind)
    return {
        name = "order_by", wire = "orderBy", type = "string",
        values_by = {
            by = { "source", kind },
            catalog = CATALOG,
            collection = {
                artists = ARTISTS, albums = ALBUMS, tracks = TRACKS,
                playlists = PLAYLISTS, playlistsforyou = PLAYLISTS,
            },
        },
        doc = "Of the catalog: ReleaseDate (default), AllTimePlayCount, MostPopular. Of a "
            .. "collection, the first being the default: artists ArtistName, CollectionDate; "
            .. "albums AlbumTitle, ArtistName, GenreName, ReleaseDate, CollectionDate; playlists "
            .. "CollectionDate; tracks TrackTitle, AlbumTitle, ArtistName, GenreName, ReleaseDate, "
            .. "CollectionDate, TrackNumber.",
    }
end

return M

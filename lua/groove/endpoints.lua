--- The Groove API as data: one row an endpoint, keyed by the client's method name.
--
-- The methods of a client and of `client.async`, the checks of their arguments, and the sandbox's
-- routes are read from here; an endpoint is added by adding a row.
--
-- A row:
--   method    "GET" or "POST"
--   path      the documented path; `{namespace}` is always "music", other `{name}`s are `segments`
--   auth      "app" (an application's or a user's token) or "user"
--   collection_auth  "user" where `source` with "collection" needs a user's token
--   args      names of the positional arguments, in order; each is a segment or a parameter
--   segments  path parameters by name
--   params    query parameters in wire order; `endpoints.common` follows them on the wire
--   splits    name of the segment whose list is spread over several requests where it is too long
--   returns   the object of the answer
--
-- A parameter or segment:
--   name, wire       the option's name, the name on the wire
--   type             "string", "integer", "list" (a string or a table of strings), "id", "ids"
--   values           what is allowed, in lower case; the service compares without case
--   min, max         of an integer
--   min_length, max_length  of a string, in characters; of "ids", all of them joined by "+"
--   letters          the string's exact count of letters
--   exclusive        not with this other parameter
--   required         must be given
--   required_unless  must be given, except together with this other parameter
--   default_from     taken from the client's option of this name where the call does not give it
--
-- Where the limits come from: the public Groove API documentation, "Search", "Lookup", "Preview",
-- and "Continuation tokens" for the parameters common to all.
--
-- @module groove.endpoints

local M = {}

--- The only namespace of the service.
M.namespace = "music"

local COUNTRY = {
    name = "country", wire = "country", type = "string", letters = 2,
    default_from = "country",
    doc = "Two letters (ISO 3166-1). Default: the service's guess.",
}

--- Query parameters of every endpoint, in wire order, after the row's own.
M.common = {
    COUNTRY,
    {
        name = "language", wire = "language", type = "string", letters = 2,
        default_from = "language",
        doc = "Two letters (ISO 639-1). Default: the service's guess.",
    },
    {
        name = "format", wire = "contentType", type = "string", values = { "json", "xml" },
        doc = "\"xml\": the answer's text is returned as it came. Default \"json\".",
    },
    {
        name = "continuation_token", wire = "continuationToken", type = "string", min_length = 1,
        doc = "Of an earlier answer's list: its next items. No other parameter is needed then.",
    },
}

local SOURCE = {
    name = "source", wire = "source", type = "list", values = { "catalog", "collection" },
    doc = "Where to look; \"collection\" needs a user's token. Default: the catalog.",
}

--- The rows.
M.rows = {
    search = {
        method = "GET", path = "/1/content/{namespace}/search",
        auth = "app", collection_auth = "user",
        args = { "query" },
        params = {
            {
                name = "query", wire = "q", type = "string", min_length = 1,
                required_unless = "continuation_token",
                doc = "What to look for.",
            },
            {
                name = "max_items", wire = "maxItems", type = "integer", min = 1, max = 25,
                doc = "Items of each list of the answer, 1 to 25. Default: 25.",
            },
            {
                name = "filters", wire = "filters", type = "list",
                values = { "artists", "albums", "tracks", "playlists" },
                doc = "Kinds of content wanted. Default: all.",
            },
            SOURCE,
        },
        returns = "ContentResponse",
        doc = "Searches the catalogue, the user's collection or both.",
    },

    lookup = {
        method = "GET", path = "/1/content/{ids}/lookup",
        auth = "app", collection_auth = "user",
        args = { "ids" }, splits = "ids",
        segments = {
            ids = {
                name = "ids", type = "ids", required = true, max_length = 250,
                doc = "One id or a list of ids; more than 250 characters of them make several "
                    .. "requests, whose answers are put together in order.",
            },
        },
        params = {
            {
                name = "extras", wire = "extras", type = "list",
                values = {
                    "albums", "toptracks", "relatedartists", "tracks", "artistdetails",
                    "albumdetails",
                },
                doc = "More to know. Of artists: albums, topTracks, relatedArtists; of albums: "
                    .. "tracks, artistDetails; of tracks: albumDetails, artistDetails.",
            },
            SOURCE,
        },
        returns = "ContentResponse",
        doc = "Looks up artists, albums, tracks and playlists by id.",
    },

    preview = {
        method = "GET", path = "/1/content/{id}/preview",
        auth = "app",
        args = { "id" },
        segments = {
            id = { name = "id", type = "id", required = true, doc = "A track's id." },
        },
        params = {
            {
                name = "client_instance_id", wire = "clientInstanceId", type = "string",
                min_length = 32, max_length = 128, required = true,
                default_from = "client_instance_id",
                doc = "Names this installation of the program, 32 to 128 characters: made once, at "
                    .. "random, and kept by the program. Default: the client's.",
            },
        },
        returns = "StreamResponse",
        doc = "The address of a 30 s MP3 of a track.",
    },
}

return M

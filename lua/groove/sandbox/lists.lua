--- What the answers of search, lookup and browse have in common: lists of the four kinds, lists
-- that hang on an item, and the tokens that continue them.
--
-- @module groove.sandbox.lists

local catalogue = require("groove.sandbox.catalogue")
local objects = require("groove.sandbox.objects")
local orders = require("groove.sandbox.orders")
local paging = require("groove.sandbox.paging")
local shelves = require("groove.sandbox.shelves")

local M = {}

--- The members of an answer, by kind.
M.NAMES = { artists = "Artists", albums = "Albums", tracks = "Tracks", playlists = "Playlists" }

M.NO_RESULT = { code = "CATALOG_NO_RESULT" }
M.BAD_TOKEN = { code = "CONTINUATION_TOKEN_INVALID_ERROR" }

--- What makes wire objects of records.
-- @param shape name of a function of `groove.sandbox.objects`
function M.maker(shape, context, extras)
    return function(record)
        return objects[shape](record, context, extras)
    end
end

--- Where a page begins, and how many items it has at most.
function M.bounds(params)
    local size = params.max_items or paging.SIZE
    return (params.page or 0) * size, size
end

--- What an id names in the catalogue: a record of it, or a playlist that a user has published.
function M.find(id, context)
    return context.catalogue:find(id) or context.users:published(id)
end

-- --- tokens --------------------------------------------------------------------------------------

--- Names a list in a token. The language and country go along: a continuation has no parameters
-- for them.
-- @param endpoint name of the row
-- @param ... what else there is to know of the list: texts without line breaks, but for the last
function M.place(context, endpoint, ...)
    return table.concat({ context.culture, endpoint, ... }, "\n")
end

--- Reads a token of the catalogue's.
-- @return the rest of the place, the context of the list, offset, size; nil where it is no token
-- of this endpoint's
function M.resume(params, context, endpoint)
    local place, offset, size = paging.read(params.continuation_token)
    local culture, of, rest = (place or ""):match("^(%a+%-%a+)\n([^\n]*)\n?(.*)$")
    if of ~= endpoint then
        return nil
    end
    return rest, setmetatable({ culture = culture }, { __index = context }), offset, size
end

--- Whether a token is one of the collection's.
function M.is_collection_token(params)
    local place = paging.read(params.continuation_token)
    return place ~= nil and place:find("^collection\n") ~= nil
end

-- --- answers -------------------------------------------------------------------------------------

--- An answer to a continuation: one list, and null for the others, as the service has it.
-- @return answer; or nil and an error where the list has ended before
function M.continued(context, kind, list)
    if not list then
        return nil, M.BAD_TOKEN
    end
    local answer = { Culture = context.culture }
    for _, other in ipairs(catalogue.KINDS) do
        answer[M.NAMES[other]] = context.null
    end
    answer[M.NAMES[kind]] = list
    return answer
end

-- --- lists of an item ----------------------------------------------------------------------------

local function tracks_of(record)
    return record.tracks
end

local function albums_of(artist)
    return artist.albums
end

local function all_tracks_of(artist)
    local out = {}
    for _, album in ipairs(artist.albums) do
        for _, track in ipairs(album.tracks) do
            out[#out + 1] = track
        end
    end
    return out
end

local function artists_like(artist, context)
    local filter, out = shelves.genre(artist.genre, 1), {}
    for _, other in ipairs(shelves.get(context.catalogue, "artists", "MostPopular", filter)) do
        if other ~= artist then
            out[#out + 1] = other
        end
    end
    return out
end

-- By the name of the extra that asks for them, in lower case. `order`: where none is asked for.
local SUB_LISTS = {
    artists = {
        albums = {
            member = "Albums", shape = "albums", records = albums_of, order = "ReleaseDate",
        },
        toptracks = {
            member = "TopTracks", shape = "tracks", records = all_tracks_of, order = "MostPopular",
        },
        relatedartists = { member = "RelatedArtists", shape = "artists", records = artists_like },
        tracks = {
            member = "Tracks", shape = "tracks", records = all_tracks_of, order = "ReleaseDate",
            browse_only = true,
        },
    },
    albums = { tracks = { member = "Tracks", shape = "album_tracks", records = tracks_of } },
    tracks = {},
    playlists = {
        tracks = { member = "Tracks", shape = "tracks", records = tracks_of, always = true },
    },
}

--- The lists that a lookup gives of a record.
-- @param extras set of names of extras, in lower case
-- @return list of names of extras
function M.extras_of(record, extras)
    local out = {}
    for name, row in pairs(SUB_LISTS[record.kind]) do
        if row.always or extras[name] and not row.browse_only then
            out[#out + 1] = name
        end
    end
    return out
end

--- One page of a list of a record's.
-- @param extra its name
-- @param order of `groove.sandbox.orders`, or nil
-- @param place for the token of the next page
-- @return the member of the object, and the list, nil where there is nothing
function M.sub_list(record, extra, context, order, place, offset, size)
    local row = SUB_LISTS[record.kind][extra]
    local records = row.records(record, context)
    order = order or row.order
    if order then
        records = orders.sorted(records, order)
    end
    local make = M.maker(row.shape, context)
    return row.member, paging.list(records, make, place, offset, size)
end

--- Whether a record has a list under the name of an extra.
function M.has_list(record, extra)
    return SUB_LISTS[record.kind][extra] ~= nil
end

return M

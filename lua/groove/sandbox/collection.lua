--- What a user's collection shows: `browse`, `browse_items`, `search` and `lookup` with the source
-- "collection".
--
-- Items are the catalogue's with ids of their own, of which albums and artists hold what the user
-- has added of them.
--
-- @module groove.sandbox.collection

local endpoints = require("groove.endpoints")
local library = require("groove.sandbox.library")
local lists = require("groove.sandbox.lists")
local objects = require("groove.sandbox.objects")
local paging = require("groove.sandbox.paging")
local shared = require("groove.endpoints.shared")

local M = {}

local KINDS = { artist = "artists", album = "albums", playlist = "playlists" }

-- Lists that hang on an item: by its kind and the list's name, the answer's member and their kind.
local TRACKS = { "Tracks", "tracks" }
local SUB_LISTS = {
    artists = {
        albums = { "Albums", "albums" }, tracks = TRACKS, toptracks = { "TopTracks", "tracks" },
    },
    albums = { tracks = TRACKS },
    tracks = {},
    playlists = { tracks = TRACKS },
}

local function failure(code)
    return nil, { code = code }
end

local function default_order(kind)
    return endpoints.allowed(shared.order_by("type"), { source = "collection", type = kind })[1]
end

-- --- wire shape ----------------------------------------------------------------------------------

local function own(object, owned, kind)
    object.Id = owned:id_of(kind, object.Id)
    object.Source = "Collection"
end

local function own_artists(object, owned)
    for _, contributor in ipairs(object.Artists or {}) do
        own(contributor.Artist, owned, "artists")
    end
end

local function playlist_object(entry, context)
    local object = objects.playlists(library.as_record(entry), context)
    object.Source, object.CompatibleSources = "Collection", "Collection"
    object.UserIsOwner = not entry.offered
    object.IsReadOnly = entry.offered or false
    object.IsPublished = entry.published or false
    object.CollectionStateToken = context.user.library:state_token()
    return object
end

local function wire(entry, context, extras)
    if entry.kind == "playlists" then
        return playlist_object(entry, context)
    end
    local owned = context.user.library
    local object = objects[entry.kind](entry.record, context, extras)
    object.Id, object.Source = entry.id, "Collection"
    if object.Album then
        own(object.Album, owned, "albums")
        own_artists(object.Album, owned)
        object.Album.ReleaseDate, object.Album.Genres = object.ReleaseDate, object.Genres
    end
    own_artists(object, owned)
    if entry.kind == "albums" then
        -- of what is there; the catalogue's is the whole album's
        object.TrackCount, object.Duration = #entry.tracks, nil
    end
    return object
end

local function maker(context)
    return function(entry)
        return wire(entry, context)
    end
end

-- --- lists ---------------------------------------------------------------------------------------

-- A list's name in tokens. The language and country go along, as in the catalogue's tokens.
local function place_of(context, ...)
    return table.concat({ "collection", context.culture, ... }, "\n")
end

-- The kind of the objects, and their list; nil where there is nothing.
local function browse_page(kind, order, offset, size, context)
    local owned, place = context.user.library, place_of(context, "browse", kind, order)
    local entries
    if kind == "playlistsforyou" then
        kind, entries = "playlists", owned:playlists_for_you(context.catalogue)
    else
        entries = owned:list(kind, order)
    end
    return kind, paging.list(entries, maker(context), place, offset, size)
end

-- Tracks of a playlist stand as the user has put them.
local function sub_order(entry, extra)
    return entry.kind == "playlists" and "" or default_order(SUB_LISTS[entry.kind][extra][2])
end

local function sub_page(entry, extra, order, offset, size, context)
    local member = SUB_LISTS[entry.kind][extra][1]
    local list = extra == "albums" and context.user.library:albums_of(entry) or entry.tracks
    if order ~= "" then
        list = library.sorted(list, order)
    end
    local place = place_of(context, "items", entry.id, extra, order)
    return member, paging.list(list, maker(context), place, offset, size)
end

-- An answer with one list.
local function answer(kind, list, context)
    if not list then
        return failure("COLLECTION_NO_RESULT")
    end
    return { Culture = context.culture, [lists.NAMES[kind]] = list }
end

--- Artists, albums, tracks, playlists, or playlists made for the user.
function M.browse(params, context)
    if params.continuation_token then
        return M.continue(params, context)
    end
    local offset, size = lists.bounds(params)
    local kind, list = browse_page(
        params.type, params.order_by or default_order(params.type), offset, size, context)
    return answer(kind, list, context)
end

-- A list within its item.
local function within(entry, member, list, context)
    if not list then
        return nil
    end
    local object = wire(entry, context)
    object[member] = list
    return { Items = { object } }
end

local function find(id, context)
    return context.user.library:find(id, context.catalogue)
end

--- What hangs on an artist, an album or a playlist, in it.
function M.browse_items(params, context)
    if params.continuation_token then
        return M.continue(params, context)
    end
    local entry = find(params.id, context)
    if not entry then
        return failure("COLLECTION_NO_RESULT")
    elseif entry.kind ~= KINDS[params.parent_type] then
        return failure("COLLECTION_INVALID_ID")
    end
    local extra = params.extra:lower()
    local offset, size = lists.bounds(params)
    local member, list = sub_page(
        entry, extra, params.order_by or sub_order(entry, extra), offset, size, context)
    return answer(entry.kind, within(entry, member, list, context), context)
end

-- --- search and lookup ---------------------------------------------------------------------------

--- What is found in the collection, best first.
-- @param kind "artists", "albums", "tracks" or "playlists"
-- @return list of wire objects
function M.search(kind, query, context)
    local out = {}
    for i, entry in ipairs(context.user.library:search(kind, query, default_order(kind))) do
        out[i] = wire(entry, context)
    end
    return out
end

--- What an id names in the collection.
-- @param id in the collection, or of the catalogue
-- @param extras set of the lists wanted, by their names in lower case; a playlist has its tracks
-- always
-- @return its kind and its wire object, or nil
function M.lookup(id, context, extras)
    local entry = find(id, context)
    if not entry then
        return nil
    end
    local object = wire(entry, context, extras)
    for extra in pairs(SUB_LISTS[entry.kind]) do
        if extras and extras[extra] or entry.kind == "playlists" then
            local member, list = sub_page(
                entry, extra, sub_order(entry, extra), 0, paging.SIZE, context)
            object[member] = list
        end
    end
    return entry.kind, object
end

-- --- continuation --------------------------------------------------------------------------------

-- The item of the list keeps its place among those of its kind, which have nothing in them.
local function in_place(ids, entry, items, context)
    local out = {}
    for _, id in ipairs(ids) do
        local other = find(id, context)
        if other == entry then
            out[#out + 1] = items.Items[1]
        elseif other and other.kind == entry.kind then
            out[#out + 1] = { Id = context.null, Name = context.null }
        end
    end
    return { Items = out }
end

local function is_asked_for(entry, params, context)
    for _, id in ipairs(params.ids or { params.id }) do
        if find(id, context) == entry then
            return true
        end
    end
    return false
end

local function continue_items(params, rest, offset, size, context)
    local id, extra, order = rest:match("^([^\n]+)\n(%l+)\n(%a*)$")
    local entry = id and find(id, context)
    if not entry or not is_asked_for(entry, params, context)
        or params.extra and params.extra:lower() ~= extra then
        return nil, lists.BAD_TOKEN
    end
    local member, list = sub_page(entry, extra, order, offset, size, context)
    local items = within(entry, member, list, context)
    if items and params.ids then
        items = in_place(params.ids, entry, items, context)
    end
    return lists.continued(context, entry.kind, items)
end

local function continue_browse(params, rest, offset, size, context)
    local kind, order = rest:match("^(%l+)\n(%a+)$")
    if kind ~= params.type then
        return nil, lists.BAD_TOKEN
    end
    return lists.continued(context, browse_page(kind, order, offset, size, context))
end

--- Goes on with a list, by a token whose place begins with "collection\n". There must be a user.
function M.continue(params, context)
    local place, offset, size = paging.read(params.continuation_token)
    local culture, what, rest = (place or ""):match("^collection\n(%a+%-%a+)\n(%l+)\n(.*)$")
    local own_context = setmetatable({ culture = culture }, { __index = context })
    if what == "browse" and params.type then
        return continue_browse(params, rest, offset, size, own_context)
    elseif what == "items" and (params.ids or params.extra) then
        return continue_items(params, rest, offset, size, own_context)
    end
    return nil, lists.BAD_TOKEN
end

return M

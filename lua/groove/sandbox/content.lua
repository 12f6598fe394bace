--- The API's endpoints: one function a row of `groove.endpoints`, by the same name.
--
-- Each gets the checked parameters and a context `{ culture, api_url, null }`, and returns the
-- answer's object, or nil and `{ code, message }`. A second value beside an object is an error that
-- goes into the answer, next to what was found.
--
-- @module groove.sandbox.content

local catalogue = require("groove.sandbox.catalogue")
local objects = require("groove.sandbox.objects")
local paging = require("groove.sandbox.paging")

local M = {}

local KINDS = { "artists", "albums", "tracks", "playlists" }
local LIST_NAMES = {
    artists = "Artists", albums = "Albums", tracks = "Tracks", playlists = "Playlists",
}

local NO_RESULT = { code = "CATALOG_NO_RESULT" }
local BAD_TOKEN = { code = "CONTINUATION_TOKEN_INVALID_ERROR" }

local function set_of(list)
    local set = {}
    for _, value in ipairs(list or {}) do
        set[value] = true
    end
    return set
end

local function maker(kind, context, extras)
    return function(record)
        return objects[kind](record, context, extras)
    end
end

-- --- search --------------------------------------------------------------------------------------

local function search_page(kind, query, context, offset, size)
    local place = "search\n" .. kind .. "\n" .. query
    return paging.list(
        catalogue.search(kind, query), maker(kind, context), place, offset, size)
end

-- The list asked for; null for the others, as the service has it.
local function continue_search(params, context)
    local place, offset, size = paging.read(params.continuation_token)
    local kind, query = (place or ""):match("^search\n(%l+)\n(.*)$")
    if not kind then
        return nil, BAD_TOKEN
    end
    local answer = { Culture = context.culture }
    for _, other in ipairs(KINDS) do
        answer[LIST_NAMES[other]] = context.null
    end
    answer[LIST_NAMES[kind]] = search_page(kind, query, context, offset, size)
    return answer
end

--- Search.
function M.search(params, context)
    if params.continuation_token then
        return continue_search(params, context)
    end
    local answer, found = { Culture = context.culture }, false
    for _, kind in ipairs(params.filters or KINDS) do
        local list = search_page(kind, params.query, context, 0, params.max_items or paging.SIZE)
        answer[LIST_NAMES[kind]] = list
        found = found or list ~= nil
    end
    if not found then
        return nil, NO_RESULT
    end
    return answer
end

-- --- lookup --------------------------------------------------------------------------------------

local function top_tracks(artist)
    local out = {}
    for _, album in ipairs(artist.albums) do
        for i = 1, math.min(2, #album.tracks) do
            out[#out + 1] = album.tracks[i]
        end
    end
    return out
end

local function related_artists(artist)
    local out = {}
    for _, other in ipairs(catalogue.get().artists) do
        if other ~= artist and other.genre == artist.genre then
            out[#out + 1] = other
        end
    end
    return out
end

local function tracks_of(record)
    return record.tracks
end

local function albums_of(artist)
    return artist.albums
end

-- Lists that hang on an item, by the name of the extra that asks for them.
local TRACKS = { member = "Tracks", kind = "tracks", records = tracks_of }
local SUB_LISTS = {
    artists = {
        albums = { member = "Albums", kind = "albums", records = albums_of },
        toptracks = { member = "TopTracks", kind = "tracks", records = top_tracks },
        relatedartists = { member = "RelatedArtists", kind = "artists", records = related_artists },
    },
    albums = { tracks = TRACKS },
    tracks = {},
    playlists = { tracks = TRACKS },
}

local function sub_page(record, extra, context, offset, size)
    local row = SUB_LISTS[record.kind][extra]
    local place = "lookup\n" .. record.id .. "\n" .. extra
    local records = row.records(record)
    return row.member, paging.list(records, maker(row.kind, context), place, offset, size)
end

local function lookup_one(record, context, extras)
    local object = objects[record.kind](record, context, extras)
    if record.kind == "artists" then
        object.Biography = objects.biography(record)
    end
    for extra in pairs(SUB_LISTS[record.kind]) do
        if extras[extra] or record.kind == "playlists" then
            local member, list = sub_page(record, extra, context, 0, paging.SIZE)
            object[member] = list
        end
    end
    return object
end

local function append(answer, kind, object)
    local name = LIST_NAMES[kind]
    answer[name] = answer[name] or { Items = {} }
    table.insert(answer[name].Items, object)
end

-- The item asked for keeps its place: the others of its kind are there, with nothing in them.
local function continue_lookup(params, context)
    local place, offset, size = paging.read(params.continuation_token)
    local id, extra = (place or ""):match("^lookup\n([^\n]+)\n(%l+)$")
    local target = id and catalogue.find(id)
    local answer, done = {}, false
    for _, wanted in ipairs(params.ids) do
        local record = catalogue.find(wanted)
        if record and record == target then
            local object = objects[record.kind](record, context)
            local member, list = sub_page(record, extra, context, offset, size)
            object[member] = list
            append(answer, record.kind, object)
            done = true
        elseif record and target and record.kind == target.kind then
            append(answer, record.kind, { Id = context.null, Name = context.null })
        end
    end
    if not done then
        return nil, BAD_TOKEN
    end
    return answer
end

--- Lookup.
function M.lookup(params, context)
    if params.continuation_token then
        return continue_lookup(params, context)
    end
    local extras, answer, lacking = set_of(params.extras), {}, nil
    for _, id in ipairs(params.ids) do
        local record = catalogue.find(id)
        if record then
            append(answer, record.kind, lookup_one(record, context, extras))
        else
            lacking = NO_RESULT
        end
    end
    if next(answer) == nil then
        return nil, NO_RESULT
    end
    return answer, lacking
end

-- --- preview -------------------------------------------------------------------------------------

--- Preview.
function M.preview(params, context)
    local record = catalogue.find(params.id)
    if not record or record.kind ~= "tracks" then
        return nil, NO_RESULT
    end
    return {
        Url = ("%s/preview/%s.mp3"):format(context.api_url, record.id),
        ContentType = "audio/mp3",
    }
end

return M

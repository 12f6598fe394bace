--- The endpoints `genres`, `moods`, `activities`, `new_releases` and `spotlight`.
--
-- @module groove.sandbox.discovery

local lists = require("groove.sandbox.lists")
local names = require("groove.sandbox.names")
local objects = require("groove.sandbox.objects")
local paging = require("groove.sandbox.paging")
local shelves = require("groove.sandbox.shelves")

local M = {}

-- Items of the list of new releases, and of the spotlight.
local RELEASES, SPOTLIGHT = 100, 12

-- After so many albums comes the artist of the first of them.
local ALBUMS_BEFORE_ARTIST = 4

-- --- genres, moods, activities -------------------------------------------------------------------

local function editors_choices(catalogue)
    local out = {}
    for _, playlist in ipairs(catalogue.playlists) do
        if playlist.genre then
            out[playlist.genre] = true
        end
    end
    return out
end

-- Short lists, which no token continues.
local function whole(params, answer)
    if params.continuation_token then
        return nil, lists.BAD_TOKEN
    end
    return answer
end

--- Genres, each with its subgenres after it.
function M.genres(params, context)
    local chosen, out = editors_choices(context.catalogue), {}
    for number, row in ipairs(names.genres) do
        for i, name in ipairs(row) do
            out[#out + 1] = {
                Name = name, ParentName = i > 1 and row[1] or nil,
                HasEditorialPlaylists = i == 1 and chosen[number] or false,
            }
        end
    end
    return whole(params, { CatalogGenres = out, Culture = context.culture })
end

local IMAGE = "https://musicimage.xboxlive.com/catalog/music.%s.%s/image?locale=%s"

-- Of languages that it does not speak, the service takes English.
local function tags(list, kind, context)
    local language, out = context.culture:match("^%a+"), {}
    for i, tag in ipairs(list) do
        local text = tag[language] or tag.en
        out[i] = {
            Id = tag.id, Name = text[1], Description = text[2],
            ImageUrl = IMAGE:format(kind, tag.id, context.culture),
        }
    end
    return out
end

--- Moods.
function M.moods(params, context)
    return whole(params, {
        CatalogMoods = tags(names.moods, "mood", context), Culture = context.culture,
    })
end

--- Activities.
function M.activities(params, context)
    return whole(params, {
        CatalogActivities = tags(names.activities, "activity", context), Culture = context.culture,
    })
end

-- --- recommendations -----------------------------------------------------------------------------

-- Albums, and now and then an artist of theirs.
local function mixed(albums, most)
    local out, told = {}, {}
    for i, album in ipairs(albums) do
        out[#out + 1] = album
        local artist = i % ALBUMS_BEFORE_ARTIST == 0 and albums[i - ALBUMS_BEFORE_ARTIST + 1].artist
        if artist and not told[artist] then
            out[#out + 1], told[artist] = artist, true
        end
    end
    for i = #out, most + 1, -1 do
        out[i] = nil
    end
    return out
end

local function item_maker(context)
    return function(record)
        if record.kind == "artists" then
            return { Type = "Artists", Artist = objects.artists(record, context) }
        end
        return { Type = "Albums", Album = objects.albums(record, context) }
    end
end

local function results_page(albums, most, context, place, offset)
    return paging.list(mixed(albums, most), item_maker(context), place, offset, paging.SIZE)
end

local function releases_page(filter, context, offset)
    local albums = shelves.get(context.catalogue, "albums", "ReleaseDate", filter)
    local place = lists.place(context, "new_releases", filter and filter.value or "")
    return results_page(albums, RELEASES, context, place, offset)
end

local function continue_releases(params, context)
    local genre, own_context, offset = lists.resume(params, context, "new_releases")
    local list = genre and releases_page(shelves.filter("genre", genre), own_context, offset)
    if not list then
        return nil, lists.BAD_TOKEN
    end
    return { Results = list, Culture = own_context.culture }
end

--- What is new.
function M.new_releases(params, context)
    if params.continuation_token then
        return continue_releases(params, context)
    end
    local filter = params.genre and shelves.filter("genre", params.genre)
    if params.genre and not filter then
        return nil, { code = "DISCOVERY_INVALID_GENRE" }
    end
    local list = releases_page(filter, context, 0)
    if not list then
        return nil, { code = "DISCOVERY_NO_RESULT" }
    end
    return { Results = list, Culture = context.culture }
end

--- What the editors recommend.
function M.spotlight(params, context)
    local albums = shelves.get(context.catalogue, "albums", "MostPopular")
    return whole(params, {
        Results = results_page(albums, SPOTLIGHT, context, "", 0), Culture = context.culture,
    })
end

return M

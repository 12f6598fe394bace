--- Parts of the catalogue, in an order: by genre, by mood, by activity, or all of a kind.
--
-- @module groove.sandbox.shelves

local names = require("groove.sandbox.names")
local orders = require("groove.sandbox.orders")

local M = {}

-- The service shows no more of its catalogue than this.
local MOST = 1000

-- --- filters -------------------------------------------------------------------------------------

--- A filter by genre.
-- @param number of the genre in `names.genres`
-- @param sub of its names: 1, or a subgenre's
function M.genre(number, sub)
    return {
        by = "genre", value = names.genres[number][sub], genre = number,
        sub = sub > 1 and sub or nil,
    }
end

local FILTERS = {}

function FILTERS.genre(wanted)
    for number, row in ipairs(names.genres) do
        for i, name in ipairs(row) do
            if name:lower() == wanted then
                return M.genre(number, i)
            end
        end
    end
end

local function tag_filter(by, tags, wanted)
    for i, tag in ipairs(tags) do
        if tag.id:lower() == wanted then
            return { by = by, value = tag.id, tag = i, of = #tags }
        end
    end
end

function FILTERS.mood(wanted)
    return tag_filter("mood", names.moods, wanted)
end

function FILTERS.activity(wanted)
    return tag_filter("activity", names.activities, wanted)
end

--- What restricts a shelf.
-- @param by "genre", "mood" or "activity"
-- @param value a name of a genre or an id, without case
-- @return filter, or nil where there is no such genre, mood or activity
function M.filter(by, value)
    return FILTERS[by] and FILTERS[by](value:lower())
end

local MATCHES = {}

function MATCHES.genre(record, filter)
    local holder = record.album or record
    return holder.genre == filter.genre and (not filter.sub or holder.sub == filter.sub)
end

-- Editors have chosen the playlists' moods and activities; nobody those of the rest.
local function has_tag(record, filter)
    if record.kind == "playlists" then
        return record[filter.by] == filter.value
    end
    return orders.mix(record, filter.of) % filter.of + 1 == filter.tag
end

MATCHES.mood, MATCHES.activity = has_tag, has_tag

-- --- shelves -------------------------------------------------------------------------------------

local function matching(records, filter)
    local matches, out = MATCHES[filter.by], {}
    for _, record in ipairs(records) do
        if matches(record, filter) then
            out[#out + 1] = record
        end
    end
    return out
end

--- The records of a kind, in an order; 1,000 at most.
-- @param catalogue
-- @param kind "artists", "albums", "tracks" or "playlists"
-- @param order of `groove.sandbox.orders`
-- @param filter of `filter`, or nil
-- @return list, not to be changed
function M.get(catalogue, kind, order, filter)
    local by, value = filter and filter.by or "", filter and filter.value or ""
    return catalogue:selection(table.concat({ kind, order, by, value }, "\n"), function()
        local records = catalogue[kind]
        return orders.sorted(filter and matching(records, filter) or records, order, MOST)
    end)
end

return M

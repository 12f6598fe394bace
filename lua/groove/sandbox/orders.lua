--- The orders in which records of the catalogue are given. Every one is total, so that the pages of
-- a list fit together: what is equal otherwise goes by its number in the catalogue.
--
-- @module groove.sandbox.orders

local M = {}

-- More than a catalogue has records of a kind. Scores are below 2^31, keys below 2^52.
local NUMBERS = 2097152
local SCORES = 2147483648

--- A number below 2^31 - 1 that is different for different records, without any pattern to see.
-- @param record of the catalogue
-- @param salt another one gives other numbers
function M.mix(record, salt)
    return (record.number * 16807 + salt) % 2147483647 * 48271 % 2147483647
end

local function day_of(date)
    return tonumber((date:gsub("-", "")))
end

local function newest_day(artist)
    local day = 0
    for _, album in ipairs(artist.albums) do
        day = math.max(day, day_of(album.date))
    end
    return day
end

local SCORE = {}

function SCORE.ReleaseDate(record)
    if record.kind == "artists" then
        return newest_day(record)
    end
    local album = record.album or record
    return album.date and day_of(album.date) or 0
end

-- What the documentation's examples name is liked best.
local function liking(record, salt)
    local artist = record.artist or record
    return M.mix(record, salt) % 1000000000 + (artist.documented and 1000000000 or 0)
end

function SCORE.AllTimePlayCount(record)
    return liking(record, 7)
end

function SCORE.MostPopular(record)
    return liking(record, 1013)
end

--- The records in an order, the newest or best first.
-- @param records list, of one kind; stays as it is
-- @param order "ReleaseDate", "AllTimePlayCount" or "MostPopular"
-- @param most how many at most
function M.sorted(records, order, most)
    local score, keys, by_number, out = SCORE[order], {}, {}, {}
    -- Plain numbers: far quicker to sort than records with a function that compares them.
    for i, record in ipairs(records) do
        keys[i] = (SCORES - score(record)) * NUMBERS + record.number
        by_number[record.number] = record
    end
    table.sort(keys)
    for i = 1, math.min(#keys, most or #keys) do
        out[i] = by_number[keys[i] % NUMBERS]
    end
    return out
end

return M

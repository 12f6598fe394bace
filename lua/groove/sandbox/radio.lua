--- Radios: tracks like an artist's, or of a genre, without an end.
--
-- A session's id says all about the session (what, how far, until when), sealed; every answer has a
-- new one. A radio, by its own id, is one of those that the user has played.
--
--     radio  id, kind ("Artist" or "Genre"), what (the artist's id, the genre's name), name
--
-- @module groove.sandbox.radio

local objects = require("groove.sandbox.objects")
local paging = require("groove.sandbox.paging")
local seal = require("groove.sandbox.seal")
local shelves = require("groove.sandbox.shelves")

local M = {}

local SESSION_SECONDS = 86400

-- Radios remembered of a user.
local KEPT = 100

-- Ids hold what has to be encoded in a path ("%3D" included: it is not to be decoded twice).
local SESSION = "Aw+/%s%%3D="
local SESSION_PATTERN = "^Aw%+/([%w_-]+)%%3D=$"

local NO_RESULT = { code = "DISCOVERY_NO_RESULT" }

-- --- what a radio plays --------------------------------------------------------------------------

-- An artist's radio plays the artist's genre.
local function filter_of(radio, catalogue)
    if radio.kind == "Artist" then
        return shelves.genre(catalogue.by_id[radio.what].genre, 1)
    end
    return shelves.filter("genre", radio.what)
end

-- What can be streamed, where there is any such.
local function pool_of(radio, context)
    local filter, list = filter_of(radio, context.catalogue), {}
    local tracks = shelves.get(context.catalogue, "tracks", "MostPopular", filter)
    for _, track in ipairs(tracks) do
        if objects.can_stream(track, context) then
            list[#list + 1] = track
        end
    end
    return #list > 0 and list or tracks
end

local function common_divisor(a, b)
    while b > 0 do
        a, b = b, a % b
    end
    return a
end

-- A stride that meets every one of `count` before it meets one again, and goes far.
local function stride(count)
    local step = math.max(1, math.floor(count * 0.618))
    while common_divisor(step, count) > 1 do
        step = step + 1
    end
    return step
end

local function tracks_from(pool, position, size, context)
    local step, out = stride(#pool), {}
    for i = 0, size - 1 do
        local record = pool[(position + i) % #pool * step % #pool + 1]
        out[#out + 1] = objects.tracks(record, context)
    end
    return out
end

-- --- sessions ------------------------------------------------------------------------------------

local function new_radio(user, kind, what, name)
    local digest = seal.digest(user.name .. "\n" .. kind .. "\n" .. what, 16)
    return { id = "music.radio." .. seal.uuid(digest), kind = kind, what = what, name = name }
end

-- Puts a radio at the head of those that the user has played.
local function remember(user, radio)
    local list = { radio }
    for _, other in ipairs(user.radios) do
        if other.id ~= radio.id and #list < KEPT then
            list[#list + 1] = other
        end
    end
    user.radios = list
end

local function play(radio, position, params, context)
    local size, pool = params.max_items or paging.SIZE, pool_of(radio, context)
    if #pool == 0 then
        return nil, NO_RESULT
    end
    local payload = ("%s\n%d\n%.3f"):format(
        radio.id, position + size, context.now + SESSION_SECONDS)
    remember(context.user, radio)
    return {
        SessionId = SESSION:format(seal.close(payload)),
        Tracks = tracks_from(pool, position, size, context),
    }
end

-- Where a new session begins.
local function somewhere(context)
    local a, b = context.random(2):byte(1, 2)
    return a * 256 + b
end

local function find_radio(user, id)
    for _, radio in ipairs(user.radios) do
        if radio.id == id then
            return radio
        end
    end
end

-- --- endpoints -----------------------------------------------------------------------------------

local function radio_of(params, context)
    if params.artist then
        local artist = context.catalogue.by_id[params.artist]
        if not artist or artist.kind ~= "artists" then
            return nil, { code = "CATALOG_NO_RESULT" }
        end
        return new_radio(context.user, "Artist", artist.id, artist.name)
    end
    local genre = shelves.filter("genre", params.genre)
    if not genre then
        return nil, { code = "DISCOVERY_INVALID_GENRE" }
    end
    return new_radio(context.user, "Genre", genre.value, genre.value)
end

--- Starts a radio.
function M.radio_create(params, context)
    local radio, err = radio_of(params, context)
    if not radio then
        return nil, err
    end
    return play(radio, somewhere(context), params, context)
end

--- Goes on with a session, or starts one of a radio that the user has played.
function M.radio_next(params, context)
    local radio = find_radio(context.user, params.id)
    if radio then
        return play(radio, somewhere(context), params, context)
    elseif params.id:find("^music%.radio%.") then
        return nil, NO_RESULT
    end
    local payload = seal.open(params.id:match(SESSION_PATTERN) or "")
    local id, position, expires = (payload or ""):match("^(%S+)\n(%d+)\n(%d+%.%d+)$")
    position = paging.number(position or "")
    if not position then
        return nil, { code = "INVALID_INPUT_PARAMETER", message = "Invalid session id" }
    end
    radio = find_radio(context.user, id)
    if not radio or context.now >= tonumber(expires) then
        return nil, NO_RESULT
    end
    return play(radio, position, params, context)
end

local function wire(radio)
    return {
        Id = radio.id, Name = radio.name, Source = "Catalog", CompatibleSources = "Catalog",
    }
end

--- The radios that the user has played, the latest first.
function M.radio_recent(params, context)
    local size = params.max_items or paging.SIZE
    local place, offset = "radios", (params.page or 0) * size
    if params.continuation_token then
        place, offset, size = paging.read(params.continuation_token)
        if place ~= "radios" then
            return nil, { code = "CONTINUATION_TOKEN_INVALID_ERROR" }
        end
    end
    local list = paging.list(context.user.radios, wire, place, offset, size)
    if not list then
        return nil, NO_RESULT
    end
    return { Radios = list }
end

return M

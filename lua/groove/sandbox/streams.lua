--- Addresses that play: previews for everybody, whole tracks for users with a subscription.
--
-- An address carries all that is needed to serve it (what, until when, sealed), and no token.
--
-- @module groove.sandbox.streams

local dates = require("groove.sandbox.dates")
local objects = require("groove.sandbox.objects")
local seal = require("groove.sandbox.seal")
local text = require("groove.sandbox.text")
local tone = require("groove.sandbox.tone")

local M = {}

-- How long an address plays.
local LIFETIME = 3600

local CONTENT_TYPE = "audio/mp3"

local function failure(code)
    return nil, { code = code }
end

-- A track by its id in the catalogue, or in the user's collection or playlists.
local function find_track(id, context)
    local record = context.catalogue.by_id[id]
    if not record and context.user then
        local entry = context.user.library:find(id, context.catalogue)
        record = entry and entry.record
    end
    return record and record.kind == "tracks" and record or nil
end

local function address(record, context)
    local expires = context.time + LIFETIME
    local sealed = seal.close(("audio\n%s\n%.3f"):format(record.id, expires))
    return ("%s/audio/%s.mp3?rid=%s"):format(context.api_url, record.id, sealed), expires
end

--- The address of a preview.
function M.preview(params, context)
    local record = find_track(params.id, context)
    if not record then
        return failure("CATALOG_NO_RESULT")
    end
    return { Url = (address(record, context)), ContentType = CONTENT_TYPE }
end

-- One installation at a time, until what it plays is over.
local function is_busy(user, params, context)
    local playing = user.playing
    return playing ~= nil and playing.instance ~= params.client_instance_id
        and context.now < playing.ends
end

--- The address of a whole track.
function M.stream(params, context)
    local user, record = context.user, find_track(params.id, context)
    if not user.subscription then
        return failure("NO_MUSIC_PASS_SUBSCRIPTION")
    elseif not record then
        return failure("CATALOG_NO_RESULT")
    elseif not objects.can_stream(record, context) then
        return failure("DELIVERY_UNAVAILABLE_CONTENT")
    elseif is_busy(user, params, context) then
        return failure("DELIVERY_CONCURRENT_STREAMING")
    end
    user.playing = {
        instance = params.client_instance_id, ends = context.now + record.seconds,
    }
    local url, expires = address(record, context)
    return { Url = url, ContentType = CONTENT_TYPE, ExpiresOn = dates.iso(expires) }
end

--- Whether a path is that of an address.
function M.is_address(path)
    return path:find("^/audio/[^/]+%.mp3$") ~= nil
end

--- Serves an address: what it plays, 403 where it is over or not one of ours.
-- @param request as the server's
-- @return a response
function M.play(request)
    local id = request.path:match("^/audio/([^/]+)%.mp3$")
    local sealed = text.unescape(text.fields(request.query).rid or "")
    local named, expires = (seal.open(sealed) or ""):match("^audio\n([^\n]+)\n(%d+%.%d+)$")
    if named ~= id or request.time >= tonumber(expires) then
        return { status = 403, headers = { ["Content-Type"] = "text/plain" }, body = "" }
    end
    return { status = 200, headers = { ["Content-Type"] = "audio/mpeg" }, body = tone.mp3() }
end

return M

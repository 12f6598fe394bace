--- What changes a user's collection: tracks and playlists, added, changed and taken away.
--
-- Several tracks in one request are several operations: each has a result, and one that fails does
-- not keep the others from being carried out.
--
-- @module groove.sandbox.edits

local library = require("groove.sandbox.library")

local M = {}

local INVALID_ID = "COLLECTION_INVALID_ID"

local function failure(code)
    return nil, { code = code }
end

-- --- operations ----------------------------------------------------------------------------------

local FULL = { COLLECTION_FULL = true, COLLECTION_PLAYLIST_FULL = true }

-- Carries out one operation for every input.
-- @param inputs list of ids, or of actions with an `id`
-- @param run function(input) -> the id that results, or nil; the code of an error, or nil
-- @return the results
-- @return an error where some failed; `full`: its code, where none was possible for want of room
local function each(inputs, context, run)
    local results, failed, full, done = {}, nil, nil, false
    for i, input in ipairs(inputs) do
        local id, code = run(input)
        results[i] = {
            InputId = type(input) == "table" and input.id or input,
            Id = id, Error = code and context.error({ code = code }) or nil,
        }
        done = done or not code
        failed = failed or code ~= nil
        full = full or FULL[code] and code or nil
    end
    return results, failed and {
        code = "COLLECTION_SOME_OPERATIONS_FAILED", full = not done and full or nil,
    } or nil
end

-- A track of the catalogue; not by the identifiers that only a lookup takes.
local function catalogue_track(id, context)
    local record = context.catalogue.by_id[id]
    return record and record.kind == "tracks" and record or nil
end

-- A track by its id in the catalogue, the collection or a playlist.
local function any_track(id, context)
    local record = catalogue_track(id, context)
    if record then
        return record
    end
    local entry = context.user.library:find(id, context.catalogue)
    return entry and entry.kind == "tracks" and entry.record or nil
end

-- What adding fails with, where there is no track of an id.
local function unknown(id, context)
    return context.catalogue.by_id[id] and INVALID_ID or "CATALOG_NO_RESULT"
end

-- --- tracks --------------------------------------------------------------------------------------

local function track_response(results, failed)
    if failed and failed.full then
        return failure(failed.full)
    end
    return { TrackActionResults = results }, failed
end

--- Adds tracks to the collection, by their ids in the catalogue.
function M.collection_add(params, context)
    local owned = context.user.library
    return track_response(each(params.ids, context, function(id)
        local record = catalogue_track(id, context)
        if not record then
            return nil, unknown(id, context)
        end
        local entry = owned:add(record)
        return entry and entry.id, not entry and "COLLECTION_FULL" or nil
    end))
end

--- Takes tracks out of the collection, by their ids there.
function M.collection_delete(params, context)
    return track_response(each(params.ids, context, function(id)
        return nil, not context.user.library:remove(id) and INVALID_ID or nil
    end))
end

-- --- playlists -----------------------------------------------------------------------------------

local RUN = {}

function RUN.Add(owned, playlist, id, context)
    local record = any_track(id, context)
    if not record then
        return nil, unknown(id, context)
    end
    local entry = owned:place(playlist, record)
    return entry and entry.id, not entry and "COLLECTION_PLAYLIST_FULL" or nil
end

function RUN.Delete(owned, playlist, id)
    return nil, not owned:displace(playlist, id) and INVALID_ID or nil
end

local function run_actions(actions, playlist, context)
    return each(actions, context, function(action)
        return RUN[action.action](context.user.library, playlist, action.id, context)
    end)
end

-- Takes out what is to move, in the order of the request, and puts it in again together.
local function move(actions, playlist, before, context)
    local moved = {}
    local results, failed = each(actions, context, function(action)
        local position = library.position(playlist, action.id)
        if not position then
            return nil, INVALID_ID
        end
        table.insert(moved, table.remove(playlist.tracks, position))
    end)
    local at = before and library.position(playlist, before) or #playlist.tracks + 1
    for i, entry in ipairs(moved) do
        table.insert(playlist.tracks, at + i - 1, entry)
    end
    if #moved > 0 then
        context.user.library:touch()
    end
    return results, failed
end

local function can_go_before(before, playlist, actions)
    for _, action in ipairs(actions) do
        if action.id == before then
            return false
        end
    end
    return library.position(playlist, before) ~= nil
end

local function change_info(params, playlist, owned)
    if params.name ~= nil or params.published ~= nil then
        playlist.name = params.name or playlist.name
        if params.published ~= nil then
            playlist.published = params.published
        end
        owned:touch()
    end
end

-- Says what was given, as the service does.
local function playlist_response(params, playlist, results, failed)
    return {
        PlaylistActionResult = {
            Id = playlist.id, Name = params.name, IsPublished = params.published,
            TrackActionResults = #results > 0 and results or nil,
        },
    }, failed
end

--- Makes a playlist.
function M.playlist_create(params, context)
    local owned = context.user.library
    if #owned.playlists >= library.PLAYLISTS then
        return failure("COLLECTION_FULL")
    end
    local playlist = owned:new_playlist(params.name, params.published)
    return playlist_response(params, playlist, run_actions(params.actions, playlist, context))
end

-- What refuses an update as a whole.
local function refusal(params, playlist, owned)
    local state, before = params.collection_state_token, params.insert_before
    if not playlist then
        return INVALID_ID
    elseif state and state ~= owned:state_token() then
        return "COLLECTION_CONCURRENT_UPDATE"
    elseif before and not can_go_before(before, playlist, params.actions) then
        return "COLLECTION_INVALID_PLAYLIST_REORDER"
    end
end

--- Changes a playlist: its name, who sees it, its tracks or their order.
function M.playlist_update(params, context)
    local owned, actions = context.user.library, params.actions
    local playlist = owned:find_playlist(params.id)
    local code = refusal(params, playlist, owned)
    if code then
        return failure(code)
    end
    change_info(params, playlist, owned)
    local results, failed
    if #actions > 0 and actions[1].action == "Move" then
        results, failed = move(actions, playlist, params.insert_before, context)
    else
        results, failed = run_actions(actions, playlist, context)
    end
    if failed and failed.full and params.name == nil and params.published == nil then
        return failure(failed.full)
    end
    return playlist_response(params, playlist, results, failed)
end

--- Deletes a playlist.
function M.playlist_delete(params, context)
    local owned = context.user.library
    local playlist = owned:find_playlist(params.id)
    if not playlist then
        return failure(INVALID_ID)
    end
    owned:remove_playlist(playlist)
    return { PlaylistActionResult = { Id = playlist.id } }
end

return M

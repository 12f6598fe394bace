--- The endpoints `browse` and `browse_items`.
--
-- @module groove.sandbox.browse

local lists = require("groove.sandbox.lists")
local objects = require("groove.sandbox.objects")
local paging = require("groove.sandbox.paging")
local shelves = require("groove.sandbox.shelves")

local M = {}

local KINDS = { artist = "artists", album = "albums", playlist = "playlists" }

-- An order that is no order: as the list is by itself.
local AS_IT_IS = ""

local function unknown(by)
    if by == "genre" then
        return nil, { code = "DISCOVERY_INVALID_GENRE" }
    end
    return nil, {
        code = "INVALID_INPUT_PARAMETER",
        message = ("Parameter %s has an unknown value"):format(by),
    }
end

local function is_collection(params)
    return params.source == "collection"
end

local function collection()
    return require("groove.sandbox.collection")
end

-- --- of the catalogue ----------------------------------------------------------------------------

local function shelf_page(kind, order, filter, context, offset, size)
    local place = lists.place(context, "browse", kind, order,
        filter and filter.by or "", filter and filter.value or "")
    local records = shelves.get(context.catalogue, kind, order, filter)
    return paging.list(records, lists.maker(kind, context), place, offset, size)
end

local function continue_browse(params, context)
    local rest, own_context, offset, size = lists.resume(params, context, "browse")
    local kind, order, by, value = (rest or ""):match("^(%l+)\n(%a+)\n(%l*)\n(.*)$")
    if kind ~= params.type then
        return nil, lists.BAD_TOKEN
    end
    local list = shelf_page(
        kind, order, shelves.filter(by, value), own_context, offset, size)
    return lists.continued(own_context, kind, list)
end

-- The filter asked for, if any; or nil and an error.
local function filter_of(params)
    for _, by in ipairs({ "genre", "mood", "activity" }) do
        if params[by] then
            local filter = shelves.filter(by, params[by])
            if not filter then
                return unknown(by)
            end
            return filter
        end
    end
end

--- Browses the catalogue or the collection.
function M.browse(params, context)
    if is_collection(params) then
        return collection().browse(params, context)
    elseif params.continuation_token then
        return continue_browse(params, context)
    end
    local filter, err = filter_of(params)
    if err then
        return nil, err
    end
    local offset, size = lists.bounds(params)
    local list = shelf_page(
        params.type, params.order_by or "ReleaseDate", filter, context, offset, size)
    if not list then
        return nil, lists.NO_RESULT
    end
    return { Culture = context.culture, [lists.NAMES[params.type]] = list }
end

-- --- of an item ----------------------------------------------------------------------------------

-- The item with one page of its list; nil where the list has none.
local function item_page(record, extra, order, context, offset, size)
    local place = lists.place(context, "browse_items", record.id, extra, order)
    local member, list = lists.sub_list(record, extra, context,
        order ~= AS_IT_IS and order or nil, place, offset, size)
    if not list then
        return nil
    end
    local object = objects[record.kind](record, context)
    object[member] = list
    return { Items = { object } }
end

-- The record whose list it is; nil where the id names none, or one of another kind.
local function parent_of(params, context)
    local record = lists.find(params.id, context)
    return record and record.kind == KINDS[params.parent_type] and record or nil
end

local function continue_items(params, context)
    local rest, own_context, offset, size = lists.resume(params, context, "browse_items")
    local id, extra, order = (rest or ""):match("^([^\n]+)\n(%l+)\n(%a*)$")
    local record = parent_of(params, context)
    if not record or record.id ~= id or params.extra:lower() ~= extra then
        return nil, lists.BAD_TOKEN
    end
    return lists.continued(own_context, record.kind,
        item_page(record, extra, order, own_context, offset, size))
end

--- Browses what an artist, an album or a playlist holds.
function M.browse_items(params, context)
    if is_collection(params) then
        return collection().browse_items(params, context)
    elseif params.continuation_token then
        return continue_items(params, context)
    end
    local record = parent_of(params, context)
    local offset, size = lists.bounds(params)
    local list = record and item_page(
        record, params.extra:lower(), params.order_by or AS_IT_IS, context, offset, size)
    if not list then
        return nil, lists.NO_RESULT
    end
    return { Culture = context.culture, [lists.NAMES[record.kind]] = list }
end

return M

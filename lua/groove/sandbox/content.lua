--- The endpoints of the catalogue: one function a row of `groove.endpoints`, by the same name.
-- `search` and `lookup` are here, the others in `groove.sandbox.browse` and
-- `groove.sandbox.discovery`.
--
-- Each gets the checked parameters and the context of `groove.sandbox.server`, and returns
-- the answer's object, or nil and `{ code, message }`. A second value beside an object is an error
-- that goes into the answer, next to what was found.
--
-- @module groove.sandbox.content

local catalogue = require("groove.sandbox.catalogue")
local lists = require("groove.sandbox.lists")
local objects = require("groove.sandbox.objects")
local paging = require("groove.sandbox.paging")
local sources = require("groove.sandbox.sources")

local M = {}

for _, part in ipairs({ "browse", "discovery" }) do
    for name, endpoint in pairs(require("groove.sandbox." .. part)) do
        M[name] = endpoint
    end
end

local KINDS, NAMES = catalogue.KINDS, lists.NAMES

-- --- search --------------------------------------------------------------------------------------

-- The catalogue's records, then the collection's objects.
local function find_all(kind, query, where, context)
    local found = where.catalog and context.catalogue:search(kind, query) or {}
    if not where.collection then
        return found
    end
    local collection, err = sources.collection(context)
    if not collection then
        return nil, err
    end
    local out = {}
    for _, results in ipairs({ found, collection.search(kind, query, context) }) do
        for _, result in ipairs(results) do
            out[#out + 1] = result
        end
    end
    return out
end

-- Objects of the wire have no `kind`.
local function wire_maker(context)
    return function(found)
        return found.kind and objects[found.kind](found, context) or found
    end
end

local function search_page(kind, query, where, context, offset, size)
    local found, err = find_all(kind, query, where, context)
    if not found then
        return nil, err
    end
    local place = lists.place(context, "search", kind,
        where.catalog and "catalog" or "", where.collection and "collection" or "", query)
    return paging.list(found, wire_maker(context), place, offset, size)
end

local function continue_search(params, context)
    local rest, own_context, offset, size = lists.resume(params, context, "search")
    local kind, catalog, collection, query =
        (rest or ""):match("^(%l+)\n(%l*)\n(%l*)\n(.*)$")
    if not kind then
        return nil, lists.BAD_TOKEN
    end
    local where = sources.of({ catalog, collection })
    local list, err = search_page(kind, query, where, own_context, offset, size)
    if err then
        return nil, err
    end
    return lists.continued(own_context, kind, list)
end

--- Search.
function M.search(params, context)
    if params.continuation_token then
        return continue_search(params, context)
    end
    local answer, found = { Culture = context.culture }, false
    local _, size = lists.bounds(params)
    for _, kind in ipairs(params.filters or KINDS) do
        local list, err = search_page(
            kind, params.query, sources.of(params.source), context, 0, size)
        if err then
            return nil, err
        end
        answer[NAMES[kind]] = list
        found = found or list ~= nil
    end
    if not found then
        return nil, lists.NO_RESULT
    end
    return answer
end

-- --- lookup --------------------------------------------------------------------------------------

local function lower_set(list)
    local set = {}
    for _, value in ipairs(list or {}) do
        set[value:lower()] = true
    end
    return set
end

local function sub_page(record, extra, context, offset, size)
    local place = lists.place(context, "lookup", record.id, extra)
    return lists.sub_list(record, extra, context, nil, place, offset, size)
end

local function lookup_record(record, context, extras)
    local object = objects[record.kind](record, context, extras)
    if record.kind == "artists" then
        object.Biography = objects.biography(record)
    end
    for _, extra in ipairs(lists.extras_of(record, extras)) do
        local member, list = sub_page(record, extra, context, 0, paging.SIZE)
        object[member] = list
    end
    return object
end

-- The kind and the object that an id names, nil where it names nothing. What is of the catalogue is
-- that first, and a published playlist its user's.
local function lookup_one(id, where, context, extras)
    local record = where.catalog and context.catalogue:find(id)
    if not record and where.collection then
        local kind, object = require("groove.sandbox.collection").lookup(id, context, extras)
        if kind then
            return kind, object
        end
    end
    record = record or where.catalog and context.users:published(id)
    if record then
        return record.kind, lookup_record(record, context, extras)
    end
end

local function append(answer, kind, object)
    local name = NAMES[kind]
    answer[name] = answer[name] or { Items = {} }
    table.insert(answer[name].Items, object)
end

-- The item asked for keeps its place: the others of its kind are there, with nothing in them.
local function continued_items(params, target, extra, context, offset, size)
    local items, done = {}, false
    for _, id in ipairs(params.ids) do
        local record = lists.find(id, context)
        if record and record.id == target.id then
            local object = objects[target.kind](target, context)
            local member, list = sub_page(target, extra, context, offset, size)
            object[member] = list
            items[#items + 1], done = object, list ~= nil
        elseif record and record.kind == target.kind then
            items[#items + 1] = { Id = context.null, Name = context.null }
        end
    end
    return done and items or nil
end

local function continue_collection(params, context)
    local collection, err = sources.collection(context)
    if not collection then
        return nil, err
    end
    return collection.continue(params, context)
end

local function continue_lookup(params, context)
    if lists.is_collection_token(params) then
        return continue_collection(params, context)
    end
    local rest, own_context, offset, size = lists.resume(params, context, "lookup")
    local id, extra = (rest or ""):match("^([^\n]+)\n(%l+)$")
    local target = id and lists.find(id, context)
    if not target or not lists.has_list(target, extra) then
        return nil, lists.BAD_TOKEN
    end
    local items = continued_items(params, target, extra, own_context, offset, size)
    return lists.continued(own_context, target.kind, items and { Items = items })
end

--- Lookup.
function M.lookup(params, context)
    if params.continuation_token then
        return continue_lookup(params, context)
    end
    local extras, where = lower_set(params.extras), sources.of(params.source)
    local missing = where.catalog and lists.NO_RESULT or { code = "COLLECTION_NO_RESULT" }
    local answer, lacking, found = { Culture = context.culture }, nil, false
    for _, id in ipairs(params.ids) do
        local kind, object = lookup_one(id, where, context, extras)
        if kind then
            append(answer, kind, object)
            found = true
        else
            lacking = missing
        end
    end
    if not found then
        return nil, missing
    end
    return answer, lacking
end

return M

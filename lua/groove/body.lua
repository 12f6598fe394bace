--- JSON bodies of requests: the parts of a row's `body` (`groove.endpoints`), checked, and in as
-- many requests as the service's limits make of them.
--
-- @module groove.body

local encode = require("groove.encode")
local errors = require("groove.errors")

local M = {}

local function list_of(value)
    return type(value) == "table" and value or { value }
end

local CHECKS = {
    string = encode.bad_length,
    id = function(_, value)
        return encode.bad_id(value)
    end,
    ids = function(_, value)
        for _, id in ipairs(list_of(value)) do
            local problem = encode.bad_id(id)
            if problem then
                return "must be ids, each of which " .. problem
            end
        end
    end,
}

local function problem_of(part, values)
    local value = values[part.name]
    if not encode.is_given(value) then
        return part.required and (part.type == "ids" and "must be at least one id" or "is required")
    end
    local check = CHECKS[part.type]
    return encode.conflict(part, values) or check and check(part, value)
end

local function lacks_all(names, values)
    for _, name in ipairs(names) do
        if encode.is_given(values[name]) then
            return false
        end
    end
    return true
end

local function checked(row, values)
    for _, part in ipairs(row.body) do
        local problem = problem_of(part, values)
        if problem then
            return errors.argument(part.name, problem)
        end
    end
    if row.one_of and lacks_all(row.one_of, values) then
        return errors.argument(row.takes, "must have at least one of "
            .. table.concat(row.one_of, ", "))
    end
end

-- All that is spread over several requests, in the row's order: { entry of the list, its id }.
local function entries_of(row, values)
    local entries, limit, list = {}, nil, nil
    for _, part in ipairs(row.body) do
        if part.max_items then
            limit, list = part.max_items, part.wire or "TrackActions"
            for _, id in ipairs(list_of(values[part.name])) do
                local entry = part.action and { Id = id, Action = part.action } or id
                entries[#entries + 1] = { entry = entry, id = id }
            end
        end
    end
    return entries, limit, list
end

-- Members that every request has (`insert_before` says where all of them go), and those of the
-- first alone.
local function members_of(row, values)
    local all, first = {}, {}
    for _, part in ipairs(row.body) do
        local value = values[part.name]
        if value == nil then
            value = part.default
        end
        if value ~= nil and part.seed then
            first.Seeds = { { Id = value, Type = part.seed } }
        elseif value ~= nil and part.wire and not part.max_items then
            local target = (part.required or part.needs) and all or first
            target[part.wire] = value
        end
    end
    return all, first
end

local function chunk(entries, from, to, list)
    local body, ids = {}, {}
    for i = from, math.min(to, #entries) do
        ids[#ids + 1] = entries[i].id
    end
    if #ids > 0 then
        body[list] = {}
        for i = 1, #ids do
            body[list][i] = entries[from + i - 1].entry
        end
    end
    return body, ids
end

local function add(body, members)
    for name, value in pairs(members) do
        body[name] = value
    end
    return body
end

--- The bodies of a call.
-- @tparam table row
-- @tparam table values by the names of the row's `body`, of the right types
-- @treturn ?table list of `{ json = table to encode, ids = ids it is about }`, at least one
-- @treturn ?table error of kind "argument"
function M.parts(row, values)
    local err = checked(row, values)
    if err then
        return nil, err
    end
    local all, first = members_of(row, values)
    local entries, limit, list = entries_of(row, values)
    local parts = {}
    for from = 1, math.max(1, #entries), limit or 1 do
        local body, ids = chunk(entries, from, from + (limit or 1) - 1, list)
        if from == 1 or not row.rest then
            add(body, all)
        end
        if from == 1 then
            add(body, first)
        end
        parts[#parts + 1] = { json = body, ids = ids }
    end
    return parts
end

return M

--- Pages: where a list of an answer is, and what continues it.
--
-- An answer remembers the request that it came from, out of sight: `pairs(page)` shows the wire's
-- members only. A list is named by a path, "Tracks" or "Artists.1.Albums" (which is
-- `Artists.Items[1].Albums`), or is the list's table itself.
--
-- @module groove.pages

local errors = require("groove.errors")

local M = {}

-- By page: { plan, path, lists, parts, seen, depth }. `lists` finds, in a continuation, the list by
-- the name under which it was asked for; `parts` says which request an item of a merged answer came
-- from; for `seen` and `depth` see `is_circle`.
local records = setmetatable({}, { __mode = "k" })

--- Remembers what an answer came from.
-- @param page anything but a table is not remembered
-- @tparam table plan of `request.plan`
-- @tparam string path of the request, without a query
-- @return page
function M.remember(page, plan, path)
    if type(page) == "table" then
        records[page] = { plan = plan, path = path }
    end
    return page
end

--- Remembers what a request was built of: as its metatable, which costs less than an entry in a
-- weak table, and a request is no answer, whose members a program may go through.
-- @tparam table built
-- @tparam table plan
-- @treturn table built
function M.sign(built, plan)
    return setmetatable(built, plan)
end

--- The plan that a request was built of.
-- @tparam table built
-- @treturn ?table
function M.plan_of(built)
    local plan = getmetatable(built)
    return type(plan) == "table" and rawget(plan, "target") and plan or nil
end

--- What is remembered of an answer.
-- @tparam table page
-- @treturn ?table
function M.record(page)
    return records[page]
end

local function step(value, name)
    if type(value) ~= "table" then
        return nil
    end
    local index = tonumber(name)
    if not index then
        return value[name]
    elseif type(value.Items) == "table" then
        return value.Items[index]
    end
    return value[index]
end

local function follow(page, path)
    local value = page
    for name in path:gmatch("[^.]+") do
        value = step(value, name)
    end
    return type(value) == "table" and value or nil
end

-- The keys that lead from a value to a list, nil if none do.
local function trail(value, list, keys)
    if value == list then
        return keys
    end
    for key, member in pairs(value) do
        if type(member) == "table" then
            keys[#keys + 1] = key
            if trail(member, list, keys) then
                return keys
            end
            keys[#keys] = nil
        end
    end
    return nil
end

--- The list that a name stands for.
-- @tparam table page
-- @tparam string|table name
-- @treturn ?table
function M.find(page, name)
    local record = records[page]
    local alias = record and record.lists and record.lists[name]
    if alias then
        return alias
    elseif type(name) == "table" then
        return trail(page, name, {}) and name
    end
    return follow(page, name)
end

--- The items of a list.
-- @tparam ?table list
-- @treturn table perhaps empty
function M.items(list)
    if type(list) ~= "table" then
        return {}
    elseif type(list.Items) == "table" then
        return list.Items
    end
    return #list > 0 and list or {}
end

-- Of an array in a continuation, the element that corresponds to one of the first answer: the nulls
-- around it are gone, so its index says little. `same` is the element of the first answer.
local function counterpart(array, index, same)
    for _, element in ipairs(array) do
        if type(element) == "table" and type(same) == "table" and element.Id == same.Id then
            return element
        end
    end
    return #array == 1 and array[1] or array[index]
end

local function descend(page, keys, continuation)
    local old, new = page, continuation
    for _, key in ipairs(keys) do
        if type(new) ~= "table" then
            return nil
        end
        if type(key) == "number" then
            new = counterpart(new, key, old[key])
        else
            new = new[key]
        end
        old = old[key]
    end
    return type(new) == "table" and new or nil
end

-- Which request's path continues a list: of a merged answer, that of the list's top-level item.
local function path_of(page, record, keys)
    local value = page
    for _, key in ipairs(keys) do
        value = value[key]
        local path = record.parts and record.parts[value]
        if path then
            return path
        end
    end
    return record.path
end

--- What continues a list.
-- @tparam table page
-- @tparam string|table name of the list
-- @treturn ?table `{ page, name, list, keys, plan, path, token }`, nil at the end of the list
-- @treturn ?table error
function M.next(page, name)
    local list = M.find(page, name)
    local token = list and list.ContinuationToken
    if type(token) ~= "string" or token == "" then
        return nil
    end
    local record, keys = records[page], trail(page, list, {})
    local path = record and path_of(page, record, keys)
    if not path then
        return nil, errors.argument("page", "is no answer that knows its request")
    end
    return {
        page = page,
        name = name,
        list = list,
        keys = keys,
        plan = record.plan,
        path = path,
        token = token,
    }
end

-- Whether a list's token has led here before: then the service goes round in a circle. `seen` has,
-- by token, how many continuations lie before the page that it led to; that the same page is
-- continued twice is no circle.
local function is_circle(from, to, token, next_token)
    to.seen = from.seen or {}
    to.depth = (from.depth or 0) + 1
    from.seen = to.seen
    to.seen[token] = to.depth
    return next_token ~= nil and (to.seen[next_token] or math.huge) <= to.depth
end

--- Makes the answer to a continuation a page of its own, in which the list is found by the name
-- that it had in the first one.
-- @tparam table continuation of `pages.next`
-- @param page the answer
-- @treturn ?table page
-- @treturn ?table error where the service goes round in a circle
function M.adopt(continuation, page)
    if type(page) ~= "table" then
        return nil, errors.transport("invalid_response", "the answer holds no list", false)
    end
    M.remember(page, continuation.plan, continuation.path)
    local list = descend(continuation.page, continuation.keys, page)
    if list then
        if is_circle(records[continuation.page], records[page], continuation.token,
            list.ContinuationToken) then
            return nil, errors.transport("invalid_response",
                "the service repeats its continuation token", false)
        end
        records[page].lists = { [continuation.name] = list }
    end
    return page
end

local function join_list(merged, name, list, parts, path)
    local target = merged[name]
    if type(target) ~= "table" or type(target.Items) ~= "table" then
        -- None yet, or what an earlier answer has by that name is no list.
        target = { Items = {} }
        merged[name] = target
    end
    for _, item in ipairs(M.items(list)) do
        table.insert(target.Items, item)
        if type(item) == "table" then
            parts[item] = path
        end
    end
    if type(list.TotalItemCount) == "number" then
        target.TotalItemCount = (target.TotalItemCount or 0) + list.TotalItemCount
    end
end

--- Adds one answer to the answers of a call that had to be split: lists are joined in the order of
-- the requests, other members are those of the first answer that has them, but for `Error`.
-- @tparam ?table merged nil for the first
-- @tparam table page
-- @tparam table plan
-- @tparam string path of the request that `page` answers
-- @treturn table merged
function M.merge(merged, page, plan, path)
    if not merged then
        merged = {}
        records[merged] = { plan = plan, parts = setmetatable({}, { __mode = "k" }) }
    end
    for name, member in pairs(page) do
        if type(member) == "table" and type(member.Items) == "table" then
            join_list(merged, name, member, records[merged].parts, path)
        elseif merged[name] == nil and name ~= "Error" then
            merged[name] = member
        end
    end
    return merged
end

return M

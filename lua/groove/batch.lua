--- Calls of one and of several requests: flows over the parts of a plan, and what their answers
-- make together.
--
-- What goes beyond the service's limits is sent one part after another. Look-ups are put together
-- in the order of the ids, with the `Error` of the first part that has one. Of changes, each id
-- keeps one result `{ InputId, Id, Error }` in the caller's order; where a part fails, the
-- ErrorCode of its ids is the service's, or "UNKNOWN" where the service may have done it, and that
-- of the ids after it is "NOT_SENT".
--
-- @module groove.batch

local core = require("groove.core")
local errors = require("groove.errors")
local pages = require("groove.pages")
local transfer = require("groove.transfer")

local M = {}

-- Makes members findable under their other names, out of sight of `pairs`.
local alias_metatables = {}

local function alias_metatable(aliases)
    local mt = alias_metatables[aliases]
    if not mt then
        local other = {}
        for a, b in pairs(aliases) do
            other[a], other[b] = b, a
        end
        mt = { __index = function(value, name)
            return other[name] and rawget(value, other[name])
        end }
        alias_metatables[aliases] = mt
    end
    return mt
end

--- Gets an answer ready for the program: it remembers its request, and has its aliases.
-- @param value a table, or what is returned as it is
-- @tparam table plan
-- @return value
function M.finish(value, plan)
    local aliases = plan.row.aliases
    if aliases and type(value) == "table" then
        setmetatable(value, alias_metatable(aliases))
    end
    return pages.remember(value, plan, plan.path)
end

local function single(await, client, plan)
    local deadline = core.now() + plan.seconds
    local value, err = transfer.exchange(await, client, plan, plan, deadline)
    return M.finish(value, plan), err
end

-- As the service has it.
local function error_object(code, message)
    return { ErrorCode = code, Description = message }
end

local function looked_up(await, client, plan)
    local deadline = core.now() + plan.seconds
    local merged, failure, object
    for _, part in ipairs(plan.parts) do
        local page, err = transfer.exchange(await, client, plan, part, deadline)
        if page then
            merged = pages.merge(merged, page, plan, part.path)
        end
        -- That some ids are of nothing does not keep the others from being looked up.
        if not page and not err.no_result then
            return merged, err
        end
        if err and not failure then
            failure, object = err, page and page.Error or error_object(err.code, err.message)
        end
    end
    if merged then
        merged.Error = object
    end
    return merged, failure
end

-- --- changes -------------------------------------------------------------------------------------

local function failed(results, ids, code, message)
    for _, id in ipairs(ids) do
        results[#results + 1] = { InputId = id, Error = error_object(code, message) }
    end
end

local function by_input(list)
    local found = {}
    for _, result in ipairs(list) do
        if type(result) == "table" and type(result.InputId) == "string" then
            found[result.InputId:lower()] = result
        end
    end
    return found
end

-- One result for each id. The service answers in the order of the ids; of tracks that were moved it
-- says nothing. Where it speaks of some ids alone, what became of the others is not known.
local function succeeded(results, ids, list)
    local found = #list ~= #ids and by_input(list)
    for i, id in ipairs(ids) do
        local result = found and found[id:lower()] or not found and list[i]
        if result or #list == 0 then
            results[#results + 1] = result or { InputId = id }
        else
            failed(results, { id }, "UNKNOWN", "the service does not say")
        end
    end
end

local function results_in(value, names)
    for _, name in ipairs(names) do
        value = type(value) == "table" and value[name] or nil
    end
    return type(value) == "table" and value or {}
end

local function put(value, names, results)
    for i = 1, #names - 1 do
        if type(value[names[i]]) ~= "table" then
            value[names[i]] = {}
        end
        value = value[names[i]]
    end
    value[names[#names]] = results
end

local function stop(results, plan, at, err, done)
    local code = done and "UNKNOWN" or err.kind == "api" and err.code or "NOT_SENT"
    failed(results, plan.parts[at].ids, code, err.message)
    for i = at + 1, #plan.parts do
        failed(results, plan.parts[i].ids, "NOT_SENT", "an earlier request has failed")
    end
end

-- The answer to one part. Where the first makes something, the others are for that.
local function send_part(await, client, plan, at, first, deadline)
    local part = plan.parts[at]
    if at > 1 and plan.row.rest then
        part.json.Id = results_in(first, { plan.row.results[1] }).Id
        if type(part.json.Id) ~= "string" then
            return nil, errors.transport("invalid_response",
                "the service does not say what it has made", false)
        end
    end
    return transfer.exchange(await, client, plan, part, deadline)
end

local function changed(await, client, plan)
    local deadline, names = core.now() + plan.seconds, plan.row.results
    local results, whole, failure = {}, nil, nil
    for i, part in ipairs(plan.parts) do
        local value, err, done = send_part(await, client, plan, i, whole, deadline)
        if not value and i == 1 and not done then
            return nil, err
        elseif not value then
            stop(results, plan, i, err, done)
            failure = err
            break
        end
        -- What fails for some ids alone does not keep the others from being sent.
        whole, failure = whole or value, failure or err
        succeeded(results, part.ids, results_in(value, names))
    end
    whole = whole or {}
    put(whole, names, results)
    return pages.remember(whole, plan, plan.path), failure
end

--- The flow that carries out a plan.
-- @tparam table plan
-- @treturn function `flow(await, client, plan) -> value, err`
function M.flow(plan)
    if not plan.parts then
        return single
    end
    return plan.row.method == "GET" and looked_up or changed
end

return M

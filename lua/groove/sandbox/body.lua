--- Reads and checks the JSON bodies of requests by the rows of `groove.endpoints`.
--
-- A null counts as absent; unknown members are left alone.
--
-- @module groove.sandbox.body

local params = require("groove.sandbox.params")
local text = require("groove.sandbox.text")

local M = {}

local function failure(code, message, ...)
    return { code = code, message = message and message:format(...) or nil }
end

local function invalid(message, ...)
    return nil, failure("INVALID_INPUT_PARAMETER", message, ...)
end

local function missing(member)
    return failure("MISSING_INPUT_PARAMETER", "Parameter %s is missing", member)
end

-- What the reference has a code of its own for.
local BAD_MEMBER = { Name = "COLLECTION_INVALID_PLAYLIST_INFO" }

local function with_own_code(part, err)
    if err and BAD_MEMBER[part.wire] then
        err.code = BAD_MEMBER[part.wire]
    end
    return err
end

local function is_array(value)
    if type(value) ~= "table" then
        return false
    end
    local count = 0
    for _ in pairs(value) do
        count = count + 1
    end
    return count == #value
end

local function too_many(most)
    return failure("COLLECTION_INVALID_OPERATION",
        "Number of tracks for this operation is limited to %d", most)
end

-- --- members -------------------------------------------------------------------------------------

local READ = {}

function READ.boolean(part, value)
    if type(value) ~= "boolean" then
        return invalid("Parameter %s must be true or false", part.wire)
    end
    return value
end

function READ.string(part, value)
    if type(value) ~= "string" then
        return invalid("Parameter %s must be a string", part.wire)
    end
    return params.check_length(part, value)
end

READ.id = READ.string

function READ.ids(part, value)
    if not is_array(value) then
        return invalid("Parameter %s must be a list", part.wire)
    elseif #value > part.max_items then
        return nil, too_many(part.max_items)
    end
    for _, id in ipairs(value) do
        if type(id) ~= "string" then
            return invalid("Parameter %s must be a list of ids", part.wire)
        end
    end
    return #value > 0 and value or nil
end

local function read_member(part, object, values, null)
    local value, err = object[part.wire], nil
    if value ~= nil and value ~= null then
        value, err = READ[part.type](part, value)
    else
        value = nil
    end
    if not err and value == nil and part.required then
        err = missing(part.wire)
    end
    if not err and value == nil then
        value = part.default
    end
    values[part.name] = value
    return with_own_code(part, err)
end

-- --- actions on tracks ---------------------------------------------------------------------------

local function actions_of(row)
    local allowed, most = {}, nil
    for _, part in ipairs(row.body) do
        if part.action then
            allowed[part.action:lower()] = part.action
            most = part.max_items
        end
    end
    return allowed, most
end

local function read_action(entry, allowed)
    if type(entry) ~= "table" or type(entry.Id) ~= "string" or type(entry.Action) ~= "string" then
        return invalid("Every one of TrackActions must have Id and Action")
    end
    local action = allowed[entry.Action:lower()]
    if not action then
        return nil, failure("COLLECTION_INVALID_OPERATION")
    end
    return { id = entry.Id, action = action }
end

-- Either moves, or what adds and deletes.
local function check_moves(values, actions)
    local moves = 0
    for _, action in ipairs(actions) do
        moves = moves + (action.action == "Move" and 1 or 0)
    end
    if moves > 0 and moves < #actions then
        return failure("COLLECTION_INVALID_PLAYLIST_REORDER",
            "Move cannot go with other actions")
    elseif values.insert_before and moves == 0 then
        return failure("COLLECTION_INVALID_PLAYLIST_REORDER",
            "InsertBeforeTrackId is for Move only")
    end
end

local function read_actions(row, object, values, null)
    local list, allowed, most = object.TrackActions, actions_of(row)
    local actions = {}
    if list == null then
        list = nil
    end
    if list ~= nil and not is_array(list) then
        return failure("INVALID_INPUT_PARAMETER", "Parameter TrackActions must be a list")
    elseif list and #list > most then
        return too_many(most)
    end
    for i, entry in ipairs(list or {}) do
        local err
        actions[i], err = read_action(entry, allowed)
        if err then
            return err
        end
    end
    values.actions = actions
    return check_moves(values, actions)
end

-- --- seeds ---------------------------------------------------------------------------------------

local function read_seed(row, object, values, null)
    local seeds = object.Seeds
    if seeds == nil or seeds == null then
        return missing("Seeds")
    elseif not is_array(seeds) or #seeds ~= 1 or type(seeds[1]) ~= "table" then
        return failure("INVALID_INPUT_PARAMETER", "There must be exactly one seed")
    end
    local seed = seeds[1]
    local kind, id = seed.Type, seed.Id
    for _, part in ipairs(row.body) do
        if type(kind) == "string" and part.seed:lower() == kind:lower() then
            local _, err = READ.string({ wire = "Id", min_length = 1 }, id)
            values[part.name] = id
            return err
        end
    end
    return failure("INVALID_INPUT_PARAMETER", "The seed's Type must be Artist or Genre")
end

-- --- the whole -----------------------------------------------------------------------------------

--- What Content-Type says, in lower case and without parameters; "" where there is none.
function M.media_type(request)
    return (request.headers["content-type"] or ""):lower():match("^%s*([^;%s]*)")
end

local function decoded(request, json)
    local kind = M.media_type(request)
    if kind ~= "" and kind ~= "application/json" then
        return invalid("The body must be application/json")
    end
    local sent = request.body or ""
    local read, object = pcall(json.decode, sent)
    -- An empty list and an empty object look the same once they are decoded. JSON libraries leave
    -- bytes that are no UTF-8 alone, and an answer that repeats them would be no JSON.
    if not read or type(object) ~= "table" or not sent:find("^%s*{") or not text.is_utf8(sent) then
        return invalid("The body must be a JSON object")
    end
    return object
end

local function read_members(row, object, values, null)
    for _, part in ipairs(row.body) do
        local err = part.wire and read_member(part, object, values, null)
        if err then
            return err
        end
    end
end

local function lacks_all(row, values)
    for _, name in ipairs(row.one_of) do
        if values[name] ~= nil then
            return false
        end
    end
    return not values.actions or #values.actions == 0
end

local function has(parts, name)
    for _, part in ipairs(parts) do
        if part[name] then
            return true
        end
    end
    return false
end

--- Reads the body of a request.
-- @param row a row of `groove.endpoints` with a `body`
-- @param request `headers` (lower-case names), `body`
-- @param values of `params.read`; what the body says is added: members by their names in the row,
-- `actions` (list of `{ id, action }`, in their order), the name of the seed
-- @param json `{ decode, null }`
-- @return nil, or `{ code, message }`
function M.read(row, request, values, json)
    local object, err = decoded(request, json)
    if not object then
        return err
    end
    err = read_members(row, object, values, json.null)
    if not err and has(row.body, "action") then
        err = read_actions(row, object, values, json.null)
    end
    if not err and has(row.body, "seed") then
        err = read_seed(row, object, values, json.null)
    end
    if not err and row.one_of and lacks_all(row, values) then
        return failure("MISSING_INPUT_PARAMETER", "There is nothing to do")
    end
    return err
end

return M

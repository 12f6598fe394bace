--- Reads and checks a request's parameters by the rows of `groove.endpoints`.
--
-- The service compares allowed values without case, takes the first of a repeated parameter, and
-- leaves unknown ones alone (`jsonp` among them). What is wrong is said of the path first, from
-- left to right, then of the query, in the row's order.
--
-- @module groove.sandbox.params

local countries = require("groove.sandbox.countries")
local endpoints = require("groove.endpoints")
local text = require("groove.sandbox.text")

local M = {}

-- --- what a 400 says -----------------------------------------------------------------------------

local function failure(code, message, ...)
    return { code = code, message = message:format(...) }
end

local function invalid(message, ...)
    return nil, failure("INVALID_INPUT_PARAMETER", message, ...)
end

-- What the path holds has no name on the wire.
local function label(param)
    return param.wire or param.name
end

-- --- values --------------------------------------------------------------------------------------

--- Whether a text is as long as a row says.
-- @param param `wire`, `min_length`, `max_length` or `letters`, in characters
-- @return the text, or nil and `{ code, message }`
function M.check_length(param, value)
    local _, continuations = value:gsub("[\128-\191]", "")
    local length = #value - continuations
    local least, most = param.letters or param.min_length, param.letters or param.max_length
    if least and length < least then
        return invalid("Parameter %s must have at least %d characters", label(param), least)
    elseif most and length > most then
        return invalid("Parameter %s must have at most %d characters", label(param), most)
    end
    return value
end

-- A value as the row spells it. `values`: what is known of the other parameters.
local function check_choice(param, value, values)
    local allowed = endpoints.allowed(param, values)
    if not allowed then
        return value
    end
    for _, choice in ipairs(allowed) do
        if choice:lower() == value:lower() then
            return choice
        end
    end
    return invalid("Parameter %s has an unknown value", label(param))
end

local function check_letters(param, value)
    if param.letters and value:find("%A") then
        return invalid("Parameter %s must be letters", label(param))
    end
    return value
end

local READ = {}

function READ.string(param, raw, values)
    local value = text.unform(raw)
    if param.name == "country" then
        if not countries[value:upper()] then
            return nil, failure("INVALID_COUNTRY", "Parameter %s is no country", label(param))
        end
        return value
    end
    for _, check in ipairs({ check_choice, check_letters, M.check_length }) do
        local err
        value, err = check(param, value, values)
        if err then
            return nil, err
        end
    end
    return value
end

-- What is beyond stands for very much. Lua's integers would wrap around where a page is multiplied.
local BEYOND = 2 ^ 53

function READ.integer(param, raw)
    local value = raw:match("^%-?%d+$") and tonumber(raw)
    if not value then
        return invalid("Parameter %s must be an integer", label(param))
    end
    value = math.max(-BEYOND, math.min(value, BEYOND))
    if param.min and value < param.min then
        return invalid("Parameter %s must have a value of at least %d", label(param), param.min)
    elseif param.max and value > param.max then
        return invalid("Parameter %s must have a value of at most %d", label(param), param.max)
    end
    return value
end

-- A literal "+" separates the values of a list; it is no space there.
function READ.list(param, raw, values)
    local list = text.split(text.unescape(raw), "+")
    if #list == 0 then
        return invalid("Parameter %s has no value", label(param))
    end
    for i, value in ipairs(list) do
        local err
        list[i], err = check_choice(param, value, values)
        if err then
            return nil, err
        end
    end
    return list
end

-- --- ids -----------------------------------------------------------------------------------------

-- "music.amg" is in answers only.
local SPACES = {
    playlist = true, playlistforyou = true, radio = true, isrc = true, icpn = true, onedrive = true,
}

local function is_id(id)
    if id:find("^music%.[%w_-]+$") then
        return true
    end
    local space = id:match("^music%.(%l+)%.[%w!._-]+$")
    return SPACES[space or ""] or false
end

function READ.id(param, raw)
    local id = text.unescape(raw)
    -- The id of a session is no id of content, and says nothing to anybody but its maker.
    if not param.session and not is_id(id) then
        return invalid("Invalid id")
    end
    return id
end

function READ.ids(param, raw)
    local joined = text.unescape(raw)
    local _, err = M.check_length(param, joined)
    if err then
        return nil, err
    end
    local ids = text.split(joined, "+")
    for _, id in ipairs(ids) do
        if not is_id(id) then
            return invalid("Invalid id")
        end
    end
    if #ids == 0 then
        return invalid("Invalid id")
    end
    return ids
end

-- --- one parameter with others -------------------------------------------------------------------

local function incompatible(param, other)
    return failure("INCOMPATIBLE_INPUT_PARAMETERS", "Parameters %s and %s cannot go together",
        label(param), other)
end

local function is_missing(param, values)
    local excuse = param.required_unless
    return values[param.name] == nil and (param.required or excuse and values[excuse] == nil)
end

local function rival(param, values)
    for _, name in ipairs(param.exclusive or {}) do
        if values[name] ~= nil then
            return name
        end
    end
    local only = param.only_with
    return only and values[only[1]] ~= only[2] and only[1] or nil
end

-- To continue, the same address is asked for without its optional parameters. What the answer is
-- written in is none of the list's.
local function is_superfluous(param, values)
    return values.continuation_token and not param.required
        and param.name ~= "continuation_token" and param.name ~= "format"
end

local function check_company(param, values)
    if is_missing(param, values) then
        return failure("MISSING_INPUT_PARAMETER", "Parameter %s is missing", label(param))
    elseif values[param.name] == nil then
        return nil
    elseif is_superfluous(param, values) then
        return incompatible(param, "continuationToken")
    end
    local other = rival(param, values)
    return other and incompatible(param, other)
end

-- --- a request -----------------------------------------------------------------------------------

local function read_into(values, param, raw)
    local value, err = READ[param.type](param, raw, values)
    values[param.name] = value
    return err
end

local function read_path(values, row, segments)
    for name in row.path:gmatch("{([%w_]+)}") do
        local segment = row.segments and row.segments[name]
        local err = segment and read_into(values, segment, segments[name])
        if err then
            return err
        end
    end
end

local function each(lists, action)
    for _, list in ipairs(lists) do
        for _, param in ipairs(list) do
            local err = action(param)
            if err then
                return err
            end
        end
    end
end

--- Reads the parameters of a request.
-- @param row a row of `groove.endpoints`
-- @param common the parameters common to all
-- @param segments table of path placeholders to undecoded text
-- @param raw table of names to undecoded values of the query
-- @return values by the names of the row; choices are spelled as the row spells them; or nil and
-- `{ code, message }`
function M.read(row, common, segments, raw)
    local values, lists = {}, { row.params, common }
    local err = read_path(values, row, segments)
        or each(lists, function(param)
            local given = raw[param.wire]
            return given and given ~= "" and read_into(values, param, given) or nil
        end)
        or each(lists, function(param)
            return check_company(param, values)
        end)
    if err then
        return nil, err
    end
    return values
end

return M

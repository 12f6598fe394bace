--- Reads and checks a request's parameters by the rows of `groove.endpoints`.
--
-- The service compares allowed values without case, takes the first of a repeated parameter, and
-- leaves unknown ones alone.
--
-- @module groove.sandbox.params

local text = require("groove.sandbox.text")

local M = {}

-- What a 400 says: code and message. The wording of `max` is the service's own.
local function invalid(message, ...)
    return nil, { code = "INVALID_INPUT_PARAMETER", message = message:format(...) }
end

local function missing(name)
    return {
        code = "MISSING_INPUT_PARAMETER", message = ("Parameter %s is missing"):format(name),
    }
end

local function contains(values, value)
    for i = 1, #values do
        if values[i] == value then
            return true
        end
    end
    return false
end

local function check_length(param, value)
    local length = #value:gsub("[\128-\191]", "")
    local least, most = param.letters or param.min_length, param.letters or param.max_length
    local name = param.wire or param.name
    if least and length < least then
        return invalid("Parameter %s must have at least %d characters", name, least)
    elseif most and length > most then
        return invalid("Parameter %s must have at most %d characters", name, most)
    end
    return value
end

local READ = {}

function READ.string(param, raw)
    local value = text.unform(raw)
    if param.values then
        value = value:lower()
        if not contains(param.values, value) then
            return invalid("Parameter %s has an unknown value", param.wire)
        end
    elseif param.letters and value:find("%A") then
        return invalid("Parameter %s must be letters", param.wire)
    end
    return check_length(param, value)
end

function READ.integer(param, raw)
    local value = raw:match("^%-?%d+$") and tonumber(raw)
    if not value then
        return invalid("Parameter %s must be an integer", param.wire)
    elseif param.min and value < param.min then
        return invalid("Parameter %s must have a value of at least %d", param.wire, param.min)
    elseif param.max and value > param.max then
        return invalid("Parameter %s must have a value of at most %d", param.wire, param.max)
    end
    return value
end

-- A literal "+" separates the values of a list; it is no space there.
function READ.list(param, raw)
    local values = text.split(text.unescape(raw):lower(), "+")
    for _, value in ipairs(values) do
        if param.values and not contains(param.values, value) then
            return invalid("Parameter %s has an unknown value", param.wire)
        end
    end
    return values
end

function READ.id(_, raw)
    local id = text.unescape(raw)
    if not id:find("^music%.[%w%.%-_]+$") then
        return invalid("Invalid id")
    end
    return id
end

function READ.ids(param, raw)
    local joined = text.unescape(raw)
    local _, err = check_length(param, joined)
    if err then
        return nil, err
    end
    local ids = text.split(joined, "+")
    for _, id in ipairs(ids) do
        if not READ.id(param, id) then
            return invalid("Invalid id")
        end
    end
    return ids
end

local function read_into(values, param, raw)
    local value, err = READ[param.type](param, raw)
    if err then
        return err
    end
    values[param.name] = value
end

local function find_missing(params, values)
    for _, param in ipairs(params) do
        local excused = param.required_unless and values[param.required_unless] ~= nil
        local wanted = param.required or (param.required_unless and not excused)
        if wanted and values[param.name] == nil then
            return missing(param.wire)
        end
        local other = param.exclusive
        if other and values[param.name] ~= nil and values[other] ~= nil then
            return {
                code = "INCOMPATIBLE_INPUT_PARAMETERS",
                message = ("Parameters %s and %s exclude each other"):format(param.name, other),
            }
        end
    end
end

-- To continue, the same address without the optional parameters is asked for.
local function find_superfluous(params, values)
    for _, param in ipairs(params) do
        if values.continuation_token and values[param.name] ~= nil and not param.required then
            return {
                code = "INCOMPATIBLE_INPUT_PARAMETERS",
                message = ("Parameter %s cannot go with continuationToken"):format(param.wire),
            }
        end
    end
end

local function read_all(values, params, raw)
    for _, param in ipairs(params) do
        local given = raw[param.wire]
        local err = given and given ~= "" and read_into(values, param, given)
        if err then
            return err
        end
    end
end

--- Reads the parameters of a request.
-- @param row a row of `groove.endpoints`
-- @param common the parameters common to all
-- @param segments table of path placeholders to undecoded text
-- @param raw table of names to undecoded values of the query
-- @return values by the names of the row, or nil and `{ code, message }`
function M.read(row, common, segments, raw)
    local values = {}
    for name, segment in pairs(row.segments or {}) do
        local err = read_into(values, segment, segments[name])
        if err then
            return nil, err
        end
    end
    local err = read_all(values, row.params, raw) or read_all(values, common, raw)
        or find_missing(row.params, values) or find_superfluous(row.params, values)
    if err then
        return nil, err
    end
    return values
end

return M

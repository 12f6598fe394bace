--- Values as they stand in a URL, and the checks of what the service would refuse.
--
-- `encode.encoder(parameter)` makes a function of a parameter's row (`groove.endpoints`):
-- `encode(value, others) -> text`, or nil and what is allowed.
--
-- @module groove.encode

local endpoints = require("groove.endpoints")

local M = {}

local HEX, QUERY_HEX = {}, {}
for byte = 0, 255 do
    local char = string.char(byte)
    HEX[char] = string.format("%%%02X", byte)
    QUERY_HEX[char] = char == " " and "+" or HEX[char]
end

local RESERVED = "[^A-Za-z0-9%-._~]"

--- Percent-encodes all but the unreserved characters (RFC 3986, 2.3).
-- @tparam string text
-- @treturn string
function M.escape(text)
    if not text:find(RESERVED) then
        return text
    end
    return (text:gsub(RESERVED, HEX))
end

--- The same for a value in a query, where a space is a "+".
-- @tparam string text
-- @treturn string
function M.escape_query(text)
    if not text:find(RESERVED) then
        return text
    end
    return (text:gsub(RESERVED, QUERY_HEX))
end

local function unhex(digits)
    return string.char(tonumber(digits, 16))
end

--- Decodes `%xx`.
-- @tparam string text
-- @treturn string
function M.unescape(text)
    return (text:gsub("%%(%x%x)", unhex))
end

--- What is wrong with an id, wherever it goes.
-- @tparam string id
-- @treturn ?string
function M.bad_id(id)
    if id == "" then
        return "must not be empty"
    elseif id:find("%c") then
        return "must not have control characters"
    end
end

--- An id as a segment of a path.
-- @tparam string id
-- @treturn ?string
-- @treturn ?string what is wrong with it
function M.segment(id)
    if not id:find(RESERVED) and id:find("[^.]") then
        return id
    elseif id == "." or id == ".." then
        return nil, "must not be '.' or '..'"
    end
    local problem = M.bad_id(id)
    if problem then
        return nil, problem
    end
    return M.escape(id)
end

-- Characters of a UTF-8 text; of any other text, its bytes but the continuations.
local function characters(text)
    local _, continuations = text:gsub("[\128-\191]", "")
    return #text - continuations
end

-- The values of a list, also in lower case, as a set; made once for each list.
local sets = setmetatable({}, { __mode = "k" })

local function set_of(values)
    local set = sets[values]
    if not set then
        set = {}
        for _, value in ipairs(values) do
            set[value], set[value:lower()] = true, true
        end
        sets[values] = set
    end
    return set
end

-- "must be one of a, b (source collection, type tracks)".
local function choice_text(parameter, values, others)
    local by, here = parameter.values_by, {}
    for i, name in ipairs(by and by.by or {}) do
        here[i] = name .. " " .. (others[name] or "")
    end
    local where = #here > 0 and " (" .. table.concat(here, ", ") .. ")" or ""
    if #values == 0 then
        return "must not be given here" .. where
    end
    return "must be one of " .. table.concat(values, ", ") .. where
end

local function choice_encoder(parameter)
    local fixed = parameter.values and set_of(parameter.values)
    return function(value, others)
        local set = fixed or set_of(endpoints.allowed(parameter, others))
        if not set[value] and not set[value:lower()] then
            return nil, choice_text(parameter, endpoints.allowed(parameter, others), others)
        end
        return value
    end
end

-- Whether a value, or each of a list, is spelled as in a set. It nearly always is, and what takes a
-- text apart costs more than all the rest.
local function are_of(value, allowed)
    if type(value) == "string" then
        return allowed[value]
    end
    for i = 1, #value do
        if not allowed[value[i]] then
            return false
        end
    end
    return #value > 0
end

local function list_encoder(parameter)
    local allowed = set_of(parameter.values)
    local text = "must be of " .. table.concat(parameter.values, ", ")
    return function(value)
        local joined = type(value) == "table" and table.concat(value, "+") or value
        if are_of(value, allowed) then
            return joined
        end
        local items = {}
        for item in joined:gmatch("[^+]+") do
            if not allowed[item:lower()] then
                return nil, text
            end
            items[#items + 1] = item
        end
        if #items == 0 then
            return nil, text
        end
        return table.concat(items, "+")
    end
end

-- Of the numbers that are asked for, most are these.
local DIGITS = {}
for i = 0, 100 do
    DIGITS[i] = string.format("%d", i)
end

local function integer_encoder(parameter)
    local min, max = parameter.min, parameter.max
    local text = max and "must be from " .. min .. " to " .. max
        or "must be at least " .. min .. ", and below 2^53"
    -- From there on a double is no exact integer, and no page either.
    local beyond = max and max + 1 or 2 ^ 53
    return function(value)
        if value < min or value >= beyond then
            return nil, text
        end
        return DIGITS[value] or string.format("%d", value)
    end
end

local function letters_encoder(parameter)
    local pattern = "^" .. ("%a"):rep(parameter.letters) .. "$"
    local text = "must be " .. parameter.letters .. " letters"
    return function(value)
        if not value:find(pattern) then
            return nil, text
        end
        return value
    end
end

--- What is wrong with the length of a text.
-- @tparam table parameter with `min_length`, `max_length` (characters)
-- @tparam string value
-- @treturn ?string
function M.bad_length(parameter, value)
    local min, max = parameter.min_length or 0, parameter.max_length or math.huge
    if #value < min or #value > max and characters(value) > max
        or min > 1 and characters(value) < min then
        return max < math.huge and "must have " .. min .. " to " .. max .. " characters"
            or "must not be empty"
    end
end

local function text_encoder(parameter)
    return function(value)
        local problem = M.bad_length(parameter, value)
        if problem then
            return nil, problem
        end
        return M.escape_query(value)
    end
end

--- How a parameter's values are checked and written.
-- @tparam table parameter
-- @treturn function
function M.encoder(parameter)
    if parameter.type == "id" then
        return M.segment
    elseif parameter.type == "integer" then
        return integer_encoder(parameter)
    elseif parameter.type == "list" then
        return list_encoder(parameter)
    elseif parameter.values or parameter.values_by then
        return choice_encoder(parameter)
    elseif parameter.letters then
        return letters_encoder(parameter)
    end
    return text_encoder(parameter)
end

--- Whether a value says anything: an empty list does not.
-- @param value
-- @treturn boolean
function M.is_given(value)
    return value ~= nil and (type(value) ~= "table" or value[1] ~= nil)
end

--- Why a parameter cannot go together with the others.
-- @tparam table parameter with `exclusive`, `only_with`, `needs`
-- @tparam table values all that was given, by name
-- @treturn ?string
function M.conflict(parameter, values)
    for _, other in ipairs(parameter.exclusive or {}) do
        if M.is_given(values[other]) then
            return "cannot be given together with " .. other .. "; only one of them"
        end
    end
    local only = parameter.only_with
    if only and (values[only[1]] or only[2]):lower() ~= only[2] then
        return "can be given only with " .. only[1] .. " " .. only[2]
    elseif parameter.needs and not M.is_given(values[parameter.needs]) then
        return "can be given only together with " .. parameter.needs
    end
end

return M

--- Checks of arguments: what is wrong with a type or a name raises, at the line of the program that
-- called the module.
--
-- A set of options is one list of descriptors `{ name, type, default, doc, ... }`; `check.index`
-- makes it searchable. No message shows a value: it could be a secret.
--
-- @module groove.check

local M = {}

-- Hosts may leave the library out; then messages name no line.
local getinfo = debug and debug.getinfo
local INTERNAL = getinfo and getinfo(1, "S").source:gsub("check%.lua$", "")

-- The position of the nearest frame outside this module's files, whatever number of proxies, C
-- functions and tail calls lies between.
local function position()
    local level = 3
    while true do
        local info = getinfo and getinfo(level, "Sl")
        if not info then
            return ""
        end
        if info.currentline > 0 and info.source:sub(1, #INTERNAL) ~= INTERNAL then
            return info.short_src .. ":" .. info.currentline .. ": "
        end
        level = level + 1
    end
end

--- Raises an error at the caller's line.
-- @tparam string text what is wrong, "client:search: max_items must be an integer"
function M.fail(text)
    error(position() .. text, 0)
end

local function is_list(value)
    if type(value) == "string" then
        return true
    elseif type(value) ~= "table" then
        return false
    end
    for i = 1, #value do
        if type(value[i]) ~= "string" then
            return false
        end
    end
    return true
end

local function is_dictionary(value)
    if type(value) ~= "table" then
        return false
    end
    for k, v in pairs(value) do
        if type(k) ~= "string" or type(v) ~= "string" then
            return false
        end
    end
    return true
end

local function is_number(value)
    return type(value) == "number" and value == value
end

local function is_integer(value)
    return is_number(value) and value % 1 == 0
end

local function is_wait(value)
    return is_number(value) and value >= 0
end

local function is_seconds(value)
    return is_number(value) and value > 0 and value < math.huge
end

local function is_json(value)
    return type(value) == "table" and type(value.decode) == "function"
        and type(value.encode) == "function"
end

-- Types: how to recognise one, how to call it.
local TYPES = {
    string = { "a string" },
    boolean = { "a boolean" },
    ["function"] = { "a function" },
    table = { "a table" },
    number = { "a number", is_number },
    integer = { "an integer", is_integer },
    seconds = { "a positive number of seconds", is_seconds },
    wait = { "a number of seconds, not negative", is_wait },
    list = { "a string or a list of strings", is_list },
    id = { "a string" , function(v) return type(v) == "string" end },
    ids = { "a string or a list of strings", is_list },
    strings = { "a table of strings by name", is_dictionary },
    json = { "a table of decode, encode and null", is_json },
    any = { "a value", function() return true end },
}

--- Adds a type.
-- @tparam string name
-- @tparam string text how a message calls it, "a source"
-- @tparam function test `test(value) -> boolean`
function M.add_type(name, text, test)
    TYPES[name] = { text, test }
end

--- Whether a value is of a type.
-- @tparam string kind
-- @param value
-- @treturn boolean
function M.is(kind, value)
    local test = TYPES[kind][2]
    if test then
        return test(value)
    end
    return type(value) == kind
end

local function described(value)
    return value ~= value and "NaN" or type(value)
end

--- Raises unless an argument is of its type.
-- @tparam string where the function's name in messages, "client:search"
-- @tparam string name the argument's
-- @tparam string kind a type's name
-- @param value
-- @tparam[opt] boolean optional whether nil will do
function M.argument(where, name, kind, value, optional)
    if value == nil and optional or M.is(kind, value) then
        return
    end
    M.fail(where .. ": " .. name .. " must be " .. TYPES[kind][1] .. ", got " .. described(value))
end

--- A searchable set of options.
-- @tparam table ... lists of descriptors
-- @treturn table descriptors by name
function M.index(...)
    local index = {}
    for _, list in ipairs({ ... }) do
        for _, descriptor in ipairs(list) do
            index[descriptor.name] = descriptor
        end
    end
    return index
end

local EMPTY = {}

local function choice(where, descriptor, value)
    for _, allowed in ipairs(descriptor.choices) do
        if value == allowed then
            return
        end
    end
    M.fail(where .. ": " .. descriptor.name .. " must be one of " ..
        table.concat(descriptor.choices, ", "))
end

--- Raises unless a table of options has known names and right types only.
-- @tparam string where
-- @tparam table index of `check.index`
-- @tparam ?table options never changed
-- @tparam[opt] table into where they are put, too
-- @treturn table the options, or an empty table
function M.options(where, index, options, into)
    if options == nil then
        return EMPTY
    elseif type(options) ~= "table" then
        M.fail(where .. ": options must be a table, got " .. type(options))
    end
    for name, value in pairs(options) do
        local descriptor = index[name]
        if not descriptor then
            M.fail(where .. ": unknown option '" .. tostring(name) .. "'")
        end
        local kind = descriptor.type
        local test = TYPES[kind][2]
        if test and not test(value) or not test and type(value) ~= kind then
            M.argument(where, name, descriptor.type, value)
        elseif descriptor.choices then
            choice(where, descriptor, value)
        end
        if into then
            into[name] = value
        end
    end
    return options
end

--- Whether a text may stand in a header: no CR, LF, NUL or other control character.
-- @tparam string text
-- @treturn boolean
function M.header_safe(text)
    return not text:find("[%z\1-\8\10-\31\127]")
end

--- Whether a text may be a header's name (RFC 9110, 5.6.2).
-- @tparam string text
-- @treturn boolean
function M.header_name(text)
    return text:find("^[A-Za-z0-9!#$%%&'*+%-.^_`|~]+$") ~= nil
end

--- What makes a set of headers unfit to be sent.
-- @tparam table headers strings by name
-- @treturn ?string what is wrong, nil if nothing; never a value
function M.bad_header(headers)
    for name, value in pairs(headers) do
        if not M.header_name(name) then
            return "has a name that is no header's name"
        elseif not M.header_safe(value) then
            return "'" .. name .. "' has a line break or another control character"
        end
    end
    return nil
end

return M

-- Options, parameters and fields as LDoc's tags.

local M = {}

local STRINGS = "string|{string,...}"

-- What LDoc is to show for the types of `groove.check`.
local TYPES = {
    list = STRINGS, ids = STRINGS, id = "string", strings = "table", json = "table",
    seconds = "number", wait = "number", user_token = "string|function|source|false",
    lifetime = "number|string|false", catalogue = "integer", count = "integer",
    status = "integer", delay = "number", body = "string|integer", close = "true|integer",
    retry_after = "number|string",
}

local function mentions_all(text, names)
    for _, name in ipairs(names) do
        if not text:find(name, 1, true) then
            return false
        end
    end
    return true
end

local function listed(names, word)
    return table.concat(names, ", "):gsub(", ([^,]*)$", " " .. word .. " %1")
end

-- What the checks demand and the words do not say.
local function rules(descriptor)
    local doc, out = descriptor.doc, {}
    local values = descriptor.choices or descriptor.values
    if values and not mentions_all(doc, values) then
        local head = descriptor.type == "list" and "Of these: " or "One of "
        out[#out + 1] = head .. '"' .. table.concat(values, '", "') .. '".'
    end
    if descriptor.required_unless then
        out[#out + 1] = "Required, except together with `" .. descriptor.required_unless .. "`."
    end
    if descriptor.exclusive and not mentions_all(doc, descriptor.exclusive) then
        out[#out + 1] = "Not together with " .. listed(descriptor.exclusive, "or") .. "."
    end
    local only = descriptor.only_with
    if only and not mentions_all(doc, only) then
        out[#out + 1] = ("Only with %s \"%s\"."):format(only[1], only[2])
    end
    return out
end

local function is_needed(descriptor)
    return descriptor.required and not descriptor.default_from
        or descriptor.required_unless ~= nil
end

-- LDoc shows a default in brackets; where the words have it, once is enough.
local function optional(descriptor)
    if is_needed(descriptor) then
        return ""
    elseif descriptor.default ~= nil and not descriptor.doc:find("Default", 1, true) then
        return "[opt=" .. tostring(descriptor.default) .. "]"
    end
    return "[opt]"
end

--- One tag.
-- @tparam string tag "tparam" or "tfield"
-- @tparam table descriptor
-- @tparam ?string of the table whose field it is
-- @tparam ?boolean needed whatever the descriptor says
function M.tag(tag, descriptor, of, needed)
    local words = rules(descriptor)
    table.insert(words, 1, descriptor.doc)
    return ("@%s%s %s %s%s %s"):format(tag, needed and "" or optional(descriptor),
        TYPES[descriptor.type] or descriptor.type, of and of .. "." or "", descriptor.name,
        table.concat(words, " "))
end

--- Tags of a list of descriptors, in its order.
function M.tags(tag, list, of)
    local lines = {}
    for _, descriptor in ipairs(list) do
        if descriptor.name:sub(1, 1) ~= "_" then
            lines[#lines + 1] = M.tag(tag, descriptor, of)
        end
    end
    return lines
end

return M

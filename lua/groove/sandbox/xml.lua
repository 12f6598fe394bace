--- Answers as XML, where a request asks for them (`contentType=xml` or the Accept header).
--
-- @module groove.sandbox.xml

local M = {}

local NAMES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

-- What the elements of a list are called.
local ELEMENTS = { Artists = "Artist", Albums = "Album", Tracks = "Track", Playlists = "Playlist" }

local function escape(value)
    return (tostring(value):gsub('[&<>"]', NAMES))
end

local function keys_of(object)
    local keys = {}
    for key in pairs(object) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

local function write(out, name, value, null, element)
    if value == null then
        return
    end
    out[#out + 1] = "<" .. name .. ">"
    if type(value) ~= "table" then
        out[#out + 1] = escape(value)
    elseif #value > 0 then
        for _, item in ipairs(value) do
            write(out, type(item) == "table" and element or "string", item, null)
        end
    else
        for _, key in ipairs(keys_of(value)) do
            local of_items = key == "Items" and element or ELEMENTS[key] or "Item"
            -- "music.isrc" and the like are no element's names
            write(out, (key:gsub("%.", "_")), value[key], null, of_items)
        end
    end
    out[#out + 1] = "</" .. name .. ">"
end

--- Writes an object.
-- @param name of the root element
-- @param object tables, strings, numbers, booleans, `null`
-- @param null left out
function M.write(name, object, null)
    local out = { '<?xml version="1.0" encoding="utf-8"?>' }
    write(out, name, object, null)
    return table.concat(out)
end

return M

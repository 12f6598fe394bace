--- Answers as XML, where a request asks for them (`contentType=xml` or the Accept header).
--
-- @module groove.sandbox.xml

local M = {}

local NAMES = {
    ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
    ["\t"] = "&#9;", ["\n"] = "&#10;", ["\r"] = "&#13;",
}

-- Other control characters cannot be in XML, not even as references.
local REPLACEMENT = "\239\191\189"

-- What the elements of a list are called: of one in pages, and of a plain one.
local ELEMENTS = {
    Artists = "Artist", Albums = "Album", Tracks = "Track", Playlists = "Playlist",
    TopTracks = "Track", RelatedArtists = "Artist", Results = "ContentItem", Radios = "Radio",
}
local PLAIN_ELEMENTS = {
    Artists = "Contributor", Tracks = "Track", Genres = "Genre", Subgenres = "Subgenre",
    Rights = "Right", CatalogGenres = "Genre", CatalogMoods = "Mood",
    CatalogActivities = "Activity", TrackActionResults = "TrackActionResult",
}

local function escape_character(character)
    return NAMES[character] or REPLACEMENT
end

local function text_of(value)
    if type(value) == "number" and value == math.floor(value) then
        -- not "2.0", which some Luas would have
        return ("%.0f"):format(value)
    end
    return (tostring(value):gsub('[&<>"%c]', escape_character))
end

local function keys_of(object)
    local keys = {}
    for key in pairs(object) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

local write

local function write_members(out, object, null, element)
    for _, key in ipairs(keys_of(object)) do
        if key == "Items" then
            write(out, key, object[key], null, element)
        else
            write(out, key, object[key], null, ELEMENTS[key], PLAIN_ELEMENTS[key])
        end
    end
end

-- `element`: what an element is called of the list within `value`; `plain`: of the list that
-- `value` is.
write = function(out, name, value, null, element, plain)
    if value == null then
        return
    end
    out[#out + 1] = "<" .. name .. ">"
    if type(value) ~= "table" then
        out[#out + 1] = text_of(value)
    elseif #value > 0 then
        for _, item in ipairs(value) do
            write(out, plain or element or "Item", item, null)
        end
    else
        write_members(out, value, null, element)
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

-- Tables of what the service and the module return, from the comments of types/.

local comments = require("tools.reference.comments")
local types = require("tools.reference.types")

local M = {}

local declared = types.read()

--- Objects of the service, in the order in which they are shown.
M.service = {
    "ContentResponse", "Content", "Artist", "Album", "Track", "Playlist", "Radio", "Contributor",
    "Genre", "Mood", "Activity", "ContentItem", "List", "StreamResponse", "RadioResponse",
    "UserProfileResponse", "CollectionState", "SubscriptionState", "TrackActionResponse",
    "TrackActionResult", "PlaylistActionResponse", "PlaylistActionResult", "ServiceError",
}

--- What the module makes itself.
M.own = { "Event", "Info", "Request", "Response" }

-- groove.TrackList -> what its Items are: {Track,...} within a List.
local function list_of(name)
    local class = declared.classes["groove." .. name]
    local items = class and class.fields.Items
    return items and name ~= "List" and items.type:match("^groove%.(%w+)%[%]$")
end

local function literals(text)
    local found = {}
    for literal in text:gmatch('"[^"]*"') do
        found[#found + 1] = literal
    end
    return table.concat(found, ", ")
end

-- A field's type as LDoc has it, and what has to be said besides.
local function shown_type(text)
    text = types.plain(declared, text)
    if text:find('"', 1, true) then
        return "string", literals(text)
    elseif text:find("^table<") then
        return "table"
    elseif text:find("^fun%(") then
        return "function"
    end
    local item = text:match("^groove%.(%w+)$")
    item = item and list_of(item)
    if item then
        return "List", "of `" .. item .. "`"
    end
    text = text:gsub("groove%.Error", "errors.err"):gsub("groove%.(%u%w+)", "%1")
    text = text:gsub("groove%.", ""):gsub("^(%w+)%[%]$", "{%1,...}")
    return text
end

local function field_line(name, field)
    local kind, more = shown_type(field.type)
    local words = {}
    for _, text in ipairs({ more or "", field.text }) do
        words[#words + 1] = text ~= "" and text or nil
    end
    return ("@tfield%s %s %s %s"):format(field.optional and "[opt]" or "", kind, name,
        table.concat(words, "; "))
end

--- The comment of a class.
-- @tparam string name "Track"
-- @tparam ?string shown another name for it
-- @treturn string Lua text
function M.comment(name, shown)
    local class = declared.classes["groove." .. name]
    local lines = { class.text or "", "@table " .. (shown or name) }
    local parent = class.parents[1]
    if parent then
        parent = parent:gsub("groove%.", "")
        table.insert(lines, 2, "It has the members of `" .. parent .. "`, too.")
    end
    for _, field in ipairs(class.order) do
        lines[#lines + 1] = field_line(field, class.fields[field])
    end
    return comments.text(lines, "")
end

return M

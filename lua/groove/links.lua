--- Addresses made of what the service has answered: pictures in a size, and pages to show.
--
-- Pure: nothing is sent.
--
-- @module groove.links

local check = require("groove.check")
local encode = require("groove.encode")
local errors = require("groove.errors")

local M = {}

check.add_type("item", "an object of the service's or a string", function(value)
    return type(value) == "string" or type(value) == "table"
end)

local function checked(where, item, index, opts)
    check.argument(where, "item", "item", item)
    return check.options(where, index, opts)
end

-- The address in a member of an item, or the item that is an address itself.
local function address_of(item, member)
    local url = item
    if type(item) == "table" then
        url = item[member]
    end
    if type(url) ~= "string" or not url:find("^https?://[^/%s]") or url:find("[%c ]") then
        return nil, errors.argument("item", "has no " .. member .. " that is an address")
    end
    return url
end

-- A query is added to; a fragment stays behind it.
local function extended(url, parameters)
    if #parameters == 0 then
        return url
    end
    local before, fragment = url:match("^([^#]*)(.*)$")
    local mark = not before:find("?", 1, true) and "?" or before:find("[?&]$") and "" or "&"
    return before .. mark .. table.concat(parameters, "&") .. fragment
end

-- Whether an address has a parameter already.
local function has(url, name)
    return (url:match("%?([^#]*)") or ""):find("%f[^%z&]" .. name .. "=") ~= nil
end

local function one_of(name, value, allowed)
    for _, other in ipairs(allowed) do
        if value == other then
            return nil
        end
    end
    return errors.argument(name, "must be one of " .. table.concat(allowed, ", "))
end

-- --- pictures ------------------------------------------------------------------------------------

local MODES = { "scale", "letterbox", "crop" }

local IMAGE_OPTIONS = check.index({
    { name = "w", type = "integer", doc = "Width in pixels, with `h`." },
    { name = "h", type = "integer", doc = "Height in pixels, with `w`." },
    { name = "mode", type = "string", doc = "scale, letterbox or crop." },
    { name = "background", type = "string", doc =
        "Of a letterbox: an HTML colour, \"#1e1e1e\" or \"black\"." },
})

local function is_colour(text)
    local digits = text:match("^#(%x+)$")
    if digits then
        return #digits == 3 or #digits == 6 or #digits == 8
    end
    return text:find("^%a+$") ~= nil
end

local function bad_size(opts)
    if (opts.w == nil) ~= (opts.h == nil) then
        return errors.argument(opts.w and "h" or "w", "must be given, too: both w and h or neither")
    end
    for _, name in ipairs({ "w", "h" }) do
        if opts[name] and (opts[name] < 1 or opts[name] > 65535) then
            return errors.argument(name, "must be from 1 to 65535")
        end
    end
end

local function bad_image(opts)
    local err = bad_size(opts) or opts.mode and one_of("mode", opts.mode, MODES)
    if err or not opts.background then
        return err
    elseif opts.mode ~= "letterbox" then
        return errors.argument("background", "can be given only with mode letterbox")
    elseif not is_colour(opts.background) then
        return errors.argument("background", "must be an HTML colour: # and digits, or a name")
    end
end

--- The address of an item's picture, in a size.
-- @tparam table|string item with `ImageUrl`, or that address itself
-- @tparam[opt] table opts `w` and `h` (pixels, 1 to 65,535, both or neither), `mode` ("scale",
-- "letterbox" or "crop"), `background` (an HTML colour, only with "letterbox"). Without any: as the
-- service has it
-- @treturn ?string
-- @treturn ?table error of kind "argument": for an item without picture, for what the service's
-- image rules forbid, and for an address that has been given a size before
-- @raise on wrong types and unknown options
-- @usage
-- local groove = require("groove")
-- local client = groove.sandbox():client()
-- local album = client:search("random access memories").Albums.Items[1]
-- print(groove.image_url(album, { w = 300, h = 300, mode = "letterbox", background = "#1e1e1e" }))
function M.image_url(item, opts)
    opts = checked("groove.image_url", item, IMAGE_OPTIONS, opts)
    local url, err = address_of(item, "ImageUrl")
    err = err or bad_image(opts)
    if err then
        return nil, err
    end
    local parameters = {}
    for _, name in ipairs({ "w", "h", "mode", "background" }) do
        local value = opts[name]
        if value and has(url, name) then
            return nil, errors.argument(name, "is in the address already, which may not be changed")
        elseif value then
            value = type(value) == "number" and ("%d"):format(value) or encode.escape(value)
            parameters[#parameters + 1] = name .. "=" .. value
        end
    end
    return extended(url, parameters)
end

-- --- pages ---------------------------------------------------------------------------------------

local HOST = "https://music.microsoft.com/"
local PAGES = { artist = "Artist", album = "Album", track = "Track", playlist = "Playlist" }
local ACTIONS, TARGETS = { "view", "play", "buy" }, { "app", "web" }

local LINK_OPTIONS = check.index({
    { name = "type", type = "string", doc =
        "artist, album, track or playlist: what an id without `Link` is of." },
    { name = "action", type = "string", doc = "view, play or buy. Default: the service's, view." },
    { name = "target", type = "string", doc = "app or web. Default: the service chooses." },
})

-- "music.A83E..." -> "A83E..."; ids of sub-namespaces say what they are.
local function id_and_page(id, kind)
    if not kind and id:find("^music%.playlist%.") then
        kind = "playlist"
    end
    local page = PAGES[(kind or ""):lower()]
    if not page then
        return nil, errors.argument("type", "must be one of artist, album, track, playlist, where "
            .. "an item has no Link")
    end
    local segment, problem = encode.segment((id:gsub("^music%.", ""):gsub("^playlist%.", "")))
    if not segment then
        return nil, errors.argument("item", "has an id that " .. problem)
    end
    return HOST .. page .. "/" .. segment
end

local function page_of(item, kind)
    local id = item
    if type(item) == "table" then
        if item.Link ~= nil then
            return address_of(item, "Link")
        end
        id = item.Id
    elseif item:find("^https?://") then
        return address_of(item, "Link")
    end
    if type(id) ~= "string" then
        return nil, errors.argument("item", "has neither Link nor Id")
    end
    return id_and_page(id, kind)
end

--- The address of an item's page, which opens in the Groove app or the browser.
-- @tparam table|string item with `Link`, or with `Id`; or a link or an id itself. An id needs
-- `type`, except a playlist's
-- @tparam[opt] table opts `type` ("artist", "album", "track" or "playlist"), `action` ("view",
-- "play" or "buy"), `target` ("app" or "web")
-- @treturn ?string
-- @treturn ?table error of kind "argument"
-- @raise on wrong types and unknown options
-- @usage
-- local groove = require("groove")
-- local client = groove.sandbox():client()
-- local track = client:search("get lucky").Tracks.Items[1]
-- print(groove.deep_link(track, { action = "play" }))
function M.deep_link(item, opts)
    opts = checked("groove.deep_link", item, LINK_OPTIONS, opts)
    local url, err = page_of(item, opts.type)
    err = err or opts.action and one_of("action", opts.action, ACTIONS)
        or opts.target and one_of("target", opts.target, TARGETS)
    if err then
        return nil, err
    end
    local parameters = {}
    for _, name in ipairs({ "action", "target" }) do
        if opts[name] and has(url, name) then
            return nil, errors.argument(name, "is in the link already")
        elseif opts[name] then
            parameters[#parameters + 1] = name .. "=" .. opts[name]
        end
    end
    return extended(url, parameters)
end

return M

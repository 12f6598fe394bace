-- Doc comments of the methods that are rows of `groove.endpoints`.

local endpoints = require("groove.endpoints")
local request = require("groove.request")
local comments = require("tools.reference.comments")
local options = require("tools.reference.options")

local M = {}

--- The order in which the methods are shown.
M.order = {
    app = {
        "search", "lookup", "browse", "browse_items", "genres", "moods", "activities",
        "new_releases", "spotlight", "preview",
    },
    user = {
        "profile", "stream", "collection_add", "collection_delete", "playlist_create",
        "playlist_update", "playlist_delete", "radio_create", "radio_next", "radio_recent",
    },
}

local APP_PREFIX = [[
local groove = require("groove")
local client = groove.sandbox():client()
]]

local USER_PREFIX = [[
local groove = require("groove")
local sandbox = groove.sandbox()
local client = sandbox:client({ user_token = sandbox:user_token() })
]]

--- What makes a row's example a program.
function M.prefix(name, row)
    return (row.auth == "user" or name == "profile") and USER_PREFIX or APP_PREFIX
end

--- A row's example, complete.
function M.usage(name, row)
    return M.prefix(name, row) .. row.example
end

--- All descriptors of a row, by name.
function M.by_name(row)
    local found = {}
    for _, list in ipairs({ row.params, row.segments or {}, row.body or {} }) do
        for _, descriptor in pairs(list) do
            found[descriptor.name] = descriptor
        end
    end
    return found
end

local function positional(row)
    local lines, found = {}, M.by_name(row)
    for i, name in ipairs(row.args or {}) do
        lines[i] = options.tag("tparam", found[name])
    end
    return lines
end

-- The one argument that is a table, and its fields.
local function taken(row)
    if not row.takes then
        return {}
    end
    local text = "Its fields:"
    if row.one_of then
        text = "Its fields, at least one of " .. table.concat(row.one_of, ", ") .. ":"
    end
    local lines = options.tags("tparam", row.body, row.takes)
    table.insert(lines, 1, "@tparam table " .. row.takes .. " " .. text)
    return lines
end

-- Segments that are no arguments, then the parameters: all by name.
local function named(row)
    local list, used = {}, {}
    for _, name in ipairs(row.args or {}) do
        used[name] = true
    end
    for placeholder in row.path:gmatch("{([%w_]+)}") do
        local segment = not used[placeholder] and (row.segments or {})[placeholder]
        list[#list + 1] = segment or nil
    end
    for _, parameter in ipairs(row.params) do
        list[#list + 1] = not used[parameter.name] and parameter or nil
    end
    local lines = options.tags("tparam", list, "opts")
    table.insert(lines, 1, ("@tparam[opt] table opts %s @{client.options|options of every method}.")
        :format(#list > 0 and "These, and the" or "The"))
    return lines
end

local function needs(row)
    if row.auth == "user" then
        return "Needs a user's token."
    elseif row.collection_auth then
        return "Needs a user's token where `source` is \"collection\"."
    end
    return "An application's token is enough."
end

-- The name on the right of `local page = client:search(...)`.
local RESULTS = {
    ContentResponse = "page", StreamResponse = "stream", RadioResponse = "radio",
    UserProfileResponse = "profile", TrackActionResponse = "result",
    PlaylistActionResponse = "result",
}

local function append(lines, more)
    for _, line in ipairs(more) do
        lines[#lines + 1] = line
    end
    return lines
end

local function split(text)
    local lines = {}
    for line in text:gmatch("[^\n]+") do
        lines[#lines + 1] = line
    end
    return lines
end

--- The comment of a row.
-- @tparam string name the method's
-- @treturn string Lua text
function M.comment(name)
    local row = endpoints.rows[name]
    local lines = { row.doc, "", needs(row),
        ("`%s %s`"):format(row.method, row.path:gsub("{namespace}", endpoints.namespace)),
    }
    for _, more in ipairs({ positional(row), taken(row), named(row) }) do
        append(lines, more)
    end
    append(lines, {
        ("@treturn objects.%s|nil %s"):format(row.returns, RESULTS[row.returns]),
        "@treturn errors.err|nil " .. row.errors,
        "@usage",
    })
    append(lines, split(M.usage(name, row)))
    local arguments = { row.takes }
    append(arguments, row.args or {})
    append(arguments, { "opts" })
    return comments.text(lines, ("function client:%s(%s) end"):format(name,
        table.concat(arguments, ", ")))
end

--- The comment of what all methods take by name.
function M.options()
    local lines = {
        "Options of every method of the API, besides its own.",
        "",
        "All of them are optional. What the service would refuse, such as a page of 42 items, is",
        "refused before anything is sent, with an error of kind \"argument\".",
        "@table options",
    }
    append(lines, options.tags("tfield", endpoints.common))
    append(lines, options.tags("tfield", request.call_options))
    return comments.text(lines, "")
end

return M

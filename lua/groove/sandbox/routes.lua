--- Which endpoint a path means, by the rows of `groove.endpoints`.
--
-- @module groove.sandbox.routes

local endpoints = require("groove.endpoints")
local text = require("groove.sandbox.text")

local M = {}

-- The first piece of a path is the version: the service answers under several.
local VERSIONS = { ["1"] = true, ["2"] = true, ["3"] = true }

-- "/1/content/{ids}/lookup" -> pieces without the version; a placeholder keeps its name.
local function compile(path)
    local pieces = text.split(path:gsub("^/%d/", ""), "/")
    for i, piece in ipairs(pieces) do
        local name = piece:match("^{(.+)}$")
        if name == "namespace" then
            pieces[i] = { fixed = endpoints.namespace }
        else
            pieces[i] = name and { name = name } or { fixed = piece:lower() }
        end
    end
    return pieces
end

local routes = {}
for name, row in pairs(endpoints.rows) do
    routes[#routes + 1] = { name = name, row = row, pieces = compile(row.path) }
end

-- Fixed pieces are compared without case.
local function match(route, pieces)
    local segments, count = {}, 0
    if #pieces ~= #route.pieces then
        return nil
    end
    for i, piece in ipairs(route.pieces) do
        if piece.name then
            segments[piece.name] = pieces[i]
            count = count + 1
        elseif pieces[i]:lower() ~= piece.fixed then
            return nil
        end
    end
    return segments, count
end

--- Finds a route. A path can fit two ("music" as an id): that with fewer placeholders is meant.
-- @param path as it came, undecoded
-- @return `{ name, row }`, and a table of placeholders to undecoded text; nil where there is none
function M.find(path)
    local pieces = text.split(path, "/")
    if not VERSIONS[table.remove(pieces, 1)] then
        return nil
    end
    local best, best_segments, best_count
    for _, route in ipairs(routes) do
        local segments, count = match(route, pieces)
        if segments and (not best or count < best_count) then
            best, best_segments, best_count = route, segments, count
        end
    end
    return best, best_segments
end

return M

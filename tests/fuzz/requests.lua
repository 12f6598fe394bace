-- Requests as sandbox.lua reads them, made of the rows of the endpoints: at random, nearly right.

local cjson = require("cjson")
local endpoints = require("groove.endpoints")

local M = {}

local names = {}
for name in pairs(endpoints.rows) do
    names[#names + 1] = name
end
table.sort(names)

local function any(list)
    return list[math.random(#list)]
end

local function once_in(count)
    return math.random(count) == 1
end

local TEXTS = {
    "a", "Rock", "Jazz", "", "%00", "%ff", "%c3%a9", "a%26b", "<", "x+y", "$NEXT", "$ITEM",
}
local IDS = {
    "$ITEM", "$ITEM", "$ITEM", "$SESSION", "Aw%2B%2F$SEAL{$ITEM\\n1\\n999.9}%253D=",
    "music.x", "music.", "..", "music.isrc.USXX11500001",
    "music.A83EB907-0100-11DB-89CA-0019B92A3933", "music.B13EB907-0100-11DB-89CA-0019B92A3933",
}
local NUMBERS = { "1", "2", "3", "25", "0", "26", "-1", "999999999999999999999", "1.5", "x" }
local TOKENS = {
    "$NEXT", "$NEXT", "$NEXT", "x", "$SEAL{25\\n25\\nen-US\\nsearch\\ntracks\\na}",
    "$SEAL{1\\n0\\ncollection\\ntracks}", "$SEAL{99999999999999999999\\n1\\nradios}",
    "$SEAL{0\\n99999999999999999999\\nen-US\\nlookup\\n$ITEM\\nalbums}",
}
local BEARERS = { "$APP", "$USER", "$USER", "$USER", "$POOR", "$OLD", "x" }

-- --- paths and queries ---------------------------------------------------------------------------

local function choices_of(parameter)
    local values = parameter.values or {}
    for _, list in pairs(parameter.values_by or {}) do
        for _, inner in pairs(list[1] and { list } or list) do
            if type(inner) == "table" and inner[1] and math.random(2) == 1 then
                values = inner
            end
        end
    end
    return values
end

local function value_of(parameter)
    if parameter.name == "continuation_token" then
        return any(TOKENS)
    elseif parameter.type == "integer" then
        return any(NUMBERS)
    elseif parameter.type == "id" or parameter.type == "ids" then
        return any(IDS)
    elseif parameter.name == "client_instance_id" then
        return ("x"):rep(any({ 32, 31, 128, 129 }))
    elseif parameter.letters then
        return any({ "US", "fr", "de", "XX", "a", "%00%00" })
    end
    local values = choices_of(parameter)
    if #values == 0 or once_in(8) then
        return any(TEXTS)
    elseif parameter.type == "list" and once_in(2) then
        return any(values) .. "+" .. any(values)
    end
    return any(values)
end

local function path_of(row)
    return (row.path:gsub("{([%a_]+)}", function(name)
        local segment = row.segments and row.segments[name]
        if not segment then
            return endpoints.namespace
        end
        return (value_of(segment):gsub("^$", "x"))
    end))
end

local function query_of(row)
    local pairs_of = {}
    for _, list in ipairs({ row.params, endpoints.common }) do
        for _, parameter in ipairs(list) do
            local likely = parameter.required or parameter.required_unless
            if once_in(likely and 1 or list == endpoints.common and 8 or 3) then
                pairs_of[#pairs_of + 1] = parameter.wire .. "=" .. value_of(parameter)
            end
        end
    end
    return table.concat(pairs_of, "&")
end

-- --- bodies --------------------------------------------------------------------------------------

local ODD = { cjson.null, 7, true, "", {}, { "x" }, { { Id = "x" } }, { a = "b" } }

local function ids()
    local list = {}
    for i = 1, any({ 0, 1, 1, 2, 3, 101 }) do
        list[i] = any(IDS)
    end
    return list
end

local function part_of(object, part)
    if part.action then
        object.TrackActions = object.TrackActions or {}
        for _, id in ipairs(ids()) do
            table.insert(object.TrackActions, { Id = id, Action = part.action })
        end
    elseif part.seed then
        object.Seeds = { { Type = part.seed, Id = part.type == "id" and any(IDS) or any(TEXTS) } }
    elseif once_in(10) then
        object[part.wire] = any(ODD)
    elseif part.type == "ids" then
        object[part.wire] = ids()
    elseif part.type == "boolean" then
        object[part.wire] = once_in(2)
    else
        object[part.wire] = part.type == "id" and any(IDS) or any(TEXTS)
    end
end

local function body_of(row)
    local object = {}
    for _, part in ipairs(row.body) do
        if once_in(part.required and 1 or 2) then
            part_of(object, part)
        end
    end
    return cjson.encode(object)
end

--- A request.
function M.make()
    local row = endpoints.rows[any(names)]
    local lines = {
        row.method .. " " .. path_of(row) .. "?" .. query_of(row),
        "Authorization: Bearer " .. any(BEARERS),
    }
    if row.body then
        lines[#lines + 1] = "Content-Type: application/json"
    end
    if once_in(6) then
        lines[#lines + 1] = "Accept: application/xml"
    end
    return table.concat(lines, "\n") .. "\n\n" .. (row.body and body_of(row) or "")
end

return M

-- Reads Prometheus's text format (0.0.4), and takes nothing that its documentation does not allow.

local M = {}

local NAME = "^[a-zA-Z_:][a-zA-Z0-9_:]*$"
local LABEL = "^[a-zA-Z_][a-zA-Z0-9_]*"
local TYPES = { counter = true, gauge = true }
local UNESCAPED = { ["\\\\"] = "\\", ['\\"'] = '"', ["\\n"] = "\n" }

local function fail(line, what)
    error(what .. ": " .. line, 0)
end

-- The value of a label, from behind its first quote; where it ends.
local function read_value(line, at)
    local from = at
    while line:sub(at, at) ~= '"' do
        local char = line:sub(at, at)
        if char == "" then
            fail(line, "a label's value does not end")
        elseif char == "\\" and not UNESCAPED[line:sub(at, at + 1)] then
            fail(line, "no such escape")
        end
        at = at + (char == "\\" and 2 or 1)
    end
    return (line:sub(from, at - 1):gsub("\\.", UNESCAPED)), at + 1
end

local function read_labels(line, at)
    local labels, list = {}, {}
    while line:sub(at, at) ~= "}" do
        local name = line:match(LABEL, at) or line:sub(at):match(LABEL)
        if not name or name:find("^__") or labels[name] then
            fail(line, "no label, or one twice")
        end
        at = at + #name
        if line:sub(at, at + 1) ~= '="' then
            fail(line, "no value of a label")
        end
        labels[name], at = read_value(line, at + 2)
        list[#list + 1] = name .. "=" .. labels[name]
        if line:sub(at, at) == "," then
            at = at + 1
        elseif line:sub(at, at) ~= "}" then
            fail(line, "no comma between labels")
        end
    end
    table.sort(list)
    return labels, table.concat(list, "\0"), at + 1
end

local function read_sample(state, line)
    local name, at = line:match("^([a-zA-Z_:][a-zA-Z0-9_:]*)()")
    if not name or name ~= state.name then
        fail(line, "a sample that is not of the family before it")
    end
    local labels, key = {}, ""
    if line:sub(at, at) == "{" then
        labels, key, at = read_labels(line, at + 1)
    end
    local text = line:sub(at):match("^ (%-?%d+%.?%d*)$")
    local value = tonumber(text)
    if not value then
        fail(line, "no value")
    elseif state.seen[key] then
        fail(line, "the same labels twice")
    elseif state.type == "counter" and (value < 0 or not name:find("_total$")) then
        fail(line, "not a counter's value or name")
    end
    state.seen[key] = true
    table.insert(state.samples, { name = name, labels = labels, value = value })
end

local function read_comment(state, line)
    local word, name, rest = line:match("^# (%u+) (%S+) (.+)$")
    if word == "HELP" then
        if not name:find(NAME) or state.families[name] then
            fail(line, "no name, or a family twice")
        end
        state.families[name] = rest
        state.name, state.type, state.seen = name, nil, {}
    elseif word == "TYPE" then
        if name ~= state.name or state.type or not TYPES[rest] then
            fail(line, "a type at the wrong place, or no type")
        end
        state.type = rest
    end
end

--- Reads a text.
-- @treturn table samples, a list of `{ name, labels, value }`
-- @treturn table families, their words by name
function M.read(text)
    local state = { families = {}, samples = {} }
    assert(text:sub(-1) == "\n", "the last line does not end")
    for line in text:gmatch("([^\n]*)\n") do
        if line:sub(1, 1) == "#" then
            read_comment(state, line)
        elseif not state.type then
            fail(line, "a sample without a type")
        else
            read_sample(state, line)
        end
    end
    return state.samples, state.families
end

--- The value of the one sample with a name and these labels; nil: there is none.
function M.value(samples, name, labels)
    local found
    for _, sample in ipairs(samples) do
        local fits = sample.name == name
        for label, value in pairs(labels or {}) do
            fits = fits and sample.labels[label] == value
        end
        if fits then
            assert(not found, name .. " is there twice")
            found = sample.value
        end
    end
    return found
end

--- The sum of all with a name and these labels.
function M.sum(samples, name, labels)
    local sum = 0
    for _, sample in ipairs(samples) do
        local fits = sample.name == name
        for label, value in pairs(labels or {}) do
            fits = fits and sample.labels[label] == value
        end
        sum = sum + (fits and sample.value or 0)
    end
    return sum
end

return M

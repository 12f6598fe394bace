-- What types/ declares, read from its comments: for the reference, and for spec/types_spec.lua.

local M = {}

M.files = { "types/groove.lua", "types/groove/api.lua" }

-- The type at the beginning of a text; a space ends it, except within brackets and quotes.
local function leading_type(text)
    local depth, quoted = 0, false
    for at = 1, #text do
        local letter = text:sub(at, at)
        if letter == '"' then
            quoted = not quoted
        elseif letter:find("[<({]") then
            depth = depth + 1
        elseif letter:find("[>)}]") then
            depth = depth - 1
        elseif letter == " " and depth == 0 and not quoted then
            return text:sub(1, at - 1)
        end
    end
    return text
end

local function words(text)
    local list = {}
    for word in text:gmatch("[%w_.]+") do
        list[#list + 1] = word
    end
    return list
end

-- A class may be declared in both files.
local function open_class(declared, name, parents)
    local class = declared.classes[name]
        or { name = name, fields = {}, order = {}, methods = {}, parents = {} }
    for _, parent in ipairs(words(parents)) do
        table.insert(class.parents, parent)
    end
    declared.classes[name] = class
    return class
end

-- What stands above a function, until the function takes it.
local function read_tag(declared, pending, line)
    local tag, rest = line:match("^%-%-%-@(%w+) (.*)$")
    if tag == "param" then
        local name, optional, text = rest:match("^([%w_.]+)(%??) (.*)$")
        pending.params[name] = { type = leading_type(text), optional = optional == "?" }
    elseif tag == "return" then
        table.insert(pending.returns, leading_type(rest))
    elseif tag == "alias" then
        local name, text = rest:match("^([%w_.]+) (.*)$")
        declared.aliases[name] = text
    elseif tag == "field" then
        local name, optional, text = rest:match("^([%w_]+)(%??) (.*)$")
        local kind = leading_type(text)
        pending.class.fields[name] = {
            type = kind, optional = optional == "?", text = text:sub(#kind + 2),
        }
        table.insert(pending.class.order, name)
    elseif tag == "class" then
        local name, parents = rest:match("^([%w_.]+):?%s*(.*)$")
        pending.class = open_class(declared, name, parents)
        pending.class.text, pending.text = pending.class.text or pending.text, nil
    elseif not tag then
        pending.text = line:match("^%-%-%-([^@].*)$")
    end
end

local function read_function(declared, pending, line)
    local owner, name, arguments = line:match("^function (%w+)[.:]([%w_]+)%((.*)%) end$")
    if not owner then
        return
    end
    local class = declared.classes[owner == "groove" and owner or "groove." .. owner]
    class.methods[name] = {
        arguments = words(arguments), params = pending.params, returns = pending.returns,
    }
    pending.params, pending.returns = {}, {}
end

--- Reads the files.
-- @treturn table `classes` by name, `{ name, text, fields, order, methods, parents }`, order being
-- the fields' names in the order of the file; `aliases`, their types by name
function M.read()
    local declared = { classes = {}, aliases = {} }
    for _, path in ipairs(M.files) do
        local pending = { params = {}, returns = {} }
        for line in io.lines(path) do
            read_tag(declared, pending, line)
            read_function(declared, pending, line)
        end
    end
    return declared
end

--- A class's fields by name, with those of its parents.
function M.fields(declared, name)
    local class = assert(declared.classes[name], name .. " is not declared")
    local all = {}
    for _, parent in ipairs(class.parents) do
        for field, what in pairs(M.fields(declared, parent)) do
            all[field] = what
        end
    end
    for field, what in pairs(class.fields) do
        all[field] = what
    end
    return all
end

--- A type with its aliases replaced by what they stand for.
function M.plain(declared, text)
    local plain = text:gsub("groove%.%w+", function(name)
        return declared.aliases[name] and M.plain(declared, declared.aliases[name])
    end)
    return plain
end

return M

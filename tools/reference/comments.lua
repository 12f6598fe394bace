-- Doc comments of the Lua files, to be shown under the names that a program uses.

local M = {}

-- What the line of code below a comment defines.
local function defined(line)
    return line:match("^function ([%w_.:]+)%(") or line:match("^([%w_.]+) =")
end

local function tag_of(lines, tag)
    for _, line in ipairs(lines) do
        local rest = line:match("^@" .. tag .. " ?(.*)$")
        if rest then
            return rest
        end
    end
end

local function finish(blocks, lines, code)
    local name = tag_of(lines, "function") or tag_of(lines, "module") and "module" or defined(code)
    if name then
        blocks[name] = lines
    end
end

--- Comments of a file that begin with three dashes, without the dashes.
-- @tparam string path
-- @treturn table lists of lines by what is commented: "M.new", "methods:close", what `@function`
-- names, or "module"
function M.read(path)
    local blocks, lines = {}, nil
    for line in io.lines(path) do
        local first = line:match("^%-%-%- ?(.*)$")
        local more = lines and line:match("^%-%- ?(.*)$")
        if first then
            lines = { first }
        elseif more then
            lines[#lines + 1] = more
        elseif lines then
            finish(blocks, lines, line)
            lines = nil
        end
    end
    return blocks
end

-- The parameters that the tags name; fields of tables are none.
local function tagged_parameters(lines)
    local names = {}
    for _, line in ipairs(lines) do
        local rest = line:match("^@t?param(.*)$")
        rest = rest and rest:gsub("^%b[]", "")
        if rest and line:find("^@t") then
            rest = rest:gsub("^%s*%S+", "")
        end
        local name = rest and rest:match("[%w_.]+")
        names[#names + 1] = name and (name == "..." or not name:find(".", 1, true)) and name or nil
    end
    return table.concat(names, ", ")
end

-- Values are code: else LDoc makes typographer's quotes of theirs.
local function with_code(line)
    if line:find("^    ") or select(2, line:gsub("`", "")) % 2 == 1 then
        return line
    end
    -- Empty code at the end, to have some behind the last words, too.
    return ((line .. "``"):gsub("([^`]*)(`[^`]*`)", function(words, code)
        return words:gsub('"[^"]*"', "`%0`") .. code
    end):gsub("``$", ""))
end

-- "?table page" -> "table|nil page"; "`source:token(opts)`: the" -> "The", the name being above.
local function reworded(line)
    line = line:gsub("^(@t%w+%S* )%?(%S+)", "%1%2|nil")
    local rest = line:match("^`[%w_:]+%b()`: (.*)$")
    return with_code(rest and rest:gsub("^%l", string.upper) or line)
end

local function without(lines, tags)
    local kept, dropping = {}, false
    for _, line in ipairs(lines) do
        if line:find("^@") then
            dropping = false
            for _, tag in ipairs(tags) do
                dropping = dropping or line:find(tag, 1, true) == 1
            end
        end
        if not dropping then
            kept[#kept + 1] = line
        end
    end
    return kept
end

local function index_of(lines, pattern)
    for i, line in ipairs(lines) do
        if line:find(pattern) then
            return i
        end
    end
    return #lines + 1
end

--- A comment as LDoc is to read it.
-- @tparam table comment its lines
-- @tparam string name under which it is shown, "client:with"
-- @tparam ?table options lines that take the place of the comment's on `opts`
-- @treturn string Lua text
function M.shown(comment, name, options)
    local dropped = { "@function", "@module" }
    if options then
        table.insert(dropped, "@tparam[opt] table opts")
        table.insert(dropped, "@tparam table opts")
        table.insert(dropped, "@tparam table spec")
    end
    local lines = without(comment, dropped)
    local at = index_of(lines, "^@t?return")
    for i, line in ipairs(options or {}) do
        table.insert(lines, at + i - 1, line)
    end
    return M.text(lines, ("function %s(%s) end"):format(name, tagged_parameters(lines)))
end

--- A comment of lines, with the code below it.
function M.text(lines, code)
    local out, usage = {}, false
    for i, line in ipairs(lines) do
        out[i] = (i == 1 and "--- " or "-- ") .. (usage and line or reworded(line))
        usage = usage or line == "@usage"
    end
    out[#out + 1] = code
    return table.concat(out, "\n") .. "\n"
end

return M

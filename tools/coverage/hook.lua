-- Notes which lines of lua/groove run, for make coverage. A program of Lua's has it by LUA_INIT,
-- nginx by its module path (tools/coverage.sh).
-- Arguments: ROOT, HITS; else GROOVE_COVERAGE_ROOT and GROOVE_COVERAGE. HITS: a file to which each
-- line is added, as "nginx/hook.lua:12", when it runs for the first time: so nothing is lost,
-- however a process ends.
local root, hits = ...
root = "@" .. (root or os.getenv("GROOVE_COVERAGE_ROOT")) .. "/lua/groove/"
hits = hits or os.getenv("GROOVE_COVERAGE")

local getinfo, sethook, open = debug.getinfo, debug.sethook, io.open
local files, pending = {}, {}
local lines_of = setmetatable({}, { __mode = "k" }) -- by function; false: of another project

local function look_at(func)
    local source = getinfo(func, "S").source
    local lines = false
    if source:sub(1, #root) == root then
        lines = files[source] or { name = source:sub(#root + 1) }
        files[source] = lines
    end
    lines_of[func] = lines
    return lines
end

-- It is opened anew each time: tests close descriptors they do not know, and count the others.
local function note(lines, line)
    lines[line] = true
    pending[#pending + 1] = ("%s:%d\n"):format(lines.name, line)
    local file = open(hits, "ab")
    if file then -- else later: there may be no descriptor left
        file:write(table.concat(pending))
        file:close()
        pending = {}
    end
end

local function on_line(_, line)
    local func = getinfo(2, "f").func
    local lines = lines_of[func]
    if lines == nil then
        lines = look_at(func)
    end
    if lines and not lines[line] then
        note(lines, line)
    end
end

-- What has run in another process is known.
local function recall()
    local file = open(hits, "rb")
    for line in file and file:lines() or function() end do
        local name, number = line:match("^(.+):(%d+)$")
        if name then
            local source = root .. name
            files[source] = files[source] or { name = name }
            files[source][tonumber(number)] = true
        end
    end
    if file then file:close() end
end

recall()
sethook(on_line, "l")

local jit = rawget(_G, "jit")
if jit then
    jit.off() -- compiled code has no hooks; in LuaJIT one is for all coroutines
else
    local create, wrap = coroutine.create, coroutine.wrap
    coroutine.create = function(body) -- luacheck: ignore 122
        local co = create(body)
        sethook(co, on_line, "l")
        return co
    end
    coroutine.wrap = function(body) -- luacheck: ignore 122
        return wrap(function(...)
            sethook(on_line, "l")
            return body(...)
        end)
    end
end

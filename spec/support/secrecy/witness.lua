-- In the program that spec/secrecy_spec.lua runs: sees which lines of the module make errors, and
-- says everything there is to say of a value.

local M = {}

local sites, codes = {}, {}

-- The line of groove's that was begun last, in whatever coroutine. A call in a return leaves no
-- frame behind, so that the caller's line cannot be asked for.
local last_line

--
-- A return continues the caller's line, which is not told again.
local function on_line(event, line)
    local info = debug.getinfo(event == "line" and 2 or 3, "Sl")
    local file = info and info.source:match("lua/groove/(.+)$")
    if file then
        last_line = file .. ":" .. (line or info.currentline)
    end
end

-- A hook is a coroutine's, except in LuaJIT, where it is everybody's.
local function hook_everything()
    local create = coroutine.create
    coroutine.create = function(fn) -- luacheck: ignore 122
        local thread = create(fn)
        debug.sethook(thread, on_line, "lr")
        return thread
    end
    debug.sethook(on_line, "lr")
end

local function wrap(module, names)
    for _, name in ipairs(names) do
        local make = module[name]
        module[name] = function(...)
            sites[last_line or "?"] = true
            return make(...)
        end
    end
end

--- Begins; before the module is loaded.
function M.begin()
    if rawget(_G, "jit") then
        require("jit").off()
    end
    hook_everything()
    wrap(require("groove.errors"), {
        "argument", "pending", "cancelled", "timeout", "transport", "new", "wrap", "raised",
    })
    wrap(require("groove.check"), { "fail" })
end

local function note(err)
    if type(err.kind) == "string" then
        codes[err.kind .. " " .. tostring(err.code)] = true
    end
end

--- Says everything reachable. Of calls, clients and sources, which have to hold tokens, what
-- tostring says; the same of what may be anything.
function M.dump(value, seen)
    seen = seen or {}
    io.write(tostring(value), " ")
    local class = getmetatable(value)
    local is_error = class ~= nil and class == require("groove.core").error_metatable
    if type(value) ~= "table" or seen[value] or class and not is_error then
        return
    end
    if is_error then
        note(value)
    end
    seen[value] = true
    for k, v in pairs(value) do
        M.dump(k, seen)
        M.dump(v, seen)
    end
    io.write("\n")
end

--- Says what a method returned, without its result, which may be a token.
function M.problem(_, err)
    M.dump(err)
    return err
end

--- Says what a function raises, or the error that it returns.
function M.try(fn, ...)
    local ok, problem, err = pcall(fn, ...)
    M.dump(ok and err or not ok and problem or nil)
end

local function file(path)
    local handle = io.open(path, "rb")
    local content = handle and handle:read("*a") or ""
    if handle then
        handle:close()
    end
    return content
end

local function say_process(pid, environment)
    print("cmdline " .. file("/proc/" .. pid .. "/cmdline"))
    if environment then
        print("environ " .. file("/proc/" .. pid .. "/environ"))
    end
    for child in file(("/proc/%s/task/%s/children"):format(pid, pid)):gmatch("%d+") do
        print("child")
        say_process(child, true)
    end
end

--- Says what the system shows of this process and its children: the words of their commands and
-- their environments.
-- @tparam boolean environment whether this one's, too
function M.say_processes(environment)
    say_process(file("/proc/self/stat"):match("^%d+"), environment)
end

--- Says what a sandbox has written into its log files.
function M.say_logs(sandbox)
    for _, name in ipairs({ "error.log", "output.log" }) do
        print(name, file(sandbox._started.path .. "/" .. name))
    end
end

--- Says which errors were met, for the specification.
function M.finish()
    for site in pairs(sites) do
        print("@site " .. site)
    end
    for code in pairs(codes) do
        print("@code " .. code)
    end
    print("@all of it")
end

return M

-- Shell commands for the specs of the build.

local M = {}

--- The interpreter that runs the tests, for programs that a test starts.
M.interpreter = "lua"
for i, word in pairs(_G.arg or {}) do
    if i < 0 and not _G.arg[i - 1] then
        M.interpreter = word
    end
end

--- The version in the paths that interpreter looks for modules in.
M.abi = _VERSION:match("%d%.%d")

--- What LUA has to be for make to build for it.
M.flavour = rawget(_G, "jit") and "jit" or M.abi

--- make, without the variables of the make that runs the tests.
M.make = "env -u MAKEFLAGS -u MFLAGS -u VARIANT make -s "

--- A value as one word of a command.
function M.quoted(value)
    return "'" .. tostring(value):gsub("'", "'\\''") .. "'"
end

--- All of a file; nil: there is none.
function M.read(path)
    local file = io.open(path, "rb")
    local text = file and file:read("*a")
    if file then file:close() end
    return text
end

--- Makes a file.
function M.write(path, text)
    local file = assert(io.open(path, "wb"))
    assert(file:write(text))
    file:close()
end

--- Whether a command exits with 0.
function M.succeeds(command)
    local ok = os.execute(command)
    return ok == true or ok == 0
end

--- The lines a command prints, sorted.
function M.lines(command)
    local pipe = assert(io.popen(command))
    local lines = {}
    for line in pipe:lines() do lines[#lines + 1] = line end
    pipe:close()
    table.sort(lines)
    return lines
end

--- Runs a command; raises with what it said if it fails.
function M.must(command)
    local log = os.tmpname()
    local ok = M.succeeds("(" .. command .. ") >'" .. log .. "' 2>&1")
    local file = assert(io.open(log))
    local said = file:read("*a")
    file:close()
    os.remove(log)
    if not ok then error(command .. " failed:\n" .. said, 2) end
    return said
end

--- Makes a folder of its own for a test.
function M.folder()
    return M.lines("mktemp -d")[1]
end

function M.remove(folder)
    os.execute("rm -rf '" .. folder .. "'")
end

--- A command that prints the version of the groove installed under a prefix, and of no other.
function M.version_command(prefix)
    local share = prefix .. "/share/lua/" .. M.abi
    return ([[cd / && LUA_PATH='%s/?.lua;%s/?/init.lua' LUA_CPATH='%s/lib/lua/%s/?.so' ]]
        .. [[%s -e 'print(require("groove")._VERSION)']])
        :format(share, share, prefix, M.abi, M.interpreter)
end

return M

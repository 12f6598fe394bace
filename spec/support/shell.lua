-- Shell commands for the specs of the build.

local M = {}

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
    return ([[cd / && LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua' ]]
        .. [[LUA_CPATH='%s/lib/lua/5.4/?.so' lua5.4 -e 'print(require("groove")._VERSION)']])
        :format(prefix, prefix, prefix)
end

return M

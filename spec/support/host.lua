-- Starts a program that embeds Lua, with the build of its Lua on the search path.

local shell = require("spec.support.shell")

local M = {}

--- What groove.new() reads from the environment, so that it finds a sandbox.
-- @tparam table options `sandbox:options()`
-- @treturn table of strings by name
function M.environment(options)
    local out = {}
    for _, name in ipairs({ "token_url", "api_url", "client_id", "client_secret" }) do
        out["GROOVE_" .. name:upper()] = options[name]
    end
    return out
end

--- The lines that put the build for a Lua on its search path, in sh.
-- @tparam string lua "5.1" to "5.4", "jit"
function M.env(lua)
    return ('eval "$(%senv LUA=%s)"'):format(shell.make, lua)
end

--- Runs a command until it ends; raises with what it said unless it exits with 0.
-- @tparam string lua
-- @tparam string command for sh
-- @tparam[opt] table opts `environment` strings by name, `seconds` it may take (30)
-- @treturn string what it said, standard output and error
function M.run(lua, command, opts)
    opts = opts or {}
    local lines = { M.env(lua) }
    for name, value in pairs(opts.environment or {}) do
        lines[#lines + 1] = "export " .. name .. "=" .. shell.quoted(value)
    end
    lines[#lines + 1] = ("timeout -k 5 %g sh -c %s"):format(opts.seconds or 30,
        shell.quoted(command))
    lines[#lines + 1] = "status=$?; echo; echo status $status"
    local pipe = assert(io.popen("{ " .. table.concat(lines, "\n") .. "\n} 2>&1 </dev/null"))
    local said = pipe:read("*a")
    pipe:close()
    local output, status = said:match("^(.*)\nstatus (%d+)\n$")
    if status ~= "0" then
        error(("%s: status %s:\n%s"):format(command, tostring(status), output or said), 2)
    end
    return output
end

return M

-- Runs one of the programs of this folder by the interpreter under test, in a process of its own.

local core = require("groove.core")
local groove = require("groove")
local shell = require("spec.support.shell")

local M = {}

local NAMES = { "token_url", "client_id", "client_secret", "scope", "ca_file", "api_url" }

--- What of a sandbox's options a child is given.
-- @tparam table options `sandbox:options()`
-- @treturn table
function M.variables(options)
    local out = {}
    for _, name in ipairs(NAMES) do
        out[name] = options[name]
    end
    return out
end

--- The words in front of a command that give a child its variables, SPEC_NAME each.
-- @tparam table variables by name
-- @treturn string
function M.environment(variables)
    local words = { "env" }
    for name, value in pairs(variables) do
        words[#words + 1] = "SPEC_" .. name:upper() .. "=" .. shell.quoted(value)
    end
    return table.concat(words, " ")
end

-- In the child.

--- The options that the parent has given, for `groove.token_source`.
-- @tparam[opt] table more
-- @treturn table
function M.source_options(more)
    local out = {}
    for _, name in ipairs(NAMES) do
        out[name] = os.getenv("SPEC_" .. name:upper())
    end
    out.api_url = nil
    for name, value in pairs(more or {}) do
        out[name] = value
    end
    return out
end

--- The same for `groove.new`.
function M.options(more)
    local out = M.source_options(more)
    out.api_url = out.api_url or os.getenv("SPEC_API_URL")
    out.client_instance_id = out.client_instance_id or ("x"):rep(40)
    return out
end

--- Dispatches until `condition()` holds, as a host without a poll of its own; gives what it gave
-- last.
function M.dispatch_until(condition)
    local deadline = core.now() + 20
    while not condition() and core.now() < deadline do
        groove.dispatch()
    end
    return condition()
end

-- In the parent.

--- Runs a program until it ends, 30 s at most, as often as asked.
-- @tparam string name of the file, without its ending
-- @tparam table options `sandbox:options()`
-- @tparam[opt] table arguments
-- @tparam[opt=1] integer times
-- @treturn table its exit statuses; 124 stands for too long, 128 and more for a signal
-- @treturn string what they said, standard output and error
function M.run(name, options, arguments, times)
    local words = { M.environment(M.variables(options)), "timeout -k 5 30", shell.interpreter,
        "spec/support/" .. name .. ".lua" }
    for _, argument in ipairs(arguments or {}) do
        words[#words + 1] = shell.quoted(argument)
    end
    local script = ('for i in $(seq %d); do %s; status=$?; echo; echo "status $status"; done')
        :format(times or 1, table.concat(words, " "))
    local pipe = assert(io.popen("{ " .. script .. "; } 2>&1 </dev/null"))
    local said = pipe:read("*a")
    pipe:close()
    local statuses = {}
    said = said:gsub("\nstatus (%d+)\n", function(status)
        statuses[#statuses + 1] = tonumber(status)
        return "\n"
    end)
    return statuses, said
end

return M

-- Runs one of the programs of this folder by the interpreter under test, in a process of its own.

local shell = require("spec.support.shell")

local M = {}

local function quoted(text)
    return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

-- What M.options reads.
local function environment(options)
    local words = {}
    for _, name in ipairs({ "token_url", "api_url", "client_id", "client_secret", "scope",
        "ca_file" }) do
        if options[name] then
            words[#words + 1] = "SPEC_" .. name:upper() .. "=" .. quoted(options[name])
        end
    end
    return table.concat(words, " ")
end

--- The options that the parent has given, for `groove.new` in the child.
-- @tparam[opt] table more
-- @treturn table
function M.options(more)
    local out = { client_instance_id = ("x"):rep(40) }
    for _, name in ipairs({ "token_url", "api_url", "client_id", "client_secret", "scope",
        "ca_file" }) do
        out[name] = os.getenv("SPEC_" .. name:upper())
    end
    for name, value in pairs(more or {}) do
        out[name] = value
    end
    return out
end

--- Runs a program until it ends, 30 s at most, as often as asked.
-- @tparam string name of the file, without its ending
-- @tparam table options `sandbox:options()`
-- @tparam[opt] table arguments
-- @tparam[opt=1] integer times
-- @treturn table its exit statuses; 124 stands for too long, 128 and more for a signal
-- @treturn string what they said, standard output and error
function M.run(name, options, arguments, times)
    local words = { environment(options), "timeout -k 5 30", shell.interpreter,
        "spec/support/" .. name .. ".lua" }
    for _, argument in ipairs(arguments or {}) do
        words[#words + 1] = quoted(argument)
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

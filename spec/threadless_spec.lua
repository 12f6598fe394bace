-- A program that never has the engine's thread: everything it does, in a process of its own.
-- tests/test_threadless.c polls the descriptor.

local groove = require("groove")
local shell = require("spec.support.shell")

local EXPECTED = {
    "blocking", "dispatch", "wait", "several", "suspend", "token", "descriptor", "alone", "not yet",
    "thread", "still",
}

describe("thread = false", function()
    local sandbox, said

    local function quoted(text)
        return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
    end

    local function environment(options)
        local out = {}
        for _, name in ipairs({ "token_url", "api_url", "client_id", "client_secret", "scope",
            "ca_file" }) do
            if options[name] then
                out[#out + 1] = "SPEC_" .. name:upper() .. "=" .. quoted(options[name])
            end
        end
        return table.concat(out, " ")
    end

    setup(function()
        sandbox = assert(groove.sandbox())
        local pipe = assert(io.popen(environment(sandbox:options())
            .. " " .. shell.interpreter .. " spec/support/lone.lua 2>&1"))
        said = pipe:read("*a")
        pipe:close()
    end)

    teardown(function() sandbox:stop() end)

    for _, what in ipairs(EXPECTED) do
        it("works: " .. what, function()
            assert.truthy(("\n" .. said):find("\n" .. what .. ": yes\n", 1, true), said)
        end)
    end
end)

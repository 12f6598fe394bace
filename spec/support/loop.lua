-- What the specs of hosts with a loop have in common.

local assert = require("luassert")

local groove = require("groove")
local host = require("spec.support.host")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local M = {}

local DAY = 86400

-- In a second in which nothing happens, or nothing but a wait: a loop that spins has thousands.
local MANY_TURNS = 200
-- Of one processor, the thread included; one that spins gets more even on a busy machine.
local BUSY = 0.2

--- Whether a command succeeds with the build for a Lua on its search path.
-- @tparam string lua
-- @tparam string command
function M.installed(lua, command)
    return shell.succeeds(("{ %s; %s; } >/dev/null 2>&1"):format(host.env(lua), command))
end

-- Runs a command against the sandbox; gives what it said, after a line break.
local function run(sandbox, lua, command, environment)
    for name, value in pairs(host.environment(sandbox:options())) do
        environment[name] = value
    end
    return "\n" .. host.run(lua, command, { environment = environment, seconds = 40 })
end

-- The same while the first answers of the API take a second.
local function run_slowly(sandbox, count, ...)
    local fault = assert(sandbox:fault({ on = "api", delay = 1, times = count }))
    local ok, said = pcall(run, sandbox, ...)
    fault:clear()
    if not ok then
        error(said, 0)
    end
    return said
end

local function number(said, name)
    local value = said:match("\n" .. name .. ": (%S+)\n")
    return tonumber(value) or error(name .. " is missing: " .. said)
end

local function check_calls(said)
    local _, found = said:gsub("patient: found\n", "")
    assert.equal(3, found, said)
    assert.matches("\nimpatient: timeout\n", said)
    assert.matches("\nunwanted: cancelled\n", said)
    assert.matches("\n1 chains: 50 calls, 0 failed\n", said)
    assert.matches("\n100 chains: 300 calls, 0 failed\n", said)
    assert.is_true(number(said, "turns meanwhile") < MANY_TURNS, said)
end

local function check_end(said, thread)
    assert.is_true(number(said, "turns a second") < MANY_TURNS, said)
    assert.is_true(number(said, "busy") < BUSY, said)
    assert.equal(thread and 1 or 0, number(said, "threads added"), said)
    assert.matches("\nended\n$", said)
end

--- Runs loop_host.lua in a host: calls that fail alone, chains of calls, and a second in which
-- nothing happens.
-- @tparam table sandbox
-- @tparam string lua
-- @tparam string command that runs it
-- @tparam boolean thread whether the client may have one
function M.check_calls(sandbox, lua, command, thread)
    sandbox:set_lifetime(DAY)
    local asked = service.token_requests(sandbox)
    local said = run_slowly(sandbox, 5, lua, command, { LOOP_THREAD = thread and "yes" or "no" })
    check_calls(said)
    check_end(said, thread)
    assert.equal(1, service.token_requests(sandbox) - asked)
end

--- Runs loop_host.lua in a host: one call, and renewals, with tokens of a second.
function M.check_renewals(sandbox, lua, command, thread)
    sandbox:set_lifetime(1)
    local said = run(sandbox, lua, command, {
        LOOP_THREAD = thread and "yes" or "no", LOOP_RENEWALS = 3,
    })
    check_end(said, thread)
    assert.is_true(number(said, "renewed") >= 3, said)
end

--- Runs an example while the first answers of the API are held up, with tokens of two seconds.
-- @tparam table sandbox
-- @tparam string lua
-- @tparam string command
-- @tparam integer slow how many answers
-- @treturn string what it said, after a line break
function M.example(sandbox, lua, command, slow)
    sandbox:set_lifetime(2)
    return run_slowly(sandbox, slow, lua, command, {})
end

-- What the examples of such libraries print.
local function check_example(said, expected)
    assert.matches("\nalbum\tDaft Punk\t1\tRandom Access Memories\n", said)
    assert.matches("\nalbum\tNight Feather\t1\t%w", said)
    assert.matches("\nalbum\tThe Wild Arcades\t1\t%w", said)
    assert.matches("\nimpatient\tcancelled\n", said)
    for _, line in ipairs(expected or {}) do
        assert.matches(line, said)
    end
    assert.is_true(tonumber(said:match("\nrenewals\t(%d+)\n")) >= 3, said)
    assert.is_true(tonumber(said:match("\nticks\t(%d+)\n")) >= 20, said)
end

--- Describes a library with a loop: its example, and loop_host.lua.
-- @tparam table busted its `describe`, `it`, `pending`, `setup`, `teardown`
-- @tparam string name of the library, of its example and in loop_host.lua
-- @tparam table opts `luas` (list of those it is there for), `slow` (how many of the first answers
-- the example waits for), `expected` (patterns that its example prints besides)
function M.library(busted, name, opts)
    local sandbox

    local function test(what, lua, check)
        local interpreter = "lua" .. lua
        if M.installed(lua, ("%s -e 'require \"%s\"'"):format(interpreter, name)) then
            busted.it(what .. ", " .. interpreter, function() check(lua, interpreter) end)
        else
            busted.pending(("%s: there is no %s for %s"):format(what, name, interpreter))
        end
    end

    local function example(arguments)
        return function(lua, interpreter)
            local command = ("%s examples/%s.lua %s"):format(interpreter, name, arguments)
            check_example(M.example(sandbox, lua, command, opts.slow), opts.expected)
        end
    end

    local function loop_host(check, thread)
        return function(lua, interpreter)
            check(sandbox, lua, ("%s spec/support/loop_host.lua %s"):format(interpreter, name),
                thread)
        end
    end

    busted.describe(name, function()
        busted.setup(function() sandbox = assert(groove.sandbox()) end)
        busted.teardown(function() sandbox:stop() end)

        for _, lua in ipairs(opts.luas) do
            test("runs the example", lua, example(""))
            test("drives alone", lua, loop_host(M.check_calls, false))
        end
        test("runs the example without a thread", "5.4", example("--no-thread"))
        test("is told by the thread", "5.4", loop_host(M.check_calls, true))
        test("sees renewals", "5.4", loop_host(M.check_renewals, true))
        test("renews alone", "5.4", loop_host(M.check_renewals, false))
    end)
end

return M

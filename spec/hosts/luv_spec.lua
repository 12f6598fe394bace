-- examples/luv.lua, and what luv makes of groove.fd().

local groove = require("groove")
local loop = require("spec.support.loop")

local INTERPRETERS = { ["5.4"] = "lua5.4", jit = "luajit" }

local sandbox

local function it_with_luv(name, lua, test)
    local interpreter = INTERPRETERS[lua]
    if loop.installed(lua, interpreter .. " -e 'require \"luv\"'") then
        it(name .. ", " .. interpreter, function() test(lua, interpreter) end)
    else
        pending(name .. ": there is no luv for " .. interpreter)
    end
end

local function example(arguments)
    return function(lua, interpreter)
        local said = loop.example(sandbox, lua,
            interpreter .. " examples/luv.lua " .. arguments, 5)
        assert.matches("\nalbum\tDaft Punk\t1\tRandom Access Memories\n", said)
        assert.matches("\nalbum\tNight Feather\t1\t%w", said)
        assert.matches("\nalbum\tThe Wild Arcades\t1\t%w", said)
        assert.matches("\ncallback\tfound\n", said)
        assert.matches("\nimpatient\tcancelled\n", said)
        assert.is_true(tonumber(said:match("\nrenewals\t(%d+)\n")) >= 3, said)
        assert.is_true(tonumber(said:match("\nticks\t(%d+)\n")) >= 20, said)
    end
end

local function loop_host(check, thread)
    return function(lua, interpreter)
        check(sandbox, lua, interpreter .. " spec/support/loop_host.lua luv", thread)
    end
end

describe("luv", function()
    setup(function() sandbox = assert(groove.sandbox()) end)
    teardown(function() sandbox:stop() end)

    for _, lua in ipairs({ "5.4", "jit" }) do
        it_with_luv("runs the example", lua, example(""))
        it_with_luv("drives alone", lua, loop_host(loop.check_calls, false))
    end
    it_with_luv("runs the example without a thread", "5.4", example("--no-thread"))
    it_with_luv("is told by the thread", "5.4", loop_host(loop.check_calls, true))
    it_with_luv("sees renewals", "5.4", loop_host(loop.check_renewals, true))
    it_with_luv("renews alone", "5.4", loop_host(loop.check_renewals, false))
end)

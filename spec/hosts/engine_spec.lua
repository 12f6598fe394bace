-- examples/engine: an engine in C that links groove, built with each Lua, run for real.

local groove = require("groove")
local host = require("spec.support.host")
local shell = require("spec.support.shell")

describe("an engine that links groove", function()
    local sandbox

    setup(function() sandbox = assert(groove.sandbox({ lifetime = 2 })) end)
    teardown(function() sandbox:stop() end)

    -- Without a path to look for files in: all of groove is inside.
    local function play(lua, environment)
        shell.must(shell.make .. "engine LUA=" .. lua)
        environment.GAME_SECONDS = "3"
        return host.run(lua, ("LUA_PATH= LUA_CPATH= build/%s/engine examples/engine/game.lua")
            :format(lua), { environment = environment })
    end

    for _, lua in ipairs({ "5.1", "5.2", "5.3", "5.4", "jit" }) do
        it("plays with Lua " .. lua .. ", tokens renewed between its frames", function()
            local said = play(lua, host.environment(sandbox:options()))
            assert.matches("^playing on Lua 5%.[1-4]\n", said)
            assert.matches("\non air: Give Life Back to Music, Daft Punk\n", said)
            local played, failed, renewed = said:match(
                "\nplayed (%d+), failed (%d+), tokens renewed (%d+)\n")
            assert.same({ "0", true, true },
                { failed, tonumber(played) >= 5, tonumber(renewed) >= 2 })
            assert.matches("\nframes 181, late %d+, longest [%d.]+ ms\n", said)
        end)
    end

    it("has a stand-in for the service inside", function()
        local said = play("5.4", {})
        assert.matches("\nplayed [6-7], failed 0, tokens renewed 0\n", said)
    end)
end)

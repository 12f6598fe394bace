-- examples/neovim.lua, and what Neovim's loop makes of groove.fd().

local groove = require("groove")
local host = require("spec.support.host")
local loop = require("spec.support.loop")

local NVIM = "nvim --headless -u NONE -i NONE -n "

local sandbox

local function it_in_neovim(name, test)
    if loop.installed("jit", "nvim --version") then
        it(name, test)
    else
        pending(name .. ": Neovim is not installed")
    end
end

local function example(arguments)
    return function()
        local said = loop.example(sandbox, "jit",
            NVIM .. arguments .. " -c 'luafile examples/neovim.lua' -c cq", 1)
        assert.matches("\nartist  Daft Punk\ntrack  %w[^\n]*\ntrack  %w", said)
        assert.matches("\nalbum  Random Access Memories\nalbum  Human After All\n", said)
        assert.matches("\napi: CATALOG_NO_RESULT", said)
        assert.is_true(tonumber(said:match("\nticks of the editor's timer: (%d+)\n")) >= 20, said)
        assert.is_true(tonumber(said:match("\nrenewals: (%d+)\n")) >= 3, said)
        assert.is_nil(said:find("E5560", 1, true), said)
    end
end

local function loop_host(check, thread)
    return function()
        check(sandbox, "jit", NVIM .. "-c 'luafile spec/support/loop_host.lua'", thread)
    end
end

describe("Neovim", function()
    setup(function() sandbox = assert(groove.sandbox()) end)
    teardown(function() sandbox:stop() end)

    it_in_neovim("runs the example", example(""))
    it_in_neovim("runs the example without a thread",
        example("--cmd 'let g:groove_thread = v:false'"))
    it_in_neovim("drives alone", loop_host(loop.check_calls, false))
    it_in_neovim("is told by the thread", loop_host(loop.check_calls, true))
    it_in_neovim("sees renewals", loop_host(loop.check_renewals, true))
    it_in_neovim("renews alone", loop_host(loop.check_renewals, false))

    it_in_neovim("says by its exit status that something is wrong", function()
        local environment = host.environment(sandbox:options())
        environment.GROOVE_CLIENT_SECRET = "wrong"
        local ok, said = pcall(host.run, "jit", NVIM .. "-c 'luafile examples/neovim.lua' -c cq",
            { environment = environment })
        assert.is_false(ok)
        assert.matches("status 1:.*\ntoken: invalid_client.*\nfailed: ", said)
    end)
end)

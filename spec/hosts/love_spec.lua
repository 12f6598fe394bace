-- examples/love, run by LÖVE.

local groove = require("groove")
local host = require("spec.support.host")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

-- On a busy machine a frame can be late without anybody's doing.
local TRIES = 3

local function figures(said)
    local out = {}
    out.frames, out.dropped = said:match("frames +(%d+), (%d+) dropped\n")
    out.longest = said:match("longest dispatch +([%d.]+) ms\n")
    out.items, out.failed = said:match("items seen +(%d+), (%d+) calls failed\n")
    out.tracks = said:match('by the thread +(%d+) tracks with "night", 7.0 hours\n')
    out.requests, out.renewals =
        said:match("token requests +(%d+) by both Lua states together, (%d+) of them renewals\n")
    for name, value in pairs(out) do
        out[name] = tonumber(value)
    end
    return out
end

describe("examples/love", function()
    if not shell.succeeds("command -v love >/dev/null 2>&1") then
        pending("is not tried: the program love is not installed")
        return
    end

    local sandbox

    local function run(command, more)
        local environment = host.environment(sandbox:options())
        for name, value in pairs(more or {}) do
            environment[name] = value
        end
        return host.run("jit", command, { environment = environment, seconds = 60 })
    end

    -- What holds whatever the machine does.
    local function check_tour(seen)
        assert.equal(0, seen.failed)
        assert.equal(109, seen.tracks)
        assert.is_true(seen.items >= 50)
        assert.is_true(seen.frames >= 10)
    end

    before_each(function()
        sandbox = assert(groove.sandbox())
    end)

    after_each(function()
        sandbox:stop()
    end)

    it("drops no frame while it browses and tokens are renewed", function()
        sandbox:set_lifetime(2)
        -- A frame that waited for an answer would be late.
        assert(sandbox:fault({ on = "api", delay = 0.05 }))
        assert(sandbox:fault({ on = "token", delay = 0.2 }))
        local seen
        for _ = 1, TRIES do
            local before = service.token_requests(sandbox)
            seen = figures(run("love examples/love --headless --tour 4"))
            check_tour(seen)
            assert.is_true(seen.renewals >= 1)
            -- One more may be under way at the end, or have begun after the count.
            assert.is_true(seen.requests == seen.renewals + 1 or seen.requests == seen.renewals + 2)
            local requests = service.token_requests(sandbox) - before
            assert.is_true(requests == seen.requests or requests == seen.requests + 1)
            if seen.dropped == 0 then
                break
            end
        end
        assert.equal(0, seen.dropped)
        assert.is_true(seen.longest < 1000 / 60)
    end)

    it("asks for one token for both of its Lua states", function()
        assert(sandbox:fault({ on = "token", delay = 0.5, times = 1 }))
        local seen = figures(run("love examples/love --headless --tour 3"))
        check_tour(seen)
        assert.equal(1, seen.requests)
        local log, counts = sandbox:log()
        assert.equal(1, counts.token)
        local searches = 0
        for _, entry in ipairs(log) do
            if entry.query:find("q=night", 1, true) then
                searches = searches + 1
                assert.equal(200, entry.status)
            end
        end
        assert.equal(2, searches)
    end)

    it("starts a sandbox where the environment names no service", function()
        local said = host.run("jit",
            "env -u GROOVE_API_URL love examples/love --headless --tour 3", { seconds = 60 })
        local seen = figures(said)
        check_tour(seen)
        assert.equal(1, seen.requests)
    end)

    it("finds groove within the game's folder", function()
        local folder = shell.folder()
        finally(function() shell.remove(folder) end)
        local seen = figures(run(([[
            cp -r examples/love/. lua/groove %s && cp build/jit/groove/core.so %s/groove/ &&
            exec env -u LUA_PATH -u LUA_CPATH love %s --headless --tour 3]])
            :format(folder, folder, folder)))
        check_tour(seen)
    end)

    it("draws into a window", function()
        local folder = shell.folder()
        finally(function() shell.remove(folder) end)
        -- SDL's driver for windows that nobody sees; there is none where EGL is missing
        local settings = {
            SDL_VIDEODRIVER = "offscreen", HOME = folder, XDG_CACHE_HOME = folder,
        }
        shell.must(("cp examples/love/conf.lua %s && echo 'love.event.quit()' >%s/main.lua")
            :format(folder, folder))
        if not pcall(run, "love " .. folder, settings) then
            pending("SDL can make no window here")
            return
        end
        check_tour(figures(run("love examples/love --tour 3", settings)))
    end)

    it("says what is wrong, and fails", function()
        local wrong = "wrong-secret"
        local ok, said = pcall(run, "love examples/love --headless --tour 3",
            { GROOVE_CLIENT_SECRET = wrong })
        assert.is_false(ok)
        assert.matches("status 1:\n", said)
        assert.matches("\nthe first problem .*invalid_client", said)
        assert.matches("by the thread +.*invalid_client", said)
        assert.is_nil(said:find(wrong, 1, true))
    end)
end)

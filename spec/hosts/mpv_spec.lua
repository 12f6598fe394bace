-- examples/mpv, run by mpv.

local core = require("groove.core")
local groove = require("groove")
local host = require("spec.support.host")
local shell = require("spec.support.shell")

-- mpv without a sound card, a terminal, or anything of the user's.
local MPV = "mpv --no-config --ytdl=no --quiet --ao=null --no-video --idle=once "
local SCRIPT = "--script=examples/mpv/previews.lua "
local INSTANCE = ("spec"):rep(8)

describe("examples/mpv", function()
    if not shell.succeeds("command -v mpv >/dev/null 2>&1") then
        pending("is not tried: the program mpv is not installed")
        return
    end

    local sandbox, folder

    local function run(words, more)
        local environment = host.environment(sandbox:options())
        for name, value in pairs(more or {}) do
            environment[name] = value
        end
        return host.run("5.2", MPV .. words, { environment = environment, seconds = 60 })
    end

    -- Another script for mpv, which it runs in a thread of its own.
    local function script(text)
        local path = folder .. "/extra.lua"
        local file = assert(io.open(path, "w"))
        assert(file:write(text))
        file:close()
        return "--script=" .. path .. " "
    end

    local function requests(pattern)
        local found = {}
        for _, entry in ipairs((assert(sandbox:log()))) do
            if entry.path:find(pattern) then
                found[#found + 1] = entry
            end
        end
        return found
    end

    before_each(function()
        sandbox = assert(groove.sandbox())
        folder = shell.folder()
    end)

    after_each(function()
        sandbox:stop()
        shell.remove(folder)
    end)

    it("plays the previews of what a search finds, in its order", function()
        local said = run(SCRIPT .. "--speed=4 --script-opts=groove-query=night,groove-count=2,"
            .. "groove-instance_id=" .. INSTANCE)
        assert.matches('found: 109 tracks with "night"', said)
        local client = sandbox:client()
        local tracks = assert(client:search("night", { filters = "tracks", max_items = 2 })).Tracks
        local at = 1
        for _, track in ipairs(tracks.Items) do
            local title = track.Artists[1].Artist.Name .. " - " .. track.Name
            local _, begun = said:find("playing: " .. title .. ", 2.1 s", at, true)
            assert(begun, title .. " was not played in its turn")
            local seconds
            _, at, seconds = said:find("played: [^\n]*, to ([%d.]+) s %(eof%)", begun)
            assert.is_true(tonumber(seconds) > 0)
            assert(said:find("played: " .. title .. ", to", begun, true))
        end
        local _, count = said:gsub("playing: ", "")
        assert.equal(2, count)
        for _, entry in ipairs(requests("/preview$")) do
            assert.matches("clientInstanceId=" .. INSTANCE, entry.query)
        end
        assert.equal(2, #requests("/preview$"))
        assert.is_true(#requests("^/audio/.+%.mp3$") >= 2)
    end)

    it("does not wait in its thread for the service", function()
        assert(sandbox:fault({ on = "token", delay = 1, times = 1 }))
        local said = run(SCRIPT .. "--speed=4 --script-opts=groove-count=1")
        assert.matches("played: [^\n]* %(eof%)", said)
        local looks, longest = said:match("waited for calls: (%d+) looks, the longest ([%d.]+) ms")
        assert.is_true(tonumber(looks) >= 5)
        assert.is_true(tonumber(longest) < 500)
    end)

    it("does not hold up mpv's end", function()
        assert(sandbox:fault({ on = "token", delay = 60 }))
        local began = core.now()
        local said = run(SCRIPT .. script([[
            mp.add_timeout(0.3, function() mp.command("quit") end)]]))
        assert.is_true(core.now() - began < 10) -- the token request would take 15 s
        assert.is_nil(said:find("found: ", 1, true))
        assert.matches("waited for calls: ", said)
    end)

    it("starts a sandbox where the environment names no service", function()
        local said = host.run("5.2",
            "env -u GROOVE_API_URL " .. MPV .. SCRIPT .. "--speed=4 --script-opts=groove-count=1",
            { seconds = 60 })
        assert.matches("played: [^\n]* %(eof%)", said)
    end)

    it("says what is wrong, and fails", function()
        local wrong = "wrong-secret"
        local ok, said = pcall(run, SCRIPT, { GROOVE_CLIENT_SECRET = wrong })
        assert.is_false(ok)
        assert.matches("status 1:\n", said)
        assert.matches("invalid_client", said)
        assert.is_nil(said:find(wrong, 1, true))
    end)

    it("is right about mpv's JSON and null", function()
        local said = run(script([[
            local utils = require "mp.utils"
            local groove = require "groove"
            local client = groove.new({ json = { decode = utils.parse_json,
                encode = utils.format_json } })
            local page = assert(client:search("night", { filters = "tracks" }))
            page = assert(client:next_page("Tracks", page)) -- holds nulls for the other lists
            local names = {}
            for name in pairs(page) do names[#names + 1] = name end
            table.sort(names)
            print(table.concat(names, "+"))
            local value, problem = utils.parse_json('{"a": null, "b": [1')
            print(value, problem ~= nil)
            mp.command("quit")]]))
        assert.matches("Culture%+Tracks", said)
        assert.matches("nil true", said)
    end)
end)

-- The examples run, and the README shows the first of them.

local shell = require("spec.support.shell")

describe("examples/quickstart.lua", function()
    it("is the first program of the README", function()
        local shown = shell.read("README.md"):match("```lua\n(.-)```")
        assert.equal(shell.read("examples/quickstart.lua"), shown)
    end)

    it("prints artists and tracks", function()
        local said = shell.must(shell.interpreter .. " examples/quickstart.lua")
        assert.matches("^artist\tDaft Punk\n", said)
        assert.matches("\ntrack\t%w", said)
    end)
end)

describe("examples/collection.lua", function()
    it("makes, sorts and plays a playlist", function()
        local said = shell.must(shell.interpreter .. " examples/collection.lua")
        local made = said:match("as it was made\n(.-)the last one first\n")
        local first, rest, last = made:match("^([^\n]+\n)(.-)([^\n]+\n)$")
        assert.equal(last .. first .. rest, said:match("the last one first\n(.-)COLLECTION"))
        assert.matches("COLLECTION_SOME_OPERATIONS_FAILED\n    music%.%S+\tadded\n"
            .. "    music%.no%-such%-track\tCATALOG_NO_RESULT\n", said)
        assert.matches("plays until %d+%-%d+%-%d+T[%d:.]+Z\taudio/mp3\n0 playlists left\n$", said)
    end)
end)

describe("examples/demo.lua", function()
    -- 9 s: the first renewal comes after 3.6 s at most, and the outage lasts 4 s
    it("renews tokens through an outage that no call notices", function()
        local said = shell.must("GROOVE_DEMO_SECONDS=9 " .. shell.interpreter
            .. " examples/demo.lua")
        assert.matches("calls +%d+, 0 failed\n", said)
        assert.matches("outage of the service +4 s, begun 0%.%d+ s after a renewal; %d+ att", said)
        assert.matches("service DOWN", said)
        local renewals = tonumber(said:match("tokens renewed +(%d+)"))
        assert.is_true(renewals >= 2)
        assert.matches("; 0 calls had to wait for one\n", said)
        assert.matches("longest wait for a token +[%d.]+ ms\n", said)
        assert.is_nil(said:find("\27", 1, true))
    end)
end)

describe("examples/sandbox.lua", function()
    it("prints lines that let another program use it", function()
        local folder = shell.folder()
        finally(function() shell.remove(folder) end)
        local program = "for _ in require('groove').new():each('Artists', require('groove').new()"
            .. ":search('daft punk')) do print('found') break end"
        local said = shell.must(([[
            %s examples/sandbox.lua >'%s/said' & pid=$!
            trap 'kill $pid' EXIT
            for i in $(seq 100); do grep -q curl '%s/said' && break; sleep 0.05; done
            eval "$(grep '^export' '%s/said')"
            %s -e "%s"]]):format(shell.interpreter, folder, folder, folder, shell.interpreter,
                program))
        assert.matches("found", said)
    end)
end)

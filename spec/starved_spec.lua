-- Programs that lack what a system may withhold: descriptors, stack, disk. What the core may lack,
-- call by call, is in tests/test_starve_*.c.

local groove = require("groove")
local child = require("spec.support.child")
local shell = require("spec.support.shell")

describe("A program", function()
    local sandbox, folder

    setup(function()
        sandbox = assert(groove.sandbox())
        folder = shell.folder()
    end)

    teardown(function()
        sandbox:stop()
        shell.remove(folder)
    end)

    -- Runs spec/support/starved.lua behind a shell command; each line has to say yes.
    local function run(limit, ...)
        local words = { limit, "&& TMPDIR=" .. folder,
            child.environment(child.variables(sandbox:options())), "timeout -k 5 60",
            shell.interpreter, "spec/support/starved.lua", ... }
        local said = shell.must(("bash -c %s | cat"):format(
            shell.quoted("set -o pipefail; " .. table.concat(words, " ") .. " 2>&1")))
        local lines = 0
        for line in said:gmatch("[^\n]+") do
            assert.matches(": yes$", line)
            lines = lines + 1
        end
        assert.same({}, shell.lines("ls -A " .. folder))
        return lines
    end

    for _, thread in ipairs({ "thread", "alone" }) do
        it("without descriptors hears of it, and goes on with some, " .. thread, function()
            assert.equal(11, run("ulimit -n 64", "descriptors", thread))
        end)

        it("with a stack of 1 MiB does all there is, " .. thread, function()
            assert.equal(3, run("ulimit -s 1024", "stack", thread))
        end)
    end

    it("without room on the disk needs none but for a sandbox, which says so", function()
        -- The signal for a file that is too large is left out, as a disk that is full sends none.
        assert.equal(5, run("trap '' XFSZ && ulimit -f 0", "disk"))
    end)
end)

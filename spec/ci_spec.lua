-- .ci/run, with a stand-in for make: what it adds up, and how it ends.

local shell = require("spec.support.shell")

describe(".ci/run", function()
    local folder

    -- steps: what make does for a target, by target; others pass a test.
    local function make(steps)
        local cases = {}
        for target, script in pairs(steps) do
            cases[#cases + 1] = target .. ") " .. script .. ";;"
        end
        shell.write(folder .. "/make", ([[#!/bin/sh
            for target; do :; done
            case $target in %s all|deps*) ;; *) echo "1 passed, 0 failed";; esac
        ]]):format(table.concat(cases, " ")))
        shell.must(("chmod +x '%s/make'"):format(folder))
    end

    -- A command with that make; its last line and its exit status.
    local function ends(command)
        return shell.lines(("{ PATH='%s':$PATH TMPDIR='%s/tmp' %s 2>&1; echo \"status $?\"; } "
            .. "| tail -n 2 | paste -sd ' '"):format(folder, folder, command))[1]
    end

    before_each(function()
        folder = shell.folder()
        shell.must(("mkdir '%s/tmp'"):format(folder))
    end)
    after_each(function()
        local left = shell.lines(("ls -A '%s/tmp'"):format(folder))
        shell.remove(folder)
        assert.same({}, left)
    end)

    it("exits with 0 when nothing has failed", function()
        make({})
        assert.equal("10 passed, 0 failed status 0", ends("bash .ci/run"))
    end)

    it("adds up what the steps have counted", function()
        make({ lint = "true", asan = "echo '40 passed, 2 failed'; exit 2" })
        assert.equal("49 passed, 2 failed status 1", ends("bash .ci/run"))
    end)

    it("counts a step that fails without a count, or against it", function()
        make({ lint = "exit 2", ["soak-short"] = "exit 2",
            test = "echo '7 passed, 0 failed'; exit 2" })
        assert.equal("14 passed, 3 failed status 1", ends("bash .ci/run"))
    end)

    it("ends what runs beside its steps when it is ended itself", function()
        -- The soak is told of in a file, and lint ends the run.
        make({ ["soak-short"] = "echo $$ >$TMPDIR/../soak; exec sleep 60",
            lint = "until [ -s $TMPDIR/../soak ]; do sleep 0.01; done; "
                .. "kill $(cat $TMPDIR/../run)" })
        ends("sh -c 'echo $$ >$TMPDIR/../run; exec bash .ci/run'")
        shell.must(("timeout 5 tail --pid $(cat '%s/soak') -f /dev/null"):format(folder))
    end)
end)

-- The benchmark: groove side by side with what it is measured against, as ratios, in one run.
--
--   run.lua PART...    targets: every row that has a target (make bench)
--                      scale:   cost against work (make bench-scale)
--                      peers:   what else one might use (make bench-peers)
--                      document: docs/performance.* from what the others have left in the file of
--                               results, build/bench/results.json
--
-- Everything runs on this machine; nginx serves on the loopback interface. Exits 1 when a target is
-- missed. GROOVE_BENCH=quick: fewer and shorter rounds.

local root = arg[0]:gsub("bench/[^/]*$", "")
package.cpath = root .. "build/bench/?.so;" .. package.cpath
package.path = root .. "bench/?.lua;" .. package.path

local bench = require "bench"
local results = require "results"
local server = require "server"

local parts = {}

function parts.targets()
    local site = server.start(bench.native)
    bench.title()
    require("tokens").run(site)
    require("calls").run(site)
    require("api").run()
    require("nginx").run(site)
    require("frames").run()
    site.stop()
    print(bench.missed == 0 and "all targets reached" or bench.missed .. " missed")
    return { rows = bench.rows }
end

function parts.scale()
    return require("scale").run()
end

function parts.peers()
    return require("peers").run()
end

for i, part in ipairs(arg) do
    if part == "document" then
        require("document").write()
    else
        local load_before = results.load()
        if i == 1 and load_before > 1 then
            print(("This machine is busy (load average %.1f): expect noise."):format(load_before))
        end
        local ok, found = xpcall(parts[part], debug.traceback)
        server.stop_all()
        if not ok then error(found, 0) end
        results.add(part, found, load_before)
    end
end
os.exit(bench.missed == 0 and 0 or 1, true)

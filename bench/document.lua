-- docs/performance.*: the file of results, the plots, and the tables of performance.md, which stand
-- between markers there. A quick run's go to build/bench/docs, so that they replace no full run's.

local bench = require "bench"
local plot = require "plot"
local results = require "results"

local M = {}

local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

local function table_of(heads, rows)
    local lines = { "| " .. table.concat(heads, " | ") .. " |", "|" .. ("---|"):rep(#heads) }
    for _, row in ipairs(rows) do lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |" end
    return table.concat(lines, "\n")
end

local function short(value)
    if value == math.floor(value) then return ("%d"):format(value) end
    return (value >= 100 and "%.0f" or value >= 10 and "%.1f" or value >= 2 and "%.2f" or "%.3f")
        :format(value)
end

local function with_unit(row)
    local units = { ratio = " x", count = "", ["%"] = " %" }
    return short(row.value) .. (units[row.unit] or " " .. row.unit)
end

local function target_of(row)
    return row.target and (row.target .. (row.ok and "" or " **missed**")) or ""
end

local function noise_of(row)
    return row.noise and ("%.0f %%"):format(row.noise * 100) or ""
end

local function targets_table(targets)
    local rows = {}
    for i, row in ipairs(targets.rows) do
        local name = row.name:gsub("^  ", "&emsp;")
        if row.skipped then
            rows[i] = { name, "not measured: " .. row.skipped, "", "", "" }
        else
            rows[i] = { name, row.measured or "", with_unit(row), target_of(row), noise_of(row) }
        end
    end
    return table_of({ "what", "measured (medians)", "value", "target", "noise" }, rows)
end

local function cell(value, pattern)
    return value and pattern:format(value) or ""
end

-- What a peer does at the end of a token's life, in words.
local function unasked(row)
    return row.unasked and (row.unasked > 0 and "yes" or "no") or ""
end

local function peer_cells(row)
    if row.skipped then
        return { row.name, "not measured: " .. row.skipped, "", "", "", "", "", "" }
    end
    local name = row.name .. (row.version and " " .. row.version or "")
    return {
        name, cell(row.cached, "%.0f"), cell(row.first, "%.0f"), cell(row.calls, "%.0f"),
        cell(row.requests, "%d"), unasked(row), cell(row.longest, "%.2f"),
        cell(row.memory and row.memory / 1048576, "%.0f"),
    }
end

local function peers_table(peers)
    local rows = {}
    for i, row in ipairs(peers.rows) do rows[i] = peer_cells(row) end
    return table_of({ "", "token at hand, ns", "a process and its first token, ms",
        "an API call, us", "requests of 64 at a cold start", "renews unasked",
        "longest wait when it is renewed, ms", "memory, MiB" }, rows)
end

local function scale_tables(scale)
    local sources, renewals, threads, widths = {}, {}, {}, {}
    for i, p in ipairs(scale.idle) do
        sources[i] = { p.sources, cell(p.allocated, "%.0f"), p.sources < 100 and "" or
            cell(p.bytes, "%.0f"), cell(p.rss / 1048576, "%.1f"), cell(p.cpu, "%.3f") }
    end
    for i, p in ipairs(scale.renewal) do
        renewals[i] = { p.sources, cell(p.rate, "%.1f"), cell(p.peak, "%.2f"), cell(p.us, "%.0f") }
    end
    for i, p in ipairs(scale.threads) do
        threads[i] = { p.threads, cell(p.reads / 1e6, "%.1f"), cell(p.ns, "%.1f"),
            cell(p.go_reads and p.go_reads / 1e6, "%.1f"), cell(p.go_ns, "%.1f") }
    end
    for i, p in ipairs(scale.in_flight) do
        widths[i] = { p.width, cell(p.calls, "%.0f"), cell(p.plain, "%.0f"),
            cell(p.calls / p.plain, "%.2f"), cell(p.noise * 100, "%.0f %%") }
    end
    return table.concat({
        table_of({ "sources", "bytes each, malloc", "bytes each, resident", "whole process, MiB",
            "idle processor, %" }, sources),
        table_of({ "sources with 60 s tokens", "renewals a second", "busiest second / mean",
            "processor for one, us" }, renewals),
        table_of({ "threads", "reads a second, millions", "processor for one, ns",
            "Go: reads a second, millions", "Go: processor for one, ns" }, threads),
        table_of({ "calls in flight", "groove, calls/s", "curl_multi, calls/s", "ratio", "noise" },
            widths),
    }, "\n\n")
end

local function machine_text(all)
    local machine, versions = all.machine, {}
    for name, version in pairs(machine.versions) do
        versions[#versions + 1] = name .. " " .. version
    end
    table.sort(versions)
    local lines = { ("%s, %d cores, %d GiB; %s, %s. %s."):format(machine.processor, machine.cores,
        machine.memory_gib, machine.system, machine.kernel, table.concat(versions, ", ")), "" }
    for _, part in ipairs({ "targets", "scale", "peers" }) do
        if all[part] then
            lines[#lines + 1] = ("- %s: %s, a %s run; load average before it began: %.1f"):format(
                part, all[part].date, all[part].mode, all[part].load_before)
        end
    end
    return table.concat(lines, "\n")
end

local function points_of(list, x, y, least)
    local points = {}
    for _, item in ipairs(list) do
        if item[x] and item[y] and item[x] >= (least or 0) then
            points[#points + 1] = { item[x], item[y] }
        end
    end
    return points
end

local function millions(list, x, y)
    local points = points_of(list, x, y)
    for _, point in ipairs(points) do point[2] = point[2] / 1e6 end
    return points
end

local function sources_plot(scale)
    local x = { label = "sources in one process", log = true }
    return plot.lines("1 to 100,000 sources in one process", {
        { title = "Memory of each, bytes", x = x, y = {}, target = { 1024, "target" }, series = {
            { name = "malloc", points = points_of(scale.idle, "sources", "allocated") },
            { name = "resident", points = points_of(scale.idle, "sources", "bytes", 100) } } },
        { title = "Renewals a second, tokens of 60 s", x = x, y = { log = true }, series = {
            { name = "renewals", points = points_of(scale.renewal, "sources", "rate") } } },
        { title = "Processor while idle, % of one", x = x, y = { least = 0.1 }, series = { {
            name = "all with a token, none due", points = points_of(scale.idle, "sources", "cpu"),
        } } },
    })
end

local function threads_plot(scale)
    local x = { label = "threads", log = true, base = 2 }
    local list = scale.threads
    return plot.lines("1 to 64 threads reading one token", {
        { title = "Reads a second, all threads, millions", x = x, y = {}, series = {
            { name = "groove", points = millions(list, "threads", "reads") },
            { name = "Go x/oauth2", points = millions(list, "threads", "go_reads") } } },
        { title = "Processor for one read, ns", x = x, y = {}, series = {
            { name = "groove", points = points_of(list, "threads", "ns") },
            { name = "Go x/oauth2", points = points_of(list, "threads", "go_ns") } } },
    })
end

local function flight_plot(scale)
    local x = { label = "calls in flight", log = true, base = 2 }
    local ratios = {}
    for i, p in ipairs(scale.in_flight) do ratios[i] = { p.width, p.calls / p.plain } end
    return plot.lines("1 to 256 API calls in flight, 8.5 KB each, decoded", {
        { title = "Calls a second", x = x, y = {}, series = {
            { name = "groove", points = points_of(scale.in_flight, "width", "calls") },
            { name = "curl_multi", points = points_of(scale.in_flight, "width", "plain") } } },
        { title = "groove / curl_multi", x = x, y = {}, target = { 1, "the same" },
            series = { { name = "ratio", points = ratios } } },
    })
end

local function bars_of(rows, key)
    local points = {}
    for i, row in ipairs(rows) do
        if row[key] then
            points[#points + 1] = { i, row[key], ours = row.name:find("groove", 1, true) ~= nil }
        end
    end
    return { { points = points } }
end

local function peers_plot(peers)
    local names, rows = {}, {}
    for _, row in ipairs(peers.rows) do
        if not row.skipped and not row.name:find(", TLS", 1, true) then
            rows[#rows + 1] = row
            names[#names + 1] = row.name
        end
    end
    return plot.bars("groove and what else one might use (shorter is better, logarithmic)", names, {
        { title = "A token at hand, ns", from = 1, series = bars_of(rows, "cached") },
        { title = "Process and first token, ms", from = 1, series = bars_of(rows, "first") },
        { title = "An API call, us", from = 10, series = bars_of(rows, "calls") },
    })
end

-- Puts `text` between the markers of that name.
local function fill(page, name, text)
    local open, close = "<!-- " .. name .. ": written by make bench-report -->", "<!-- end -->"
    local from, till = page:find(open, 1, true)
    assert(from, "docs/performance.md has no place for " .. name)
    local stop = assert(page:find(close, till, true))
    return page:sub(1, till) .. "\n\n" .. text .. "\n\n" .. page:sub(stop)
end

-- Those of the table of the peers that the README shows.
local README = { "groove, Lua 5.4", "groove, LuaJIT", "Go x/oauth2", "Python requests-oauthlib",
    "Python msal", "Node @azure/msal-node", "LuaSocket + LuaSec, by hand", "a bare libcurl loop" }

local function readme_table(peers)
    local rows = {}
    for _, name in ipairs(README) do
        for _, row in ipairs(peers.rows) do
            if row.name == name then
                local cells = peer_cells(row)
                cells[1] = name
                table.remove(cells) -- memory
                rows[#rows + 1] = cells
            end
        end
    end
    return table_of({ "", "token at hand, ns", "process + first token, ms", "API call, us",
        "requests of 64 at once", "renews unasked", "longest wait at renewal, ms" }, rows)
end

--- Writes all that can be written of what has been measured.
function M.write()
    local all = results.read()
    local quick = false
    for _, part in ipairs({ "targets", "scale", "peers" }) do
        assert(all[part], part .. " has not been measured yet")
        quick = quick or all[part].mode == "quick"
    end
    local docs = bench.root .. "docs/"
    local page = read(docs .. "performance.md")
    if quick then
        docs = bench.build .. "docs/"
        os.execute("mkdir -p '" .. docs .. "'")
    end
    page = fill(page, "machine", machine_text(all))
    page = fill(page, "targets", targets_table(all.targets))
    page = fill(page, "peers", peers_table(all.peers))
    page = fill(page, "scale", scale_tables(all.scale))
    bench.write(docs .. "performance.md", page)
    bench.write(docs .. "performance-sources.svg", sources_plot(all.scale))
    bench.write(docs .. "performance-threads.svg", threads_plot(all.scale))
    bench.write(docs .. "performance-flight.svg", flight_plot(all.scale))
    bench.write(docs .. "performance-peers.svg", peers_plot(all.peers))
    results.write(all, docs .. "performance.json")
    print("written: " .. docs .. "performance.*; for the README:\n\n" .. readme_table(all.peers))
end

return M

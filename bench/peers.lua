-- What one would use otherwise, each as its documentation says, by the same measures against the
-- same server. Each is a small program in bench/peers, started once for each measure; it prints
-- lines of JSON. One that is not installed stays in the table and says so.

local bench = require "bench"
local cjson = require "cjson"
local server = require "server"

local native = bench.native
local here = bench.root .. "bench/peers/"

local M = {}

local PYTHON = "/usr/bin/python3" -- the one that Debian's packages are for
local CALLS = bench.quick and 100 or 300
local REPEATS = bench.quick and 1 or 3

-- For the renewal: the token service takes DELAY seconds; a token lives LIFE seconds longer than
-- what the library leaves unused of it (`skew`); then nothing is called for IDLE seconds, and after
-- that every 5 ms.
local DELAY, LIFE, IDLE, BUSY = 0.2, 3, 4, 4

local ALL = { "first", "cached", "calls", "together", "renewal" }
local ALONE = { "first", "cached", "calls", "renewal" } -- blocks the thread: one caller at a time

local function debian(package)
    return "dpkg-query -W -f '${Version}' " .. package .. " 2>/dev/null"
end

-- `lacks` of a peer: a function that says why it cannot run here, or returns nil.

local function lacks_file(path, why)
    return function()
        if not bench.readable(path) then return why end
    end
end

local function lacks_module(interpreter, ...)
    local names = { ... }
    for i, name in ipairs(names) do names[i] = ("require '%s'"):format(name) end
    local command = ("%s -e \"%s\" 2>/dev/null && echo yes"):format(interpreter,
        table.concat(names, " "))
    return function()
        if bench.output_of(command) == "" then
            return "its packages are not installed (make deps-peers)"
        end
    end
end

local function python(module, package, file, peer)
    peer.name, peer.command = "Python " .. package, { PYTHON, here .. file }
    peer.version = ("%s -c 'import %s; import importlib.metadata as m; print(m.version(\"%s\"))' "
        .. "2>/dev/null"):format(PYTHON, module, package)
    peer.lacks = function()
        if bench.output_of(peer.version) == "" then
            return "its package is not installed (make deps-peers)"
        end
    end
    return peer
end

local MSAL_NODE = bench.build .. "node_modules/@azure/msal-node/package.json"

-- skew: seconds before the end from which on the library does not hand a token out any more.
local PEERS = {
    { name = "groove, Lua 5.4", command = { bench.lua, here .. "groove_peer.lua" }, measures = ALL,
        skew = 0 },
    { name = "groove, LuaJIT", command = { "luajit", here .. "groove_peer.lua" },
        measures = { "first", "cached", "calls" },
        lacks = lacks_file(bench.root .. "build/jit/groove/core.so", "there is no build for it") },
    { name = "groove, Lua 5.4, TLS", command = { bench.lua, here .. "groove_peer.lua" }, tls = true,
        measures = { "first" } },
    { name = "Go x/oauth2", command = { bench.build .. "oauth2" }, measures = ALL, skew = 10,
        version = debian("golang-golang-x-oauth2-dev"), lacks = lacks_file(bench.build .. "oauth2",
            "go or golang.org/x/oauth2 is not installed (make deps-peers)") },
    python("requests_oauthlib", "requests-oauthlib", "requests_oauthlib_peer.py",
        { measures = ALL, skew = 0 }),
    python("google.auth", "google-auth", "google_auth_peer.py", { measures = ALL, skew = 300 }),
    python("msal", "msal", "msal_peer.py", { measures = ALL, skew = 300, tls = true }),
    { name = "Node @azure/msal-node", command = { "node", here .. "msal-node.cjs" }, measures = ALL,
        skew = 300, tls = true, version = "sed -n 's/.*\"version\": //p' '" .. MSAL_NODE .. "'",
        lacks = lacks_file(MSAL_NODE, "npm is not there, or could not fetch it") },
    { name = "LuaSocket + LuaSec, by hand", command = { bench.lua, here .. "luasocket.lua" },
        measures = ALONE, skew = 10, version = debian("lua-socket"),
        lacks = lacks_module(bench.lua, "socket.http", "ssl.https") },
    { name = "lua-curl, by hand", command = { "lua5.1", here .. "luacurl.lua" },
        measures = ALONE, skew = 10, version = debian("lua-curl"),
        lacks = lacks_module("lua5.1", "curl", "socket", "cjson") },
    { name = "curl, the command", command = { "sh", here .. "curl.sh" },
        measures = { "first", "calls", "together" }, version = "curl --version" },
    { name = "a bare libcurl loop", command = { bench.lua, here .. "libcurl.lua" },
        measures = { "calls" } },
}

-- What a peer's environment says about the server, as `env` takes it.
local function environment(peer, site)
    local tls = peer.tls
    return {
        "BENCH_TOKEN_URL=" .. (tls and site.tls_origin .. "/token" or site.token_url),
        "BENCH_API_URL=" .. site.api_url .. "/1/content/music/search?q=x",
        "BENCH_AUTHORITY=" .. site.tls_origin .. "/adfs",
        "BENCH_CA_FILE=" .. site.ca_file,
        "REQUESTS_CA_BUNDLE=" .. site.ca_file,
        "NODE_EXTRA_CA_CERTS=" .. site.ca_file,
        "BENCH_NODE_MODULES=" .. bench.absolute(bench.build) .. "/node_modules",
        "PYTHONDONTWRITEBYTECODE=1", "no_proxy=*", "NO_PROXY=*",
        "LUA_CPATH=" .. os.getenv("LUA_CPATH"):gsub("build/[%d.]+/",
            peer.command[1] == "luajit" and "build/jit/" or "%0"),
    }
end

local function command_of(peer, site, ...)
    local list = { "env" }
    for _, from in ipairs({ environment(peer, site), peer.command, { ... } }) do
        for _, word in ipairs(from) do list[#list + 1] = tostring(word) end
    end
    return list
end

-- Starts it for one measure; `each` is called with each line as it comes.
local function run(peer, site, each, ...)
    local words = command_of(peer, site, ...)
    for i, word in ipairs(words) do words[i] = "'" .. word .. "'" end
    local pipe = io.popen(table.concat(words, " "))
    local lines = 0
    for line in pipe:lines() do
        local said = cjson.decode(line)
        each(said.measure, said.value)
        lines = lines + 1
    end
    pipe:close()
    assert(lines > 0, peer.name .. " failed: " .. table.concat({ ... }, " "))
end

local function put_into(row)
    return function(measure, value) row[measure] = value end
end

local measure = {}

-- Start to end of a process that gets a token, in ms.
function measure.first(peer, site)
    local seconds, status = native.run(command_of(peer, site, "first"))
    assert(status == 0, peer.name .. " failed")
    return { first = seconds * 1000 }
end

function measure.cached(peer, site)
    local out = {}
    run(peer, site, put_into(out), "cached")
    return out
end

function measure.calls(peer, site)
    local out = {}
    run(peer, site, put_into(out), "calls", CALLS)
    return out
end

-- Token requests that 64 concurrent callers make at a cold start.
function measure.together(peer, site)
    local out = {}
    site.mode({ delay = DELAY })
    run(peer, site, put_into(out), "together")
    out.requests = site.mode({ delay = 0 })
    assert(out.served == 64, peer.name .. " did not serve all")
    return out
end

-- Token requests while nobody calls, and the longest that a caller waits afterwards.
function measure.renewal(peer, site)
    local out = {}
    site.mode({ delay = DELAY, lifetime = peer.skew + LIFE })
    run(peer, site, function(name, value)
        out[name] = value
        if name == "ready" then site.mode() end
        if name == "idle" then out.unasked = site.mode() end
    end, "renewal", IDLE, BUSY)
    site.mode({ delay = 0, lifetime = 86400 })
    return { unasked = out.unasked, waits = out.waits, longest = out.longest }
end

-- How often each is measured: peers take turns, and medians are kept.
local TIMES = {
    first = bench.quick and 3 or 15, cached = REPEATS, calls = REPEATS, together = 1, renewal = 1,
}

local function has(peer, name)
    for _, one in ipairs(peer.measures) do
        if one == name then return true end
    end
end

local function median_of(list)
    local row = {}
    for key in pairs(list[1]) do
        local values = {}
        for i, one in ipairs(list) do values[i] = one[key] end
        row[key] = bench.median(values)
    end
    return row
end

local function measure_all(peers, rows, site, name)
    local found = {}
    for _ = 1, TIMES[name] do
        for i, peer in ipairs(peers) do
            if not rows[i].skipped and has(peer, name) then
                found[i] = found[i] or {}
                table.insert(found[i], measure[name](peer, site))
            end
        end
    end
    for i, list in pairs(found) do
        for key, value in pairs(median_of(list)) do rows[i][key] = value end
    end
end

local function prepare(peer)
    local row = { name = peer.name, skew = peer.skew, tls = peer.tls or false }
    row.skipped = peer.lacks and peer.lacks()
    if not row.skipped and peer.version then
        row.version = bench.output_of(peer.version):match("%d[%d.]*")
    end
    return row
end

local function cell(value, pattern)
    return value and pattern:format(value) or "-"
end

local LINE = "%-28s %10s %12s %12s %9s %10s %10s %12s"

local function show(row)
    local idle = row.unasked and (row.unasked > 0 and "yes" or "no")
    if row.skipped then return print(("%-28s skipped: %s"):format(row.name, row.skipped)) end
    print(LINE:format(row.name, cell(row.first, "%.1f"), cell(row.cached, "%.0f"),
        cell(row.calls, "%.0f"), cell(row.requests, "%d"), idle or "-", cell(row.longest, "%.2f"),
        cell(row.memory and row.memory / 1048576, "%.1f")))
end

function M.run()
    local site = server.start(native, true)
    local rows = {}
    for i, peer in ipairs(PEERS) do rows[i] = prepare(peer) end
    for _, name in ipairs(ALL) do measure_all(PEERS, rows, site, name) end
    site.stop()
    print(LINE:format("", "first, ms", "cached, ns", "a call, us", "64 ask", "unasked", "waits, ms",
        "memory, MiB"))
    for _, row in ipairs(rows) do show(row) end
    return { rows = rows, calls = CALLS, delay = DELAY }
end

return M

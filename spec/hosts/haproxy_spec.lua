-- examples/haproxy in the real HAProxy: in its chroot, as another user, with RLIMIT_NPROC 0.

local core = require("groove.core")
local groove = require("groove")
local json = require("cjson")
local host = require("spec.support.host")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local EXAMPLE = "examples/haproxy/"
local SEARCH = "/1/content/music/search?q=love&maxItems=1"
local THREADS = 2
-- The token is not the client's business; and no connection outlives a process of HAProxy's.
local HEADERS = { "Authorization: Bearer of-the-client", "Connection: close" }
local ROOT = core.process.is_root()
local PATH = "PATH=/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/sbin:/bin"

-- Starts what it is given, and ends it when this process has gone, however that came about: its
-- descriptor 4 ends then. Descriptor 3 is the frontend's socket.
local KEEPER = [[
trap : TERM
"$@" 4<&- &
echo $! >"$PID_FILE"
exec 3<&-
read -r line <&4
trap "" TERM
kill $!
wait $!
]]

-- What the example says once, said otherwise.
local function changed(text, changes)
    for from, to in pairs(changes) do
        local first, last = text:find(from, 1, true)
        assert(first and not text:find(from, last, true), "the example does not say once: " .. from)
        text = text:sub(1, first - 1) .. to .. text:sub(last + 1)
    end
    return text
end

-- The Lua that HAProxy is built with; nil where there is no such HAProxy.
local function lua_inside()
    return shell.lines(PATH .. " haproxy -vv 2>/dev/null"
        .. [[ | sed -n 's/.* Lua version : Lua \([0-9]\.[0-9]\).*/\1/p']])[1]
end

-- Where the build for that Lua is, as environment variables.
local search_path
local function build_environment()
    search_path = search_path or shell.lines(host.env(lua_inside())
        .. [[; printf 'LUA_PATH=%s\nLUA_CPATH=%s\n' "$LUA_PATH" "$LUA_CPATH"]])
    return search_path
end

-- --- HAProxy -------------------------------------------------------------------------------------

local function environment_of(sandbox, folder, more)
    local options = sandbox:options()
    local values = {
        GROOVE_TOKEN_URL = options.token_url,
        GROOVE_CLIENT_ID = options.client_id,
        GROOVE_CLIENT_SECRET_FILE = folder .. "/secret",
        GROOVE_CA_FILE = options.ca_file,
        GROOVE_API_ADDRESS = options.api_url:match("//(.*)"),
        GROOVE_BIND = "fd@3",
        PID_FILE = folder .. "/pid",
    }
    for name, value in pairs(more or {}) do
        values[name] = value
    end
    local out = { PATH }
    for _, line in ipairs(build_environment()) do
        out[#out + 1] = line
    end
    for name, value in pairs(values) do
        if value then
            out[#out + 1] = name .. "=" .. value
        end
    end
    return out
end

local function write_files(folder, load, opts)
    local lua = folder .. "/authorize.lua"
    local changes = {
        ["lua-load-per-thread " .. EXAMPLE .. "authorize.lua"] = load .. " " .. lua,
        ["user haproxy"] = ROOT and "user nobody" or "",
        ["group haproxy"] = ROOT and "group nogroup" or "",
        ["chroot /var/lib/haproxy"] = ROOT and "chroot " .. folder .. "/empty" or "",
        ["default_backend groove"] = "http-response set-header X-Thread %[thread]\n"
            .. "    default_backend groove",
    }
    for from, to in pairs(opts.config or {}) do
        changes[from] = to
    end
    shell.write(folder .. "/haproxy.cfg", changed(shell.read(EXAMPLE .. "haproxy.cfg"), changes))
    shell.write(lua, changed(shell.read(EXAMPLE .. "authorize.lua"), opts.lua or {}))
    shell.must(("mkdir '%s/empty'"):format(folder))
end

-- A file that only this user can read: it is in a folder of that kind.
local function write_secret(sandbox, folder)
    shell.write(folder .. "/secret", sandbox:options().client_secret .. "\n")
end

local started = {}

--- Starts HAProxy. Requests wait in its socket until it is there.
-- @tparam table sandbox
-- @tparam string load "lua-load" or "lua-load-per-thread"
-- @tparam[opt] table opts `config`, `lua` changes of the files; `environment`; `arguments` of
-- HAProxy ({ "-db" }); `before` a command that runs it
local function start(sandbox, load, opts)
    opts = opts or {}
    local folder, listener = assert(core.process.folder()), assert(core.process.listen())
    local path = folder:path()
    write_files(path, load, opts)
    write_secret(sandbox, path)
    local argv = { "sh", "-c", KEEPER, "keeper" }
    for _, list in ipairs({ opts.before or {}, { "haproxy", "-f", path .. "/haproxy.cfg" },
        opts.arguments or { "-db" } }) do
        for _, word in ipairs(list) do
            argv[#argv + 1] = word
        end
    end
    local child = assert(core.process.spawn({
        argv = argv, env = environment_of(sandbox, path, opts.environment),
        listeners = { listener }, lifeline = true, output = path .. "/output",
    }))
    local proxy = { folder = folder, path = path, child = child,
        url = ("http://127.0.0.1:%d"):format(listener:port()) }
    listener:close()
    started[#started + 1] = proxy
    return proxy
end

local function output(proxy)
    return shell.read(proxy.path .. "/output") or "(HAProxy said nothing)"
end

local function check_says(proxy, pattern)
    local said = service.eventually(function() return output(proxy):find(pattern) end, 20)
    assert.is_true(said, output(proxy))
end

local function pid_of(proxy)
    local file = proxy.path .. "/pid"
    assert(service.eventually(function() return (shell.read(file) or ""):find("\n") end, 20))
    return shell.read(file):match("%d+")
end

local function is_running(pid)
    local state = (shell.read("/proc/" .. pid .. "/stat") or ""):match("%) (%a)")
    return state ~= nil and state ~= "Z"
end

-- Ends HAProxy; its exit code.
local function stop(proxy)
    local pid = pid_of(proxy)
    proxy.child:stop(10)
    if is_running(pid) then
        shell.must("kill -9 " .. pid)
    end
    proxy.folder:close()
    return proxy.child:wait(0)
end

local function stop_all()
    while #started > 0 do
        stop(table.remove(started))
    end
end

-- --- requests ------------------------------------------------------------------------------------

local function begin(proxy, path)
    return core.request({ url = proxy.url .. path, headers = HEADERS, timeout = 20 })
end

local function finish(proxy, op)
    op:wait()
    local answer, err = op:result()
    if not answer then
        error(tostring(err) .. "\n" .. output(proxy), 0)
    end
    return answer
end

local function get(proxy, path)
    return finish(proxy, begin(proxy, path or SEARCH))
end

-- Several at once; their answers.
local function get_many(proxy, count)
    local ops, answers = {}, {}
    for i = 1, count do
        ops[i] = begin(proxy, SEARCH)
    end
    for i, op in ipairs(ops) do
        answers[i] = finish(proxy, op)
    end
    return answers
end

local function check(answer)
    assert.equal(200, answer.status)
    assert.is_string(json.decode(answer.body).Tracks.Items[1].Name)
end

local function status(proxy)
    local answer = get(proxy, "/groove-status")
    local out = { code = answer.status }
    for name, value in answer.body:gmatch("([%w_]+): ([^\n]*)") do
        out[name] = tonumber(value) or value
    end
    return out
end

-- Asks the API until something holds, and checks each answer.
local function serve_until(proxy, condition)
    return service.eventually(function()
        check(get(proxy))
        return condition()
    end, 30)
end

-- How many tokens the process has asked for is what the sandbox has seen.
local function one_request_each(proxy, sandbox, before)
    local least = service.token_requests(sandbox) - before
    local requests = status(proxy).requests
    local most = service.token_requests(sandbox) - before
    assert.is_true(least <= requests and requests <= most,
        ("%d requests, %d to %d seen"):format(requests, least, most))
end

-- --- the process ---------------------------------------------------------------------------------

local function in_proc(pid, name)
    return assert(shell.read(("/proc/%s/%s"):format(pid, name)))
end

local function check_threads(pid)
    assert.truthy(in_proc(pid, "limits"):find("Max processes +0 +0 "))
    assert.equal(THREADS, #shell.lines(("ls /proc/%s/task"):format(pid)))
end

local function check_chroot(proxy, pid)
    assert.same({ proxy.path .. "/empty" }, shell.lines(("readlink /proc/%s/root"):format(pid)))
    assert.same({}, shell.lines(("ls -A '%s/empty'"):format(proxy.path)))
    assert.not_equal("0", in_proc(pid, "status"):match("Uid:%s+(%d+)"))
end

local function needs_root()
    if not ROOT then
        pending("only root can start HAProxy in a chroot and as another user")
    end
end

describe("examples/haproxy", function()
    if not lua_inside() then
        pending("is not tried: the program haproxy, with Lua, is not installed")
        return
    end

    local calm, lively, secure

    setup(function()
        calm = assert(groove.sandbox())
        -- Renewed ten times in its life, so that nobody waits for a token even on a busy machine.
        lively = assert(groove.sandbox({ lifetime = 3, refresh_in = 0.3 }))
        secure = assert(groove.sandbox({ lifetime = 3, refresh_in = 0.3, tls = true }))
    end)

    teardown(function()
        calm:stop()
        lively:stop()
        secure:stop()
    end)

    local add_fault, clear_calm = service.faults(function() return calm end)
    local add_lively_fault, clear_lively = service.faults(function() return lively end)

    after_each(function()
        stop_all()
        clear_calm()
        clear_lively()
        lively:set_lifetime(3)
    end)

    -- Serves for longer than a token lives.
    local function outlive(proxy)
        local over = core.now() + 3.5
        assert.is_true(serve_until(proxy, function()
            return core.now() > over and status(proxy).renewals >= 4
        end), output(proxy))
    end

    for _, load in ipairs({ "lua-load", "lua-load-per-thread" }) do
        describe("with " .. load, function()
            it("serves all threads from one token request at a cold start", function()
                local before = service.token_requests(calm)
                add_fault({ on = "token", delay = 0.5, times = 1 })
                local proxy = start(calm, load)
                local threads, count = {}, 0
                assert.is_true(service.eventually(function()
                    for _, answer in ipairs(get_many(proxy, 16)) do
                        check(answer)
                        local thread = answer.headers["x-thread"]
                        count = count + (threads[thread] and 0 or 1)
                        threads[thread] = true
                    end
                    return count == THREADS
                end, 30))
                assert.equal(before + 1, service.token_requests(calm))
            end)

            it("renews the token where no thread can be started", function()
                local before = service.token_requests(lively)
                local proxy = start(lively, load)
                assert.is_true(service.eventually(function() -- without a request
                    return service.token_requests(lively) >= before + 4
                end, 30), output(proxy))
                outlive(proxy)
                one_request_each(proxy, lively, before)
                check_threads(pid_of(proxy))
            end)

            it("does not let requests notice an outage of the token service", function()
                lively:set_lifetime(60)
                local proxy = start(lively, load)
                check(get(proxy))
                add_lively_fault({ on = "token", status = 503 })
                assert.is_true(serve_until(proxy, function()
                    return status(proxy).failures >= 2
                end), output(proxy))
                check_says(proxy, "groove: renew_failed: .- %(HTTP 503%)")
                clear_lively()
                local renewals = status(proxy).renewals
                assert.is_true(serve_until(proxy, function()
                    return status(proxy).renewals > renewals
                end), output(proxy))
            end)

            it("gets another token when the API refuses one", function()
                local proxy = start(calm, load)
                check(get(proxy))
                local before = service.token_requests(calm)
                add_fault({ on = "api", status = 401, times = 1 })
                assert.equal(401, get(proxy).status)
                check(get(proxy))
                assert.equal(before + 1, service.token_requests(calm))
                assert.equal(1, status(proxy).invalidations)
            end)

            it("answers 503 where there is no token", function()
                add_fault({ on = "token", status = 500 })
                local proxy = start(calm, load)
                local answer = get(proxy)
                assert.equal(503, answer.status)
                assert.equal("1", answer.headers["retry-after"])
                assert.equal(503, status(proxy).code)
                assert.truthy(tostring(status(proxy).last_error):find("HTTP 500", 1, true))
                clear_calm()
                assert.is_true(service.eventually(function()
                    return get(proxy).status == 200
                end, 30))
                assert.equal(200, status(proxy).code)
            end)

            it("lets a request wait for the first token for so long only", function()
                add_fault({ on = "token", delay = 10 })
                local proxy = start(calm, load, {
                    lua = { ["FIRST_TOKEN = 3"] = "FIRST_TOKEN = 0.1" },
                })
                assert.equal(503, get(proxy).status)
                assert.equal("renewing", status(proxy).state)
            end)
        end)
    end

    local function from_variable(secret)
        return { GROOVE_CLIENT_SECRET_FILE = false, GROOVE_CLIENT_SECRET = secret }
    end

    it("says what is wrong, and not the secret", function()
        local secret = "not the right one"
        local proxy = start(calm, "lua-load-per-thread", { environment = from_variable(secret) })
        assert.equal(503, get(proxy).status)
        check_says(proxy, "groove: refused: .*invalid_client")
        assert.falsy(output(proxy):find(secret, 1, true))
        assert.falsy(get(proxy, "/groove-status").body:find(secret, 1, true))
    end)

    it("takes the secret from the environment", function()
        check(get(start(calm, "lua-load", {
            environment = from_variable(calm:options().client_secret),
        })))
    end)

    it("takes the secret and the certificates along into the chroot", function()
        needs_root()
        local proxy = start(secure, "lua-load-per-thread", {
            config = {
                ['server groove "${GROOVE_API_ADDRESS}"'] =
                    'server groove "${GROOVE_API_ADDRESS}" ssl verify required ca-file '
                    .. secure.ca_file,
            },
        })
        outlive(proxy)
        check_chroot(proxy, pid_of(proxy))
        check_threads(pid_of(proxy))
    end)

    it("takes the address of a named service along into the chroot", function()
        needs_root()
        if not shell.succeeds("unshare -m true 2>/dev/null") then
            pending("this system lets nobody replace /etc/hosts for one process")
        end
        local folder = assert(core.process.folder())
        finally(function() folder:close() end)
        shell.write(folder:path() .. "/hosts", "127.0.0.1 tokens.test\n")
        local proxy = start(lively, "lua-load-per-thread", {
            before = { "unshare", "-m", "sh", "-c",
                'mount --bind "$HOSTS" /etc/hosts && exec "$@"', "sh" },
            environment = {
                HOSTS = folder:path() .. "/hosts",
                GROOVE_TOKEN_URL = lively.token_url:gsub("127%.0%.0%.1", "tokens.test"),
            },
            lua = { ["thread = false,"] = "thread = false,\n    allow_http = true," },
        })
        outlive(proxy)
        check_chroot(proxy, pid_of(proxy))
        check_threads(pid_of(proxy))
    end)

    -- The one child of the master process; nil while there are two.
    local function worker_of(pid)
        return in_proc(pid, "task/" .. pid .. "/children"):match("^(%d+) *$")
    end

    -- Right after its start the master process runs itself anew, and ignores SIGUSR2 meanwhile.
    local function hears_reload(pid)
        local signals = in_proc(pid, "status")
        return signals:find("SigBlk:%s+0+\n") and signals:find("SigCgt:%s+%x*[89a-f]%x%x\n")
    end

    it("works below a master process, and is loaded anew by it", function()
        local proxy = start(calm, "lua-load-per-thread", { arguments = { "-W", "-db" } })
        check(get(proxy))
        local master = pid_of(proxy)
        local first = worker_of(master)
        check_threads(first)
        assert.is_true(service.eventually(function() return hears_reload(master) end, 20))
        local before = service.token_requests(calm)
        shell.must("kill -USR2 " .. master)
        local second
        assert.is_true(serve_until(proxy, function()
            second = worker_of(master)
            return second and second ~= first
        end), output(proxy))
        check(get(proxy))
        check_threads(second)
        assert.equal(before + 1, service.token_requests(calm))
    end)

    it("ends cleanly", function()
        local proxy = start(calm, "lua-load-per-thread")
        check(get(proxy))
        local pid = pid_of(proxy)
        shell.must("kill -USR1 " .. pid)
        assert.is_true(service.eventually(function() return not is_running(pid) end, 20))
        assert.equal(0, stop(table.remove(started)))
    end)

    it("asks for nothing when it only checks its configuration", function()
        local before = service.token_requests(calm)
        local proxy = start(calm, "lua-load-per-thread", { arguments = { "-c" } })
        local pid = pid_of(proxy)
        assert.is_true(service.eventually(function() return not is_running(pid) end, 20))
        assert.truthy(output(proxy):find("Configuration file is valid", 1, true), output(proxy))
        assert.equal(before, service.token_requests(calm))
    end)
end)

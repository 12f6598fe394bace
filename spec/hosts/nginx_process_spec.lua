-- groove.nginx and the processes of a real nginx: fork, reload, upgrade, exit.

local groove = require("groove")
local nginx = require("spec.support.nginx")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local SERVER = [[
location = /upstream {
    content_by_lua_block {
        local token = (ngx.var.http_authorization or ""):match("^Bearer (.+)$")
        ngx.status = token and #token > 20 and 204 or 403
    }
}
location = / {
    access_by_lua_block { groove.nginx.authorize() }
    proxy_pass http://127.0.0.1:$server_port/upstream;
}
location = /slow { content_by_lua_block {
    ngx.sleep(tonumber(ngx.var.arg_seconds or 1))
    ngx.print("done")
} }
]]

local RELOADS = tonumber(os.getenv("GROOVE_TEST_RELOADS") or "100")

describe("groove.nginx", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local sandbox, add_fault = nginx.fixture({ teardown = teardown, after_each = after_each })

    local function setup_code(options)
        return ("groove.nginx.setup(%s)"):format(nginx.literal(options))
    end

    local function start(more, opts)
        opts = opts or {}
        local options = opts.options or service.options(sandbox)
        for name, value in pairs(more or {}) do
            options[name] = value
        end
        local code = setup_code(options)
        opts.http = "lua_shared_dict tokens 1m;" .. (opts.http or "") .. (opts.setup_in_worker
            and "init_by_lua_block { groove = require('groove') }"
                .. "init_worker_by_lua_block { " .. code .. " }"
            or "init_by_lua_block { groove = require('groove') " .. code .. " }")
        opts.server = SERVER
        return nginx.start(opts)
    end

    local function requests_since(before)
        return service.token_requests(sandbox) - before
    end

    local function check(answer)
        assert.equal(204, answer.status)
    end

    local function check_many(proxy)
        for _, answer in ipairs(proxy:get_many(16)) do
            check(answer)
        end
    end

    -- A signal ends no process of ours.
    local function check_end(proxy)
        assert.falsy(proxy:log():find("exited on signal", 1, true), proxy:complaints())
    end

    -- --- where it is set up ----------------------------------------------------------------------

    it("keeps no thread in the master, and asks at the first use", function()
        local before = service.token_requests(sandbox)
        local proxy = start()
        assert.equal(403, proxy:get("/upstream").status)
        assert.equal(0, requests_since(before))
        check_many(proxy)
        assert.is_true(requests_since(before) >= 1 and requests_since(before) <= 2)
        assert.equal(1, nginx.threads(proxy:master()))
    end)

    it("can be set up in init_worker, and ask in the background there", function()
        local before = service.token_requests(sandbox)
        local proxy = start({ prefetch = true, shared_dict = "tokens" }, { setup_in_worker = true })
        assert.is_true(service.eventually(function() return requests_since(before) == 1 end, 20))
        check_many(proxy)
        assert.equal(1, requests_since(before))
    end)

    it("lets the master ask before the fork, for all workers, and for those that follow", function()
        local before = service.token_requests(sandbox)
        local proxy = start({ prefetch = true })
        check_many(proxy)
        assert.equal(1, requests_since(before))
        assert.equal(1, nginx.threads(proxy:master()))
        local first = proxy:workers()
        proxy:signal("KILL", first[1])
        proxy:signal("KILL", first[2])
        assert.is_true(service.eventually(function() return #proxy:workers() == 2 end))
        check_many(proxy)
        proxy:reload()
        check_many(proxy)
        assert.equal(1, requests_since(before))
        assert.equal(1, nginx.threads(proxy:master()))
    end)

    -- Without a request: what renews has been begun in init_worker_by_lua.
    for _, more in ipairs({ { prefetch = true, shared_dict = "tokens" }, { prefetch = true },
        {} }) do
        it("renews before there is a request, where init_worker_by_lua begins it: "
            .. nginx.literal(more), function()
            local lively = assert(groove.sandbox({ lifetime = 60, refresh_in = 0.3 }))
            finally(function() lively:stop() end)
            local proxy = start(more, { options = service.options(lively),
                http = "init_worker_by_lua_block { groove.nginx.authorization() }" })
            local seen = 0
            assert.is_true(service.eventually(function()
                seen = service.token_requests(lively)
                return seen >= 6
            end, 20), seen .. " requests")
            check_many(proxy)
            assert.equal("", proxy:complaints())
        end)
    end

    -- --- set up again and again ------------------------------------------------------------------

    local function set_up_in_access(more, opts)
        local options = service.options(sandbox)
        for name, value in pairs(more) do
            options[name] = value
        end
        return nginx.start({ workers = 1, http = ([[
            lua_shared_dict tokens 1m;
            lua_max_pending_timers 20;
            lua_code_cache %s;
            %s
        ]]):format(opts.cache or "on", opts.http or ""), server = SERVER .. ([[
            location = /again {
                access_by_lua_block {
                    local groove, options = require("groove"), %s
                    local function exit_with(status)
                        return function() ngx.exit(status) end
                    end
                    options.on_unavailable = exit_with(tonumber(ngx.var.arg_status))
                    options.client_secret = ngx.var.arg_secret or options.client_secret
                    options.header = ngx.var.arg_header
                    groove.nginx.setup(options)
                    groove.nginx.authorize()
                }
                proxy_pass http://127.0.0.1:$server_port/upstream;
            }
            location = /leader {
                content_by_lua_block {
                    for _, key in ipairs(ngx.shared.tokens:get_keys()) do
                        if key:find(":lease$") then ngx.print(ngx.shared.tokens:get(key)) end
                    end
                }
            }
        ]]):format(nginx.literal(options)) })
    end

    local IN_INIT = "init_by_lua_block { require('groove') }"

    for _, cache in ipairs({ "on", "off" }) do
        for _, http in ipairs({ "", IN_INIT }) do
            for _, more in ipairs({ {}, { shared_dict = "tokens" } }) do
                local name = ("lua_code_cache %s; %s %s"):format(cache, http, nginx.literal(more))
                it("is set up by each request, and starts nothing anew: " .. name, function()
                    local before = service.token_requests(sandbox)
                    local proxy = set_up_in_access(more, { cache = cache, http = http })
                    for _ = 1, 5 do
                        for _, answer in ipairs(proxy:get_many(20, "/again?status=500")) do
                            check(answer)
                        end
                    end
                    assert.equal(1, requests_since(before))
                    assert.falsy(proxy:log():find("pending timers", 1, true), proxy:complaints())
                end)
            end
        end
    end

    it("takes the functions of the latest setup", function()
        add_fault({ on = "token", status = 503, retry_after = 20 })
        local proxy = set_up_in_access({}, {})
        assert.equal(501, proxy:get("/again?status=501").status)
        assert.equal(502, proxy:get("/again?status=502").status)
    end)

    it("takes the options of the latest setup where they are others", function()
        local proxy = set_up_in_access({}, {})
        assert.equal(501, proxy:get("/again?status=501&secret=wrong").status)
        check(proxy:get("/again?status=501"))
    end)

    it("leaves the lease to what a later setup has put in its place", function()
        local proxy = set_up_in_access({ shared_dict = "tokens" }, {})
        check(proxy:get("/again?status=501"))
        service.pause(0.5) -- their ticks, once a second, lie so far apart
        proxy:get("/again?status=501&header=X-Other")
        service.pause(1.5)
        for _ = 1, 30 do
            assert.equal(tostring(proxy:workers()[1]), proxy:get("/leader").body)
            service.pause(0.05)
        end
    end)

    it("starts and reloads although the token service is down", function()
        local options = service.options(sandbox)
        options.token_url = "https://127.0.0.1:1/token"
        local proxy = start({ prefetch = true, deadline = 0.5 }, { options = options })
        assert.equal(503, proxy:get("/").status)
        proxy:reload()
        assert.equal(503, proxy:get("/").status)
        assert.is_true(proxy:says("groove.nginx: default: "))
    end)

    it("starts although the token service does not answer", function()
        add_fault({ on = "token", delay = 30 })
        local proxy = start({ prefetch = true, deadline = 0.3 })
        assert.equal(403, proxy:get("/upstream").status)
        assert.equal(1, nginx.threads(proxy:master()))
    end)

    it("asks for nothing with nginx -t and nginx -s", function()
        local before = service.token_requests(sandbox)
        local proxy = start({ prefetch = true })
        check(proxy:get("/"))
        local command = ("PATH=/usr/sbin:$PATH nginx -p '%s/' -c nginx.conf -e error.log ")
            :format(proxy.path)
        shell.must(command .. "-t")
        shell.must(command .. "-s reopen")
        check_many(proxy)
        assert.equal(1, requests_since(before))
    end)

    it("serves a Lua state of each request from the token of the process", function()
        local before = service.token_requests(sandbox)
        local proxy = start({}, { http = "lua_code_cache off;", workers = 1 })
        for _ = 1, 5 do
            check_many(proxy)
        end
        assert.equal(1, requests_since(before))
        assert.equal(2, nginx.threads(proxy:workers()[1]))
        proxy:reload()
        check_many(proxy)
        check_end(proxy)
    end)

    it("shares a token between Lua states of each request", function()
        local before = service.token_requests(sandbox)
        local proxy = start({ shared_dict = "tokens" }, { http = "lua_code_cache off;" })
        for _ = 1, 5 do
            check_many(proxy)
        end
        assert.equal(1, requests_since(before))
    end)

    it("needs no master process", function()
        local before = service.token_requests(sandbox)
        local proxy = start({ prefetch = true }, { main = "daemon off; master_process off;",
            own_socket = true })
        check_many(proxy)
        assert.equal(1, requests_since(before))
    end)

    it("takes the later of two setups, and delivers events", function()
        local wrong = service.options(sandbox)
        wrong.client_secret = "wrong"
        local proxy = start({}, { http = ([[
            init_worker_by_lua_block {
                local options = %s
                options.on_event = function(event)
                    ngx.log(ngx.ERR, "event: ", event.type)
                end
                groove.nginx.setup(options)
            }
        ]]):format(nginx.literal(service.options(sandbox))), options = wrong })
        check_many(proxy)
        assert.is_true(proxy:says("event: renewed"))
        assert.falsy(proxy:log():find("invalid_client", 1, true))
    end)

    -- --- secrets that only the master can read ---------------------------------------------------

    it("takes a secret along that only root can read", function()
        if not nginx.is_root then
            pending("only root can have workers run as somebody else")
        end
        local options, folder = service.options(sandbox), shell.folder()
        finally(function() shell.remove(folder) end)
        local secret, file = options.client_secret, folder .. "/secret"
        options.client_secret, options.client_secret_file = nil, file
        shell.write(file, "not this one\n")
        shell.must("chmod 600 '" .. file .. "'")
        local proxy = start({}, { options = options })
        assert.equal(503, proxy:get("/").status)
        shell.write(file, secret .. "\n")
        proxy:reload()
        check_many(proxy)
        for _, pid in ipairs(proxy:workers()) do
            assert.falsy(shell.read("/proc/" .. pid .. "/status"):match("Uid:%s+0"))
        end
    end)

    -- --- reload, upgrade, exit -------------------------------------------------------------------

    local function descriptors(pid)
        return #shell.lines("ls /proc/" .. pid .. "/fd")
    end

    for _, more in ipairs({ {}, { prefetch = true, shared_dict = "tokens" } }) do
        it("is reloaded again and again under load: " .. nginx.literal(more), function()
            if not nginx.has_wrk() then
                pending("wrk is not installed")
            end
            local reloads = next(more) and RELOADS or math.ceil(RELOADS / 5)
            local proxy = start(more)
            check_many(proxy)
            proxy:reload()
            local before = descriptors(proxy:master())
            local count, wrong, said = proxy:load("/", 20, math.ceil(reloads / 12) + 1, function()
                for _ = 1, reloads do
                    proxy:reload()
                end
            end)
            assert.is_true(count > 100, said)
            assert.equal(0, wrong, said)
            -- The master closes what it has shared with a worker when it hears of its end.
            assert.is_true(service.eventually(function()
                return #proxy:children() == 2 and descriptors(proxy:master()) <= before
            end, 20), shell.must("ls -l /proc/" .. proxy:master() .. "/fd"))
            assert.equal(1, nginx.threads(proxy:master()))
            check_many(proxy)
            for _, pid in ipairs(proxy:workers()) do
                assert.is_true(nginx.threads(pid) <= 2)
            end
            check_end(proxy)
        end)
    end

    it("survives the upgrade of the program", function()
        local proxy = start({ shared_dict = "tokens", prefetch = true }, { main = "daemon on;",
            own_socket = true })
        check_many(proxy)
        local old = proxy:master()
        proxy:signal("USR2")
        assert.is_true(service.eventually(function()
            local new = (shell.read(proxy.path .. "/nginx.pid") or ""):match("%d+")
            return new and new ~= old and #proxy:workers(new) == 2
        end, 20), proxy:complaints())
        check_many(proxy)
        proxy:signal("QUIT", old)
        assert.is_true(service.eventually(function() return not nginx.is_running(old) end, 20))
        check_many(proxy)
        assert.equal(1, nginx.threads(proxy:master()))
        check_end(proxy)
    end)

    it("quits after the last answer", function()
        local proxy = start({ shared_dict = "tokens" })
        check_many(proxy)
        local master, op = proxy:master(), proxy:begin("/slow")
        service.pause(0.2)
        proxy:signal("QUIT", master)
        assert.equal("done", proxy:finish(op).body)
        assert.is_true(service.eventually(function() return not nginx.is_running(master) end, 10))
        check_end(proxy)
    end)

    it("renews nothing while it quits", function()
        local lively = assert(groove.sandbox({ lifetime = 60, refresh_in = 0.2 }))
        finally(function() lively:stop() end)
        local proxy = start({}, { options = service.options(lively), workers = 1 })
        check(proxy:get("/"))
        assert.is_true(service.eventually(function()
            return service.token_requests(lively) > 2
        end))
        local op = proxy:begin("/slow?seconds=3")
        service.pause(0.2)
        proxy:signal("QUIT")
        service.pause(1)
        local before = service.token_requests(lively)
        service.pause(1)
        assert.equal(before, service.token_requests(lively))
        assert.equal("done", proxy:finish(op).body)
    end)

    it("ends at once, also while a token is asked for", function()
        add_fault({ on = "token", delay = 30 })
        local proxy = start({ shared_dict = "tokens" })
        local master, op = proxy:master(), proxy:begin("/")
        service.pause(0.2)
        proxy:signal("TERM", master)
        assert.is_true(service.eventually(function() return not nginx.is_running(master) end, 10))
        op:wait()
        check_end(proxy)
    end)

    -- --- an outage -------------------------------------------------------------------------------

    for _, more in ipairs({ { prefetch = true }, { shared_dict = "tokens" } }) do
        it("lets nobody notice an outage while the old token is usable: "
            .. nginx.literal(more), function()
            local lively = assert(groove.sandbox({ lifetime = 60, refresh_in = 0.3 }))
            finally(function() lively:stop() end)
            local proxy = start(more, { options = service.options(lively) })
            check_many(proxy)
            assert(lively:fault({ on = "token", status = 503 }))
            assert.is_true(service.eventually(function()
                check_many(proxy)
                return proxy:log():find("groove.nginx: default: token: ", 1, true) ~= nil
            end, 20))
            check_many(proxy)
        end)
    end
end)

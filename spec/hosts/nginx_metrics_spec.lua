-- groove.nginx.metrics and status_page in a real nginx, and the page in a real browser.

local exposition = require("spec.support.exposition")
local nginx = require("spec.support.nginx")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local SERVER = [[
location = /upstream { return 204; }
location = / {
    access_by_lua_block {
        ngx.shared.workers:set(ngx.worker.pid(), true)
        groove.nginx.authorize(ngx.var.arg_name)
    }
    proxy_pass http://127.0.0.1:$server_port/upstream;
    add_header X-Worker $pid;
}
location = /workers { content_by_lua_block { ngx.print(#ngx.shared.workers:get_keys()) } }
location = /metrics { content_by_lua_block { groove.nginx.metrics() } }
location = /status { content_by_lua_block { groove.nginx.status_page() } }
]]

describe("groove.nginx: numbers", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local sandbox, add_fault = nginx.fixture({ teardown = teardown, after_each = after_each })

    -- Several setups, in the order of the list.
    local function start(setups, opts)
        opts = opts or {}
        local calls = {}
        for i, more in ipairs(setups) do
            local options = service.options(sandbox, more)
            options.client_secret = options.client_secret or nil
            calls[i] = ("groove.nginx.setup(%s)"):format(nginx.literal(options))
        end
        opts.http = ([[
            %s
            lua_shared_dict tokens 1m;
            lua_shared_dict workers 64k;
            init_by_lua_block {
                groove = require("groove")
                %s
            }
        ]]):format(opts.cache or "", table.concat(calls, "\n"))
        opts.server = SERVER
        return nginx.start(opts)
    end

    local function shared(more)
        local options = { shared_dict = "tokens" }
        for name, value in pairs(more or {}) do
            options[name] = value
        end
        return options
    end

    local function read(proxy)
        local answer = proxy:get("/metrics")
        assert.equal(200, answer.status)
        local samples, families = exposition.read(answer.body)
        return function(name, labels)
            return exposition.value(samples, "groove_" .. name, labels)
        end, answer, samples, families
    end

    -- Asks until every worker of the list has answered one of the requests.
    local function reach(proxy, pids, path)
        local missing = {}
        for _, pid in ipairs(pids) do
            missing[pid] = true
        end
        assert.is_true(service.eventually(function()
            for _, answer in ipairs(proxy:get_many(8, path)) do
                assert.equal(204, answer.status)
                missing[answer.headers["x-worker"]] = nil
            end
            return next(missing) == nil
        end, 20))
    end

    local function eventually(proxy, condition)
        assert.is_true(service.eventually(function()
            return condition((read(proxy)))
        end, 20), proxy:get("/metrics").body)
    end

    -- Ends workers, and waits for those that take their place.
    local function kill(proxy, pids)
        for _, pid in ipairs(pids) do
            proxy:signal("KILL", pid)
        end
        assert.is_true(service.eventually(function()
            for _, pid in ipairs(pids) do
                if nginx.is_running(pid) then
                    return false
                end
            end
            return #proxy:workers() == 2
        end, 20))
    end

    -- Another worker's may be a second old.
    local function settled(value)
        return value("workers") == 2 and value("token_renewals_total") == 1
    end

    it("are those of all workers together", function()
        local proxy = start({ shared() })
        reach(proxy, proxy:workers())
        eventually(proxy, settled)
        local value, answer = read(proxy)
        local default = { source = "default" }
        assert.equal(1, value("token_requests_total", { source = "default", reason = "cold" }))
        assert.equal(1, value("token_renewals_total", default))
        assert.equal(1, value("token_state", { state = "ready" }))
        assert.is_true(value("token_expires_in_seconds", default) > 3000)
        assert.is_true(value("token_refresh_in_seconds", default) > 0)
        assert.is_true(value("token_age_seconds", default) >= 0)
        assert.matches("^text/plain; version=0%.0%.4", answer.headers["content-type"])
        assert.equal("no-store", answer.headers["cache-control"])
    end)

    it("do not go down when workers are killed and the configuration is reloaded", function()
        local proxy = start({ shared() })
        local before = 0
        for round = 1, 3 do
            reach(proxy, proxy:workers())
            eventually(proxy, function(value)
                local now = value("token_renewals_total")
                assert.is_true(now >= before)
                before = now
                return now >= 1
            end)
            if round == 2 then
                proxy:reload()
            else
                kill(proxy, { proxy:workers()[1] })
            end
        end
    end)

    it("keep what workers have counted that are gone", function()
        local proxy = start({ shared() })
        local pids = proxy:workers()
        reach(proxy, pids)
        eventually(proxy, settled)
        kill(proxy, pids)
        reach(proxy, proxy:workers())
        eventually(proxy, settled)
        local value = read(proxy)
        assert.equal(1, value("token_requests_total", { reason = "cold" }))
        assert.equal(1, value("token_renewals_total"))
    end)

    it("count what the master has asked for once", function()
        local proxy = start({ shared({ prefetch = true }) })
        reach(proxy, proxy:workers())
        eventually(proxy, settled)
        local value = read(proxy)
        assert.equal(1, value("token_requests_total", { reason = "cold" }))
        assert.equal(1, value("token_renewals_total"))
    end)

    it("count who waits for a token that another worker asks for", function()
        add_fault({ on = "token", delay = 4, times = 1 })
        local proxy = start({ shared({ deadline = 20 }) })
        local ops = {}
        assert.is_true(service.eventually(function()
            for _ = 1, 8 do
                ops[#ops + 1] = proxy:begin("/")
            end
            return proxy:get("/workers").body == "2"
        end))
        for _, op in ipairs(ops) do
            assert.equal(204, proxy:finish(op).status)
        end
        eventually(proxy, function(value) return value("token_waits_total") == #ops end)
    end)

    it("say what went wrong", function()
        add_fault({ on = "token", status = 500 })
        local proxy = start({ shared() })
        assert.equal(503, proxy:get("/").status)
        eventually(proxy, function(value)
            return (value("token_failures_total", { code = "temporarily_unavailable" }) or 0) >= 1
                and value("token_state", { state = "ready" }) == 0
        end)
        local page = proxy:get("/status").body
        assert.matches("last error: token: ", page)
    end)

    it("say why a source cannot be had at all", function()
        local proxy = start({ { client_secret = false, client_secret_env = "NO_SUCH_VARIABLE" } })
        assert.equal(503, proxy:get("/").status)
        local value = read(proxy)
        assert.equal(1, value("token_state", { state = "empty" }))
        assert.truthy(proxy:get("/status").body:find("NO_SUCH_VARIABLE", 1, true))
    end)

    it("are there with lua_code_cache off", function()
        local proxy = start({ shared() }, { workers = 1, cache = "lua_code_cache off;" })
        assert.equal(204, proxy:get("/").status)
        local value = read(proxy)
        assert.equal(1, value("token_renewals_total"))
        assert.equal(1, value("token_state", { state = "ready" }))
        assert.equal(200, proxy:get("/status").status)
    end)

    it("are one worker's without a dictionary, and say which", function()
        local proxy = start({ {} })
        local value, answer = read(proxy)
        assert.equal(1, value("workers"))
        assert.matches("^# groove: no shared dictionary for the source default", answer.body)
        assert.matches('^[01]$', answer.body:match('worker="([^"]*)"'))
        assert.matches("each worker by itself", proxy:get("/status").body)
    end)

    it("are of every setup, whatever it is called", function()
        local name = 'a "quoted" <b> & \\ one'
        local proxy = start({ shared({ name = name }), shared(), { name = "alone" } },
            { workers = 1 })
        assert.equal(204, proxy:get("/").status)
        local value = read(proxy)
        assert.equal(1, value("token_state", { source = name, state = "empty" }))
        assert.equal(1, value("token_state", { source = "alone", state = "empty" }))
        assert.equal(1, value("token_state", { source = "default", state = "ready" }))
        local page = proxy:get("/status").body
        assert.truthy(page:find("a &quot;quoted&quot; &lt;b&gt; &amp; \\ one", 1, true))
        assert.matches("<h1>groove: 3 sources of tokens</h1>", page)
    end)

    it("hold no token, no secret, and nothing of the request", function()
        local proxy = start({ shared() })
        assert.equal(204, proxy:get("/").status)
        local secret = sandbox:options().client_secret
        for _, path in ipairs({ "/metrics", "/status" }) do
            local answer = proxy:get(path, { headers = { Host = "evil.example" } })
            assert.equal(200, answer.status)
            assert.is_nil(answer.body:find(secret, 1, true))
            assert.is_nil(answer.body:find("evil", 1, true))
            assert.is_nil(answer.body:find("Bearer", 1, true))
        end
        assert.is_nil(proxy:log():find(secret, 1, true))
    end)

    it("are for reading only", function()
        local proxy = start({ shared() })
        for _, path in ipairs({ "/metrics", "/status" }) do
            local answer = proxy:get(path, { method = "DELETE" })
            assert.equal(405, answer.status)
            assert.equal("GET, HEAD", answer.headers.allow)
        end
        assert.equal("", proxy:get("/status", { method = "HEAD" }).body)
    end)

    -- What a person reads, a line each.
    local function browse(proxy)
        local folder = shell.folder()
        finally(function() shell.remove(folder) end)
        local dom = shell.must(("HOME=%s timeout 60 chromium --headless --no-sandbox "
            .. "--disable-gpu --disable-dev-shm-usage --user-data-dir=%s/profile --dump-dom "
            .. "%s/status 2>/dev/null"):format(folder, folder, proxy.url))
        local body = assert(dom:match("<body>(.*)</body>"), dom)
        return (body:gsub("<br>", ", "):gsub("<small>", " "):gsub("</t[hd]>", "\t")
            :gsub("<[^>]*>", ""):gsub("[ \t]*\n%s*", "\n"))
    end

    it("can be read in a browser", function()
        if not shell.succeeds("command -v chromium >/dev/null 2>&1") then
            pending("the program chromium is not installed")
            return
        end
        local proxy = start({ shared({ name = "<i>api</i>" }), shared() }, { workers = 1 })
        assert.equal(204, proxy:get("/").status)
        local said = browse(proxy)
        assert.matches("groove: 2 sources of tokens\n", said)
        assert.matches("nginx %d+%.%d+%.%d+, 1 worker, as of ", said)
        assert.matches("Source\tState\tAge\tExpires\tRenews\tRequests\n"
            .. "Renewals\tFailures\tWaits", said)
        assert.truthy(said:find("&lt;i&gt;api&lt;/i&gt;", 1, true), said)
        assert.matches("\ndefault 127%.0%.0%.1:%d+\tready worker 0 renews it\t%d+ s\tin 5%d min"
            .. "\tin %d+ %l+[%d %l]*\t1\t1\t0\t%d+\nrequests: 1 cold\n", said)
        assert.matches("\nworker 0, pid %d+, renews\tready\t", said)
        assert.matches("no token yet", said)
    end)
end)

describe("the status page's words", function()
    local ok, status = pcall(require, "groove.nginx.status")
    if not ok then
        pending("are tried with LuaJIT only")
        return
    end

    it("say times as a person does", function()
        for seconds, words in pairs({
            [0] = "0 s", [0.9] = "0 s", [59.9] = "59 s", [60] = "1 min", [95] = "1 min 35 s",
            [720] = "12 min", [725] = "12 min", [3600] = "1 h", [3900] = "1 h 5 min",
            [86400] = "1 d", [100000] = "1 d 3 h",
        }) do
            assert.equal(words, status.duration(seconds))
        end
    end)
end)

-- groove.nginx.broker in a real nginx: clients get tokens, and never the secret.

local core = require("groove.core")
local groove = require("groove")
local json = require("cjson")
local nginx = require("spec.support.nginx")
local service = require("spec.support.service")
local shell = require("spec.support.shell")
local host = require("spec.support.host")

local KEY = "a key of this client's"
local FORM = "grant_type=client_credentials"

local SERVER = [[
location = /token { content_by_lua_block { groove.nginx.broker() } }
location = /guarded {
    if ($http_x_key != "a key of this client's") { return 403; }
    content_by_lua_block { groove.nginx.broker("default") }
}
location = /proxied { content_by_lua_block { groove.nginx.broker(nil, { allow_http = true }) } }
location = /wrong { content_by_lua_block { groove.nginx.broker(nil, { allow_htttp = true }) } }
location = /unknown { content_by_lua_block { groove.nginx.broker("unknown") } }
set_real_ip_from 127.0.0.1;
real_ip_header X-Real-IP;
]]

describe("groove.nginx.broker", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local sandbox, add_fault = nginx.fixture({ teardown = teardown, after_each = after_each })
    local secret = sandbox:options().client_secret

    local function start(more, opts)
        opts = opts or {}
        opts.http = ([[
            lua_shared_dict tokens 1m;
            init_by_lua_block {
                groove = require("groove")
                groove.nginx.setup(%s)
            }
        ]]):format(nginx.literal(service.options(opts.sandbox or sandbox, more)))
        opts.server = (opts.server or "") .. SERVER
        return nginx.start(opts)
    end

    -- A request as a client makes it; the answer, its body decoded.
    local function ask(proxy, path, opts)
        opts = opts or {}
        local op = core.request({
            url = proxy.url .. (path or "/token"), method = opts.method or "POST",
            headers = opts.headers or {}, body = opts.body or FORM, timeout = 20,
        })
        op:wait()
        local answer = assert(op:result())
        local ok, said = pcall(json.decode, answer.body)
        answer.said = ok and said or nil
        return answer
    end

    local function assert_refused(answer, status, code)
        assert.equal(status, answer.status)
        assert.equal(code, answer.said.error)
        assert.is_nil(answer.said.access_token)
        assert.is_nil(answer.body:find(secret, 1, true))
        assert.equal("no-store", answer.headers["cache-control"])
    end

    it("answers as a token endpoint does", function()
        local proxy = start({ shared_dict = "tokens" }, { workers = 1 })
        local answer = ask(proxy)
        assert.equal(200, answer.status)
        assert.equal("application/json;charset=UTF-8", answer.headers["content-type"])
        assert.equal("no-store", answer.headers["cache-control"])
        assert.equal("no-cache", answer.headers.pragma)
        local said = answer.said
        assert.equal("bearer", said.token_type)
        assert.is_true(#said.access_token > 20)
        assert.equal(sandbox:options().scope, said.scope)
        assert.is_nil(answer.body:find(secret, 1, true))
        for _, seconds in ipairs({ said.expires_in, said.refresh_in }) do
            assert.equal(0, seconds % 1)
        end
        assert.is_true(said.expires_in > 3500 and said.expires_in <= 3600)
    end)

    it("gives the lifetime that is left, and five seconds more than until its own renewal",
        function()
            sandbox:set_lifetime(100)
            local proxy = start({}, { workers = 1 })
            local first = ask(proxy).said
            assert.is_true(first.refresh_in >= 0.05 * 100 + 4 and first.refresh_in <= 0.6 * 100 + 5)
            local later
            assert.is_true(service.eventually(function()
                later = ask(proxy).said
                return later.expires_in <= first.expires_in - 2
            end))
            assert.equal(first.access_token, later.access_token)
            local passed = first.expires_in - later.expires_in
            assert.is_true(math.abs(first.refresh_in - later.refresh_in - passed) <= 1)
        end)

    it("serves the same token from every worker, with the same renewal", function()
        local before, known = service.token_requests(sandbox), 0
        local proxy = start({ shared_dict = "tokens" })
        local first = ask(proxy).said
        assert.is_true(service.eventually(function()
            local said = ask(proxy).said
            assert.equal(first.access_token, said.access_token)
            if said.refresh_in then
                assert.is_true(math.abs(said.refresh_in - first.refresh_in) <= 10)
                known = known + 1
            end
            return known >= 40
        end, 20))
        assert.equal(before + 1, service.token_requests(sandbox))
    end)

    it("has one token asked for, however many clients come at a cold start", function()
        add_fault({ on = "token", delay = 0.3, times = 1 })
        local before = service.token_requests(sandbox)
        local proxy = start({ shared_dict = "tokens" })
        local ops = {}
        for i = 1, 16 do
            ops[i] = core.request({ url = proxy.url .. "/token", method = "POST", body = FORM,
                headers = {}, timeout = 20 })
        end
        for _, op in ipairs(ops) do
            op:wait()
            assert.equal(200, assert(op:result()).status)
        end
        assert.equal(before + 1, service.token_requests(sandbox))
    end)

    it("takes POST only", function()
        local proxy = start()
        for _, method in ipairs({ "GET", "PUT", "DELETE" }) do
            local answer = ask(proxy, "/token", { method = method })
            assert_refused(answer, 405, "invalid_request")
            assert.equal("POST", answer.headers.allow)
        end
    end)

    it("knows one grant type, which need not be named", function()
        local proxy = start()
        for _, form in ipairs({ "grant_type=password", "grant_type=", "grant_type",
            "grant_type=client_credentials&grant_type=password" }) do
            assert_refused(ask(proxy, "/token", { body = form }), 400, "unsupported_grant_type")
        end
        for _, form in ipairs({ "", "scope=x", ("x"):rep(100000) }) do
            assert.equal(200, ask(proxy, "/token", { body = form }).status)
        end
    end)

    it("says 503 and when to come back where there is no token", function()
        add_fault({ on = "token", status = 500, retry_after = 7 })
        local answer = ask(start({ deadline = 0.5 }))
        assert_refused(answer, 503, "temporarily_unavailable")
        local seconds = tonumber(answer.headers["retry-after"])
        assert.is_true(seconds >= 1 and seconds <= 7)
    end)

    it("keeps to itself what is wrong with its own credentials", function()
        local proxy = start({ client_secret = "not the right one" })
        local answer = ask(proxy)
        assert_refused(answer, 503, "temporarily_unavailable")
        assert.is_nil(answer.body:find("invalid_client", 1, true))
        assert.is_true(proxy:says("default: token: invalid_client"))
        assert.is_nil(proxy:log():find("not the right one", 1, true))
    end)

    it("hands on no token that is about to end", function()
        sandbox:set_lifetime(0.9)
        assert_refused(ask(start({ deadline = 0.3 })), 503, "temporarily_unavailable")
    end)

    it("answers plain http to loopback addresses only, unless told otherwise", function()
        local proxy = start()
        local from_afar = { headers = { "X-Real-IP: 192.0.2.1" } }
        assert.equal(200, ask(proxy).status)
        assert_refused(ask(proxy, "/token", from_afar), 403, "invalid_request")
        assert.equal(200, ask(proxy, "/proxied", from_afar).status)
    end)

    it("does not take a client's word for it", function()
        -- Not from loopback, and a header that says so.
        local address = shell.lines(
            "hostname -I 2>/dev/null | tr ' ' '\n' | grep '^[0-9.][0-9.]*$'")[1]
        if not address then
            pending("this system has no other than loopback addresses")
            return
        end
        local spare = assert(core.process.listen())
        local there = ("%s:%d"):format(address, spare:port())
        spare:close()
        local proxy = start({}, { server = "listen " .. there .. ";" })
        proxy.url = "http://" .. there
        assert.is_true(service.eventually(function()
            return shell.succeeds("curl -s -o /dev/null " .. proxy.url .. "/token")
        end), proxy:log())
        local op = core.request({ url = proxy.url .. "/token", method = "POST", body = FORM,
            headers = { "X-Forwarded-Proto: https", "X-Forwarded-For: 127.0.0.1",
                "X-Real-IP: 127.0.0.1", "Forwarded: proto=https" }, timeout = 20,
            options = { allow_http = true } })
        op:wait()
        local answer = assert(op:result())
        assert.equal(403, answer.status)
        assert.is_nil(answer.body:find("access_token", 1, true))
    end)

    it("gives nothing to a client that the location does not let in", function()
        local proxy = start()
        assert.equal(403, ask(proxy, "/guarded").status)
        assert.equal(403, ask(proxy, "/guarded", { headers = { "X-Key: wrong" } }).status)
        assert.equal(200, ask(proxy, "/guarded", { headers = { "X-Key: " .. KEY } }).status)
    end)

    it("takes nothing from the Host header", function()
        local proxy = start()
        local answer = ask(proxy, "/token", { headers = { "Host: evil.example" } })
        assert.equal(200, answer.status)
        assert.is_nil(answer.body:find("evil", 1, true))
        for _, value in pairs(answer.headers) do
            assert.is_nil(value:find("evil", 1, true))
        end
    end)

    it("says in the error log what is wrong with its configuration", function()
        local proxy = start()
        assert.equal(500, ask(proxy, "/wrong").status)
        assert.is_true(proxy:says("groove.nginx.broker: unknown option 'allow_htttp'"))
        assert.equal(500, ask(proxy, "/unknown").status)
        assert.is_true(proxy:says(
            "groove.nginx.broker: there has been no groove.nginx.setup of this name"))
    end)

    describe("with a client", function()
        local function client_options(proxy)
            return {
                token_url = proxy.url .. "/guarded", auth = "none", headers = { ["X-Key"] = KEY },
            }
        end

        it("gives it the token, and a new one when it has one itself", function()
            sandbox:set_lifetime(2)
            local proxy = start({}, { workers = 1 })
            local source = assert(groove.token_source(client_options(proxy)))
            finally(function() source:close() end)
            local first = assert(source:token())
            assert.equal(first, ask(proxy).said.access_token)
            assert.is_true(service.eventually(function()
                local now = source:token()
                return now and now ~= first
            end, 10))
        end)

        it("has it wait, and not give up, while there is no token", function()
            local fault = add_fault({ on = "token", status = 500 })
            local proxy = start({ deadline = 0.2 })
            local source = assert(groove.token_source(client_options(proxy)))
            finally(function() source:close() end)
            local _, err = source:token()
            assert.equal("temporarily_unavailable", err.code)
            assert.is_true(err.retryable)
            fault:clear()
            assert.is_true(service.eventually(function() return source:token() ~= nil end, 20))
        end)

        it("refuses one without the key", function()
            local options = client_options(start())
            options.headers = nil
            local source = assert(groove.token_source(options))
            finally(function() source:close() end)
            local token, err = source:token()
            assert.is_nil(token)
            assert.equal(403, err.status)
        end)

        -- What runs as a client, with what it needs in its environment.
        -- What runs as a client. At its end it writes down its memory.
        local PROGRAM = [[
            local groove = require("groove")
            local client = groove.new({
                api_url = os.getenv("API"),
                source = groove.token_source({
                    token_url = os.getenv("BROKER"), auth = "none",
                    headers = { ["X-Key"] = os.getenv("KEY") },
                }),
            })
            local page = assert(client:search("love", { max_items = 1 }))
            print("found " .. #page.Tracks.Items)
            local memory = assert(io.open("/proc/self/mem", "rb"))
            local file = assert(io.open(os.getenv("MEMORY"), "wb"))
            for line in io.lines("/proc/self/maps") do
                local from, to, flags = line:match("^(%x+)%-(%x+) (%S+)")
                if flags:find("rw") and not line:find("%[v") then
                    memory:seek("set", tonumber(from, 16))
                    file:write(memory:read(tonumber(to, 16) - tonumber(from, 16)) or "")
                end
            end
            file:close()
            if love then love.event.quit() end
        ]]

        local function check_client(lua, command, name)
            local proxy, folder = start(), shell.folder()
            finally(function() shell.remove(folder) end)
            shell.write(folder .. "/" .. name, PROGRAM)
            shell.write(folder .. "/conf.lua",
                "function love.conf(t) t.modules.window = false t.modules.graphics = false end")
            local said = host.run(lua, command:format(folder), { seconds = 60, environment = {
                API = sandbox:options().api_url, BROKER = proxy.url .. "/guarded", KEY = KEY,
                MEMORY = folder .. "/memory",
            } })
            assert.matches("found 1", said)
            local memory = assert(shell.read(folder .. "/memory"))
            assert.truthy(memory:find(KEY, 1, true)) -- it is its memory
            assert.is_nil(memory:find(secret, 1, true))
            assert.is_nil(said:find(secret, 1, true))
            assert.is_nil(proxy:log():find(secret, 1, true))
        end

        it("serves a script that never sees the secret", function()
            check_client("5.4", "lua5.4 %s/client.lua", "client.lua")
        end)

        it("serves a game in LOVE that never sees the secret", function()
            if not shell.succeeds("command -v love >/dev/null 2>&1") then
                pending("the program love is not installed")
                return
            end
            check_client("jit", "love %s", "main.lua")
        end)
    end)
end)

-- groove.nginx in a real nginx: the token of each request, in all phases.

local nginx = require("spec.support.nginx")
local service = require("spec.support.service")
local shell = require("spec.support.shell")
local tls = require("groove.sandbox.tls")

local SEARCH = "/1/content/music/search?q=love&maxItems=1"

-- What reached the upstream: one of ours, the client's, or none. Never the token itself.
local UPSTREAM = [[
location = /upstream {
    content_by_lua_block {
        local function kind(value)
            local token = (value or ""):match("^Bearer (.+)$")
            return not token and "none" or #token > 20 and "ours" or token
        end
        ngx.status = tonumber(ngx.var.arg_status) or 200
        ngx.print(kind(ngx.var.http_authorization), " ", kind(ngx.var.http_x_token), " ",
            kind(ngx.unescape_uri(ngx.var.arg_accessToken or "")), " ", ngx.var.args or "")
    }
}
]]

describe("groove.nginx", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local sandbox, add_fault = nginx.fixture({ teardown = teardown, after_each = after_each })

    -- Lua that sets a hook up, with what only it has.
    local function setup_code(more)
        return ("groove.nginx.setup(%s)"):format(nginx.literal(service.options(sandbox, more)))
    end

    local function start(server, more, opts)
        opts = opts or {}
        opts.http = [[
            lua_shared_dict results 1m;
            lua_shared_dict tokens 1m;
            init_by_lua_block {
                groove = require("groove")
                ]] .. setup_code(more) .. (opts.init or "") .. [[

            }
            ]] .. (opts.http or "")
        opts.server = UPSTREAM .. server
        return nginx.start(opts)
    end

    local function proxied(code, rest)
        return ("access_by_lua_block { %s } %s"):format(code,
            rest or "proxy_pass http://127.0.0.1:$server_port/upstream?$args;")
    end

    local AUTHORIZED = "location = / { " .. proxied("groove.nginx.authorize()") .. " }"

    local EVIL = { headers = { Authorization = "Bearer evil", ["X-Token"] = "Bearer evil" } }

    -- --- where the token goes --------------------------------------------------------------------

    it("is accepted by the API, through one line in the location", function()
        local proxy = start("location /1/ { " .. proxied("groove.nginx.authorize()",
            "proxy_pass " .. sandbox:options().api_url .. ";") .. " }")
        assert.equal(200, proxy:get(SEARCH, EVIL).status)
    end)

    it("takes the place of what the client sent", function()
        assert.equal("ours evil none ", start(AUTHORIZED):get("/", EVIL).body)
    end)

    it("goes into another header", function()
        local proxy = start(AUTHORIZED, { header = "X-Token" })
        assert.equal("evil ours none ", proxy:get("/", EVIL).body)
    end)

    it("goes into the query, and nothing of the client's stays beside it", function()
        local proxy = start("location = / { " .. proxied("groove.nginx.authorize()") .. " }",
            { token_in = "query" })
        local body = proxy:get("/?a=1&accessToken=Bearer%20evil&ACCESS%54oken=x&b=%26", EVIL).body
        assert.matches("^none evil ours a=1&b=%%26&accessToken=Bearer%%20[^&]+$", body)
    end)

    it("is told apart by names", function()
        local proxy = start("location = / { "
            .. proxied([[groove.nginx.authorize("other")]]) .. " }"
            .. "location = /unknown { " .. proxied([[groove.nginx.authorize("unknown")]]) .. " }",
            {}, { init = setup_code({ name = "other", header = "X-Token" }) })
        assert.equal("none ours none ", proxy:get("/").body)
        assert.equal(500, proxy:get("/unknown").status)
        assert.is_true(proxy:says("no groove.nginx.setup of this name"))
    end)

    it("goes where the configuration says, whatever the Host header says", function()
        local proxy = start(AUTHORIZED)
        for _, name in ipairs({ "attacker.example", "127.0.0.1:1", "a..b", "%00" }) do
            local answer = proxy:get("/", { headers = { Host = name } })
            assert.truthy(answer.status == 400 or answer.body:find("^ours"), name)
        end
    end)

    it("comes by a variable, which is empty where there is none", function()
        local proxy = start([[location = / {
            set_by_lua_block $authorization { return groove.nginx.authorization() }
            if ($authorization = "") { return 503; }
            proxy_set_header Authorization $authorization;
            proxy_pass http://127.0.0.1:$server_port/upstream;
        }]])
        local first = proxy:get("/", EVIL)
        assert.truthy(first.status == 503 or first.body:find("^ours"))
        assert.is_true(service.eventually(function()
            return proxy:get("/", EVIL).body == "ours evil none "
        end))
        assert.equal(1, proxy:get("/upstream", EVIL).body:find("evil evil", 1, true))
    end)

    -- --- without a token -------------------------------------------------------------------------

    it("answers 503 with Retry-After, and says why once", function()
        add_fault({ on = "token", status = 503, retry_after = 7 })
        local proxy = start(AUTHORIZED)
        for _ = 1, 20 do
            local answer = proxy:get("/", EVIL)
            assert.equal(503, answer.status)
            assert.is_true(tonumber(answer.headers["retry-after"]) >= 1)
            assert.is_true(tonumber(answer.headers["retry-after"]) <= 7)
        end
        local _, lines = proxy:log():gsub("groove%.nginx: default: token: ", "")
        assert.is_true(lines >= 1 and lines <= 2, lines .. " lines") -- one a worker
    end)

    it("leaves the answer to on_unavailable, and takes the client's token away first", function()
        add_fault({ on = "token", status = 503, retry_after = 7 })
        local proxy = start(AUTHORIZED, {}, { init = ([[
            local options = %s
            options.on_unavailable = function(err) ngx.req.set_header("X-Token", "Bearer "
                .. err.kind) end
            groove.nginx.setup(options)
        ]]):format(nginx.literal(service.options(sandbox))) })
        assert.equal("none token none ", proxy:get("/", EVIL).body)
    end)

    it("waits for its deadline only", function()
        add_fault({ on = "token", delay = 10 })
        local answer = start(AUTHORIZED, { deadline = 0.2 }):get("/")
        assert.equal(503, answer.status)
    end)

    -- --- phases ----------------------------------------------------------------------------------

    local WAITING = { "rewrite", "access", "content" }
    local OTHERS = { "header_filter", "body_filter", "log", "balancer", "ssl_cert", "timer" }

    -- Each phase notes what authorize and authorization said there.
    local PHASES_INIT = [[
        function say(ok, err)
            return ok and "true" or "nil " .. tostring(err and err.kind)
        end
        function note(phase)
            if not ngx.shared.results:get(phase) then
                local raised, ok, err = pcall(groove.nginx.authorize)
                ngx.shared.results:set(phase, (raised and say(ok, err) or "raised") .. ", "
                    .. say(groove.nginx.authorization()))
            end
        end
    ]]
    local WAIT = [[
        rewrite_by_lua_block {
            if ngx.var.arg_exiting then ngx.shared.results:incr("waiting", 1, 0) end
            while ngx.var.arg_exiting and not ngx.worker.exiting() do ngx.sleep(0.005) end
            %s
        }
    ]]

    local function phase_server()
        return [[
            location = /results { content_by_lua_block {
                ngx.print(ngx.shared.results:get(ngx.var.arg_phase) or "")
            } }
            location = /warm { access_by_lua_block { groove.nginx.authorize() }
                content_by_lua_block { ngx.print("done") } }
            location = /set { set_by_lua_block $x { note("set") return "" }
                content_by_lua_block { ngx.print("done") } }
            location = /rewrite { ]] .. WAIT:format([[note("rewrite")]]) .. [[
                content_by_lua_block { ngx.print("done") } }
            location = /access { ]] .. WAIT:format("") .. [[
                access_by_lua_block { note("access") } content_by_lua_block { ngx.print("done") } }
            location = /content { ]] .. WAIT:format("") .. [[
                content_by_lua_block { note("content") ngx.print("done") } }
            location = /header_filter { ]] .. WAIT:format("") .. [[
                content_by_lua_block { ngx.print("done") }
                header_filter_by_lua_block { note("header_filter") } }
            location = /body_filter { ]] .. WAIT:format("") .. [[
                content_by_lua_block { ngx.print("done") }
                body_filter_by_lua_block { note("body_filter") } }
            location = /log { ]] .. WAIT:format("") .. [[
                content_by_lua_block { ngx.print("done") } log_by_lua_block { note("log") } }
            location = /balancer { ]] .. WAIT:format("") .. [[
                proxy_pass http://balanced/upstream; }
            location = /ssl_cert { ]] .. WAIT:format("") .. [[
                proxy_pass https://unix:{socket}:/; }
            location = /timer { ]] .. WAIT:format("") .. [[
                content_by_lua_block { ngx.timer.at(0, function() note("timer") end) } }
        ]]
    end

    local function phase_http()
        return [[
            upstream balanced {
                server 0.0.0.1;
                balancer_by_lua_block {
                    note("balancer")
                    require("ngx.balancer").set_current_peer("127.0.0.1", {port})
                }
            }
            server {
                listen unix:{socket} ssl;
                ssl_certificate server.pem;
                ssl_certificate_key server.key;
                ssl_certificate_by_lua_block { note("ssl_cert") }
                location / { return 204; }
            }
        ]]
    end

    local function start_phases(more)
        local opts = { init = PHASES_INIT, workers = 1 }
        opts.prepare = function(self)
            local function fill(text)
                return (text:gsub("{(%l+)}", {
                    port = ("%d"):format(self.port), socket = self.path .. "/ssl.sock",
                }))
            end
            opts.http, opts.server = fill(opts.http), fill(opts.server)
            assert(tls.make(self.path, function(name, text)
                shell.write(self.path .. "/" .. name, text)
                return true
            end, self.path .. "/output"))
        end
        opts.http = phase_http()
        return start(phase_server(), more, opts)
    end

    -- How many requests wait for their worker to exit.
    local function waiting(proxy)
        return tonumber(proxy:get("/results?phase=waiting").body) or 0
    end

    local function request_phases(proxy, phases, exiting)
        local ops = {}
        for _, phase in ipairs(phases) do
            ops[#ops + 1] = proxy:begin("/" .. phase .. (exiting and "?exiting=1" or ""))
        end
        if exiting then
            assert.is_true(service.eventually(function() return waiting(proxy) == #phases end))
            proxy:reload()
        end
        for _, op in ipairs(ops) do
            proxy:finish(op)
        end
    end

    local function check_results(proxy, phases, expected)
        for _, phase in ipairs(phases) do
            local found
            assert.is_true(service.eventually(function()
                found = proxy:get("/results?phase=" .. phase).body
                return found ~= ""
            end), phase)
            assert.matches("^" .. phase .. ": " .. expected .. "$", phase .. ": " .. found)
        end
    end

    local function check_phases(proxy, phases, expected)
        request_phases(proxy, phases)
        check_results(proxy, phases, expected)
    end

    local function warm(proxy)
        assert.equal("done", proxy:get("/warm").body)
    end

    it("waits at a cold start where nginx can do something else meanwhile", function()
        add_fault({ on = "token", delay = 0.3 })
        check_phases(start_phases(), WAITING, "true, true")
    end)

    it("does not wait at a cold start anywhere else", function()
        add_fault({ on = "token", delay = 20 })
        local proxy = start_phases({ deadline = 0.1 })
        check_phases(proxy, { "set" }, "nil pending, nil pending")
        check_phases(proxy, { "header_filter", "body_filter", "log", "balancer" },
            "nil argument, nil pending")
    end)

    it("has its token in every phase when it is warm", function()
        local proxy = start_phases()
        warm(proxy)
        check_phases(proxy, { "set", "rewrite", "access", "content" }, "true, true")
        -- What authorize does there is without effect.
        check_phases(proxy, OTHERS, ".*, true")
    end)

    it("says the same failure in every phase", function()
        add_fault({ on = "token", status = 400, body = '{"error":"invalid_client"}' })
        local proxy = start_phases()
        for _, phase in ipairs(WAITING) do
            assert.equal(503, proxy:get("/" .. phase).status)
        end
        check_phases(proxy, { "set" }, "nil token, nil token")
        check_phases(proxy, OTHERS, "nil argument, nil token")
    end)

    local function both_kinds()
        local all = {}
        for _, list in ipairs({ WAITING, OTHERS }) do
            for _, phase in ipairs(list) do
                all[#all + 1] = phase
            end
        end
        return all
    end

    it("goes on in a worker that exits with a token", function()
        local proxy = start_phases()
        warm(proxy)
        request_phases(proxy, both_kinds(), true)
        check_results(proxy, WAITING, "true, true")
        check_results(proxy, OTHERS, ".*, true")
    end)

    it("waits in a worker that exits without a token", function()
        local proxy = start_phases()
        request_phases(proxy, WAITING, true)
        check_results(proxy, WAITING, "true, true")
    end)

    it("keeps no worker that exits without a token from doing so", function()
        add_fault({ on = "token", delay = 20 })
        local proxy = start_phases({ deadline = 0.1 })
        request_phases(proxy, { "header_filter", "log", "access" }, true)
        check_results(proxy, { "header_filter", "log" }, "nil argument, nil pending")
        assert.is_true(service.eventually(function() return #proxy:children() == 1 end))
    end)

    -- --- the upstream's 401 ----------------------------------------------------------------------

    local OBSERVED = [[location = / {
        access_by_lua_block { groove.nginx.authorize() }
        header_filter_by_lua_block { groove.nginx.observe() }
        proxy_pass http://127.0.0.1:$server_port/upstream?$args;
    }
    location = /own {
        access_by_lua_block { groove.nginx.authorize() ngx.exit(401) }
        header_filter_by_lua_block { groove.nginx.observe() }
        proxy_pass http://127.0.0.1:$server_port/upstream;
    }
    location = /variable {
        set_by_lua_block $authorization { return groove.nginx.authorization() }
        proxy_set_header Authorization $authorization;
        header_filter_by_lua_block { groove.nginx.observe("default", ngx.var.authorization) }
        proxy_pass http://127.0.0.1:$server_port/upstream?$args;
    }]]

    for _, more in ipairs({ {}, { shared_dict = "tokens" }, { token_in = "query" } }) do
        it("gives up a token that the upstream refuses: " .. nginx.literal(more), function()
            local before = service.token_requests(sandbox)
            local proxy = start(OBSERVED, more, { workers = 1 })
            assert.equal(200, proxy:get("/").status)
            assert.equal(401, proxy:get("/?status=401").status)
            assert.equal(200, proxy:get("/").status)
            assert.equal(before + 2, service.token_requests(sandbox))
            for _ = 1, 20 do -- within one second: no loop
                assert.equal(401, proxy:get("/?status=401").status)
            end
            assert.is_true(service.token_requests(sandbox) <= before + 4)
        end)
    end

    it("leaves a token alone that is not the upstream's business", function()
        local before = service.token_requests(sandbox)
        local proxy = start(OBSERVED, {}, { workers = 1 })
        assert.equal(200, proxy:get("/").status)
        assert.equal(401, proxy:get("/own").status)
        assert.equal(403, proxy:get("/?status=403").status)
        assert.equal(200, proxy:get("/").status)
        assert.equal(before + 1, service.token_requests(sandbox))
        assert.equal(401, proxy:get("/variable?status=401").status)
        assert.equal(200, proxy:get("/").status)
        assert.equal(before + 2, service.token_requests(sandbox))
    end)

    -- --- bad input -------------------------------------------------------------------------------

    local function without_secret(more)
        local options = service.options(sandbox, more)
        options.client_secret = nil
        return options
    end

    it("says that a secret file cannot be read, and starts all the same", function()
        local options = without_secret({ client_secret_file = "/nowhere/secret" })
        local proxy = start(AUTHORIZED, {}, { init = ("groove.nginx.setup(%s)")
            :format(nginx.literal(options)) })
        assert.equal(503, proxy:get("/").status)
        assert.is_true(proxy:says("groove.nginx: default: token: secret_"))
        proxy:reload()
        assert.equal(503, proxy:get("/").status)
    end)

    it("says that nginx has removed an environment variable", function()
        local options = without_secret({ client_secret_env = "THE_SECRET" })
        local code = ("groove.nginx.setup(%s)"):format(nginx.literal(options))
        local secret = sandbox:options().client_secret
        local proxy = start(AUTHORIZED, {}, {
            http = "init_worker_by_lua_block { " .. code .. " }",
            environment = { THE_SECRET = secret },
        })
        assert.equal(503, proxy:get("/").status)
        assert.is_true(proxy:says('unless the main configuration says "env THE_SECRET;"'))
        assert.falsy(proxy:log():find(secret, 1, true))
        proxy:stop()
        proxy = start(AUTHORIZED, {}, {
            http = "init_worker_by_lua_block { " .. code .. " }",
            environment = { THE_SECRET = secret }, main = "daemon off; env THE_SECRET;",
        })
        assert.equal("ours none none ", proxy:get("/").body)
    end)

    it("refuses wrong options when nginx starts", function()
        for _, wrong in ipairs({ "deadline = 0", "header = 'a b'", "nonsense = 1",
            "token_url = 'http://example.com/'", "token_in = 'cookie'", "suspend = print" }) do
            local proxy = start(AUTHORIZED, {}, { init = ([[
                local ok, problem = pcall(groove.nginx.setup, (function()
                    local o = { token_url = "https://127.0.0.1/" } o.%s return o end)())
                ngx.log(ngx.ERR, "setup: ", tostring(ok), " ", tostring(problem))
            ]]):format(wrong) })
            assert.is_true(proxy:says("setup: false "), wrong)
            assert.truthy(proxy:log():find("groove.nginx.setup: ", 1, true), wrong)
            proxy:stop()
        end
    end)
end)

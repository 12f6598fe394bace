-- groove.nginx in a real nginx, among hostile clients and bad luck.

local core = require("groove.core")
local nginx = require("spec.support.nginx")
local service = require("spec.support.service")

local EVIL = { headers = { Authorization = "Bearer evil" } }

-- Says what reached it: of the header whether it is one of ours, never the token itself.
local SERVER = [[
location = /upstream {
    content_by_lua_block {
        local token = (ngx.var.http_authorization or ""):match("^Bearer (.+)$")
        ngx.status = tonumber(ngx.var.arg_status) or 200
        ngx.header["X-Worker"] = ngx.worker.pid()
        ngx.print(not token and "none" or #token > 20 and "ours" or token, " ",
            ((ngx.var.args or ""):gsub("accessToken=Bearer[^&]+$", "accessToken=OURS")))
    }
}
location = /metrics { content_by_lua_block { groove.nginx.metrics() } }
location = /status { content_by_lua_block { groove.nginx.status_page() } }
location = /fill {
    content_by_lua_block {
        local i, size = 0, 30000
        while size > 0 do
            i = i + 1
            if not ngx.shared.tokens:safe_set("foreign" .. i, ("x"):rep(size)) then
                size = math.floor(size / 2)
            end
        end
    }
}
]]

local PASS = "proxy_pass http://127.0.0.1:$server_port/upstream?$args;"

local function location(name, rest)
    return ("location %s { access_by_lua_block { groove.nginx.authorize() } %s %s }\n")
        :format(name, PASS, rest or "")
end

describe("groove.nginx, among hostile clients and bad luck", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local sandbox, add_fault = nginx.fixture({ teardown = teardown, after_each = after_each })

    local function start(server, more, init)
        return nginx.start({
            workers = 1,
            http = ([[
                lua_shared_dict tokens 64k;
                init_by_lua_block {
                    groove = require("groove")
                    local options = %s
                    %s
                    groove.nginx.setup(options)
                }
            ]]):format(nginx.literal(service.options(sandbox, more)), init or ""),
            server = SERVER .. server,
        })
    end

    -- --- what a client sends ---------------------------------------------------------------------

    it("takes the client's parameter away, however it is written", function()
        local proxy = start(location("= /"), { token_in = "query" })
        local function reached(query)
            return proxy:get("/" .. query, EVIL).body
        end
        assert.equal("none accessToken=OURS", reached(""))
        assert.equal("none accessToken=OURS", reached("?accessToken=evil&ACCESSTOKEN"))
        assert.equal("none a=1&b&accessToken=OURS", reached("?a=1&%61ccessToken=evil%26x&b"))
        -- Some servers take a semicolon for an "&".
        assert.equal("none a=1;b&accessToken=OURS", reached("?a=1;accessToken=evil;b"))
        assert.equal("none a=1;2&accessToken=OURS", reached("?a=1;2"))
    end)

    it("lets the client's header through to no page that stands in for a 503", function()
        add_fault({ on = "token", status = 503, retry_after = 60 })
        local proxy = start(location("= /", "error_page 503 = @other;")
            .. location("= /raises", "error_page 500 = @other;")
            .. "location @other { " .. PASS .. " }", {}, [[
                options.on_unavailable = function()
                    if ngx.var.uri == "/raises" then error("a bad handler") end
                    ngx.exit(503)
                end
            ]])
        assert.equal("none ", proxy:get("/", EVIL).body)
        assert.equal("none ", proxy:get("/raises", EVIL).body)
        assert.is_true(proxy:says("a bad handler"))
    end)

    it("is in subrequests where nginx runs it: by rewrite_by_lua", function()
        local proxy = start([[
            location = / { content_by_lua_block { ngx.print(ngx.location.capture("/sub").body) } }
            location = /sub {
                internal;
                rewrite_by_lua_block { groove.nginx.authorize() }
                ]] .. PASS .. "}")
        assert.equal("ours ", proxy:get("/", EVIL).body)
    end)

    it("shows nothing of what a hostile token service says", function()
        add_fault({ on = "token", status = 400,
            body = '{"error":"<script>\\n\\"evil","error_description":"evil <b>"}' })
        local proxy = start(location("= /"), { shared_dict = "tokens" })
        assert.equal(503, proxy:get("/").status)
        for _, path in ipairs({ "/metrics", "/status" }) do
            local body = proxy:get(path).body
            assert.is_nil(body:find("evil", 1, true))
            assert.is_nil(body:find("<script", 1, true))
            assert.truthy(body:find("unknown_error", 1, true))
        end
        assert.is_nil(proxy:log():find("evil", 1, true))
    end)

    -- --- bad luck --------------------------------------------------------------------------------

    it("goes on when others fill the dictionary before there is a token", function()
        local proxy = start(location("= /"), { shared_dict = "tokens" })
        proxy:get("/fill")
        assert.equal("ours ", proxy:get("/").body)
        assert.is_true(proxy:says("no room for a token; each worker goes on alone"))
        assert.equal(200, proxy:get("/metrics").status)
        assert.equal(200, proxy:get("/status").status)
    end)

    it("shows one worker's numbers where others have filled the dictionary", function()
        local proxy = start("", { shared_dict = "tokens" })
        proxy:get("/fill")
        assert.truthy(proxy:get("/metrics").body:find('state="empty"} 1', 1, true))
        assert.matches("each worker by itself", proxy:get("/status").body)
    end)

    it("gives up a refused token when others have filled the dictionary", function()
        local proxy = start(location("= /",
            "header_filter_by_lua_block { groove.nginx.observe() }"), { shared_dict = "tokens" })
        assert.equal(200, proxy:get("/").status)
        proxy:get("/fill")
        local before = service.token_requests(sandbox)
        assert.equal(401, proxy:get("/?status=401").status)
        assert.equal("ours ", proxy:get("/").body)
        assert.equal(1, service.token_requests(sandbox) - before)
    end)

    it("is held up at its start by its deadline, and no longer", function()
        add_fault({ on = "token", delay = 30 })
        local began = core.now()
        local proxy = start("", { prefetch = true, deadline = 0.5 })
        assert.equal(200, proxy:get("/upstream").status)
        assert.is_true(core.now() - began < 1.4)
    end)
end)

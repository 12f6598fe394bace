-- No secret and no token in what a real nginx with groove.nginx writes and answers, in success and
-- every failure.

local groove = require("groove")
local marks = require("spec.support.secrecy.marks")
local nginx = require("spec.support.nginx")
local sandbox_token = require("groove.sandbox.token")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local SEARCH = "/1/content/music/search?q=love"

-- All that an access log can say of a request without being asked for a header of it.
local HTTP = [[
log_format all '$request $request_uri $args $uri $http_referer $http_user_agent $status '
    '$upstream_addr $upstream_status $upstream_http_www_authenticate $remote_user';
lua_shared_dict groove 1m;
init_by_lua_block {
    groove = require("groove")
    groove.nginx.setup(%s)
    groove.nginx.setup(%s)
}
]]

local SERVER = [[
access_log access.log all;
error_log error.log info;
location /1/ {
    access_by_lua_block { groove.nginx.authorize() }
    header_filter_by_lua_block { groove.nginx.observe() }
    proxy_pass %s;
}
location /refused/ {
    access_by_lua_block { groove.nginx.authorize() }
    header_filter_by_lua_block { groove.nginx.observe() }
    proxy_pass http://127.0.0.1:1/;
}
location /other/ {
    access_by_lua_block { groove.nginx.authorize("other") }
    proxy_pass %s;
}
location = /raised { content_by_lua_block { groove.nginx.authorize("unknown") } }
location = /late { content_by_lua_block { groove.nginx.authorize() ngx.print("too late") } }
location = /metrics { content_by_lua_block { groove.nginx.metrics() } }
location = /status { content_by_lua_block { groove.nginx.status_page() } }
]]

describe("groove.nginx: secrecy", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local secret, token = marks.new(marks.AWKWARD), marks.new(marks.AWKWARD)
    local sandbox, folder, proxy, said

    setup(function()
        sandbox = assert(groove.sandbox({ client_secret = secret }))
        folder = shell.folder()
        shell.write(folder .. "/secret", secret)
        -- Workers may be somebody else.
        shell.must(("chmod 755 '%s' && chmod 644 '%s/secret'"):format(folder, folder))
    end)
    teardown(function()
        if proxy then
            proxy:stop()
        end
        sandbox:stop()
        shell.remove(folder)
    end)

    local function options(more)
        local out = {
            token_url = sandbox.token_url, client_id = sandbox:options().client_id,
            client_secret_file = folder .. "/secret", shared_dict = "groove", timeout = 2,
        }
        for name, value in pairs(more or {}) do
            out[name] = value
        end
        return nginx.literal(out)
    end

    local function escaped(mark)
        return (mark:gsub('["\\]', "\\%0"))
    end

    local function start()
        return nginx.start({
            http = HTTP:format(options(), options({
                name = "other", client_secret_file = "/nonexistent/secret", auth = "basic",
            })),
            server = SERVER:format(sandbox.api_url, sandbox.api_url .. "/"),
        })
    end

    local function ask_everything()
        for _, path in ipairs({ SEARCH, "/refused/", "/other/1/content/",
            "/raised", "/late", "/metrics", "/status" }) do
            local answer = proxy:get(path)
            said[#said + 1] = answer.status .. " " .. answer.body
            for name, value in pairs(answer.headers) do
                said[#said + 1] = name .. ": " .. value
            end
        end
    end

    local FAULTS = {
        { status = 401, body = ('{"error":"%s"}'):format(escaped(secret)) },
        { status = 500, body = secret }, { body = secret }, { close = true }, { delay = 3 },
        { body = ('{"access_token":"%s\\n"}'):format(escaped(token)) },
        { body = ('{"access_token":"%s","expires_in":60}'):format(escaped(token)), times = 1 },
    }

    local function collect()
        said[#said + 1] = proxy:log()
        said[#said + 1] = shell.read(proxy.path .. "/access.log")
        for _, pid in ipairs(proxy:workers()) do
            said[#said + 1] = shell.read("/proc/" .. pid .. "/cmdline")
            said[#said + 1] = shell.read("/proc/" .. pid .. "/environ")
        end
    end

    -- An nginx that has seen no other fault.
    local function live_through(fault)
        fault.on = "token"
        local active = assert(sandbox:fault(fault))
        proxy = start()
        ask_everything()
        if fault.times then
            -- The API refuses the mark, and then gets a token of the sandbox's.
            assert.is_true(service.eventually(function()
                return proxy:get(SEARCH).status == 200
            end, 20))
            ask_everything()
        end
        active:clear()
        collect()
        proxy:stop()
        proxy = nil
    end

    it("keeps secrets and tokens out of its logs and answers", function()
        said = {}
        for _, fault in ipairs(FAULTS) do
            live_through(fault)
        end
        local all = table.concat(said, "\n")
        assert.is_nil(all:find(sandbox_token.PREFIX, 1, true))
        for _, mark in ipairs({ secret, token }) do
            local at = marks.find(all, mark)
            assert.is_nil(at and marks.before(all, at))
        end
        -- It has been said much, of successes and of failures.
        for _, text in ipairs({ SEARCH, "groove_token_requests_total", "[error]",
            "connect() failed", "unknown_error", "http_500", "invalid_response", "invalid_token",
            "connection_broken", "timeout", "secret_unreadable" }) do
            assert.is_truthy(all:find(text, 1, true), text)
        end
    end)
end)

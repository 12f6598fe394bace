-- groove.nginx with a shared dictionary: the workers of a real nginx have one token.

local core = require("groove.core")
local groove = require("groove")
local nginx = require("spec.support.nginx")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

-- 204 for a token of ours; with "refuse", 401 for the first token that comes, and for no other.
local SERVER = [[
location = /upstream {
    content_by_lua_block {
        local token = (ngx.var.http_authorization or ""):match("^Bearer (.+)$")
        ngx.status = token and #token > 20 and 204 or 403
        if ngx.var.arg_refuse then
            ngx.shared.tokens:add("refused", token)
            ngx.status = ngx.shared.tokens:get("refused") == token and 401 or ngx.status
        end
        ngx.header["X-Worker"] = ngx.var.http_x_worker
    }
}
location = / {
    access_by_lua_block {
        groove.nginx.authorize()
        ngx.req.set_header("X-Worker", ngx.worker.pid())
    }
    header_filter_by_lua_block { groove.nginx.observe() }
    proxy_pass http://127.0.0.1:$server_port/upstream?$args;
}
location = /length {
    content_by_lua_block {
        ngx.header["X-Worker"] = ngx.worker.pid()
        local value, err = groove.nginx.authorization()
        ngx.print(value and #value or tostring(err))
    }
}
location = /leader {
    content_by_lua_block {
        for _, key in ipairs(ngx.shared.tokens:get_keys()) do
            if key:find(":lease$") then ngx.print(ngx.shared.tokens:get(key)) end
        end
    }
}
location = /status { content_by_lua_block { groove.nginx.status_page() } }
# Somebody else leads when a token comes that this worker has still asked for.
location = /usurp {
    content_by_lua_block {
        local dict, keys = ngx.shared.tokens, {}
        for _, key in ipairs(dict:get_keys()) do
            keys[key:match(":(%l+)$") or key] = key
        end
        local value, record = groove.nginx.authorization(), dict:get(keys.token)
        dict:set(keys.lease, 1) -- there always is a process of that number
        assert(groove.token_source(credentials):refresh())
        ngx.print(groove.nginx.authorization() == value and "nothing new"
            or dict:get(keys.token) == record and "kept" or "overwritten")
    }
}
location = /slow { content_by_lua_block {
    ngx.shared.tokens:set("slow" .. ngx.worker.pid(), true)
    ngx.sleep(15)
} }
location = /is_slow { content_by_lua_block {
    ngx.print(tostring(ngx.shared.tokens:get("slow" .. ngx.var.arg_pid)))
} }
# Whether the same source is known by the value of a variable.
location = /known { content_by_lua_block {
    local ffi, prints = require("ffi"), {}
    ffi.cdef("int setenv(const char *name, const char *value, int replace);")
    for i, value in ipairs({ "one", "two", "one" }) do
        ffi.C.setenv("A_SECRET", value, 1)
        prints[i] = require("groove.nginx.fingerprint").of({ client_secret_env = "A_SECRET" })
    end
    ngx.print(tostring(prints[1] == prints[3]), tostring(prints[1] == prints[2]))
} }
location = /evict { content_by_lua_block { ngx.shared.tokens:flush_all() } }
]]

describe("groove.nginx with a shared dictionary", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local sandbox, add_fault = nginx.fixture({ teardown = teardown, after_each = after_each })

    local function start(more, opts)
        more, opts = more or {}, opts or {}
        if more.shared_dict == nil then
            more.shared_dict = "tokens"
        end
        local options = opts.options or service.options(opts.sandbox or sandbox)
        for name, value in pairs(more) do
            options[name] = value
        end
        opts.http = ([[
            lua_shared_dict tokens %s;
            init_by_lua_block {
                groove = require("groove")
                %s
                groove.nginx.setup(%s)
            }
        ]]):format(opts.size or "1m", opts.init or "", nginx.literal(options))
        opts.server = SERVER
        return nginx.start(opts)
    end

    local function requests_since(before)
        return service.token_requests(sandbox) - before
    end

    -- Asks until both workers have answered; each answer is checked.
    local function reach_both(proxy, path, check)
        local seen, count = {}, 0
        assert.is_true(service.eventually(function()
            for _, answer in ipairs(proxy:get_many(16, path)) do
                if check then check(answer) end
                local worker = answer.headers["x-worker"]
                if worker and not seen[worker] then
                    seen[worker] = true
                    count = count + 1
                end
            end
            return count >= 2
        end, 20), proxy:complaints())
    end

    local function is_good(answer)
        assert.equal(204, answer.status)
    end

    local function leader(proxy)
        return proxy:get("/leader").body
    end

    it("asks once for 2 workers with 200 connections each at a cold start", function()
        if not nginx.has_wrk() then
            pending("wrk is not installed")
        end
        local before = service.token_requests(sandbox)
        add_fault({ on = "token", delay = 0.5 })
        local proxy = start()
        local count, wrong, said = proxy:load("/", 400, 2)
        assert.is_true(count > 400, said)
        assert.equal(0, wrong, said)
        assert.equal(1, requests_since(before))
        reach_both(proxy, "/", is_good)
        assert.equal(1, requests_since(before))
    end)

    it("renews by one worker, and the others follow", function()
        -- Every 0.3 s: two that renewed on their own would ask 33 times in 5 s.
        local lively = assert(groove.sandbox({ lifetime = 3, refresh_in = 0.3 }))
        finally(function() lively:stop() end)
        local proxy = start({}, { sandbox = lively })
        local over = core.now() + 5
        while core.now() < over do
            reach_both(proxy, "/", is_good)
        end
        local count = service.token_requests(lively)
        assert.is_true(count >= 4 and count <= 25, count)
    end)

    it("replaces a leader that has been killed", function()
        local before = service.token_requests(sandbox)
        local proxy = start()
        reach_both(proxy, "/", is_good)
        local first = leader(proxy)
        proxy:signal("KILL", first)
        local second
        assert.is_true(service.eventually(function()
            is_good(proxy:get("/"))
            second = leader(proxy)
            return second ~= first and nginx.is_running(second)
        end, 10), proxy:log())
        assert.equal(1, requests_since(before))
    end)

    it("replaces a leader that is killed while it asks, before the others give up", function()
        local fault = add_fault({ on = "token", delay = 20, times = 1 })
        local before = service.token_requests(sandbox)
        local proxy = start({ deadline = 15 })
        local first = proxy:begin("/length", { timeout = 20 })
        local pid
        assert.is_true(service.eventually(function()
            pid = leader(proxy)
            return pid ~= "" and requests_since(before) == 1
        end))
        fault:clear()
        local others = {}
        for i = 1, 8 do
            others[i] = proxy:begin("/length", { timeout = 20 })
        end
        service.pause(0.2)
        proxy:signal("KILL", pid)
        for _, op in ipairs(others) do
            op:wait()
            local answer = op:result() -- nil: it was in the worker that is gone
            assert.is_true(answer == nil or tonumber(answer.body) ~= nil)
        end
        first:wait()
        is_good(proxy:get("/"))
        assert.not_equal(pid, leader(proxy))
    end)

    -- Stops a worker until the test is over, or what is returned is called.
    local function suspend(proxy, pid)
        local stopped = true
        local function resume()
            if stopped then
                stopped = false
                proxy:signal("CONT", pid)
            end
        end
        finally(resume)
        proxy:signal("STOP", pid)
        assert.is_true(service.eventually(function()
            return (shell.read("/proc/" .. pid .. "/stat") or ""):find(") T ", 1, true) ~= nil
        end))
        return resume
    end

    it("does not wait for a leader that has been stopped while it asks", function()
        local fault = add_fault({ on = "token", delay = 30, times = 1 })
        local before = service.token_requests(sandbox)
        local proxy = start({ deadline = 14 })
        local op, first = proxy:begin("/length"), nil
        assert.is_true(service.eventually(function()
            first = leader(proxy)
            return first ~= "" and requests_since(before) == 1
        end))
        fault:clear()
        suspend(proxy, first)
        is_good(proxy:get("/"))
        assert.not_equal(first, leader(proxy))
        assert.equal(2, requests_since(before))
        op:cancel()
    end)

    -- The pids of the workers that say that they renew.
    local function renewing(proxy)
        local out = {}
        for pid in proxy:get("/status").body:gmatch("pid (%d+), renews") do
            out[#out + 1] = pid
        end
        return out
    end

    it("is led by one, also when a leader comes back that was stopped", function()
        local lively = assert(groove.sandbox({ lifetime = 60, refresh_in = 0.3 }))
        finally(function() lively:stop() end)
        local proxy = start({}, { sandbox = lively })
        reach_both(proxy, "/", is_good)
        local first, second = leader(proxy), nil
        local resume = suspend(proxy, first)
        assert.is_true(service.eventually(function()
            second = leader(proxy)
            return second ~= first and second ~= ""
        end, 10))
        resume()
        reach_both(proxy, "/", is_good)
        assert.is_true(service.eventually(function()
            return table.concat(renewing(proxy), " ") == second
        end, 20), table.concat(renewing(proxy), " "))
        assert.equal(second, leader(proxy))
    end)

    it("publishes nothing once another leads", function()
        local options = service.options(sandbox)
        local init = "credentials = " .. nginx.literal(options)
        local proxy = start({}, { workers = 1, options = options, init = init })
        is_good(proxy:get("/"))
        assert.equal("kept", proxy:get("/usurp").body)
    end)

    it("shares a failure, too", function()
        local before = service.token_requests(sandbox)
        add_fault({ on = "token", status = 503, retry_after = 20 })
        local proxy = start()
        reach_both(proxy, "/length", function(answer)
            assert.truthy(answer.body:find("HTTP 503", 1, true), answer.body)
        end)
        assert.equal(1, requests_since(before))
    end)

    it("gives a refused token up in all workers, and asks for one other", function()
        local before = service.token_requests(sandbox)
        local proxy = start()
        reach_both(proxy, "/", is_good)
        reach_both(proxy, "/?refuse=1")
        assert.is_true(service.eventually(function()
            return requests_since(before) == 2
        end))
        service.pause(1.2)
        reach_both(proxy, "/?refuse=1", is_good)
        assert.equal(2, requests_since(before))
    end)

    it("publishes again what has been evicted", function()
        local before = service.token_requests(sandbox)
        local proxy = start()
        reach_both(proxy, "/", is_good)
        assert.equal(200, proxy:get("/evict").status)
        assert.equal("", leader(proxy))
        assert.is_true(service.eventually(function() return leader(proxy) ~= "" end))
        proxy:reload()
        reach_both(proxy, "/", is_good)
        assert.equal(1, requests_since(before))
    end)

    it("survives reloads without a request", function()
        local before = service.token_requests(sandbox)
        local proxy = start()
        reach_both(proxy, "/", is_good)
        for _ = 1, 3 do
            proxy:reload()
            reach_both(proxy, "/", is_good)
        end
        assert.equal(1, requests_since(before))
    end)

    it("is not led by a worker that takes its time to exit", function()
        local proxy = start()
        reach_both(proxy, "/", is_good)
        local first, ops = leader(proxy), {}
        assert.is_true(service.eventually(function()
            ops[#ops + 1] = proxy:begin("/slow")
            return proxy:get("/is_slow?pid=" .. first).body == "true"
        end))
        proxy:reload()
        assert.is_true(nginx.is_running(first))
        assert.is_true(service.eventually(function()
            is_good(proxy:get("/"))
            return leader(proxy) ~= first and leader(proxy) ~= ""
        end))
        assert.is_true(nginx.is_running(first))
        for _, op in ipairs(ops) do
            op:cancel()
        end
    end)

    it("does not serve the token of another secret after a reload", function()
        local options, folder = service.options(sandbox), shell.folder()
        finally(function() shell.remove(folder) end)
        local secret, file = options.client_secret, folder .. "/secret"
        options.client_secret, options.client_secret_file = nil, file
        shell.write(file, secret .. "\n")
        local proxy = start({}, { options = options })
        reach_both(proxy, "/", is_good)
        shell.write(file, "another secret\n")
        proxy:reload()
        for _, answer in ipairs(proxy:get_many(8)) do
            assert.equal(503, answer.status)
        end
        assert.is_true(proxy:says("invalid_client"))
        shell.write(file, secret .. "\n")
        proxy:reload()
        reach_both(proxy, "/", is_good)
    end)

    it("knows a secret of the environment again, in both workers and after a reload", function()
        local options, before = service.options(sandbox), service.token_requests(sandbox)
        local secret = options.client_secret
        options.client_secret, options.client_secret_env = nil, "THE_SECRET"
        local proxy = start({}, {
            options = options, main = "daemon off;\nenv THE_SECRET;",
            environment = { THE_SECRET = secret },
        })
        reach_both(proxy, "/", is_good)
        proxy:reload()
        reach_both(proxy, "/", is_good)
        assert.equal(1, requests_since(before))
        assert.equal("truefalse", proxy:get("/known").body)
    end)

    -- --- dictionaries that will not do -----------------------------------------------------------

    it("goes on without a dictionary of that name", function()
        local before = service.token_requests(sandbox)
        local proxy = start({ shared_dict = "nowhere" })
        reach_both(proxy, "/", is_good)
        assert.is_true(proxy:says('there is no "lua_shared_dict nowhere"'))
        assert.equal(2, requests_since(before))
    end)

    it("goes on with a dictionary that is full, and evicts nothing", function()
        local before = service.token_requests(sandbox)
        local proxy = start({}, { size = "12k", init = [[
            local i = 0
            repeat
                i = i + 1
                local ok = ngx.shared.tokens:safe_set("key" .. i, ("x"):rep(40))
            until not ok
        ]] })
        reach_both(proxy, "/", is_good)
        assert.is_true(proxy:says("has no room; each worker goes on alone"))
        assert.equal(2, requests_since(before))
    end)

    it("goes on with a dictionary that is too small for a token", function()
        local before = service.token_requests(sandbox)
        add_fault({ on = "token", body = service.token_answer(
            '"expires_in":3600,"access_token":"' .. ("t"):rep(20000) .. '"') })
        local proxy = start({}, { size = "12k" })
        reach_both(proxy, "/length", function(answer)
            assert.equal("20007", answer.body)
        end)
        assert.is_true(proxy:says("no room for a token; each worker goes on alone"))
        assert.equal(2, requests_since(before))
    end)
end)

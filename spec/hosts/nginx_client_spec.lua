-- Calls of the API inside the hooks of a real nginx, what they cost, and what warm hooks cost.

local core = require("groove.core")
local json = require("cjson")
local nginx = require("spec.support.nginx")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

-- A transport on nginx's cosockets, as far as a test needs it.
local TRANSPORT = [[
    local function transport(request)
        local host, port, target = request.url:match("^http://([^:/]+):(%d+)(/.*)$")
        local socket = ngx.socket.tcp()
        socket:settimeout(request.timeout * 1000)
        assert(socket:connect(host, tonumber(port)))
        local lines = { request.method .. " " .. target .. " HTTP/1.0", "Host: " .. host }
        for name, value in pairs(request.headers) do lines[#lines + 1] = name .. ": " .. value end
        assert(socket:send(table.concat(lines, "\r\n") .. "\r\n\r\n"))
        local answer = assert(socket:receive("*a"))
        socket:close()
        return { status = tonumber(answer:match("^HTTP/%S+ (%d+)")), headers = {},
            body = answer:match("\r\n\r\n(.*)$") }
    end
]]

local SERVER = [[
location = /search { content_by_lua_block {
    local page, err = client:search("love", { max_items = 1 })
    ngx.print(page and page.Tracks.Items[1].Name or tostring(err))
} }
location = /each { content_by_lua_block {
    local count = 0
    for track in client:each("Tracks", client:search("love", { max_items = 1 })) do
        count = count + 1
        if count == 3 then break end
    end
    ngx.print(count)
} }
location = /async { content_by_lua_block {
    local calls = {}
    for i = 1, 4 do calls[i] = client.async:search("love", { max_items = 1 }) end
    local good = 0
    for _, call in ipairs(calls) do good = good + (call:wait() and 1 or 0) end
    ngx.print(good)
} }
location = /dispatch { content_by_lua_block { groove.dispatch(1) } }
location = /log_async { content_by_lua_block { ngx.print("") } log_by_lua_block {
    client.async:search("love", { max_items = 1 })
} }
location = /timer { content_by_lua_block { ngx.timer.at(0, function()
    local page, err = client:search("love", { max_items = 1 })
    ngx.shared.results:set("timer", page and "true" or tostring(err))
end) } }
location = /transport { content_by_lua_block {
    local page, err = own:search("love", { max_items = 1 })
    ngx.print(page and page.Tracks.Items[1].Name or tostring(err))
} }
location = /transport_async { content_by_lua_block {
    local page, err = own.async:search("love", { max_items = 1 }):wait()
    ngx.print(page and "a page" or tostring(err))
} }
location = /set { set_by_lua_block $x { note("set") } content_by_lua_block { ngx.print("") } }
location = /header_filter { content_by_lua_block { ngx.print("") }
    header_filter_by_lua_block { note("header_filter") } }
location = /body_filter { content_by_lua_block { ngx.print("") }
    body_filter_by_lua_block { note("body_filter") } }
location = /log { content_by_lua_block { ngx.print("") } log_by_lua_block { note("log") } }
location = /results { content_by_lua_block {
    ngx.print(ngx.shared.results:get(ngx.var.arg_of) or "")
} }
location = /fast { return 204; }
location = /authorized {
    access_by_lua_block { groove.nginx.authorize() } content_by_lua_block { ngx.print("done") }
}
location = /constant {
    access_by_lua_block { ngx.req.set_header("Authorization", "Bearer constant") }
    content_by_lua_block { ngx.print("done") }
}
location = /compiled { content_by_lua_block {
    local authorize, authorization = groove.nginx.authorize, groove.nginx.authorization
    local function run(count)
        for _ = 1, count do authorize() end
        for _ = 1, count do authorization() end
    end
    run(1000)
    collectgarbage() collectgarbage("stop")
    local before = collectgarbage("count")
    run(10000)
    local after = collectgarbage("count")
    collectgarbage("restart")
    ngx.print((after - before) * 1024)
} }
location = /traces { content_by_lua_block {
    for _ = 1, 2000 do groove.nginx.authorize() end
    for _ = 1, 2000 do groove.nginx.authorization() end
    require("jit.v").off()
    ngx.print(tostring(io.open(trace_file):read("*a")))
} }
]]

describe("groove inside nginx", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local sandbox, add_fault = nginx.fixture({ teardown = teardown, after_each = after_each })

    local function start(more, init)
        local options = service.options(sandbox, more)
        local of_client = service.options(sandbox)
        of_client.api_url = sandbox:options().api_url
        return nginx.start({
            workers = 1,
            http = ([[
                lua_shared_dict results 1m;
                init_by_lua_block {
                    groove = require("groove")
                    groove.nginx.setup(%s)
                    local options = %s
                    client = groove.new(options)
                    %s
                    options.transport = transport
                    own = groove.new(options)
                    function note(phase)
                        local page, err = client:search("love", { max_items = 1 })
                        ngx.shared.results:set(phase, page and "a page" or err.kind)
                    end
                }
                %s
            ]]):format(nginx.literal(options), nginx.literal(of_client), TRANSPORT, init or ""),
            server = SERVER,
        })
    end

    local function search_directly()
        return assert(sandbox:client():search("love", { max_items = 1 })).Tracks.Items[1].Name
    end

    -- --- calls -----------------------------------------------------------------------------------

    it("waits for the API by giving the worker back", function()
        local proxy = start()
        local name = search_directly()
        assert.equal(name, proxy:get("/search").body)
        assert.equal(1, nginx.threads(proxy:master()))
        local first = proxy:get("/fast")
        assert.equal(204, first.status)
        add_fault({ on = "api", delay = 1 })
        local slow = {}
        for i = 1, 10 do
            slow[i] = proxy:begin("/search")
        end
        local before = service.api_requests(sandbox)
        assert.equal(204, proxy:get("/fast").status)
        for _, op in ipairs(slow) do
            assert.is_false(op:done())
        end
        for _, op in ipairs(slow) do
            assert.equal(name, proxy:finish(op).body)
        end
        assert.is_true(service.api_requests(sandbox) >= before)
    end)

    it("goes through lists, several at once, and in timers", function()
        local proxy = start()
        assert.equal("3", proxy:get("/each").body)
        assert.equal("4", proxy:get("/async").body)
        local delay = add_fault({ on = "api", delay = 0.2 })
        local ops = { proxy:begin("/async"), proxy:begin("/async") }
        service.pause(0.1)
        repeat -- other requests' calls, too
            proxy:get("/dispatch")
        until ops[1]:done() and ops[2]:done()
        delay:clear()
        for _, op in ipairs(ops) do
            assert.equal("4", proxy:finish(op).body)
        end
        local before = service.api_requests(sandbox)
        proxy:get("/log_async")
        assert.is_true(service.eventually(function()
            return service.api_requests(sandbox) == before + 1
        end))
        proxy:get("/timer")
        assert.is_true(service.eventually(function()
            return proxy:get("/results?of=timer").body == "true"
        end))
    end)

    it("sends nothing from where it could not wait for the answer", function()
        local proxy = start()
        local before = service.api_requests(sandbox)
        for _, phase in ipairs({ "set", "header_filter", "body_filter", "log" }) do
            for _ = 1, 2 do -- without a token, and perhaps with one
                proxy:get("/" .. phase)
                assert.is_true(service.eventually(function()
                    return proxy:get("/results?of=" .. phase).body ~= ""
                end))
                assert.equal("pending", proxy:get("/results?of=" .. phase).body)
            end
        end
        proxy:get("/search")
        proxy:get("/log")
        assert.equal("pending", proxy:get("/results?of=log").body)
        assert.equal(before + 1, service.api_requests(sandbox))
    end)

    it("takes a transport on nginx's own sockets", function()
        local proxy = start()
        local name = search_directly()
        assert.equal(name, proxy:get("/transport").body)
        local ops = {}
        for i = 1, 5 do
            ops[i] = proxy:begin("/transport")
        end
        for _, op in ipairs(ops) do
            assert.equal(name, proxy:finish(op).body)
        end
        assert.truthy(proxy:get("/transport_async").body:find("ngx.thread.spawn", 1, true))
    end)

    -- --- what it costs ---------------------------------------------------------------------------

    -- The longest of some requests one after another, in milliseconds.
    local function longest(proxy, path, count)
        local most = 0
        for _ = 1, count do
            local began = core.now()
            assert.is_true(proxy:get(path).status < 300)
            most = math.max(most, core.now() - began)
        end
        return most * 1000
    end

    it("delays nobody while the token service is slow", function()
        local proxy = start({ deadline = 10 })
        assert.equal(204, proxy:get("/fast").status)
        add_fault({ on = "token", delay = 5, times = 1 })
        local waiting = {}
        for i = 1, 40 do
            waiting[i] = proxy:begin("/authorized")
        end
        service.pause(0.5)
        -- The best of some: the machine has other things to do as well.
        local best = math.huge
        for _ = 1, 8 do
            best = math.min(best, longest(proxy, "/fast", 20))
        end
        local still = not waiting[1]:done()
        for _, op in ipairs(waiting) do
            assert.equal("done", proxy:finish(op).body)
        end
        assert.is_true(still)
        assert.is_true(best < 20, best .. " ms")
    end)

    it("allocates nothing in a warm hook", function()
        if os.getenv("GROOVE_COVERAGE_NGINX") then
            return pending("a line hook allocates, and keeps code from being compiled")
        end
        local proxy = start()
        assert.equal("done", proxy:get("/authorized").body)
        assert.equal("0", proxy:get("/compiled").body)
    end)

    it("compiles the warm hook, without an abort", function()
        if os.getenv("GROOVE_COVERAGE_NGINX") then
            return pending("a line hook allocates, and keeps code from being compiled")
        end
        local folder = shell.folder()
        finally(function() shell.remove(folder) end)
        shell.must(("chmod 777 '%s'"):format(folder))
        local proxy = start({}, ([[init_worker_by_lua_block {
            trace_file = "%s/traces"
            require("jit.v").on(trace_file)
        }]]):format(folder))
        assert.equal("done", proxy:get("/authorized").body)
        local traces = proxy:get("/traces").body
        assert.truthy(traces:find("%[TRACE +%d+ [^\n]*loop%]"), traces)
        assert.falsy(traces:find("TRACE %-%-%-"), traces)
    end)

    -- System calls by name, of one worker that answers requests on one connection.
    local function system_calls(proxy, path, count)
        local pid, output = proxy:workers()[1], proxy.path .. "/strace"
        local pipe = io.popen(("echo $$; exec strace -f -c -o '%s' -p %s 2>&1")
            :format(output, pid))
        local strace = pipe:read("*l")
        assert.truthy(pipe:read("*l"):find("attached"))
        shell.must(("curl -s -o /dev/null '%s%s?[1-%d]'"):format(proxy.url, path, count))
        shell.must("kill -INT " .. strace)
        pipe:close()
        local calls = {}
        for line in io.lines(output) do
            -- time in per cent and seconds, microseconds a call, calls, errors, name
            local number, name = line:match("^%s*%S+%s+%S+%s+%d+%s+(%d+)%s+%d*%s*([%l_%d]+)$")
            if name and name ~= "total" then
                calls[name] = tonumber(number)
            end
        end
        return calls
    end

    it("makes no system call in a warm hook", function()
        if not shell.succeeds("command -v curl >/dev/null && strace -c true >/dev/null 2>&1") then
            pending("strace or curl is not installed, or may not be used")
        end
        local proxy = start()
        assert.equal("done", proxy:get("/authorized").body)
        local count = 2000
        system_calls(proxy, "/constant", count)
        local theirs = system_calls(proxy, "/constant", count)
        local ours = system_calls(proxy, "/authorized", count)
        for name, number in pairs(ours) do
            assert.is_true(number - (theirs[name] or 0) < count / 10,
                name .. ": " .. json.encode({ theirs = theirs, ours = ours }))
        end
    end)
end)

-- groove.nginx beside the same hook with a constant header: requests of one worker, which passes
-- each on to another server, for each second of its processor's time. On the wall, a machine that
-- does other things as well makes differences of 6 % between equal things.

local bench = require "bench"

local native, root = bench.native, bench.root

local M = {}

local SECONDS = 1
local ROUNDS = bench.quick and 3 or 11
local CONNECTIONS = 32

local CONFIG = [[
%s
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log error;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    lua_package_path "%s";
    lua_package_cpath "%s";
    init_by_lua_block {
        groove = require("groove")
        groove.nginx.setup({ token_url = "%s", client_id = "bench", client_secret = "bench" })
    }
    upstream static {
        server %s;
        keepalive 64;
    }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:%d;
        location = /constant {
            access_by_lua_block {
                ngx.req.set_header("Authorization", "Bearer bench-token")
            }
            proxy_pass http://static/token;
        }
        location = /hook {
            access_by_lua_block { groove.nginx.authorize() }
            proxy_pass http://static/token;
        }
        location = /variable {
            set_by_lua_block $authorization { return groove.nginx.authorization() }
            if ($authorization = "") { return 503; }
            proxy_set_header Authorization $authorization;
            proxy_set_header Connection "";
            proxy_pass http://static/token;
        }
    }
}
]]

local MODULES = "/usr/lib/nginx/modules/"

-- Starts nginx with the hooks; gives its address, and a function that stops it.
local function start(site)
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 755 '" .. folder .. "'"))
    local here = bench.absolute(root == "" and "." or root)
    local port = native.free_port()
    local load = ("load_module %sndk_http_module.so;\nload_module %sngx_http_lua_module.so;")
        :format(MODULES, MODULES)
    if bench.output_of("id -u"):match("%d+") == "0" then
        load = load .. "\nuser root;"
    end
    bench.write(folder .. "/nginx.conf", CONFIG:format(load, here .. "/lua/?.lua;" .. here
        .. "/lua/?/init.lua;;", here .. "/build/jit/?.so;;", site.token_url,
        site.api_url:match("//(.*)"), port))
    local process = native.start({ "nginx", "-p", folder, "-c", "nginx.conf" })
    return "http://127.0.0.1:" .. port, folder, function()
        native.stop(process)
        os.execute("rm -rf '" .. folder .. "'")
    end
end

-- Hundredths of a second that a process has computed for.
local function processor_time(pid)
    local fields = bench.output_of("cat /proc/" .. pid .. "/stat"):match("%) %a (.*)")
    local user, system = fields:match("^" .. ("%S+ "):rep(10) .. "(%d+) (%d+)")
    return user + system
end

local function worker_of(folder)
    local master = bench.output_of("cat '" .. folder .. "/nginx.pid'"):match("%d+")
    return bench.output_of(("cat /proc/%s/task/%s/children"):format(master, master)):match("%d+")
end

local function load(url)
    local said = bench.output_of(("wrk -t1 -c%d -d%ds '%s' 2>&1"):format(CONNECTIONS, SECONDS, url))
    if said:find("Non-2xx", 1, true) then
        error("the benchmark's nginx answers with errors")
    end
    return assert(tonumber(said:match("(%d+) requests in")), said)
end

-- Requests for each second of the worker's, by path; each round begins with another one.
local function measure(url, worker, rounds, paths)
    local requests, times = {}, {}
    for round = 1, rounds * #paths do
        local path = paths[(round + math.floor((round - 1) / #paths)) % #paths + 1]
        local began = processor_time(worker)
        requests[path] = (requests[path] or 0) + load(url .. path)
        times[path] = (times[path] or 0) + processor_time(worker) - began
    end
    local out = {}
    for i, path in ipairs(paths) do
        out[i] = requests[path] / times[path] * 100
    end
    return (table.unpack or unpack)(out)
end

local function wait_for(url)
    for _ = 1, 200 do
        if pcall(native.curl, url, "Accept: */*", function() end, 1, 1) then return end
        native.poll(-1, 0.01)
    end
    error("nginx did not start")
end

--- site: the static server.
function M.run(site)
    local what = "nginx with the hook / with a constant header"
    if not bench.installed("wrk") then
        return bench.skip(what, "wrk is not installed (make deps-bench)")
    end
    local url, folder, stop = start(site)
    local ok, problem = pcall(function()
        wait_for(url .. "/hook")
        local paths = { "/constant", "/hook", "/variable" }
        for _, path in ipairs(paths) do load(url .. path) end
        local constant, hook, variable = measure(url, worker_of(folder), ROUNDS, paths)
        bench.report({ what, measured = ("%.0f /s / %.0f /s"):format(hook, constant),
            value = hook / constant, target = { ">=", 0.97 } })
        bench.report({ "  with set_by_lua and a variable", measured = ("%.0f /s"):format(variable),
            value = variable / constant })
    end)
    stop()
    if not ok then error(problem, 0) end
end

return M

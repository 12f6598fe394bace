-- A real nginx with Lua for a test: its own folder, a free port, nothing left behind.

local core = require("groove.core")
local groove = require("groove")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local M = {}

M.is_root = core.process.is_root()

local PATH = "PATH=/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/sbin:/bin"

-- Starts what it is given, and ends nginx once this process has gone, however that came about: its
-- descriptor 4 ends then. Descriptor 3 is nginx's socket.
local KEEPER = [[
cd "$FOLDER"
trap : TERM
"$@" 4<&- &
exec 3<&-
read -r line <&4
trap "" TERM
for file in nginx.pid nginx.pid.oldbin; do
    [ -s "$file" ] && kill "$(cat "$file")"
done
kill $! 2>/dev/null
wait
]]

local CONFIG = [[
{modules}
{user}
{main}
worker_processes {workers};
pid nginx.pid;
error_log error.log notice;
events {
    worker_connections 2000;
}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000;
    proxy_buffering off;
    lua_package_path "{path};;";
    lua_package_cpath "{cpath};;";
    {http}
    server {
        listen 127.0.0.1:{port} backlog=2000;
        {server}
    }
}
]]

local MODULES = "/usr/lib/nginx/modules/"

--- Whether there is an nginx with Lua, as Debian has it.
function M.installed()
    return shell.read(MODULES .. "ngx_http_lua_module.so") ~= nil
        and shell.succeeds(PATH .. " nginx -v 2>/dev/null")
end

local function modules()
    return ("load_module %sndk_http_module.so;\nload_module %sngx_http_lua_module.so;")
        :format(MODULES, MODULES)
end

--- A value as a literal of Lua.
-- @param value a string, number, boolean, or a table of those by name
-- @treturn string
function M.literal(value)
    if type(value) ~= "table" then
        return type(value) == "string" and ("%q"):format(value) or tostring(value)
    end
    local parts = {}
    for name, item in pairs(value) do
        parts[#parts + 1] = ("[%q] = %s"):format(name, M.literal(item))
    end
    return "{ " .. table.concat(parts, ", ") .. " }"
end

local started = {}

local Nginx = {}
Nginx.__index = Nginx

--- The configuration.
-- @tparam table self
-- @tparam table opts `workers` (2), `main`, `http`, `server` (parts of the configuration)
function Nginx:configure(opts)
    local root = shell.lines("pwd")[1]
    local values = {
        modules = modules(), port = ("%d"):format(self.port),
        path = (os.getenv("GROOVE_COVERAGE_NGINX") or "") -- tools/coverage.sh
            .. root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua",
        cpath = root .. "/build/jit/?.so",
        -- As root, workers run as somebody else, as they do in earnest.
        user = M.is_root and "user nobody nogroup;" or "",
        workers = tostring(opts.workers or 2), main = opts.main or "daemon off;",
        http = opts.http or "", server = opts.server or "",
    }
    shell.write(self.path .. "/nginx.conf", (CONFIG:gsub("{(%l+)}", values)))
end

-- Where it does not get its socket from here, nginx opens one of its own: only such a one can be
-- upgraded.
local function environment(self, opts)
    local out = { PATH, "FOLDER=" .. self.path, not opts.own_socket and "NGINX=3;" or nil }
    for name, value in pairs(opts.environment or {}) do
        out[#out + 1] = name .. "=" .. value
    end
    return out
end

--- Starts nginx. Requests wait in its socket until it is there.
-- @tparam table opts as of `configure`, and `environment`, `before` (a command that runs it),
-- `prepare` (called with what will be returned, before the configuration is written), `own_socket`
function M.start(opts)
    local folder, listener = assert(core.process.folder()), assert(core.process.listen())
    local self = setmetatable({
        folder = folder, path = folder:path(), port = listener:port(),
        url = ("http://127.0.0.1:%d"):format(listener:port()),
    }, Nginx)
    -- Its workers, who may be somebody else, have their temporary files in it.
    shell.must("chmod 755 '" .. self.path .. "'")
    if opts.prepare then
        opts.prepare(self)
    end
    self:configure(opts)
    local argv = { "sh", "-c", KEEPER, "keeper" }
    for _, word in ipairs(opts.before or {}) do
        argv[#argv + 1] = word
    end
    -- An upgrade starts it by the name that it was started by.
    local program = shell.lines(PATH .. " command -v nginx")[1]
    for _, word in ipairs({ program, "-p", self.path .. "/", "-c", "nginx.conf", "-e",
        "error.log" }) do
        argv[#argv + 1] = word
    end
    if opts.own_socket then
        listener:close()
        listener = assert(core.process.listen())
    end
    self.child = assert(core.process.spawn({
        argv = argv, env = environment(self, opts),
        listeners = { listener }, lifeline = true, output = self.path .. "/output",
    }))
    listener:close()
    started[#started + 1] = self
    if opts.own_socket then
        self:master()
    end
    return self
end

--- What nginx has written into its error log and to its output.
function Nginx:log()
    return (shell.read(self.path .. "/error.log") or "")
        .. (shell.read(self.path .. "/output") or "")
end

--- The part of it that is no notice.
function Nginx:complaints()
    return (self:log():gsub("[^\n]*%[notice%][^\n]*\n", ""))
end

--- Waits until the log holds a text.
function Nginx:says(text)
    return service.eventually(function() return self:log():find(text, 1, true) ~= nil end, 20)
end

function Nginx:master()
    local file = self.path .. "/nginx.pid"
    assert(service.eventually(function() return (shell.read(file) or ""):find("\n") end, 20),
        self:log())
    return shell.read(file):match("%d+")
end

--- The pids of the workers of a master, also of those that are about to exit.
function Nginx:children(master)
    master = master or self:master()
    local out = {}
    local all = shell.read(("/proc/%s/task/%s/children"):format(master, master)) or ""
    for pid in all:gmatch("%d+") do
        local name = shell.read("/proc/" .. pid .. "/cmdline") or ""
        if name:find("worker process", 1, true) then
            out[#out + 1] = pid
        end
    end
    return out
end

--- The pids of the workers that go on.
function Nginx:workers(master)
    local out = {}
    for _, pid in ipairs(self:children(master)) do
        local name = shell.read("/proc/" .. pid .. "/cmdline") or ""
        if not name:find("shutting down", 1, true) then
            out[#out + 1] = pid
        end
    end
    return out
end

function Nginx:signal(name, pid)
    shell.must(("kill -%s %s"):format(name, pid or self:master()))
end

--- Whether a process is there, and no zombie.
function M.is_running(pid)
    local state = (shell.read("/proc/" .. pid .. "/stat") or ""):match("%) (%a)")
    return state ~= nil and state ~= "Z"
end

--- The threads of a process.
function M.threads(pid)
    return #shell.lines("ls /proc/" .. pid .. "/task 2>/dev/null")
end

--- Reloads the configuration, and waits until other workers serve.
function Nginx:reload()
    local before = {}
    for _, pid in ipairs(self:workers()) do
        before[pid] = true
    end
    self:signal("HUP")
    assert(service.eventually(function()
        local count = 0
        for _, pid in ipairs(self:workers()) do
            if before[pid] then
                return false
            end
            count = count + 1
        end
        return count > 0
    end, 20), self:log())
end

--- Begins a request: an operation of the core.
function Nginx:begin(path, opts)
    opts = opts or {}
    local headers = { "Connection: close" }
    for name, value in pairs(opts.headers or {}) do
        headers[#headers + 1] = name .. ": " .. value
    end
    return core.request({ url = self.url .. path, method = opts.method, headers = headers,
        timeout = opts.timeout or 20 })
end

--- Ends a request.
function Nginx:finish(op)
    op:wait()
    local answer, err = op:result()
    if not answer then
        error(tostring(err) .. "\n" .. self:complaints(), 0)
    end
    return answer
end

function Nginx:get(path, opts)
    return self:finish(self:begin(path or "/", opts))
end

--- Several at once; their answers.
function Nginx:get_many(count, path)
    local ops, answers = {}, {}
    for i = 1, count do
        ops[i] = self:begin(path or "/")
    end
    for i, op in ipairs(ops) do
        answers[i] = self:finish(op)
    end
    return answers
end

--- Whether there is wrk.
function M.has_wrk()
    return shell.succeeds("command -v wrk >/dev/null 2>&1")
end

--- What wrk has to say: how many requests, and how many of them went wrong. Each has a connection
-- of its own.
-- @tparam string path
-- @tparam integer connections
-- @tparam number seconds
-- @tparam[opt] function meanwhile called while it runs
function Nginx:load(path, connections, seconds, meanwhile)
    local output = self.path .. "/wrk"
    local command = ("wrk -t1 -c%d -d%ds --timeout 20s -H 'Connection: close' '%s%s' >'%s' 2>&1")
        :format(connections, seconds, self.url, path, output)
    local pipe = assert(io.popen(command))
    if meanwhile then
        meanwhile()
    end
    pipe:close()
    local said = shell.read(output)
    local wrong = tonumber(said:match("Non%-2xx or 3xx responses: (%d+)") or 0)
    for count in (said:match("Socket errors:([^\n]*)") or ""):gmatch("%d+") do
        wrong = wrong + tonumber(count)
    end
    return tonumber(said:match("(%d+) requests in")), wrong, said
end

-- The masters, and their workers, which would outlive them.
local function processes(self)
    local out = {}
    for _, file in ipairs({ "nginx.pid", "nginx.pid.oldbin" }) do
        local master = (shell.read(self.path .. "/" .. file) or ""):match("%d+")
        for _, pid in ipairs(master and self:children(master) or {}) do
            out[#out + 1] = pid
        end
        out[#out + 1] = master
    end
    return out
end

local function all_gone(pids)
    for _, pid in ipairs(pids) do
        if M.is_running(pid) then
            return false
        end
    end
    return true
end

--- Ends nginx and removes its folder.
function Nginx:stop()
    local pids = processes(self)
    self.child:stop(10)
    if not service.eventually(function() return all_gone(pids) end, 10) then
        shell.succeeds("kill -9 " .. table.concat(pids, " ") .. " 2>/dev/null")
    end
    shell.remove(self.path)
    self.folder:close()
end

local LIFETIME = 3600

--- What a block of tests needs: a sandbox for all of them; nothing of one's is left for the next.
-- @tparam table busted `{ teardown, after_each }` by name
-- @treturn table sandbox, whose tokens live for an hour unless a test says otherwise
-- @treturn function `add_fault(spec)`
function M.fixture(busted)
    local sandbox = assert(groove.sandbox({ lifetime = LIFETIME }))
    local add_fault, clear_faults = service.faults(function() return sandbox end)
    busted.teardown(function() sandbox:stop() end)
    busted.after_each(function()
        while #started > 0 do
            table.remove(started):stop()
        end
        clear_faults()
        sandbox:set_lifetime(LIFETIME)
    end)
    return sandbox, add_fault
end

return M

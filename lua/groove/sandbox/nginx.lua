--- The sandbox inside nginx: turns nginx's requests into the server's, and its responses into
-- bytes; ends nginx once the program that started it is gone.
--
-- The configuration (`groove.sandbox.launch`) calls `load` in the master, `start` in the worker,
-- and `serve` for each request. LuaJIT only.
--
-- @module groove.sandbox.nginx

local M = {}

local CHECK_INTERVAL = 0.04
local CHUNK = 65536
local SIGTERM = 15

local settings, server

--- Reads `settings.json` in nginx's prefix, the sandbox's folder.
function M.load()
    local json = require("cjson")
    local file = assert(io.open(ngx.config.prefix() .. "settings.json", "rb"))
    settings = json.decode(file:read("*a"))
    file:close()
    require("groove.sandbox.server")
end

-- --- the end -------------------------------------------------------------------------------------

local function remove_folder()
    local prefix = ngx.config.prefix()
    for _, name in ipairs(settings.files) do
        os.remove(prefix .. name)
    end
    os.remove((prefix:gsub("/$", "")))
end

-- By signals: os.exit would skip nginx's own clean-up. The master, where it is still there, ends
-- its worker.
local function finish(C, master)
    remove_folder()
    if C.getppid() == master then
        C.kill(master, SIGTERM)
    else
        C.kill(ngx.worker.pid(), SIGTERM)
    end
end

-- The pipe reads end of file once the program has ended, however it did; the parent's number
-- changes once the master has. (A signal at the parent's death would not do: it follows the thread
-- that made the child, not the process.)
local function watch(lifeline)
    local ffi = require("ffi")
    ffi.cdef([[
        typedef struct { int fd; short events; short revents; } groove_sandbox_pollfd;
        int poll(groove_sandbox_pollfd *fds, unsigned long count, int timeout);
        int getppid(void);
        int kill(int pid, int signal);
    ]])
    local C = ffi.C
    local pipe = ffi.new("groove_sandbox_pollfd[1]")
    local master = C.getppid()
    pipe[0].fd = lifeline
    local function check()
        if C.poll(pipe, 1, 0) ~= 0 or C.getppid() ~= master then
            finish(C, master)
        end
    end
    assert(ngx.timer.every(CHECK_INTERVAL, check))
end

--- Starts the worker: its server, and the watch over the program.
function M.start()
    local urandom = assert(io.open("/dev/urandom", "rb"))
    settings.random = function(n)
        return urandom:read(n)
    end
    server = require("groove.sandbox.server").new(settings, require("cjson"))
    watch(settings.lifeline)
end

-- Not in the master: the worker's garbage collector would touch, and so copy, every page of it.
-- Without the compiler, which spends three times as long on this as it takes.
local function prepare_catalogue()
    local jit = require("jit")
    jit.off()
    require("groove.sandbox.catalogue").prepare(settings.catalogue)
    jit.on()
end

-- --- requests ------------------------------------------------------------------------------------

local function read_headers()
    local headers = {}
    for name, value in pairs(ngx.req.get_headers(200, true)) do
        headers[name:lower()] = type(value) == "table" and table.concat(value, ", ")
            or tostring(value)
    end
    return headers
end

local function read_request()
    ngx.req.read_body()
    ngx.update_time()
    local target = ngx.var.request_uri:gsub("^https?://[^/?]*", "")
    local path, query = target:match("^([^?]*)%??(.*)$")
    local now = ngx.now()
    return {
        method = ngx.req.get_method(), path = path, query = query, headers = read_headers(),
        body = ngx.req.get_body_data(), now = now, time = now,
        connection = tonumber(ngx.var.connection), protocol = ngx.var.server_protocol,
    }
end

-- Sends part of a body whose length is announced in full, and hangs up.
local function cut(body, bytes)
    ngx.print(body:sub(1, bytes))
    ngx.flush(true)
    return ngx.exit(ngx.ERROR)
end

-- Makes up a body as it goes, chunk by chunk as the client reads.
local function stream(bytes, most)
    local chunk = ("x"):rep(CHUNK)
    local left = most and math.min(bytes, most) or bytes
    while left > 0 do
        local sent = ngx.print(left < CHUNK and chunk:sub(1, left) or chunk)
        if not sent or not ngx.flush(true) then
            return
        end
        left = left - CHUNK
    end
    if most and most < bytes then
        return ngx.exit(ngx.ERROR)
    end
end

local function send(response)
    if response.delay then
        -- nginx counts whole milliseconds, and would wake up to one too early.
        ngx.sleep(response.delay + 0.001)
    end
    if response.close == true then
        return ngx.exit(444)
    end
    ngx.status = response.status
    for name, value in pairs(response.headers) do
        ngx.header[name] = value
    end
    if response.stream or response.close then
        -- As they are: the number of bytes matters.
        ngx.header["Content-Encoding"] = "identity"
    end
    if response.stream then
        return stream(response.stream, response.close)
    end
    ngx.header["Content-Length"] = ngx.header["Content-Length"] or #response.body
    if response.close then
        return cut(response.body, response.close)
    end
    ngx.print(response.body)
end

local prepared = false

--- Serves one request. The first one, from the program that has started this, asks only whether it
-- works; after it there is time for what takes longer.
function M.serve()
    send(server:handle(read_request()))
    if not prepared then
        prepared = true
        ngx.timer.at(0, prepare_catalogue)
    end
end

return M

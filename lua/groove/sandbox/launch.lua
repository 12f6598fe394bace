--- Starts the sandbox's nginx: a private folder, a configuration, a socket handed over.
--
-- The socket is bound here, on a port that the system picks, and given to nginx by the way that
-- nginx has for its own upgrades (the environment variable NGINX): so there is no moment at which
-- somebody else could take the port, and connections queue up from the first moment on.
--
-- @module groove.sandbox.launch

local core = require("groove.core")
local tls = require("groove.sandbox.tls")

local M = {}

-- Descriptors of the child, in the order in which it gets them.
local SOCKET, LIFELINE = 3, 4

local PROGRAMS = {
    "nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/nginx/sbin/nginx",
    "openresty", "/usr/local/openresty/nginx/sbin/nginx",
}

local MODULE_FOLDERS = {
    "/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/nginx/modules",
    "/usr/share/nginx/modules",
}

-- What nginx and this module leave in the folder.
local FILES = { "nginx.conf", "settings.json", "error.log", "output.log", "nginx.pid", "temporary" }

local ADVICE = ": the sandbox needs nginx with its Lua module"
    .. " (Debian, Ubuntu: packages nginx and libnginx-mod-http-lua);"
    .. " groove.sandbox({ in_process = true }) works without"

-- Temporary files are never made (bodies fit into the buffer), but their folders always are.
local CONFIG = [[
{modules}
{user}
daemon off;
master_process on;
worker_processes 1;
pid nginx.pid;
error_log error.log error;
events {
    worker_connections 1000;
    multi_accept on;
}
http {
    access_log off;
    server_tokens off;
    tcp_nodelay on;
    client_max_body_size 1m;
    client_body_buffer_size 1m;
    client_body_temp_path temporary;
    proxy_temp_path temporary;
    fastcgi_temp_path temporary;
    uwsgi_temp_path temporary;
    scgi_temp_path temporary;
    keepalive_timeout 60s;
    keepalive_requests 1000000;
    gzip on;
    gzip_comp_level 1;
    gzip_proxied any;
    gzip_types application/json application/xml;
    lua_package_path "{path};;";
    init_by_lua_block { require("groove.sandbox.nginx").load() }
    init_worker_by_lua_block { require("groove.sandbox.nginx").start() }
    server {
        listen 127.0.0.1:{port}{tls};
        {certificate}
        location / {
            content_by_lua_block { require("groove.sandbox.nginx").serve() }
        }
    }
}
]]

local CERTIFICATE = [[
ssl_certificate server.pem;
        ssl_certificate_key server.key;
        ssl_protocols TLSv1.2 TLSv1.3;]]

local function exists(path)
    local file = io.open(path, "rb")
    if file then
        file:close()
    end
    return file ~= nil
end

-- OpenResty and some builds have the Lua module built in: nothing is loaded then.
local function modules()
    for _, folder in ipairs(MODULE_FOLDERS) do
        if exists(folder .. "/ngx_http_lua_module.so") then
            local kit = folder .. "/ndk_http_module.so"
            return (exists(kit) and "load_module " .. kit .. ";\n" or "")
                .. "load_module " .. folder .. "/ngx_http_lua_module.so;"
        end
    end
    return ""
end

-- The Lua files that nginx shall run are those that run here.
local function lua_path()
    local source = debug.getinfo(1, "S").source
    local root = source:match("^@(.*)[/\\]groove[/\\]sandbox[/\\]launch%.lua$")
    if not root then
        return nil
    end
    local escaped = root:gsub('[\\"]', "\\%0")
    return ("%s/?.lua;%s/?/init.lua"):format(escaped, escaped)
end

local function configuration(path, port, with_tls)
    local values = {
        modules = modules(), path = path, port = ("%d"):format(port),
        -- As root, nginx would run its worker as nobody, who cannot enter the folder.
        user = core.process.is_root() and "user root;" or "",
        tls = with_tls and " ssl http2" or "", certificate = with_tls and CERTIFICATE or "",
    }
    return (CONFIG:gsub("{(%l+)}", values))
end

-- --- start ---------------------------------------------------------------------------------------

-- What is written is kept by the close only.
local function writer(folder)
    return function(name, content)
        local file, message = io.open(folder .. "/" .. name, "wb")
        local good = file
        if file then
            good, message = file:write(content)
            local closed, why = file:close()
            good, message = good and closed, message or why
        end
        if not good then
            return nil, "its files cannot be written: " .. message
        end
        return true
    end
end

local function spawn(folder, listener)
    local message
    for _, program in ipairs(PROGRAMS) do
        local child
        child, message = core.process.spawn({
            argv = { program, "-p", folder .. "/", "-c", "nginx.conf", "-e", "error.log" },
            env = { ("NGINX=%d;"):format(SOCKET), "PATH=/usr/sbin:/usr/bin:/sbin:/bin" },
            listeners = { listener }, lifeline = true, output = folder .. "/output.log",
        })
        if child then
            return child
        end
    end
    return nil, "nginx cannot be started (" .. message .. ")" .. ADVICE
end

local function prepare(started, settings, opts)
    local path = lua_path()
    if not path then
        return nil, "the module's Lua files are not on disk, and nginx cannot read them from here;"
            .. " groove.sandbox({ in_process = true }) works without"
    end
    local write = writer(started.path)
    if opts.tls then
        local message
        started.ca_file, message = tls.make(started.path, write, started.path .. "/output.log")
        if not started.ca_file then
            return nil, message
        end
    end
    local written, message = write("nginx.conf", configuration(path, started.port, opts.tls))
    if written then
        written, message = write("settings.json", opts.json.encode(settings))
    end
    return written, message
end

local function acquire()
    local folder, message = core.process.folder()
    if not folder then
        return nil, "no folder can be made under TMPDIR or /tmp: " .. message
    end
    local listener
    listener, message = core.process.listen()
    if not listener then
        return nil, "no loopback port can be had: " .. message
    end
    return { folder = folder, path = folder:path(), listener = listener, port = listener:port() }
end

local function files()
    local out = {}
    for _, list in ipairs({ FILES, tls.files }) do
        for _, name in ipairs(list) do
            out[#out + 1] = name
        end
    end
    return out
end

--- Starts nginx. It has not answered yet when this returns; requests wait for it in the socket.
-- @tparam table settings for the server; `lifeline`, `files` and `api_url` are filled in
-- @tparam table opts `tls` (boolean), `json` (`{ encode }`)
-- @treturn[1] table `child`, `folder`, `path` (of the folder), `port`, `ca_file`
-- @treturn[2] nil
-- @treturn[2] string what went wrong
function M.start(settings, opts)
    local started, message = acquire()
    if not started then
        return nil, message
    end
    settings.lifeline = LIFELINE
    settings.files = files()
    settings.api_url = ("%s://127.0.0.1:%d"):format(opts.tls and "https" or "http", started.port)
    local ready
    ready, message = prepare(started, settings, opts)
    if ready then
        started.child, message = spawn(started.path, started.listener)
    end
    -- Only nginx holds the socket from here on: its end is seen at once as a refused connection.
    started.listener:close()
    if not started.child then
        started.folder:close()
        return nil, message
    end
    return started
end

--- Why nginx has not answered: the last line of its log that names a cause.
-- @tparam table started of `start`
-- @treturn string
function M.explain(started)
    local code = started.child:wait(0.5)
    local cause
    for _, name in ipairs({ "output.log", "error.log" }) do
        local file = io.open(started.path .. "/" .. name, "rb")
        for line in file and file:lines() or function() end do
            cause = line:match("%[emerg%] %d+#%d+: (.+)") or line:match("%[error%] %d+#%d+: (.+)")
                or line:match("%[emerg%] (.+)") or cause
        end
        if file then
            file:close()
        end
    end
    if cause and cause:find("unknown directive \"[%a_]*lua") then
        return "this nginx has no Lua module" .. ADVICE
    end
    return ("nginx %s%s"):format(code and "ended with code " .. code or "does not answer",
        cause and ": " .. cause or "") .. ADVICE
end

--- Stops nginx and removes the folder. Idempotent.
-- @tparam table started of `start`
function M.stop(started)
    started.child:stop(1)
    started.folder:close()
end

return M

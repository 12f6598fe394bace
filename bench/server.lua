-- The server of the benchmark: nginx, one worker, on free loopback ports. The API's answer is a
-- file; the token service gives another token each time, after a delay and for a lifetime that can
-- be set, and counts its requests. With `tls` it is there under https, too, with a discovery
-- document, for libraries that take nothing else.

local bench = require "bench"
local cjson = require "cjson"

local M = {}

--- Tracks of the page that a search gives: 8.5 KB of JSON.
M.TRACKS = 15

local SIZE = 8500
local MODULES = "/usr/lib/nginx/modules/"

local CONFIG = [[
load_module ${modules}ndk_http_module.so;
load_module ${modules}ngx_http_lua_module.so;
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr error;
${user}
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    default_type application/json;
    open_file_cache max=10;
    lua_shared_dict mode 64k;
    init_by_lua_block {
        ngx.shared.mode:set("lifetime", 86400)
        ngx.shared.mode:set("delay", 0)
        ngx.shared.mode:set("requests", 0)
        ngx.shared.mode:set("tokens", 0)
    }
    server {
        listen 127.0.0.1:${port} backlog=1024;
        ${tls}
        location = /token {
            content_by_lua_block {
                local mode = ngx.shared.mode
                mode:incr("requests", 1)
                ngx.req.read_body()
                if mode:get("delay") > 0 then ngx.sleep(mode:get("delay")) end
                local text = ('{"token_type":"bearer","access_token":"bench-token-%d",'
                    .. '"expires_in":%d}'):format(mode:incr("tokens", 1), mode:get("lifetime"))
                ngx.header.content_length = #text
                ngx.print(text)
            }
        }
        location = /mode {
            content_by_lua_block {
                local mode, args = ngx.shared.mode, ngx.req.get_uri_args()
                local text = tostring(mode:get("requests"))
                mode:set("requests", 0)
                for name, value in pairs(args) do mode:set(name, tonumber(value)) end
                ngx.header.content_length = #text
                ngx.print(text)
            }
        }
        location ~ openid-configuration$ { root .; try_files /discovery.json =404; }
        location = /1/content/music/search { root .; try_files /page.json =404; }
    }
}
]]

local TLS = "listen 127.0.0.1:${tls_port} ssl; ssl_certificate cert.pem; "
    .. "ssl_certificate_key key.pem;"

-- A certificate authority of a day, and a certificate for localhost.
local CERTIFICATES = [[
cd '%s' &&
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj '/CN=bench' -days 2 \
    -addext basicConstraints=critical,CA:TRUE &&
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj '/CN=localhost' &&
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >names &&
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names \
    -out cert.pem
]]

local function track(i)
    return {
        Id = string.format("music.%08X-0200-11DB-89CA-0019B92A3933", i),
        Name = "A track of the benchmark " .. i,
        ImageUrl = "http://127.0.0.1/image/" .. i, Link = "http://127.0.0.1/Track/" .. i,
        Source = "Catalog", CompatibleSources = "Catalog",
        ReleaseDate = "2013-05-17T00:00:00Z", Duration = "00:04:09", TrackNumber = i,
        IsExplicit = false, Genres = { "Dance / Electronic" }, Rights = { "Purchase", "Stream" },
        Artists = { { Role = "Main", Artist = { Id = "music." .. i, Name = "An artist" } } },
    }
end

local function page()
    local items = {}
    for i = 1, M.TRACKS do items[i] = track(i) end
    local answer = {
        Tracks = { Items = items, ContinuationToken = "", TotalItemCount = M.TRACKS },
        Culture = "en-US",
    }
    local missing = SIZE - #cjson.encode(answer)
    assert(missing >= 0, "the page is too big already")
    answer.Tracks.ContinuationToken = ("c"):rep(missing)
    return cjson.encode(answer)
end

local function fill(text, values)
    return (text:gsub("%${([%w_]+)}", values))
end

local function discovery(origin)
    return cjson.encode({
        issuer = origin .. "/adfs", authorization_endpoint = origin .. "/adfs/authorize",
        token_endpoint = origin .. "/token", jwks_uri = origin .. "/adfs/keys",
        end_session_endpoint = origin .. "/adfs/end",
    })
end

local function listening(native, url)
    for _ = 1, 200 do
        if pcall(native.curl, url, "Accept: */*", function() end, 1, 1) then return true end
        native.poll(-1, 0.01)
    end
end

local function add_tls(native, folder, site, values)
    assert(os.execute("{ " .. CERTIFICATES:format(folder) .. "} 2>/dev/null >&2"))
    values.tls_port = native.free_port()
    values.tls = fill(TLS, values)
    site.tls_origin = "https://localhost:" .. values.tls_port
    site.ca_file = folder .. "/ca.pem"
    bench.write(folder .. "/discovery.json", discovery(site.tls_origin))
end

local running = {}

--- Stops all that still run: after an error.
function M.stop_all()
    for _, site in ipairs(running) do site.stop() end
end

local function methods(site, native, folder, process)
    function site.stop()
        if process then native.stop(process) end
        process = nil
        os.execute("rm -rf '" .. folder .. "'")
    end
    running[#running + 1] = site
    -- Sets `lifetime` (whole seconds), `delay` (seconds); gives the token requests since the last
    -- time.
    function site.mode(settings)
        local args, requests = {}, nil
        for name, value in pairs(settings or {}) do args[#args + 1] = name .. "=" .. value end
        native.curl(site.api_url .. "/mode?" .. table.concat(args, "&"), "Accept: */*",
            function(body) requests = tonumber(body) end, 1, 1)
        return requests
    end
end

--- Starts it. native: the module of native.c.
-- Returns { token_url, api_url, stop = function, mode = function }, with tls also tls_origin and
-- ca_file; raises if it does not come up.
function M.start(native, tls)
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 755 '" .. folder .. "'"))
    local port = native.free_port()
    local base = "http://127.0.0.1:" .. port
    local site = { token_url = base .. "/token", api_url = base }
    local values = {
        modules = MODULES, port = port, tls = "",
        user = io.popen("id -u"):read("*n") == 0 and "user root;" or "",
    }
    if tls then add_tls(native, folder, site, values) end
    bench.write(folder .. "/page.json", page())
    bench.write(folder .. "/nginx.conf", fill(CONFIG, values))
    methods(site, native, folder, native.start({ "nginx", "-p", folder, "-c", "nginx.conf" }))
    if not listening(native, base .. "/token") then
        site.stop()
        error("nginx did not start")
    end
    site.mode()
    return site
end

return M

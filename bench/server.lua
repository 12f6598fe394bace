-- The server of the benchmark: nginx, one worker, two fixed answers on a free loopback port.

local cjson = require "cjson"

local M = {}

--- Tracks of the page that a search gives: 8.5 KB of JSON.
M.TRACKS = 15

local SIZE = 8500

local CONFIG = [[
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr error;
%s
events { worker_connections 512; }
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
    server {
        listen 127.0.0.1:%d;
        location = /token { return 200 '%s'; }
        location = /1/content/music/search { root .; try_files /page.json =404; }
    }
}
]]

local TOKEN = '{"token_type":"bearer","access_token":"bench-token","expires_in":86400}'

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

local function write(path, text)
    local file = assert(io.open(path, "w"))
    assert(file:write(text))
    file:close()
end

local function listening(native, url)
    for _ = 1, 200 do
        if pcall(native.curl, url, "Accept: */*", function() end, 1, 1) then return true end
        native.poll(-1, 0.01)
    end
end

--- Starts it. native: the module of native.c.
-- Returns { token_url, api_url, stop = function }; raises if it does not come up.
function M.start(native)
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 755 '" .. folder .. "'"))
    local port = native.free_port()
    local root = io.popen("id -u"):read("*n") == 0
    write(folder .. "/page.json", page())
    write(folder .. "/nginx.conf", CONFIG:format(root and "user root;" or "", port, TOKEN))
    local process = native.start({ "nginx", "-p", folder, "-c", "nginx.conf" })
    local base = "http://127.0.0.1:" .. port
    local site = { token_url = base .. "/token", api_url = base }
    function site.stop()
        native.stop(process)
        os.execute("rm -rf '" .. folder .. "'")
    end
    if not listening(native, base .. "/token") then
        site.stop()
        error("nginx did not start")
    end
    return site
end

return M

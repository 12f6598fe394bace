-- examples/nginx: run.sh starts everything, and what it says to try works.

local core = require("groove.core")
local host = require("spec.support.host")
local nginx = require("spec.support.nginx")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

-- Runs run.sh, and ends it as Ctrl-C does when this process has gone, however that came about: its
-- descriptor 5 ends then. 3 and 4 are nginx's sockets.
local KEEPER = [[
trap : TERM
examples/nginx/run.sh 5<&- &
exec 3<&- 4<&-
read -r line <&5
trap "" TERM
kill -TERM $!
wait $!
echo "ended with $?"
]]

describe("examples/nginx", function()
    if not nginx.installed() then
        pending("is not tried: nginx with its Lua module is not installed")
        return
    end

    local folder, child, url, output, environment

    local function said()
        return shell.read(output) or ""
    end

    local function start()
        local listeners = { assert(core.process.listen()), assert(core.process.listen()) }
        child = assert(core.process.spawn({
            argv = { "sh", "-c", KEEPER }, listeners = listeners, lifeline = true, output = output,
            env = {
                "PATH=/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/sbin:/bin", "NGINX=3;4;",
                "PORT=" .. listeners[1]:port(), "TLS_PORT=" .. listeners[2]:port(),
            },
        }))
        url = "http://127.0.0.1:" .. listeners[1]:port()
        for _, listener in ipairs(listeners) do
            listener:close()
        end
        assert(service.eventually(function() return said():find("love examples", 1, true) end, 60),
            said())
    end

    setup(function()
        folder = shell.folder()
        output = folder .. "/output"
        start()
        environment = {}
        for name, value in said():gmatch("([%u_]+)=(%S+)") do
            environment[name] = value
        end
    end)

    teardown(function()
        if child then
            child:stop(20)
        end
        shell.remove(folder)
    end)

    local function line(pattern)
        return assert(said():match("\n(" .. pattern .. "[^\n]*)"), said())
    end

    -- Runs a line that begins so, as a person would; what it prints.
    local function try(pattern, more)
        return shell.must(line(pattern):gsub("^curl", "curl -sS --fail-with-body") .. (more or ""))
    end

    local function own_folder()
        return said():match("Its folder: (%S+)")
    end

    local function secret()
        return assert(shell.read(own_folder() .. "/secret")):match("%S+")
    end

    it("is a gateway to the API", function()
        assert.matches('"Tracks"', try("curl 'http"))
    end)

    it("has a broker for clients with a key", function()
        local body = try("curl %-%-cacert")
        assert.matches('"access_token":"[^"]+","token_type":"bearer","expires_in":%d+,'
            .. '"refresh_in":%d+', body)
        assert.is_nil(body:find(secret(), 1, true))
    end)

    it("has numbers and a page, which name no token and no secret", function()
        local text = try("curl http[^\n]*metrics")
        assert.matches('groove_token_state{source="default",state="ready"} 1', text)
        local page = shell.must("curl -sS --fail-with-body " .. url .. "/groove/status")
        assert.matches('<span class="state ready">ready</span>', page)
        assert.is_nil((text .. page):find(secret(), 1, true))
        assert.truthy(said():find(url .. "/groove/status", 1, true))
    end)

    it("serves the script", function()
        local printed = host.run("5.4", "lua5.4 examples/nginx/client.lua",
            { environment = environment })
        assert.matches("track\t%w", printed)
        assert.matches("the token is good for %d+ s more\n", printed)
        assert.is_nil(printed:find(secret(), 1, true))
    end)

    it("serves the game", function()
        if not shell.succeeds("command -v love >/dev/null 2>&1") then
            pending("the program love is not installed")
            return
        end
        local printed = host.run("jit", "love examples/nginx/love --headless",
            { environment = environment, seconds = 60 })
        assert.matches("Love", printed)
        assert.is_nil(printed:find(secret(), 1, true))
    end)

    local function status_of(command)
        return shell.lines(command .. " -s -o /dev/null -w '%{http_code}'")[1]
    end

    it("refuses clients without one, and those that come too often", function()
        local command = line("curl %-%-cacert")
        local wrong = command:gsub("Client%-Key: %x+", "Client-Key: 0")
        assert.equal("403", status_of(wrong))
        assert.equal("403", status_of((command:gsub("%-H '[^']*'", ""))))
        assert.is_true(service.eventually(function()
            return status_of(command) == "429"
        end, 20))
        assert.is_true(service.eventually(function()
            return (shell.read(own_folder() .. "/error.log") or "")
                :find("the broker refuses a client without a valid key", 1, true) ~= nil
        end))
    end)

    it("keeps the secret to one file", function()
        local files = shell.lines(("grep -rlF %s %s %s examples/nginx || true")
            :format(secret(), own_folder(), output))
        assert.same({ own_folder() .. "/secret" }, files)
        assert.equal("600", shell.lines("stat -c %a " .. own_folder() .. "/secret")[1])
    end)

    it("ends all of it, and leaves nothing behind", function()
        local left = own_folder()
        local pid = assert(shell.read(left .. "/nginx.pid")):match("%d+")
        child:stop(20)
        child = nil
        assert.is_false(nginx.is_running(pid))
        assert.is_nil(shell.read(left .. "/nginx.conf"))
        assert.is_true(service.eventually(function()
            return not shell.succeeds("curl -s -o /dev/null " .. environment.API_URL)
        end))
        assert.matches("ended with 0\n", said())
    end)
end)

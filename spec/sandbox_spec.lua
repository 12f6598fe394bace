-- groove.sandbox: the child process, its end however it comes, its controls, and the mode without.

local core = require("groove.core")
local groove = require("groove")
local json = require("cjson")
local shell = require("spec.support.shell")
local text = require("groove.sandbox.text")

local KEY_HEADER = "X-Sandbox-Key: "
local SEARCH = "/1/content/music/search?q=daft+punk"
local TRACK = "music.A83EB907-0100-11DB-89CA-0019B92A3933"

local function request(options)
    options.timeout = options.timeout or 5
    local op = core.request(options)
    op:wait()
    return op:result()
end

-- A token request as any HTTP client would make it.
local function ask_token(sandbox, options)
    local given = sandbox:options()
    options = options or {}
    return request({
        method = "POST", url = given.token_url, ca_file = options.ca_file or given.ca_file,
        headers = { "Content-Type: application/x-www-form-urlencoded" },
        body = "grant_type=client_credentials&client_id=" .. text.escape(given.client_id)
            .. "&client_secret=" .. text.escape(given.client_secret),
        timeout = options.timeout, max_body = options.max_body,
    })
end

local function get(sandbox, target, token)
    return request({
        method = "GET", url = sandbox.api_url .. target, ca_file = sandbox.ca_file,
        headers = token and { "Authorization: Bearer " .. token },
    })
end

local function token_of(sandbox)
    return json.decode(assert(ask_token(sandbox)).body).access_token
end

local function seconds_of(action, ...)
    local began = core.now()
    local value, err = action(...)
    return core.now() - began, value, err
end

-- Waits, in small steps, until something is so; false after ten seconds.
local function becomes(condition)
    local until_ = core.now() + 10
    repeat
        if condition() then
            return true
        end
        core.sleep(0.01):wait()
    until core.now() >= until_
    return false
end

local function is_alive(pid)
    local file = io.open("/proc/" .. pid .. "/stat")
    local stat = file and file:read("*a")
    if file then
        file:close()
    end
    -- a dead process that its parent has not reaped yet is still there
    return stat ~= nil and not stat:find("^%d+ %b() [ZX]")
end

local function exists(path)
    return os.rename(path, path) ~= nil
end

local function children_of(pid)
    local file = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
    local line = file and file:read("*a") or ""
    if file then
        file:close()
    end
    local out = {}
    for child in line:gmatch("%d+") do
        out[#out + 1] = tonumber(child)
    end
    return out
end

local function is_refused(url)
    local answer, err = request({ method = "GET", url = url, timeout = 1 })
    return not answer and err.code == "connect_failed"
end

local function parts(sandbox)
    local master = sandbox._started.child:pid()
    return {
        url = sandbox.api_url, folder = sandbox._started.path, master = master,
        worker = children_of(master)[1],
    }
end

local function is_gone(part)
    return is_refused(part.url) and not is_alive(part.master) and not is_alive(part.worker)
        and not exists(part.folder)
end

local function kill(signal, pid)
    os.execute(("kill -%s %d"):format(signal, pid))
end

describe("a sandbox", function()
    local sandbox

    setup(function()
        local seconds
        seconds, sandbox = seconds_of(groove.sandbox)
        print(("        sandbox ready after %.0f ms"):format(seconds * 1000))
    end)

    teardown(function()
        sandbox:stop()
    end)

    before_each(function()
        assert.is_table(sandbox)
        sandbox:set_lifetime(86400)
    end)

    it("serves a client", function()
        local client = assert(sandbox:client({ country = "fr" }))
        local page = assert(client:search("daft punk",
            { filters = { "artists", "albums" }, max_items = 10 }))
        assert.equal("Daft Punk", page.Artists.Items[1].Name)
        assert.equal("en-FR", page.Culture)
        client:close()
    end)

    it("gives options for groove.new and for a token source", function()
        local options = sandbox:options()
        assert.equal(sandbox.api_url, options.api_url)
        assert.equal(sandbox.token_url, options.token_url)
        assert.equal("app.music.xboxlive.com", options.scope)
        assert.is_nil(options.ca_file)
        options.api_url = nil
        local source = assert(groove.token_source(options))
        assert.is_string(source:token())
        source:close()
        assert.is_string(sandbox:options().api_url)
    end)

    it("accepts only its own client", function()
        local client = assert(sandbox:client({ client_secret = "wrong" }))
        local _, err = client:token()
        assert.equal("invalid_client", err.code)
        client:close()
    end)

    it("plays previews", function()
        local client = assert(sandbox:client({ client_instance_id = ("x"):rep(40) }))
        local preview = assert(client:preview(TRACK))
        local tone = assert(request({ method = "GET", url = preview.Url }))
        assert.equal("audio/mpeg", tone.headers["content-type"])
        assert.equal(require("groove.sandbox.tone").mp3(), tone.body)
        client:close()
    end)

    it("listens on the loopback address only", function()
        local port = tonumber(sandbox.api_url:match(":(%d+)$"))
        local found = 0
        for _, name in ipairs({ "/proc/net/tcp", "/proc/net/tcp6" }) do
            for line in io.lines(name) do
                local address, at = line:match("^%s*%d+: (%x+):(%x+) %x+:%x+ 0A")
                if at and tonumber(at, 16) == port then
                    found = found + 1
                    assert.equal("0100007F", address)
                end
            end
        end
        assert.equal(1, found)
    end)

    it("keeps its files to its user", function()
        local pipe = io.popen("stat -c '%a' '" .. sandbox._started.path .. "'")
        assert.equal("700", pipe:read("*l"))
        pipe:close()
    end)

    it("shows no secret of itself", function()
        local options = sandbox:options()
        assert.is_nil(tostring(sandbox):find(options.client_secret, 1, true))
        assert.matches("^groove%.sandbox %(http://127%.0%.0%.1:%d+%)$", tostring(sandbox))
    end)

    it("needs the key for its controls", function()
        for _, headers in ipairs({ {}, { KEY_HEADER .. "guess" } }) do
            local answer = assert(request({
                method = "POST", url = sandbox.api_url .. "/sandbox/control", headers = headers,
                body = '{"op":"lifetime","lifetime":1}',
            }))
            assert.equal(403, answer.status)
        end
        assert.equal(86400, json.decode(assert(ask_token(sandbox)).body).expires_in)
    end)

    it("lets tokens live as long as it is told", function()
        sandbox:set_lifetime(0.2)
        local token = token_of(sandbox)
        assert.equal(200, assert(get(sandbox, SEARCH, token)).status)
        local answer
        assert.is_true(becomes(function()
            answer = assert(get(sandbox, SEARCH, token))
            return answer.status == 401
        end))
        assert.matches("ACCESS_TOKEN_EXPIRED", answer.body)
    end)

    it("names odd lifetimes as they are", function()
        for _, lifetime in ipairs({ 0, -1, 1.5, "abc" }) do
            sandbox:set_lifetime(lifetime)
            assert.equal(lifetime, json.decode(assert(ask_token(sandbox)).body).expires_in)
        end
        sandbox:set_lifetime(false)
        assert.is_nil(json.decode(assert(ask_token(sandbox)).body).expires_in)
    end)

    it("logs what it saw", function()
        local token = token_of(sandbox)
        get(sandbox, SEARCH, token)
        local entries, counts = sandbox:log()
        local last, before = entries[#entries], entries[#entries - 1]
        assert.equal("POST", before.method)
        assert.equal("***", before.form.client_secret)
        assert.equal("GET", last.method)
        assert.equal("q=daft+punk", last.query)
        assert.equal("Bearer ***", last.headers.authorization)
        assert.equal(200, last.status)
        assert.is_true(math.abs(last.time - os.time()) < 5)
        assert.is_true(counts.token > 0 and counts.api > 0)
        local written = json.encode(entries)
        assert.is_nil(written:find(token:sub(1, 30), 1, true))
        assert.is_nil(written:find(sandbox:options().client_secret:sub(1, 20), 1, true))
    end)

    describe("with a fault", function()
        local fault

        local function put(spec)
            fault = assert(sandbox:fault(spec))
            return fault
        end

        after_each(function()
            fault:clear()
            assert.equal(200, assert(ask_token(sandbox)).status)
        end)

        it("answers with a status, until it is cleared", function()
            put({ on = "token", status = 503 })
            assert.equal(503, assert(ask_token(sandbox)).status)
            assert.equal(503, assert(ask_token(sandbox)).status)
            fault:clear()
            assert.equal(200, assert(ask_token(sandbox)).status)
        end)

        it("answers so a number of times", function()
            put({ on = "api", status = 502, times = 1 })
            local token = token_of(sandbox)
            assert.equal(502, assert(get(sandbox, SEARCH, token)).status)
            assert.equal(200, assert(get(sandbox, SEARCH, token)).status)
        end)

        it("answers late", function()
            put({ on = "token", delay = 0.15 })
            local seconds, answer = seconds_of(ask_token, sandbox)
            assert.equal(200, answer.status)
            assert.is_true(seconds >= 0.15)
        end)

        it("serves others meanwhile", function()
            put({ on = "token", delay = 0.3 })
            local options = sandbox:options()
            local late = core.request({ method = "POST", url = options.token_url, timeout = 5 })
            assert.equal(401, assert(get(sandbox, SEARCH)).status)
            assert.is_false(late:done())
            late:wait()
        end)

        it("hangs up without an answer", function()
            put({ on = "token", close = true })
            local _, err = ask_token(sandbox)
            assert.equal("transport", err.kind)
            assert.equal("connection_broken", err.code)
        end)

        it("hangs up within the body", function()
            put({ on = "token", close = 10 })
            local _, err = ask_token(sandbox)
            assert.equal("connection_broken", err.code)
            fault:clear()
            put({ on = "token", body = 1e6, close = 1000 })
            _, err = ask_token(sandbox)
            assert.equal("connection_broken", err.code)
        end)

        it("answers with garbage", function()
            put({ on = "token", body = "<html>\195\169</html>", status = 502 })
            local answer = assert(ask_token(sandbox))
            assert.equal("<html>\195\169</html>", answer.body)
            assert.equal(502, answer.status)
            assert.matches("^text/html", answer.headers["content-type"])
        end)

        it("answers without end", function()
            put({ on = "token", body = 1e9 })
            local seconds, _, err = seconds_of(ask_token, sandbox, { max_body = 65536 })
            assert.equal("answer_too_large", err.code)
            assert.is_true(seconds < 1)
        end)

        it("answers with an exact number of bytes", function()
            put({ on = "token", body = 200001 })
            assert.equal(200001, #assert(ask_token(sandbox)).body)
        end)

        it("asks to come back later", function()
            put({ on = "token", retry_after = 7 })
            local answer = assert(ask_token(sandbox))
            assert.equal(429, answer.status)
            assert.equal("7", answer.headers["retry-after"])
            fault:clear()
            put({ on = "token", status = 503, retry_after = "Wed, 21 Oct 2037 07:28:00 GMT" })
            answer = assert(ask_token(sandbox))
            assert.equal("Wed, 21 Oct 2037 07:28:00 GMT", answer.headers["retry-after"])
        end)

        it("adds headers", function()
            put({ on = "api", status = 302, headers = { Location = "http://127.0.0.1:9/" } })
            local answer = assert(get(sandbox, SEARCH, "x"))
            assert.equal(302, answer.status)
            assert.equal("http://127.0.0.1:9/", answer.headers.location)
        end)

        it("can be cleared again and again", function()
            put({ on = "token", status = 500 })
            assert.is_true(fault:clear())
            assert.is_true(fault:clear())
        end)
    end)

    it("raises for what it does not know", function()
        local function raises(pattern, action, ...)
            local ok, message = pcall(action, ...)
            assert.is_false(ok)
            assert.matches(pattern, message)
            assert.matches("sandbox_spec", message)
        end
        raises("unknown option 'tsl'", groove.sandbox, { tsl = true })
        raises("tls", groove.sandbox, { tls = 1 })
        raises("tls", groove.sandbox, { tls = true, in_process = true })
        raises("answer_style", groove.sandbox, { answer_style = "kebab" })
        raises("on must be", sandbox.fault, sandbox, { status = 500 })
        raises("on must be", sandbox.fault, sandbox, { on = "both" })
        raises("unknown option 'state'", sandbox.fault, sandbox, { on = "api", state = 5 })
        raises("status", sandbox.fault, sandbox, { on = "api", status = 99 })
        raises("times", sandbox.fault, sandbox, { on = "api", status = 500, times = 0 })
        raises("headers", sandbox.fault, sandbox, { on = "api", headers = { a = "b\nc" } })
        raises("retry_after", sandbox.fault, sandbox, { on = "api", retry_after = "1\r\nA: b" })
        raises("seconds", sandbox.set_lifetime, sandbox, nil)
        raises("seconds", sandbox.set_lifetime, sandbox, 0 / 0)
        raises("unknown option", sandbox.client, sandbox, { nonsense = 1 })
    end)
end)

describe("with its own options", function()
    it("spells the token's answer as the documentation's prose, or the older service", function()
        local sandbox = assert(groove.sandbox({
            answer_style = "camel", expires_as_string = true, lifetime = 600, refresh_in = 300,
            client_id = "id & co", client_secret = "+/=&% \195\169", scope = "http://a.b/c",
        }))
        finally(function() sandbox:stop() end)
        local answer = json.decode(assert(ask_token(sandbox)).body)
        assert.equal("600", answer.expiresIn)
        assert.equal(300, answer.refresh_in)
        local client = assert(sandbox:client())
        assert.equal(200, assert(get(sandbox, SEARCH, assert(client:token()))).status)
        client:close()
    end)

    it("speaks https with an authority of its own", function()
        local seconds, sandbox = seconds_of(groove.sandbox, { tls = true })
        finally(function() sandbox:stop() end)
        print(("        sandbox with tls ready after %.0f ms"):format(seconds * 1000))
        assert.matches("^https://127%.0%.0%.1:%d+$", sandbox.api_url)
        assert.matches("^https://127%.0%.0%.1:%d+/token$", sandbox.token_url)
        local client = assert(sandbox:client())
        assert(client:search("daft punk"))
        client:close()
        assert.is_false(exists(sandbox._started.path .. "/ca.key"))
    end)

    it("is refused by whoever does not know that authority", function()
        local one = assert(groove.sandbox({ tls = true }))
        local two = assert(groove.sandbox({ tls = true }))
        finally(function()
            one:stop()
            two:stop()
        end)
        local _, err = ask_token(one, { ca_file = two.ca_file })
        assert.equal("tls_failed", err.code)
    end)
end)

describe("the end of a sandbox", function()
    it("comes with stop, at once and completely", function()
        local sandbox = assert(groove.sandbox())
        local part = parts(sandbox)
        local fault = assert(sandbox:fault({ on = "api", status = 500 }))
        local seconds = seconds_of(sandbox.stop, sandbox)
        assert.is_true(is_gone(part))
        assert.is_true(seconds < 0.9)
        sandbox:stop()
        assert.is_true(fault:clear())
        assert.has_error(function() sandbox:options() end)
        assert.has_error(function() sandbox:log() end)
        assert.matches("stopped", tostring(sandbox))
    end)

    it("comes when nobody holds it any more, but not before", function()
        local sandbox = assert(groove.sandbox())
        local part = parts(sandbox)
        local client = assert(sandbox:client())
        local other = assert(client:with({ country = "de" }))
        client, sandbox = nil, nil -- luacheck: ignore 311
        collectgarbage()
        collectgarbage()
        assert(other:search("daft punk"))
        other:close()
        other = nil -- luacheck: ignore 311
        collectgarbage()
        collectgarbage()
        assert.is_true(becomes(function() return is_gone(part) end))
    end)

    it("comes with the death of the master", function()
        local sandbox = assert(groove.sandbox())
        finally(function() sandbox:stop() end)
        local part = parts(sandbox)
        kill("KILL", part.master)
        assert.is_true(becomes(function() return is_gone(part) end))
        local _, err = sandbox:fault({ on = "api", status = 500 })
        assert.equal("transport", err.kind)
    end)

    it("does not come with the death of the worker, which is replaced", function()
        local sandbox = assert(groove.sandbox())
        local part = parts(sandbox)
        kill("KILL", part.worker)
        assert.is_true(becomes(function()
            part.worker = children_of(part.master)[1] or part.worker
            return is_alive(part.worker) and sandbox:log() ~= nil
        end))
        sandbox:stop()
        -- The new worker may still be starting, and is left to its lifeline then.
        assert.is_true(becomes(function() return is_gone(part) end))
    end)
end)

describe("the end of the program", function()
    local PROGRAM = [[
        local groove = require("groove")
        local sandbox = assert(groove.sandbox())
        assert(sandbox:client():search("daft punk"))
        print(io.open("/proc/self/stat"):read("*n"))
        print(sandbox._started.child:pid(), sandbox._started.path, sandbox.api_url)
        io.stdout:flush()
        %s
    ]]

    -- Runs a program that starts a sandbox, and says what it consists of.
    local function run(ending)
        local name = os.tmpname()
        local file = assert(io.open(name, "w"))
        file:write(PROGRAM:format(ending))
        file:close()
        local pipe = io.popen("exec " .. shell.interpreter .. " " .. name .. " 2>/dev/null")
        local program = pipe:read("*n")
        pipe:read("*l")
        local master, folder, url = pipe:read("*l"):match("^(%d+)\t(%S+)\t(%S+)$")
        os.remove(name)
        local part = { folder = folder, url = url, master = tonumber(master) }
        part.worker = children_of(part.master)[1] or 0
        return part, program, pipe
    end

    it("takes the sandbox along when it is killed", function()
        local part, program, pipe = run("require('groove.core').sleep(30):wait()")
        assert.is_true(is_alive(part.master) and is_alive(part.worker))
        kill("KILL", program)
        pipe:close()
        local seconds = seconds_of(becomes, function() return is_gone(part) end)
        assert.is_true(is_gone(part))
        print(("        sandbox gone %.0f ms after the program was killed"):format(seconds * 1000))
    end)

    it("takes it along when program and worker are killed together", function()
        local part, program, pipe = run("require('groove.core').sleep(30):wait()")
        os.execute(("kill -KILL %d %d"):format(part.worker, program))
        pipe:close()
        assert.is_true(becomes(function() return is_gone(part) end))
    end)

    it("takes it along when program and master are killed together", function()
        local part, program, pipe = run("require('groove.core').sleep(30):wait()")
        os.execute(("kill -KILL %d %d"):format(part.master, program))
        pipe:close()
        assert.is_true(becomes(function() return is_gone(part) end))
    end)

    for name, ending in pairs({
        ["it returns"] = "", ["it exits"] = "os.exit(0)", ["it fails"] = "error('on purpose')",
    }) do
        it("takes it along when " .. name, function()
            local part, _, pipe = run(ending)
            pipe:close()
            assert.is_true(becomes(function() return is_gone(part) end))
        end)
    end
end)

describe("where it cannot run", function()
    local launch = require("groove.sandbox.launch")

    it("says what is missing, and what works without", function()
        local spawn = core.process.spawn
        core.process.spawn = function(options)
            options.argv[1] = "/nonexistent/nginx"
            return spawn(options)
        end
        finally(function() core.process.spawn = spawn end)
        local sandbox, err = groove.sandbox()
        assert.is_nil(sandbox)
        assert.equal("sandbox_unavailable", err.code)
        assert.matches("nginx and libnginx%-mod%-http%-lua", err.message)
        assert.matches("in_process = true", err.message)
    end)

    it("says why nginx ended", function()
        local start = launch.start
        launch.start = function(settings, options)
            settings.random = nil
            local started, message = start(settings, { tls = options.tls, json = {
                encode = function() return "nonsense" end,
            } })
            return started, message
        end
        finally(function() launch.start = start end)
        local sandbox, err = groove.sandbox()
        assert.is_nil(sandbox)
        assert.matches("nginx ended with code 1: .*init_by_lua", err.message)
    end)
end)

describe("in the program itself", function()
    local sandbox, client

    before_each(function()
        sandbox = assert(groove.sandbox({ in_process = true }))
        client = assert(sandbox:client({ client_instance_id = ("x"):rep(40) }))
    end)

    after_each(function()
        client:close()
        sandbox:stop()
    end)

    it("serves a client without a server", function()
        local page = assert(client:search("daft punk"))
        assert.equal("Daft Punk", page.Artists.Items[1].Name)
        assert.equal("Get Lucky", assert(client:lookup(TRACK)).Tracks.Items[1].Name)
        assert.is_string(assert(client:preview(TRACK)).Url)
        assert.is_nil(sandbox.token_url)
    end)

    it("keeps to its options and log", function()
        local options = sandbox:options()
        assert.is_function(options.transport)
        assert.equal(0, #sandbox:log())
        assert(client:search("daft punk"))
        local entries, counts = sandbox:log()
        assert.equal("Bearer ***", entries[1].headers.authorization)
        assert.same({ token = 0, api = 1 }, counts)
    end)

    it("gives new tokens when they expire or are refused", function()
        sandbox:set_lifetime(0.1)
        assert(client:search("daft punk"))
        local first = client:token()
        assert.is_true(becomes(function() return client:token() ~= first end))
        sandbox:fault({ on = "api", status = 401, times = 1 })
        assert(client:search("daft punk"))
    end)

    it("has the faults of the API", function()
        local fault = sandbox:fault({ on = "api", status = 404 })
        local _, err = client:search("daft punk")
        assert.equal(404, err.status)
        fault:clear()
        sandbox:fault({ on = "api", close = true })
        _, err = client:search("daft punk", { timeout = 0.05 })
        assert.equal("transport", err.kind)
    end)

    it("answers late, or not in time", function()
        local fault = sandbox:fault({ on = "api", delay = 0.05 })
        assert(client:search("daft punk"))
        fault:clear()
        sandbox:fault({ on = "api", delay = 10 })
        local seconds, _, err = seconds_of(client.search, client, "daft punk", { timeout = 0.05 })
        assert.equal("timeout", err.kind)
        assert.is_true(seconds < 1)
    end)

    it("sends bodies of any size", function()
        local fault = sandbox:fault({ on = "api", body = 1e9 })
        local _, err = client:search("daft punk")
        assert.equal("answer_too_large", err.code)
        fault:clear()
        sandbox:fault({ on = "api", body = "nonsense" })
        _, err = client:search("daft punk")
        assert.equal("transport", err.kind)
    end)

    it("has no token endpoint to put a fault into", function()
        assert.has_error(function() sandbox:fault({ on = "token", status = 500 }) end)
    end)

    it("ends with stop", function()
        sandbox:stop()
        local _, err = client:search("daft punk", { timeout = 0.05 })
        assert.equal("transport", err.kind)
    end)
end)

describe("the sandbox's option json", function()
    -- A library that counts what it is asked for.
    local function counting()
        local counts = { decode = 0, encode = 0 }
        return {
            null = json.null,
            decode = function(body)
                counts.decode = counts.decode + 1
                return json.decode(body)
            end,
            encode = function(value)
                counts.encode = counts.encode + 1
                return json.encode(value)
            end,
        }, counts
    end

    it("serves a host that has no lua-cjson, and its clients", function()
        for _, in_process in ipairs({ true, false }) do
            local library, counts = counting()
            local loaded, preload = package.loaded.cjson, package.preload.cjson
            finally(function() package.loaded.cjson, package.preload.cjson = loaded, preload end)
            package.loaded.cjson = nil
            package.preload.cjson = function() error("there is none here") end
            local sandbox = assert(groove.sandbox({ in_process = in_process, json = library }))
            assert(sandbox:client():search("daft punk"))
            assert(sandbox:log())
            sandbox:stop()
            assert.is_true(counts.decode > 0 and counts.encode > 0)
        end
    end)
end)

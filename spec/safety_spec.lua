-- Where secrets and tokens may go, and what is sent again. Addresses in detail: tests/test_url.c.

local core = require("groove.core")
local groove = require("groove")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local function raises(options)
    local ok, text = pcall(groove.token_source, options)
    return not ok and text
end

describe("safety", function()
    local sandbox
    local fault_of, clear_faults = service.faults(function() return sandbox end)

    setup(function() sandbox = assert(groove.sandbox()) end)
    teardown(function() sandbox:stop() end)
    after_each(clear_faults)

    it("sends secrets by https only, but for loopback and by leave", function()
        local function url(text, more)
            local options = { token_url = text }
            for name, value in pairs(more or {}) do options[name] = value end
            return raises(options)
        end
        assert.truthy(url("http://example.com/token"):find("https", 1, true))
        assert.truthy(url("ftp://127.0.0.1/token"))
        assert.truthy(url("https://user:word@example.com/token"))
        assert.truthy(url("http://127.0.0.1.example.com/token"))
        assert.falsy(url("https://example.com/token"))
        assert.falsy(url("http://localhost:1/token"))
        assert.falsy(url("http://[::1]:1/token"))
        assert.falsy(url("http://example.com/token", { allow_http = true }))
        assert.is_false((pcall(groove.new,
            { token_url = "https://x/", api_url = "http://x.example/" })))
    end)

    it("verifies TLS", function()
        local tls = assert(groove.sandbox({ tls = true }))
        assert.equal("https://", tls.token_url:sub(1, 8))
        local good = service.source(tls)
        assert(good:token())
        good:close()
        local options = service.options(tls)
        options.ca_file = nil
        local stranger = assert(groove.token_source(options))
        local _, err = stranger:token()
        assert.equal("transport", err.kind)
        assert.equal("tls_failed", err.code)
        stranger:close()
        options = service.options(tls)
        options.token_url = options.token_url:gsub("127%.0%.0%.1", "127.0.0.2")
        local wrong_host = assert(groove.token_source(options))
        assert.equal("transport", select(2, wrong_host:token()).kind)
        wrong_host:close()
        options = service.options(tls, { ca_file = "/nonexistent.pem" })
        local no_ca = assert(groove.token_source(options))
        assert.equal("ca_file_unreadable", select(2, no_ca:token()).code)
        no_ca:close()
        tls:stop()
    end)

    it("sends a secret with any characters unharmed", function()
        for _, secret in ipairs({ "+/=&%", " a b ", "Grüße☃", "a%20b", "&client_id=x", "x\ny",
            "'\"\\;" }) do
            local other = assert(groove.sandbox({ client_secret = secret }))
            for _, auth in ipairs({ "post", "basic" }) do
                local source = service.source(other, { auth = auth })
                assert(source:token())
                source:close()
            end
            other:stop()
        end
    end)

    it("asks neither the environment nor a proxy on the way to loopback", function()
        local script = [[
            local groove = require("groove")
            local sandbox = assert(groove.sandbox())
            local options = sandbox:options()
            options.api_url = nil
            options.proxy = "http://127.0.0.1:1"
            local ok = groove.token_source(options):token()
            sandbox:stop()
            os.exit(ok and 0 or 1)]]
        assert.is_true(shell.succeeds("http_proxy=http://127.0.0.1:1 "
            .. "https_proxy=http://127.0.0.1:1 all_proxy=http://127.0.0.1:1 "
            .. "GROOVE_CLIENT_ID=x " .. shell.interpreter .. " -e '" .. script .. "'"))
    end)

    it("trusts the certificates of ca_file and no others, not the system's either", function()
        if not shell.succeeds("unshare -m true 2>/dev/null") then
            return pending("needs a file system of its own (unshare -m)")
        end
        local own = assert(groove.sandbox({ tls = true }))
        local folder = shell.folder()
        finally(function()
            own:stop()
            shell.remove(folder)
        end)
        -- In place of the system's: a bundle with a stranger, a folder with the right one.
        shell.must(([[cd '%s' && mkdir certs && cp '%s' certs/right.pem && openssl rehash certs &&
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \
                -subj /CN=stranger -keyout key.pem -out other.pem &&
            cp other.pem certs/ca-certificates.crt]]):format(folder, own.ca_file))
        local script = ([[
            local source = require("groove").token_source({ client_id = "x", token_url = "%s",
                ca_file = os.getenv("CA_FILE"), auth = "none" })
            local _, err = source:token()
            print(err.code)]]):format(own.token_url)
        local function code(ca_file)
            local command = ("%s unshare -m sh -c 'mount --bind %s/certs /etc/ssl/certs && exec %s "
                .. "%s/script.lua'"):format(ca_file, folder, shell.interpreter, folder)
            return shell.lines(command)[1]
        end
        local file = assert(io.open(folder .. "/script.lua", "w"))
        file:write(script)
        file:close()
        assert.equal("invalid_client", code("")) -- the system's folder is trusted by default
        assert.equal("tls_failed", code("CA_FILE=" .. folder .. "/other.pem"))
        assert.equal("invalid_client", code("CA_FILE=" .. own.ca_file))
    end)

    it("sends the token to no other origin", function()
        local source = service.source(sandbox, { origin = sandbox.api_url })
        local answer = assert(source:fetch("/1/content/music/search?q=love"))
        assert.equal(200, answer.status)
        for _, url in ipairs({ "http://127.0.0.2:80/x", "https://example.com/", "//example.com/x",
            sandbox.api_url .. "@example.com/" }) do
            local got, err = source:fetch(url)
            assert.is_nil(got)
            assert.equal("argument", err.kind)
        end
        fault_of({ on = "api", status = 302, times = 1,
            headers = { Location = "http://127.0.0.1:1/" } })
        assert.equal(302, assert(source:fetch("/1/content/music/search?q=love")).status)
        source:close()
    end)

    it("lets nothing into a header that breaks the line", function()
        for _, bad in ipairs({ "a\r\nX-Evil: 1", "a\nb", "a\0b" }) do
            assert.truthy(raises({ token_url = "https://x/", user_agent = bad }))
            assert.truthy(raises({ token_url = "https://x/", headers = { ["X-A"] = bad } }))
            assert.truthy(raises({ token_url = "https://x/", headers = { [bad] = "x" } }))
            for _, place in ipairs({ "client_id", "scope" }) do
                assert.is_true(not bad:find("%z")
                    or raises({ token_url = "https://x/", [place] = bad }) ~= false)
            end
            assert.is_true(not bad:find("%z")
                or raises({ token_url = "https://x/", params = { a = bad } }) ~= false)
            for _, name in ipairs({ "user_token", "language", "country" }) do
                local made, client, err = pcall(sandbox.client, sandbox, { [name] = bad })
                assert.is_true(not made or client == nil and err.kind == "argument")
            end
            local client = assert(sandbox:client({ user_token = function() return bad end }))
            local page, err = client:search("love")
            assert.is_nil(page)
            assert.is_table(err)
            client:close()
            assert.is_false((pcall(core.request,
                { url = sandbox.api_url, headers = { "X: " .. bad } })))
        end
    end)

    it("keeps ids inside their place in the path", function()
        local client = sandbox:client()
        local request = assert(client:build("lookup", "music.a/../../b?c#d e"))
        assert.equal(sandbox.api_url .. "/1/content/music.a%2F..%2F..%2Fb%3Fc%23d%20e/lookup",
            request.url)
        client:close()
    end)

    describe("repeats", function()
        local client
        before_each(function() client = sandbox:client({ timeout = 5 }) end)
        after_each(function() client:close() end)

        local function sent_by(fn)
            local before = service.api_requests(sandbox)
            fn()
            return service.api_requests(sandbox) - before
        end

        it("a GET on 429, 502, 503 and a broken connection", function()
            for _, spec in ipairs({ { status = 429 }, { status = 502 }, { status = 503 },
                { close = true } }) do
                spec.on, spec.times = "api", 1
                fault_of(spec)
                assert.equal(2, sent_by(function() assert(client:search("love")) end))
            end
        end)

        it("a GET no sooner than Retry-After says", function()
            fault_of({ on = "api", status = 503, retry_after = 1, times = 1 })
            local began = core.now()
            assert(client:search("love"))
            assert.is_true(core.now() - began >= 1)
        end)

        it("neither a 500 nor a 404", function()
            for _, status in ipairs({ 500, 404 }) do
                fault_of({ on = "api", status = status, times = 1 })
                assert.equal(1, sent_by(function() assert.is_nil((client:search("love"))) end))
            end
        end)

        local function post()
            return client:send({ method = "POST", path = "/1/x", body = "{}" })
        end

        it("a POST after a 401 alone", function()
            for _, spec in ipairs({ { status = 429 }, { status = 503 }, { close = true } }) do
                spec.on, spec.times = "api", 1
                fault_of(spec)
                assert.equal(1, sent_by(function() assert.is_nil((post())) end))
            end
            fault_of({ on = "api", status = 401, times = 1 })
            assert.equal(2, sent_by(post))
        end)

        it("once after a 401, with a new token", function()
            local tokens = service.token_requests(sandbox)
            fault_of({ on = "api", status = 401, times = 1 })
            assert.equal(2, sent_by(function() assert(client:search("love")) end))
            assert.is_true(service.token_requests(sandbox) - tokens >= 1)
            fault_of({ on = "api", status = 401 })
            assert.equal(2, sent_by(function()
                local _, err = client:search("love")
                assert.equal(401, err.status)
            end))
        end)
    end)

    describe("the library", function()
        local library = package.searchpath("groove.core", package.cpath)

        it("exports its entry points alone", function()
            if os.getenv("GROOVE_COVERAGE") then
                return pending("gcov exports names of its own")
            end
            local names = shell.lines("nm -D --defined-only '" .. library
                .. "' | awk '{ print $3 }'")
            for _, name in ipairs(names) do
                assert.truthy(name:find("^luaopen_groove") or name:find("^loveopen_groove")
                    or name:find("^groove_preload$")
                    -- of a sanitizer
                    or name:find("^__asan") or name:find("^__odr"), name)
            end
            assert.is_true(#names >= 1)
        end)

        it("does not bring a Lua of its own", function()
            for _, line in ipairs(shell.lines("readelf -d '" .. library .. "' | grep NEEDED")) do
                assert.falsy(line:find("liblua", 1, true), line)
            end
        end)

        it("starts nothing when it is loaded", function()
            local script = [[require("groove.core")
                local threads = io.popen("ls /proc/$PPID/task | wc -l"):read("*n")
                os.exit(threads == 1 and 0 or 1)]]
            assert.is_true(shell.succeeds(shell.interpreter .. " -e '" .. script .. "'"))
        end)
    end)
end)

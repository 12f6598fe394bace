-- What goes wrong outside: every case gives nil and an error of the right kind, in bounded time.

local core = require("groove.core")
local groove = require("groove")
local service = require("spec.support.service")

describe("bad input", function()
    local sandbox
    local fault_of, clear_faults = service.faults(function() return sandbox end)

    setup(function() sandbox = assert(groove.sandbox()) end)
    teardown(function() sandbox:stop() end)
    after_each(clear_faults)

    local function failing_token(more)
        local source = service.source(sandbox, more)
        local token, err = source:token()
        source:close()
        assert.is_nil(token)
        assert.is_table(err)
        assert.is_true(#err.message > 10)
        return err
    end

    describe("from the token service:", function()
        local cases = {
            { "a 500", { status = 500 }, "token", nil, true },
            { "a 429 with Retry-After", { status = 429, retry_after = 7 }, "token", nil, true },
            { "an HTML page", { body = "<html>hello</html>" }, "token", "invalid_response", true },
            { "an HTML page with a 404", { status = 404, body = "<html>" }, "token", "http_404",
                false },
            { "a truncated answer", { close = 10 }, "transport", "connection_broken", true },
            { "JSON that ends early", { body = '{"access_token":"ab' }, "token", "invalid_response",
                true },
            { "no answer at all", { close = true }, "transport", "connection_broken", true },
            { "an endless answer", { body = 1000000000 }, "transport", "answer_too_large", false },
            { "an answer without a token", { body = '{"expires_in":3600}' }, "token",
                "invalid_response", true },
            { "an empty answer", { body = "" }, "token", "invalid_response", true },
            { "a list", { body = "[1,2]" }, "token", "invalid_response", true },
            { "a token with a line break",
                { body = [[{"access_token":"a\r\nX: y","expires_in":60}]] }, "token",
                "invalid_token", true },
            { "a token with a NUL", { body = [[{"access_token":"a\u0000b","expires_in":60}]] },
                "token", nil, true },
            { "invalid_client", { status = 401, body = '{"error":"invalid_client"}' }, "token",
                "invalid_client", false },
            { "invalid_scope with a 200", { body = '{"error":"invalid_scope"}' }, "token",
                "invalid_scope", false },
            { "a redirect", { status = 302, headers = { Location = "http://127.0.0.1:1/" } },
                "token", "redirect", false },
        }
        for _, case in ipairs(cases) do
            local name, fault, kind, code, retryable = (table.unpack or unpack)(case, 1, 5)
            it(name, function()
                fault.on = "token"
                fault_of(fault)
                local err = failing_token()
                assert.equal(kind, err.kind)
                if code then assert.equal(code, err.code) end
                assert.equal(retryable, err.retryable)
            end)
        end

        it("a time-out", function()
            fault_of({ on = "token", delay = 5 })
            local began = core.now()
            local err = failing_token({ timeout = 0.2 })
            assert.equal("timeout", err.kind)
            assert.is_true(core.now() - began < 3)
        end)

        it("nobody there", function()
            local source = assert(groove.token_source({ token_url = "http://127.0.0.1:1/token",
                client_id = "id", client_secret = "secret" }))
            local _, err = source:token()
            assert.equal("transport", err.kind)
            assert.equal("connect_failed", err.code)
            assert.is_true(err.retryable)
            source:close()
        end)

        it("a host that does not exist", function()
            local source = assert(groove.token_source({ token_url = "https://no-such-host.invalid/",
                client_id = "id", client_secret = "secret", timeout = 4 }))
            local _, err = source:token()
            assert.is_true(err.kind == "transport" or err.kind == "timeout")
            source:close()
        end)

        it("a secret file that cannot be read", function()
            for _, path in ipairs({ "/nonexistent/secret", "/", "/dev/null" }) do
                local options = service.options(sandbox, { client_secret_file = path })
                options.client_secret = nil
                local source = assert(groove.token_source(options))
                local _, err = source:token()
                assert.equal("token", err.kind)
                assert.equal("secret_unreadable", err.code)
                source:close()
            end
        end)

        it("an environment variable that is not set", function()
            local options = service.options(sandbox, { client_secret_env = "GROOVE_NO_SUCH" })
            options.client_secret = nil
            local source, err = groove.token_source(options)
            assert.is_nil(source)
            assert.equal("argument", err.kind)
        end)
    end)

    describe("from the API:", function()
        local function failing_call(fault, more)
            fault.on = "api"
            fault_of(fault)
            local options = { timeout = 2 }
            for name, value in pairs(more or {}) do options[name] = value end
            local client = assert(sandbox:client(options))
            local value, err = client:search("love")
            client:close()
            assert.is_nil(value)
            return err
        end

        local cases = {
            { "an HTML page", { body = "<html>" }, "transport" },
            { "a truncated answer", { close = 20 }, "transport" },
            { "no answer at all", { close = true }, "transport" },
            { "an endless answer", { body = 1000000000 }, "transport" },
            { "a 500", { status = 500 }, "api" },
            { "a 404", { status = 404 }, "api" },
            { "a 503", { status = 503 }, "api" },
            { "a redirect", { status = 302, headers = { Location = "http://127.0.0.1:1/" } },
                "transport" },
        }
        for _, case in ipairs(cases) do
            it(case[1], function()
                local err = failing_call(case[2])
                assert.equal(case[3], err.kind)
            end)
        end

        it("a 429 that asks for more time than there is", function()
            local err = failing_call({ status = 429, retry_after = 60 })
            assert.equal("api", err.kind)
            assert.equal(60, err.retry_after)
        end)

        it("a time-out", function()
            local err = failing_call({ delay = 5 }, { timeout = 0.3 })
            assert.equal("timeout", err.kind)
        end)
    end)

    it("raises on wrong names and types, naming them", function()
        local function message(fn, ...)
            local ok, text = pcall(fn, ...)
            assert.is_false(ok)
            return text
        end
        local where = "bad_input_spec"
        local text = message(groove.token_source,
            { token_url = "https://x/", client_sceret = "hush" })
        assert.truthy(text:find("client_sceret", 1, true))
        assert.falsy(text:find("hush", 1, true))
        text = message(function() groove.token_source({ token_url = 7 }) end)
        assert.truthy(text:find("token_url", 1, true) and text:find(where, 1, true))
        text = message(function() groove.new({ api_url = "https://x/", tiemout = 1 }) end)
        assert.truthy(text:find("tiemout", 1, true) and text:find(where, 1, true))
        text = message(function() groove.new({}) end)
        assert.truthy(text:find("groove.sandbox():client()", 1, true))
        local client = sandbox:client()
        text = message(function() client:search("x", { max_itmes = 3 }) end)
        assert.truthy(text:find("max_itmes", 1, true) and text:find(where, 1, true))
        client:close()
        assert.truthy(message(function() client:search("x") end):find("closed", 1, true))
    end)

    it("refuses before sending what the service would refuse", function()
        local client = sandbox:client()
        local before = service.api_requests(sandbox)
        for name, value in pairs({ max_items = 42, filters = { "songs" }, language = "english",
            country = "x\r\ny" }) do
            local page, err = client:search("love", { [name] = value })
            assert.is_nil(page)
            assert.equal("argument", err.kind)
            assert.equal(name, err.argument)
        end
        for _, id in ipairs({ "..", ".", "" }) do
            assert.equal("argument", select(2, client:lookup(id)).kind)
        end
        assert.equal(before, service.api_requests(sandbox))
        client:close()
    end)
end)

local core = require("groove.core")
local groove = require("groove")
local source = require("groove.source")
local api = require("spec.support.api")

local NOWHERE = { token_url = "http://127.0.0.1:1/token", client_id = "source-spec", renew = false }

local function nowhere(more)
    local options = {}
    for _, set in ipairs({ NOWHERE, more or {} }) do
        for name, value in pairs(set) do
            options[name] = value
        end
    end
    return assert(groove.token_source(options))
end

describe("a token source", function()
    it("checks its options", function()
        assert.equal("groove.token_source: token_url is required",
            (api.raised(groove.token_source, {})))
        assert.equal("groove.token_source: options must be a table, got nil",
            (api.raised(groove.token_source)))
        assert.equal("groove.token_source: unknown option 'api_url'",
            (api.raised(groove.token_source, { token_url = "https://t.test", api_url = "x" })))
        assert.matches("^groove.token_source: token_url must be https",
            (api.raised(groove.token_source, { token_url = "http://t.test" })))
        assert.matches("^groove.token_source: origin must be https",
            (api.raised(groove.token_source, {
                token_url = "https://t.test", origin = "http://a.test",
            })))
        local err = select(2, groove.token_source({
            token_url = "https://t.test", client_secret_env = "GROOVE_NOT_SET",
        }))
        assert.equal("argument", err.kind)
    end)

    it("shows its host and state, never its secret", function()
        local made = nowhere({ client_secret = "hush" })
        assert.equal("groove.source (127.0.0.1, empty)", tostring(made))
        made:adopt("hush-token", 60, 0)
        assert.equal("groove.source (127.0.0.1, ready)", tostring(made))
        made:close()
        assert.equal("groove.source (127.0.0.1, closed)", tostring(made))
    end)

    it("gives what it has in every form", function()
        local made = nowhere()
        assert.is_true(made:adopt("token", 3600, 0))
        assert.equal("token", made:token())
        assert.equal("token", made:token({ timeout = 1 }))
        assert.equal("token", made:token({ wait = false }))
        assert.equal("Bearer token", made:authorization())
        assert.is_true(made:wait_ready())
        assert.equal("token", (made.async:token():wait()))
        assert.equal("Bearer token", (made.async:authorization():wait()))
        made:close()
    end)

    it("never waits when told so", function()
        local made = nowhere()
        local before = core.now()
        local token, err = made:token({ wait = false })
        assert.is_nil(token)
        assert.is_truthy(err.kind == "pending" or err.kind == "transport")
        assert.is_true(core.now() - before < 0.5)
        made:close()
    end)

    it("returns the error of its service", function()
        local made = nowhere()
        for _, name in ipairs({ "token", "authorization", "refresh" }) do
            local value, err = made[name](made, { timeout = 2 })
            assert.is_nil(value)
            assert.equal("transport", err.kind)
        end
        local ready, err = made:wait_ready(2)
        assert.is_nil(ready)
        assert.equal("transport", err.kind)
        made:close()
    end)

    it("checks the arguments of its methods", function()
        local made = nowhere()
        assert.equal("source:token: unknown option 'force'",
            (api.raised(made.token, made, { force = true })))
        assert.equal("source:token: timeout must be a number of seconds, not negative, got number",
            (api.raised(made.token, made, { timeout = -1 })))
        assert.matches("^source:wait_ready: seconds must be a number of seconds",
            (api.raised(made.wait_ready, made, "1")))
        assert.equal("source:refresh: not a source; call it with a colon",
            (api.raised(made.refresh)))
        made:close()
    end)

    it("raises when it is closed", function()
        local made = nowhere()
        made:close()
        made:close()
        local line = debug.getinfo(1, "l").currentline + 1
        local text, position = api.raised(function() made:token() end)
        assert.equal("source:token: the source is closed", text)
        assert.matches("source_spec.lua:" .. line .. ":$", position)
        for _, name in ipairs({ "authorization", "refresh", "wait_ready" }) do
            assert.equal("source:" .. name .. ": the source is closed",
                (api.raised(made[name], made)))
        end
        assert.equal("source:token: the source is closed",
            (api.raised(function() made.async:token() end)))
        assert.equal("closed", made:info().state)
    end)

    it("is told from other values", function()
        local made = nowhere()
        assert.is_true(source.is(made))
        assert.is_false(source.is(nil))
        assert.is_false(source.is({}))
        assert.is_false(source.is(io.stdout))
        made:close()
    end)
end)

describe("a source of the sandbox", function()
    local sandbox, fetcher

    setup(function()
        sandbox = assert(groove.sandbox())
        local options = sandbox:options()
        options.origin, options.api_url = options.api_url, nil
        fetcher = assert(groove.token_source(options))
    end)

    teardown(function()
        fetcher:close()
        sandbox:stop()
    end)

    it("gets a token, and goes to the origin with it", function()
        local answer = assert(fetcher:fetch("/1/content/music/search?q=a&maxItems=1",
            { headers = { Accept = "application/json" } }))
        assert.equal(200, answer.status)
        assert.matches("json", answer.headers["content-type"])
        assert.matches('"Items"', answer.body)
        local url = sandbox.api_url .. "/1/content/music/search?q=a"
        answer = assert(fetcher.async:fetch(url):wait())
        assert.equal(200, answer.status)
    end)

    it("sends a header without a value, and hands over a decoded body as such", function()
        local answer = assert(fetcher:fetch("/1/content/music/search?q=love",
            { headers = { ["X-Empty"] = "", ["Accept-Encoding"] = "gzip" } }))
        assert.equal('{"', answer.body:sub(1, 2))
        assert.is_nil(answer.headers["content-encoding"])
        local log = sandbox:log()
        assert.equal("", log[#log].headers["x-empty"])
    end)

    it("goes nowhere else", function()
        for _, url in ipairs({ "http://127.0.0.1:1/x", "https://api.test/x", "//api.test/x", "x",
            (sandbox.api_url:gsub("//", "//u:p@")) }) do
            local answer, err = fetcher:fetch(url)
            assert.is_nil(answer)
            assert.equal("argument", err.kind)
            assert.equal("url", err.argument)
        end
        local other = nowhere()
        assert.equal("url", select(2, other:fetch("/x")).argument)
        other:close()
    end)

    it("refuses headers that are not the caller's business, or break out", function()
        for _, headers in ipairs({ { authorization = "Bearer x" }, { ["X-A"] = "a\r\nB: c" },
            { ["X A"] = "b" } }) do
            local answer, err = fetcher:fetch("/x", { headers = headers })
            assert.is_nil(answer)
            assert.equal("headers", err.argument)
        end
        assert.equal("method", select(2, fetcher:fetch("/x", { method = "GET /y" })).argument)
        assert.equal("source:fetch: unknown option 'query'",
            (api.raised(fetcher.fetch, fetcher, "/x", { query = {} })))
        assert.equal("source:fetch: url must be a string, got nil",
            (api.raised(fetcher.fetch, fetcher)))
    end)

    it("renews the token and repeats once after a 401", function()
        local before = fetcher:info().generation
        local fault = sandbox:fault({ on = "api", status = 401, times = 1 })
        assert.equal(200, assert(fetcher:fetch("/1/content/music/search?q=a")).status)
        fault:clear()
        assert.equal(before + 1, fetcher:info().generation)
        fault = sandbox:fault({ on = "api", status = 401 })
        assert.equal(401, assert(fetcher:fetch("/1/content/music/search?q=a")).status)
        fault:clear()
    end)

    it("returns every other status as it is", function()
        local fault = sandbox:fault({ on = "api", status = 503 })
        assert.equal(503, assert(fetcher:fetch("/1/content/music/search?q=a")).status)
        fault:clear()
    end)

    it("keeps to its time", function()
        local fault = sandbox:fault({ on = "api", delay = 1 })
        local answer, err = fetcher:fetch("/1/content/music/search?q=a", { timeout = 0.1 })
        fault:clear()
        assert.is_nil(answer)
        assert.equal("timeout", err.kind)
    end)

    -- A source of an identity that no other test has.
    local function another(name, more)
        local options = sandbox:options()
        options.api_url = nil
        options.params = { audience = name }
        for option, value in pairs(more or {}) do
            options[option] = value
        end
        return assert(groove.token_source(options))
    end

    it("waits by suspend where it has one", function()
        local asked = 0
        local fault = sandbox:fault({ on = "token", delay = 0.03 })
        local made = another("suspend", { suspend = function(call, seconds)
            asked = asked + 1
            call._op:wait(seconds)
        end })
        assert.is_string(made:token())
        assert.is_true(asked > 0)
        made:close()
        fault:clear()
    end)

    it("lets suspend yield to a host's scheduler", function()
        local fault = sandbox:fault({ on = "token", delay = 0.02 })
        local made = another("yield", { suspend = function(call, seconds)
            coroutine.yield(call, seconds)
        end })
        local thread = coroutine.create(function() return made:token() end)
        local ok, value, seconds = coroutine.resume(thread)
        while coroutine.status(thread) ~= "dead" do
            value._op:wait(seconds)
            ok, value, seconds = coroutine.resume(thread)
        end
        assert.is_true(ok)
        assert.is_string(value)
        made:close()
        fault:clear()
    end)

    it("ends its calls as cancelled when it is closed", function()
        local fault = sandbox:fault({ on = "token", delay = 0.2 })
        local made = another("close")
        local call = made.async:token()
        made:close()
        local _, err = call:wait(2)
        assert.equal("cancelled", err.kind)
        fault:clear()
    end)

    it("gives pending, and asks, where it must not wait", function()
        local made = another("wait")
        local fault = sandbox:fault({ on = "token", delay = 0.1 })
        local token, err = made:token({ wait = false })
        fault:clear()
        assert.is_nil(token)
        assert.equal("pending", err.kind)
        assert.is_true(made:wait_ready(5))
        assert.is_string(made:token({ wait = false }))
        made:close()
    end)
end)

local core = require("groove.core")
local groove = require("groove")
local api = require("spec.support.api")

local AT_ONCE = { ["Retry-After"] = "0" }

local function busy(status)
    return api.failure(status, "TOO_MANY_REQUESTS", AT_ONCE)
end

local function expired(code)
    return api.failure(401, code or "ACCESS-TOKEN-EXPIRED")
end

-- A source whose tokens are t1, t2, ...
local function counting()
    local count = 0
    return groove.static_token(function()
        count = count + 1
        return "t" .. count, 3600
    end), function() return count end
end

local function tokens(seen)
    local text = {}
    for i, request in ipairs(seen) do
        text[i] = request.headers.Authorization:match("^Bearer (.*)$")
    end
    return table.concat(text, " ")
end

describe("a transfer", function()
    for _, status in ipairs({ 429, 502, 503 }) do
        it("repeats a GET after " .. status, function()
            local client, seen = api.client({ busy(status), busy(status), "{}" })
            assert.is_table(client:search("x"))
            assert.equal(3, #seen)
        end)
    end

    for _, status in ipairs({ 400, 403, 404, 409, 500, 501 }) do
        it("does not repeat after " .. status, function()
            local client, seen = api.client({ busy(status), "{}" })
            local _, err = client:search("x")
            assert.equal(status, err.status)
            assert.equal(1, #seen)
        end)
    end

    it("repeats a GET after a broken connection", function()
        local client, seen = api.client({ { false, "connection refused" }, "{}" })
        assert.is_table(client:search("x"))
        assert.equal(2, #seen)
    end)

    it("does not repeat what will not help", function()
        local err = { kind = "transport", code = "tls_failed", retryable = false, message = "no" }
        local client, seen = api.client({ { false, err }, "{}" })
        local _, got = client:search("x")
        assert.equal("tls_failed", got.code)
        assert.equal(1, #seen)
    end)

    it("repeats as long as the deadline admits, and not in a loop", function()
        local client, seen = api.client({ busy(503) }, { timeout = 0.5 })
        local _, err = client:search("x")
        assert.equal(503, err.status)
        assert.is_true(#seen >= 2 and #seen <= 30, #seen .. " requests")
    end)

    it("does not repeat for a name that does not resolve", function()
        local err = { kind = "transport", code = "resolve_failed", retryable = true }
        local client, seen = api.client({ { false, err }, "{}" })
        assert.equal("resolve_failed", select(2, client:search("x")).code)
        assert.equal(1, #seen)
    end)

    it("makes what a transport raises an error, in both forms", function()
        local function broken() error("broken\ntransport", 0) end
        local client, seen = api.client({ broken })
        for _, err in ipairs({ select(2, client:search("x")),
            select(2, client.async:search("x"):result()) }) do
            assert.equal("transport", err.kind)
            assert.equal("raised", err.code)
            assert.equal("broken transport", err.message)
        end
        assert.equal(2, #seen)
    end)

    it("makes a foreign error one of its own", function()
        local client = api.client({ { false, { kind = "weird", message = "a\nb", status = "7" } } })
        local _, err = client:send({ method = "POST", path = "/1/x" })
        assert.equal("transport", err.kind)
        assert.equal("transport (HTTP 7): a b", tostring(err))
    end)

    it("does not repeat a POST after anything but 401", function()
        for _, answer in ipairs({ busy(429), busy(502), busy(503), { false, "reset" } }) do
            local client, seen = api.client({ answer, "{}" })
            assert.is_nil((client:send({ method = "POST", path = "/1/x", body = {} })))
            assert.equal(1, #seen)
        end
    end)

    it("does not wait past its deadline, but returns the error with retry_after", function()
        local late = api.failure(429, "TOO_MANY_REQUESTS", { ["retry-after"] = "60" })
        local client, seen = api.client({ late })
        local before = core.now()
        local _, err = client:search("x", { timeout = 5 })
        assert.equal(60, err.retry_after)
        assert.is_true(err.retryable)
        assert.equal(1, #seen)
        assert.is_true(core.now() - before < 1)
    end)

    it("backs off at random, at most 0.1 s at first", function()
        local client, seen = api.client({ { false, "refused" }, "{}" })
        local before = core.now()
        assert.is_table(client:search("x"))
        assert.equal(2, #seen)
        assert.is_true(core.now() - before < 0.5)
    end)

    it("tells of repeats", function()
        local events = {}
        local client = api.client({ busy(503), "{}" },
            { on_event = function(event) events[#events + 1] = event end })
        client:search("x")
        groove.dispatch(1)
        assert.equal(1, #events)
        assert.equal("retry", events[1].type)
        assert.equal(503, events[1].error.status)
    end)

    for _, code in ipairs({
        "ACCESS-TOKEN-EXPIRED", "ACCESS_TOKEN_INVALID", "ACCESS_TOKEN_MISSING",
    }) do
        it("renews the token once after 401 " .. code, function()
            local source, count = counting()
            local client, seen = api.client({ expired(code), "{}" }, { source = source })
            assert.is_table(client:search("x"))
            assert.equal("t1 t2", tokens(seen))
            assert.equal(2, count())
        end)
    end

    it("does so whatever the status where the code says it", function()
        local source = counting()
        local client, seen = api.client({ api.failure(200, "INVALID-AUTHORIZATION-HEADER"), "{}" },
            { source = source })
        assert.is_table(client:search("x"))
        assert.equal("t1 t2", tokens(seen))
    end)

    it("does so for a POST", function()
        local source = counting()
        local client, seen = api.client({ expired(), "{}" }, { source = source })
        assert.is_table(client:send({ method = "POST", path = "/1/x", body = { a = 1 } }))
        assert.equal("t1 t2", tokens(seen))
        assert.equal(seen[1].body, seen[2].body)
    end)

    it("does so once", function()
        local source = counting()
        local client, seen = api.client({ expired() }, { source = source })
        local _, err = client:search("x")
        assert.equal("ACCESS_TOKEN_EXPIRED", err.code)
        assert.equal("t1 t2", tokens(seen))
    end)

    it("does not where a new token does not help, or none can be had", function()
        local source = counting()
        local refusal = expired("MSA_SCOPE_REQUIRES_USER_CONSENT")
        local client, seen = api.client({ refusal }, { source = source })
        client:search("x")
        assert.equal("t1", tokens(seen))
        client, seen = api.client({ expired() }, { source = source })
        client:search("x", { user_token = "user's" })
        assert.equal("user's", tokens(seen))
    end)

    it("does not throw a newer token away", function()
        local source, count = counting()
        local client
        local seen
        client, seen = api.client({ function()
            source:refresh()
            return expired()
        end, "{}" }, { source = source })
        assert.is_table(client:search("x"))
        assert.equal("t1 t2", tokens(seen))
        assert.equal(2, count())
    end)

    it("returns the token's error", function()
        local source = groove.static_token(function() return nil, "signed out" end)
        local client, seen = api.client({ "{}" }, { source = source })
        local value, err = client:search("x")
        assert.is_nil(value)
        assert.equal("token", err.kind)
        assert.equal("signed out", err.message)
        assert.equal(0, #seen)
    end)

    it("ends as cancelled when the source is closed under it", function()
        local source = counting()
        local client = api.client({ function()
            source:close()
            return busy(503)
        end }, { source = source })
        local _, err = client:search("x")
        assert.equal("cancelled", err.kind)
    end)

    it("refuses an answer of a transport that is none", function()
        for _, answer in ipairs({
            { status = "200" }, { status = 200, body = 5 }, { status = 503, headers = "a: b" },
        }) do
            local client = api.client({ answer })
            local _, err = client:search("x")
            assert.equal("invalid_response", err.code)
        end
    end)

    it("gives the transport what is left of the time", function()
        local client, seen = api.client({ "{}" })
        client:search("x", { timeout = 3 })
        assert.is_true(seen[1].timeout <= 3 and seen[1].timeout > 2)
        client:search("x")
        assert.is_true(seen[2].timeout <= 30 and seen[2].timeout > 29)
    end)
end)

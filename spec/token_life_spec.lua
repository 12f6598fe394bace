-- The life of a token, from Lua, with a real server. The same rules in virtual time:
-- tests/test_policy.c; with threads and forks: tests/test_source.c.

local core = require("groove.core")
local groove = require("groove")
local service = require("spec.support.service")

describe("the life of a token", function()
    local sandbox, source
    local fault_of, clear_faults = service.faults(function() return sandbox end)

    setup(function() sandbox = assert(groove.sandbox()) end)
    teardown(function() sandbox:stop() end)
    before_each(function() sandbox:set_lifetime(3600) end)
    after_each(function()
        if source then source:close() end
        source = nil
        clear_faults()
    end)

    local function requests_during(fn)
        local before = service.token_requests(sandbox)
        fn()
        return service.token_requests(sandbox) - before
    end

    it("asks once and then serves from memory", function()
        source = service.source(sandbox)
        local first = assert(source:token())
        assert.equal(0, requests_during(function()
            for _ = 1, 1000 do assert(source:token() == first) end
        end))
        local info = source:info()
        assert.equal("ready", info.state)
        assert.equal("network", info.origin)
        assert.is_true(info.expires_in > 3590 and info.expires_in <= 3600)
        assert.is_true(info.refresh_in > 100 and info.refresh_in <= 0.6 * 3600)
        assert.equal(1, info.counts.requests)
    end)

    it("asks for nothing before the first use", function()
        assert.equal(0, requests_during(function()
            source = service.source(sandbox)
            service.pause(0.05)
        end))
        assert.equal("empty", source:info().state)
    end)

    it("renews in the background, without any call", function()
        sandbox:set_lifetime(1)
        source = service.source(sandbox)
        local first = assert(source:token())
        assert.is_true(requests_during(function() service.pause(1.3) end) >= 1)
        assert.is_true(source:peek() ~= nil and source:peek() ~= first)
        assert.equal(1, source:info().counts.waits)
    end)

    it("never lets a call wait while tokens of one second go by", function()
        sandbox:set_lifetime(1)
        source = service.source(sandbox)
        assert(source:token())
        local seen, tokens, until_ = {}, 0, core.now() + 2.2
        while core.now() < until_ do
            local token = assert(source:token({ wait = false }))
            if not seen[token] then
                seen[token], tokens = true, tokens + 1
            end
            service.pause(0.002)
        end
        assert.is_true(tokens >= 3)
        assert.equal(1, source:info().counts.waits)
    end)

    it("asks on demand alone with renew = false", function()
        sandbox:set_lifetime(1)
        source = service.source(sandbox, { renew = false })
        assert(source:token())
        assert.equal(0, requests_during(function() service.pause(1.2) end))
        assert.is_nil(source:peek())
        assert.equal(1, requests_during(function() assert(source:token()) end))
    end)

    it("goes by the service's refresh_in where that is sooner", function()
        local fault = fault_of({ on = "token", times = 1, body = service.token_answer(
            '"access_token":"early-bird","expires_in":3600,"refresh_in":1') })
        source = service.source(sandbox)
        assert.is_true(source:token() == "early-bird")
        local refresh_in = source:info().refresh_in
        assert.is_true(refresh_in > 0.8 and refresh_in <= 1)
        assert.is_true(service.eventually(function() return source:peek() ~= "early-bird" end))
        fault:clear()
    end)

    describe("reads the lifetime", function()
        local function lifetime_of(members)
            local fault = fault_of({ on = "token", times = 1,
                body = service.token_answer('"access_token":"t0k"' .. members) })
            source = service.source(sandbox)
            local token, err = source:token()
            fault:clear()
            return token and source:info().expires_in, err
        end
        local function about(seconds, got) return got and math.abs(got - seconds) < 1 end

        it("as a number", function() assert.is_true(about(60, lifetime_of(',"expires_in":60'))) end)
        it("as a fraction", function()
            assert.is_true(about(61.5, lifetime_of(',"expires_in":61.5')))
        end)
        it("as a string", function()
            assert.is_true(about(600, lifetime_of(',"expires_in":"600"')))
        end)
        it("as 300 s when it is absent", function() assert.is_true(about(300, lifetime_of(""))) end)
        it("as 300 s when it cannot be read", function()
            assert.is_true(about(300, lifetime_of(',"expires_in":"abc"')))
            assert.is_true(about(300, lifetime_of(',"expires_in":null')))
            assert.is_true(about(300, lifetime_of(',"expires_in":[5]')))
        end)
        it("as 30 days when it is longer", function()
            assert.is_true(about(30 * 86400, lifetime_of(',"expires_in":1e300')))
            assert.is_true(about(30 * 86400, lifetime_of(',"expires_in":999999999999999999999')))
        end)
        it("refuses what is not finite", function()
            local life, err = lifetime_of(',"expires_in":1e999')
            assert.is_nil(life)
            assert.equal("token", err.kind)
            assert.equal("invalid_response", err.code)
        end)
    end)

    it("gives a token without life to the one who waits, and does not keep it", function()
        for _, lifetime in ipairs({ 0, -1 }) do
            sandbox:set_lifetime(lifetime)
            source = service.source(sandbox)
            local first = assert(source:token())
            assert.is_nil(source:peek())
            -- the next attempt is a second later at the earliest, and its caller waits for it
            local began = core.now()
            assert.is_true(assert(source:token()) ~= first)
            assert.is_true(core.now() - began >= 0.9)
            source:close()
        end
        source = nil
    end)

    it("reads the camel-case spelling of the documentation's prose", function()
        local camel = assert(groove.sandbox({ answer_style = "camel", lifetime = 77 }))
        source = service.source(camel)
        assert(source:token())
        local seconds = source:info().expires_in -- less what its request took: the sandbox is new
        assert.is_true(seconds <= 77 and seconds > 60)
        camel:stop()
    end)

    describe("when the service is down", function()
        it("serves the old token, tells of it, and recovers", function()
            local events = {}
            sandbox:set_lifetime(2)
            source = service.source(sandbox, { on_event = function(event)
                events[event.type] = event
            end })
            local old = assert(source:token())
            local fault = fault_of({ on = "token", status = 503 })
            assert.is_true(service.eventually(function()
                groove.dispatch()
                return events.renew_failed
            end))
            assert.is_true(source:token() == old)
            assert.equal("temporarily_unavailable", source:info().last_error.code)
            assert.equal(503, events.renew_failed.error.status)
            assert.equal(source, events.renew_failed.source)
            fault:clear()
            assert.is_true(service.eventually(function()
                groove.dispatch()
                return events.recovered
            end))
            assert.is_true(source:token() ~= old)
            assert.is_nil(source:info().last_error)
        end)

        it("asks again at once where a new token is wanted and the old one is usable", function()
            source = service.source(sandbox)
            local old = assert(source:token())
            local fault = fault_of({ on = "token", status = 503 })
            assert.is_nil((source:refresh()))
            fault:clear()
            assert.is_true(assert(source:refresh()) ~= old)
        end)

        it("gives callers between attempts the last error at once, and its end", function()
            fault_of({ on = "token", status = 429, retry_after = 30 })
            source = service.source(sandbox)
            local asked = requests_during(function()
                for _ = 1, 20 do
                    local token, err = source:token()
                    assert.is_nil(token)
                    assert.equal("token", err.kind)
                    assert.equal("temporarily_unavailable", err.code)
                    assert.equal(429, err.status)
                    assert.is_true(err.retryable)
                    assert.is_true(err.retry_after > 29 and err.retry_after <= 30)
                end
            end)
            assert.equal(1, asked)
        end)

        it("reads Retry-After as a date, against the server's own clock", function()
            local fault = fault_of({ on = "token", status = 503,
                retry_after = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 100) })
            source = service.source(sandbox)
            local _, err = source:token()
            assert.is_true(err.retry_after > 95 and err.retry_after <= 101)
            fault:clear()
        end)
    end)

    describe("when the service refuses for good", function()
        it("says so at once from then on, without asking again", function()
            source = service.source(sandbox, { client_secret = "wrong one" })
            local _, err = source:token()
            assert.equal("invalid_client", err.code)
            assert.equal(401, err.status)
            assert.is_false(err.retryable)
            assert.equal(0, requests_during(function()
                for _ = 1, 20 do assert.equal("invalid_client", select(2, source:token()).code) end
            end))
            assert.equal("refused", source:info().state)
            assert.is_true(source:info().refresh_in > 55)
        end)

        it("asks at once when the secret file has another content", function()
            local path = os.tmpname()
            local function write(text)
                local file = assert(io.open(path, "w"))
                file:write(text)
                file:close()
            end
            write("old secret\n")
            local options = service.options(sandbox, { client_secret_file = path })
            local right = options.client_secret
            options.client_secret = nil
            source = assert(groove.token_source(options))
            assert.equal("invalid_client", select(2, source:token()).code)
            write(right .. "\n")
            assert.is_true(service.eventually(function() return source:token() end))
            os.remove(path)
            -- the last good value serves while the file is gone
            assert(source:refresh())
        end)

        it("goes on with the old token while that is usable", function()
            sandbox:set_lifetime(2)
            source = service.source(sandbox)
            local old = assert(source:token())
            local fault = fault_of({ on = "token", status = 401,
                body = '{"error":"invalid_client"}' })
            assert.is_nil((source:refresh()))
            assert.is_true(source:token() == old)
            assert.equal("invalid_client", source:info().last_error.code)
            fault:clear()
        end)
    end)

    it("does not loop when the service gives the same token again and again", function()
        local fault = fault_of({ on = "token",
            body = service.token_answer('"access_token":"the-same","expires_in":1') })
        source = service.source(sandbox)
        local asked = requests_during(function()
            local until_ = core.now() + 1.5
            while core.now() < until_ do
                source:token()
                service.pause(0.005)
            end
        end)
        assert.is_true(asked >= 2 and asked <= 20, asked .. " requests")
        fault:clear()
    end)

    describe("after a refusal by the API", function()
        it("gives up the token that was refused, and only that one", function()
            source = service.source(sandbox)
            local old = assert(source:token())
            assert.is_false(source:invalidate("another token"))
            assert.is_true(source:peek() == old)
            assert.is_true(source:invalidate(old))
            assert.is_false(source:invalidate(old))
            local new = assert(source:token())
            assert.is_true(new ~= old)
            assert.is_false(source:invalidate(old))
            assert.is_true(source:peek() == new)
        end)

        it("renews for that reason once a second at most", function()
            source = service.source(sandbox)
            local began = core.now()
            assert.equal(3, requests_during(function()
                assert(source:token())
                for _ = 1, 2 do
                    source:invalidate(source:peek())
                    assert(source:token())
                end
            end))
            assert.is_true(core.now() - began >= 0.9)
        end)
    end)

    describe("sharing", function()
        it("makes sources of one identity one", function()
            local options = service.options(sandbox)
            source = assert(groove.token_source(options))
            local other = assert(groove.token_source(options))
            assert.equal(1, requests_during(function()
                assert.is_true(assert(source:token()) == assert(other:token()))
            end))
            other:close()
            assert(source:token())
        end)

        it("keeps those apart that differ in anything", function()
            source = service.source(sandbox)
            local token = assert(source:token())
            local base = service.options(sandbox)
            for _, change in ipairs({ { auth = "basic" }, { params = { other = "x" } },
                { headers = { ["X-Other"] = "1" } } }) do
                for name, value in pairs(change) do base[name] = value end
                local other = assert(groove.token_source(base))
                assert.is_true(assert(other:token()) ~= token)
                other:close()
            end
        end)

        it("keeps a collected source's token for the next opener, a closed one's not", function()
            local options = service.options(sandbox)
            local token
            do
                local short_lived = assert(groove.token_source(options))
                token = assert(short_lived:token())
            end
            collectgarbage()
            collectgarbage()
            source = assert(groove.token_source(options))
            assert.equal(0, requests_during(function() assert.is_true(source:token() == token) end))
            source:close()
            source = assert(groove.token_source(options))
            assert.equal(1, requests_during(function() assert(source:token()) end))
        end)
    end)

    it("takes over a token that was issued later, and no other", function()
        source = service.source(sandbox)
        assert.is_true(source:adopt("first-hand", 1000, 5))
        assert.is_true(source:token() == "first-hand")
        assert.equal("adopted", source:info().origin)
        assert.is_true(math.abs(source:info().expires_in - 995) < 1)
        assert.is_false(source:adopt("older", 2000, 60))
        assert.is_false(source:adopt("over", 10, 20))
        assert.is_false(source:adopt("bad\r\ntoken", 100, 0))
        assert.is_true(source:adopt("newer", 1000, 1))
        assert.is_true(source:token() == "newer")
        assert.equal(0, source:info().counts.requests)
    end)

    it("ends a caller's wait without ending the attempt that others share", function()
        local fault = fault_of({ on = "token", delay = 0.3 })
        source = service.source(sandbox)
        local patient = source.async:token()
        local token, err = source:token({ timeout = 0.05 })
        assert.is_nil(token)
        assert.equal("timeout", err.kind)
        local cancelled = source.async:token()
        assert.is_true(cancelled:cancel())
        assert.equal("cancelled", select(2, cancelled:result()).kind)
        assert.equal("pending", select(2, source:token({ wait = false })).kind)
        assert(patient:wait(5))
        assert.equal(1, source:info().counts.requests)
        fault:clear()
    end)
end)

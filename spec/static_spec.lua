local groove = require("groove")
local api = require("spec.support.api")

describe("a static token", function()
    it("has a source's face", function()
        local source = groove.static_token("hush")
        assert.equal("hush", source:token())
        assert.equal("hush", source:token({ wait = false }))
        assert.equal("Bearer hush", source:authorization())
        assert.equal("hush", source:refresh())
        assert.is_true(source:wait_ready())
        assert.is_false(source:adopt("other", 60))
        assert.is_false(source:invalidate("hush"))
        assert.equal("ready", source:info().state)
        assert.equal("hush", (source.async:token():wait()))
    end)

    it("is not shown", function()
        local source = groove.static_token("hush")
        assert.is_nil(tostring(source):find("hush", 1, true))
        for _, value in pairs(source) do
            assert.not_equal("hush", value)
        end
        for _, value in pairs(source:info()) do
            assert.not_equal("hush", value)
        end
    end)

    it("must be fit for a header", function()
        for _, bad in ipairs({ "", "a\r\nb", "a\0b" }) do
            assert.matches("^groove.static_token: token ", (api.raised(groove.static_token, bad)))
        end
        assert.equal("groove.static_token: token must be a string or a function, got nil",
            (api.raised(groove.static_token)))
    end)

    it("cannot be used when closed", function()
        local source = groove.static_token("hush")
        source:close()
        source:close()
        assert.equal("source:token: the source is closed", (api.raised(source.token, source)))
        assert.equal("source:peek: the source is closed", (api.raised(source.peek, source)))
        assert.equal("closed", source:info().state)
    end)

    it("tells a mistaken call", function()
        local source = groove.static_token("hush")
        assert.equal("source:token: not a source; call it with a colon", (api.raised(source.token)))
        assert.equal("source.async:token: call it with a colon", (api.raised(source.async.token)))
        assert.equal("source:token: unknown option 'timout'",
            (api.raised(source.token, source, { timout = 1 })))
    end)
end)

describe("a token function", function()
    it("is asked at every use where it gives no lifetime", function()
        local count = 0
        local source = groove.static_token(function()
            count = count + 1
            return "t" .. count
        end)
        assert.equal("t1", source:token())
        assert.equal("t2", source:token())
    end)

    it("is asked again when the lifetime is over, or the token refused", function()
        local count, lifetime = 0, 100
        local source = groove.static_token(function()
            count = count + 1
            return "t" .. count, lifetime
        end)
        assert.equal("empty", source:info().state)
        assert.equal("t1", source:token())
        assert.equal("t1", source:token())
        local info = source:info()
        assert.equal("ready", info.state)
        assert.is_true(info.expires_in > 90 and info.expires_in <= 100)
        assert.is_false(source:invalidate("t0"))
        assert.is_true(source:invalidate("t1"))
        assert.equal("t2", source:token())
        assert.equal("t3", source:refresh())
        lifetime = 1e-9
        source:refresh()
        assert.equal("t5", source:token())
    end)

    it("may have none", function()
        local err = { message = "signed out", retryable = false }
        local source = groove.static_token(function() return nil, err end)
        local token, got = source:token()
        assert.is_nil(token)
        assert.equal("token", got.kind)
        assert.equal("signed out", got.message)
        assert.is_false(got.retryable)
        assert.equal("failing", source:info().state)
        assert.equal(got, source:info().last_error)
    end)

    it("may raise, which is told as an error", function()
        local source = groove.static_token(function() error("no keyring", 0) end)
        local token, err = source:token()
        assert.is_nil(token)
        assert.equal("raised", err.code)
        assert.matches("no keyring", err.message)
        assert.equal(err, source:info().last_error)
        local own = groove.static_token(function() error(err, 0) end)
        token, own = own:token()
        assert.is_nil(token)
        assert.equal(err, own)
    end)

    it("cannot give what cannot be sent", function()
        for _, bad in ipairs({ "", "a\nb", 5, true }) do
            local token, err = groove.static_token(function() return bad, 60 end):token()
            assert.is_nil(token)
            assert.equal("invalid_token", err.code)
        end
    end)
end)

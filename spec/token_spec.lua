-- The hot path of `source:token()`, which each Lua has in a form of its own.

local groove = require("groove")
local host = require("spec.support.host")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

describe("source:token()", function()
    local sandbox, source

    setup(function() sandbox = assert(groove.sandbox()) end)
    teardown(function() sandbox:stop() end)
    before_each(function() source = service.source(sandbox) end)
    after_each(function() source:close() end)

    it("gives the same string while nothing changes, without asking the service", function()
        local token = assert(source:token())
        local requests = service.token_requests(sandbox)
        for _ = 1, 1000 do
            assert.is_true(rawequal(source:token(), token))
        end
        assert.equal(requests, service.token_requests(sandbox))
    end)

    it("gives the new one after a renewal, a refusal and a takeover", function()
        local first = assert(source:token())
        local second = assert(source:refresh())
        assert.is_true(second ~= first and source:token() == second)
        assert.is_true(source:invalidate(second))
        local third = assert(source:token())
        assert.is_true(third ~= second and third ~= first)
        assert.is_true(source:adopt("somebody.else's", 7200))
        assert.is_true(source:token() == "somebody.else's")
    end)

    it("takes options, and checks them, although a token is at hand", function()
        local token = assert(source:token())
        assert.is_true(source:token({ wait = false }) == token)
        assert.error_matches(function() source:token({ patience = 1 }) end, "unknown option")
        assert.error_matches(function() source:token(7) end, "options must be a table")
    end)

    it("raises for a closed source and for what is none", function()
        source:token()
        source:close()
        assert.error_matches(function() source:token() end, "closed")
        for _, value in ipairs({ {}, 7, "text", { {} }, { io.stdout },
            { _generation = 1, _word = 0, word = 0, generation = 0 } }) do
            assert.error_matches(function() source.token(value) end, "not a source")
        end
    end)

    it("ends for a copy of the source, too, while another keeps the token", function()
        local options = service.options(sandbox)
        local one, other = groove.token_source(options), groove.token_source(options)
        local token = assert(one:token())
        local copy = setmetatable({}, getmetatable(one))
        for key, value in pairs(one) do
            rawset(copy, key, value)
        end
        assert.equal(token, copy:token())
        one:close()
        assert.error_matches(function() copy:token() end, "closed")
        assert.equal(token, other:token())
        other:close()
    end)

    it("stays with its own source, however many there are", function()
        local other = service.source(sandbox)
        local token, others = assert(source:token()), assert(other:token())
        assert.is_true(token ~= others)
        for _ = 1, 200 do
            assert.is_true(source:token() == token and other:token() == others)
        end
        other:close()
        assert.is_true(source:token() == token)
    end)

    if shell.flavour == "jit" then
        it("is compiled by LuaJIT, and compiled code sees a renewal", function()
            if os.getenv("GROOVE_COVERAGE") then
                return pending("a line hook keeps code from being compiled")
            end
            local own = assert(groove.sandbox({ lifetime = 3 }))
            finally(function() own:stop() end)
            local options = own:options()
            local environment = host.environment(options)
            environment.SPEC_SCOPE = options.scope
            local said = host.run("jit", shell.interpreter .. " spec/support/traced.lua",
                { environment = environment })
            assert.matches("loops compiled: [1-9]", said)
            assert.matches("traces aborted: 0\n", said)
            assert.matches("compiled before the renewal: true\n", said)
            assert.matches("renewal seen: true\n", said)
        end)
    end
end)

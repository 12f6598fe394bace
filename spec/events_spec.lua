local core = require("groove.core")
local events = require("groove.events")
local groove = require("groove")

local function source(on_event)
    return assert(groove.token_source({
        token_url = "http://127.0.0.1:1/token",
        client_id = "events-spec",
        renew = false,
        on_event = on_event,
    }))
end

-- Brings about an event of the core.
local function happen(it)
    assert(it:adopt("events-token", 3600, 0))
    assert(it:invalidate("events-token"))
end

describe("events", function()
    it("of a source come from dispatch", function()
        local seen = {}
        local it = source(function(event) seen[#seen + 1] = event end)
        happen(it)
        local deadline = core.now() + 5
        repeat
            groove.dispatch()
        until #seen > 0 or core.now() > deadline
        assert.equal("invalidated", seen[1].type)
        assert.equal(it, seen[1].source)
        assert.is_number(seen[1].time)
        it:close()
    end)

    it("come at the start of a blocking call, callbacks do not", function()
        local seen = {}
        local it = source(function(event) seen[#seen + 1] = event.type end)
        local client = groove.new({
            api_url = "https://api.test",
            source = groove.static_token("t"),
            transport = function() return { status = 200, body = "{}" } end,
        })
        client.async:search("x"):on_done(function() seen[#seen + 1] = "callback" end)
        happen(it)
        local deadline = core.now() + 5
        repeat
            client:search("x")
        until #seen > 0 or core.now() > deadline
        assert.equal("invalidated", seen[1])
        for _, what in ipairs(seen) do
            assert.not_equal("callback", what)
        end
        it:close()
        groove.dispatch(1)
        assert.equal("callback", seen[#seen])
    end)

    it("of a flow are queued for its owner", function()
        local seen = {}
        local owner = { _on_event = function(event) seen[#seen + 1] = event end }
        events.emit(owner, "retry", "why")
        events.emit({}, "retry", "nobody hears")
        assert.same({}, seen)
        groove.dispatch(1)
        assert.equal(1, #seen)
        assert.equal("retry", seen[1].type)
        assert.equal("why", seen[1].error)
    end)

    it("that raise do not keep others back", function()
        local count = 0
        local broken = { _on_event = function() error("broken handler", 0) end }
        local good = { _on_event = function() count = count + 1 end }
        events.emit(broken, "retry")
        events.emit(good, "retry")
        local ok, problem = pcall(events.deliver)
        assert.is_false(ok)
        assert.equal("broken handler", problem)
        assert.equal(1, count)
        events.deliver()
        assert.equal(1, count)
    end)
end)

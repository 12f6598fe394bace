local core = require("groove.core")
local calls = require("groove.call")
local errors = require("groove.errors")
local groove = require("groove")
local api = require("spec.support.api")

local function owner(fields)
    fields = fields or {}
    function fields.closed() return false end
    return fields
end

-- A flow of some pauses, which tells how far it came.
local function steps(await, trace, seconds)
    for i, pause in ipairs(seconds) do
        await(core.sleep(pause))
        trace[#trace + 1] = i
    end
    return #trace, nil
end

local function dispatch_until(finished)
    local deadline = core.now() + 5
    while not finished() do
        assert(core.now() < deadline, "dispatch came to nothing")
        groove.dispatch(0.01)
    end
end

describe("a flow", function()
    it("gives the same blocking and in a call", function()
        assert.equal(2, (calls.perform(owner(), steps, {}, { 0, 0.001 })))
        assert.equal(2, (calls.start(owner(), steps, {}, { 0, 0.001 }):wait()))
    end)

    it("runs at once as far as it can", function()
        local call = calls.start(owner(), function() return "v", "e" end)
        assert.is_true(call:done())
        assert.same({ "v", "e" }, { call:result() })
    end)
end)

describe("a call", function()
    it("is pending before the end", function()
        local call = calls.start(owner(), steps, {}, { 0.05 })
        assert.is_false(call:done())
        local value, err = call:result()
        assert.is_nil(value)
        assert.equal("pending", err.kind)
        assert.equal("groove.call (running)", tostring(call))
        assert.equal(1, (call:wait()))
        assert.equal("groove.call (finished)", tostring(call))
    end)

    it("goes on when a wait has timed out", function()
        local call = calls.start(owner(), steps, {}, { 0.05 })
        local value, err = call:wait(0.001)
        assert.is_nil(value)
        assert.equal("pending", err.kind)
        assert.equal(1, (call:wait(5)))
    end)

    it("is brought forward by done alone", function()
        local call = calls.start(owner(), steps, {}, { 0, 0, 0 })
        local deadline = core.now() + 5
        while not call:done() do
            assert(core.now() < deadline)
        end
        assert.equal(3, (call:result()))
    end)

    it("runs its callbacks once, in order, and from dispatch only", function()
        local seen = {}
        local call = calls.start(owner(), steps, {}, { 0.001 })
        local same = call:on_done(function(value, err, it)
            seen[#seen + 1] = { value, err == nil, it == call }
        end):on_done(function() seen[#seen + 1] = "second" end)
        assert.equal(call, same)
        call:wait()
        assert.same({}, seen)
        dispatch_until(function() return #seen == 2 end)
        groove.dispatch()
        assert.same({ { 1, true, true }, "second" }, seen)
    end)

    it("takes a callback after its end too", function()
        local seen
        local call = calls.start(owner(), function() return nil, "e" end)
        call:on_done(function(value, err) seen = { value, err } end)
        assert.is_nil(seen)
        groove.dispatch()
        assert.same({ nil, "e" }, seen)
    end)

    it("can be cancelled, which its callbacks hear", function()
        local trace, heard = {}, nil
        local call = calls.start(owner(), steps, trace, { 5 })
        call:on_done(function(_, err) heard = err end)
        assert.is_true(call:cancel())
        assert.is_false(call:cancel())
        local value, err = call:result()
        assert.is_nil(value)
        assert.equal("cancelled", err.kind)
        assert.is_nil(heard)
        groove.dispatch()
        assert.equal(err, heard)
        assert.same({}, trace)
    end)

    it("cannot be cancelled when it has finished", function()
        local call = calls.start(owner(), function() return 1 end)
        assert.is_false(call:cancel())
        assert.equal(1, (call:result()))
    end)

    it("lives without a reference until its callback has run", function()
        local done = false
        calls.start(owner(), steps, {}, { 0.01, 0.01 }):on_done(function() done = true end)
        collectgarbage()
        collectgarbage()
        dispatch_until(function() return done end)
    end)

    it("ends with what its flow raises", function()
        local _, err = calls.start(owner(), function() error("broken\nthing", 0) end):result()
        assert.equal("transport", err.kind)
        assert.equal("raised", err.code)
        assert.equal("broken thing", err.message)
        local given = errors.argument("x", "y")
        _, err = calls.start(owner(), function() error(given, 0) end):result()
        assert.equal(given, err)
    end)

    it("does not mistake a foreign yield for its own", function()
        local call = calls.start(owner(), function() return coroutine.yield("elsewhere") end)
        local _, err = call:result()
        assert.equal("raised", err.code)
    end)

    it("is cancelled with its owner", function()
        local it = owner()
        local call = calls.start(it, steps, {}, { 5 })
        calls.cancel_all(it)
        local _, err = call:result()
        assert.equal("cancelled", err.kind)
        assert.is_nil(next(it._calls))
    end)

    it("checks its arguments", function()
        local call = calls.start(owner(), function() end)
        assert.equal("call:wait: seconds must be a number, got string",
            (api.raised(call.wait, call, "1")))
        assert.equal("call:on_done: fn must be a function, got nil",
            (api.raised(call.on_done, call)))
    end)
end)

describe("suspend", function()
    it("is asked to wait until the call is done", function()
        local asked = {}
        local it = owner({ _suspend = function(call, seconds)
            asked[#asked + 1] = seconds
            assert.equal("groove.call (running)", tostring(call))
            call._op:wait(seconds)
        end })
        assert.equal(2, (calls.perform(it, steps, {}, { 0.001, 0.001 })))
        assert.is_true(#asked >= 1)
        for _, seconds in ipairs(asked) do
            assert.is_true(seconds > 0 and seconds <= 0.05)
        end
    end)

    it("may yield to a host's scheduler", function()
        local it = owner({ _suspend = function(_, seconds) coroutine.yield(seconds) end })
        local thread = coroutine.create(function()
            return calls.perform(it, steps, {}, { 0.001, 0.001 })
        end)
        local ok, value
        local deadline = core.now() + 5
        while coroutine.status(thread) ~= "dead" do
            assert(core.now() < deadline)
            ok, value = coroutine.resume(thread)
        end
        assert.is_true(ok)
        assert.equal(2, value)
    end)

    it("is not called when nothing has to be waited for", function()
        local it = owner({ _suspend = function() error("suspended") end })
        assert.equal(1, (calls.perform(it, function() return 1 end)))
    end)

    it("serves call:wait, with its bound", function()
        local it = owner({ _suspend = function(call, seconds) call._op:wait(seconds) end })
        local call = calls.start(it, steps, {}, { 0.03 })
        local _, err = call:wait(0.001)
        assert.equal("pending", err.kind)
        assert.equal(1, (call:wait()))
    end)
end)

describe("dispatch", function()
    it("has nothing to do when nothing happened", function()
        groove.dispatch(0.1)
        assert.same({ 0, false }, { groove.dispatch() })
    end)

    it("stops when its time is over, and says that there is more", function()
        local it, count = owner(), 0
        for _ = 1, 3 do
            calls.start(it, function() end):on_done(function() count = count + 1 end)
        end
        local run, more = groove.dispatch(0)
        assert.same({ 1, true, 1 }, { run, more, count })
        run, more = groove.dispatch(1)
        assert.same({ 2, false, 3 }, { run, more, count })
    end)

    it("runs the others when a callback raises, then raises its error", function()
        local it, seen = owner(), {}
        local call = calls.start(it, function() end)
        call:on_done(function() error("first", 0) end)
        call:on_done(function() error("second", 0) end)
        call:on_done(function() seen[#seen + 1] = "third" end)
        local ok, problem = pcall(groove.dispatch, 1)
        assert.is_false(ok)
        assert.equal("first", problem)
        assert.same({ "third" }, seen)
        assert.same({ 0, false }, { groove.dispatch() })
    end)

    it("makes an event of it where there is an on_event", function()
        local events = {}
        local it = owner({ _on_event = function(event) events[#events + 1] = event end })
        calls.start(it, function() end):on_done(function() error("broken", 0) end)
        groove.dispatch(1)
        assert.equal(1, #events)
        assert.equal("callback_error", events[1].type)
        assert.equal("broken", events[1].error)
        assert.is_number(events[1].time)
    end)

    it("may be called from a callback", function()
        local it, inner = owner(), nil
        calls.start(it, function() end):on_done(function() inner = { groove.dispatch() } end)
        calls.start(it, function() end):on_done(function() end)
        groove.dispatch(1)
        assert.same({ 1, false }, inner)
    end)

    it("checks its argument", function()
        assert.equal("groove.dispatch: seconds must be a number, got table",
            (api.raised(groove.dispatch, {})))
    end)
end)

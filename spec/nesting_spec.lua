-- What runs in a dispatch and dispatches, blocks, cancels or closes in its turn.

local cjson = require("cjson")
local core = require("groove.core")
local calls = require("groove.call")
local events = require("groove.events")
local groove = require("groove")
local api = require("spec.support.api")
local support = require("spec.support.calls")
local service = require("spec.support.service")

local LONG = 20
local LEVELS = 10

local owner, finished, dispatch_all = support.owner, support.finished, support.dispatch_all

local function collect()
    collectgarbage()
    collectgarbage()
end

describe("a host", function()
    local sandbox
    local fault_of, clear_faults = service.faults(function() return sandbox end)

    setup(function() sandbox = assert(groove.sandbox()) end)
    teardown(function() sandbox:stop() end)
    before_each(dispatch_all)
    after_each(clear_faults)

    local function new_client(more)
        local client = assert(sandbox:client(more))
        assert(client:token())
        return client
    end

    describe("that dispatches where it is being dispatched:", function()
        local COUNT = 300

        -- Runs what waits, and says how deep it got and how often each ran.
        local function deepest(prepare)
            local depth, most, ran = 0, 0, {}
            local function step(i)
                ran[i] = (ran[i] or 0) + 1
                depth = depth + 1
                most = math.max(most, depth)
                local run, more = groove.dispatch(LONG)
                assert.is_true(run == 0 or not more)
                depth = depth - 1
            end
            prepare(step)
            dispatch_all()
            for i = 1, COUNT do assert.equal(1, ran[i]) end
            return most
        end

        it("in a callback", function()
            assert.equal(LEVELS, deepest(function(step)
                for i = 1, COUNT do
                    finished():on_done(function() step(i) end)
                end
            end))
        end)

        it("in an on_event", function()
            assert.equal(LEVELS, deepest(function(step)
                for i = 1, COUNT do
                    events.emit({ _on_event = function() step(i) end }, "retry")
                end
            end))
        end)

        it("in what a call runs", function()
            local started
            local most = deepest(function(step)
                started = {}
                for i = 1, COUNT do
                    started[i] = calls.start(owner(), function(await)
                        await(core.sleep(0))
                        step(i)
                        return i
                    end)
                end
                service.eventually(function()
                    for i = 1, COUNT do
                        if not started[i]._op:done() then return false end
                    end
                    return true
                end)
            end)
            -- each level is a call that is brought forward by the one before
            assert.is_true(most > 1 and most <= LEVELS)
            for i = 1, COUNT do assert.equal(i, (started[i]:result())) end
        end)

        it("in json.decode", function()
            local inside, most = 0, 0
            local client = new_client({ json = { encode = cjson.encode, null = cjson.null,
                decode = function(text)
                    inside = inside + 1
                    most = math.max(most, inside)
                    groove.dispatch(LONG)
                    inside = inside - 1
                    return cjson.decode(text)
                end } })
            local started, heard = {}, 0
            for i = 1, 40 do
                started[i] = client.async:search("love", { max_items = i % 20 + 1 })
                started[i]:on_done(function(page)
                    assert.equal(i % 20 + 1, #page.Tracks.Items)
                    heard = heard + 1
                end)
            end
            for _, call in ipairs(started) do call._op:wait(LONG) end
            dispatch_all()
            assert.equal(40, heard)
            assert.is_true(most > 1 and most <= LEVELS)
            -- a blocking call, too
            assert.equal(3, #client:search("love", { max_items = 3 }).Tracks.Items)
            client:close()
        end)

        it("in a transport and a token function", function()
            local heard, asked = 0, 0
            local client = groove.new({
                api_url = "https://api.test",
                source = groove.static_token(function()
                    asked = asked + 1
                    groove.dispatch()
                    return "hostile-token"
                end),
                transport = function()
                    groove.dispatch()
                    return { status = 200, body = "{}" }
                end,
            })
            for _ = 1, 20 do
                client.async:search("love"):on_done(function(page)
                    heard = heard + (page and 1 or 0)
                end)
            end
            assert.is_table((client:search("love")))
            dispatch_all()
            assert.equal(20, heard)
            assert.equal(21, asked)
            client:close()
        end)

        it("in its suspend", function()
            fault_of({ on = "api", delay = 0.05 })
            local own, asked, heard = new_client(), 0, 0
            local client = own:with({ suspend = function()
                asked = asked + 1
                groove.dispatch()
                service.pause(0.001)
            end })
            for _ = 1, 5 do
                client.async:search("love"):on_done(function(page)
                    heard = heard + (page and 1 or 0)
                end)
            end
            assert.is_table((client:search("love")))
            service.dispatch_until(function() return heard == 5 end)
            assert.is_true(asked > 0)
            own:close()
        end)
    end)

    describe("that blocks where it is being dispatched:", function()
        it("in a callback, by wait and by methods", function()
            local client, seen = new_client(), nil
            local other = client.async:search("night")
            client.async:search("love"):on_done(function(_, _, call)
                seen = { call:wait(0), other:wait(), client:search("love"), client:refresh() }
            end)
            service.dispatch_until(function() return seen end)
            for i = 1, 3 do assert.is_table(seen[i].Tracks) end
            assert.is_string(seen[4])
            client:close()
        end)

        it("in an on_event", function()
            local client, seen = nil, {}
            client = new_client({ params = { test = "events" }, on_event = function(event)
                if event.type == "invalidated" then
                    seen[#seen + 1] = client:search("love") ~= nil
                end
            end })
            assert.is_true(client:invalidate(client:token()))
            service.dispatch_until(function() return seen[1] ~= nil end)
            assert.same({ true }, seen)
            client:close()
        end)

        it("in handlers of many events, which nobody runs inside each other without end", function()
            local inside, most, ran = 0, 0, 0
            local client = api.client({ "{}" })
            for _ = 1, 300 do
                events.emit({ _on_event = function()
                    inside, ran = inside + 1, ran + 1
                    most = math.max(most, inside)
                    client:search("love")
                    inside = inside - 1
                end }, "retry")
            end
            client:search("love")
            dispatch_all()
            assert.equal(300, ran)
            assert.is_true(most <= LEVELS)
            client:close()
        end)

        it("in json.decode and a transport, for another call or for the same", function()
            local client, call, own, other
            local seen = {}
            client = new_client({ json = { encode = cjson.encode, null = cjson.null,
                decode = function(text)
                    if call and not seen[1] then
                        local _, err = call:wait()
                        seen[1] = { call:done(), err.kind }
                        seen[2] = other:wait() ~= nil
                    end
                    return cjson.decode(text)
                end } })
            other = client.async:search("night")
            call = client.async:search("love")
            assert.is_table((call:wait()))
            assert.same({ { false, "pending" }, true }, seen)
            own = groove.new({ api_url = "https://api.test", source = groove.static_token("t"),
                transport = function()
                    return { status = 200, body = cjson.encode((client:search("love"))) }
                end })
            assert.is_table((own:search("love")))
            assert.is_table((own.async:search("love"):wait()))
            own:close()
            client:close()
        end)

        it("in its suspend, by wait for the very call", function()
            fault_of({ on = "api", delay = 0.05 })
            local own, asked = new_client(), 0
            local client = own:with({ suspend = function(call, seconds)
                asked = asked + 1
                call:wait(seconds)
            end })
            assert.is_table((client:search("love")))
            assert.is_table((client.async:search("love"):wait()))
            assert.is_true(asked > 0)
            -- from a coroutine, too
            local page
            coroutine.wrap(function() page = client:search("love") end)()
            assert.is_table(page)
            own:close()
        end)

        it("in its suspend, by an error", function()
            fault_of({ on = "api", delay = 0.05 })
            local own, problem = new_client(), {}
            local client = own:with({ suspend = function() error(problem, 0) end })
            local ok, raised = pcall(client.search, client, "love")
            assert.is_false(ok)
            assert.equal(problem, raised)
            assert.is_table((own:search("love")))
            own:close()
        end)

        it("in its suspend, which does nothing at all", function()
            local own = new_client()
            local client = own:with({ suspend = function() end })
            assert.is_table((client:search("love")))
            own:close()
        end)
    end)

    describe("that cancels and closes where it is being dispatched:", function()
        it("the call that is being brought forward", function()
            local call
            local sent = 0
            local client = assert(groove.new({
                api_url = "https://api.test",
                source = groove.static_token(function() return "hostile-token" end),
                transport = function()
                    sent = sent + 1
                    return { status = sent == 1 and 503 or 200, body = "{}" }
                end,
                json = { encode = cjson.encode, null = cjson.null, decode = function()
                    if sent == 1 then -- it is, after a pause
                        return { Error = { ErrorCode = "BUSY" } }
                    end
                    assert.is_true(call:cancel())
                    -- and would be once more
                    return { Error = { ErrorCode = "ACCESS_TOKEN_EXPIRED" } }
                end },
            }))
            call = client.async:search("love")
            local _, err = call:wait()
            assert.equal("cancelled", err.kind)
            dispatch_all()
            assert.equal(2, sent)
            client:close()
        end)

        it("the client, in a callback", function()
            fault_of({ on = "api", delay = 1, times = 2 })
            local client, heard = new_client(), {}
            for i = 1, 2 do
                client.async:search("love"):on_done(function(_, err) heard[i] = err.kind end)
            end
            service.eventually(function() return service.api_requests(sandbox) >= 2 end)
            client.async:search("love"):on_done(function(page)
                heard[3] = page ~= nil
                client:close()
                client:close()
                assert.is_true(client:closed())
            end)
            service.dispatch_until(function() return heard[1] and heard[2] and heard[3] end)
            assert.same({ "cancelled", "cancelled", true }, heard)
        end)

        it("the client, in json.decode and in an on_event", function()
            local client
            client = new_client({ json = { encode = cjson.encode, null = cjson.null,
                decode = function(text)
                    client:close()
                    return cjson.decode(text)
                end } })
            local call = client.async:search("love")
            local _, err = call:wait()
            assert.equal("cancelled", err.kind)
            -- at the start of a blocking call, as the first event is that of its first token
            client = assert(sandbox:client({ params = { test = "closing" },
                on_event = function() client:close() end }))
            assert.is_true(client.async:wait_ready()._op:wait(LONG))
            local token
            token, err = client:token()
            assert.is_nil(token)
            assert.equal("cancelled", err.kind)
            assert.equal("client:token: the client is closed", (api.raised(client.token, client)))
        end)

        it("and lets the client be collected in its own callback", function()
            local weak, ran = setmetatable({}, { __mode = "v" }), false
            local function begin()
                local client = new_client()
                weak.client = client
                client.async:search("love"):on_done(function(page)
                    client = nil -- luacheck: ignore 311
                    collect()
                    ran = page ~= nil
                end)
            end
            begin()
            service.dispatch_until(function() return ran end)
            collect()
            assert.is_nil(weak.client)
        end)
    end)

    describe("that nests coroutines of its own", function()
        it("gets no deeper than ten levels", function()
            local deepest, depth, ran = 0, 0, 0
            for _ = 1, 150 do
                finished():on_done(function()
                    depth, ran = depth + 1, ran + 1
                    deepest = math.max(deepest, depth)
                    coroutine.wrap(function() groove.dispatch(LONG) end)()
                    depth = depth - 1
                end)
            end
            dispatch_all()
            assert.same({ LEVELS, 150 }, { deepest, ran })
        end)
    end)

end)

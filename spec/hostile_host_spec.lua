-- What a host may do that it should not, or that nobody thinks of: every case has one outcome.

local cjson = require("cjson")
local core = require("groove.core")
local calls = require("groove.call")
local errors = require("groove.errors")
local events = require("groove.events")
local groove = require("groove")
local api = require("spec.support.api")
local child = require("spec.support.child")
local descriptor = require("spec.support.descriptor")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local LONG = 20
local LEVELS = 10

-- What is repeated only to meet a race is repeated less where it takes much longer.
local TIMES = os.getenv("GROOVE_SANITIZER") and 3 or 10

local function owner(fields)
    fields = fields or {}
    function fields.closed() return false end
    return fields
end

-- A call that has finished.
local function finished(it, value)
    return calls.start(it or owner(), function() return value end)
end

local function dispatch_all()
    local run, more
    local total = 0
    repeat
        run, more = groove.dispatch(LONG)
        total = total + run
    until not more
    return total
end

local function dispatch_until(condition)
    local deadline = core.now() + LONG
    while not condition() do
        assert(core.now() < deadline, "dispatch came to nothing")
        if groove.dispatch() == 0 then
            service.pause(0.001)
        end
    end
end

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

    describe("that uses a call after its client is closed", function()
        local function check(call, value, kind)
            local heard = {}
            local function hear(...) heard[#heard + 1] = { ... } end
            assert.is_true(call:done())
            for _ = 1, 2 do
                local got, err = call:result()
                assert.equal(value, got)
                assert.equal(kind, err and err.kind)
                got, err = call:wait(0)
                assert.equal(value, got)
                assert.equal(kind, err and err.kind)
                assert.equal(value, (call:wait()))
            end
            assert.is_false(call:cancel())
            assert.equal(call, call:on_done(hear))
            assert.same({}, heard)
            dispatch_all()
            assert.equal(1, #heard)
            assert.equal(value, heard[1][1])
            assert.equal(kind, heard[1][2] and heard[1][2].kind)
            assert.equal(call, heard[1][3])
            assert.equal("groove.call (finished)", tostring(call))
        end

        it("gets the outcome, where it had finished before", function()
            local client = new_client()
            local call = client.async:search("love")
            local page = assert(call:wait())
            client:close()
            check(call, page)
        end)

        it("gets cancelled, where it was under way", function()
            fault_of({ on = "api", delay = 1 })
            local client = new_client()
            local request, heard = client.async:search("love"), nil
            request:on_done(function(_, err) heard = err.kind end)
            client:close()
            assert.is_nil(heard)
            check(request, nil, "cancelled")
            assert.equal("cancelled", heard)
        end)

        it("gets cancelled, where nobody had looked at the answer", function()
            local client = new_client()
            local call = client.async:search("love")
            call._op:wait(LONG)
            client:close()
            check(call, nil, "cancelled")
        end)

        it("gets cancelled, where a token was waited for, by a client or a source", function()
            fault_of({ on = "token", delay = 1 })
            local client = assert(sandbox:client({ params = { test = "hostile" } }))
            local source = service.source(sandbox)
            local searched, asked = client.async:search("love"), source.async:token()
            client:close()
            source:close()
            check(searched, nil, "cancelled")
            check(asked, nil, "cancelled")
        end)
    end)

    describe("that calls without a colon", function()
        it("is told so, at its line", function()
            local call = finished()
            for _, name in ipairs({ "done", "result", "wait", "cancel", "on_done" }) do
                local line = debug.getinfo(1, "l").currentline + 1
                local text, position = api.raised(function() call[name]() end)
                assert.equal("call:" .. name .. ": not a call; call it with a colon", text)
                assert.matches("hostile_host_spec.lua:" .. line .. ":$", position)
            end
        end)
    end)

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
            dispatch_until(function() return heard == 5 end)
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
            dispatch_until(function() return seen end)
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
            dispatch_until(function() return seen[1] ~= nil end)
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
            dispatch_until(function() return heard[1] and heard[2] and heard[3] end)
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
            dispatch_until(function() return ran end)
            collect()
            assert.is_nil(weak.client)
        end)
    end)

    describe("that lets answers fail", function()
        it("gets their memory back at once, without the garbage collector", function()
            local function resident()
                local file = assert(io.open("/proc/self/statm"))
                local _, pages = file:read("*n", "*n")
                file:close()
                return pages * 4096
            end
            local source = service.source(sandbox, { origin = sandbox.api_url })
            assert(source:token())
            assert(fault_of({ on = "api", body = 16000000, close = 12000000 }))
            local function try()
                local answer, err = source:fetch("/1/content/music/search?q=love")
                assert.is_nil(answer)
                assert.equal("transport", err.kind)
            end
            try()
            collectgarbage()
            collectgarbage("stop")
            finally(function() collectgarbage("restart") end)
            local before = resident()
            for _ = 1, 8 do try() end
            assert.is_true(resident() - before < 48000000)
            source:close()
        end)
    end)

    describe("without the debug library", function()
        it("gets messages without a line", function()
            local program = "debug = nil package.loaded.debug = nil "
                .. "local groove = require('groove') print(pcall(groove.token_source, {})) "
                .. "print(groove.sandbox({ in_process = true }):client():search('love') ~= nil)"
            local said = shell.must(shell.interpreter .. ' -e "' .. program .. '"')
            assert.equal("false\tgroove.token_source: token_url is required\ntrue\n", said)
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

    describe("whose suspend raises", function()
        it("gets the error, and nothing stays behind", function()
            local heard = owner({ _suspend = function() error("no patience", 0) end })
            local kept = setmetatable({}, { __mode = "v" })
            local function try()
                local call = calls.start(heard, function(await) await(core.sleep(0.01)) end)
                kept[1] = call
                call:wait()
            end
            assert.same({ false, "no patience" }, { pcall(try) })
            assert.is_true(service.eventually(function()
                dispatch_all()
                collectgarbage()
                return kept[1] == nil
            end))
        end)
    end)

    describe("whose handler closes a source in the middle of a call", function()
        it("is told that the call was cancelled", function()
            local source
            source = service.source(sandbox, { on_event = function() source:close() end })
            local client = assert(groove.new({ source = source, api_url = sandbox.api_url }))
            events.emit(source, "retry")
            local token, err = client:token()
            assert.is_nil(token)
            assert.equal("cancelled", err.kind)
            client:close()
        end)
    end)

    describe("whose callbacks raise", function()
        local VALUES = { "a text", 42, false, { "a table" }, errors.cancelled("an error"), print }

        -- Runs three callbacks, the second of which raises a value.
        local function three(it, value)
            local seen = {}
            local call = finished(it)
            call:on_done(function() seen[1] = true end)
            call:on_done(function() error(value, 0) end)
            call:on_done(function() seen[2] = true end)
            local ok, problem = pcall(groove.dispatch, LONG)
            assert.same({ true, true }, seen)
            assert.same({ 0, false }, { groove.dispatch() })
            return ok, problem
        end

        it("gets what they raised from dispatch, when the others have run", function()
            for i = 1, 7 do -- the last one is nil
                local ok, problem = three(owner(), VALUES[i])
                assert.is_false(ok)
                assert.is_true(rawequal(VALUES[i], problem))
            end
        end)

        it("gets it as an event, where there is an on_event", function()
            for i = 1, 7 do
                local seen = {}
                local it = owner({ _on_event = function(event) seen[#seen + 1] = event end })
                assert.is_true((three(it, VALUES[i])))
                assert.equal(1, #seen)
                assert.equal("callback_error", seen[1].type)
                assert.is_true(rawequal(VALUES[i], seen[1].error))
            end
        end)

        it("gets the error where it dispatches, not in a coroutine that another resumes", function()
            local heard = owner({ _on_event = function() end })
            events.emit(heard, "retry") -- so that blocking calls look for events
            dispatch_all()
            local task = coroutine.create(function()
                return calls.perform(heard, function() return "result" end)
            end)
            local resumed, result
            finished():on_done(function() error("of a callback", 0) end)
            finished():on_done(function() resumed, result = coroutine.resume(task) end)
            local ok, problem = pcall(dispatch_all)
            assert.same({ true, "result" }, { resumed, result })
            assert.same({ false, "of a callback" }, { ok, problem })
            assert.equal(0, dispatch_all())
        end)

        it("gets what its on_event raises, too", function()
            local it = owner({ _on_event = function(event) error(event.type, 0) end })
            local ok, problem = three(it, "a text")
            assert.is_false(ok)
            assert.equal("callback_error", problem)
        end)

        it("gets it from the outermost dispatch", function()
            local inner, after
            finished():on_done(function()
                inner = { pcall(groove.dispatch, LONG) }
                after = true
            end)
            finished():on_done(function() error("inside", 0) end)
            local ok, problem = pcall(groove.dispatch, LONG)
            assert.is_false(ok)
            assert.equal("inside", problem)
            assert.same({ true, 1, false }, inner)
            assert.is_true(after)
        end)

        it("does not lose it in json.decode", function()
            local client = new_client({ json = { encode = cjson.encode, null = cjson.null,
                decode = function(text)
                    groove.dispatch(LONG)
                    return cjson.decode(text)
                end } })
            local call = client.async:search("love")
            finished():on_done(function() error("unheard", 0) end)
            assert.is_table((call:wait()))
            local ok, problem = pcall(groove.dispatch, LONG)
            assert.is_false(ok)
            assert.equal("unheard", problem)
            client:close()
        end)

        it("gets it from wherever a handler ran, the call being none the worse", function()
            local client = new_client()
            events.emit({ _on_event = function() error("at the start", 0) end }, "retry")
            local ok, problem = pcall(client.search, client, "love")
            assert.is_false(ok)
            assert.equal("at the start", problem)
            assert.is_table((client:search("love")))
            client:close()
        end)

        it("may have them yield, or is told that they cannot", function()
            local seen
            local thread = coroutine.create(function() return groove.dispatch(LONG) end)
            finished():on_done(function() seen = coroutine.yield("yielded") end)
            local ok, what = coroutine.resume(thread)
            if ok then
                assert.equal("yielded", what)
                -- meanwhile others dispatch as ever
                local heard = false
                finished():on_done(function() heard = true end)
                assert.same({ 1, false }, { groove.dispatch(LONG) })
                assert.is_true(heard)
                assert.same({ true, 1, false }, { coroutine.resume(thread, "back") })
                assert.equal("back", seen)
            else -- Lua 5.1
                assert.matches("yield", what)
            end
        end)
    end)

    describe("that ends the program from inside", function()
        for _, where in ipairs({ "callback", "nested", "event", "decode", "transport", "token",
            "suspend" }) do
            it("a " .. where .. " exits as it says", function()
                for i, arguments in ipairs({ { where, 7, "thread" }, { where, 0, "alone" } }) do
                    local statuses, said = child.run("leaver", sandbox:options(), arguments, TIMES)
                    assert.equal(TIMES, #statuses)
                    for _, status in ipairs(statuses) do
                        assert.equal(i == 1 and 7 or 0, status, said)
                    end
                end
            end)
        end
    end)

    describe("that closes the descriptor", function()
        if not descriptor.available then
            return pending("needs luv, or LuaJIT: goes on")
        end
        for _, thread in ipairs({ "thread", "alone" }) do
            it("goes on, and gets another (" .. thread .. ")", function()
                local statuses, said = child.run("closer", sandbox:options(), { thread })
                assert.same({ 0 }, statuses, said)
                local _, good = said:gsub(": yes\n", "")
                assert.equal(11, good, said)
                assert.is_nil(said:find(": no\n", 1, true), said)
            end)
        end
    end)

    describe("with another user of libcurl", function()
        if not rawget(_G, "jit") then
            return pending("needs LuaJIT's FFI: goes on beside it")
        end
        for _, order in ipairs({ "first", "second" }) do
            it("goes on beside it, which comes " .. order, function()
                local secure = assert(groove.sandbox({ tls = true }))
                finally(function() secure:stop() end)
                local statuses, said = child.run("second_curl", secure:options(), { order })
                assert.same({ 0 }, statuses, said)
                local _, good = said:gsub(": yes\n", "")
                assert.equal(order == "first" and 20 or 18, good, said)
                assert.is_nil(said:find(": no\n", 1, true), said)
            end)
        end
    end)
end)

-- What a host may do that it should not, or that nobody thinks of: every case has one outcome.

local cjson = require("cjson")
local core = require("groove.core")
local calls = require("groove.call")
local errors = require("groove.errors")
local events = require("groove.events")
local groove = require("groove")
local api = require("spec.support.api")
local child = require("spec.support.child")
local support = require("spec.support.calls")
local descriptor = require("spec.support.descriptor")
local service = require("spec.support.service")
local shell = require("spec.support.shell")

local LONG = 20

-- What is repeated only to meet a race is repeated less where it takes much longer.
local TIMES = os.getenv("GROOVE_SANITIZER") and 3 or 10

local owner, finished, dispatch_all = support.owner, support.finished, support.dispatch_all

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

    describe("that lets answers fail", function()
        it("gets their memory back at once, without the garbage collector", function()
            if os.getenv("GROOVE_SANITIZER") then
                return pending("a sanitizer keeps freed memory")
            end
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
            -- glibc may keep what has been freed of several such answers, though not of twenty
            for _ = 1, 20 do try() end
            assert.is_true(resident() - before < 120000000)
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

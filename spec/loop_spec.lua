-- Calls in a host's loop: dispatch and its budget, the descriptor, calls that have something in
-- common, and connections. Without a thread first, as one that runs stays.

local cjson = require("cjson")
local core = require("groove.core")
local groove = require("groove")
local api = require("spec.support.api")
local descriptor = require("spec.support.descriptor")
local service = require("spec.support.service")

local LONG = 20

local function all_done(calls)
    return function()
        for _, call in ipairs(calls) do
            if not call:done() then return false end
        end
        return true
    end
end

-- Waits until the answers have arrived, without looking at one.
local function answers_of(calls)
    for _, call in ipairs(calls) do
        assert(call._op:wait(LONG), "no answer")
    end
end

local function searches(client, count)
    local calls = {}
    for i = 1, count do
        calls[i] = client.async:search("love", { max_items = (i - 1) % 20 + 1 })
    end
    return calls
end

-- A decoder that takes a while, and counts.
local function slow_json(seconds)
    local json = { encode = cjson.encode, null = cjson.null, decoded = 0 }
    function json.decode(text)
        local until_ = core.now() + seconds
        while core.now() < until_ do end
        json.decoded = json.decoded + 1
        return cjson.decode(text)
    end
    return json
end

-- Requests of the API that the sandbox has seen since `number`, the latest one's before.
local function seen_since(sandbox, number)
    local seen = {}
    for _, entry in ipairs((sandbox:log())) do
        if entry.on == "api" and entry.number > number then
            seen[#seen + 1] = entry
        end
    end
    return seen
end

local function last_number(sandbox)
    local log = sandbox:log()
    return #log > 0 and log[#log].number or 0
end

-- How many connections some requests came over, and a set of them.
local function connections_of(entries, protocol)
    local set, count = {}, 0
    for _, entry in ipairs(entries) do
        assert.equal(protocol, entry.protocol)
        count = count + (set[entry.connection] and 0 or 1)
        set[entry.connection] = true
    end
    return count, set
end

local function threads()
    local pipe = assert(io.popen("ls /proc/$PPID/task | wc -l"))
    local count = tonumber(pipe:read("*l"))
    pipe:close()
    return count
end

local threads_before = threads()

-- Everything that is the same with the engine's thread and without.
local function loop_tests(thread)
    local sandbox, keeper
    local fault_of, clear_faults = service.faults(function() return sandbox end)

    local function new_client(more)
        local options = { thread = thread, params = { test = tostring(thread) } }
        for name, value in pairs(more or {}) do options[name] = value end
        local client = assert(sandbox:client(options))
        assert(client:token())
        return client
    end

    local function new_source(more)
        local options = service.options(sandbox, more)
        options.thread = thread
        return assert(groove.token_source(options))
    end

    setup(function()
        groove.shutdown()
        -- As long as this is open, and all others say so too, no thread starts.
        keeper = assert(groove.token_source({ token_url = "http://127.0.0.1:1/", thread = thread,
            renew = false }))
        sandbox = assert(groove.sandbox())
    end)

    teardown(function()
        sandbox:stop()
        keeper:close()
        groove.dispatch(1)
    end)

    before_each(function() groove.dispatch(LONG) end)
    after_each(clear_faults)

    it("has a thread, or has none", function()
        local client = new_client()
        assert.equal(thread, threads() > threads_before)
        client:close()
    end)

    describe("a call", function()
        it("goes on when a wait is over", function()
            local client = new_client()
            local before = last_number(sandbox)
            fault_of({ on = "api", delay = 0.5, times = 1 })
            local call = client.async:search("love")
            local page, err = call:wait(0.01)
            assert.is_nil(page)
            assert.equal("pending", err.kind)
            assert.equal("pending", select(2, call:result()).kind)
            assert.is_table((call:wait()))
            assert.is_table((call:result()))
            assert.equal(1, #seen_since(sandbox, before))
            client:close()
        end)

        it("is brought to its end by done alone", function()
            local client = new_client()
            local call = client.async:search("love")
            local deadline = core.now() + LONG
            while not call:done() do
                assert(core.now() < deadline)
            end
            assert.is_table((call:result()))
            client:close()
        end)

        it("runs its callback once, when its answer comes after it was cancelled", function()
            local client = new_client()
            local calls, heard = searches(client, 3), {}
            for i, call in ipairs(calls) do
                call:on_done(function(_, err) heard[#heard + 1] = { i, err and err.kind } end)
            end
            answers_of(calls)
            assert.is_true(calls[2]:cancel())
            assert.same({}, heard)
            service.dispatch_until(function() return #heard == 3 end)
            groove.dispatch(0.05)
            assert.equal(3, #heard)
            table.sort(heard, function(a, b) return a[1] < b[1] end)
            assert.same({ { 1 }, { 2, "cancelled" }, { 3 } }, heard)
            client:close()
        end)

        it("sends nothing more once it is cancelled", function()
            fault_of({ on = "token", delay = 0.05 })
            local client = assert(sandbox:client({ thread = thread,
                params = { test = "cancelled", thread = tostring(thread) } }))
            local before = last_number(sandbox)
            local call = client.async:send({ method = "POST", path = "/1/content/x", body = "{}" })
            answers_of({ call }) -- the token is there, but nobody has looked
            assert.is_true(call:cancel())
            client:search("love")
            assert.equal(1, #seen_since(sandbox, before))
            client:close()
        end)
    end)

    describe("callers that wait for the same token", function()
        -- Three of them, one by a client; what each has heard at last.
        local function three(act, timeouts)
            fault_of({ on = "token", delay = 0.2, times = 1 })
            local options = service.options(sandbox, { thread = thread })
            local source = assert(groove.token_source(options))
            local client = assert(groove.new({ api_url = sandbox.api_url, source = source }))
            local calls, heard = {}, {}
            for i, owner in ipairs({ source, client, source }) do
                calls[i] = owner.async:token({ timeout = timeouts and timeouts[i] or LONG })
                calls[i]:on_done(function(token, err) heard[i] = token and "token" or err.kind end)
            end
            act(calls, options)
            service.dispatch_until(function() return heard[1] and heard[2] and heard[3] end)
            assert.equal(1, source:info().counts.requests)
            client:close()
            source:close()
            return heard
        end

        local function all_but(i, what)
            local expected = { "token", "token", "token" }
            expected[i] = what
            return expected
        end

        it("are not disturbed when one of them is cancelled", function()
            for i = 1, 3 do
                assert.same(all_but(i, "cancelled"), three(function(calls)
                    assert.is_true(calls[i]:cancel())
                end))
            end
        end)

        it("are not disturbed by another's deadline", function()
            for i = 1, 3 do
                assert.same(all_but(i, "timeout"), three(function() end, { [i] = 0.02 }))
            end
        end)

        it("are not disturbed when another handle of the source is closed", function()
            assert.same(all_but(1, "token"), three(function(_, options)
                local other = assert(groove.token_source(options))
                local call = other.async:token()
                other:close()
                assert.equal("cancelled", select(2, call:result()).kind)
            end))
        end)
    end)

    describe("callers of the API", function()
        it("are not disturbed by another's cancellation or deadline", function()
            local client = new_client()
            fault_of({ on = "api", delay = 1 })
            local calls = searches(client, 3)
            calls[4] = client.async:search("love", { timeout = 0.05 })
            service.dispatch_until(function() return calls[4]:done() end)
            assert.is_true(calls[1]:cancel())
            service.dispatch_until(all_done(calls))
            assert.equal("cancelled", select(2, calls[1]:result()).kind)
            assert.equal("timeout", select(2, calls[4]:result()).kind)
            for i = 2, 3 do
                assert.equal(i, #assert(calls[i]:result()).Tracks.Items)
            end
            client:close()
        end)
    end)

    describe("dispatch", function()
        local COUNT = 50

        -- Finished calls, each with a callback, and nothing decoded.
        local function finished_calls(seconds)
            local json = slow_json(seconds)
            local client = new_client({ json = json })
            local calls, heard = searches(client, COUNT), {}
            for i, call in ipairs(calls) do
                call:on_done(function(page) heard[i] = (heard[i] or 0) + #page.Tracks.Items end)
            end
            answers_of(calls)
            assert.equal(0, json.decoded)
            return client, json, heard
        end

        local function assert_heard(heard)
            for i = 1, COUNT do
                assert.equal((i - 1) % 20 + 1, heard[i])
            end
        end

        it("decodes within its budget, and leaves the rest for later", function()
            local client, json, heard = finished_calls(0.001)
            local total, turns = 0, 0
            repeat
                local before = json.decoded
                local run, more = groove.dispatch(0.005)
                turns, total = turns + 1, total + run
                assert.is_true(json.decoded - before <= 5)
                assert.is_true(json.decoded > before or run > 0)
                assert.equal(more, total < COUNT)
            until not more
            assert.equal(COUNT, total)
            assert.equal(COUNT, json.decoded)
            assert.is_true(turns >= COUNT / 5)
            assert_heard(heard)
            client:close()
        end)

        it("does one thing at least, however short its time", function()
            local client, json, heard = finished_calls(0)
            local done, turns = 0, 0
            repeat
                local before = json.decoded
                local run, more = groove.dispatch(0)
                turns = turns + 1
                -- an answer decoded, or a callback run
                assert.equal(1, run + json.decoded - before)
                done = done + run
            until not more
            assert.equal(COUNT, done)
            assert.equal(2 * COUNT, turns)
            assert_heard(heard)
            client:close()
        end)

        it("does all there is where it has the time", function()
            local client, json, heard = finished_calls(0)
            assert.same({ COUNT, false }, { groove.dispatch(LONG) })
            assert.equal(COUNT, json.decoded)
            assert_heard(heard)
            assert.same({ 0, false }, { groove.dispatch(0) })
            client:close()
        end)

        it("gets to everybody, also beside callbacks that beget callbacks", function()
            local client, heard, turns = new_client(), false, 0
            local spinner = client.async:search("night")
            assert(spinner:wait())
            local function spin()
                turns = turns + 1
                if not heard then spinner:on_done(spin) end
            end
            spin()
            client.async:search("love"):on_done(function(page) heard = page ~= nil end)
            local deadline = core.now() + LONG
            while not heard do
                assert(core.now() < deadline)
                groove.dispatch()
            end
            groove.dispatch(LONG)
            assert.is_true(turns > 1)
            client:close()
        end)

        it("takes any number of seconds", function()
            for _, seconds in ipairs({ -1, -math.huge, math.huge, 1e300, 0 }) do
                assert.same({ 0, false }, { groove.dispatch(seconds) })
            end
            assert.equal("groove.dispatch: seconds must be a number, got NaN",
                (api.raised(groove.dispatch, 0 / 0)))
            local client = new_client()
            for _, seconds in ipairs({ -1, -math.huge, 0 }) do
                fault_of({ on = "api", delay = 1, times = 1 })
                local call = client.async:search("love")
                assert.equal("pending", select(2, call:wait(seconds)).kind)
                call:cancel()
            end
            clear_faults()
            for _, seconds in ipairs({ 1e300, math.huge }) do
                assert.is_table((client.async:search("love"):wait(seconds)))
            end
            client:close()
        end)

        it("does not wait for what is under way", function()
            local client = new_client()
            fault_of({ on = "api", delay = 3 })
            local calls = searches(client, 5)
            assert.same({ 0, false }, { groove.dispatch(LONG) })
            for _, call in ipairs(calls) do assert.is_false(call:done()) end
            for _, call in ipairs(calls) do call:cancel() end
            client:close()
        end)

        it("counts events, too", function()
            local seen = {}
            local source = new_source({ renew = false,
                on_event = function(event) seen[#seen + 1] = event.type end })
            assert(source:adopt("loop-token", 3600, 0))
            assert(source:invalidate("loop-token"))
            assert.same({ 1, false }, { groove.dispatch(LONG) })
            assert.same({ "invalidated" }, seen)
            source:close()
        end)
    end)

    describe("the descriptor", function()
        local readable = descriptor.readable

        local function becomes_readable(fd)
            return service.eventually(function() return readable(fd) end, LONG)
        end

        -- Without a thread it is readable for what the engine has to do, too.
        local function becomes_idle(fd)
            return service.eventually(function()
                groove.dispatch(LONG)
                return not readable(fd)
            end, LONG)
        end

        it("is one number", function()
            local fd = groove.fd()
            assert.equal("number", type(fd))
            assert.equal(0, fd % 1)
            assert.equal(fd, groove.fd())
        end)

        if not descriptor.available then
            return pending("needs luv, or LuaJIT: is readable while there is work")
        end

        it("is readable from when there is something to do until it is done", function()
            local fd, client, heard = groove.fd(), new_client(), 0
            assert.is_true(becomes_idle(fd))
            for _, call in ipairs(searches(client, 4)) do
                call:on_done(function() heard = heard + 1 end)
            end
            while heard < 4 do
                assert.is_true(becomes_readable(fd))
                repeat
                    assert.is_true(readable(fd))
                    local _, more = groove.dispatch(0)
                until not more
            end
            assert.is_true(becomes_idle(fd))
            client:close()
        end)

        it("is readable where a callback comes late, or a call is cancelled", function()
            local fd, client, heard = groove.fd(), new_client(), {}
            local function hear(value, err) heard[#heard + 1] = value and "page" or err.kind end
            local call = client.async:search("love")
            call:wait()
            assert.is_true(becomes_idle(fd))
            call:on_done(hear)
            assert.is_true(readable(fd))
            assert.is_true(becomes_idle(fd))
            client.async:search("love"):on_done(hear):cancel()
            assert.is_true(readable(fd))
            assert.is_true(becomes_idle(fd))
            assert.same({ "page", "cancelled" }, heard)
            client:close()
        end)

        it("is readable for a call without a callback, and for an event", function()
            local fd, client, seen = groove.fd(), new_client(), 0
            assert.is_true(becomes_idle(fd))
            local call = client.async:search("love")
            call._op:wait(LONG)
            assert.is_true(readable(fd))
            assert.is_true(becomes_idle(fd))
            assert.is_true(call:done())
            local source = new_source({ renew = false, on_event = function() seen = seen + 1 end })
            assert(source:adopt("loop-token", 3600, 0))
            assert(source:invalidate("loop-token"))
            assert.is_true(readable(fd))
            assert.is_true(becomes_idle(fd))
            assert.equal(1, seen)
            source:close()
            client:close()
        end)
    end)

    describe("suspend", function()
        -- Ten coroutines at once, resumed by a host that knows of nothing but a loop.
        it("lets coroutines wait side by side", function()
            fault_of({ on = "api", delay = 0.5 })
            local own = new_client()
            local client = own:with({ suspend = function(_, seconds) coroutine.yield(seconds) end })
            local before, tasks, pages = last_number(sandbox), {}, {}
            for i = 1, 10 do
                tasks[i] = coroutine.create(function()
                    pages[i] = client:search("love", { max_items = i })
                end)
            end
            local deadline, running = core.now() + LONG, #tasks
            while running > 0 do
                assert(core.now() < deadline)
                running = 0
                for _, task in ipairs(tasks) do
                    if coroutine.status(task) ~= "dead" then
                        assert(coroutine.resume(task))
                        running = running + 1
                    end
                end
                groove.dispatch()
                service.pause(0.001)
            end
            for i = 1, 10 do
                assert.equal(i, #pages[i].Tracks.Items)
            end
            -- all were on their way before the first was answered
            local seen = seen_since(sandbox, before)
            assert.equal(10, #seen)
            assert.equal(10, (connections_of(seen, "HTTP/1.1")))
            own:close()
        end)
    end)
end

describe("without a thread:", function() loop_tests(false) end)
describe("with the engine's thread:", function() loop_tests(true) end)

-- --- connections ---------------------------------------------------------------------------------

describe("calls in flight", function()
    local COUNT, DELAY = 30, 1
    local sandbox, client, ids
    local fault_of, clear_faults = service.faults(function() return sandbox end)

    local function begin(options)
        sandbox = assert(groove.sandbox(options))
        client = assert(sandbox:client())
        ids = {}
        for i, item in ipairs(client:collect("Tracks", client:search("a"), { limit = COUNT })) do
            ids[i] = item.Id
        end
        assert.equal(COUNT, #ids)
        groove.shutdown() -- no connection is left
        assert(client:token())
    end

    local function stop()
        clear_faults()
        client:close()
        sandbox:stop()
    end

    local function lookups(opts)
        local calls = {}
        for i, id in ipairs(ids) do calls[i] = client.async:lookup(id, opts) end
        return calls
    end

    local function assert_answers(calls, except)
        service.dispatch_until(all_done(calls))
        for i, call in ipairs(calls) do
            local page, err = call:result()
            if except and except[i] then
                assert.equal(except[i], err.kind)
            else
                assert.is_nil(err)
                assert.equal(ids[i], page.Tracks.Items[1].Id)
            end
        end
    end

    local function assert_at_once(entries)
        for _, entry in ipairs(entries) do
            assert.is_true(entry.time - entries[1].time < DELAY)
        end
    end

    describe("over HTTP/2", function()
        setup(function() begin({ tls = true }) end)
        teardown(stop)
        after_each(clear_faults)

        local function one_connection(count)
            local before = last_number(sandbox)
            assert_answers(lookups())
            local seen = seen_since(sandbox, before)
            assert.equal(count, #seen)
            assert.equal(1, (connections_of(seen, "HTTP/2.0")))
            return seen
        end

        it("share one connection, which is not there yet", function()
            groove.shutdown()
            one_connection(COUNT)
        end)

        it("share it, all at once", function()
            fault_of({ on = "api", delay = DELAY })
            assert_at_once(one_connection(COUNT))
        end)

        it("do not disturb each other by a deadline or a cancellation", function()
            fault_of({ on = "api", delay = DELAY })
            local before = last_number(sandbox)
            local calls = lookups()
            calls[3]:cancel()
            calls[3] = client.async:lookup(ids[3], { timeout = 0.1 })
            calls[7]:cancel()
            service.dispatch_until(function() return calls[3]:done() end)
            calls[1]:cancel()
            assert_answers(calls, { [1] = "cancelled", [3] = "timeout", [7] = "cancelled" })
            assert.equal(1, (connections_of(seen_since(sandbox, before), "HTTP/2.0")))
        end)

        it("do not miss the one that opened the connection", function()
            for _ = 1, 5 do
                groove.shutdown()
                local calls = lookups()
                calls[1]:cancel()
                calls[1] = client.async:lookup(ids[1])
                assert_answers(calls)
            end
        end)

        it("lose no more than the stream that breaks, and repeat that", function()
            for _, close in ipairs({ true, 10 }) do
                fault_of({ on = "api", close = close, times = 1 })
                one_connection(COUNT + 1)
            end
        end)

        it("repeat what was refused or came with an old token", function()
            if os.getenv("GROOVE_COVERAGE") then
                return pending("with a sandbox as slow as it is there, libcurl opens two more")
            end
            fault_of({ on = "api", status = 503, times = 3 })
            one_connection(COUNT + 3)
            fault_of({ on = "api", status = 401, times = 3 })
            local before = last_number(sandbox)
            assert_answers(lookups())
            local seen = seen_since(sandbox, before)
            assert.equal(COUNT + 3, #seen)
            -- The new token is asked for by HTTP/1.1, of the same server here: until the next
            -- connection libcurl believes that the server does not share any.
            assert.is_true((connections_of(seen, "HTTP/2.0")) < 10)
        end)

        it("are apart from POSTs, which have a connection each and are sent once", function()
            local before = last_number(sandbox)
            local calls = lookups()
            for i = 1, 4 do
                calls[COUNT + i] = client.async:send({ method = "POST", body = "{}",
                    path = "/1/content/post/" .. i })
            end
            service.dispatch_until(all_done(calls))
            local posts, gets = {}, {}
            for _, entry in ipairs(seen_since(sandbox, before)) do
                table.insert(entry.method == "POST" and posts or gets, entry)
            end
            assert.equal(4, #posts)
            assert.equal(COUNT, #gets)
            assert.equal(4, (connections_of(posts, "HTTP/2.0")))
            fault_of({ on = "api", close = true, times = 1 })
            before = last_number(sandbox)
            local _, err = client:send({ method = "POST", body = "{}", path = "/1/content/post/5" })
            assert.equal("connection_broken", err.code)
            assert.equal(1, #seen_since(sandbox, before))
        end)
    end)

    describe("over HTTP/1.1", function()
        setup(function() begin() end)
        teardown(stop)
        after_each(clear_faults)

        it("have a connection each, and share them afterwards", function()
            fault_of({ on = "api", delay = DELAY })
            local before = last_number(sandbox)
            assert_answers(lookups())
            local seen = seen_since(sandbox, before)
            assert.equal(COUNT, #seen)
            assert_at_once(seen)
            local count, set = connections_of(seen, "HTTP/1.1")
            assert.equal(COUNT, count)
            clear_faults()
            before = last_number(sandbox)
            assert_answers(lookups())
            for _, entry in ipairs(seen_since(sandbox, before)) do
                assert.is_true(set[entry.connection])
            end
        end)
    end)
end)

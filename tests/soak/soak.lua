-- A program that runs for a long time against services that are never well for long: 50 calls a
-- second in all forms, tokens of two seconds, clients that are closed, dropped and opened anew. At
-- the end every call has to be accounted for, and memory, descriptors and threads have to be what
-- they were after the warm-up.
--
-- usage: lua tests/soak/soak.lua thread|threadless SECONDS SEED
--
-- With "thread" the main loop waits for something of its own, so that the I/O thread does all the
-- work; with "threadless" there is no such thread, and dispatch does it. Speaks TAP.

local core = require("groove.core")
local groove = require("groove")
local ledger = require("tests.soak.ledger")
local shell = require("spec.support.shell")
local trouble = require("tests.soak.trouble")
local vitals = require("tests.soak.vitals")

local mode, seconds, seed = arg[1], tonumber(arg[2]), tonumber(arg[3])
local RATE = 50
local WARM_UP = math.min(15, seconds / 4)
local CLIENTS = 6
-- Seconds that a call may take, unless it is one with a short deadline.
local TIMEOUT = 2
local SECRET = "a secret of the soak +/&="

-- The minimal standard generator: the same numbers on every Lua.
local state = seed % 2147483646 + 1
local function random(n)
    state = state * 16807 % 2147483647
    return n and state % n + 1 or state / 2147483647
end

local function say(text)
    io.write("# ", mode, ": ", text, "\n")
    io.flush()
end

local book, watch = ledger.new(), vitals.new()
local events = {}
local secret_file = os.tmpname()
local services, clients = nil, {}

-- Anew every time: a refused source looks for that.
local function write_secret()
    shell.write(secret_file .. ".new", SECRET)
    assert(os.rename(secret_file .. ".new", secret_file))
end

-- --- clients -------------------------------------------------------------------------------------

local function on_event(event)
    events[event.type] = (events[event.type] or 0) + 1
end

local serial = 0

-- One in three has the identity of the one before it, and so its source.
local function open_client()
    serial = serial + (random(3) == 1 and 0 or 1)
    return assert(services.sandbox:client({
        client_secret_file = secret_file, params = { soak = tostring(serial) }, timeout = TIMEOUT,
        thread = mode == "thread", on_event = on_event,
        auth = serial % 2 == 0 and "post" or "basic",
    }))
end

-- Closed with calls under way, or left to the garbage collector.
local function renew_client(i)
    local old = clients[i]
    clients[i] = open_client()
    if old and random(2) == 1 then
        old:close()
    end
end

-- --- calls ---------------------------------------------------------------------------------------

-- A track of the sandbox's, the same in all of them.
local TRACK = "music.D3040108-0100-11DB-89CA-0019B92A3933"

-- Methods of the API, each with its arguments; GETs and, with a user's token, POSTs.
local METHODS = {
    { "search", "love", { max_items = 10 } }, { "search", "night" }, { "genres" }, { "moods" },
    { "browse", "tracks", { max_items = 25 } }, { "new_releases" },
    { "collection_add", TRACK }, { "profile" },
}

-- A method of a client (`client` or `client.async`), called with a timeout.
local function invoke(face, timeout)
    local method = METHODS[random(#METHODS)]
    local arguments = { method[2], method[3] }
    local opts = { timeout = timeout, user_token = services.user }
    if method[1] == "search" or method[1] == "browse" then
        opts.user_token, opts.max_items = nil, (method[3] or {}).max_items
    end
    if arguments[1] then
        return face[method[1]](face, arguments[1], opts)
    end
    return face[method[1]](face, opts)
end

-- Calls whose outcome is asked for in the main loop.
local polled = {}

local forms = {}

function forms.callback(client)
    local entry = book:start("callback", TIMEOUT)
    invoke(client.async):on_done(function(value, err) book:finish(entry, value, err) end)
end

function forms.polled(client)
    local entry = book:start("polled", TIMEOUT)
    polled[entry] = invoke(client.async)
end

function forms.blocking(client)
    local timeout = 0.3
    local entry = book:start("blocking", timeout)
    book:finish(entry, invoke(client, timeout))
end

function forms.short(client)
    local timeout = 0.001 + 0.03 * random()
    local entry = book:start("short", timeout)
    invoke(client.async, timeout):on_done(function(value, err) book:finish(entry, value, err) end)
end

-- Cancelled at once or a little later, when some of them have ended.
local to_cancel = {}

function forms.cancelled(client)
    local entry = book:start("cancelled", TIMEOUT)
    local call = invoke(client.async):on_done(function(value, err)
        book:finish(entry, value, err, entry.cancelled and "cancelled" or nil)
    end)
    to_cancel[call] = { entry, core.now() + 0.05 * random() * random() }
end

function forms.token(client)
    local entry = book:start("token", 0.2)
    book:finish(entry, client:token({ timeout = 0.2 }))
end

function forms.peek(client)
    local entry = book:start("peek", 0)
    book:finish(entry, client:token({ wait = false }))
end

function forms.waiting(client)
    local entry = book:start("waiting", TIMEOUT)
    client.async:authorization({ timeout = TIMEOUT }):on_done(function(value, err)
        book:finish(entry, value, err)
    end)
end

function forms.refresh(client)
    local entry = book:start("refresh", TIMEOUT)
    client.async:refresh({ timeout = TIMEOUT }):on_done(function(value, err)
        book:finish(entry, value, err)
    end)
end

local MIX = {
    "callback", "callback", "callback", "callback", "callback", "callback", "polled", "polled",
    "blocking", "blocking", "short", "short", "cancelled", "cancelled", "token", "token", "peek",
    "waiting", "waiting", "refresh",
}

local function look_at_polled()
    for entry, call in pairs(polled) do
        if call:done() then
            polled[entry] = nil
            book:finish(entry, call:result())
        end
    end
end

local function cancel_due(now)
    for call, item in pairs(to_cancel) do
        if item[2] <= now then
            to_cancel[call] = nil
            item[1].cancelled = call:cancel()
        end
    end
end

-- --- the main loop -------------------------------------------------------------------------------

local ticker = mode == "thread"
    and assert(io.popen("exec " .. shell.interpreter .. " tests/soak/ticker.lua"))

-- The main loop's own waiting.
local function tick()
    if ticker then
        ticker:read("*l")
    else
        local pause = core.sleep(0.01)
        pause:wait()
    end
end

local function turn()
    local _, more = groove.dispatch(0.005)
    cancel_due(core.now())
    look_at_polled()
    if not more then
        tick()
    end
end

-- A duty of the main loop's, once in so many seconds; what was held up is made up for. It is told
-- how late it is.
local function every(interval, fn)
    local due = core.now() + interval
    return function()
        while core.now() >= due do
            fn(core.now() - due)
            due = due + interval
        end
    end
end

-- What takes the place of a form that blocks, where there is no time for that.
local INSTEAD = { blocking = "callback", token = "waiting" }

local function one_call(late)
    local form = MIX[random(#MIX)]
    form = late > 0.1 and INSTEAD[form] or form
    forms[form](clients[random(CLIENTS)])
end

-- So many at once as come together later, when the main loop was held up for some seconds.
local function burst()
    for _ = 1, 4 * RATE do
        forms.callback(clients[random(CLIENTS)])
    end
end

local function change_of_clients()
    renew_client(random(CLIENTS))
end

-- A sandbox that is gone: not all of its clients at once.
local known_restarts = 0
local function follow_restart()
    if services.restarts ~= known_restarts then
        known_restarts = services.restarts
        for i = 1, CLIENTS, 2 do
            renew_client(i)
        end
    end
end

local function run(from)
    local duties = {
        every(1 / RATE, one_call), every(0.5, change_of_clients), every(1, write_secret),
        every(2, follow_restart), every(1, function() watch:sample() end),
    }
    local now = core.now()
    local said = now
    burst()
    while now < from + seconds do
        services:go_on()
        for _, duty in ipairs(duties) do
            duty()
        end
        turn()
        now = core.now()
        if now - said >= 60 then
            said = now
            say(("%.0f s: %d calls, %d under way, %.0f KiB, Lua %.0f KiB, %d descriptors, "
                .. "%d threads"):format(now - from, book.started, book:under_way(),
                watch:last("memory"), watch:last("lua"), watch:last("descriptors"),
                watch:last("threads")))
        end
    end
end

-- Nothing new; what is under way ends by its deadline.
local function settle()
    services:calm()
    local deadline = core.now() + TIMEOUT + 30
    while book:under_way() > 0 and core.now() < deadline do
        turn()
    end
end

local function close_all()
    for i = 1, CLIENTS do
        clients[i]:close()
    end
    services.sandbox:stop()
    if ticker then
        ticker:close()
    end
    os.remove(secret_file)
end

-- --- the verdict ---------------------------------------------------------------------------------

local tests, failed = 0, 0

local function check(what, good, figures)
    tests = tests + 1
    failed = failed + (good and 0 or 1)
    print(("%s %d - %s: %s%s"):format(good and "ok" or "not ok", tests, mode, what,
        figures and " (" .. figures .. ")" or ""))
end

-- What is used once the module's first client has come and gone.
local function first_use()
    local sandbox = assert(groove.sandbox({ catalogue = 500 }))
    local client = sandbox:client({ thread = mode == "thread" })
    assert(client:search("love"))
    client:close()
    sandbox:stop()
    groove.shutdown()
    return vitals.open_files()
end

say(("seed %d, %g s"):format(seed, seconds))
-- As long as this one is open, there is no thread.
local guard = mode == "threadless"
    and groove.token_source({ token_url = "http://127.0.0.1/", thread = false, renew = false })
local before = first_use()
write_secret()
services = trouble.new(random, SECRET)
for i = 1, CLIENTS do
    renew_client(i)
end
local began = core.now()
run(began)
settle()
close_all()
if guard then
    guard:close()
end
local ended = groove.shutdown(10)
collectgarbage()

book:print(say)
local heard = {}
for name, count in pairs(events) do
    heard[#heard + 1] = name .. " " .. count
end
table.sort(heard)
say("events: " .. table.concat(heard, ", "))

local warm = began + WARM_UP
check("every call ended once", book:balanced())
check("every call ended in time", book:in_time())
check("50 calls a second were made", book.started >= RATE * seconds - 2 * RATE,
    ("%d"):format(book.started))
check("calls succeed between the failures", (book.kinds.ok or 0) >= book.started / 3,
    ("%d of %d"):format(book.kinds.ok or 0, book.started))
check("every kind of trouble was met", services:was_met())
check("tokens were renewed all the time", (events.renewed or 0) >= seconds,
    ("%d times"):format(events.renewed or 0))
check("memory is flat", watch:is_flat("memory", warm, 1024, 6 * 1024))
check("Lua's memory is flat", watch:is_flat("lua", warm, 128, 6 * 128))
-- libcurl keeps up to 64 connections for later; the last check below is exact.
check("descriptors are flat", watch:is_flat("descriptors", warm, 64, 0))
check("threads are flat", watch:most("threads", warm) <= (mode == "thread" and 2 or 1),
    ("%d at most"):format(watch:most("threads", warm)))
check("shut down in time", ended)
local left_open = vitals.left_open(before)
check("no descriptor is left", #left_open == 0, table.concat(left_open, ", "))
check("no thread is left", vitals.threads() == 1)
print("1.." .. tests)
os.exit(failed == 0 and 0 or 1)

-- Run by the specs of hosts that have a loop of their own (spec/support/loop.lua). Everything goes
-- by callbacks, and so by groove.fd() alone: a sign that is missed is a call that fails, or a
-- program that never ends.
--
--     lua5.4 spec/support/loop_host.lua luv|cqueues
--     nvim --headless -u NONE -c 'luafile spec/support/loop_host.lua'
--
-- LOOP_THREAD=no: the loop does the I/O, too. LOOP_RENEWALS: how many to see after the first call;
-- without it many calls are made instead. Prints what happened, a line each.

local groove = require("groove")

local NVIM = rawget(_G, "vim")
local NAME = NVIM and "nvim" or _G.arg[1]
local THREAD = os.getenv("LOOP_THREAD") ~= "no"
local RENEWALS = tonumber(os.getenv("LOOP_RENEWALS"))

-- The loop's turns, counted where the host lets one do so.
local turns = 0

-- Each host: after(seconds, fn); watch(fd, fn), level-triggered; now(); run(); stop().
local hosts = {}

function hosts.libuv(uv)
    local host = { now = function() return uv.hrtime() / 1e9 end }
    local check = uv.new_check()
    check:start(function() turns = turns + 1 end)
    function host.after(seconds, fn)
        local timer = uv.new_timer()
        timer:start(math.ceil(seconds * 1000), 0, function()
            timer:close()
            fn()
        end)
    end
    function host.watch(fd, fn)
        host.poll = uv.new_poll(fd)
        host.poll:start("r", fn)
    end
    function host.run()
        uv.run()
    end
    function host.stop()
        check:close()
        host.poll:close()
    end
    return host
end

function hosts.luv()
    return hosts.libuv(require("luv"))
end

function hosts.nvim()
    local host = hosts.libuv(NVIM.loop)
    function host.run() end -- it does already
    local stop = host.stop
    function host.stop()
        stop()
        NVIM.schedule(function() NVIM.cmd("qa!") end)
    end
    return host
end

function hosts.cqueues()
    local cqueues = require("cqueues")
    local loop, over = cqueues.new(), false
    local host = { now = cqueues.monotime }
    function host.after(seconds, fn)
        loop:wrap(function()
            cqueues.sleep(seconds)
            fn()
        end)
    end
    function host.watch(fd, fn)
        loop:wrap(function()
            while not over do
                cqueues.poll({ pollfd = fd, events = "r" })
                fn()
            end
        end)
    end
    function host.run()
        while not over do
            assert(loop:step())
            turns = turns + 1
        end
    end
    function host.stop() over = true end
    return host
end

local function threads()
    local file = assert(io.open("/proc/self/status"))
    local text = file:read("*a")
    file:close()
    return tonumber(text:match("Threads:%s+(%d+)"))
end

local function say(...)
    io.write(table.concat({ ... }, " "), "\n")
    io.flush()
end

local host = hosts[NAME]()
local at_first = threads()
local renewed, client = 0, nil

local function on_event(event)
    if event.type == "renewed" then
        renewed = renewed + 1
    elseif event.type == "callback_error" then
        error(event.error, 0)
    end
end

-- Under the spec's fault, which holds up the answers of these five.
local function side_by_side(next)
    local left, turns_before = 5, turns
    local function report(name)
        return function(page, err)
            say(name .. ":", page and "found" or err.kind)
            left = left - 1
            if left > 0 then return end
            say("turns meanwhile:", turns - turns_before)
            next()
        end
    end
    for _ = 1, 3 do
        client.async:search("love"):on_done(report("patient"))
    end
    client.async:search("love", { timeout = 0.3 }):on_done(report("impatient"))
    local unwanted = client.async:search("love"):on_done(report("unwanted"))
    host.after(0.1, function() unwanted:cancel() end)
end

-- Each call starts the next of its chain, from its callback.
local function chains(count, links, next)
    local left, failed = count, 0
    local function link(number)
        client.async:search("night"):on_done(function(page, err)
            if not page then
                failed = failed + 1
                say("failed:", tostring(err))
            end
            if number < links then return link(number + 1) end
            left = left - 1
            if left > 0 then return end
            say(count .. " chains:", count * links, "calls,", failed, "failed")
            next()
        end)
    end
    for _ = 1, count do link(1) end
end

-- No calls, until the token has been renewed some times, and a second has passed.
local function idle(next)
    local began, turns_before, renewed_before, cpu_before = host.now(), turns, renewed, os.clock()
    local function look()
        local seconds = host.now() - began
        if seconds < 1 or renewed - renewed_before < (RENEWALS or 0) then
            return host.after(0.25, look)
        end
        say("renewed:", renewed - renewed_before)
        say("turns a second:", ("%.0f"):format((turns - turns_before) / seconds))
        say("busy:", ("%.3f"):format((os.clock() - cpu_before) / seconds))
        next()
    end
    look()
end

local function finish()
    say("threads added:", threads() - at_first)
    client:close()
    say("ended")
    host.stop()
end

local function guarded(fn)
    return function()
        local ok, problem = pcall(fn)
        if not ok then
            say("raised:", tostring(problem))
            os.exit(1)
        end
    end
end

client = assert(groove.new({
    thread = THREAD, on_event = on_event,
    json = NVIM and { decode = NVIM.json.decode, encode = NVIM.json.encode, null = NVIM.NIL },
}))
-- No time at all: one thing is run, and the rest has to keep the descriptor readable.
host.watch(groove.fd(), guarded(function() groove.dispatch(0) end))
host.after(0, guarded(function()
    if RENEWALS then
        return chains(1, 1, function() idle(finish) end)
    end
    side_by_side(function()
        chains(1, 50, function()
            chains(100, 3, function() idle(finish) end)
        end)
    end)
end))
host.run()

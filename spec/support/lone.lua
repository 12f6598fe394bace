-- Run by threadless_spec.lua in a process of its own, which has no thread besides the first until
-- it asks for one. Prints what happened, a line each.

local core = require("groove.core")
local groove = require("groove")
local child = require("spec.support.child")

local suspended = 0

local function options(more)
    more = more or {}
    if more.thread == nil then
        more.thread = false
    end
    return child.options(more)
end

local function source_of(test, on_event)
    return assert(groove.token_source(child.source_options({
        thread = false, params = { test = test }, on_event = on_event,
    })))
end

local function say(what, good)
    print(what .. ": " .. (good and "yes" or "no"))
end

local function threads()
    local pipe = assert(io.popen("ls /proc/$PPID/task | wc -l"))
    local count = pipe:read("*n")
    pipe:close()
    return count
end

local before = threads()
local client = assert(groove.new(options()))
say("blocking", client:search("love"))

local heard
client.async:search("night"):on_done(function(page, err) heard = page and not err end)
say("dispatch", child.dispatch_until(function() return heard end))

local call = client.async:search("love")
local found = call:wait(10)
say("wait", found and call:done())

local first, second = client.async:search("a"), client.async:search("b")
say("several", second:wait(10) and first:wait(10))

local patient = assert(groove.new(options({
    suspend = function()
        suspended = suspended + 1
        groove.dispatch()
    end,
})))
local answered
repeat
    answered = patient:search("love")
until not answered or suspended > 0 -- an answer that comes at once needs no pause
say("suspend", answered)

local source = source_of("lone")
local refreshed
source.async:refresh():on_done(function(token) refreshed = token end)
say("token", child.dispatch_until(function() return refreshed end) and source:peek() == refreshed)

-- With a handler, a call looks for events: without doing I/O for it.
local quick = source_of("quick", function() end)
local asked_until, came = core.now() + 0.3, nil
while core.now() < asked_until do
    came = came or quick:token({ wait = false })
end
say("wait = false", not came and child.dispatch_until(function() return quick:peek() end))

say("descriptor", groove.fd() == groove.fd())
say("alone", threads() == before)

-- One that says nothing gets the thread, at its first use.
local usual = assert(groove.new(options({ scope = "another", thread = true })))
say("not yet", threads() == before)
usual:search("love")
say("thread", threads() > before)
say("still", client:search("love"))

-- Run by hostile_host_spec.lua: a host that closes the descriptor it was lent. Prints what
-- happened, a line each. Argument: "thread" or "alone".

local core = require("groove.core")
local groove = require("groove")
local child = require("spec.support.child")
local descriptor = require("spec.support.descriptor")

local LONG = 15

local function say(what, good)
    print(what .. ": " .. (good and "yes" or "no"))
end

local client = assert(groove.new(child.options({ thread = arg[1] == "thread" })))

local function target(fd)
    local pipe = assert(io.popen("readlink /proc/$PPID/fd/" .. fd))
    local path = pipe:read("*l")
    pipe:close()
    return path or "closed"
end

-- One call after another by dispatch alone.
local function calls_work(count)
    local heard = 0
    local function again(page, err)
        heard = heard + (page and not err and 1 or -100)
        if heard < count then
            client.async:search("love"):on_done(again)
        end
    end
    client.async:search("love"):on_done(again)
    local deadline = core.now() + LONG
    while heard < count and heard >= 0 and core.now() < deadline do
        groove.dispatch()
    end
    return heard == count
end

-- Waits for the descriptor alone, and dispatches when it says so.
local function descriptor_works(fd)
    local heard = false
    client.async:search("love"):on_done(function(page) heard = page ~= nil end)
    local deadline = core.now() + LONG
    while not heard and core.now() < deadline do
        if descriptor.readable(fd) then
            groove.dispatch()
        end
    end
    return heard
end

assert(client:token())
local fd = groove.fd()
say("works before", descriptor_works(fd))
assert(descriptor.close(fd))

-- The number becomes a file of the host's, before groove opens anything.
say("number is taken", descriptor.open("/dev/zero") == fd and target(fd) == "/dev/zero")
say("calls go on", calls_work(3))
say("blocking calls go on", client:search("love"))
local fresh = groove.fd()
say("another descriptor", fresh ~= fd and groove.fd() == fresh)
say("which works", descriptor_works(fresh))

-- The number is free, for groove's own sockets, too.
assert(descriptor.close(fresh))
say("calls go on again", calls_work(3))
groove.shutdown()
say("calls go on anew", calls_work(3))
say("and another", descriptor_works(groove.fd()))

say("the file is untouched", target(fd) == "/dev/zero")
client:close()
collectgarbage()
say("also afterwards", target(fd) == "/dev/zero")

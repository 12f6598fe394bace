-- groove in a cqueues program: coroutines that read like blocking code, and never block each other.
--
--     make && eval "$(make -s env)" && lua5.4 examples/cqueues.lua [--no-thread]
--
-- Needs cqueues (Debian: lua-cqueues); any Lua will do. One coroutine watches groove.fd() for all
-- others; the client's `suspend` says how those wait. With --no-thread the loop does the I/O as
-- well, and the process keeps to one thread, if GROOVE_API_URL and the like name a service (`make
-- sandbox` prints them): a sandbox of the program's own starts one.

local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local groove = require "groove"

-- The program itself; `loop` runs it beside what is always there.
local loop, program, over = cqueues.new(), cqueues.new(), condition.new()
local running = true

-- Runs what has finished, whenever there is something. What one dispatch leaves, for lack of time,
-- keeps the descriptor readable: the other coroutines have their turn in between.
loop:wrap(function()
    while running do
        cqueues.poll({ pollfd = groove.fd(), events = "r" }, over)
        groove.dispatch()
    end
end)

local waiting = {} -- conditions by the call they are for

-- How a coroutine waits: until its call has finished, or for `seconds`, whichever ends first.
local function suspend(call, seconds)
    if not waiting[call] then
        waiting[call] = condition.new()
        call:on_done(function()
            waiting[call]:signal()
            waiting[call] = nil
        end)
    end
    waiting[call]:wait(seconds)
end

local options = {
    suspend = suspend,
    thread = _G.arg[1] ~= "--no-thread",
}
local client = assert(os.getenv("GROOVE_API_URL") and groove.new(options)
    or groove.sandbox({ lifetime = 2 }):client(options))

-- Shows that nothing blocks: whatever the others wait for, it goes on.
local ticks = 0
loop:wrap(function()
    while running do
        cqueues.sleep(0.01)
        ticks = ticks + 1
    end
end)

local function must(value, err)
    if not value then error(tostring(err), 2) end
    return value
end

-- Several at once, each of them two calls that follow one another.
for _, name in ipairs({ "daft punk", "night feather", "wild arcades" }) do
    program:wrap(function()
        local page = must(client:search(name, { filters = { "artists" }, max_items = 1 }))
        local artist = page.Artists.Items[1]
        local details = must(client:lookup(artist.Id, { extras = { "albums" } }))
        for i, album in ipairs(details.Artists.Items[1].Albums.Items) do
            print("album", artist.Name, i, album.Name)
        end
    end)
end

-- One that gives up. The others, who share the client, notice nothing.
program:wrap(function()
    local call = client.async:search("night")
    local page, err = call:wait(0.2)
    if not page and err.kind == "pending" then
        call:cancel()
        page, err = call:result()
    end
    print("impatient", page and "found" or err.kind)
end)

local function renewals()
    return client:info().counts.renewals
end

-- Calls nothing: tokens are renewed all the same.
program:wrap(function()
    local deadline = cqueues.monotime() + 10
    while renewals() < 3 and cqueues.monotime() < deadline do cqueues.sleep(0.1) end
end)

loop:wrap(function()
    assert(program:loop())
    running = false
    over:signal()
end)
assert(loop:loop())

print("renewals", renewals())
print("ticks", ticks)
client:close()

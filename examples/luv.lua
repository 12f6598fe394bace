-- groove in a program made with luv: callbacks, and coroutines that read like blocking code.
--
--     make && eval "$(make -s env)" && lua5.4 examples/luv.lua [--no-thread]
--
-- Needs luv (Debian: lua-luv); any Lua will do. libuv watches groove.fd(), and everything of
-- groove's is run by this loop, in this thread. With --no-thread the loop does the I/O as well, and
-- the process keeps to one thread, if GROOVE_API_URL and the like name a service (`make sandbox`
-- prints them): a sandbox of the program's own starts one.

local groove = require "groove"
local uv = require "luv"

local poll = uv.new_poll(groove.fd())
poll:start("r", function()
    repeat
        local _, more = groove.dispatch()
    until not more
end)

local function resume(thread, ...)
    local ok, problem = coroutine.resume(thread, ...)
    if not ok then error(debug.traceback(thread, tostring(problem)), 0) end
end

-- Lets the loop go on for so many seconds, or until the call has finished.
local function pause(seconds, call)
    local thread, timer = coroutine.running(), uv.new_timer()
    local function wake()
        if timer:is_closing() then return end
        timer:close()
        resume(thread)
    end
    timer:start(math.ceil(seconds * 1000), 0, wake)
    if call then call:on_done(wake) end
    coroutine.yield()
end

local options = {
    suspend = function(call, seconds) pause(seconds, call) end,
    thread = _G.arg[1] ~= "--no-thread",
}
local client = assert(os.getenv("GROOVE_API_URL") and groove.new(options)
    or groove.sandbox({ lifetime = 2 }):client(options))

-- Shows that nothing blocks: whatever the others wait for, it goes on.
local ticks, ticker = 0, uv.new_timer()
ticker:start(10, 10, function() ticks = ticks + 1 end)

local tasks = 0

local function go(task, ...)
    tasks = tasks + 1
    resume(coroutine.create(function(...)
        task(...)
        tasks = tasks - 1
    end), ...)
end

local function must(value, err)
    if not value then error(tostring(err), 2) end
    return value
end

-- Two calls that follow one another.
local function show_albums(name)
    local page = must(client:search(name, { filters = { "artists" }, max_items = 1 }))
    local artist = page.Artists.Items[1]
    local details = must(client:lookup(artist.Id, { extras = { "albums" } }))
    for i, album in ipairs(details.Artists.Items[1].Albums.Items) do
        print("album", artist.Name, i, album.Name)
    end
end

-- Gives up soon. The others, who share the client, notice nothing.
local function be_impatient()
    local call = client.async:search("night")
    local page, err = call:wait(0.2)
    if not page and err.kind == "pending" then
        call:cancel()
        page, err = call:result()
    end
    print("impatient", page and "found" or err.kind)
end

local function renewals()
    return client:info().counts.renewals
end

-- The last task: ends the program after the others, and some renewals, which need no call.
local function finish()
    local deadline = uv.now() + 10000
    while tasks > 1 or renewals() < 3 and uv.now() < deadline do pause(0.1) end
    ticker:close()
    poll:close()
end

go(show_albums, "daft punk")
go(show_albums, "night feather")
go(show_albums, "wild arcades")
go(be_impatient)
client.async:search("wild"):on_done(function(page, err) -- and without a coroutine
    print("callback", page and "found" or err.code)
end)
go(finish)
uv.run()

print("renewals", renewals())
print("ticks", ticks)
client:close()

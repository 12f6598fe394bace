-- A catalogue browser for LÖVE 11 in which no frame waits for the network: calls return at once,
-- groove.dispatch() hands over what has come, once a frame, and the tokens are renewed meanwhile.
--
--     make LUA=jit && eval "$(make -s env LUA=jit)"
--     love examples/love                          the keys are at the bottom of the window
--     love examples/love --headless --tour 10     no window: browses by itself for 10 seconds
--
-- LÖVE runs LuaJIT and takes that build. It looks in its own folders first and then along
-- package.path and package.cpath, so an installed groove is found, and so is one within the game's
-- folder (groove/*.lua, groove/core.so); a .love file can hold the Lua files only.
-- Every thread of LÖVE's may use groove, each with a client of its own (worker.lua).
-- LÖVE has no JSON: lua-cjson is used where it is found, else give another that decodes, such as
-- rxi's json.lua: groove.new{ json = { decode = json.decode, encode = json.encode } }.

-- luacheck: globals love

local groove = require "groove"
local browser = require "browser"

local FRAME = 1 / 60
local HELP = "type: search   up, down: select   page down: more   return: album   tab: artist   "
    .. "escape: back, quit"

local query = "night"
local headless, tour_seconds
local frames = { count = 0, dropped = 0, longest_dispatch = 0 }
local sandbox, client
local worker, queries, sums
local sum -- the latest that the worker has found

-- The stand-in service on this machine, unless the environment names another. As texts, because
-- the worker gets them too, and Lua states share nothing else.
local function options()
    if os.getenv("GROOVE_API_URL") then return {} end
    sandbox = assert(groove.sandbox())
    local all, texts = sandbox:options(), {}
    for _, name in ipairs({ "token_url", "api_url", "client_id", "client_secret", "scope" }) do
        texts[name] = all[name]
    end
    return texts
end

local function search()
    browser.search(query)
    queries:push(query)
end

local function read(words)
    for i, word in ipairs(words) do
        headless = headless or word == "--headless"
        if word == "--tour" then tour_seconds = tonumber(words[i + 1]) end
    end
    tour_seconds = tour_seconds or headless and 10
end

function love.load(words)
    read(words)
    local given = options()
    client = assert(groove.new(given))
    browser.start(client)
    worker = love.thread.newThread("worker.lua")
    queries, sums = love.thread.newChannel(), love.thread.newChannel()
    worker:start(given, queries, sums)
    search()
end

-- --- keys ----------------------------------------------------------------------------------------

local function leave()
    love.event.quit(browser.failed == 0 and 0 or 1)
end

local function back()
    if browser.view and browser.view.parent then
        browser.back()
    else
        leave()
    end
end

local function erase()
    query = query:gsub("[^\128-\191][\128-\191]*$", "")
    if query ~= "" then search() end
end

local KEYS = {
    up = function() browser.move(-1) end,
    down = function() browser.move(1) end,
    pagedown = browser.more,
    ["return"] = function() browser.open("album") end,
    tab = function() browser.open("artist") end,
    backspace = erase,
    escape = back,
}

function love.keypressed(key)
    if KEYS[key] then KEYS[key]() end
end

function love.textinput(text)
    query = query .. text
    search()
end

-- What somebody would press, at most ten keys a second, until the time is over.
local TOUR = { "pagedown", "pagedown", "return", "escape", "down", "tab", "escape", "pagedown" }
local KEY_PAUSE = 0.1
local toured, next_key, tour_end = 0, 0, nil

local function tour(now)
    tour_end = tour_end or now + tour_seconds
    if now >= tour_end then
        leave()
    elseif now >= next_key and browser.view and not browser.busy() then
        love.keypressed(TOUR[toured % #TOUR + 1])
        toured, next_key = toured + 1, now + KEY_PAUSE
    end
end

-- --- frames --------------------------------------------------------------------------------------

local frame_began

local function dispatch()
    groove.dispatch()
    local took = love.timer.getTime() - frame_began
    frames.longest_dispatch = math.max(frames.longest_dispatch, took)
end

-- Late is what has worked for longer than a frame lasts; LÖVE waits for the screen after this.
local function end_frame()
    local worked = love.timer.getTime() - frame_began
    frames.count = frames.count + 1
    if worked > FRAME then frames.dropped = frames.dropped + 1 end
    if headless then love.timer.sleep(math.max(0, FRAME - worked)) end
end

function love.update()
    frame_began = love.timer.getTime()
    dispatch()
    sum = sums:pop() or sum
    if tour_seconds then tour(frame_began) end
    if headless then end_frame() end
end

local ROW, TOP, LEFT = 20, 60, 12

local function draw_row(item, row, selected)
    local artist = item.Artists and item.Artists[1] and item.Artists[1].Artist
    love.graphics.setColor(1, 1, selected and 0.4 or 1)
    love.graphics.print(item.Name, LEFT, TOP + row * ROW)
    love.graphics.print(artist and artist.Name or "", LEFT + 300, TOP + row * ROW)
    love.graphics.print(item.Duration or "", LEFT + 560, TOP + row * ROW)
end

local function draw_view(view)
    local rows = math.max(1, math.floor((love.graphics.getHeight() - TOP - 2 * ROW) / ROW))
    local first = math.max(1, view.selected - rows + 1)
    love.graphics.print(view.title, LEFT, 32)
    for i = first, math.min(#view.items, first + rows - 1) do
        draw_row(view.items[i], i - first, i == view.selected)
    end
end

local function sum_line()
    if not sum then return "" end
    if sum.problem then return sum.problem end
    return ("%d tracks with %q, %.1f hours"):format(sum.tracks, sum.query, sum.seconds / 3600)
end

function love.draw()
    love.graphics.setColor(1, 1, 1)
    local status = ("search: %s_   %s   %s"):format(query, sum_line(), browser.message)
    love.graphics.print(status, LEFT, 8)
    if browser.view then draw_view(browser.view) end
    love.graphics.setColor(0.6, 0.6, 0.6)
    love.graphics.print(HELP, LEFT, love.graphics.getHeight() - ROW)
    end_frame()
end

-- --- the end -------------------------------------------------------------------------------------

local function summary()
    local counts = client:info().counts
    print(("frames            %d, %d dropped"):format(frames.count, frames.dropped))
    print(("longest dispatch  %.2f ms"):format(frames.longest_dispatch * 1000))
    print(("items seen        %d, %d calls failed"):format(browser.seen, browser.failed))
    print(("by the thread     %s"):format(sum_line()))
    print(("token requests    %d by both Lua states together, %d of them renewals")
        :format(counts.requests, math.max(0, counts.renewals - 1)))
    if browser.problem then print("the first problem " .. browser.problem) end
end

function love.quit()
    queries:push(false)
    worker:wait()
    while sums:getCount() > 0 do sum = sums:pop() end
    summary()
    client:close()
    if sandbox then sandbox:stop() end
end

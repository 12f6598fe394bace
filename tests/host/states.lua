-- What the states of test_states.c do: token service, API, and an API that does not answer.
local token_url, api_url, mute_url = ...
local groove = require("groove")

local M = {}

local events = 0

local function on_event()
    events = events + 1
end

-- Sources of the same path are one.
local function source_options(path)
    return {
        token_url = token_url .. "/" .. (path or "shared"),
        client_id = "states", client_secret = "states' own", on_event = on_event,
    }
end

local function new_client(url)
    local options = source_options()
    options.api_url = url
    return assert(groove.new(options))
end

-- Kept until the state is closed.
local source = assert(groove.token_source(source_options()))
local client = new_client(api_url)

local function check_page(page, err)
    assert(page, tostring(err))
    assert(page.Artists.Items[1].Name == "nobody")
end

local function dispatch_until(condition)
    local deadline = os.time() + 60
    while not condition() do
        groove.dispatch()
        assert(os.time() < deadline, "nothing more happens")
    end
end

function M.token()
    local token = assert(source:token())
    assert(token == source.async:token():wait())
    return tonumber(token:match("^token%-(%d+)$"))
end

function M.renew()
    return tonumber(assert(source:refresh()):match("^token%-(%d+)$"))
end

-- A token of an identity of its own, begun and left.
local begun

function M.begin()
    begun = groove.token_source(source_options("begun")).async:token()
end

function M.finish()
    return tonumber(assert(begun:wait()):match("^token%-(%d+)$"))
end

function M.origin()
    return source:info().origin == "inherited" and 1 or 0
end

-- One connection is enough for this one.
function M.ask()
    check_page(client:search("x"))
end

function M.search()
    local finished = 0
    for _ = 1, 3 do
        client.async:search("x"):on_done(function(page, err)
            check_page(page, err)
            finished = finished + 1
        end)
    end
    check_page(client:search("y"))
    dispatch_until(function() return finished == 3 end)
end

function M.sandbox()
    local sandbox = assert(groove.sandbox({ in_process = true }))
    local page = assert(sandbox:client():search("daft punk"))
    assert(page.Artists.Items[1].Name)
    sandbox:stop()
end

function M.event()
    local own = assert(groove.token_source(source_options("own")))
    assert(own:refresh())
    dispatch_until(function() return events > 0 end)
end

-- Calls that are under way when the state is closed.
local left = {}
M.left = left

function M.leave(count)
    local mute = new_client(mute_url)
    assert(mute:token())
    for i = 1, count do
        left[i] = mute.async:search("z")
    end
    left.own = groove.token_source(source_options("left")).async:token()
end

-- A client that is collected with calls under way: they live on, to their end, and then it is gone.
local collected = setmetatable({}, { __mode = "v" })
local heard = 0

function M.collect(count)
    local lost = new_client(mute_url)
    collected[1] = lost
    assert(lost:token())
    for _ = 1, count do
        lost.async:search("z"):on_done(function() heard = heard + 1 end)
    end
    lost = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
end

function M.collected(count)
    dispatch_until(function() return heard == count end)
    collectgarbage()
    collectgarbage()
    return collected[1] == nil and 1 or 0
end

return M

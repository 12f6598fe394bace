-- What test_starve.c runs while calls of the core fail: a bit of everything. Each step brings what
-- is right, or an error of a known kind, or raises for want of memory.
local token_url, api_url = ...
local groove = require("groove")

local M = {}

-- What may be told while something is missing.
local known = {}
for code in ([[out_of_memory out_of_resources transfer_failed connect_failed resolve_failed
    connect_timeout timeout connection_broken cancelled]]):gmatch("%S+") do
    known[code] = true
end

-- One of our own, as the test counts what is the core's.
local json = { encode = tostring, null = false }

function json.decode(text)
    return { Artists = { Items = { { Name = assert(text:match('"Name":"(%a+)"')) } } } }
end

local opened = {}

-- The first result; nil where something was missing.
local function try(fn, ...)
    local ok, value, err = pcall(fn, ...)
    if not ok then
        assert(tostring(value):find("not enough memory"), value)
        return nil
    end
    if value == nil and err ~= nil then
        assert(type(err) == "table" and known[err.code], tostring(err))
        assert(not tostring(err):find("marker"))
    end
    return value
end

local function open(make, options)
    local made = try(make, options)
    opened[#opened + 1] = made
    return made
end

local function options(more)
    local out = {
        token_url = token_url, client_id = "starved", client_secret = "marker of a secret",
        scope = "a scope", params = { audience = "x" }, headers = { ["X-Test"] = "y" },
        origin = api_url, timeout = 0.3,
    }
    for name, value in pairs(more) do
        out[name] = value
    end
    return out
end

local function ask(source)
    local token = try(source.token, source)
    try(source.refresh, source)
    try(source.authorization, source)
    local request = { headers = { Accept = "a" }, timeout = 0.3 }
    local answer = try(source.fetch, source, "/things", request)
    assert(answer == nil or answer.status == 200)
    local call = try(function() return source.async:token() end)
    if call then
        try(call.wait, call)
    end
    if token then
        source:invalidate(token)
    end
    source:adopt("theirs", 100)
    assert(source:info().state)
end

local function search(client)
    local page = try(client.search, client, "x", { timeout = 0.3 })
    assert(page == nil or page.Artists.Items[1].Name == "nobody")
    local ended
    local call = try(function() return client.async:search("y", { timeout = 0.3 }) end)
    if not call then
        return
    end
    call:on_done(function(answer, err)
        ended = true
        try(function() return answer, err end)
    end)
    try(groove.fd)
    while not ended do
        try(groove.dispatch, 1)
    end
end

-- Ends what there is.
function M.settle()
    for i = #opened, 1, -1 do
        opened[i]:close()
        opened[i] = nil
    end
    while select(2, groove.dispatch(1)) do end
    collectgarbage()
    collectgarbage()
end

local function run(more)
    local source = open(groove.token_source, options(more))
    local client = open(groove.new, {
        source = source, api_url = api_url, json = json,
        token_url = not source and token_url or nil, client_id = not source and "other" or nil,
        client_secret = not source and "marker" or nil,
    })
    if source then
        ask(source)
    end
    if client then
        search(client)
    end
end

function M.everything()
    run({})
    M.settle()
    return 1
end

-- The same by a host without a thread.
function M.alone()
    run({ thread = false, client_id = "alone" })
    M.settle()
    return 1
end

-- Nothing fails any more.
function M.works()
    local source = assert(groove.token_source(options({ timeout = 10 })))
    assert(source:token())
    assert(source:fetch("/things"))
    source:close()
    return 1
end

return M

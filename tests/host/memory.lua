-- What test_memory.c runs while memory fails: a bit of everything. Whatever goes wrong has to be
-- told as what it is, and what is told to have gone well has to be right.
local token_url, api_url, refusing_url, failing_url = ...
local groove = require("groove")

local M = {}

-- One of our own: lua-cjson does not give back what it holds when memory fails.
local json = { encode = tostring, null = false }

function json.decode(text)
    local name = text:match('"Name":"(%a+)"')
    local code = text:match('"ErrorCode":"([%a_]+)"')
    if code then
        return { Error = { ErrorCode = code, Message = "a message" } }
    end
    assert(name, "no JSON")
    return { Artists = { Items = { { Name = name } }, TotalItemCount = 1 } }
end

local function options(more)
    local out = {
        token_url = token_url, client_id = "memory", client_secret = "memory's own",
        scope = "a scope", params = { audience = "x" }, headers = { ["X-Test"] = "y" },
    }
    for name, value in pairs(more) do
        out[name] = value
    end
    return out
end

local function expect(pattern, problem)
    problem = tostring(problem)
    if not problem:find(pattern) then
        error(problem, 0)
    end
end

-- What has been opened, in case that it is not closed.
local opened = {}

local function open(make, ...)
    local made = assert(make(...))
    opened[#opened + 1] = made
    return made
end

local function raises(pattern, fn, ...)
    local ok, problem = pcall(fn, ...)
    assert(not ok, "no error was raised")
    expect(pattern, problem)
end

local function check_page(page, err)
    assert(page, tostring(err))
    assert(page.Artists.Items[1].Name == "nobody")
end

local function dispatch_until(condition)
    while not condition() do
        groove.dispatch(1)
    end
end

local function tokens(source, events)
    assert(source:token():find("^token%-%d+$"))
    local fresh = assert(source:refresh())
    assert(source:token() == fresh)
    local token, err = source.async:token():wait()
    assert(token, tostring(err))
    assert(token == fresh)
    assert(source:authorization() == "Bearer " .. fresh)
    assert(not source:invalidate("another"))
    assert(source:info().state == "ready")
    assert(tostring(source):find("127.0.0.1"))
    dispatch_until(function() return #events > 0 end)
    assert(events[1].type == "renewed" and events[1].source == source)
end

local function fetches(source)
    local answer = assert(source:fetch("/things", { headers = { Accept = "a" } }))
    assert(answer.status == 200 and answer.body:find("nobody"))
    assert(answer.headers["x-one"] == "1, 2")
end

local function searches(client)
    local outcomes = {}
    check_page(client:search("x"))
    for i = 1, 3 do
        client.async:search("x"):on_done(function(page, err)
            check_page(page, err)
            outcomes[i] = true
        end)
    end
    local again = client:with({ language = "en" }).async:search("y")
    dispatch_until(function() return outcomes[1] and outcomes[2] and outcomes[3] end)
    check_page(again:wait())
    local names = {}
    for artist in client:each("Artists", client:search("z")) do
        names[#names + 1] = artist.Name
    end
    assert(#names == 1)
end

local function transports()
    local client = open(groove.new, {
        api_url = api_url, json = json,
        source = groove.static_token(function() return "static", 100 end),
        transport = function(request)
            assert(request.headers.Authorization == "Bearer static")
            return { status = 200, headers = {}, body = '{"Name":"nobody"}' }
        end,
    })
    check_page(client:search("x"))
    client:close()
end

local function failures(client)
    local page, err = client:search("x")
    assert(not page)
    expect("CATALOG_NO_RESULT", err)
    local source = open(groove.token_source, options({ token_url = refusing_url }))
    local token, problem = source:token()
    assert(not token)
    expect("invalid_client", problem)
    source:close()
    raises("token_url", groove.token_source, { token_url = 5 })
    raises("is closed", source.token, source)
    local call = client.async:search("x"):on_done(function() error("planted", 0) end)
    call:wait()
    raises("planted", groove.dispatch)
    client.async:search("y"):cancel()
end

-- Ends what a failure has left behind, and hears what callbacks have raised.
function M.settle()
    for i = #opened, 1, -1 do
        opened[i]:close()
        opened[i] = nil
    end
    local done, _, more
    repeat
        done, _, more = pcall(groove.dispatch, 1)
    until done and not more
    collectgarbage()
    collectgarbage()
end

function M.everything()
    local events = {}
    local own = options({ origin = api_url, on_event = function(event)
        events[#events + 1] = event
    end })
    local source = open(groove.token_source, own)
    local client = open(groove.new, { source = source, api_url = api_url, json = json })
    local failing = open(groove.new, { source = source, api_url = failing_url, json = json })
    assert(groove.fd() >= 0)
    tokens(source, events)
    fetches(source)
    searches(client)
    transports()
    failures(failing)
    client:close()
    failing:close()
    source:close()
    M.settle()
    return 1
end

return M

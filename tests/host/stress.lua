-- What stress.c does with each of its states, in any order: every function takes a random number
-- and leaves things behind for the others.
local long_url, short_url, failing_url, refusing_url, -- token services
    good_api, slow_api, broken_api, mute_api = ...
require("cjson") -- now, and not while somebody forks
local groove = require("groove")

local M = {}

local TOKEN_URLS = { long_url, long_url, short_url, failing_url, refusing_url }
local APIS = { good_api, good_api, slow_api, broken_api, mute_api }
local MANY = 8

local sources, clients, calls = {}, {}, {}

-- --- chance --------------------------------------------------------------------------------------

local state = 1

local function seed(number)
    state = number % 2147483646 + 1
end

-- 1 to n. The minimal standard generator, exact in doubles.
local function random(n)
    state = state * 16807 % 2147483647
    return state % n + 1
end

local function pick(list)
    return list[random(#list)]
end

-- Seconds: for a good part of calls far too few.
local function short_time()
    return random(100) / 2000
end

-- --- what may come out ---------------------------------------------------------------------------

local KINDS = { token = true, api = true, transport = true, timeout = true, cancelled = true,
    pending = true }

local function check(value, err)
    if value ~= nil then
        return value
    elseif type(err) ~= "table" or not KINDS[err.kind] then
        error("neither a value nor an error: " .. tostring(err))
    end
end

-- Handlers raise "planted", and whatever runs them does then.
local function allow(ok, problem, ...)
    if not ok and problem ~= "planted" then
        error(problem, 0)
    end
    return problem, ...
end

local function guard(fn, ...)
    return allow(pcall(fn, ...))
end

local function handler(...)
    if random(6) == 1 then
        error("planted", 0)
    end
    return ...
end

-- --- making --------------------------------------------------------------------------------------

local function source_options(url, identity)
    return {
        token_url = url, client_id = "stress", client_secret = "stress's own",
        params = { identity = identity },
    }
end

local function new_source(url)
    local options = source_options(url, tostring(random(2)))
    options.renew = random(3) > 1
    options.thread = random(4) > 1
    options.origin = pick(APIS)
    options.on_event = random(2) == 1 and handler or nil
    return assert(groove.token_source(options))
end

local function new_client(source, api)
    return assert(groove.new({ source = source, api_url = api, timeout = 10,
        on_event = random(2) == 1 and handler or nil }))
end

-- Keeps a list short; what falls out is closed, or left to the collector.
local function keep(list, thing)
    list[#list + 1] = thing
    if #list > MANY then
        local old = table.remove(list, random(MANY))
        if old.close and random(2) == 1 then
            old:close()
        end
    end
    return thing
end

local function some_source()
    local source = #sources > 0 and pick(sources)
    if not source or source:closed() or random(5) == 1 then
        source = keep(sources, new_source(pick(TOKEN_URLS)))
    end
    return source
end

local function some_client()
    local client = #clients > 0 and pick(clients)
    if not client or client:closed() or client._source:closed() or random(5) == 1 then
        client = keep(clients, new_client(some_source(), pick(APIS)))
    end
    return client
end

-- --- actions -------------------------------------------------------------------------------------

local actions = {}

function actions.token()
    local source = some_source()
    check(guard(source.token, source, { timeout = short_time() }))
end

-- A token must come from a service that works, even if somebody shuts the engine down meanwhile.
function actions.good_token()
    local source = keep(sources, new_source(pick({ long_url, short_url })))
    local token, err
    for _ = 1, 100 do
        token, err = guard(source.token, source)
        if type(token) == "string" and token:find("^token%-%d+$") then
            return
        elseif token ~= "planted" then
            assert(err.kind == "cancelled", tostring(err))
        end
    end
    error("no token: " .. tostring(err))
end

function actions.search()
    local client = some_client()
    check(guard(client.search, client:with({ timeout = short_time() }), "x"))
end

function actions.fetch()
    local source = some_source()
    check(guard(source.fetch, source, "/x", { timeout = short_time() }))
end

function actions.start()
    for _ = 1, random(6) do
        local call
        local what = random(5)
        if what == 1 then
            call = some_source().async:token({ timeout = short_time() })
        elseif what == 2 then
            call = some_source().async:refresh()
        elseif what == 3 then
            call = some_source().async:fetch("/y", { timeout = short_time() })
        else
            call = some_client().async:search("z")
        end
        if random(2) == 1 then
            call:on_done(handler)
        end
        keep(calls, call)
    end
end

function actions.dispatch()
    guard(groove.dispatch, pick({ 0, 0.0001, 0.002, 1 }))
end

function actions.wait()
    if #calls > 0 then
        local call = pick(calls)
        check(guard(call.wait, call, short_time()))
    end
end

function actions.cancel()
    if #calls > 0 then
        pick(calls):cancel()
    end
end

function actions.refresh()
    local source = some_source()
    check(guard(source.refresh, source, { timeout = short_time() }))
end

function actions.invalidate()
    local source = some_source()
    local token = guard(source.token, source, { wait = false })
    if token then
        source:invalidate(token)
    end
end

function actions.adopt()
    some_source():adopt("token-0", 3600)
end

function actions.tell()
    local source = some_source()
    assert(source:info().state and tostring(source))
    assert(groove.fd() >= 0, "no descriptor")
end

function actions.close()
    local list = pick({ sources, clients })
    if #list > 0 then
        table.remove(list, random(#list)):close()
    end
end

function actions.collect()
    local list = pick({ sources, clients, calls })
    for i = #list, 1, -1 do
        list[i] = nil
    end
    collectgarbage()
    collectgarbage()
end

function actions.shutdown()
    groove.shutdown(random(20) / 1000)
end

M.names = {}
for name in pairs(actions) do
    M.names[#M.names + 1] = name
end
table.sort(M.names)

--- One action.
function M.act(number)
    seed(number)
    local name = pick(M.names)
    -- the rarer ones: to shut down ends what all the others do
    if (name == "shutdown" or name == "collect") and random(4) > 1 then
        name = "start"
    end
    actions[name]()
end

--- Transfers that are under way for as long as anybody looks.
function M.begin(number)
    seed(number)
    local client = keep(clients, new_client(keep(sources, new_source(long_url)), mute_api))
    keep(calls, client.async:search("x"))
    actions.start()
end

--- What a forked child does first.
function M.go_on(number)
    seed(number)
    actions.good_token()
    actions.start()
    actions.dispatch()
end

function M.exit(status)
    os.exit(status)
end

--- Ends all that lingers, of whatever identity.
function M.finish()
    for _, url in ipairs(TOKEN_URLS) do
        for identity = 1, 2 do
            assert(groove.token_source(source_options(url, tostring(identity)))):close()
        end
    end
end

return M

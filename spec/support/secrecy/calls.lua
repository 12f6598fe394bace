-- Run by blabber.lua: clients, through success and every failure of the API.

local core = require("groove.core")
local codes = require("groove.sandbox.codes")
local groove = require("groove")
local service = require("spec.support.service")
local witness = require("spec.support.secrecy.witness")

local M = {}

local dump, problem = witness.dump, witness.problem

-- Seconds for calls that shall end of themselves, and for those whose end nothing else brings.
local PATIENCE, BRIEFLY = 5, 0.1

-- An API that repeats the token in all places it has.
local function api_error(token, code)
    token = token:gsub('["\\]', "\\%0")
    return ('{"Error":{"ErrorCode":"%s","Description":"no %s","Message":"Bearer %s"}}')
        :format(code or token, token, token)
end

local function xml_error(token)
    token = token:gsub("&", "&amp;"):gsub("<", "&lt;"):gsub('"', "&quot;")
    return ("<Error><ErrorCode>%s</ErrorCode><Message>no %s</Message></Error>"):format(token, token)
end

local function talk(client)
    dump(client)
    problem(client:search("love", { max_items = 1 }))
    problem(client:search("love", { format = "xml" }))
    problem(client:preview("music.nothing"))
    problem(client:send({ method = "POST", path = "/1/content/x", body = "{}" }))
    problem(client:playlist_create({ name = "x" }))
    local call = client.async:search("love")
    dump(call)
    problem(call:result())
    dump(call:cancel())
    problem(call:result())
    groove.dispatch(1)
    dump(client:info())
end

local serial = 0

-- With a source of its own: the renewals of one after a 401 are a second apart.
local function use(run, more)
    serial = serial + 1
    local opts = {
        on_event = dump, timeout = PATIENCE, client_instance_id = ("x"):rep(40),
        params = { case = tostring(serial) },
    }
    for _, list in ipairs({ run.credentials, more or {} }) do
        for name, value in pairs(list) do
            opts[name] = value
        end
    end
    local client, err = run.sandbox:client(opts)
    dump(err)
    if client then
        talk(client)
        client:close()
        witness.try(client.search, client, "love")
    end
end

-- What the API does with a token.
local function faults(token)
    return {
        { times = 1, status = 401, briefly = true },
        { status = 401, body = api_error(token), briefly = true },
        { status = 403, body = api_error(token) }, { status = 500, body = api_error(token) },
        { body = api_error(token) }, { status = 400, body = xml_error(token) },
        { status = 302, headers = { Location = "http://127.0.0.1:1/" } },
        { body = token }, { body = "[]" }, { body = "" }, { status = 429, retry_after = 60 },
        { close = true, briefly = true }, { close = 3, briefly = true },
        { delay = 1, briefly = true },
    }
end

local function with_faults(run, token, more)
    for _, fault in ipairs(faults(token)) do
        local timeout = fault.briefly and BRIEFLY or PATIENCE
        fault.on, fault.briefly = "api", nil
        local active = assert(run.sandbox:fault(fault))
        use(run, { timeout = timeout, user_token = more.user_token, token_in = more.token_in })
        active:clear()
    end
end

local function each_fault(run)
    with_faults(run, run.token, { token_in = "header" })
    with_faults(run, run.token, { token_in = "query" })
    with_faults(run, run.user, { user_token = run.user })
end

-- Every code of the service's, from a transport.
local function each_code(run)
    local body, status
    local client = assert(groove.new({
        api_url = "https://api.test", source = groove.static_token(run.token), on_event = dump,
        transport = function() return { status = status, body = body } end,
    }))
    for code, row in pairs(codes) do
        status = row.status
        for _, spelling in ipairs({ code, (code:gsub("_", "-")) }) do
            body = api_error(run.token, spelling)
            problem(client:collection_add("music.x"))
        end
    end
    status, body = 404, "<html>" .. run.token
    problem(client:collection_add("music.x"))
    client:close()
end

-- Transports that go wrong, and functions that give no token.
local function own_functions(run)
    for _, transport in ipairs({
        function() end, function() error("no route", 0) end, function() return {} end,
        function() return nil, { kind = "timeout", message = "late" } end,
        function() return { status = 200, body = {} } end,
        function() return { status = 200, headers = "none" } end,
        function() coroutine.yield() end,
        function() return { status = 100, headers = { Authorization = run.token } } end,
        function() return { status = 400, headers = { ["X-Echo"] = run.token } } end,
    }) do
        local client = assert(groove.new({
            api_url = "https://api.test", source = groove.static_token(run.token),
            transport = transport, on_event = dump, timeout = PATIENCE,
        }))
        dump(client)
        local call = client.async:search("love")
        problem(call:result())
        witness.try(client.collection_add, client, "music.x")
        client:close()
    end
    for _, give in ipairs({ function() return run.token .. "\r\n" end, function() return "" end,
        function() return {} end, function() return nil, "not yet" end,
        function() error("no token", 0) end }) do
        local source = groove.static_token(give)
        problem(source:token())
        dump(source)
        dump(source:info())
        source:close()
        witness.try(source.token, source)
    end
end

-- Ended by handlers, by itself and from outside.
local function interrupted(run)
    local client
    client = assert(run.sandbox:client({ on_event = function(event)
        dump(event)
        client:close()
    end, client_secret = "wrong", timeout = PATIENCE }))
    problem(client:search("love"))
    service.eventually(function()
        if not client:closed() then
            witness.try(client.search, client, "love")
        end
        return client:closed()
    end)
    client = assert(groove.new({
        api_url = "https://api.test", source = groove.static_token(run.token),
        transport = function()
            client:close()
            error("no more", 0)
        end,
    }))
    problem(client.async:search("love"):result())
    client = assert(groove.new({ api_url = "https://api.test",
        source = groove.static_token(run.token), transport = function() return {} end }))
    problem(client:search("love", { timeout = 1e-9 }))
    client:close()
end

-- A program's encoder raises, after it has closed the client or not.
local function encoded(run)
    local client
    for _, encode in ipairs({ function() error("no JSON", 0) end, function()
        client:close()
        error("no JSON", 0)
    end }) do
        client = assert(groove.new({
            api_url = "https://api.test", source = groove.static_token(run.token),
            json = { decode = function() return {} end, encode = encode },
            transport = function() return { status = 200, body = "{}" } end,
        }))
        problem(client.async:playlist_create({ name = "x" }):result())
        if not client:closed() then
            client:close()
        end
    end
end

-- The source ends while a call of a client's waits to repeat its request.
local function orphaned(run)
    local opts = run.sandbox:options()
    local source = assert(groove.token_source({
        token_url = opts.token_url, client_id = opts.client_id, client_secret = run.secret,
    }))
    local fault = assert(run.sandbox:fault({ on = "api", status = 503, retry_after = 0.1 }))
    local repeated = false
    local client = assert(groove.new({
        api_url = opts.api_url, source = source,
        on_event = function(event) repeated = repeated or event.type == "retry" end,
    }))
    local call = client.async:search("love")
    service.dispatch_until(function() return repeated end)
    source:close()
    problem(call:wait(5))
    fault:clear()
    client:close()
end

-- Fetches by a source that has an origin.
local function fetched(run)
    local opts = run.sandbox:options()
    local source = groove.static_token(run.token, { origin = opts.api_url })
    problem(source:fetch("/1/content/x"))
    problem(source:fetch("/1/content/x", { timeout = 1e-9 }))
    problem(source:fetch("https://elsewhere.example/" .. run.word))
    problem(source:fetch("//elsewhere.example/"))
    problem(source:fetch("/", { headers = { Authorization = run.token } }))
    problem(source:fetch("/", { headers = { ["X-Own"] = run.token .. "\r\n" } }))
    problem(source:fetch("/", { method = run.word }))
    problem(groove.static_token(run.token):fetch("/"))
    source:close()
    local op = core.request({ url = "http://elsewhere.example/" .. run.word, timeout = 1 })
    op:wait()
    problem(op:result())
end

function M.run(run)
    local fault = assert(run.sandbox:fault({
        on = "token", body = '{"access_token":"' .. run.escaped_token .. '","expires_in":60}',
    }))
    each_fault(run)
    fault:clear()
    use(run)
    use(run, { user_token = assert(run.sandbox:user_token("ada")) })
    each_code(run)
    own_functions(run)
    interrupted(run)
    encoded(run)
    orphaned(run)
    fetched(run)
end

return M

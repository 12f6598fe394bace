-- Run by secrecy_spec.lua in a process of its own: takes the module through success and every
-- failure with a marked secret and marked tokens, and prints all that a program could print of it.

local core = require("groove.core")
local groove = require("groove")
local service = require("spec.support.service")

local SECRET, TOKEN = os.getenv("MARKED_SECRET"), os.getenv("MARKED_TOKEN")

-- Everything reachable, as text; of calls, clients and sources, which have to hold tokens, what
-- tostring says.
local function dump(value, seen)
    seen = seen or {}
    io.write(tostring(value), " ")
    local class = getmetatable(value)
    if type(value) ~= "table" or seen[value] or class and class ~= core.error_metatable then
        return
    end
    seen[value] = true
    for k, v in pairs(value) do
        dump(k, seen)
        dump(v, seen)
    end
    io.write("\n")
end

local sandbox = assert(groove.sandbox({ client_secret = SECRET }))

local function answer(more)
    return '{"access_token":"' .. TOKEN .. '","expires_in":60' .. (more or "") .. "}"
end

local function with_fault(spec, fn)
    local fault = assert(sandbox:fault(spec))
    fn()
    fault:clear()
end

local function shown(ok, ...)
    -- a token or an authorization that was asked for is the one thing that may hold it
    if ok ~= true or select("#", ...) > 1 then
        dump(ok)
        dump({ ... })
    end
end

local function use_source(more)
    local options = service.options(sandbox, more)
    options.on_event = dump
    local source, err = groove.token_source(options)
    dump(err)
    if not source then
        return
    end
    local token, problem = source:token()
    dump(problem)
    dump(source)
    dump(source:info())
    dump(select(2, source:refresh({ timeout = 0.3 })))
    local call = source.async:token()
    dump(call)
    dump(select(2, call:result()))
    if token then
        source:invalidate(token)
    end
    groove.dispatch(1)
    dump(source:info())
    shown(pcall(source.fetch, source, "https://elsewhere.example/"))
    source:close()
    shown(pcall(source.token, source))
end

local echo = '{"error":"' .. SECRET .. '","error_description":"wrong secret ' .. SECRET .. '"}'

local token_faults = {
    { body = answer() }, { status = 401, body = echo }, { status = 400, body = echo },
    { status = 500, body = echo }, { body = SECRET }, { body = answer(',"refresh_in":0.1') },
    { body = '{"access_token":"' .. TOKEN .. [[\r\nX: y","expires_in":60}]] },
    { body = answer():sub(1, -3) }, { close = true }, { close = 12 },
    { status = 302, headers = { Location = "http://127.0.0.1/" .. SECRET } },
    { status = 503, retry_after = 1 }, { delay = 3 },
}
for _, spec in ipairs(token_faults) do
    spec.on = "token"
    with_fault(spec, function()
        for _, auth in ipairs({ "post", "basic" }) do
            use_source({ auth = auth, timeout = 0.3 })
        end
    end)
end

local function use_client(more)
    local client = sandbox:client(more)
    dump(client)
    dump({ client:search("love", { max_items = 1 }) })
    dump({ client:preview("music.nothing", { client_instance_id = ("x"):rep(40) }) })
    dump({ client:send({ method = "POST", path = "/1/content/x", body = "{}" }) })
    local call = client.async:search("love")
    dump(call)
    call:cancel()
    groove.dispatch(1)
    dump(client:info())
    client:close()
    shown(pcall(client.search, client, "love"))
end

local api_error = '{"Error":{"ErrorCode":"' .. TOKEN .. '","Description":"no ' .. TOKEN
    .. '","Message":"Bearer ' .. TOKEN .. '"}}'

with_fault({ on = "token", body = answer() }, function()
    for _, spec in ipairs({ { times = 1 }, { status = 401, body = api_error },
        { status = 403, body = api_error }, { status = 500, body = api_error },
        { body = api_error },
        { body = TOKEN }, { close = true } }) do
        spec.on = "api"
        with_fault(spec, function()
            use_client({ timeout = 0.3, on_event = dump })
            use_client({ timeout = 0.3, token_in = "query", on_event = dump })
            use_client({ timeout = 0.3, user_token = TOKEN })
        end)
    end
end)

for _, options in ipairs({ { client_secret = SECRET, client_secret_file = "/nonexistent/file" },
    { client_sceret = SECRET }, { client_secret = { SECRET } },
    { client_secret = SECRET, auth = SECRET } }) do
    options.token_url = options.token_url or "https://x.example/"
    shown(pcall(groove.token_source, options))
    shown(pcall(groove.new, options))
end
shown(pcall(groove.token_source, { token_url = "https://u:" .. SECRET .. "@x.example/" }))
dump({ sandbox:log() })
dump(sandbox)
sandbox:stop()
print("all of it")

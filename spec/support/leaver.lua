-- Run by hostile_host_spec.lua: ends the program from inside of something that groove runs, while
-- other calls are under way. Arguments: from where, the exit status, "thread" or "alone".

local cjson = require("cjson")
local core = require("groove.core")
local groove = require("groove")
local child = require("spec.support.child")

local where, status, thread = arg[1], tonumber(arg[2]), arg[3] == "thread"

local function leave()
    -- From Lua 5.2 on this closes the state first.
    os.exit(status, true)
end

local function nothing() end

local function options(more)
    more.thread = thread
    return child.options(more)
end

local client = assert(groove.new(options({
    json = { encode = cjson.encode, null = cjson.null, decode = function(text)
        if where == "decode" then leave() end
        return cjson.decode(text)
    end },
    on_event = where == "event" and leave or nothing,
    suspend = where == "suspend" and leave or nil,
})))

local function static(transport)
    return groove.new({
        api_url = "https://api.test", transport = transport,
        source = groove.static_token(function()
            if where == "token" then leave() end
            return "leaver-token"
        end),
    })
end

local function callback()
    if where == "callback" then
        leave()
    elseif where == "nested" then
        client.async:search("night"):on_done(leave)
        for _ = 1, 1e6 do groove.dispatch() end
    end
end

for _ = 1, 8 do
    client.async:search("love"):on_done(callback)
end
if where == "event" then
    assert(client:token())
    client:invalidate(client:token())
elseif where == "transport" or where == "token" then
    static(leave).async:search("love")
elseif where == "suspend" then
    client:search("love")
end
local deadline = core.now() + 20
while core.now() < deadline do
    groove.dispatch()
end
os.exit(99)

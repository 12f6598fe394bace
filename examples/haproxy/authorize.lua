-- Puts an access token on requests that go through HAProxy, and keeps it fresh inside HAProxy.
-- haproxy.cfg loads it, and says how to start it. For HAProxy 2.6 or later.
--
-- HAProxy runs this file while it reads its configuration. After that it enters its chroot, becomes
-- another user and forbids new threads (RLIMIT_NPROC 0): no file can be opened any more, no name
-- resolved. Hence `thread = false`: such a source reads the secret and the CA certificates and
-- resolves the service's name as soon as it is made, and does without a thread: a task of HAProxy's
-- calls `groove.dispatch`.

-- luacheck: read globals core

local groove = require("groove")

local FIRST_TOKEN = 3 -- seconds that a request waits at most when there is no token
local BUSY, IDLE = 5, 100 -- milliseconds between two looks at the network
local NOW = { wait = false }

-- Sources that say the same are one in a process, so that all Lua states of lua-load-per-thread
-- share one token. The first of them looks after it; with lua-load the number is 0.
local looks_after_it = core.thread <= 1

local function on_event(event)
    if event.error then
        core.Warning("groove: " .. event.type .. ": " .. tostring(event.error))
    end
end

local secret_file = os.getenv("GROOVE_CLIENT_SECRET_FILE")
local source, problem = groove.token_source({
    token_url = os.getenv("GROOVE_TOKEN_URL"),
    client_id = os.getenv("GROOVE_CLIENT_ID"),
    client_secret_file = secret_file,
    client_secret_env = not secret_file and "GROOVE_CLIENT_SECRET" or nil,
    scope = os.getenv("GROOVE_SCOPE"),
    ca_file = os.getenv("GROOVE_CA_FILE"),
    thread = false,
    on_event = looks_after_it and on_event or nil,
})
if not source then
    error(tostring(problem))
end

local function look()
    groove.dispatch()
    return source:info().state == "renewing"
end

-- Nothing in here waits but msleep, and nothing ends it.
local function look_after_it()
    source:token(NOW)
    while true do
        local ok, busy = pcall(look)
        if not ok then
            core.Warning("groove: " .. tostring(busy))
        end
        core.msleep(ok and busy and BUSY or IDLE)
    end
end

if looks_after_it then
    core.register_task(look_after_it)
end

-- There is a token, except right after the start and late in a long outage of the service.
local function get_token()
    local token, err = source:token(NOW)
    for _ = 1, FIRST_TOKEN * 1000 / BUSY do
        if token or err.kind ~= "pending" then
            break
        end
        core.msleep(BUSY)
        groove.dispatch()
        token, err = source:token(NOW)
    end
    return token, err
end

-- http-request lua.groove: sets the header, or txn.groove_error to what is wrong.
core.register_action("groove", { "http-req" }, function(txn)
    local token, err = get_token()
    if token then
        txn:set_priv(token)
        txn.http:req_set_header("Authorization", "Bearer " .. token)
    else
        txn:set_var("txn.groove_error", tostring(err))
    end
end)

-- http-response lua.groove-refused: the API has not accepted the token, so another one is needed.
core.register_action("groove-refused", { "http-res" }, function(txn)
    local token = txn:get_priv()
    if token and source:invalidate(token) then
        source:token(NOW)
    end
end)

local function status_text(info)
    local lines = {}
    for name, count in pairs(info.counts) do
        lines[#lines + 1] = ("%s: %d"):format(name, count)
    end
    table.sort(lines)
    table.insert(lines, 1, "state: " .. info.state)
    table.insert(lines, 2, ("expires_in: %.1f"):format(info.expires_in or 0))
    table.insert(lines, 3, "last_error: " .. tostring(info.last_error or "none"))
    return table.concat(lines, "\n") .. "\n"
end

-- use-service lua.groove-status: 200 while there is a token, else 503; never the token itself.
core.register_service("groove-status", "http", function(applet)
    local info = source:info()
    local text = status_text(info)
    applet:set_status(info.expires_in and 200 or 503)
    applet:add_header("Content-Type", "text/plain")
    applet:add_header("Content-Length", tostring(#text))
    applet:start_response()
    applet:send(text)
end)

-- Run by network_spec.lua in a process of its own: asks what sends no end of bytes, and prints, a
-- line each, what came of it and by how much the process has grown at most, in KiB.
-- usage: swallow.lua token|api|client GOOD_URL [SECONDS URL]...

local core = require("groove.core")
local groove = require("groove")

local LONG = 20

local what, good = arg[1], arg[2]

local ask = {}

function ask.token(url, seconds)
    local source = assert(groove.token_source({ token_url = url, client_id = url, renew = false,
        auth = "none", timeout = seconds }))
    local token, err = source:token()
    source:close()
    return token, err
end

function ask.api(url, seconds)
    local source = assert(groove.token_source({ token_url = url, client_id = url, renew = false,
        auth = "none", timeout = seconds, origin = url }))
    source:adopt("token", 3600, 0)
    local answer, err = source:fetch("/things")
    source:close()
    return answer, err
end

function ask.client(url, seconds)
    local client = assert(groove.new({ api_url = url, timeout = seconds,
        source = groove.static_token("token") }))
    local page, err = client:search("love")
    client:close()
    return page, err
end

local function peak()
    for line in io.lines("/proc/self/status") do
        local size = line:match("^VmHWM:%s*(%d+)")
        if size then return tonumber(size) end
    end
end

-- From here on the peak is counted anew; where the system does not, it counts from the start.
local function forget_peak()
    local file = io.open("/proc/self/clear_refs", "w")
    if file then
        file:write("5")
        file:close()
    end
end

local function measure(seconds, url)
    collectgarbage()
    forget_peak()
    local before, began = peak(), core.now()
    local value, err = ask[what](url, seconds)
    print(("%s %d %.1f"):format(value and "answer" or err.code, peak() - before,
        core.now() - began))
end

assert(ask[what](good, LONG))
for i = 3, #arg, 2 do
    measure(tonumber(arg[i]), arg[i + 1])
end
measure(LONG, good)

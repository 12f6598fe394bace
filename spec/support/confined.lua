-- Run by threadless_spec.lua in a process of its own: opens sources, and then takes from itself
-- what a server does (confine.c): new threads, its files, its user. Prints what happened, a line
-- each.

local core = require("groove.core")
local groove = require("groove")
require("cjson") -- what is loaded at its first use has to be there before the files go

local helper = os.getenv("SPEC_HELPER")
local alone = assert(package.loadlib(helper, "alone"))
local confine = assert(package.loadlib(helper, "confine"))
local leave = assert(package.loadlib(helper, "leave"))

local RENEWALS = 3

local function options(more)
    local out = {
        token_url = os.getenv("SPEC_TOKEN_URL"), client_id = os.getenv("SPEC_CLIENT_ID"),
        client_secret_file = os.getenv("SPEC_SECRET_FILE"), scope = os.getenv("SPEC_SCOPE"),
        ca_file = os.getenv("SPEC_CA_FILE"), allow_http = true,
    }
    if not os.getenv("SPEC_ORDINARY") then
        out.thread = false
    end
    for name, value in pairs(more or {}) do
        out[name] = value
    end
    return out
end

local function say(what, good, err)
    print(what .. ": " .. (good and "yes" or "no" .. (err and ", " .. tostring(err) or "")))
end

-- Dispatches until it has happened.
local function dispatch_until(condition)
    local deadline = core.now() + 20
    while not condition() and core.now() < deadline do
        groove.dispatch()
    end
    return condition()
end

alone()
local API = os.getenv("SPEC_API_URL")
local client = assert(groove.new(options({ api_url = API })))
local other = assert(groove.token_source(options({ params = { test = "other" }, origin = API })))
local first = assert(groove.token_source(options({ params = { test = "first" } })))
confine()
say("confined", not (os.getenv("SPEC_ROOT") and io.open(os.getenv("SPEC_SECRET_FILE"))))

local page, err = client:search("love")
say("blocking", page, err)

local heard
client.async:search("night"):on_done(function(found, problem)
    heard, page, err = "search", found, problem
end)
dispatch_until(function() return heard == "search" end)
say("dispatch", page, err)

local token
first.async:token():on_done(function(value, problem)
    heard, token, err = "first", value, problem
end)
dispatch_until(function() return heard == "first" end)
say("first token by dispatch", token, err)

local answer
answer, err = other:fetch("/1/content/music/search?q=love", { timeout = 20 })
say("fetch", answer and answer.status == 200, err)

say("renewals", dispatch_until(function() return other:info().counts.renewals >= RENEWALS end),
    other:info().last_error)
say("no failure", other:info().counts.failures == 0 and client:info().counts.failures == 0)

alone()
say("alone", true)
if os.getenv("GROOVE_SANITIZER") then
    leave()
end

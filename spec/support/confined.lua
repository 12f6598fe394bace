-- Run by threadless_spec.lua in a process of its own: opens sources, and then takes from itself
-- what a server does (confine.c): new threads, its files, its user. Prints what happened, a line
-- each.

local groove = require("groove")
local child = require("spec.support.child")
require("cjson") -- what is loaded at its first use has to be there before the files go

local helper = os.getenv("SPEC_HELPER")
local alone = assert(package.loadlib(helper, "alone"))
local confine = assert(package.loadlib(helper, "confine"))
local leave = assert(package.loadlib(helper, "leave"))

local RENEWALS = 3

local function options(more)
    more = more or {}
    more.client_secret_file, more.allow_http = os.getenv("SPEC_SECRET_FILE"), true
    if not os.getenv("SPEC_ORDINARY") then
        more.thread = false
    end
    return child.source_options(more)
end

local function say(what, good, err)
    print(what .. ": " .. (good and "yes" or "no" .. (err and ", " .. tostring(err) or "")))
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
child.dispatch_until(function() return heard == "search" end)
say("dispatch", page, err)

local token
first.async:token():on_done(function(value, problem)
    heard, token, err = "first", value, problem
end)
child.dispatch_until(function() return heard == "first" end)
say("first token by dispatch", token, err)

local answer
answer, err = other:fetch("/1/content/music/search?q=love", { timeout = 20 })
say("fetch", answer and answer.status == 200, err)

local function renewed()
    return other:info().counts.renewals >= RENEWALS
end
say("renewals", child.dispatch_until(renewed), other:info().last_error)
say("no failure", other:info().counts.failures == 0 and client:info().counts.failures == 0)

alone()
say("alone", true)
if os.getenv("GROOVE_SANITIZER") then
    leave()
end

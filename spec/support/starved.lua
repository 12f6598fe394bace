-- Run by starved_spec.lua in a process of its own that lacks something, by the limits of the shell
-- that starts it. Prints what happened, a line each. Arguments: what, and "thread" or "alone".

local groove = require("groove")
local child = require("spec.support.child")

local function say(what, good)
    print(what .. ": " .. (good and "yes" or "no"))
end

local function source_of(test, thread)
    return groove.token_source(child.source_options({
        params = { test = test }, thread = thread, timeout = 10,
    }))
end

-- An error, and not one of the caller's making; nothing of it shows a secret.
local function is_told(value, err)
    return value == nil and type(err) == "table" and err.kind == "transport" and err.retryable
        and not tostring(err):find(os.getenv("SPEC_CLIENT_SECRET"), 1, true)
end

-- --- descriptors ---------------------------------------------------------------------------------

local held = {}

local function take_all()
    repeat
        local file = io.open("/dev/null")
        held[#held + 1] = file
    until not file
end

local function give_back()
    while #held > 0 do
        table.remove(held):close()
    end
end

local function no_descriptors(thread)
    -- What of groove's Lua files is loaded late has to be there.
    require("groove.sandbox")
    groove.new(child.options()):close()
    take_all()
    local source = source_of("none", thread)
    say("source", source)
    say("token", is_told(source:token()))
    say("call", is_told(source.async:token():wait()))
    say("descriptor", groove.fd() == -1)
    say("sandbox", not groove.sandbox())
    give_back()
    local token, err
    repeat -- the pauses between attempts are drawn
        token, err = source:token()
    until token or not err.retryable
    say("token again", token)
    local client = assert(groove.new(child.options({ thread = thread })))
    say("search", client:search("love"))
    take_all()
    say("kept connection", client:search("night"))
    say("kept token", source:token() == token)
    give_back()
    local done
    client.async:search("love"):on_done(function(page) done = page end)
    say("dispatch", child.dispatch_until(function() return done end))
    say("descriptor again", groove.fd() >= 0)
end

-- --- stack ---------------------------------------------------------------------------------------

local function little_stack(thread)
    local sandbox = assert(groove.sandbox({ tls = true }))
    local client = sandbox:client({ thread = thread })
    say("search", client:search("love"))
    say("token", client:token())
    local done
    client.async:lookup("music.5"):on_done(function() done = true end)
    say("dispatch", child.dispatch_until(function() return done end))
    sandbox:stop()
end

-- --- disk ----------------------------------------------------------------------------------------

local function full_disk()
    for _, tls in ipairs({ false, true }) do
        local sandbox, err = groove.sandbox({ tls = tls })
        say("sandbox", sandbox == nil and err.code == "sandbox_unavailable")
        say("why", tostring(err):find("cannot be written"))
    end
    local client = groove.new(child.options())
    say("search", client:search("love"))
end

local WHAT = { descriptors = no_descriptors, stack = little_stack, disk = full_disk }

WHAT[arg[1]](arg[2] == "thread")
os.exit(0, true)

-- Run by memory_spec.lua in a process of its own: gets a token with a secret from a file, closes
-- the source or not, and stays until its standard input ends. Its Lua never sees the secret, and
-- the token only if it is asked to.

local groove = require("groove")

-- What a look at this process has to find.
local control = assert(io.open(os.getenv("SPEC_CONTROL"), "rb")):read("*a")

local source = assert(groove.token_source({
    token_url = os.getenv("SPEC_TOKEN_URL"), client_id = os.getenv("SPEC_CLIENT_ID"),
    client_secret_file = os.getenv("SPEC_SECRET_FILE"), auth = os.getenv("SPEC_AUTH"),
    ca_file = os.getenv("SPEC_CA_FILE"), thread = os.getenv("SPEC_DRIVER") ~= "dispatch",
}))

-- Who does the work: this thread, as it waits; the I/O thread alone; or dispatch.
local function by_waiting()
    return source:wait_ready()
end

local function by_thread()
    source.async:wait_ready()
    repeat
        os.execute("sleep 0.02")
    until source:info().state == "ready"
    return true
end

local function by_dispatch()
    source.async:wait_ready()
    repeat
        groove.dispatch()
    until source:info().state == "ready"
    return true
end

local drive = { thread = by_thread, dispatch = by_dispatch }
local ready, err = (drive[os.getenv("SPEC_DRIVER")] or by_waiting)()
if os.getenv("SPEC_CLOSE") == "yes" then
    source:close()
end
local file = assert(io.open(os.getenv("SPEC_READY"), "w"))
file:write(ready and "ready" or tostring(err))
file:close()
io.read("*a")
assert(#control > 0)

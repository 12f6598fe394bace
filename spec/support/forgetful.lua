-- Run by memory_spec.lua in a process of its own: gets a token with a secret from a file, closes
-- the source, and stays until its standard input ends. Its Lua never sees the secret.

local groove = require("groove")

local source = assert(groove.token_source({
    token_url = os.getenv("SPEC_TOKEN_URL"), client_id = os.getenv("SPEC_CLIENT_ID"),
    client_secret_file = os.getenv("SPEC_SECRET_FILE"), auth = os.getenv("SPEC_AUTH"),
}))
local token, err = source:token()
if os.getenv("SPEC_CLOSE") == "yes" then
    source:close()
end
local file = assert(io.open(os.getenv("SPEC_READY"), "w"))
file:write(token and "ready" or tostring(err))
file:close()
io.read("*a")

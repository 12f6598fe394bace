-- make sandbox: the stand-in service, until Ctrl-C. Prints what another program needs to use it.

local core = require "groove.core" -- for a nap, which plain Lua has not
local groove = require "groove"

local sandbox, err = groove.sandbox()
if not sandbox then
    io.stderr:write(tostring(err), "\n")
    os.exit(1)
end

local options = sandbox:options()
print("The sandbox is up; Ctrl-C ends it. Its id and secret are invented. In another shell:\n")
print("export GROOVE_TOKEN_URL='" .. options.token_url .. "'")
print("export GROOVE_API_URL='" .. options.api_url .. "'")
print("export GROOVE_CLIENT_ID='" .. options.client_id .. "'")
print("export GROOVE_CLIENT_SECRET='" .. options.client_secret .. "'")
print("\nand then groove.new() in Lua, or\n")
print([[curl "$GROOVE_TOKEN_URL" -d grant_type=client_credentials -d "scope=]] .. options.scope
    .. [[" --data-urlencode "client_id=$GROOVE_CLIENT_ID" ]]
    .. [[--data-urlencode "client_secret=$GROOVE_CLIENT_SECRET"]])
io.flush()

-- Short naps, because Lua hears Ctrl-C between two of them.
pcall(function()
    while true do core.sleep(0.2):wait() end
end)
sandbox:stop()

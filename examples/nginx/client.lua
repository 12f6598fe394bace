-- A client of the broker: it has a key of its own, never the secret. run.sh says how to start it.

local groove = require "groove"

local source = groove.token_source{
    token_url = os.getenv "BROKER_URL",
    auth = "none",
    headers = { ["X-Client-Key"] = os.getenv "BROKER_KEY" },
    ca_file = os.getenv "BROKER_CA", -- not for a certificate that everybody trusts
}
local client = groove.new{ api_url = os.getenv "API_URL", source = source }

local page, err = client:search("love", { filters = { "tracks" }, max_items = 3 })
if not page then
    io.stderr:write(tostring(err), "\n")
    os.exit(1)
end
for _, track in ipairs(page.Tracks.Items) do print("track", track.Name) end

local info = source:info()
print(("the token is good for %.0f s more"):format(info.expires_in))
print(("it will be asked for again in %.0f s"):format(info.refresh_in))

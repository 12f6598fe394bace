local groove = require "groove"

-- The stand-in service on this machine. The real one took groove.new{ profile = "live", ... }.
local client = groove.sandbox():client()

local page, err = client:search("daft punk", { filters = { "artists", "tracks" }, max_items = 5 })
if not page then error(tostring(err)) end

for _, artist in ipairs(page.Artists.Items) do print("artist", artist.Name) end
for track in client:each("Tracks", page) do print("track", track.Name) end

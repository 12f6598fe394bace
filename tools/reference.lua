-- Writes the reference as Lua files with doc comments, from which LDoc makes pages (config.ld).
-- usage: lua tools/reference.lua FOLDER     (in the repository's folder, which must exist)

local pages = require("tools.reference.pages")

local folder = assert(arg[1], "usage: lua tools/reference.lua FOLDER")
local made = pages.make()
for _, name in ipairs(pages.order) do
    local file = assert(io.open(folder .. "/" .. name .. ".lua", "w"))
    assert(file:write(made[name]))
    file:close()
end

-- Real answers of the service, where they are at hand: in the folder named by GROOVE_SAMPLES, or
-- beside the repository.

local response = require("groove.response")
local shell = require("spec.support.shell")

local M = {}

M.folder = os.getenv("GROOVE_SAMPLES") or "../shared/groove-api/samples"

--- The text of one of its files; nil: it is not there.
function M.read(name)
    return shell.read(M.folder .. "/" .. name)
end

--- The list of samples; nil: none are at hand.
function M.index()
    local text = M.read("index.json")
    return text and assert(response.decode(text))
end

return M

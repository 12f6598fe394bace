--- Addresses: what the module may send a secret to.
--
-- @module groove.address

local core = require("groove.core")
local check = require("groove.check")

local M = {}

local function parse(text, allow_http)
    if text:find("[%c ]") then
        return nil, "must not hold spaces or control characters"
    end
    return core.url(text, allow_http)
end

--- Raises unless an option's address may be used.
-- @tparam string where the function's name in messages
-- @tparam string option
-- @tparam string text
-- @tparam[opt] boolean allow_http
-- @treturn table its parts
function M.check(where, option, text, allow_http)
    local url, problem = parse(text, allow_http)
    if not url then
        -- Never the address itself, which could hold a password.
        check.fail(where .. ": " .. option .. " " .. problem)
    end
    return url
end

--- The address of a request to an origin, rebuilt from its parts, so that what is sent is what was
-- compared.
-- @tparam string text a whole URL, or a path beginning with one slash
-- @tparam table origin parts of the only origin allowed
-- @treturn ?string
-- @treturn ?string what is wrong with it
function M.within(text, origin)
    if text:find("^/") and not text:find("^/[/\\]") then
        text = origin.origin .. text
    end
    local url, problem = parse(text, true)
    if not url then
        return nil, problem
    elseif url.origin:lower() ~= origin.origin:lower() then
        return nil, "must be of the source's origin, " .. origin.origin
    end
    return origin.origin .. url.path .. (url.query and "?" .. url.query or "")
end

return M

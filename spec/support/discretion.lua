-- Runs before every spec file: a failed assertion must not print a token, a sandbox's least of all.

local token = require("groove.sandbox.token")

local function holds_token(value, seen)
    if type(value) == "string" then
        return (value:find(token.PREFIX, 1, true) or value:find(token.USER_PREFIX, 1, true)) ~= nil
    elseif type(value) ~= "table" or seen[value] then
        return false
    end
    seen[value] = true
    for k, v in pairs(value) do
        if holds_token(k, seen) or holds_token(v, seen) then
            return true
        end
    end
    return false
end

require("luassert"):add_formatter(function(value)
    if holds_token(value, {}) then
        return "(a " .. type(value) .. " with a token in it)"
    end
end)

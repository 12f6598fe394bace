-- Runs before every spec file: a failed assertion must not print a token, a sandbox's least of all.

local PREFIX = require("groove.sandbox.token").PREFIX

require("luassert"):add_formatter(function(value)
    if type(value) == "string" and value:find(PREFIX, 1, true) then
        return "(a text of " .. #value .. " bytes with a token in it)"
    end
end)

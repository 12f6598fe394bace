-- What the scripts of this folder have in common.

local coding = require("groove.sandbox.text")

local M = {}

-- Decode "%xx", and a value of a query.
M.unescape, M.unform = coding.unescape, coding.unform

-- The pieces between the occurrences of a plain separator.
function M.split(text, separator)
    local pieces, from = {}, 1
    while true do
        local first, last = text:find(separator, from, true)
        pieces[#pieces + 1] = text:sub(from, (first or 0) - 1)
        if not first then
            return pieces
        end
        from = last + 1
    end
end

-- Whether two values are the same all the way down; a NaN is itself here.
function M.same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b or a ~= a and b ~= b
    end
    for key, value in pairs(a) do
        if not M.same(value, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

function M.copy(value)
    if type(value) ~= "table" then
        return value
    end
    local copy = {}
    for key, member in pairs(value) do
        copy[key] = M.copy(member)
    end
    return copy
end

local KINDS = {
    argument = true, pending = true, token = true, api = true, transport = true, timeout = true,
    cancelled = true,
}

-- An error of groove's, fit for a log: one line, and none of the secrets.
function M.check_error(err, secrets)
    assert(require("groove.errors").is(err), "an error that is none of groove's: " .. tostring(err))
    assert(KINDS[err.kind], "an error of no known kind")
    local text = tostring(err)
    assert(not text:find("%c"), "an error of several lines")
    assert(#text <= 1000, "an error of more than a line's length")
    for _, secret in ipairs(secrets) do
        assert(not text:find(secret, 1, true), "an error with a token in it")
    end
end

return M

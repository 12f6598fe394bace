--- Text codings that the sandbox reads and writes: base64, percent-encoding, query strings.
--
-- Runs on Lua 5.1 to 5.4 and on LuaJIT inside nginx, so without bit operators.
--
-- @module groove.sandbox.text

local encode = require("groove.encode")

local M = {}

local byte, char, concat, floor = string.byte, string.char, table.concat, math.floor

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local DIGIT, VALUE = {}, {}
for i = 1, 64 do
    DIGIT[i - 1] = ALPHABET:sub(i, i)
    VALUE[byte(ALPHABET, i)] = i - 1
end
VALUE[byte("-")], VALUE[byte("_")] = 62, 63

--- Encodes bytes as base64 with padding.
function M.base64(bytes)
    local out = {}
    for i = 1, #bytes, 3 do
        local a, b, c = byte(bytes, i, i + 2)
        local n = a * 65536 + (b or 0) * 256 + (c or 0)
        out[#out + 1] = DIGIT[floor(n / 262144)] .. DIGIT[floor(n / 4096) % 64]
            .. (b and DIGIT[floor(n / 64) % 64] or "=") .. (c and DIGIT[n % 64] or "=")
    end
    return concat(out)
end

--- Encodes bytes for use in URLs: "-" and "_", no padding.
function M.base64url(bytes)
    return (M.base64(bytes):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

local function decode_four(a, b, c, d)
    local n = a * 262144 + b * 4096 + (c or 0) * 64 + (d or 0)
    local bytes = char(floor(n / 65536), floor(n / 256) % 256, n % 256)
    return d and bytes or bytes:sub(1, c and 2 or 1)
end

--- Decodes base64 in either alphabet; white space and padding are left out of account.
-- @return the bytes, or nil where the text is not base64
function M.unbase64(text)
    text = text:gsub("%s", ""):gsub("=+$", "")
    if text:find("[^%w+/_-]") or #text % 4 == 1 then
        return nil
    end
    local out = {}
    for i = 1, #text, 4 do
        local a, b, c, d = byte(text, i, i + 3)
        out[#out + 1] = decode_four(VALUE[a], VALUE[b], c and VALUE[c], d and VALUE[d])
    end
    return concat(out)
end

--- Decodes `%xx`.
M.unescape = encode.unescape

--- Decodes one form field: "+" is a space, then `%xx`.
function M.unform(text)
    return M.unescape((text:gsub("%+", " ")))
end

--- Encodes everything but letters, digits and `-._~`.
M.escape = encode.escape

local SEQUENCES = {
    "[\194-\223][\128-\191]",
    "\224[\160-\191][\128-\191]", "[\225-\236\238\239][\128-\191][\128-\191]",
    "\237[\128-\159][\128-\191]", "\240[\144-\191][\128-\191][\128-\191]",
    "[\241-\243][\128-\191][\128-\191][\128-\191]", "\244[\128-\143][\128-\191][\128-\191]",
}

--- Whether a text is UTF-8 (RFC 3629).
function M.is_utf8(text)
    for i = 1, text:find("[\128-\255]") and #SEQUENCES or 0 do
        -- Something has to stay in between, or what was apart would become a sequence.
        text = text:gsub(SEQUENCES[i], ".")
    end
    return not text:find("[\128-\255]")
end

--- Reads "a=1&b=2" without decoding the values.
-- @return a table of names to the first value of each, and the name that came twice, if any
function M.fields(text)
    local values, twice = {}, nil
    for pair in text:gmatch("[^&]+") do
        local name, value = pair:match("^([^=]*)=?(.*)$")
        name = M.unform(name)
        if values[name] then
            twice = name
        else
            values[name] = value
        end
    end
    return values, twice
end

--- Splits at every occurrence of one character; empty pieces are left out.
function M.split(text, separator)
    local out = {}
    for piece in text:gmatch("[^" .. separator .. "]+") do
        out[#out + 1] = piece
    end
    return out
end

return M

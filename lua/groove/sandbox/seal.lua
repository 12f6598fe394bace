--- Opaque texts that only the sandbox can have made, and ids that look like the service's.
--
-- A sealed text carries a check sum, so that one made up, changed or cut short is recognised. That
-- is no protection against somebody who reads this file.
--
-- @module groove.sandbox.seal

local text = require("groove.sandbox.text")

local M = {}

local char, floor = string.char, math.floor

-- A prime below 2^24; products with the factors stay below 2^53.
local MODULUS = 16777213
-- With one factor, texts that collide for one seed would collide for all.
local FACTORS = { 263, 269, 271, 277, 281, 283, 293, 307 }

-- Without anything after them, the last bytes of a text would hardly change the sum.
local TAIL = "tail"

local function sum(bytes, factor)
    local value = 7
    bytes = bytes .. TAIL
    for i = 1, #bytes do
        value = (value * factor + bytes:byte(i)) % MODULUS
    end
    return value
end

--- Bytes that depend on a text alone, and differ for different texts.
-- @param bytes the text
-- @param count how many, 24 at most
function M.digest(bytes, count)
    local out = {}
    for i = 1, math.ceil(count / 3) do
        local value = sum(bytes, FACTORS[i])
        out[i] = char(floor(value / 65536), floor(value / 256) % 256, value % 256)
    end
    return table.concat(out):sub(1, count)
end

--- Seals a text.
-- @return letters, digits, "-" and "_"
function M.close(payload)
    return text.base64url(M.digest(payload, 6) .. payload)
end

--- Opens what `close` has made.
-- @return the text, or nil where it was not sealed here
function M.open(sealed)
    local bytes = text.unbase64(sealed)
    local payload = bytes and bytes:sub(7)
    -- As it was made: the last letter of base64 has bits to spare.
    return payload and M.close(payload) == sealed and payload or nil
end

local function hex(bytes)
    return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- A universally unique identifier's text, made of 16 bytes.
function M.uuid(bytes)
    local digits = hex(bytes)
    return table.concat({
        digits:sub(1, 8), digits:sub(9, 12), digits:sub(13, 16), digits:sub(17, 20), digits:sub(21),
    }, "-")
end

return M

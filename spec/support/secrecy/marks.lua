-- Marks: secrets and tokens made up at random, and the search for them in whatever disguise.
--
-- A mark is a *core* of letters and digits, which every encoding of a text leaves as it is, base64
-- and hexadecimal numbers excepted, between characters that each encoding has to change. What is
-- searched for are parts of the core, as small as an error code could show by mistake.

local text = require("groove.sandbox.text")

local M = {}

-- Letters and digits of a core, and how many of them in a row are too many to be a coincidence.
local CORE, WINDOW = 24, 8

local LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

local function random_core()
    local file = assert(io.open("/dev/urandom", "rb"))
    local core = file:read(CORE):gsub(".", function(c)
        local at = c:byte() % #LETTERS + 1
        return LETTERS:sub(at, at)
    end)
    file:close()
    return core
end

--- Characters that forms, JSON, XML, base64 and headers have to change or may not hold.
M.AWKWARD = '"&<+/%\\= '

--- Makes a mark up.
-- @tparam[opt] string around what stands on both sides of the core
-- @tparam[opt] boolean lower whether the core is to look like an error code
-- @treturn string
function M.new(around, lower)
    local core = random_core()
    return (around or "") .. (lower and "e" .. core:lower() or core) .. (around or "")
end

--- The core of a mark: its longest row of letters and digits.
function M.core(mark)
    local core = ""
    for row in mark:gmatch("%w+") do
        core = #row > #core and row or core
    end
    return core
end

local function hexadecimal(bytes)
    return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function windows(out, row, size, step)
    for at = 1, #row - size + 1, step do
        out[#out + 1] = row:sub(at, at + size - 1)
    end
end

-- Base64 of a core that anything stands before: three bytes become four letters, so there are three
-- ways to cut it up. 12 letters are 9 bytes.
local function base64_windows(out, core)
    for skip = 1, 3 do
        local whole = core:sub(skip, skip + math.floor((#core - skip + 1) / 3) * 3 - 1)
        windows(out, text.base64(whole), 12, 4)
        windows(out, text.base64url(whole), 12, 4)
    end
end

--- What to search for.
-- @tparam string mark
-- @treturn table in a text made lower-case
-- @treturn table in the text itself
function M.needles(mark)
    local core = M.core(mark)
    local lower, exact = {}, {}
    windows(lower, core:lower(), WINDOW, 1)
    windows(lower, core:lower():reverse(), WINDOW, 1)
    windows(lower, hexadecimal(core), 2 * WINDOW, 2)
    base64_windows(exact, core)
    return lower, exact
end

-- The first place of any.
local function find_any(haystack, needles)
    local first
    for _, needle in ipairs(needles) do
        local at = haystack:find(needle, 1, true)
        first = at and math.min(at, first or at) or first
    end
    return first
end

--- Where a text holds any part of a mark, however it is written: the first such place.
-- @tparam string haystack
-- @tparam string mark
-- @treturn ?integer
function M.find(haystack, mark)
    local lower, exact = M.needles(mark)
    local at, other = find_any(haystack:lower(), lower), find_any(haystack, exact)
    return at and other and math.min(at, other) or at or other
end

--- The words before a place, on one line, without any of what was found there: for a message.
function M.before(haystack, at)
    return (haystack:sub(math.max(1, at - 160), at - 1):gsub("[%z%c\127-\255]", " "))
end

return M

-- What stands in the memory of a process, and what of it would go into a core dump.

local marks = require("spec.support.secrecy.marks")
local shell = require("spec.support.shell")

local M = {}

-- Above this address a mapping is the kernel's, and beyond a double's whole numbers.
local DIGITS = 12
local CHUNK, OVERLAP = 2 ^ 20, 256

-- The mappings of a process: { from, to, left_out }. Those that madvise(MADV_DONTDUMP) was asked
-- for are left out of core dumps (VmFlags "dd" in proc(5)).
local function mappings(pid)
    local out, current = {}, nil
    for line in io.lines("/proc/" .. pid .. "/smaps") do
        local from, to, readable = line:match("^(%x+)%-(%x+) ([r-])")
        if from then
            current = nil
            if readable == "r" and #from <= DIGITS then
                current = { from = tonumber(from, 16), to = tonumber(to, 16) }
                out[#out + 1] = current
            end
        elseif current and line:find("^VmFlags:") then
            current.left_out = line:find(" dd", 1, true) ~= nil
        end
    end
    return out
end

-- Parts of a core that cannot stand there by chance, as they are and as base64 has them.
local function needles(mark)
    local _, exact = marks.needles(mark)
    local core = marks.core(mark)
    exact[#exact + 1] = core:sub(1, 12)
    exact[#exact + 1] = core:sub(-12)
    return exact
end

local function any_in(text, wanted)
    for _, needle in ipairs(wanted) do
        if text:find(needle, 1, true) then
            return true
        end
    end
    return false
end

-- Whether `read(size)` comes by any of the needles before it gives nothing more.
local function stream_holds(read, wanted)
    local tail = ""
    for chunk in function() return read(CHUNK) end do
        if any_in(tail .. chunk, wanted) then
            return true
        end
        tail = chunk:sub(-OVERLAP)
    end
    return false
end

local function mapping_holds(mem, mapping, wanted)
    if not mem:seek("set", mapping.from) then
        return false
    end
    local left = mapping.to - mapping.from
    return stream_holds(function(size)
        local chunk = left > 0 and mem:read(math.min(size, left)) or nil
        left = left - (chunk and #chunk or left)
        return chunk
    end, wanted)
end

--- Whether a mark, or a part of it, stands in the memory of a process.
-- @tparam string pid
-- @tparam string mark
-- @treturn ?boolean anywhere; nil: it may not be looked at
-- @treturn boolean in what goes into a core dump
function M.holds(pid, mark)
    local mem = io.open("/proc/" .. pid .. "/mem", "rb")
    if not mem then
        return nil
    end
    local wanted = needles(mark)
    local anywhere, dumped = false, false
    for _, mapping in ipairs(mappings(pid)) do
        if mapping_holds(mem, mapping, wanted) then
            anywhere, dumped = true, dumped or not mapping.left_out
        end
    end
    mem:close()
    return anywhere, dumped
end

--- Whether a mark, or a part of it, stands in a file, such as a core dump.
function M.file_holds(path, mark)
    local file = assert(io.open(path, "rb"))
    local found = stream_holds(function(size) return file:read(size) end, needles(mark))
    file:close()
    return found
end

--- Whether the kernel writes core dumps into the folder that a program runs in.
function M.kernel_dumps()
    local pattern = shell.read("/proc/sys/kernel/core_pattern") or ""
    return pattern:find("^[%w_.%%-]+\n$") ~= nil
end

return M

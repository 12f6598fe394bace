-- What a process takes of its system: memory, descriptors, threads; looked at once a second.

local core = require("groove.core")

local M = {}

local Vitals = {}
Vitals.__index = Vitals

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

local pid = read("/proc/self/stat"):match("^%d+")

-- Entries of a folder of /proc. ls is a process of its own, whose pipe counts every time.
local function entries(folder)
    local pipe = assert(io.popen(("ls /proc/%s/%s"):format(pid, folder)))
    local _, count = pipe:read("*a"):gsub("\n", "")
    pipe:close()
    return count
end

--- KiB of memory that no file stands behind, locked pages included.
local function anonymous()
    return tonumber(read("/proc/self/status"):match("RssAnon:%s+(%d+)"))
end

--- Descriptors, now.
function M.descriptors()
    return entries("fd")
end

--- What the descriptors are of, now: counts by kind, "socket" or a path. Not looked at before popen
-- has closed the other end of its pipe.
function M.open_files()
    local pipe = assert(io.popen("sleep 0.1; ls -l /proc/" .. pid .. "/fd"))
    local counts = {}
    for line in pipe:lines() do
        local kind = line:match("%-> (.+)$")
        kind = kind and kind:gsub(":%[%d+%]$", "")
        if kind then
            counts[kind] = (counts[kind] or 0) + 1
        end
    end
    pipe:close()
    return counts
end

--- Of which kinds there are more than there were.
-- @tparam table before of `open_files`
-- @treturn table list of texts
function M.left_open(before)
    local left = {}
    for kind, count in pairs(M.open_files()) do
        if count > (before[kind] or 0) then
            left[#left + 1] = ("%d of %s"):format(count - (before[kind] or 0), kind)
        end
    end
    return left
end

--- Threads, now.
function M.threads()
    return entries("task")
end

local NAMES = { "time", "memory", "lua", "descriptors", "threads" }

-- A list for each kind: a table for each sample would be the growth that is looked for.
function M.new()
    local self = setmetatable({}, Vitals)
    for _, name in ipairs(NAMES) do
        self[name] = {}
    end
    return self
end

--- Takes a sample. Lua's memory is what a full collection leaves.
function Vitals:sample()
    collectgarbage()
    collectgarbage()
    table.insert(self.time, core.now())
    table.insert(self.memory, anonymous())
    table.insert(self.lua, collectgarbage("count"))
    table.insert(self.descriptors, M.descriptors())
    table.insert(self.threads, M.threads())
end

--- What a kind was at the last sample.
function Vitals:last(name)
    return self[name][#self[name]]
end

-- What is left in quieter moments: three in four values are higher.
local function lower_quartile(values)
    table.sort(values)
    return values[math.ceil(#values / 4)]
end

-- The values of one kind between two moments.
local function between(self, name, from, to)
    local values = {}
    for i, time in ipairs(self.time) do
        if time >= from and time <= to then
            values[#values + 1] = self[name][i]
        end
    end
    assert(#values > 0, "no samples")
    return values
end

--- What is left in quieter moments of the first and of the last quarter after the warm-up.
-- @tparam string name
-- @tparam number warm when the warm-up was over
-- @treturn number
-- @treturn number
function Vitals:ends(name, warm)
    local last = self:last("time")
    local quarter = (last - warm) / 4
    return lower_quartile(between(self, name, warm, warm + quarter)),
        lower_quartile(between(self, name, last - quarter, last))
end

--- The most of all samples from a moment on.
function Vitals:most(name, from)
    local most = 0
    for _, value in ipairs(between(self, name, from, math.huge)) do
        most = math.max(most, value)
    end
    return most
end

--- Whether something is flat: what the last quarter has above the first is at most `allowance`,
-- and `per_hour` for the time between.
-- @treturn boolean
-- @treturn string the figures
function Vitals:is_flat(name, warm, allowance, per_hour)
    local first, last = self:ends(name, warm)
    local hours = (self:last("time") - warm) * 0.75 / 3600
    return last - first <= allowance + per_hour * hours,
        ("%s: %.0f at first, %.0f at last, at most %.0f more"):format(name, first, last,
            allowance + per_hour * hours)
end

return M

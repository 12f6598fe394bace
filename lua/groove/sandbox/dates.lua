--- Dates as the service writes them.
--
-- @module groove.sandbox.dates

local M = {}

--- ISO 8601, in UTC, with milliseconds.
-- @param time seconds since 1970
function M.iso(time)
    local seconds = math.floor(time)
    -- Half of one more, for what a fraction of a second is not exactly.
    local thousandths = math.floor((time - seconds) * 1000 + 0.5)
    if thousandths == 1000 then
        seconds, thousandths = seconds + 1, 0
    end
    return os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. (".%03dZ"):format(thousandths)
end

return M

-- The account of calls: each that was started ends exactly once, in time, and in a way that a
-- program may expect.

local core = require("groove.core")
local errors = require("groove.errors")

local M = {}

local Ledger = {}
Ledger.__index = Ledger

-- How a call may end; "argument" would be the soak's own mistake.
M.OUTCOMES = { "ok", "both", "pending", "token", "api", "transport", "timeout", "cancelled" }

-- Seconds by which a call may miss its own deadline: for a host that is kept from dispatching, by a
-- blocking call of its own, a full collection or other programs.
local LATE = 10

--- An empty account.
function M.new()
    return setmetatable({
        started = 0, ended = 0, open = {}, wrong = {}, latest = 0, forms = {}, kinds = {},
    }, Ledger)
end

local function count(counts, name)
    counts[name] = (counts[name] or 0) + 1
end

--- Notes something that must not be; the first few are shown.
function Ledger:complain(text)
    self.wrong[#self.wrong + 1] = text
end

--- A call begins.
-- @tparam string form how it is made: "callback", "blocking", ...
-- @tparam number seconds until its deadline
-- @treturn table entry, for `finish`
function Ledger:start(form, seconds)
    local entry = { form = form, deadline = core.now() + seconds, ended = false }
    self.started = self.started + 1
    self.forms[form] = self.forms[form] or { started = 0, ended = 0 }
    count(self.forms[form], "started")
    self.open[entry] = true
    return entry
end

local function outcome_of(value, err)
    if err == nil then
        return value ~= nil and "ok" or nil
    elseif value ~= nil then
        return "both"
    end
    return errors.is(err) and err.kind or nil
end

local KNOWN = {}
for _, name in ipairs(M.OUTCOMES) do
    KNOWN[name] = true
end

--- A call has ended.
-- @tparam table entry
-- @param value
-- @param err
-- @tparam[opt] string expected the only way it may have ended
function Ledger:finish(entry, value, err, expected)
    local outcome = outcome_of(value, err)
    if entry.ended then
        return self:complain(entry.form .. ": ended twice")
    end
    entry.ended = true
    self.open[entry] = nil
    self.ended = self.ended + 1
    local late = core.now() - entry.deadline
    if late > self.latest then
        self.latest, self.latest_form = late, entry.form
    end
    count(self.forms[entry.form], "ended")
    if not KNOWN[outcome] then
        return self:complain(entry.form .. ": ended as " .. tostring(outcome) .. ": "
            .. tostring(err))
    elseif expected and outcome ~= expected then
        self:complain(entry.form .. ": ended as " .. outcome .. " and not as " .. expected)
    end
    count(self.forms[entry.form], outcome)
    count(self.kinds, outcome)
    if err and err.code then
        self.codes = self.codes or {}
        count(self.codes, err.kind .. " " .. err.code)
    end
end

--- How many calls are under way.
function Ledger:under_way()
    return self.started - self.ended
end

-- What does not add up, besides what was noted.
local function sums(self)
    local started, ended, by_outcome, left = 0, 0, 0, 0
    for _, form in pairs(self.forms) do
        started, ended = started + form.started, ended + form.ended
        for _, name in ipairs(M.OUTCOMES) do
            by_outcome = by_outcome + (form[name] or 0)
        end
    end
    for _ in pairs(self.open) do
        left = left + 1
    end
    return started == self.started and ended == self.started and by_outcome == self.started
        and left == 0
end

--- Whether all is accounted for.
-- @treturn boolean
-- @treturn string what is not
function Ledger:balanced()
    local right = #self.wrong == 0 and sums(self)
    local shown = table.concat(self.wrong, "; ", 1, math.min(5, #self.wrong))
    return right, ("%d started, %d ended, %d wrong %s"):format(self.started, self.ended,
        #self.wrong, shown)
end

--- Whether none ended later than its deadline and what a busy machine takes.
function Ledger:in_time()
    return self.latest <= LATE, ("the latest, %s, %.2f s after its deadline"):format(
        self.latest_form or "none", self.latest)
end

local function sorted(counts)
    local names = {}
    for name in pairs(counts) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

--- The account as a table, for people.
function Ledger:print(say)
    local head = ("%-10s %8s %8s"):format("form", "started", "ended")
    for _, outcome in ipairs(M.OUTCOMES) do
        head = head .. (" %9s"):format(outcome)
    end
    say(head)
    for _, name in ipairs(sorted(self.forms)) do
        local form = self.forms[name]
        local row = ("%-10s %8d %8d"):format(name, form.started, form.ended)
        for _, outcome in ipairs(M.OUTCOMES) do
            row = row .. (" %9d"):format(form[outcome] or 0)
        end
        say(row)
    end
    local codes = {}
    for _, name in ipairs(sorted(self.codes or {})) do
        codes[#codes + 1] = name .. " " .. self.codes[name]
    end
    say("errors: " .. table.concat(codes, ", "))
end

return M

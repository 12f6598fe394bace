-- What goes wrong with the services during a soak, at random: a sandbox that is never well for
-- long.

local groove = require("groove")
local core = require("groove.core")

local M = {}

local Trouble = {}
Trouble.__index = Trouble

-- Tokens live for two seconds.
M.LIFETIME = 2

local GARBAGE = "\0\255{]\"access_token\":\"\r\n"

-- A list of two numbers stands for one between them.
local FAULTS = {
    token = {
        { status = 401 }, { status = 429, retry_after = 1 }, { status = 429 }, { status = 500 },
        { status = 503, retry_after = 1 }, { status = 503 }, { close = true }, { close = 12 },
        { body = GARBAGE }, { body = '{"access_token":' }, { body = 70000 },
        { delay = { 0.05, 3 } },
        { status = 302, headers = { Location = "http://127.0.0.1:9/" } },
    },
    api = {
        { status = 401 }, { status = 403 }, { status = 404 }, { status = 429, retry_after = 1 },
        { status = 429, retry_after = 0.2 }, { status = 500 }, { status = 502 },
        { status = 503, retry_after = 1 }, { close = true }, { close = 100 }, { body = GARBAGE },
        { body = "[]" }, { body = 300000 }, { delay = { 0.05, 3 } }, { delay = { 0.05, 0.3 } },
    },
}

local function filled(template, random)
    local fault = {}
    for name, value in pairs(template) do
        local is_range = type(value) == "table" and #value == 2
        fault[name] = is_range and value[1] + random() * (value[2] - value[1]) or value
    end
    return fault
end

--- @tparam function random `random()` in [0, 1), `random(n)` in 1..n
-- @tparam string secret the client's
function M.new(random, secret)
    local self = setmetatable({
        random = random, secret = secret, active = {}, counts = {}, next = core.now(),
        restarts = 0,
    }, Trouble)
    self:restart()
    return self
end

function Trouble:count(name)
    self.counts[name] = (self.counts[name] or 0) + 1
end

--- The sandbox that serves now.
function Trouble:options()
    return self.sandbox:options()
end

--- Stops the sandbox and starts another one, elsewhere: whoever knows the old one finds nobody.
function Trouble:restart()
    if self.sandbox then
        self.sandbox:stop()
        self:count("restart")
    end
    self.active, self.restarts = {}, self.restarts + 1
    self.sandbox = assert(groove.sandbox({
        lifetime = M.LIFETIME, client_secret = self.secret, catalogue = 500,
    }))
    self:sign_in()
end

-- A user's token, good for a day; a crash makes the sandbox forget it.
function Trouble:sign_in()
    self.user = self.sandbox:user_token("ada", { lifetime = 86400 }) or self.user
end

-- The process that answers, a child of the one that was started.
local function worker(self)
    local master = self.sandbox._started.child:pid()
    local file = io.open(("/proc/%d/task/%d/children"):format(master, master))
    local pid = file and file:read("*a"):match("%d+")
    if file then
        file:close()
    end
    return pid
end

local function signal(self, name)
    local pid = worker(self)
    if pid then
        os.execute("kill -" .. name .. " " .. pid .. " 2>/dev/null")
    end
end

-- Its process dies, and another takes its place: every connection is cut at once.
local function crash(self)
    signal(self, "KILL")
    self.active = {}
    self:sign_in()
    self:count("crash")
end

-- It stands still: connections open, and nothing is answered.
local function stall(self)
    signal(self, "STOP")
    self.stalled_until = core.now() + 0.2 + 1.5 * self.random()
    self:count("stall")
end

local function go_on(self)
    signal(self, "CONT")
    self.stalled_until = nil
end

local function add_fault(self, on, number)
    local fault = filled(FAULTS[on][number], self.random)
    fault.on = on
    local active = self.sandbox:fault(fault)
    if active then
        table.insert(self.active, { active, core.now() + 0.1 + 0.9 * self.random() })
        self:count(("%s %d"):format(on, number))
    end
end

local function clear_old(self, now)
    for i = #self.active, 1, -1 do
        if self.active[i][2] <= now then
            table.remove(self.active, i)[1]:clear()
        end
    end
end

-- Every kind of trouble once, in any order: like cards, so that each is met in a short soak too.
local function shuffled(self)
    local deck = { { crash }, { stall }, { self.restart } }
    for _, on in ipairs({ "token", "api" }) do
        for number in ipairs(FAULTS[on]) do
            table.insert(deck, { add_fault, on, number })
        end
    end
    for i = #deck, 2, -1 do
        local other = self.random(i)
        deck[i], deck[other] = deck[other], deck[i]
    end
    return deck
end

local function next_trouble(self)
    if not self.deck or #self.deck == 0 then
        self.deck = shuffled(self)
    end
    local card = table.remove(self.deck)
    card[1](self, card[2], card[3])
end

--- Brings about what is due.
function Trouble:go_on()
    local now = core.now()
    if self.stalled_until then
        if now < self.stalled_until then
            return
        end
        go_on(self)
    end
    clear_old(self, now)
    if now >= self.next then
        self.next = now + 0.1 + 0.8 * self.random()
        next_trouble(self)
    end
end

--- From now on all is well.
function Trouble:calm()
    if self.stalled_until then
        go_on(self)
    end
    for _, active in ipairs(self.active) do
        active[1]:clear()
    end
    self.active = {}
end

--- Whether every kind of trouble was met.
-- @treturn boolean
-- @treturn string how often
function Trouble:was_met()
    local missing, all = 0, 0
    for on, faults in pairs(FAULTS) do
        for number in ipairs(faults) do
            local count = self.counts[("%s %d"):format(on, number)] or 0
            missing, all = missing + (count == 0 and 1 or 0), all + count
        end
    end
    for _, name in ipairs({ "restart", "crash", "stall" }) do
        missing = missing + (self.counts[name] and 0 or 1)
    end
    return missing == 0, ("%d faults, %d crashes, %d stalls, %d restarts; %d kinds not met"):format(
        all, self.counts.crash or 0, self.counts.stall or 0, self.counts.restart or 0, missing)
end

return M

--- What the workers of an nginx have in common, in a `lua_shared_dict`: the token, who asks for it,
-- and why there is none.
--
-- One worker leads: it alone asks for tokens and publishes them, the others adopt. It holds a
-- *lease*, which it renews once a second, however long an attempt takes; who cannot renew it has
-- one that is longer than an attempt. The lease of a leader that has been stopped runs out. Who
-- finds the leader's process gone takes the lease over at once, and so does who has learnt first
-- that the API refuses the token. Nothing of anybody else's is evicted for any of this; where the
-- dictionary is too small, each worker goes on alone.
--
-- @module groove.nginx.store

local ffi = require("ffi")
local core = require("groove.core")
local errors = require("groove.errors")

local M = {}

local RENEWED_LEASE = 4 -- a leader that is late by more is stopped, or blocked
local LEASE_MIN, LEASE_MARGIN = 20, 5
local REJECT_SECONDS = 1
local FAILURE_MIN, FAILURE_MAX = 0.5, 30
local ALONE = "alone"
local EPERM = 1

ffi.cdef("int kill(int pid, int signal);")

local C = ffi.C

local store = {}
local mt = { __index = store }

--- A hook's part of a dictionary.
-- @tparam string dict name of the `lua_shared_dict`
-- @tparam string name of the hook
-- @tparam string fingerprint of its credentials
-- @tparam number timeout of one attempt
-- @treturn ?table store
-- @treturn ?string what is wrong
function M.new(dict, name, fingerprint, timeout)
    local shared = ngx.shared[dict]
    if not shared then
        return nil, "there is no \"lua_shared_dict " .. dict .. "\"; each worker goes on alone"
    end
    local prefix = "groove:" .. name .. ":" .. fingerprint .. ":"
    return setmetatable({
        dict = shared,
        lease_key = prefix .. "lease",
        token_key = prefix .. "token",
        failure_key = prefix .. "failure",
        rejected_key = prefix .. "rejected",
        lease = math.max(LEASE_MIN, timeout + LEASE_MARGIN),
        full = false,
    }, mt)
end

-- Writes what is not there yet. Others may have filled the dictionary since it was looked at.
local function add(self, key, value, seconds)
    local ok, problem = self.dict:safe_add(key, value, seconds)
    self.full = self.full or problem == "no memory"
    return ok
end

-- --- who leads -----------------------------------------------------------------------------------

local function me()
    return tostring(ngx.worker.pid())
end

--- Whether a process is no more.
-- @param pid a number, or what may be one as text
-- @treturn boolean
function M.is_gone(pid)
    pid = tonumber(pid)
    return pid ~= nil and C.kill(pid, 0) ~= 0 and ffi.errno() ~= EPERM
end

-- Of those who find the same leader gone only the first takes its place.
local function succeed(self, holder)
    if not M.is_gone(holder)
        or not add(self, self.lease_key .. ":" .. holder, me(), self.lease) then
        return false
    end
    return self:seize()
end

--- From now on this worker renews its lease once a second, while it leads.
function store:renews()
    self.lease = RENEWED_LEASE
end

--- Whether this worker leads.
-- @treturn boolean
function store:leads()
    return self.dict:get(self.lease_key) == me()
end

--- Leads from now on, whoever did before.
-- @treturn boolean whether that could be written down
function store:seize()
    return self.dict:safe_set(self.lease_key, me(), self.lease) == true
end

--- Leads if nobody else does.
-- @treturn boolean whether this worker leads
function store:lead()
    if add(self, self.lease_key, me(), self.lease) then
        return true
    end
    local holder = self.dict:get(self.lease_key)
    return holder == me() or holder ~= nil and succeed(self, holder)
end

--- The leader is still there.
function store:stay()
    self.dict:expire(self.lease_key, self.lease)
end

--- Leaves the lead to others.
function store:resign()
    if self:leads() then
        self.dict:delete(self.lease_key)
    end
end

--- Whether anybody leads.
-- @treturn boolean
function store:is_led()
    return self.dict:get(self.lease_key) ~= nil
end

--- Whether there is room for anything.
-- @treturn boolean
function store:has_room()
    add(self, self.lease_key .. ":room", true, self.lease)
    return not self.full
end

--- Whether there has turned out to be no room: then everybody is alone.
-- @treturn boolean
function store:gave_up()
    return self.full or self.dict:get(self.lease_key) == ALONE
end

-- --- the token -----------------------------------------------------------------------------------

--- Publishes a token.
-- @tparam string token
-- @tparam number expires_in seconds from now
-- @tparam number age seconds since it was asked for
-- @treturn boolean false where there is no room: the others have been told, where that was possible
function store:publish(token, expires_in, age)
    local record = ("%.3f %.3f %s"):format(core.now() - age, expires_in + age, token)
    local ok, problem = self.dict:safe_set(self.token_key, record, expires_in)
    if not ok and problem == "no memory" then
        self.dict:safe_set(self.lease_key, ALONE, self.lease)
        return false
    end
    self.dict:delete(self.failure_key)
    return true
end

--- Whether a token is published.
-- @treturn boolean
function store:has_token()
    return self.dict:get(self.token_key) ~= nil
end

--- What is published, if it is another record than the one that this gave last.
-- @treturn ?string token
-- @treturn ?number seconds that it lives in all
-- @treturn ?number seconds since its issue
function store:news()
    local record = self.dict:get(self.token_key)
    if record == nil or record == self.seen then
        return nil
    end
    self.seen = record
    local issued, lifetime, token = record:match("^(%S+) (%S+) (.+)$")
    return token, tonumber(lifetime), math.max(0, core.now() - issued)
end

--- Takes note that the API refuses a token.
-- @tparam string token
-- @treturn boolean whether another one is to be asked for by who called: once a second at most
-- @treturn boolean whether the token is not to be used: this one has been refused, or that cannot
-- be written down
function store:reject(token)
    local mark = ngx.crc32_long(token)
    if add(self, self.rejected_key, mark, REJECT_SECONDS) then
        self.dict:delete(self.token_key)
        return true, true
    end
    return false, self.full or self.dict:get(self.rejected_key) == mark
end

-- --- why there is none ---------------------------------------------------------------------------

--- Tells the others why there is no token.
-- @tparam table err
function store:fail(err)
    local seconds = math.max(FAILURE_MIN, math.min(err.retry_after or 0, FAILURE_MAX))
    local text = ("%s %s %d %s"):format(err.kind, err.code or "-", err.status or 0,
        errors.line(err.message or ""))
    self.dict:safe_set(self.failure_key, text, seconds)
end

--- Why there is none.
-- @treturn ?table error
function store:failure()
    local text = self.dict:get(self.failure_key)
    local kind, code, status, message = (text or ""):match("^(%S+) (%S+) (%d+) (.*)$")
    if not kind then
        return nil
    end
    status = tonumber(status)
    return errors.new({
        kind = kind, code = code ~= "-" and code or nil, status = status > 0 and status or nil,
        message = message, retryable = true, retry_after = self.dict:ttl(self.failure_key),
    })
end

return M

--- The numbers of all workers, for `metrics` and `status_page`.
--
-- Each worker that has used a hook writes its numbers into the hook's shared dictionary once a
-- second, under a key with its process's number. What a process has counted that is gone is added
-- to a *base*, so that sums do not go down when workers are replaced. Without a dictionary there
-- are only the numbers of the worker that is asked.
--
-- Counters come through a fork with the rest of the source. Those that the master has counted
-- (`prefetch`) are written down once, as the master's.
--
-- @module groove.nginx.board

local ffi = require("ffi")
local core = require("groove.core")
local errors = require("groove.errors")
local metrics = require("groove.metrics")
local store = require("groove.nginx.store")

local M = {}

local SECONDS = 1
local LOCK_SECONDS, LOCK_TRIES, LOCK_PAUSE = 2, 100, 0.002
local STALE_SECONDS = 30 -- then a worker is no more, or about to be
local SAME_TOKEN = 0.2 -- seconds that two workers' notions of a token's end may differ

ffi.cdef("int getppid(void);")

local C = ffi.C

-- What this process knows of each hook: `{ pid, inherited }`.
local mine = setmetatable({}, { __mode = "k" })

local function dict_of(hook)
    return hook.store and hook.store.dict
end

local function key(hook, name)
    return "groove:" .. hook.name .. ":numbers:" .. name
end

-- --- records -------------------------------------------------------------------------------------

-- As text: lines of names and values, a counter's name after a "+".
local function encode(record)
    local lines = {}
    for name, value in pairs(record) do
        if name ~= "counters" then
            lines[#lines + 1] = name .. "=" .. tostring(value)
        end
    end
    for name, count in pairs(record.counters) do
        lines[#lines + 1] = ("+%s=%.0f"):format(name, count)
    end
    return table.concat(lines, "\n")
end

local function decode(text)
    local record = { counters = {} }
    for name, value in (text or ""):gmatch("([^=\n]+)=([^\n]*)") do
        if name:sub(1, 1) == "+" then
            record.counters[name:sub(2)] = tonumber(value)
        else
            record[name] = tonumber(value) or value
        end
    end
    return record
end

local function add(sum, counters)
    for name, count in pairs(counters) do
        sum[name] = (sum[name] or 0) + count
    end
    return sum
end

local function without(counters, inherited)
    local out = {}
    for name, count in pairs(counters) do
        out[name] = math.max(0, count - (inherited[name] or 0))
    end
    return out
end

-- Without what `refresh_in` says better.
local function words_of(err)
    return err and (errors.line(err):gsub(" %(retry after [^)]*%)$", ""))
end

local function problem_of(hook, info)
    local err = info.last_error
    if not err and not info.expires_in and hook.store then
        err = hook.store:failure()
    end
    return words_of(err)
end

local NOTHING = { state = "empty", counts = {}, reasons = {}, codes = {} }

-- Those of the source, and what the hook alone knows.
local function counters_of(hook, info)
    local counters = metrics.counters(info)
    counters.waits = (counters.waits or 0) + hook.waits
    return counters
end

-- This worker's.
local function own_record(hook, inherited)
    local opened, err = hook:open()
    local info = opened and hook.source:info() or NOTHING
    local record = metrics.gauges(info)
    record.pid, record.id, record.at = ngx.worker.pid(), ngx.worker.id() or -1, core.now()
    record.leads = hook.leading and 1 or 0
    record.problem = opened and problem_of(hook, info) or words_of(err)
    record.refresh_in = hook.leading and record.refresh_in or nil -- others only watch
    record.counters = without(counters_of(hook, info), inherited)
    return record
end

-- --- the dictionary ------------------------------------------------------------------------------

-- Says so where there is no room.
local function wrote(hook, ok, problem)
    if problem == "no memory" then
        hook:report("the shared dictionary has no room for the numbers of all workers")
    end
    return ok, problem
end

local function set(hook, name, text)
    wrote(hook, dict_of(hook):safe_set(key(hook, name), text))
end

local function get(hook, name)
    return dict_of(hook):get(key(hook, name))
end

local function pids(hook)
    local list = {}
    for pid in (get(hook, "pids") or ""):gmatch("%d+") do
        list[#list + 1] = pid
    end
    return list
end

-- Runs a function while nobody else runs one. False where that could not be had.
local function alone(hook, fn)
    local dict, lock = dict_of(hook), key(hook, "lock")
    for _ = 1, LOCK_TRIES do
        local locked, reason = wrote(hook, dict:safe_add(lock, true, LOCK_SECONDS))
        if locked then
            local ok, problem = pcall(fn)
            dict:delete(lock)
            return ok or error(problem, 0)
        elseif reason == "no memory" then
            return false
        end
        ngx.sleep(LOCK_PAUSE)
    end
    return false
end

-- First the sum, then the end of what it is of.
local function fold(hook, pid)
    local base = add(decode(get(hook, "base")).counters, decode(get(hook, pid)).counters)
    set(hook, "base", encode({ counters = base }))
    dict_of(hook):delete(key(hook, pid))
end

-- Adds up those that are gone.
local function sweep(hook)
    local kept = {}
    for _, pid in ipairs(pids(hook)) do
        if store.is_gone(pid) then
            fold(hook, pid)
        else
            kept[#kept + 1] = pid
        end
    end
    set(hook, "pids", table.concat(kept, " "))
end

local function enlist(hook, pid)
    local list = pids(hook)
    for _, known in ipairs(list) do
        if known == pid then
            return
        end
    end
    list[#list + 1] = pid
    set(hook, "pids", table.concat(list, " "))
end

-- What the master has counted; of one that has gone on counting since an earlier reload the latest.
local function enlist_master(hook, inherited)
    local pid = ("%d"):format(C.getppid())
    local known = decode(get(hook, pid)).counters
    if metrics.sum(inherited, "requests") >= metrics.sum(known, "requests") then
        set(hook, pid, encode({ master = 1, counters = inherited }))
        enlist(hook, pid)
    end
end

-- At first. What is there under this process's number is of one that is gone.
local function enter(hook)
    local own = mine[hook]
    sweep(hook)
    fold(hook, own.pid)
    enlist(hook, ("%d"):format(own.pid))
    if metrics.sum(own.inherited, "requests") > 0 then
        enlist_master(hook, own.inherited)
    end
    own.listed = true
end

-- So that other workers can tell a client when a token is renewed.
local function publish_plan(hook, info)
    if hook.leading and info.expires_in and info.refresh_in then
        local now = core.now()
        set(hook, "plan", ("%.3f %.3f"):format(now + info.expires_in, now + info.refresh_in))
    end
end

local function publish(hook)
    local record = own_record(hook, mine[hook].inherited)
    set(hook, record.pid, encode(record))
    publish_plan(hook, record)
end

-- --- in each worker ------------------------------------------------------------------------------

local function tick(_, hook)
    if not dict_of(hook) or hook.replaced then
        return
    elseif not mine[hook].listed then
        alone(hook, function() enter(hook) end)
    end
    if mine[hook].listed then
        publish(hook)
    end
end

local function begin(hook, pid)
    local opened = hook:open()
    -- What a source has counted at its first use here has been counted before the fork.
    local used = hook.pid == pid or not opened
    mine[hook] = {
        pid = pid, inherited = used and {} or counters_of(hook, hook.source:info()),
    }
    if dict_of(hook) and not hook.short_lived then
        ngx.timer.at(0, tick, hook)
        ngx.timer.every(SECONDS, tick, hook)
    end
end

--- To be called by each worker before it uses a hook: has its numbers written down from then on.
-- @tparam table hook
function M.attend(hook)
    local pid = ngx.worker.pid()
    local known = mine[hook]
    if (not known or known.pid ~= pid) and ngx.get_phase() ~= "init" then
        begin(hook, pid)
    end
end

-- --- reading -------------------------------------------------------------------------------------

-- Gauges of a record, as of now.
local function aged(record)
    local passed = core.now() - (record.at or core.now())
    for _, name in ipairs({ "age", "expires_in", "refresh_in" }) do
        local value = record[name]
        record[name] = value and (name == "age" and value + passed or math.max(0, value - passed))
    end
    return record
end

-- The worker whose word counts: who leads, else who has the token that lives longest.
local function spokesman(workers)
    local best = workers[1]
    for _, record in ipairs(workers) do
        if record.leads == 1 then
            return record
        elseif (record.expires_in or 0) > (best.expires_in or 0) then
            best = record
        end
    end
    return best
end

-- A record that is stale still counts: its process may be on its way out, or another one may have
-- its number.
local function collect(hook)
    local workers = {}
    local counters = decode(get(hook, "base")).counters
    for _, pid in ipairs(pids(hook)) do
        local record = decode(get(hook, pid))
        add(counters, record.counters)
        if record.pid and core.now() - record.at < STALE_SECONDS then
            workers[#workers + 1] = aged(record)
        end
    end
    table.sort(workers, function(a, b)
        return a.id < b.id or a.id == b.id and a.pid < b.pid
    end)
    return workers, counters
end

local function read_all(hook)
    local workers, counters
    alone(hook, function()
        if mine[hook].listed then
            sweep(hook)
        else
            enter(hook)
        end
        publish(hook)
        workers, counters = collect(hook)
    end)
    if not workers then
        workers, counters = collect(hook)
    end
    return workers, counters
end

--- What is known of a hook. Where a request can wait.
-- @tparam table hook
-- @treturn table `workers`, a list of records (`pid`, `id`, `leads` 0 or 1, `state`, `age`,
-- `expires_in`, `refresh_in`, `problem`, `counters`); `counters` of all together; `gauges`, the
-- record of the one whose word counts; `shared`, whether all workers are in it
function M.read(hook)
    M.attend(hook)
    if dict_of(hook) and not hook.short_lived then
        local workers, counters = read_all(hook)
        if #workers > 0 then -- else there is no room for any
            return {
                workers = workers, counters = counters, gauges = spokesman(workers), shared = true,
            }
        end
    end
    local record = own_record(hook, {})
    return { workers = { record }, counters = record.counters, gauges = record }
end

--- When the token at hand is renewed, by whichever worker does that.
-- @tparam table hook
-- @tparam table info of its source
-- @treturn ?number seconds; nil: the worker that renews has not said so yet, in the first second
function M.refresh_in(hook, info)
    if not dict_of(hook) then
        return info.refresh_in
    elseif hook.leading then
        publish_plan(hook, info)
        return info.refresh_in
    end
    local expires, refresh = (get(hook, "plan") or ""):match("^(%S+) (%S+)$")
    local now = core.now()
    if expires and math.abs(expires - now - info.expires_in) <= SAME_TOKEN then
        return math.max(0, refresh - now)
    elseif info.origin == "inherited" then
        return info.refresh_in -- the plan came along with the token
    end
end

return M

--- Calls: one logic for blocking and for asynchronous use.
--
-- A *flow* is a function whose first argument is `await`; `await(op)` gives the result of an
-- operation of the core. `perform` runs a flow at once, waiting in `await`; `start` runs it in a
-- coroutine, which `await` leaves until the operation has finished.
--
-- @module groove.call

local core = require("groove.core")
local check = require("groove.check")
local errors = require("groove.errors")
local events = require("groove.events")

local M = {}

local methods = {}
local mt = { __name = "groove.call", __index = methods }

-- Calls under way by the operation they wait for. Strong: a call lives until it has finished.
local waiting = {}

-- What a flow yields, so that a yield of somebody else's (a transport made for another scheduler)
-- is not taken for one.
local AWAIT = {}

local WEAK = { __mode = "k" }

local function blocking(op)
    op:wait()
    return op:result()
end

local function yielding(op)
    if not op:done() then
        coroutine.yield(AWAIT, op)
    end
    return op:result()
end

local function finish(call, value, err)
    if call._finished then
        return
    end
    call._finished = true
    call._value, call._err = value, err
    call._thread, call._op = nil, nil
    call._owner._calls[call] = nil
    for _, fn in ipairs(call._callbacks or {}) do
        events.callback(fn, call._owner, value, err, call)
    end
    call._callbacks = nil
end

local function raised(call, problem)
    if call._owner:closed() then
        return errors.cancelled("closed while the call was under way")
    end
    return errors.raised(problem)
end

local function advance(call, ok, mark, op)
    if call._finished then
        return
    elseif not ok then
        finish(call, nil, raised(call, mark))
    elseif coroutine.status(call._thread) == "dead" then
        finish(call, mark, op)
    elseif mark == AWAIT then
        call._op = op
        waiting[op] = call
        op:watch()
    else
        finish(call, nil, errors.transport("raised",
            "a transport must not yield within an asynchronous call", false))
    end
end

local function resume(call)
    waiting[call._op] = nil
    call._op = nil
    advance(call, coroutine.resume(call._thread))
end

local function finished(op)
    local call = waiting[op]
    if call then
        resume(call)
    end
end

--- An empty set of calls, for owners that share one.
-- @treturn table
function M.set()
    return setmetatable({}, WEAK)
end

--- Starts a flow.
-- @tparam table owner with a method `closed` and, optionally, `_on_event` and `_suspend`; gets
-- `_calls`, a weak set of its calls
-- @tparam function flow
-- @param ... its arguments, after `await`
-- @treturn table a call
function M.start(owner, flow, ...)
    local call = setmetatable({ _owner = owner, _thread = coroutine.create(flow) }, mt)
    owner._calls = owner._calls or M.set()
    owner._calls[call] = true
    advance(call, coroutine.resume(call._thread, yielding, ...))
    return call
end

-- How long a suspended call proposes to wait before it is looked at again. A host that watches
-- groove.fd() wakes earlier; one that can only sleep should not sleep long.
local PAUSE_FIRST, PAUSE_MAX = 0.001, 0.05

local function suspended(call, suspend, seconds)
    local pause = PAUSE_FIRST
    local deadline = seconds and core.now() + seconds
    while not call:done() do
        local left = deadline and deadline - core.now() or pause
        if left <= 0 then
            break
        end
        suspend(call, math.min(pause, left))
        pause = math.min(2 * pause, PAUSE_MAX)
    end
    return call:result()
end

--- Runs a flow to its end: blocking, or by the owner's `_suspend`.
-- @tparam table owner as for `start`
-- @tparam function flow
-- @param ... its arguments, after `await`
-- @return value
-- @return err
function M.perform(owner, flow, ...)
    events.deliver()
    if owner._suspend then
        return suspended(M.start(owner, flow, ...), owner._suspend)
    end
    return flow(blocking, ...)
end

local function refused(_, err)
    return nil, err
end

--- Makes the blocking and the asynchronous form of a method.
-- @tparam string name in messages, "client:search"
-- @tparam function prepare `prepare(self, name, ...)` checks the arguments, raises at the caller's
-- line, and returns a flow and its arguments, or `nil, err`
-- @tparam function owner_of `owner_of(self, name) -> owner`; raises when `self` is closed
-- @treturn function `method(self, ...) -> value, err`
-- @treturn function `method(self, ...) -> call`
function M.method(name, prepare, owner_of)
    local function run(owner, flow, ...)
        if not flow then
            return nil, (...)
        end
        return M.perform(owner, flow, ...)
    end
    local function begin(owner, flow, ...)
        return M.start(owner, flow or refused, ...)
    end
    local function method(self, ...)
        return run(owner_of(self, name), prepare(self, name, ...))
    end
    local function async(self, ...)
        return begin(owner_of(self, name), prepare(self, name, ...))
    end
    return method, async
end

--- Ends all calls of an owner as cancelled.
-- @tparam table owner
function M.cancel_all(owner)
    local calls = {}
    for call in pairs(owner._calls or {}) do
        calls[#calls + 1] = call
    end
    for _, call in ipairs(calls) do
        call:cancel()
    end
end

--- Whether the call has finished. Never blocks; brings the call forward where it can.
-- @treturn boolean
function methods:done()
    while not self._finished and self._op and self._op:done() do
        resume(self)
    end
    return self._finished == true
end

--- The outcome: what the method of the same name returns.
-- @return value
-- @return err `kind = "pending"` before the end
function methods:result()
    if not self:done() then
        return nil, errors.pending("the call has not finished yet")
    end
    return self._value, self._err
end

--- Waits for the end, by the client's `suspend` where it has one.
-- @tparam[opt] number seconds at most; by default until the end, which the call's own timeout
-- bounds. When they have passed the call goes on
-- @return value
-- @return err `kind = "pending"` when the seconds have passed
function methods:wait(seconds)
    check.argument("call:wait", "seconds", "number", seconds, true)
    events.deliver()
    local suspend = self._owner._suspend
    if suspend then
        return suspended(self, suspend, seconds)
    end
    local deadline = seconds and core.now() + seconds
    while not self:done() and self._op do
        local left = deadline and deadline - core.now()
        if left and left <= 0 then
            break
        end
        self._op:wait(left)
    end
    return self:result()
end

--- Ends the call with `kind = "cancelled"`. A token request that others wait for goes on.
-- @treturn boolean whether it was still running
function methods:cancel()
    if self:done() then
        return false
    end
    local op = self._op
    if op then
        waiting[op] = nil
        op:cancel()
    end
    finish(self, nil, errors.cancelled("the call was cancelled"))
    return true
end

--- Has a function called once with the outcome: always from `groove.dispatch`, also when the call
-- has finished already or is cancelled. Several functions run in the order they were given in. An
-- error in one becomes a `callback_error` event, or, without an `on_event`, is raised by
-- `dispatch` after the others have run.
-- @tparam function fn `fn(value, err, call)`
-- @treturn table the call
function methods:on_done(fn)
    check.argument("call:on_done", "fn", "function", fn)
    if self._finished then
        events.callback(fn, self._owner, self._value, self._err, self)
    else
        self._callbacks = self._callbacks or {}
        table.insert(self._callbacks, fn)
    end
    return self
end

--- State, for people.
-- @treturn string "groove.call (running)"
function mt.__tostring(call)
    return "groove.call (" .. (call._finished and "finished" or "running") .. ")"
end

local DISPATCH_SECONDS = 0.002

--- Runs callbacks and events of this Lua state's finished calls. Never blocks; drives the I/O
-- itself where there is no thread. At least one thing that waits is run, however short the time.
-- @tparam[opt=0.002] number seconds at most
-- @treturn integer callbacks and events run
-- @treturn boolean whether more wait
-- @raise the first error of a callback without an `on_event`, or of an `on_event`, after the others
-- have run
function M.dispatch(seconds)
    check.argument("groove.dispatch", "seconds", "number", seconds, true)
    local deadline = core.now() + (seconds or DISPATCH_SECONDS)
    local run, failure = 0, nil
    repeat
        local count
        count, failure = events.step(finished, failure)
        run = run + (count or 0)
    until not count or core.now() >= deadline
    events.look()
    if failure then
        error(failure[1], 0)
    end
    return run, events.waiting()
end

return M

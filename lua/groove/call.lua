--- Calls: one logic for blocking and for asynchronous use.
--
-- A *flow* is a function whose first argument is `await`; `await(op)` gives the result of an
-- operation of the core. `perform` runs a flow at once, waiting in `await`; `start` runs it in a
-- coroutine, which `await` leaves until the operation has finished. `await()`, without one, goes on
-- unless the call has ended meanwhile, by what it ran itself (json.decode, a token function).
--
-- @module groove.call

local core = require("groove.core")
local check = require("groove.check")
local errors = require("groove.errors")
local events = require("groove.events")
local host = require("groove.host")

local coroutine = host.coroutine

local M = {}

local methods = {}
local mt = { __name = "groove.call", __index = methods }

-- The call for which a coroutine is in a `suspend`.
local suspending = setmetatable({}, { __mode = "kv" })

-- Calls under way by the operation they wait for. Strong: a call lives until it has finished.
local waiting = {}

-- What a flow yields, so that a yield of somebody else's (a transport made for another scheduler)
-- is not taken for one.
local AWAIT = {}

local CLOSED = "closed while the call was under way"

local WEAK = { __mode = "k" }

local function blocking(op)
    if op then
        host.wait(op)
        return op:result()
    end
end

-- Where nothing can wait. What is at hand serves; nothing is sent that nobody would wait for.
local CANNOT_WAIT = {}

local function refusing(op)
    if op and op:done() then
        return op:result()
    end
    error(CANNOT_WAIT, 0)
end

-- Also where the operation has ended already: what starts a call is to return at once, and leaves
-- the decoding to whoever asks for the result.
local function yielding(op)
    coroutine.yield(AWAIT, op)
    if op then
        return op:result()
    end
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
        return errors.cancelled(CLOSED)
    end
    return errors.raised(problem)
end

local go_on

local function advance(call, ok, mark, op)
    if call._finished then
        -- By what it ran itself, which may have cancelled it or closed the client.
        if ok and mark == AWAIT and op then
            op:cancel()
        end
    elseif not ok then
        finish(call, nil, raised(call, mark))
    elseif coroutine.status(call._thread) == "dead" then
        finish(call, mark, op)
    elseif mark == AWAIT and not op then
        return go_on(call)
    elseif mark == AWAIT then
        call._op = op
        waiting[op] = call
        op:watch()
    else
        finish(call, nil, errors.transport("raised", "a transport, json.decode or a token function "
            .. "must not yield within an asynchronous call", false))
    end
end

function go_on(call, ...)
    events.inherit(call._thread)
    return advance(call, coroutine.resume(call._thread, ...))
end

local function resume(call)
    waiting[call._op] = nil
    call._op = nil
    go_on(call)
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

-- A transport that waits by the host's means does so for the coroutine that the host knows.
local function no_transport()
    return nil, errors.transport("raised", "inside nginx a transport serves the waiting methods "
        .. "only; ngx.thread.spawn runs several of them at once", false)
end

--- Starts a flow.
-- @tparam table owner with a method `closed` and, optionally, `_on_event` and `_suspend`; gets
-- `_calls`, a weak set of its calls
-- @tparam function flow
-- @param ... its arguments, after `await`
-- @treturn table a call
function M.start(owner, flow, ...)
    local run = owner._transport and host.own_coroutines and no_transport or flow
    local call = setmetatable({ _owner = owner, _thread = coroutine.create(run) }, mt)
    owner._calls = owner._calls or M.set()
    owner._calls[call] = true
    go_on(call, yielding, ...)
    return call
end

-- Calls `pause(call, left)` until the call has finished, or the seconds are over (nil: there is no
-- limit). Where a call is neither finished nor waits for an operation, it is being brought forward
-- by what called this, and cannot be waited for.
local function wait_for(call, seconds, pause)
    local deadline = seconds and core.now() + seconds
    while not call:done() and call._op do
        local left = deadline and deadline - core.now()
        if left and left <= 0 then
            break
        end
        pause(call, left)
    end
    return call:result()
end

local function block(call, left)
    host.wait(call._op, left)
end

-- How long a suspended call proposes to wait before it is looked at again. A host that watches
-- groove.fd() wakes earlier; one that can only sleep should not sleep long.
local PAUSE_FIRST, PAUSE_MAX = 0.001, 0.05

local function suspended(call, suspend, seconds)
    local here, pause = events.here(), PAUSE_FIRST
    local outer = suspending[here]
    return wait_for(call, seconds, function(_, left)
        suspending[here] = call
        suspend(call, math.min(pause, left or pause))
        suspending[here] = outer
        pause = math.min(2 * pause, PAUSE_MAX)
    end)
end

local function at_once(ok, value, err)
    if ok then
        return value, err
    elseif value ~= CANNOT_WAIT then
        error(value, 0)
    end
    return nil, errors.pending("nothing can be waited for in this phase")
end

--- Runs a flow to its end: blocking, or by the owner's `_suspend`. Where the host cannot wait, up
-- to where it would have to.
-- @tparam table owner as for `start`
-- @tparam function flow
-- @param ... its arguments, after `await`
-- @return value
-- @return err
function M.perform(owner, flow, ...)
    events.deliver()
    if owner:closed() then -- by a handler
        return nil, errors.cancelled(CLOSED)
    end
    if owner._suspend then
        return suspended(M.start(owner, flow, ...), owner._suspend)
    elseif not host.may_wait() then
        return at_once(pcall(flow, refusing, ...))
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

-- Not brought forward first: nothing may be sent any more.
local function stop(call, message)
    local op = call._op
    if op then
        waiting[op] = nil
        op:cancel()
    end
    finish(call, nil, errors.cancelled(message))
end

--- Ends all calls of an owner as cancelled.
-- @tparam table owner
function M.cancel_all(owner)
    local calls = {}
    for call in pairs(owner._calls or {}) do
        calls[#calls + 1] = call
    end
    for _, call in ipairs(calls) do
        stop(call, CLOSED)
    end
end

local function check_call(call, name)
    if getmetatable(call) ~= mt then
        check.fail("call:" .. name .. ": not a call; call it with a colon")
    end
end

--- Whether the call has finished. Never blocks; brings the call forward where it can, and so
-- decodes its answer when that has arrived. Does the I/O where there is no thread.
--
-- A call stays usable when its client or source is closed: it has finished then, as cancelled
-- unless it had finished before.
-- @treturn boolean
function methods:done()
    check_call(self, "done")
    while not self._finished and self._op and self._op:glance() do
        resume(self)
    end
    return self._finished == true
end

--- The outcome: what the method of the same name returns.
-- @return value
-- @return err `kind = "pending"` before the end
function methods:result()
    check_call(self, "result")
    if not self:done() then
        return nil, errors.pending("the call has not finished yet")
    end
    return self._value, self._err
end

--- Waits for the end: blocking, or by the client's `suspend` where it has one. May be called
-- anywhere, in a callback too. In the client's `suspend` for this very call it blocks; in what this
-- call itself runs (a transport, json.decode, a token function) it returns at once.
-- @tparam[opt] number seconds at most; by default until the end, which the call's own timeout
-- bounds. When they have passed the call goes on
-- @return value
-- @return err `kind = "pending"` when the seconds have passed
function methods:wait(seconds)
    check_call(self, "wait")
    check.argument("call:wait", "seconds", "number", seconds, true)
    events.deliver()
    local suspend = self._owner._suspend
    if suspend and suspending[events.here()] ~= self then
        return suspended(self, suspend, seconds)
    elseif not host.may_wait() then
        return self:result()
    end
    return wait_for(self, seconds, block)
end

--- Ends the call with `kind = "cancelled"`. A token request that others wait for goes on. An answer
-- that has arrived, but that nobody has looked at (`done`, `result`, `wait`, `groove.dispatch`), is
-- dropped; what the service has done about a request is not undone.
-- @treturn boolean whether it was still running
function methods:cancel()
    check_call(self, "cancel")
    if self._finished then
        return false
    end
    stop(self, "the call was cancelled")
    return true
end

--- Has a function called once with the outcome: always from `groove.dispatch`, also when the call
-- has finished already, is cancelled, or its client is closed. Several functions run in the order
-- they were given in. A function may do anything, such as calling blocking methods and `dispatch`,
-- closing the client, and ending the program.
--
-- An error in one, of any type, becomes the `error` of a `callback_error` event, or, without an
-- `on_event`, is raised by `dispatch` after the others have run.
-- @tparam function fn `fn(value, err, call)`
-- @treturn table the call
function methods:on_done(fn)
    check_call(self, "on_done")
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

local function turn(seconds)
    local deadline = core.now() + seconds
    local run = 0
    repeat
        local count = events.step(finished)
        run = run + (count or 0)
    until not count or core.now() >= deadline
    events.look()
    return run
end

--- Runs callbacks and events of this Lua state's finished calls, and decodes their answers. Never
-- blocks; drives the I/O itself where there is no thread (there, looking up a name that is not
-- known yet does block). At least one thing that waits is done, however short the time; between two
-- things the time is looked at.
--
-- May be called anywhere: in a callback, an `on_event`, a `suspend`, and what a call runs
-- (transport, json.decode, a token function). There it runs what waits besides, up to ten levels
-- deep, and nothing below that.
-- @tparam[opt=0.002] number seconds at most
-- @treturn integer callbacks and events run
-- @treturn boolean whether more wait
-- @raise when it is called outside of all those: the first error of a callback without an
-- `on_event`, or of an `on_event`, after the others have run
function M.dispatch(seconds)
    check.argument("groove.dispatch", "seconds", "number", seconds, true)
    if events.too_deep() then
        events.look()
        return 0, events.waiting()
    end
    return events.run(turn, seconds or DISPATCH_SECONDS), events.waiting()
end

return M

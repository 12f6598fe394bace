--- Events and callbacks of this Lua state, waiting to be run.
--
-- Nothing here runs at a time of its own choosing: `dispatch` (call.lua) runs callbacks and events,
-- the start of a blocking call runs events only.
--
-- What raises keeps nobody else from running. What it raised, of any type, becomes the `error` of a
-- `callback_error` event. Where its client or source has no `on_event`, and where a handler raised
-- it, it is raised again when the others have run, by the outermost `dispatch`, or by the blocking
-- call that found the event: the first, of several.
--
-- @module groove.events

local core = require("groove.core")
local host = require("groove.host")

local coroutine = host.coroutine

local M = {}

-- Sources that listen, by their handle. Both weak: a handler that holds its source keeps nothing
-- alive, not even in a Lua without ephemerons.
local listeners = setmetatable({}, { __mode = "kv" })
local listening = false

-- Deliveries of this side: { fn, owner, a, b, c }, from `first` to `last`.
local queue, first, last = {}, 1, 0

-- The last of them to be run before the core is asked again: callbacks that beget callbacks must
-- not keep it waiting.
local batch = 0

-- What core.next() gave while only events were wanted.
local held, held_first, held_last = {}, 1, 0

-- The first error that nobody has heard of, `{ error }`.
local failure

-- How many `run` are under way, in all coroutines, and which of these entered the last one.
local active, entered = 0, nil

-- How many callbacks, handlers and calls being brought forward a coroutine is inside of. Each may
-- call `dispatch` in its turn. Lua ends at 200 C functions inside each other, and Lua 5.1, which
-- does not count those of other coroutines, at the end of the C stack.
local LEVELS = 10
local levels = setmetatable({}, { __mode = "k" })
local MAIN = {} -- in Lua 5.1 the main coroutine has no name

--- The running coroutine, or what stands for the main one.
-- @return a key
function M.here()
    return coroutine.running() or MAIN
end

-- A coroutine of the host's, resumed by a callback, counts from where that callback is.
local function level()
    local own = levels[M.here()]
    if own or not entered then
        return own or 0
    end
    local around = entered == MAIN or coroutine.status(entered) == "normal"
    return around and levels[entered] or 0
end

--- Has a coroutine count from its resumer's level on.
-- @tparam thread thread about to be resumed
function M.inherit(thread)
    levels[thread] = level() + 1
end

--- Whether nothing more may be run inside of what is running here.
-- @treturn boolean
function M.too_deep()
    return level() >= LEVELS
end

-- outer: the error of the `run` around this one, of which a coroutine that a callback has resumed
-- is not to hear.
local function leave(here, before, outer, around, ok, ...)
    local found = failure
    levels[here], failure, active, entered = before, outer, active - 1, around
    if ok and found and not before then
        error(found[1], 0)
    end
    failure = outer or found
    if not ok then
        error((...), 0)
    end
    return ...
end

--- Runs a function in which callbacks and handlers are run.
-- @tparam function fn
-- @param ... its arguments
-- @return what it returns
-- @raise outside of everything else, the first error of a callback or handler that nobody heard of
function M.run(fn, ...)
    local here, outer = M.here(), nil
    if active > 0 then
        outer, failure = failure, nil
    end
    local before, around = levels[here], entered
    levels[here], active, entered = level() + 1, active + 1, here
    return leave(here, before, outer, around, pcall(fn, ...))
end

-- First the item, then the count: where memory runs out, no hole is to be left.

local function push(delivery)
    queue[last + 1] = delivery
    last = last + 1
    core.wake()
end

local function hold(item)
    held[held_last + 1] = item
    held_last = held_last + 1
end

--- Hands the events of a source to its `_on_event`.
-- @param handle of the core
-- @tparam table source
function M.listen(handle, source)
    listeners[handle] = source
    listening = true
    handle:subscribe()
end

--- Queues a callback of a finished call.
-- @tparam function fn `fn(value, err, call)`
-- @tparam table owner whose `_on_event` hears of an error in it
-- @param value
-- @param err
-- @tparam table call
function M.callback(fn, owner, value, err, call)
    push({ fn, owner, value, err, call })
end

--- Queues an event of this side.
-- @tparam table owner nothing happens where it has no `_on_event`
-- @tparam string type "retry" or "callback_error"
-- @param err
function M.emit(owner, type, err)
    local on_event = owner._on_event
    if on_event then
        listening = true
        local event = {
            type = type, time = core.time(), source = owner._source or owner, error = err,
        }
        push({ on_event, nil, event })
    end
end

local function run(delivery)
    local ok, problem = pcall(delivery[1], delivery[3], delivery[4], delivery[5])
    local owner = delivery[2]
    if ok then
        return
    elseif owner and owner._on_event then
        M.emit(owner, "callback_error", problem)
    else
        failure = failure or { problem }
        core.wake() -- it may be somebody else's turn to raise it
    end
end

-- An event of the core as a delivery, nil if nobody listens.
local function delivery_of(event)
    local source = event.source and listeners[event.source]
    if source then
        event.source = source
        return { source._on_event, nil, event }
    end
end

local function pop_queue()
    if first > last then
        return nil
    end
    local delivery = queue[first]
    queue[first] = nil
    first = first + 1
    return delivery
end

local function pop_core()
    if held_first > held_last then
        return core.next()
    end
    local item = held[held_first]
    held[held_first] = nil
    held_first = held_first + 1
    return item
end

--- Whether something waits on this side.
-- @treturn boolean
function M.waiting()
    return first <= last or held_first <= held_last
end

--- Runs the next thing that waits.
-- @tparam function finished `finished(op)`, called for an operation of the core that has ended
-- @treturn ?integer callbacks and events run, 0 or 1; nil when nothing waited
function M.step(finished)
    local delivery, item = first <= batch and pop_queue(), nil
    if not delivery then
        item = pop_core()
        batch = last
        if item == nil then
            delivery = pop_queue()
        elseif type(item) == "table" then
            delivery = delivery_of(item)
        else
            finished(item)
        end
    end
    if delivery then
        run(delivery)
        return 1
    end
    return item ~= nil and 0 or nil
end

--- Takes one more item off the core, so that `waiting` tells the truth.
function M.look()
    if not M.waiting() then
        local item = core.next()
        if item ~= nil then
            hold(item)
        end
    end
    if M.waiting() then
        core.wake()
    end
end

-- Takes the events of this side out of the queue; callbacks stay, in their order.
local function take_events()
    local taken, kept = {}, first - 1
    for i = first, last do
        local delivery = queue[i]
        queue[i] = nil
        if delivery[2] then
            kept = kept + 1
            queue[kept] = delivery
        else
            taken[#taken + 1] = delivery
        end
    end
    last = kept
    return taken
end

local function own_events()
    for _, delivery in ipairs(take_events()) do
        run(delivery)
    end
end

local function core_events()
    local item = core.next(true)
    while item ~= nil do
        local delivery = type(item) == "table" and delivery_of(item)
        if delivery then
            run(delivery)
        elseif type(item) ~= "table" then
            hold(item)
        end
        item = core.next(true)
    end
end

local function all_events()
    own_events()
    core_events()
    if M.waiting() then
        core.wake()
    end
end

--- Delivers the events that wait, at the start of a blocking call. Finished operations and
-- callbacks stay for `dispatch`. Does no I/O: `token{ wait = false }` is one of those calls.
-- @raise as `run`
function M.deliver()
    if listening and not M.too_deep() then
        M.run(all_events)
    end
end

return M

--- Events and callbacks of this Lua state, waiting to be run.
--
-- Nothing here runs at a time of its own choosing: `dispatch` (call.lua) runs callbacks and events,
-- the start of a blocking call runs events only.
--
-- @module groove.events

local core = require("groove.core")

local M = {}

-- Sources that listen, by their handle. Both weak: a handler that holds its source keeps nothing
-- alive, not even in a Lua without ephemerons.
local listeners = setmetatable({}, { __mode = "kv" })
local listening = false

-- Deliveries of this side: { fn, owner, a, b, c }, from `first` to `last`.
local queue, first, last = {}, 1, 0

-- What core.next() gave while only events were wanted.
local held, held_first, held_last = {}, 1, 0

local function push(delivery)
    last = last + 1
    queue[last] = delivery
    core.wake()
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

local function run(delivery, failure)
    local ok, problem = pcall(delivery[1], delivery[3], delivery[4], delivery[5])
    if ok then
        return failure
    end
    local owner = delivery[2]
    if owner and owner._on_event then
        M.emit(owner, "callback_error", problem)
        return failure
    end
    return failure or { problem }
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
-- @tparam ?table failure of an earlier one, `{ error }`
-- @treturn ?integer callbacks and events run, 0 or 1; nil when nothing waited
-- @treturn ?table failure
function M.step(finished, failure)
    local delivery = pop_queue()
    if not delivery then
        local item = pop_core()
        if item == nil then
            return nil, failure
        elseif type(item) ~= "table" then
            finished(item)
            return 0, failure
        end
        delivery = delivery_of(item)
    end
    if not delivery then
        return 0, failure
    end
    return 1, run(delivery, failure)
end

--- Takes one more item off the core, so that `waiting` tells the truth.
function M.look()
    if not M.waiting() then
        local item = core.next()
        if item ~= nil then
            held_last = held_last + 1
            held[held_last] = item
        end
    end
    if M.waiting() then
        core.wake()
    end
end

-- The events on this side; callbacks stay queued.
local function own_events(failure)
    local from, to = first, last
    local kept = {}
    first, last = to + 1, to
    for i = from, to do
        local delivery = queue[i]
        queue[i] = nil
        if delivery[2] then
            kept[#kept + 1] = delivery
        else
            failure = run(delivery, failure)
        end
    end
    for _, delivery in ipairs(kept) do
        push(delivery)
    end
    return failure
end

local function core_events(failure)
    local item = core.next()
    while item ~= nil do
        local delivery = type(item) == "table" and delivery_of(item)
        if delivery then
            failure = run(delivery, failure)
        elseif type(item) ~= "table" then
            held_last = held_last + 1
            held[held_last] = item
        end
        item = core.next()
    end
    return failure
end

--- Delivers the events that wait, at the start of a blocking call. Finished operations and
-- callbacks stay for `dispatch`. An error in a handler is raised after the others have run.
function M.deliver()
    if not listening then
        return
    end
    local failure = core_events(own_events(nil))
    if M.waiting() then
        core.wake()
    end
    if failure then
        error(failure[1], 0)
    end
end

return M

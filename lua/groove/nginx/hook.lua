--- Hooks: one credential of an nginx, its source in this process, and who asks for its tokens.
--
-- A hook is made once, by `setup`, often in the master, and goes to the workers by the fork: with
-- the source, with the secret that the master could read, with a token where there was one. Each
-- process finds out at its first use of the hook that it is another one.
--
-- Without a shared dictionary each worker renews its own token. With one (store.lua) the worker
-- that leads renews, and the others adopt.
--
-- @module groove.nginx.hook

local core = require("groove.core")
local calls = require("groove.call")
local errors = require("groove.errors")
local fingerprint = require("groove.nginx.fingerprint")
local phases = require("groove.nginx.phases")
local source = require("groove.source")
local store = require("groove.nginx.store")
local token = require("groove.token")

local M = {}

local WHERE = "groove.nginx.setup"
local TICK_SECONDS = 1
local LOG_SECONDS = 10
local ATTEMPT_SECONDS = 15
local REJECT_SECONDS = 1

local hook = {}
local mt = { __index = hook }

-- --- what is told --------------------------------------------------------------------------------

--- Writes a line into the error log: about one thing once in ten seconds at most.
-- @param err an error, or a text; nil: nothing
-- @param[opt] thing what it is about; default the error's code, or the text
function hook:report(err, thing)
    local now = ngx.now()
    thing = thing or type(err) == "table" and (err.code or err.kind) or err
    if err and now >= (self.silent_until[thing] or 0) then
        self.silent_until[thing] = now + LOG_SECONDS
        ngx.log(ngx.ERR, "groove.nginx: ", self.name, ": ", errors.line(err))
    end
end

-- What the core cannot know about nginx.
local function explained(self, err)
    local variable = self.source_options.client_secret_env
    if err.code == "secret_missing" and variable then
        err.message = "there is no environment variable " .. variable .. "; nginx takes variables "
            .. "away unless the main configuration says \"env " .. variable .. ";\""
    end
    return err
end

-- --- opening -------------------------------------------------------------------------------------

--- Makes a hook. Opens its source, so that a secret that only the master may read is read there;
-- does not mind if it cannot be read.
-- @tparam table options of the hook: `name`, `header`, `token_in`, `deadline`, `shared_dict`
-- @tparam table source_options of its source, checked
-- @treturn table
function M.new(options, source_options)
    local made = setmetatable({
        options = options,
        name = options.name,
        header = options.header,
        token_in = options.token_in,
        deadline = options.deadline,
        source_options = source_options,
        renewal = source_options.renew == false and "on_demand" or "ahead",
        short_lived = phases.short_lived(),
        leading = false,
        retired = false,
        replaced = false,
        waits = 0, -- for a token that another worker asks for
        silent_until = {},
        rejected = 0,
    }, mt)
    made.opening = {}
    for name, value in pairs(source_options) do
        made.opening[name] = value
    end
    made.opening.renew = false -- until a worker says otherwise
    made.opening.on_event = source_options.on_event and function(event)
        return made.source_options.on_event(event)
    end
    made:open()
    if options.shared_dict then
        made:connect(options.shared_dict)
    end
    return made
end

-- Functions are equal: a setup that is run again makes them anew.
local function equal(a, b)
    if type(a) ~= type(b) or type(a) ~= "table" then
        return a == b or type(a) == "function" and type(b) == "function"
    end
    for name, value in pairs(a) do
        if not equal(value, b[name]) then
            return false
        end
    end
    for name in pairs(b) do
        if a[name] == nil then
            return false
        end
    end
    return true
end

--- Whether a setup is the one of this hook once more; its functions are taken then.
-- @tparam table options as of `new`
-- @tparam table source_options as of `new`
-- @treturn boolean
function hook:takes(options, source_options)
    if not equal(self.options, options) or not equal(self.source_options, source_options) then
        return false
    end
    self.options, self.source_options = options, source_options
    return true
end

--- Opens the source, if it is not open yet.
-- @treturn ?boolean true
-- @treturn ?table error
function hook:open()
    if self.source then
        return true
    end
    local opened, err = source.open(WHERE, self.opening)
    if not opened then
        return nil, explained(self, err)
    end
    self.source = opened
    self.word = token.read and token.word(opened[1])
    return true
end

--- Shares with the other workers what a dictionary can hold.
-- @tparam string dict its name
function hook:connect(dict)
    local timeout = self.source_options.timeout or ATTEMPT_SECONDS
    local shared, problem = store.new(dict, self.name, fingerprint.of(self.source_options), timeout)
    if shared and not shared:has_room() then
        shared, problem = nil, "\"lua_shared_dict " .. dict
            .. "\" has no room; each worker goes on alone"
    end
    if problem then
        self:report(problem)
    end
    self.store = shared
end

-- --- who renews ----------------------------------------------------------------------------------

local function start_renewing(self)
    self.leading = true
    self.source[1]:renew(self.renewal)
end

local function stop_renewing(self)
    self.leading = false
    self.source[1]:renew("none")
end

local function go_alone(self)
    self:report("the shared dictionary has no room for a token; each worker goes on alone")
    self.store = nil
    start_renewing(self)
end

-- Leads, if nobody else does.
local function contend(self)
    local leads = not self.retired and self.store:lead()
    if leads and not self.leading then
        start_renewing(self)
    elseif not leads then
        stop_renewing(self)
    end
    return leads
end

--- Asks for nothing any more of its own accord: the worker exits, or is no worker.
function hook:retire()
    self.retired = true
    if not self:is_used() then
        return
    end
    if self.source then
        stop_renewing(self)
    end
    if self.store then
        self.store:resign()
    end
end

--- Gives its name to another hook.
function hook:replace()
    self.replaced = true
    self:retire()
end

-- --- the token at hand ---------------------------------------------------------------------------

local function publish(self, text)
    if not self.store:leads() then
        return stop_renewing(self) -- it was stopped, and another has taken its place
    end
    local info = self.source:info()
    if not info.expires_in or info.origin == "adopted" and self.store:has_token() then
        return
    elseif not self.store:publish(text, info.expires_in, info.age) then
        go_alone(self)
    end
end

-- Once for each token: the header, which nothing need be allocated for afterwards.
local function keep(self, text, generation)
    self.value = "Bearer " .. text
    self.kept = generation
    if self.token_in == "header" and token.read then
        self.generation = generation -- for the fast path of `authorize`
    end
    if self.leading and self.store then
        publish(self, text)
    end
end

-- The header, if a token is usable.
local function current(self)
    local text, generation = core.current(self.source)
    if not text then
        return nil
    elseif generation ~= self.kept then
        keep(self, text, generation)
    end
    return self.value
end

local function adopt_news(self)
    local text, lifetime, age = self.store:news()
    if text then
        self.source:adopt(text, lifetime, age)
    end
end

-- --- in the background ---------------------------------------------------------------------------

local function keep_company(self)
    if self.store:gave_up() then
        return go_alone(self)
    elseif contend(self) then
        self.store:stay()
        if self.kept and not self.store:has_token() then
            self.kept = nil -- it has been evicted: published anew
        end
    else
        adopt_news(self)
    end
end

local function deliver_events(self)
    if self.source_options.on_event then
        local ok, problem = pcall(calls.dispatch)
        if not ok then
            self:report(problem, "on_event")
        end
    end
end

local function tick(premature, self)
    if self.retired then
        return -- it has resigned; what has taken its place may lead by the same lease
    elseif premature or ngx.worker.exiting() then
        return self:retire()
    end
    deliver_events(self)
    if self.store then
        keep_company(self)
    end
    current(self)
    if self.leading then
        self:report(self.source:info().last_error)
    end
end

-- The first use in a process.
local function enter(self)
    if self:is_used() then
        return
    end
    self.pid, self.kept, self.retired = ngx.worker.pid(), nil, ngx.worker.exiting()
    stop_renewing(self)
    if not self.store and not self.retired then
        start_renewing(self)
    end
    if not self.short_lived and ngx.get_phase() ~= "init" then
        local ticks, problem = ngx.timer.every(TICK_SECONDS, tick, self)
        self:report(problem)
        if ticks and self.store then
            self.store:renews()
        end
    end
end

-- --- asking --------------------------------------------------------------------------------------

local function no_token_yet()
    return nil, errors.pending("no token yet; one has been asked for")
end

-- Asks the service, together with all others of this process.
local function ask(self, deadline)
    local op = self.source[1]:acquire(math.max(0, deadline - core.now()), false)
    phases.wait(op)
    if not op:done() then
        return no_token_yet()
    end
    local text, err = op:result()
    if text then
        return current(self) or "Bearer " .. text -- of a token that is not kept
    end
    local known = self.store and self.source:info().last_error
    if known then
        known.retry_after = err.retry_after
        self.store:fail(known)
    end
    return nil, explained(self, err)
end

-- What the workers have in common: a token, a failure, or (third) the lack of somebody who asks.
local function look(self)
    if not self.store then -- given up while this one waited
        return nil, nil, true
    end
    adopt_news(self)
    local value = current(self)
    if value then
        return value
    elseif self.store:gave_up() then
        go_alone(self)
        return nil, nil, true
    end
    local err = self.store:failure()
    if err then
        return nil, err
    end
    return nil, nil, contend(self) or self.retired and not self.store:is_led()
end

local function share(self, deadline)
    local value, err, asks
    local function settled()
        value, err, asks = look(self)
        return value or err or asks
    end
    if not settled() and phases.may_wait() then
        if not phases.wait_until(settled, deadline - core.now()) then
            err = errors.timeout("no token in time")
        end
        self.waits = self.waits + (asks and 0 or 1) -- who asks is counted by the source
    end
    if asks then
        return ask(self, deadline)
    elseif value or err then
        return value, err
    end
    return no_token_yet()
end

--- The header's value, waiting for a token where that is possible.
-- @treturn ?string "Bearer ..."
-- @treturn ?table error
function hook:authorization()
    local ok, err = self:open()
    if not ok then
        return nil, err
    end
    enter(self)
    local value = current(self)
    if value then
        return value
    end
    local deadline = core.now() + self.deadline
    return (self.store and share or ask)(self, deadline)
end

-- Once a second: where every token is refused, they are not what is wrong, and nobody is to wait
-- for the next one each time.
local function reject_alone(self)
    local now = ngx.now()
    if now - self.rejected < REJECT_SECONDS then
        return false
    end
    self.rejected = now
    return true
end

-- Who is first to say so leads from now on, and so need not tell the leader.
local function reject_together(self, text)
    local first, refused = self.store:reject(text)
    if first and not self.retired and self.store:seize() then
        start_renewing(self)
    elseif not self.store:leads() then
        stop_renewing(self)
    end
    return refused
end

--- Gives a token up that the API has refused, if it is still the current one.
-- @tparam string text
function hook:reject(text)
    if not self:open() then
        return
    end
    enter(self)
    if core.current(self.source) ~= text then
        return
    elseif (self.store and reject_together or reject_alone)(self, text) then
        self.source:invalidate(text)
    end
end

--- Whether this process has used the hook.
-- @treturn boolean
function hook:is_used()
    return self.pid == ngx.worker.pid()
end

--- Asks for the first token: before the fork waiting for it, so that the workers have it from the
-- first request on; in a worker in the background.
function hook:prefetch()
    local before_fork = phases.before_fork()
    if not before_fork and ngx.get_phase() == "init" then
        return
    end
    local _, err = self:authorization()
    if not before_fork then
        return
    end
    self:report(err)
    if self.source then
        self:retire()
    end
    self.pid, self.kept = nil, nil
    core.shutdown(0) -- no thread stays in the master
end

return M

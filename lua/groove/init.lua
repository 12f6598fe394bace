--- OAuth 2.0 tokens, always ready; and the Groove Music API.
--
--     local groove = require("groove")
--     local client = groove.sandbox():client()
--     local page, err = client:search("daft punk", { filters = { "artists", "albums" } })
--
-- Wrong types, unknown options and use after `close` raise at the caller's line. All else returns
-- `nil, err`, `err` being a table (`groove.errors`) with one readable line as its `tostring`. All
-- times are seconds.
--
-- @module groove

local core = require("groove.core")

-- Set by hand at a release, together with src/core/version.h.
local VERSION = "0.1.0"

if core._VERSION ~= VERSION then
    error("groove: the Lua files are version " .. VERSION .. ", but groove.core is version "
        .. tostring(core._VERSION) .. "; install both from the same release", 0)
end

local calls = require("groove.call")
local check = require("groove.check")
local client = require("groove.client")
local links = require("groove.links")
local source = require("groove.source")
local static = require("groove.static")

local groove = {}

--- The version of the C core, which is the module's.
groove._VERSION = core._VERSION

groove.new = client.new
groove.token_source = source.new
groove.static_token = static.new
groove.dispatch = calls.dispatch
groove.image_url = links.image_url
groove.deep_link = links.deep_link

--- A descriptor that is readable whenever `dispatch` has work, with or without the thread: for
-- epoll, libuv, cqueues. It stays the same, over a fork, too, and is not to be read from or closed.
--
-- Where a program closes it all the same, `dispatch` called by a clock works as ever, the next call
-- of this gives another one, and a file that has got its number by then is left alone.
-- @treturn integer -1 when the process has no descriptors left
function groove.fd()
    return core.fd()
end

--- The stand-in of the service, loaded at the first use (`groove.sandbox`).
-- @tparam[opt] table opts
-- @treturn ?table sandbox
-- @treturn ?table error
function groove.sandbox(opts)
    return require("groove.sandbox").new(opts)
end

--- What the open sources of this Lua state have done, as text for Prometheus (`groove.metrics`).
-- @treturn string
function groove.metrics()
    return require("groove.metrics").render()
end

-- What only some hosts need, by its name in the table.
local LAZY = { nginx = "groove.nginx" }

setmetatable(groove, { __index = function(_, name)
    if LAZY[name] then
        groove[name] = require(LAZY[name])
        return groove[name]
    end
end })

local SHUTDOWN_SECONDS = 5

--- Ends the I/O thread of the process. What is under way after that long ends as cancelled.
-- @tparam[opt=5] number seconds to wait at most
-- @treturn boolean whether it has ended in time
function groove.shutdown(seconds)
    check.argument("groove.shutdown", "seconds", "number", seconds, true)
    return core.shutdown(seconds or SHUTDOWN_SECONDS)
end

return groove

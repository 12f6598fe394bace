--- The content handler for Prometheus.
--
-- @module groove.nginx.exporter

local answer = require("groove.nginx.answer")
local board = require("groove.nginx.board")
local metrics = require("groove.metrics")

local M = {}

local ALONE = "groove: no shared dictionary for the source %s; its numbers are those of the worker "
    .. "that was asked, the label says which"

local function entry_of(hook)
    local known = board.read(hook)
    local labels = { "source", hook.name }
    if not known.shared then
        labels[3], labels[4] = "worker", tostring(known.gauges.id)
    end
    known.gauges.workers = #known.workers
    return { labels = labels, counters = known.counters, gauges = known.gauges }, known.shared
end

local function make(hooks)
    local entries, comments = {}, {}
    for i, hook in ipairs(hooks) do
        local shared
        entries[i], shared = entry_of(hook)
        if not shared then
            comments[#comments + 1] = ALONE:format((hook.name:gsub("%c", " ")))
        end
    end
    return metrics.text(entries, comments)
end

--- Serves the text.
-- @tparam table hooks in the order in which they are shown
function M.serve(hooks)
    return answer.page(metrics.content_type, function() return make(hooks) end)
end

return M

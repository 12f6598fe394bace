--- What sources of tokens have done, as text for Prometheus (its exposition format, version 0.0.4).
--
-- An *entry* is `{ labels, counters, gauges }`: labels a list of name and value in turn; counters
-- numbers that only grow, by name, "requests:due" being the one of a kind; gauges `state`, `age`,
-- `expires_in`, `refresh_in` and `workers`, nil where there is nothing to say.
--
-- @module groove.metrics

local source = require("groove.source")

local M = {}

--- What the text is, for a header.
M.content_type = "text/plain; version=0.0.4; charset=utf-8"

--- States, in the order in which they are shown.
M.states = { "empty", "ready", "renewing", "failing", "refused" }

--- Reasons of requests, likewise.
M.reasons = { "cold", "due", "rejected", "retry", "refresh" }

-- Names, types and words. `by`: the label that tells the counters of a kind apart.
local FAMILIES = {
    { "token_requests_total", "counter", "requests", by = "reason",
        "Requests sent to the token service, by what for: cold (no usable token), due (renewal), "
        .. "rejected (the API refused the token), retry (after a failure), refresh (a caller's "
        .. "wish)." },
    { "token_renewals_total", "counter", "renewals", "Requests that brought a new token." },
    { "token_failures_total", "counter", "failures", by = "code",
        "Attempts that brought none, by the error's code." },
    { "token_waits_total", "counter", "waits",
        "Callers that found no usable token and waited for the service." },
    { "token_invalidations_total", "counter", "invalidations",
        "Tokens given up because the API refused them." },
    { "token_age_seconds", "gauge", "age", "Seconds since the usable token was asked for." },
    { "token_expires_in_seconds", "gauge", "expires_in",
        "Seconds until the usable token expires." },
    { "token_refresh_in_seconds", "gauge", "refresh_in", "Seconds until the next request is due." },
    { "token_state", "gauge", "state", by = "state", "1 for the state that the source is in." },
    { "workers", "gauge", "workers", "Processes that these numbers are the sums of." },
}

--- Counters of what `source:info()` gives.
-- @tparam table info
-- @treturn table
function M.counters(info)
    local out = {}
    for _, name in ipairs({ "renewals", "waits", "invalidations" }) do
        out[name] = info.counts[name]
    end
    for reason, count in pairs(info.reasons) do
        out["requests:" .. reason] = count
    end
    for code, count in pairs(info.codes) do
        out["failures:" .. code] = count
    end
    return out
end

--- The sum of the counters of one kind.
-- @tparam table counters
-- @tparam string kind "requests"
-- @treturn number
function M.sum(counters, kind)
    local sum = counters[kind] or 0
    for name, count in pairs(counters) do
        if name:sub(1, #kind + 1) == kind .. ":" then
            sum = sum + count
        end
    end
    return sum
end

--- Gauges of what `source:info()` gives.
-- @tparam table info
-- @treturn table
function M.gauges(info)
    return {
        state = info.state, age = info.age, expires_in = info.expires_in,
        refresh_in = info.refresh_in,
    }
end

-- --- the text ------------------------------------------------------------------------------------

local ESCAPED = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function labels_text(labels, name, value)
    local parts = {}
    for i = 1, #labels, 2 do
        parts[#parts + 1] = { labels[i], labels[i + 1] }
    end
    if name then
        parts[#parts + 1] = { name, value }
    end
    for i, part in ipairs(parts) do
        parts[i] = ('%s="%s"'):format(part[1], (part[2]:gsub('[\\"\n]', ESCAPED)))
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function number(value)
    return value % 1 == 0 and ("%.0f"):format(value) or ("%.3f"):format(value)
end

-- The values of a family that are told apart by a label: { label's value, value } in order.
local function told_apart(family, entry)
    local values = {}
    if family[3] == "state" then
        for _, state in ipairs(M.states) do
            values[#values + 1] = { state, state == entry.gauges.state and 1 or 0 }
        end
        return values
    end
    for name, count in pairs(entry.counters) do
        local kind, value = name:match("^(%w+):(.*)$")
        if kind == family[3] then
            values[#values + 1] = { value, count }
        end
    end
    table.sort(values, function(a, b) return a[1] < b[1] end)
    return values
end

local function add_samples(lines, name, family, entry)
    if family.by then
        for _, pair in ipairs(told_apart(family, entry)) do
            lines[#lines + 1] = ("%s%s %s"):format(name,
                labels_text(entry.labels, family.by, pair[1]), number(pair[2]))
        end
        return
    end
    local value = entry[family[2] .. "s"][family[3]]
    if value then
        lines[#lines + 1] = ("%s%s %s"):format(name, labels_text(entry.labels), number(value))
    end
end

--- Entries as text.
-- @tparam table entries with different labels
-- @tparam[opt] table comments lines that stand first
-- @treturn string
function M.text(entries, comments)
    local lines = {}
    for _, comment in ipairs(comments or {}) do
        lines[#lines + 1] = "# " .. comment
    end
    for _, family in ipairs(FAMILIES) do
        local name = "groove_" .. family[1]
        lines[#lines + 1] = ("# HELP %s %s"):format(name, family[4])
        lines[#lines + 1] = ("# TYPE %s %s"):format(name, family[2])
        for _, entry in ipairs(entries) do
            add_samples(lines, name, family, entry)
        end
    end
    return table.concat(lines, "\n") .. "\n"
end

-- --- all sources of this Lua state ---------------------------------------------------------------

-- What a person calls it. Nothing of this is secret.
local function name_of(opened)
    local host = opened.token_url:match("^%w+://([^/?#]+)") or "?"
    return opened.client_id and host .. "/" .. opened.client_id or host
end

-- Handles of the same identity are one source; the word is the source's.
local function distinct()
    local list, seen = {}, {}
    for _, opened in ipairs(source.all()) do
        local word = opened[1]:word()
        if not seen[word] then
            seen[word] = true
            list[#list + 1] = opened
        end
    end
    return list
end

--- `groove.metrics()`: what the open sources of this Lua state have done, as text for Prometheus.
-- The label `source` is the token service's host and the client's id; of several with the same,
-- the later ones have a number. Handles of one identity are shown once, with what all Lua states of
-- the process have done. In nginx see `groove.nginx.metrics`.
-- @treturn string
function M.render()
    local entries, used = {}, {}
    for i, opened in ipairs(distinct()) do
        local name, info = name_of(opened), opened:info()
        used[name] = (used[name] or 0) + 1
        if used[name] > 1 then
            name = name .. " #" .. used[name]
        end
        entries[i] = {
            labels = { "source", name }, counters = M.counters(info), gauges = M.gauges(info),
        }
    end
    return M.text(entries)
end

return M

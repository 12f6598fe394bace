--- The status page: what `metrics` says, for people. Plain HTML: no script, nothing from elsewhere;
-- the browser asks anew every five seconds.
--
-- @module groove.nginx.status

local answer = require("groove.nginx.answer")
local board = require("groove.nginx.board")
local metrics = require("groove.metrics")

local M = {}

local KIND = "text/html; charset=utf-8"
local HEADERS = {
    ["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; "
        .. "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}

local PAGE = [[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
:root { color-scheme: light dark; --ground: #f5f6f8; --card: #fff; --text: #1c2128; --dim: #626b77;
  --line: #e2e5ea; --good: #1a7f4b; --busy: #1f6feb; --poor: #a35a00; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171c; --card: #1d2128; --text: #e6e9ee;
  --dim: #949dab; --line: #2e343d; --good: #4cc38a; --busy: #6cb0ff; --poor: #f0a742;
  --bad: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 76rem; background: var(--ground);
  color: var(--text); font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 1.4rem; }
header { margin-bottom: 1.25rem; }
p { margin: 0; color: var(--dim); }
.card { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
table { width: 100%%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .55rem .65rem; text-align: right; white-space: nowrap; vertical-align: top; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
thead th { color: var(--dim); font-size: .8rem; font-weight: 600; }
tbody { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; }
small { display: block; color: var(--dim); font-size: .8rem; font-weight: 400; }
.worker td { padding-top: .15rem; padding-bottom: .15rem; color: var(--dim); font-size: .85rem; }
.worker td:first-child { padding-left: 1.9rem; }
tbody tr:last-child td { padding-bottom: .7rem; }
.detail td { padding-top: 0; text-align: left; white-space: normal; color: var(--dim);
  font-size: .85rem; }
.problem { color: var(--bad); }
.state::before { content: ""; display: inline-block; width: .6em; height: .6em; margin-right: .5em;
  border-radius: 50%%; background: currentColor; }
.ready { color: var(--good); } .renewing { color: var(--busy); } .empty { color: var(--dim); }
.failing { color: var(--poor); } .refused { color: var(--bad); }
</style>
</head>
<body>
<header>
<h1>%s</h1>
<p>%s</p>
</header>
<div class="card">
<table>
<thead><tr><th>Source</th><th>State</th><th>Age</th><th>Expires</th><th>Renews</th><th>Requests</th>
<th>Renewals</th><th>Failures</th><th>Waits</th></tr></thead>
%s</table>
</div>
</body>
</html>
]]

local COLUMNS = 9

-- States as a person says them. One that serves a token while something is wrong says so.
local WORDS = {
    empty = "no token yet", ready = "ready", renewing = "renewing",
    failing = "failing, no token", refused = "refused, no token",
}
local SERVING = { failing = "failing, token still good", refused = "refused, token still good" }

local ESCAPED = {
    ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;",
}

--- A text as it stands in HTML.
-- @tparam string text
-- @treturn string
function M.escape(text)
    return (tostring(text):gsub("[&<>\"']", ESCAPED):gsub("%c", " "))
end

local UNITS = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } }

--- A time as a person says it: "48 s", "12 min", "1 h 5 min".
-- @tparam number seconds
-- @treturn string
function M.duration(seconds)
    seconds = math.floor(seconds)
    for i, unit in ipairs(UNITS) do
        local size, name = unit[1], unit[2]
        if seconds >= size then
            local count, smaller = math.floor(seconds / size), UNITS[i + 1]
            local rest = smaller and math.floor(seconds % size / smaller[1]) or 0
            -- Seconds are of interest in the last minutes only.
            if rest == 0 or name == "min" and count >= 10 then
                return ("%d %s"):format(count, name)
            end
            return ("%d %s %d %s"):format(count, name, rest, smaller[2])
        end
    end
    return "0 s"
end

local NONE = "&#8211;"

local function since(seconds)
    return seconds and M.duration(seconds) or NONE
end

local function ahead(seconds)
    if not seconds then
        return NONE
    end
    return seconds < 1 and "now" or "in " .. M.duration(seconds)
end

-- --- the table -----------------------------------------------------------------------------------

local function state_cell(record, note)
    local state = WORDS[record.state] and record.state or "empty"
    local words = record.expires_in and SERVING[state] or WORDS[state]
    return ('<td><span class="state %s">%s</span>%s</td>'):format(state, words, note or "")
end

-- "3 due, 1 cold", the commonest first.
local function breakdown(counters, kind)
    local parts = {}
    for name, count in pairs(counters) do
        if count > 0 and name:sub(1, #kind + 1) == kind .. ":" then
            parts[#parts + 1] = { count, name:sub(#kind + 2) }
        end
    end
    table.sort(parts, function(a, b)
        return a[1] > b[1] or a[1] == b[1] and a[2] < b[2]
    end)
    for i, part in ipairs(parts) do
        parts[i] = ("%.0f %s"):format(part[1], M.escape(part[2]))
    end
    return #parts > 0 and kind .. ": " .. table.concat(parts, ", ") or nil
end

local function cells(record, counters)
    local out = { since(record.age), ahead(record.expires_in), ahead(record.refresh_in) }
    for _, kind in ipairs({ "requests", "renewals", "failures", "waits" }) do
        out[#out + 1] = ("%.0f"):format(metrics.sum(counters, kind))
    end
    return "<td>" .. table.concat(out, "</td><td>") .. "</td>"
end

local function detail_row(known)
    local parts = {}
    for _, kind in ipairs({ "requests", "failures" }) do
        parts[#parts + 1] = breakdown(known.counters, kind)
    end
    local text = table.concat(parts, "; ")
    if known.gauges.problem then
        text = text .. ('<div class="problem">last error: %s</div>')
            :format(M.escape(known.gauges.problem))
    end
    return text ~= "" and ('<tr class="detail"><td colspan="%d">%s</td></tr>\n')
        :format(COLUMNS, text) or ""
end

local function worker_row(record)
    local who = ("worker %d, pid %d"):format(record.id, record.pid)
    if record.leads == 1 then
        who = who .. ", renews"
    end
    return ('<tr class="worker"><td>%s</td>%s%s</tr>\n'):format(who, state_cell(record),
        cells(record, record.counters))
end

local function leader_of(board_of_hook)
    for _, record in ipairs(board_of_hook.workers) do
        if record.leads == 1 then
            return ("worker %d"):format(record.id)
        end
    end
    return "nobody"
end

local function note(known)
    if not known.shared then
        return "<small>each worker by itself</small>"
    end
    return "<small>" .. leader_of(known) .. " renews it</small>"
end

local function source_rows(hook)
    local known = board.read(hook)
    local host = hook.source_options.token_url:match("^%w+://([^/?#]+)") or ""
    local rows = { ("<tbody>\n<tr><th>%s<small>%s</small></th>%s%s</tr>\n"):format(
        M.escape(hook.name), M.escape(host), state_cell(known.gauges, note(known)),
        cells(known.gauges, known.counters)), detail_row(known) }
    for _, record in ipairs(known.workers) do
        rows[#rows + 1] = worker_row(record)
    end
    return table.concat(rows) .. "</tbody>\n"
end

-- --- the page ------------------------------------------------------------------------------------

-- For the heading, and for the browser's tab.
local function summary(hooks)
    return #hooks == 1 and "groove: 1 source of tokens"
        or ("groove: %d sources of tokens"):format(#hooks)
end

local function make(hooks)
    local rows = {}
    for i, hook in ipairs(hooks) do
        rows[i] = source_rows(hook)
    end
    local title = summary(hooks)
    local about = ("nginx %d.%d.%d, %d %s, as of %s UTC"):format(
        math.floor(ngx.config.nginx_version / 1000000),
        math.floor(ngx.config.nginx_version / 1000) % 1000, ngx.config.nginx_version % 1000,
        ngx.worker.count(), ngx.worker.count() == 1 and "worker" or "workers", ngx.utctime())
    return PAGE:format(title, title, about, table.concat(rows))
end

--- Serves the page.
-- @tparam table hooks in the order in which they are shown
function M.serve(hooks)
    return answer.page(KIND, function() return make(hooks) end, HEADERS)
end

return M

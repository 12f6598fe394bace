-- Plots as SVG: panels side by side, each with two axes, ticks, a legend, and lines with marks or
-- horizontal bars. Colours follow the reader's theme, light or dark.

local M = {}

local STYLE = [[
  <style>
    .back { fill: #ffffff; } .text { fill: #1f2328; } .small { fill: #59636e; font-size: 12px; }
    .title { font-weight: bold; font-size: 14px; } .axis { stroke: #818b98; fill: none; }
    .grid { stroke: #d1d9e0; fill: none; } .line { fill: none; stroke-width: 2; }
    .target { stroke: #59636e; stroke-dasharray: 6 4; fill: none; }
    .s1 { stroke: #0969da; } .s2 { stroke: #bc4c00; } .s3 { stroke: #1a7f37; }
    .f1 { fill: #0969da; } .f2 { fill: #bc4c00; } .f3 { fill: #1a7f37; }
    @media (prefers-color-scheme: dark) {
      .back { fill: #0d1117; } .text { fill: #f0f6fc; } .small { fill: #9198a1; }
      .axis { stroke: #656c76; } .grid { stroke: #2a313c; } .target { stroke: #9198a1; }
      .s1 { stroke: #4493f8; } .s2 { stroke: #f0883e; } .s3 { stroke: #3fb950; }
      .f1 { fill: #4493f8; } .f2 { fill: #f0883e; } .f3 { fill: #3fb950; }
    }
  </style>]]

local PANEL, HEIGHT = 380, 360
local LEFT, RIGHT, TOP, BOTTOM = 70, 20, 84, 54

local function escape(text)
    return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function text_at(x, y, class, text, anchor, more)
    return ('  <text x="%.1f" y="%.1f" class="%s" text-anchor="%s"%s>%s</text>'):format(x, y, class,
        anchor or "start", more or "", escape(text))
end

local function line_between(x1, y1, x2, y2, class)
    return ('  <path d="M%.1f %.1f L%.1f %.1f" class="%s"/>'):format(x1, y1, x2, y2, class)
end

-- A number as one reads it at an axis: 0.5, 20, 5 k, 2 M.
local function label_of(value)
    for _, unit in ipairs({ { 1e6, " M" }, { 1e3, " k" } }) do
        if value >= unit[1] then return ("%.10g"):format(value / unit[1]) .. unit[2] end
    end
    return ("%.10g"):format(value)
end

local function log_ticks(axis, low, high)
    local ticks, base = {}, axis.base or 10
    local value = base ^ math.floor(math.log(low) / math.log(base) + 1e-9)
    while value <= high * 1.0001 do
        ticks[#ticks + 1] = value
        value = value * base
    end
    if ticks[#ticks] < high * 0.9999 then ticks[#ticks + 1] = value end
    return ticks
end

local function even_ticks(high)
    local step = 10 ^ math.floor(math.log(high / 4) / math.log(10))
    for _, times in ipairs({ 1, 2, 2.5, 5, 10 }) do
        if high / (step * times) <= 5 then
            step = step * times
            break
        end
    end
    local ticks = {}
    for i = 0, math.ceil(high / step - 1e-9) do ticks[#ticks + 1] = i * step end
    return ticks
end

-- Ticks that hold all values, and a function from a value to 0 .. 1.
local function scale_of(axis, values)
    table.sort(values)
    local low, high = values[1], values[#values]
    local ticks = axis.log and log_ticks(axis, low, high) or even_ticks(high)
    local first, last = ticks[1], ticks[#ticks]
    return ticks, function(value)
        if axis.log then
            return (math.log(value) - math.log(first)) / (math.log(last) - math.log(first))
        end
        return (value - first) / (last - first)
    end
end

local function values_of(panel, index)
    local values = {}
    for _, series in ipairs(panel.series) do
        for _, point in ipairs(series.points) do values[#values + 1] = point[index] end
    end
    if index == 2 and panel.y and panel.y.least then values[#values + 1] = panel.y.least end
    if index == 2 and panel.target then values[#values + 1] = panel.target[1] end
    return values
end

local function draw_axes(out, panel, x, y, to_x, to_y, left)
    local bottom, right = HEIGHT - BOTTOM, left + PANEL - RIGHT
    for _, tick in ipairs(y.ticks) do
        out(line_between(left + LEFT, to_y(tick), right, to_y(tick), "grid"))
        out(text_at(left + LEFT - 8, to_y(tick) + 4, "small", label_of(tick), "end"))
    end
    for i, tick in ipairs(x.ticks) do
        out(line_between(to_x(tick), bottom, to_x(tick), bottom + 5, "axis"))
        if #x.ticks < 8 or i % 2 == 1 then
            out(text_at(to_x(tick), bottom + 19, "small", label_of(tick), "middle"))
        end
    end
    out(line_between(left + LEFT, bottom, right, bottom, "axis"))
    out(text_at((left + LEFT + right) / 2, HEIGHT - 14, "small", panel.x.label, "middle"))
end

local function draw_series(out, series, number, to_x, to_y)
    local path = {}
    table.sort(series.points, function(a, b) return a[1] < b[1] end)
    for i, point in ipairs(series.points) do
        local x, y = to_x(point[1]), to_y(point[2])
        path[i] = ("%s%.1f %.1f"):format(i == 1 and "M" or "L", x, y)
        out(('  <circle cx="%.1f" cy="%.1f" r="3.5" class="f%d"/>'):format(x, y, number))
    end
    out(('  <path d="%s" class="line s%d"/>'):format(table.concat(path, " "), number))
end

local function draw_legend(out, panel, left)
    local x = left + 16
    out(text_at(x, 46, "text title", panel.title))
    for i, series in ipairs(panel.series) do
        out(('  <rect x="%.1f" y="58" width="12" height="4" class="f%d"/>'):format(x, i))
        out(text_at(x + 17, 64, "small", series.name))
        x = x + 32 + 6.3 * #series.name
    end
    if panel.target then
        out(line_between(x, 60, x + 16, 60, "target"))
        out(text_at(x + 21, 64, "small", panel.target[2]))
    end
end

local function draw_panel(out, panel, left)
    local x, y = {}, {}
    x.ticks, x.part = scale_of(panel.x, values_of(panel, 1))
    y.ticks, y.part = scale_of(panel.y, values_of(panel, 2))
    local function to_x(value) return left + LEFT + x.part(value) * (PANEL - LEFT - RIGHT) end
    local function to_y(value) return HEIGHT - BOTTOM - y.part(value) * (HEIGHT - TOP - BOTTOM) end
    draw_axes(out, panel, x, y, to_x, to_y, left)
    if panel.target then
        local at = to_y(panel.target[1])
        out(line_between(left + LEFT, at, left + PANEL - RIGHT, at, "target"))
    end
    for i, series in ipairs(panel.series) do draw_series(out, series, i, to_x, to_y) end
    draw_legend(out, panel, left)
end

local function picture(width, height, title, draw)
    local lines = {}
    local function out(text) lines[#lines + 1] = text end
    out(('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
        .. 'font-family="sans-serif" font-size="13">'):format(width, height, width, height))
    out("  <title>" .. escape(title) .. "</title>")
    out(STYLE)
    out(('  <rect width="%d" height="%d" class="back"/>'):format(width, height))
    out(text_at(16, 22, "text title", title))
    draw(out)
    out("</svg>")
    return table.concat(lines, "\n") .. "\n"
end

--- A picture of panels: { title =, x = { label =, log =, base = }, y = { log =, least = where the
-- axis ends at least },
-- series = { { name =, points = { { x, y }, ... } }, ... }, target = { value, "name" } }.
function M.lines(title, panels)
    return picture(#panels * PANEL, HEIGHT, title, function(out)
        for i, panel in ipairs(panels) do draw_panel(out, panel, (i - 1) * PANEL) end
    end)
end

local NAMES, BAR = 215, 22

local function draw_bars(out, panel, names, left, width)
    local values = values_of(panel, 2)
    values[#values + 1] = panel.from
    local ticks, part = scale_of({ log = true }, values)
    local bottom = TOP + #names * BAR
    local function to_x(value) return left + part(value) * (width - 62) end
    out(text_at(left, 46, "text title", panel.title))
    for _, tick in ipairs(ticks) do
        out(line_between(to_x(tick), 58, to_x(tick), bottom, "grid"))
        out(text_at(to_x(tick), bottom + 17, "small", label_of(tick), "middle"))
    end
    for _, point in ipairs(panel.series[1].points) do
        local y = TOP + (point[1] - 1) * BAR
        out(('  <rect x="%.1f" y="%.1f" width="%.1f" height="%d" class="f%d"/>'):format(left, y - 8,
            math.max(2, to_x(point[2]) - left), BAR - 8, point.ours and 1 or 2))
        local value = (point[2] < 10 and "%.1f" or "%.0f"):format(point[2])
        out(text_at(to_x(point[2]) + 5, y + 3, "small", value))
    end
end

--- Horizontal bars on logarithmic scales: names down the left side, and panels { title =,
-- from = where the bars begin,
-- series = { { points = { { index of the name, value, ours = boolean }, ... } } } }.
function M.bars(title, names, panels)
    local width = 250
    return picture(NAMES + #panels * width + 20, TOP + #names * BAR + 30, title, function(out)
        for i, name in ipairs(names) do
            out(text_at(NAMES - 8, TOP + (i - 1) * BAR + 3, "text", name, "end"))
        end
        for i, panel in ipairs(panels) do
            draw_bars(out, panel, names, NAMES + (i - 1) * width, width)
        end
    end)
end

return M

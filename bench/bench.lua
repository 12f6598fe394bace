-- What all parts of the benchmark share: rounds that alternate, medians, rows.
--
-- Rounds of the things compared alternate, short and many, and their medians are compared, so that
-- a machine whose speed wanders does not decide. GROOVE_BENCH=quick: fewer rounds.

local native = require "native"

local M = {}

M.native = native

--- Where the repository is, with a slash, or "".
M.root = arg[0]:gsub("bench/[^/]*$", "")

--- Where all that is built for the benchmark lies.
M.build = M.root .. "build/bench/"

--- Few rounds, for a look; the figures in docs/ are of full runs.
M.quick = os.getenv("GROOVE_BENCH") == "quick"

M.rounds = M.quick and 5 or 31

--- The interpreter that runs this.
M.lua = arg[-1]

local unpack = table.unpack or unpack

--- The p-th part (0 to 1) of a list, which is sorted by it.
function M.part_of(list, p)
    table.sort(list)
    return list[math.max(1, math.ceil(#list * p))]
end

function M.median(list)
    table.sort(list)
    return list[math.floor(#list / 2) + 1]
end

--- A function that gives the seconds that `run` takes.
function M.timed(run)
    return function()
        collectgarbage()
        local began = native.now()
        run()
        return native.now() - began
    end
end

--- Runs each function of `runs` once a round, in turn; gives a list for each, of what it returned.
function M.collect(rounds, runs)
    local lists = {}
    for i = 1, #runs do lists[i] = {} end
    for _ = 1, rounds do
        for i, run in ipairs(runs) do lists[i][#lists[i] + 1] = run() end
    end
    return lists
end

--- Within how much of its median (0.1: 10 %) the middle half of a list lies.
function M.noise_of(list)
    return (M.part_of(list, 0.75) - M.part_of(list, 0.25)) / M.median(list) / 2
end

--- Runs each function of `runs` once a round, in turn; gives the median of what each returns, and
-- as the last result the noise of the one that wandered most.
function M.alternate(rounds, runs)
    local results, noise = {}, 0
    for i, list in ipairs(M.collect(rounds, runs)) do
        results[i] = M.median(list)
        noise = math.max(noise, M.noise_of(list))
    end
    results[#results + 1] = noise
    return unpack(results)
end

function M.readable(path)
    local file = io.open(path)
    if file then file:close() end
    return file ~= nil
end

--- Writes a whole file.
function M.write(path, text)
    local file = assert(io.open(path, "w"))
    assert(file:write(text))
    file:close()
end

--- What a command of the shell prints.
function M.output_of(command)
    local pipe = io.popen(command)
    local text = pipe:read("*a")
    pipe:close()
    return text
end

--- A folder's whole path.
function M.absolute(folder)
    return M.output_of("cd '" .. folder .. "' && pwd"):match("[^\n]+")
end

--- Whether the shell finds a program.
function M.installed(program)
    return M.output_of("command -v " .. program) ~= ""
end

M.rows, M.missed = {}, 0

local LINE = "%-68s %-34s %9s  %-9s %s"

--- The title of the table that follows.
function M.title()
    print(LINE:format("what", "measured (medians)", "value", "target", ""))
end

local function holds(value, target)
    if target[1] == "<=" then return value <= target[2] end
    return value >= target[2]
end

--- One row: { name, measured = "words", value =, unit = "ratio" by default, target = { "<=", 5 },
-- noise = }. Without a target it only tells.
function M.report(row)
    row.unit = row.unit or "ratio"
    if row.target then
        row.ok = holds(row.value, row.target)
        row.target = table.concat(row.target, " ")
        if not row.ok then M.missed = M.missed + 1 end
    end
    row.name, row[1] = row[1], nil
    M.rows[#M.rows + 1] = row
    print(LINE:format(row.name .. (row.unit == "ratio" and "" or ", " .. row.unit),
        row.measured or "", (row.value < 2 and "%.3f" or "%.2f"):format(row.value),
        row.target or "", row.target and (row.ok and "ok" or "MISSED") or ""))
    io.flush()
end

--- A row that cannot be measured here.
function M.skip(name, why)
    M.rows[#M.rows + 1] = { name = name, skipped = why }
    print(("%-68s skipped: %s"):format(name, why))
end

return M

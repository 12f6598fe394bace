-- Prints how many lines of each file the tests have run, and which they have not. Exits 1 below the
-- targets. usage: lua5.4 tools/coverage/report.lua BUILD HITS
-- BUILD: made with VARIANT=cov, and run; HITS: of hook.lua

local build, hits_file = arg[1], arg[2]

local function lines_of(command)
    local pipe, out = assert(io.popen(command)), {}
    for line in pipe:lines() do
        out[#out + 1] = line
    end
    assert(pipe:close(), command)
    return out
end

-- Both give { [line] = whether it has run }, of the lines that hold code.

-- Of gcov's text: "count:  line:source"; "#####" stands for none, "-" for a line without code.
local function add_object(out, objects, path)
    local current
    for _, text in ipairs(lines_of(("gcov --stdout -o %s %s"):format(objects, path))) do
        local file = text:match("^%s*%-:%s*0:Source:(.*)")
        if file then
            current = file == path
        end
        local count, line = text:match("^%s*([%d#=*]+):%s*(%d+):")
        line = tonumber(line)
        if current and count then
            out[line] = out[line] or not count:find("^[#=]")
        end
    end
end

local function c_lines(path)
    local folder, out = path:match("^src/(%w+)/"), {}
    if folder == "core" then
        add_object(out, build .. "/core", path)
    else
        for _, object in ipairs(lines_of(("ls -d %s/*/%s"):format(build, folder))) do
            add_object(out, object, path)
        end
    end
    return out
end

-- Of the bytecode. Not counted is the return at a function's end: where another comes before,
-- nothing ever reaches it.
local function lua_lines(path, hits)
    local out, last = {}, nil
    for _, text in ipairs(lines_of("luac5.4 -l -p " .. path)) do
        last = text:match("^function <.*:%d+,(%d+)>") or last
        local line, op = text:match("^\t%d+\t%[(%d+)%]\t(%u%w*)")
        local ending = line == last and op and op:find("^RETURN")
        if line and op ~= "VARARGPREP" and not ending then
            out[tonumber(line)] = hits[path .. ":" .. line] or false
        end
    end
    return out
end

local function read_hits()
    local hits = {}
    for line in io.lines(hits_file) do
        hits["lua/groove/" .. line] = true
    end
    return hits
end

-- "3 7-9": runs of lines with code of which none has run.
local function ranges(lines)
    local numbers, out = {}, {}
    for line in pairs(lines) do
        numbers[#numbers + 1] = line
    end
    table.sort(numbers)
    local from, to
    for _, line in ipairs(numbers) do
        if not lines[line] then
            from, to = from or line, line
        end
        if from and (lines[line] or line == numbers[#numbers]) then
            out[#out + 1] = from == to and tostring(from) or from .. "-" .. to
            from = nil
        end
    end
    return table.concat(out, " ")
end

local function percent(run, all)
    return all == 0 and 100 or run / all * 100
end

-- Prints a line for each file; what there is in all.
local function add_up(pattern, look)
    local run, all = 0, 0
    for _, path in ipairs(lines_of("find " .. pattern .. " | LC_ALL=C sort")) do
        local lines, here, of = look(path), 0, 0
        for _, done in pairs(lines) do
            here, of = here + (done and 1 or 0), of + 1
        end
        print(("%6.1f %%  %4d of %4d  %-34s %s"):format(percent(here, of), here, of, path,
            ranges(lines)))
        run, all = run + here, all + of
    end
    return percent(run, all), all
end

local hits = read_hits()
local totals, failed = {}, false

local function total(name, target, pattern, look)
    local share, all = add_up(pattern, look)
    local good = all > 0 and share >= target
    failed = failed or not good
    totals[#totals + 1] = ("%-8s%-12s %5.1f %% of %d lines (target %d)"):format(
        good and "ok" or "FAILED", name, share, all, target)
end

total("C core", 90, "src/core -name '*.c'", c_lines)
total("C binding", 90, "src/binding src/embed -name '*.c'", c_lines)
total("Lua", 95, "lua/groove -name '*.lua'", function(path) return lua_lines(path, hits) end)

print(table.concat(totals, "\n"))
os.exit(not failed)

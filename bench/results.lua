-- The file of results: one JSON text in which each part of the benchmark has its place, written so
-- that two runs can be compared line by line.

local bench = require "bench"
local cjson = require "cjson"

local M = {}

M.path = bench.build .. "results.json"

local function sorted_keys(value)
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys)
    return keys
end

-- Four digits: more is noise.
local function number(value)
    if value == math.floor(value) and math.abs(value) < 1e15 then return ("%d"):format(value) end
    return ("%.4g"):format(value)
end

local encode

local function encode_all(open, close, items, indent)
    if #items == 0 then return open .. close end
    local inner = indent .. "  "
    return open .. "\n" .. inner .. table.concat(items, ",\n" .. inner) .. "\n" .. indent .. close
end

function encode(value, indent)
    if type(value) == "number" then return number(value) end
    if type(value) ~= "table" then return (cjson.encode(value):gsub("\\/", "/")) end
    local items = {}
    if #value > 0 then
        for i, item in ipairs(value) do items[i] = encode(item, indent .. "  ") end
        return encode_all("[", "]", items, indent)
    end
    for _, key in ipairs(sorted_keys(value)) do
        items[#items + 1] = cjson.encode(key) .. ": " .. encode(value[key], indent .. "  ")
    end
    return encode_all("{", "}", items, indent)
end

--- What has been measured so far, by part; empty when there is nothing.
function M.read()
    local file = io.open(M.path)
    if not file then return {} end
    local text = file:read("*a")
    file:close()
    return cjson.decode(text)
end

function M.write(results, path)
    bench.write(path or M.path, encode(results, "") .. "\n")
end

local function first_line(command)
    return bench.output_of(command .. " 2>&1"):match("[^\n]*") or ""
end

local function version(program, flag, pattern)
    if not bench.installed(program) then return nil end
    return bench.output_of(program .. " " .. flag .. " 2>&1"):match(pattern)
end

local function memory_gib()
    local kib = first_line("grep MemTotal /proc/meminfo"):match("%d+") or 0
    return math.floor(kib / 1024 / 1024 + 0.5)
end

--- What ran it: nothing that tells whose machine it is.
function M.machine()
    return {
        processor = first_line("sed -n 's/^model name.*: //p' /proc/cpuinfo"),
        cores = tonumber(first_line("nproc")),
        memory_gib = memory_gib(),
        system = first_line(". /etc/os-release; echo $PRETTY_NAME"),
        kernel = first_line("uname -sr"):match("%S+ %d+%.%d+"),
        versions = {
            gcc = version("gcc", "-dumpfullversion", "%S+"),
            go = version("go", "version", "go(%d%S*)"),
            libcurl = version("curl", "--version", "libcurl/(%S+)"),
            lua = version(bench.lua, "-v", "Lua (%S+)"),
            luajit = version("luajit", "-v", "LuaJIT (%S+)"),
            nginx = version("nginx", "-v", "nginx/(%S+)"),
            node = version("node", "--version", "v(%S+)"),
            python = version("/usr/bin/python3", "--version", "Python (%S+)"),
        },
    }
end

--- Puts a part in its place, with what is needed to judge it: the mode, the day, and how busy the
-- machine was before it began.
function M.add(part, content, load_before)
    local results = M.read()
    content.mode = bench.quick and "quick" or "full"
    content.date = os.date("!%Y-%m-%d")
    content.load_before = load_before
    results[part] = content
    results.machine = M.machine()
    M.write(results)
end

--- Programs that wanted to run, on average over the last minute.
function M.load()
    return tonumber(first_line("cat /proc/loadavg"):match("%S+"))
end

return M

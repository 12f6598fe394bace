-- The module's source, read for the errors that it makes.

local shell = require("spec.support.shell")

local M = {}

local function without_comments(text)
    return (text:gsub("/%*.-%*/", ""))
end

local function c_files()
    return shell.lines("ls src/core/*.c src/binding/*.c")
end

-- Codes in the forms in which the core writes them down.
local PATTERNS = {
    'cancel_all%("([%w_]+)"', '{CURLE_[%w_]+, "([%w_]+)"', '{"([%w_]+)", GR_[RF]',
    'fail%(r, [%w_]+, "([%w_]+)"', 'char code%[[^%]]*%] = "([%w_]+)"',
    'snprintf%(code, sizeof code, "([%w_%%]+)"', 'const char %*name = "([%w_]+)"',
}

-- Where gr_error_set is given a variable; what it holds is found by the patterns.
local VARIABLES = {
    ["lifecycle.c code"] = true, ["exchange.c name"] = true, ["answer.c code"] = true,
}

--- All codes that the C side can give an error.
-- @treturn table by the code; "http_%d" stands for all of its kind
-- @treturn table uses of gr_error_set that are not understood
function M.core_codes()
    local codes, unclear = {}, {}
    for _, path in ipairs(c_files()) do
        local text = without_comments(shell.read(path)):gsub("%s+", " ")
        for arguments in text:gmatch("gr_error_set(%b())") do
            local given = arguments:match("^%([^,]+, [%w_]+, ([^,]+),")
            local code = given and given:match('^"([%w_]+)"$')
            local name = path:match("[^/]+$") .. " " .. tostring(given)
            if code then
                codes[code] = true
            elseif not VARIABLES[name] and not arguments:find("^%(struct") then
                unclear[#unclear + 1] = name
            end
        end
        for _, pattern in ipairs(PATTERNS) do
            for code in text:gmatch(pattern) do
                codes[code] = true
            end
        end
    end
    return codes, unclear
end

local function makes_error(line)
    return line:find("errors%.%l+%(") and not line:find("errors%.line%(")
        and not line:find("errors%.is%(") and not line:find("errors%.pass_on%(")
        or line:find("check%.fail%(") or line:find("^%s+M%.fail%(")
end

--- All lines of the Lua side that make an error: the sandbox and nginx apart, which have
-- specifications of their own.
-- @treturn table list of `{ file, line, text }`, each with the line of the next one in its file
function M.lua_sites()
    local sites = {}
    for _, path in ipairs(shell.lines("find lua/groove -name '*.lua'")) do
        local file = path:match("^lua/groove/(.+)$")
        local number, last = 0, nil
        for line in io.lines(path) do
            number = number + 1
            if makes_error(line) and not file:find("^sandbox/") and not file:find("^nginx/")
                and file ~= "errors.lua" then
                local site = { file = file, line = number, text = line:match("^%s*(.-)%s*$") }
                if last then
                    last.next = number
                end
                last = site
                sites[#sites + 1] = site
            end
        end
    end
    return sites
end

-- Lines that a call may go on for.
local SPAN = 12

--- The sites that a program has not come by.
-- @tparam table reached "file:line" of the lines begun last before an error was made
-- @treturn table list of sites
function M.unreached(reached)
    local out = {}
    for _, site in ipairs(M.lua_sites()) do
        local found = false
        for line = site.line, math.min(site.line + SPAN, (site.next or math.huge) - 1) do
            found = found or reached[site.file .. ":" .. line] ~= nil
        end
        if not found then
            out[#out + 1] = site
        end
    end
    return out
end

return M

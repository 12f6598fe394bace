-- The reference says all that the rows and the types say, and its examples run.

local groove = require("groove")
local endpoints = require("groove.endpoints")
local comments = require("tools.reference.comments")
local pages = require("tools.reference.pages")
local rows = require("tools.reference.rows")
local types = require("tools.reference.types")

local function loaded(text, name, env)
    if setfenv then
        return setfenv(assert(loadstring(text, name)), env)
    end
    return assert(load(text, name, "t", env))
end

-- Runs a program of the reference as it stands, with a sandbox of the spec's own process, and
-- returns how many lines it has printed.
local function run(text, name)
    local sandbox, printed = groove.sandbox({ in_process = true }), 0
    local module = setmetatable({ sandbox = function() return sandbox end }, { __index = groove })
    local env = {
        require = function(wanted)
            assert.equal("groove", wanted)
            return module
        end,
        print = function(...)
            assert.is_not_nil((...), "nil was printed")
            printed = printed + 1
        end,
    }
    loaded(text, "=" .. name, setmetatable(env, { __index = _G }))()
    sandbox:stop()
    return printed
end

local function assert_runs(text, name)
    local printed = run(text, name)
    assert.equal(text:find("print(", 1, true) ~= nil, printed > 0, name .. " printed " .. printed)
end

-- What a program would write: "opts.page", "playlist.name", "query".
local function full_name(row, name)
    for _, argument in ipairs(row.args or {}) do
        if argument == name then
            return name
        end
    end
    for _, part in ipairs(row.takes and row.body or {}) do
        if part.name == name then
            return row.takes .. "." .. name
        end
    end
    return "opts." .. name
end

-- The values of a list and of the lists within it.
local function each_value(list, fn)
    for key, value in pairs(list) do
        if type(value) == "string" then
            fn(value)
        elseif key ~= "by" then
            each_value(value, fn)
        end
    end
end

local function line_with(text, pattern)
    for line in text:gmatch("[^\n]+") do
        if line:find(pattern) then
            return line
        end
    end
end

describe("the reference", function()
    local made = pages.make()

    it("has each row once, under its heading", function()
        local seen = {}
        for _, part in pairs(rows.order) do
            for _, name in ipairs(part) do
                assert.is_nil(seen[name], name)
                assert.is_table(endpoints.rows[name], name)
                seen[name] = true
            end
        end
        for name, row in pairs(endpoints.rows) do
            assert.is_true(seen[name], name)
            for _, field in ipairs({ "doc", "errors", "example" }) do
                assert.is_string(row[field], name)
                assert.matches("%S", row[field])
            end
        end
    end)

    for name, row in pairs(endpoints.rows) do
        it("has every parameter of " .. name .. ", with its limits and values", function()
            local text = rows.comment(name)
            for _, descriptor in pairs(rows.by_name(row)) do
                local full = full_name(row, descriptor.name)
                local line = line_with(text, "^%-%- @tparam%S* %S+ "
                    .. full:gsub("%p", "%%%0") .. " ")
                assert.is_string(line, full)
                for _, limit in ipairs({ "min", "max", "max_length", "max_items" }) do
                    local value = descriptor[limit] and ("%d"):format(descriptor[limit])
                    -- one sentence may speak of several parameters
                    local where = limit == "max_items" and text or line
                    assert.is_truthy(not value or where:find(value, 1, true), full)
                end
                each_value(descriptor.values_by or descriptor.values or {}, function(value)
                    assert.is_truthy(line:find(value, 1, true), full .. " lacks " .. value)
                end)
                local needed = descriptor.required and not descriptor.default_from
                    or descriptor.required_unless
                assert.equal(needed == nil or needed == false, line:find("[opt", 1, true) ~= nil,
                    full)
            end
        end)

        it("has an example of " .. name .. " that runs", function()
            assert_runs(rows.usage(name, row), name)
        end)
    end

    it("has the options of every method", function()
        local text = rows.options()
        for _, descriptor in ipairs(endpoints.common) do
            assert.matches(" " .. descriptor.name .. " ", text)
        end
    end)

    it("has examples of the links that run", function()
        local count = 0
        for name, lines in pairs(comments.read("lua/groove/links.lua")) do
            local usage = table.concat(lines, "\n"):match("@usage\n(.*)$")
            if usage then
                assert_runs(usage, name)
                count = count + 1
            end
        end
        assert.equal(2, count)
    end)

    it("has every method that the types declare", function()
        for class, prefix in pairs({
            groove = "groove.", ["groove.Client"] = "client:", ["groove.Source"] = "source:",
            ["groove.Call"] = "call:", ["groove.Sandbox"] = "sandbox:", ["groove.Fault"] = "fault:",
        }) do
            local page = made[prefix:match("%a+")] or made.sandbox
            for method in pairs(types.read().classes[class].methods) do
                local found = page:find("\nfunction " .. prefix .. method .. "(", 1, true)
                assert.is_truthy(found, prefix .. method)
            end
        end
    end)

    it("has every object that a method returns", function()
        for _, row in pairs(endpoints.rows) do
            assert.is_truthy(made.objects:find("@table " .. row.returns .. "\n", 1, true))
        end
    end)

    it("is made of pages that are Lua", function()
        for _, name in ipairs(pages.order) do
            loaded(made[name], "=" .. name, {})
        end
    end)
end)

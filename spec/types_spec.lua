-- types/groove.lua declares exactly what the module has.

local groove = require("groove")
local settings = require("groove.settings")
local endpoints = require("groove.endpoints")
local request = require("groove.request")
local source_module = require("groove.source")

-- Methods of a handle that only the module itself calls.
local INTERNAL = { acquire = true, subscribe = true, token_slow = true }

-- Reads the file: fields by class, methods by class, parents by class.
local function read_types()
    local fields, methods, parents, class = {}, {}, {}, nil
    for line in io.lines("types/groove.lua") do
        local name, rest = line:match("^%-%-%-@class ([%w_.]+):?%s*(.*)$")
        if name then
            class = name
            fields[class], methods[class], parents[class] = {}, {}, {}
            for parent in rest:gmatch("[%w_.]+") do table.insert(parents[class], parent) end
        end
        local field = line:match("^%-%-%-@field ([%w_]+)")
        if field then fields[class][field] = true end
        local owner, method = line:match("^function (%w+)[.:]([%w_]+)%(")
        if owner == "groove" then
            methods.groove[method] = true
        elseif owner then
            methods["groove." .. owner][method] = true
        end
    end
    return fields, methods, parents
end

local fields, methods, parents = read_types()

-- A class's fields with those of its parents.
local function all_fields(class)
    local all = {}
    for name in pairs(fields[class]) do all[name] = true end
    for _, parent in ipairs(parents[class]) do
        for name in pairs(all_fields(parent)) do all[name] = true end
    end
    return all
end

local function names_of(...)
    local names = {}
    for _, list in ipairs({ ... }) do
        for _, descriptor in ipairs(list) do
            if descriptor.name:sub(1, 1) ~= "_" then names[descriptor.name] = true end
        end
    end
    return names
end

local function functions_of(object)
    local names = {}
    for name, value in pairs(object) do
        if type(value) == "function" and name:sub(1, 1) ~= "_" and not INTERNAL[name] then
            names[name] = true
        end
    end
    return names
end

local function methods_of(object)
    return functions_of(getmetatable(object).__index)
end

describe("types/groove.lua", function()
    local sandbox = groove.sandbox({ in_process = true })
    local client = sandbox:client()
    local source = groove.token_source({ token_url = "https://127.0.0.1:1/", renew = false })

    teardown(function()
        client:close()
        source:close()
        sandbox:stop()
    end)

    it("has the module's functions", function()
        assert.same(functions_of(groove), methods.groove)
        assert.equal("string", type(groove._VERSION))
    end)

    it("has the methods of a client, and of client.async", function()
        assert.same(methods_of(client), methods["groove.Client"])
        assert.same(methods_of(client.async), methods["groove.AsyncClient"])
    end)

    it("has the methods of a source, and of source.async", function()
        assert.same(functions_of(require("groove.source").methods), methods["groove.Source"])
        for name in pairs(methods["groove.AsyncSource"]) do
            assert.equal("function", type(source.async[name]), name)
        end
        for name in pairs(methods["groove.Source"]) do
            local waits = source_module.prepare[name] ~= nil
            assert.equal(waits, methods["groove.AsyncSource"][name] == true, name)
        end
    end)

    it("has a source's face on a static token, too", function()
        local static = groove.static_token("token")
        for name in pairs(methods["groove.Source"]) do
            assert.equal("function", type(static[name]), name)
        end
    end)

    it("has the methods of a call", function()
        local call = client.async:token()
        assert.same(methods_of(call), methods["groove.Call"])
    end)

    it("has the methods of a sandbox and of a fault", function()
        assert.same(methods_of(sandbox), methods["groove.Sandbox"])
        local fault = sandbox:fault({ on = "api", status = 500 })
        for name in pairs(methods["groove.Fault"]) do
            assert.equal("function", type(fault[name]), name)
        end
        fault:clear()
    end)

    it("has every option of groove.token_source, groove.new and client:with", function()
        assert.same(names_of(source_module.options), fields["groove.SourceOptions"])
        assert.same(names_of(settings.call_defaults), fields["groove.CallDefaults"])
        assert.same(names_of(settings.options), fields["groove.ClientOptions"])
    end)

    it("has every option of every endpoint", function()
        for name, row in pairs(endpoints.rows) do
            local expected = names_of(row.params, endpoints.common, request.call_options)
            for _, argument in ipairs(row.args) do expected[argument] = nil end
            local class = "groove." .. name:gsub("^%l", string.upper) .. "Options"
            assert.same(expected, all_fields(class), class)
        end
    end)
end)

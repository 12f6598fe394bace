-- types/ declares exactly what the module has, what the rows of the endpoints say, and what the
-- service answers.

local groove = require("groove")
local settings = require("groove.settings")
local endpoints = require("groove.endpoints")
local request = require("groove.request")
local response = require("groove.response")
local sandbox_module = require("groove.sandbox")
local source_module = require("groove.source")
local samples = require("spec.support.samples")
local types = require("tools.reference.types")

-- Methods of a handle that only the module itself calls.
local INTERNAL = { acquire = true, subscribe = true, token_slow = true }

local declared = types.read()

local function set_of(named)
    local names = {}
    for name in pairs(named) do names[name] = true end
    return names
end

local function methods_in(class)
    return set_of(declared.classes[class].methods)
end

-- Without those of its parents.
local function fields_in(class)
    return set_of(declared.classes[class].fields)
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
        assert.same(functions_of(groove), methods_in("groove"))
        assert.equal("string", type(groove._VERSION))
    end)

    it("has the methods of a client, and of client.async", function()
        assert.same(methods_of(client), methods_in("groove.Client"))
        assert.same(methods_of(client.async), methods_in("groove.AsyncClient"))
    end)

    it("has the methods of a source, and of source.async", function()
        assert.same(functions_of(require("groove.source").methods), methods_in("groove.Source"))
        for name in pairs(methods_in("groove.AsyncSource")) do
            assert.equal("function", type(source.async[name]), name)
        end
        for name in pairs(methods_in("groove.Source")) do
            local waits = source_module.prepare[name] ~= nil
            assert.equal(waits, methods_in("groove.AsyncSource")[name] == true, name)
        end
    end)

    it("has a source's face on a static token, too", function()
        local static = groove.static_token("token")
        for name in pairs(methods_in("groove.Source")) do
            assert.equal("function", type(static[name]), name)
        end
    end)

    it("has the methods of a call", function()
        local call = client.async:token()
        assert.same(methods_of(call), methods_in("groove.Call"))
    end)

    it("has the methods of a sandbox and of a fault", function()
        assert.same(methods_of(sandbox), methods_in("groove.Sandbox"))
        local fault = sandbox:fault({ on = "api", status = 500 })
        for name in pairs(methods_in("groove.Fault")) do
            assert.equal("function", type(fault[name]), name)
        end
        fault:clear()
    end)

    it("has every option of groove.token_source, groove.new and client:with", function()
        assert.same(names_of(source_module.options), fields_in("groove.SourceOptions"))
        assert.same(names_of(settings.call_defaults), fields_in("groove.CallDefaults"))
        assert.same(names_of(settings.options), fields_in("groove.ClientOptions"))
    end)

    it("has every option of a sandbox and of a fault", function()
        assert.same(names_of(sandbox_module.options), fields_in("groove.SandboxOptions"))
        assert.same(names_of(sandbox_module.user_options), fields_in("groove.UserTokenOptions"))
        assert.same(names_of(sandbox_module.fault_options), fields_in("groove.FaultOptions"))
    end)

    it("has the functions of groove.nginx, and its options", function()
        if not rawget(_G, "jit") then
            pending("groove.nginx is for LuaJIT")
            return
        end
        local nginx = require("groove.nginx")
        assert.same(functions_of(nginx), methods_in("groove.Nginx"))
        assert.same(names_of(nginx.options), fields_in("groove.NginxOptions"))
        assert.same(names_of(require("groove.nginx.broker").options),
            fields_in("groove.BrokerOptions"))
    end)

    it("has what a source knows about its token", function()
        for name in pairs(source:info()) do
            assert.is_truthy(declared.classes["groove.Info"].fields[name], name)
        end
    end)

    it("names only what it declares", function()
        for _, path in ipairs(types.files) do
            for line in io.lines(path) do
                for name in line:gmatch("groove%.%u%w+") do
                    assert.is_truthy(declared.classes[name] or declared.aliases[name], name)
                end
            end
        end
    end)
end)

-- --- the rows of the endpoints -------------------------------------------------------------------

-- browse_items -> groove.BrowseItemsOptions
local function options_class(name)
    return "groove." .. ("_" .. name):gsub("_(%l)", string.upper) .. "Options"
end

-- The tables that are arguments, by the method that takes them.
local TAKEN = {
    playlist_create = "groove.NewPlaylist", playlist_update = "groove.PlaylistChange",
    radio_create = "groove.RadioSeed",
}

-- A row's options: all that can be given by name.
local function option_descriptors(row)
    local list, positional = {}, {}
    for _, name in ipairs(row.args or {}) do positional[name] = true end
    for _, named in ipairs({ row.params, row.segments or {}, endpoints.common,
        request.call_options }) do
        for _, descriptor in pairs(named) do
            if not positional[descriptor.name] then list[#list + 1] = descriptor end
        end
    end
    return list
end

-- What the positional arguments of a row are, by name.
local function argument_descriptors(row)
    local named = {}
    for _, list in ipairs({ row.params, row.segments or {}, row.body or {} }) do
        for _, descriptor in pairs(list) do named[descriptor.name] = descriptor end
    end
    return named
end

-- Adds the values of a list, and of the lists by name within it.
local function gather(values, list)
    for key, value in pairs(list) do
        if type(value) == "string" then
            values[value] = true
        elseif key ~= "by" then
            gather(values, value)
        end
    end
    return values
end

local function all_values(descriptor)
    return gather({}, descriptor.values_by or descriptor.values or {})
end

local WORDS = {
    string = "string", id = "string", ids = "string|string[]", list = "string|string[]",
    integer = "integer", boolean = "boolean", seconds = "number", user_token = "groove.UserToken",
}

-- A type says what a descriptor does: its values one by one, or its kind.
local function assert_type(descriptor, text, where)
    local plain, literals = types.plain(declared, text), {}
    for literal in plain:gmatch('"([^"]*)"') do literals[literal] = true end
    local values = all_values(descriptor)
    if next(values) then
        assert.same(values, literals, where)
        assert.equal(descriptor.type == "list", plain:find("[]", 1, true) ~= nil, where)
    else
        assert.equal(WORDS[descriptor.type], text, where)
    end
end

local function assert_fields(descriptors, class)
    local fields = types.fields(declared, class)
    assert.same(names_of(descriptors), set_of(fields), class)
    for _, descriptor in ipairs(descriptors) do
        local field, where = fields[descriptor.name], class .. "." .. descriptor.name
        assert_type(descriptor, field.type, where)
        local needed = descriptor.required and not descriptor.default_from
        assert.equal(not needed, field.optional, where)
    end
end

describe("types/groove/api.lua", function()
    for name, row in pairs(endpoints.rows) do
        local expected = { row.takes }
        for _, argument in ipairs(row.args or {}) do table.insert(expected, argument) end
        table.insert(expected, "opts")

        for _, class in ipairs({ "groove.Client", "groove.AsyncClient" }) do
            it("has the arguments of " .. class .. ":" .. name, function()
                local method = declared.classes[class].methods[name]
                assert.same(expected, method.arguments)
                assert.same({ type = options_class(name), optional = true }, method.params.opts)
                for _, argument in ipairs(row.args or {}) do
                    local param = method.params[argument]
                    assert.is_false(param.optional)
                    assert_type(argument_descriptors(row)[argument], param.type, argument)
                end
                if row.takes then
                    assert.equal(TAKEN[name], method.params[row.takes].type)
                end
            end)
        end

        it("has what " .. name .. " returns", function()
            local methods = declared.classes["groove.Client"].methods
            assert.same({ "groove." .. row.returns .. "?", "groove.Error?" }, methods[name].returns)
            local fields = types.fields(declared, "groove." .. row.returns)
            for alias, member in pairs(row.aliases or {}) do
                assert.equal(fields[member].type, fields[alias].type)
            end
        end)

        it("has the options of " .. name, function()
            assert_fields(option_descriptors(row), options_class(name))
            if row.takes then
                assert_fields(row.body, TAKEN[name])
            end
        end)
    end
end)

-- --- answers of the service ----------------------------------------------------------------------

local JSON_TYPES = { string = "string", integer = "number", number = "number", boolean = "boolean" }

local assert_declared

-- Some samples are cut, and have an empty object in place of what is left out.
local function assert_object(value, class, where)
    local fields = types.fields(declared, class)
    for member, inner in pairs(value) do
        local field = fields[member]
        assert.is_truthy(field, where .. "." .. member .. " is not a field of " .. class)
        assert_declared(inner, field.type, where .. "." .. member)
    end
    for member, field in pairs(fields) do
        assert.is_true(field.optional or value[member] ~= nil or next(value) == nil,
            where .. "." .. member .. " is missing, and " .. class .. " has it always")
    end
end

-- Fails for a member that the type does not have, and for a value of another type.
function assert_declared(value, text, where)
    local items, class = text:match("^(.*)%[%]$"), declared.classes[text]
    if items then
        assert.is_table(value, where)
        for _, item in ipairs(value) do assert_declared(item, items, where .. "[]") end
    elseif class then
        assert.is_table(value, where)
        assert_object(value, text, where)
    elseif text:find("^table<") then
        for _, inner in pairs(value) do assert.is_string(inner, where) end
    elseif text:find('"', 1, true) then
        assert.is_truthy(text:find('"' .. value .. '"', 1, true), where .. " is " .. value)
    else
        assert.equal(JSON_TYPES[text], type(value), where)
    end
end

-- The class of a sample that shows one object, from its file's name; requests have none.
local OBJECTS = { error = "groove.ServiceError" }
local REQUESTS = {
    seed = true, playlistaction = true, trackaction = true, trackactionrequest = true,
    createradiorequest = true,
}
for class in pairs(declared.classes) do
    local name = class:gsub("^groove%.", ""):lower()
    OBJECTS[name] = OBJECTS[name] or class
end

-- The row whose path a request has: with the fewest segments that may be anything.
local function returned_by(sample)
    local method, path = sample.request:match("^(%u+) ([^?]+)")
    local best, fewest
    for _, row in pairs(endpoints.rows) do
        local pattern, free = row.path:gsub("{namespace}", "music"):gsub("{[%a_]+}", "[^/]+")
        if row.method == method and path:lower():find("^" .. pattern .. "$")
            and (not fewest or free < fewest) then
            best, fewest = row, free
        end
    end
    return best and "groove." .. best.returns
end

-- nil: what the sample shows is sent, and no answer.
local function class_of(sample)
    if sample.request ~= "" then
        return assert(returned_by(sample), sample.request .. " is no row's")
    end
    local object = sample.file:match("^json%-(%a+)%.")
    return not REQUESTS[object] and assert(OBJECTS[object], object .. " is not declared") or nil
end

describe("the objects of types/groove/api.lua", function()
    local index = samples.index()

    if not index then
        it("are compared with answers of the service where they are at hand", function()
            pending("no " .. samples.folder .. "; GROOVE_SAMPLES names another folder")
        end)
        return
    end

    it("have every member of the service's answers", function()
        local checked = 0
        for _, sample in ipairs(index) do
            local class = class_of(sample)
            local value = response.decode(samples.read(sample.file))
            if class and not (value.Error and next(value, next(value)) == nil) then
                assert_declared(value, class, sample.file)
                checked = checked + 1
            end
        end
        assert.is_true(checked >= 50, checked)
    end)
end)

local endpoints = require("groove.endpoints")

local TYPES = {
    string = true, integer = true, boolean = true, list = true, id = true, ids = true,
}

-- The options of a row, and the parts of a body that become options.
local function each_parameter(row)
    local list = {}
    for _, parameters in ipairs({ row.params, row.body or {}, endpoints.common }) do
        for _, parameter in ipairs(parameters) do
            list[#list + 1] = parameter
        end
    end
    return list
end

local function each_descriptor(row)
    local list = each_parameter(row)
    for _, segment in pairs(row.segments or {}) do
        list[#list + 1] = segment
    end
    return list
end

local function names_of(descriptors)
    local names = {}
    for _, descriptor in ipairs(descriptors) do
        names[descriptor.name] = descriptor
    end
    return names
end

-- All the lists of values that a descriptor has.
local function each_choice(descriptor)
    local list = { descriptor.values }
    for key, values in pairs(descriptor.values_by or {}) do
        if key ~= "by" then
            list[#list + 1] = values
        end
    end
    return list
end

describe("endpoints", function()
    for name, row in pairs(endpoints.rows) do
        describe(name, function()
            local known = names_of(each_descriptor(row))

            it("says what it is", function()
                assert.is_truthy(row.method == "GET" or row.method == "POST")
                assert.matches("^/%d/", row.path)
                assert.is_truthy(row.auth == "app" or row.auth == "user")
                assert.is_string(row.returns)
                for _, text in ipairs({ "doc", "errors", "example" }) do
                    assert.is_string(row[text], text)
                end
            end)

            it("describes every parameter once", function()
                local names, wires = {}, {}
                for _, parameter in ipairs(each_descriptor(row)) do
                    assert.is_true(TYPES[parameter.type], parameter.name)
                    assert.is_string(parameter.doc, parameter.name)
                    assert.is_nil(names[parameter.name], parameter.name)
                    names[parameter.name] = true
                    if parameter.wire then
                        assert.is_nil(wires[parameter.wire], parameter.name)
                        wires[parameter.wire] = true
                    end
                end
            end)

            it("names every parameter on the wire, those of the path excepted", function()
                for _, parameter in ipairs(each_parameter(row)) do
                    assert.is_truthy(parameter.wire or parameter.action or parameter.seed,
                        parameter.name)
                end
            end)

            it("has what its path and arguments name", function()
                local in_path = {}
                for placeholder in row.path:gmatch("{([%w_]+)}") do
                    in_path[placeholder] = true
                    assert.is_truthy(placeholder == "namespace" or row.segments[placeholder],
                        placeholder)
                end
                for segment, descriptor in pairs(row.segments or {}) do
                    assert.equal(segment, descriptor.name)
                    assert.is_true(in_path[segment], segment)
                end
                for _, argument in ipairs(row.args or {}) do
                    assert.is_truthy(known[argument], argument)
                end
                assert.is_truthy(not row.takes or row.body and not row.args)
            end)

            it("gives every part of the path: as an argument, or by default", function()
                local given = {}
                for _, argument in ipairs(row.args or {}) do
                    given[argument] = true
                end
                for segment, descriptor in pairs(row.segments or {}) do
                    assert.is_truthy(given[segment] or descriptor.default, segment)
                end
            end)

            it("has bodies where it posts them", function()
                assert.equal(row.method == "POST", row.body ~= nil)
            end)

            it("has no two values that are the same without case", function()
                for _, parameter in ipairs(each_descriptor(row)) do
                    for _, values in ipairs(each_choice(parameter)) do
                        local seen = {}
                        for _, value in ipairs(values) do
                            assert.is_nil(seen[value:lower()], value)
                            seen[value:lower()] = true
                        end
                    end
                end
            end)

            it("refers to parameters that it has", function()
                for _, parameter in ipairs(each_descriptor(row)) do
                    local others = { parameter.needs, parameter.required_unless }
                    for _, other in ipairs(parameter.exclusive or {}) do
                        others[#others + 1] = other
                        local back = table.concat(known[other].exclusive, " ")
                        assert.matches(parameter.name, back, 1, true)
                    end
                    for _, other in ipairs(parameter.values_by and parameter.values_by.by or {}) do
                        others[#others + 1] = other
                    end
                    if parameter.only_with then
                        others[#others + 1] = parameter.only_with[1]
                    end
                    for _, other in ipairs(others) do
                        assert.is_truthy(known[other], other)
                    end
                end
            end)
        end)
    end

    it("allow values by the others' values, without case", function()
        local browse = endpoints.rows.browse
        local order, kind = browse.params[1], browse.segments.type
        local catalog = endpoints.allowed(order, { source = "catalog", type = "tracks" })
        assert.same({ "ReleaseDate", "AllTimePlayCount", "MostPopular" }, catalog)
        assert.same({ "ArtistName", "CollectionDate" },
            endpoints.allowed(order, { source = "Collection", type = "Artists" }))
        assert.equal(5, #endpoints.allowed(kind, { source = "collection" }))
        assert.same({}, endpoints.allowed(order, { source = "nowhere", type = "tracks" }))
        assert.same({ "json", "xml" }, endpoints.allowed(endpoints.common[3], {}))
        assert.is_nil(endpoints.allowed(browse.params[4], {}))
    end)
end)

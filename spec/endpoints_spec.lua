local endpoints = require("groove.endpoints")

local TYPES = { string = true, integer = true, list = true, id = true, ids = true }

local function each_parameter(row)
    local list = {}
    for _, parameters in ipairs({ row.params or {}, endpoints.common }) do
        for _, parameter in ipairs(parameters) do
            list[#list + 1] = parameter
        end
    end
    return list
end

describe("endpoints", function()
    for name, row in pairs(endpoints.rows) do
        describe(name, function()
            it("says what it is", function()
                assert.is_truthy(row.method == "GET" or row.method == "POST")
                assert.matches("^/%d/", row.path)
                assert.is_truthy(row.auth == "app" or row.auth == "user")
                assert.is_string(row.returns)
                assert.is_string(row.doc)
            end)

            it("describes every parameter once", function()
                local names, wires = {}, {}
                for _, parameter in ipairs(each_parameter(row)) do
                    assert.is_true(TYPES[parameter.type], parameter.name)
                    assert.is_string(parameter.doc, parameter.name)
                    assert.is_nil(names[parameter.name], parameter.name)
                    assert.is_nil(wires[parameter.wire], parameter.wire)
                    names[parameter.name], wires[parameter.wire] = true, true
                end
            end)

            it("has what its path and arguments name", function()
                local known = { namespace = true }
                for segment in pairs(row.segments or {}) do
                    known[segment] = true
                end
                for placeholder in row.path:gmatch("{(%a+)}") do
                    assert.is_true(known[placeholder], placeholder)
                end
                for _, parameter in ipairs(row.params) do
                    known[parameter.name] = true
                end
                for _, argument in ipairs(row.args) do
                    assert.is_true(known[argument], argument)
                end
            end)

            it("allows values in lower case", function()
                for _, parameter in ipairs(each_parameter(row)) do
                    for _, value in ipairs(parameter.values or {}) do
                        assert.equal(value:lower(), value)
                    end
                end
            end)
        end)
    end
end)

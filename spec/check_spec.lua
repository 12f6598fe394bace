local check = require("groove.check")
local api = require("spec.support.api")

local INDEX = check.index({
    { name = "size", type = "integer" },
    { name = "names", type = "list" },
    { name = "mode", type = "string", choices = { "a", "b" } },
})

describe("check", function()
    it("names an unknown option", function()
        assert.equal("f: unknown option 'sise'",
            (api.raised(check.options, "f", INDEX, { sise = 1 })))
    end)

    it("names a wrong type, and never shows the value", function()
        local text = api.raised(check.options, "f", INDEX, { size = "hush" })
        assert.equal("f: size must be an integer, got string", text)
        assert.equal("f: names must be a string or a list of strings, got table",
            (api.raised(check.options, "f", INDEX, { names = { 1 } })))
        assert.equal("f: mode must be one of a, b",
            (api.raised(check.options, "f", INDEX, { mode = "hush" })))
    end)

    it("refuses options that are no table", function()
        assert.equal("f: options must be a table, got string",
            (api.raised(check.options, "f", INDEX, "x")))
    end)

    it("takes nothing for no options, and changes nothing", function()
        assert.same({}, check.options("f", INDEX, nil))
        local given = { size = 3, names = "x" }
        assert.equal(given, check.options("f", INDEX, given))
        assert.same({ size = 3, names = "x" }, given)
    end)

    it("raises at the line of the program, through frames of the module", function()
        local groove = require("groove")
        local line = debug.getinfo(1, "l").currentline + 1
        local _, problem = pcall(function() groove.new({ client_sceret = "x" }) end)
        assert.equal("check_spec.lua:" .. line .. ": groove.new: unknown option 'client_sceret'",
            problem:match("check_spec.*"))
    end)

    it("knows numbers that are none", function()
        assert.is_false(check.is("number", 0 / 0))
        assert.is_false(check.is("integer", 1.5))
        assert.is_true(check.is("integer", 2.0))
        assert.is_false(check.is("seconds", 0))
        assert.is_false(check.is("seconds", math.huge))
        assert.is_true(check.is("seconds", 0.5))
    end)

    it("keeps control characters out of headers", function()
        for _, bad in ipairs({ "a\r\nb", "a\nb", "a\0b", "\127", "\27[0m" }) do
            assert.is_false(check.header_safe(bad))
        end
        assert.is_true(check.header_safe("Zoë \t x"))
        assert.equal("has a name that is no header's name", check.bad_header({ ["a b"] = "x" }))
        assert.equal("'A' has a line break or another control character",
            check.bad_header({ A = "x\r\ny" }))
        assert.is_nil(check.bad_header({ ["X-A"] = "b" }))
    end)
end)

local core = require("groove.core")
local groove = require("groove")
local api = require("spec.support.api")

describe("groove", function()
    it("has the face that its documentation promises", function()
        for _, name in ipairs({ "new", "token_source", "static_token", "dispatch", "fd", "sandbox",
            "shutdown" }) do
            assert.is_function(groove[name], name)
        end
        assert.equal(core._VERSION, groove._VERSION)
        assert.matches("^%d+%.%d+%.%d+$", groove._VERSION)
    end)

    it("sets no global", function()
        for name in pairs(_G) do
            assert.is_nil(tostring(name):find("groove"), name)
        end
    end)

    it("refuses a core of another version", function()
        local text = api.raised(function()
            local own, version = package.loaded["groove"], core._VERSION
            package.loaded["groove"], core._VERSION = nil, "9.9.9"
            local ok, problem = pcall(require, "groove")
            package.loaded["groove"], core._VERSION = own, version
            assert(ok, problem)
        end)
        assert.matches("groove.core is version 9.9.9", text)
        assert.matches("same release", text)
    end)

    it("has a descriptor that stays the same", function()
        assert.is_number(groove.fd())
        assert.equal(groove.fd(), groove.fd())
    end)

    it("checks the arguments of shutdown", function()
        assert.equal("groove.shutdown: seconds must be a number, got string",
            (api.raised(groove.shutdown, "1")))
    end)
end)

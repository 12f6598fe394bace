local address = require("groove.address")
local core = require("groove.core")
local api = require("spec.support.api")

local function refusal(text, allow_http)
    return (api.raised(address.check, "f", "url", text, allow_http))
end

describe("address", function()
    it("takes https, and http to loopback", function()
        for _, good in ipairs({ "https://a.test", "https://a.test:8443/x?y", "http://127.0.0.1:1/",
            "http://127.9.9.9/", "http://[::1]:80/", "http://localhost/" }) do
            assert.is_table(address.check("f", "url", good))
        end
        assert.is_table(address.check("f", "url", "http://a.test", true))
    end)

    it("refuses everything else, without showing it", function()
        for _, bad in ipairs({
            "http://a.test", "http://127.0.0.1.a.test/", "http://localhost.a.test",
            "ftp://a.test", "file:///etc/x", "https://u:hush@a.test", "https://hush@a.test",
            "https://a.test/\r\nx", "https://a b", "hush", "",
        }) do
            local text = refusal(bad)
            assert.matches("^f: url ", text)
            assert.is_nil(text:find("hush", 1, true))
        end
    end)

    it("keeps a request within its origin", function()
        local origin = core.url("https://api.test/base")
        assert.equal("https://api.test:443/x?y=z", address.within("/x?y=z", origin))
        assert.equal("https://api.test:443/x", address.within("https://API.test/x", origin))
        assert.equal("https://api.test:443/x", address.within("https://api.test:443/x#a", origin))
        for _, bad in ipairs({
            "https://api.test:444/x", "http://api.test/x", "https://api.test.evil/x",
            "//evil/x", "/\\evil", "https://api.test@evil/x", "https://u:p@api.test/", "x", "",
            "/x\r\ny",
        }) do
            local url, problem = address.within(bad, origin)
            assert.is_nil(url, bad)
            assert.is_string(problem)
        end
    end)
end)

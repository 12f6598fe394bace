-- No secret and no token in anything that the module says.

local shell = require("spec.support.shell")

describe("secrecy", function()
    it("keeps secrets and tokens out of errors, events, logs, info and tostring", function()
        local secret, token = "telltale+qzx/&=% ", "telltale-qzy&=%41/+"
        local said = shell.must(("MARKED_SECRET='%s' MARKED_TOKEN='%s' "
            .. "%s spec/support/blabber.lua"):format(secret, token, shell.interpreter))
        assert.truthy(said:find("all of it", 1, true))
        assert.is_true(#said > 20000) -- it has said a lot
        for _, mark in ipairs({ "telltale", "qzx", "qzy", "dGVsbHRhbGU" }) do
            local at = said:find(mark, 1, true)
            -- the words around it, without the secret itself
            local before = at and said:sub(math.max(1, at - 200), at - 1)
            assert.is_nil(before)
        end
    end)
end)

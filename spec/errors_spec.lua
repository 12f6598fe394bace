local core = require("groove.core")
local errors = require("groove.errors")

describe("errors", function()
    it("read as one line", function()
        assert.equal("api: CATALOG_NO_RESULT (HTTP 404): Item does not exist (retry after 2.5 s)",
            tostring(errors.new({
                kind = "api", code = "CATALOG_NO_RESULT", status = 404,
                message = "Item does not exist", retry_after = 2.5,
            })))
        assert.equal("argument: max_items must be from 1 to 25",
            tostring(errors.argument("max_items", "must be from 1 to 25")))
        assert.equal("pending", tostring(errors.new({ kind = "pending" })))
    end)

    -- However deep the program is: a method __concat would be called where the stack has to grow,
    -- which the Lua 5.4.4 of Debian 12 does not survive.
    it("join with text by tostring alone", function()
        local err = errors.timeout("late")
        local function join()
            return "failed: " .. err .. "."
        end
        local function deep(levels)
            if levels > 0 then
                return (deep(levels - 1))
            end
            return select(2, pcall(join)) .. " failed: " .. tostring(err) .. "."
        end
        for levels = 0, 100 do
            local text = coroutine.wrap(deep)(levels)
            assert.matches("attempt to concatenate .* failed: timeout: late%.$", text)
        end
    end)

    it("have the core's metatable", function()
        assert.equal(core.error_metatable, getmetatable(errors.pending("x")))
        local _, err = core.open({
            token_url = "https://a.test", client_secret_env = "GROOVE_NOT_SET",
        })
        assert.is_true(errors.is(err))
    end)

    it("are told from other values", function()
        assert.is_false(errors.is({ kind = "api" }))
        assert.is_false(errors.is("api"))
        assert.is_false(errors.is(nil))
    end)

    it("are made of what a program's function returned", function()
        local err = errors.wrap("no\nroute", "transport")
        assert.equal("transport", err.kind)
        assert.equal("no route", err.message)
        assert.is_true(err.retryable)
        assert.is_false(errors.wrap({ message = "x", retryable = false }, "token").retryable)
        assert.equal(err, errors.wrap(err, "token"))
        assert.equal("token", errors.wrap(nil, "token").kind)
    end)

    it("keep a message short and on one line", function()
        local text = errors.line(("x"):rep(1000) .. "\n")
        assert.equal(303, #text)
        assert.equal("a b", errors.line("a\r\nb"))
    end)
end)

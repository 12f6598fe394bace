local response = require("groove.response")

local SECRET = "EgIs/+=&token"

local function read(status, body, headers, format)
    return response.read({ status = status, headers = headers, body = body }, nil, format, SECRET)
end

describe("response", function()
    it("decodes", function()
        local value, err = read(200, '{"Tracks":{"Items":[{"Id":"a"}]}}')
        assert.is_nil(err)
        assert.equal("a", value.Tracks.Items[1].Id)
    end)

    it("reads null as nil, and leaves it out of arrays", function()
        local value = read(200,
            '{"A":null,"B":[null,1,null,{"C":null,"D":2},[null]],"E":{"F":null}}')
        assert.same({ B = { 1, { D = 2 }, {} }, E = {} }, value)
    end)

    it("does not walk an answer without the bytes null", function()
        local walked = false
        local value = setmetatable({}, { __len = function() walked = true return 0 end })
        local json = { decode = function() return value end, null = 0 }
        assert.equal(value, response.decode("{}", json))
        assert.is_false(walked)
    end)

    it("works with another library, which may raise or return nil", function()
        local json = { decode = function() error("token " .. SECRET) end }
        local value, problem = response.decode("x", json)
        assert.is_nil(value)
        assert.equal("the answer is not JSON", problem)
        assert.is_nil(response.decode("x", { decode = function() return nil, "no" end }))
    end)

    it("does not call it an answer's fault that memory has run out", function()
        local json = { decode = function() error("not enough memory", 0) end }
        local ok, problem = pcall(response.decode, "{}", json)
        assert.is_false(ok)
        assert.equal("not enough memory", problem)
    end)

    it("calls what is no JSON an invalid response", function()
        for _, body in ipairs({ "", "<html>", '{"a":', "null", "3", '"x"', "\255" }) do
            local value, err = read(200, body)
            assert.is_nil(value)
            assert.equal("transport", err.kind)
            assert.equal("invalid_response", err.code)
            assert.is_false(err.retryable)
        end
        assert.same({}, read(204, ""))
    end)

    it("makes an error of an Error object, with underscores", function()
        local value, err = read(404, '{"Error":{"ErrorCode":"CATALOG-NO-RESULT",'
            .. '"Description":"Item does not exist","Message":"not here"}}')
        assert.is_nil(value)
        assert.equal("api", err.kind)
        assert.equal("CATALOG_NO_RESULT", err.code)
        assert.equal(404, err.status)
        assert.equal("Item does not exist: not here", err.message)
        assert.is_true(err.no_result)
        assert.is_false(err.retryable)
    end)

    it("returns results and an error where there are both", function()
        local value, err = read(200, '{"Tracks":{"Items":[]},"Error":{"ErrorCode":"X_Y"}}')
        assert.is_table(value.Tracks)
        assert.equal("X_Y", err.code)
        assert.is_nil(err.no_result)
        value, err = read(200, '{"Culture":"en-US","Error":{"ErrorCode":"X_Y"}}')
        assert.is_nil(value)
        assert.equal("X_Y", err.code)
    end)

    it("makes an error of a bare status", function()
        for _, body in ipairs({ "<html>502</html>", "", "{}" }) do
            local value, err = read(502, body)
            assert.is_nil(value)
            assert.equal("api", err.kind)
            assert.equal("HTTP_502", err.code)
            assert.equal("the service answered 502", err.message)
            assert.is_true(err.retryable)
        end
    end)

    it("follows nothing", function()
        local value, err = read(302, "{}", { location = "https://elsewhere" })
        assert.is_nil(value)
        assert.equal("invalid_response", err.code)
    end)

    it("drops a text that echoes the token", function()
        local encoded = "EgIs%2F%2B%3D%26token"
        for _, echo in ipairs({ SECRET, encoded }) do
            local _, err = read(401, '{"Error":{"ErrorCode":"' .. echo .. '","Description":"bad '
                .. echo .. '","Message":"' .. echo .. '"}}')
            assert.equal("HTTP_401", err.code)
            assert.equal("the service answered 401", err.message)
        end
    end)

    it("keeps a message short and on one line", function()
        local message = "a\\nb" .. ("x"):rep(999)
        local _, err = read(400, '{"Error":{"ErrorCode":"A","Message":"' .. message .. '"}}')
        assert.matches("^a bx+%.%.%.$", err.message)
        assert.is_true(#err.message < 400)
    end)

    it("survives an Error of another shape", function()
        local _, err = read(400, '{"Error":{"ErrorCode":5,"Description":{},"Message":[]}}')
        assert.equal("HTTP_400", err.code)
        _, err = read(400, '{"Error":"no"}')
        assert.equal("HTTP_400", err.code)
        assert.equal("no", read(200, '{"Error":"no"}').Error)
    end)

    it("reads Retry-After, in seconds or as a date, in any case, up to an hour", function()
        local function after(text)
            return response.retry_after({ headers = { ["Retry-After"] = text } })
        end
        assert.equal(7, after("7"))
        assert.equal(0, after("0"))
        assert.equal(3600, after("86400"))
        assert.is_nil(after("soon"))
        assert.is_nil(after("-1"))
        assert.is_nil(after("Wed, 99 Foo 2015 07:28:00 GMT"))
        assert.equal(0, after("Wed, 21 Oct 2015 07:28:00 GMT"))
        local at = after(os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 100))
        assert.is_true(at >= 98 and at <= 100)
        assert.equal(3, response.retry_after({ headers = { ["retry-after"] = 3 } }))
        assert.is_nil(response.retry_after({}))
    end)

    it("finds a header that is a list of values, and leaves foreign fields alone", function()
        assert.equal(3, response.retry_after({ headers = { ["Retry-After"] = { "3" } } }))
        assert.is_nil(response.retry_after({ retry_after = "soon" }))
        assert.equal("xml", response.format({ headers = { ["CONTENT-type"] = { "text/xml" } } }))
        assert.is_nil(response.format({ headers = { ["content-type"] = "text/html" } }))
    end)

    it("returns the text of XML, and its error", function()
        assert.equal("<a/>", read(200, "<a/>", nil, "xml"))
        local value, err = read(404, "<Error><ErrorCode>CATALOG_NO_RESULT</ErrorCode>"
            .. "<Description>gone</Description></Error>", nil, "xml")
        assert.is_nil(value)
        assert.equal("CATALOG_NO_RESULT", err.code)
        assert.equal("gone", err.message)
        assert.is_true(err.no_result)
    end)
end)
